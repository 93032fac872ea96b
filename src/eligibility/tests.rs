//! Decisions over small worlds: one location changes at a time.

mod requirements;

use super::*;
use crate::columns::fixtures::{day, table, texts};
use crate::schema::{
    AGREEMENTS, COMPETENCIES, DESIGNATIONS, ENROLLMENTS, EXCHANGE_RATES, MEMBERSHIPS,
    PARTICIPANT_MAP, PRODUCT_GROUPS,
};

const RESELLER: &str = r#"
program = "reseller"
name = "CSP Indirect Reseller"
aliases = ["CSP 2T Indirect Reseller"]
currency = "USD"
pays = ["reseller"]
[[term]]
term = "all"
[[requirement]]
requirement = "mpn_agreement"
[[requirement]]
requirement = "mpn_membership"
[[requirement]]
requirement = "first_transaction"
[[requirement]]
requirement = "competency"
[[requirement]]
requirement = "enrollment"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
[payment]
minimum = "200"
"#;

fn program(text: &str) -> Program {
    Program::parse("p.toml", text).expect("a program")
}

fn period(text: &str) -> Period {
    text.parse().expect("a month")
}

/// Location L1 of company G1, which meets everything from 2020 on; L2 is a second location of G1.
struct World {
    memberships: Vec<&'static str>,
    agreements: Vec<&'static str>,
    competencies: Vec<&'static str>,
    designations: Vec<&'static str>,
    enrollments: Vec<&'static str>,
    map: Vec<&'static str>,
    first: Vec<(&'static str, &'static str)>,
    sold: Vec<Sold>,
    groups: Vec<&'static str>,
    rates: Vec<&'static str>,
    program: String,
}

impl Default for World {
    fn default() -> World {
        World {
            memberships: vec![
                "global_id=G1|location_id=L1|status=Active|from_on=2020-01-01",
                "global_id=G1|location_id=L2|status=Active|from_on=2020-01-01",
            ],
            agreements: vec!["location_id=L1|agreement_type=MPN|from_on=2020-01-01"],
            competencies: vec![
                "location_id=L2|competency=Cloud Platform|level=Gold|from_on=2020-01-01",
            ],
            designations: vec![],
            enrollments: vec![
                "location_id=L1|program=CSP 2T Indirect Reseller|status=Enrolled|payout_profile=ok|tax_profile=ok|from_on=2020-01-01",
            ],
            map: vec!["partner_id=R1|program=reseller|participant_id=L1"],
            first: vec![("R1", "2020-02-10")],
            sold: vec![],
            groups: vec![],
            rates: vec![],
            program: RESELLER.to_owned(),
        }
    }
}

impl World {
    fn decide(&self) -> Decisions {
        let dimensions = Dimensions {
            memberships: table(&MEMBERSHIPS, &self.memberships),
            agreements: table(&AGREEMENTS, &self.agreements),
            competencies: table(&COMPETENCIES, &self.competencies),
            designations: table(&DESIGNATIONS, &self.designations),
            enrollments: table(&ENROLLMENTS, &self.enrollments),
            participant_map: table(&PARTICIPANT_MAP, &self.map),
        };
        let first = self.first.iter();
        let first = first.map(|(id, on)| ((Role::Reseller, (*id).to_owned()), day(on))).collect();
        let programs = [program(&self.program)];
        let revenue = Revenue {
            sold: &self.sold,
            product_groups: &table(&PRODUCT_GROUPS, &self.groups),
            exchange_rates: &table(&EXCHANGE_RATES, &self.rates),
            as_of: day("2021-04-20"),
            frozen: &[],
            corrected: &[],
            open: None,
        };
        decide(&programs, &dimensions, &first, &revenue, period("2021-01"), period("2021-04"))
            .expect("decisions")
    }

    /// Per month of 2021-01 to 2021-04: the reasons of L1, empty where it is eligible.
    fn reasons(&self) -> Vec<Vec<Reason>> {
        let decisions = self.decide();
        period("2021-01")
            .through(period("2021-04"))
            .map(|period| {
                let verdict = decisions.verdict(0, "L1", period).expect("a participant");
                assert_eq!(verdict.eligible, verdict.reasons.is_empty());
                verdict.reasons.clone()
            })
            .collect()
    }

    /// The `eligibility` rows as texts, null as nothing.
    fn rows(&self) -> Vec<Vec<String>> {
        let decisions = self.decide();
        decisions.batches().flat_map(|batch| texts(&batch.expect("a batch"))).collect()
    }

    fn statuses(&self) -> Vec<String> {
        let rows = self.rows();
        rows.iter().filter(|row| row[5] == "all").map(|row| row[12].clone()).collect()
    }
}

const NONE: Vec<Reason> = Vec::new();

#[test]
fn whoever_meets_everything_is_eligible() {
    assert_eq!(World::default().reasons(), [NONE, NONE, NONE, NONE]);
    assert_eq!(World::default().statuses(), ["Enrolled"; 4]);
}

#[test]
fn each_unmet_requirement_has_its_reason_in_order() {
    let world = World {
        agreements: vec!["location_id=L1|agreement_type=MPN|until_on=2021-03-02"],
        competencies: vec![],
        enrollments: vec![
            "location_id=L1|program=reseller|status=Enrolled|payout_profile=ok|tax_profile= |from_on=2020-01-01",
        ],
        ..World::default()
    };
    let missing = vec![Reason::NoCompetency, Reason::NotEnrolled];
    let all = vec![Reason::NoMpnAgreement, Reason::NoCompetency, Reason::NotEnrolled];
    assert_eq!(world.reasons(), [missing.clone(), missing.clone(), missing, all]);
}

#[test]
fn requirements_that_never_meet_on_one_day_are_not_together() {
    let world = World {
        agreements: vec!["location_id=L1|agreement_type=MPN|until_on=2021-03-02"],
        competencies: vec!["location_id=L2|competency=Data|level=Silver|from_on=2021-03-02"],
        ..World::default()
    };
    let reasons = world.reasons();
    assert_eq!(reasons[1], [Reason::NoCompetency]);
    assert_eq!(reasons[2], [Reason::NotTogether]);
    assert_eq!(reasons[3], [Reason::NoMpnAgreement]);
}

#[test]
fn a_competency_counts_while_its_location_belongs_to_the_company() {
    let world = World {
        memberships: vec![
            "global_id=G1|location_id=L1|status=Active|from_on=2020-01-01",
            "global_id=G1|location_id=L2|status=Active|from_on=2020-01-01|until_on=2021-02-03",
            "global_id=G2|location_id=L2|status=Active|from_on=2021-02-03",
        ],
        ..World::default()
    };
    let lost = vec![Reason::NoCompetency];
    assert_eq!(world.reasons(), [NONE, NONE, lost.clone(), lost]);
    let moved = World {
        memberships: vec![
            "global_id=G1|location_id=L1|status=Active|from_on=2020-01-01|until_on=2021-02-03",
            "global_id=G2|location_id=L1|status=Active|from_on=2021-02-03",
            "global_id=G2|location_id=L2|status=Active|from_on=2020-01-01",
        ],
        ..World::default()
    };
    let not_yet = vec![Reason::NoCompetency];
    assert_eq!(moved.reasons(), [not_yet, NONE, NONE, NONE]);
    assert_eq!(moved.rows()[0][2], "G1");
    assert_eq!(moved.rows()[6][2], "G2");
}

#[test]
fn a_level_that_is_not_asked_for_does_not_count() {
    let world = World {
        competencies: vec!["location_id=L1|competency=Cloud Platform|level=Bronze"],
        ..World::default()
    };
    assert_eq!(world.reasons()[0], [Reason::NoCompetency]);
}

#[test]
fn the_month_of_the_first_transaction_counts_whole() {
    let world = World { first: vec![("R1", "2021-02-28")], ..World::default() };
    let none_yet = vec![Reason::NoFirstTransaction];
    assert_eq!(world.reasons(), [none_yet, NONE, NONE, NONE]);
    let later = World {
        map: vec!["partner_id=R1|program=reseller|participant_id=L1|from_on=2021-03-15"],
        ..World::default()
    };
    let none_yet = vec![Reason::NoFirstTransaction];
    assert_eq!(later.reasons(), [none_yet.clone(), none_yet, NONE, NONE]);
    let gone = World {
        map: vec!["partner_id=R1|program=reseller|participant_id=L1|until_on=2020-02-10"],
        ..World::default()
    };
    assert_eq!(gone.reasons()[0], [Reason::NoFirstTransaction]);
}

#[test]
fn statuses_are_as_published() {
    let world = |enrollment: &'static str| World {
        enrollments: vec![enrollment],
        first: vec![("R1", "2021-02-10")],
        ..World::default()
    };
    let inactive = "Inactive / Ineligible";
    let invited = world("location_id=L9|program=reseller|status=Enrolled").statuses();
    assert_eq!(invited[..4], [inactive, "Invited", "Invited", "Invited"]);
    let accepted = "location_id=L1|program=reseller|status=Enrolled|payout_profile=ok";
    assert_eq!(world(accepted).statuses()[1], "Action required");
    let validating = "location_id=L1|program=reseller|status=Validating enrollment|payout_profile=ok|tax_profile=ok";
    assert_eq!(world(validating).statuses()[1], "Validating enrollment");
    let own = "location_id=L1|program=reseller|status=Invited";
    assert_eq!(world(own).statuses()[1], "Invited");
    let twice = World {
        enrollments: vec![
            "location_id=L1|program=reseller|status=Invited|until_on=2021-02-10",
            "location_id=L1|program=reseller|status=Enrolled|payout_profile=a|tax_profile=b|from_on=2021-02-10",
        ],
        ..World::default()
    };
    assert_eq!(twice.statuses(), ["Invited", "Enrolled", "Enrolled", "Enrolled"]);
    assert_eq!(twice.reasons()[0], [Reason::NotEnrolled]);
}

#[test]
fn rows_are_sorted_by_key_and_name_the_dates_that_decided() {
    let world = World {
        agreements: vec![
            "location_id=L1|agreement_type=MPN|from_on=2020-01-01|until_on=2021-03-02",
        ],
        ..World::default()
    };
    let rows = world.rows();
    assert_eq!(rows.len(), 4 * 6);
    let key = |row: &Vec<String>| [1, 0, 3, 5].map(|column: usize| row[column].clone());
    assert!(rows.is_sorted_by_key(key));
    let march: Vec<String> =
        rows[12..18].iter().map(|row| [&row[4..]].concat().join(",")).collect();
    assert_eq!(
        march,
        [
            "6,all,true,2021-03-01,2021-03-01,2020-02-10,2021-03-02,,Enrolled,",
            "4,competency,true,2021-03-01,2021-03-31,2020-01-01,,,,",
            "5,enrollment,true,2021-03-01,2021-03-31,2020-01-01,,,,",
            "3,first_transaction,true,2021-03-01,2021-03-31,2020-02-10,,,,",
            "1,mpn_agreement,true,2021-03-01,2021-03-01,2020-01-01,2021-03-02,,,",
            "2,mpn_membership,true,2021-03-01,2021-03-31,2020-01-01,,,,",
        ]
    );
    assert_eq!(rows[18][4..].join(","), "6,all,false,,,,,NO_MPN_AGREEMENT,Inactive / Ineligible,");
    assert_eq!(
        rows[22][4..].join(","),
        "1,mpn_agreement,false,,,2020-01-01,2021-03-02,NO_MPN_AGREEMENT,,"
    );
}

#[test]
fn participants_are_those_enrolled_or_mapped() {
    let world = World {
        enrollments: vec![
            "location_id=L3|program=reseller|status=Invited",
            "location_id=L4|program=other|status=Invited",
        ],
        map: vec![
            "partner_id=R1|program=reseller|participant_id=L1",
            "partner_id=R2|program=reseller|participant_id=L5",
        ],
        ..World::default()
    };
    let decisions = world.decide();
    let known = |participant| decisions.verdict(0, participant, period("2021-01")).is_some();
    assert_eq!(["L1", "L3", "L4", "L5", "R1"].map(known), [true, true, false, false, false]);
    assert!(decisions.verdict(0, "L1", period("2021-05")).is_none());
    let itself = World {
        program: RESELLER.replace("pays =", "unmapped = \"self\"\npays ="),
        map: vec!["partner_id=R1|program=reseller|participant_id=L1|from_on=2021-03-01"],
        ..World::default()
    };
    let decisions = itself.decide();
    assert!(decisions.verdict(0, "R1", period("2021-01")).is_some());
    assert!(decisions.verdict(0, "L1", period("2021-01")).is_some());
}

fn map(program_text: &str, rows: &[&str]) -> ParticipantMap {
    let programs = [program(program_text)];
    ParticipantMap::build(&programs, &table(&PARTICIPANT_MAP, rows)).expect("a map")
}

#[test]
fn rows_that_overlap_are_rejected_on_all_their_days() {
    let map = map(
        RESELLER,
        &[
            "partner_id=R1|program=reseller|participant_id=A|until_on=2021-01-01",
            "partner_id=R1|program=reseller|participant_id=B|from_on=2021-01-01|until_on=2021-03-01",
            "partner_id=R1|program=CSP 2T Indirect Reseller|participant_id=C|from_on=2021-02-28|until_on=2021-04-01",
            "partner_id=R1|program=reseller|participant_id=D|from_on=2021-04-01",
            "partner_id=R1|program=other|participant_id=E",
            "partner_id=R2|program=reseller|participant_id=A",
        ],
    );
    let on = |partner, text| map.on(0, partner, day(text)).map(str::to_owned);
    assert_eq!(on("R1", "2020-12-31"), Ok("A".to_owned()));
    assert_eq!(on("R1", "2021-01-01"), Err(Reason::MapDup));
    assert_eq!(on("R1", "2021-03-31"), Err(Reason::MapDup));
    assert_eq!(on("R1", "2021-04-01"), Ok("D".to_owned()));
    assert_eq!(on("R2", "2021-04-01"), Ok("A".to_owned()));
    assert_eq!(on("R3", "2021-04-01"), Err(Reason::Unmapped));
    assert_eq!(map.segments(0, "R1").len(), 3);
}

#[test]
fn a_long_row_rejects_every_row_within_it() {
    let map = map(
        RESELLER,
        &[
            "partner_id=R1|program=reseller|participant_id=A|from_on=2021-01-01|until_on=2022-01-01",
            "partner_id=R1|program=reseller|participant_id=B|from_on=2021-02-01|until_on=2021-03-01",
            "partner_id=R1|program=reseller|participant_id=C|from_on=2021-06-01|until_on=2021-07-01",
        ],
    );
    let segments = map.segments(0, "R1");
    assert_eq!(segments.len(), 1);
    assert_eq!(segments[0].participant, Err(Reason::MapDup));
    assert_eq!((segments[0].from, segments[0].until), (day("2021-01-01"), day("2022-01-01")));
}

#[test]
fn a_program_may_say_that_who_is_unmapped_is_itself() {
    let text = RESELLER.replace("pays =", "unmapped = \"self\"\npays =");
    let map = map(&text, &["partner_id=R1|program=reseller|participant_id=A|from_on=2021-01-01"]);
    assert_eq!(map.on(0, "R1", day("2020-12-31")), Ok("R1"));
    assert_eq!(map.on(0, "R1", day("2021-01-01")), Ok("A"));
    assert_eq!(map.on(0, "R2", day("2021-01-01")), Ok("R2"));
}

/// Every decision, found again by asking each day of the month.
#[test]
fn decisions_are_those_of_asking_every_day() {
    let mut random = fastrand::Rng::with_seed(7);
    let start = day("2020-12-15");
    let mut range = |what: &str| {
        let from = start + chrono::Days::new(random.u64(0..120));
        let until = from + chrono::Days::new(random.u64(1..60));
        format!("{what}|from_on={from}|until_on={until}")
    };
    for round in 0..200 {
        let rows = |texts: Vec<String>| -> Vec<&'static str> {
            texts.into_iter().map(|text| &*text.leak()).collect()
        };
        let company = |location: &str, company: &str| {
            format!("global_id={company}|location_id={location}|status=Active")
        };
        let memberships = [("L1", "G1"), ("L1", "G2"), ("L2", "G1"), ("L2", "G1"), ("L3", "G2")];
        let memberships = memberships.map(|(location, id)| range(&company(location, id))).to_vec();
        let held = |location: &str| format!("location_id={location}|competency=C|level=Gold");
        let competencies = ["L1", "L2", "L2", "L3"].map(|location| range(&held(location)));
        let agreements = [(); 2].map(|()| range("location_id=L1|agreement_type=MPN"));
        let world = World {
            memberships: rows(memberships),
            competencies: rows(competencies.to_vec()),
            agreements: rows(agreements.to_vec()),
            ..World::default()
        };
        let expected: Vec<bool> = period("2021-01")
            .through(period("2021-04"))
            .map(|period| {
                let days = period.first_day().iter_days().take_while(|day| *day < period.end());
                days.into_iter().any(|day| world.holds_on(day))
            })
            .collect();
        let found: Vec<bool> = world.reasons().iter().map(Vec::is_empty).collect();
        assert_eq!(found, expected, "round {round}");
    }
}

impl World {
    /// Whether L1 meets agreement, membership and competency on a day, straight from the rows.
    fn holds_on(&self, on: NaiveDate) -> bool {
        let covers = |row: &&&str| {
            let side =
                |name: &str| row.split('|').find_map(|cell| cell.strip_prefix(name)).map(day);
            side("from_on=").is_none_or(|from| from <= on)
                && side("until_on=").is_none_or(|until| on < until)
        };
        let value = |row: &&str, name: &str| -> String {
            row.split('|').find_map(|cell| cell.strip_prefix(name)).unwrap_or_default().to_owned()
        };
        let companies = |location: &str| -> Vec<String> {
            let rows = self.memberships.iter().filter(covers);
            let rows = rows.filter(|row| value(row, "location_id=") == location);
            rows.map(|row| value(row, "global_id=")).collect()
        };
        let mine = companies("L1");
        let competent = self.competencies.iter().filter(covers).any(|row| {
            let location = value(row, "location_id=");
            location == "L1" || companies(&location).iter().any(|company| mine.contains(company))
        });
        self.agreements.iter().any(|row| covers(&row)) && !mine.is_empty() && competent
    }
}
