//! Trailing revenue, groups, designations, countries and renewal, over the small world.

use super::*;
use earnest_core::decimal::{AMOUNT_SCALE, parse};
use earnest_core::program::DataRole;

/// The program with other requirements, and what else stands before them.
fn asking(requirements: &str) -> String {
    let (before, rest) = RESELLER.split_once("[[requirement]]").expect("requirements");
    let after = rest.split_once("[[lever]]").expect("a lever").1;
    format!("{before}{requirements}\n[[lever]]{after}")
}

/// `on=2021-01-05|R=R1|B=P1|base=100|currency=EUR|product=AZ|role=detail`.
fn sold(text: &str) -> Sold {
    let cell = |name: &str| -> Option<String> {
        let mut cells = text.split('|').filter_map(|cell| cell.split_once('='));
        cells.find(|cell| cell.0 == name).map(|cell| cell.1.to_owned())
    };
    Sold {
        billed: cell("B"),
        reseller: cell("R"),
        on: day(&cell("on").expect("a day")),
        currency: cell("currency").unwrap_or_else(|| "USD".to_owned()),
        data_role: if cell("role").is_some() { DataRole::Detail } else { DataRole::Billing },
        product: cell("product"),
        sku: cell("sku"),
        base: parse(&cell("base").expect("a base"), AMOUNT_SCALE).expect("a decimal"),
        transactions: 1,
    }
}

const BAR: &str = "[[requirement]]\nrequirement = \"trailing_revenue\"\namount = \"1000\"\n";

fn revenue(requirements: &str, lines: &[&str]) -> World {
    World {
        program: asking(requirements),
        sold: lines.iter().map(|line| sold(line)).collect(),
        ..World::default()
    }
}

/// The day from which trailing revenue counts for L1; blank: never.
fn since(world: &World) -> String {
    let rows = world.rows();
    let row = rows.iter().find(|row| row[5] == "trailing_revenue" && row[3] == "2021-04");
    row.expect("a row")[9].clone()
}

#[test]
fn revenue_counts_from_the_assessment_on_and_a_dip_changes_nothing() {
    let world = revenue(
        BAR,
        &[
            "on=2021-02-02|R=R1|base=999.99",
            "on=2021-02-16|R=R1|base=0.01",
            "on=2021-02-23|R=R1|base=-500",
        ],
    );
    // Assessed on Mondays: 22 February is the first one that has it all.
    assert_eq!(since(&world), "2021-02-22");
    assert_eq!(world.reasons(), [vec![Reason::LowRevenue], NONE, NONE, NONE]);
    let friday =
        World { program: asking(BAR).replace("pays =", "weekday = \"friday\"\npays ="), ..world };
    assert_eq!(since(&friday), "2021-02-19");
    let refunded_before =
        revenue(BAR, &["on=2021-02-02|R=R1|base=1000", "on=2021-02-08|R=R1|base=-0.01"]);
    assert_eq!(since(&refunded_before), "");
}

#[test]
fn days_after_the_as_of_date_are_not_assessed() {
    // As of 20 April, a Tuesday; Monday 19 April is assessed, 26 April isn't.
    assert_eq!(since(&revenue(BAR, &["on=2021-04-19|R=R1|base=1000"])), "2021-04-19");
    assert_eq!(since(&revenue(BAR, &["on=2021-04-20|R=R1|base=1000"])), "");
}

#[test]
fn a_requirement_is_assessed_on_its_own_days_only() {
    let lines = ["on=2021-01-04|R=R1|base=1000", "on=2021-02-15|R=R1|base=-1000"];
    assert_eq!(since(&revenue(BAR, &lines)), "2021-01-04");
    let later = revenue(&format!("{BAR}from = \"2021-03-01\""), &lines);
    assert_eq!(since(&later), "");
    assert_eq!(later.reasons()[1], NONE, "it isn't asked for yet");
    assert_eq!(later.reasons()[2], [Reason::LowRevenue]);
}

#[test]
fn only_lines_in_the_program_s_roles_and_of_its_export_count() {
    for line in ["on=2021-01-04|B=R1|base=1000", "on=2021-01-04|R=R1|base=1000|role=detail"] {
        assert_eq!(since(&revenue(BAR, &[line])), "", "{line}");
    }
    let both = asking(BAR).replace("pays = [\"reseller\"]", "pays = [\"reseller\", \"provider\"]");
    let line = |base: &str| format!("on=2021-01-04|R=R1|B=R1|base={base}");
    let world = |base: &str| World { program: both.clone(), ..revenue(BAR, &[&line(base)]) };
    assert_eq!(since(&world("500")), "", "one line counts once");
    assert_eq!(since(&world("1000")), "2021-01-04");
}

#[test]
fn revenue_is_that_of_whom_the_partner_earned_for_on_the_day() {
    let map = vec![
        "partner_id=R1|program=reseller|participant_id=L2|until_on=2021-01-10",
        "partner_id=R1|program=reseller|participant_id=L1|from_on=2021-01-10",
    ];
    let world = |day: &str| World {
        map: map.clone(),
        ..revenue(BAR, &[&format!("on={day}|R=R1|base=1000")])
    };
    assert_eq!(since(&world("2021-01-09")), "");
    assert_eq!(since(&world("2021-01-10")), "2021-01-11");
}

#[test]
fn foreign_lines_are_converted_by_month_and_left_out_without_a_rate() {
    let lines =
        ["on=2021-01-29|R=R1|base=400|currency=EUR", "on=2021-02-02|R=R1|base=400|currency=EUR"];
    let rates = |rates: &[&'static str]| World { rates: rates.to_vec(), ..revenue(BAR, &lines) };
    const JANUARY: &str =
        "rate_type=earning|from_currency=EUR|to_currency=USD|period=2021-01|rate=1.25";
    // 400 × 1.25 + 400 × 1.249975 is 999.99; a rate of 1.2499875 makes it 999.995, which is 1,000.00.
    let short = "rate_type=earning|from_currency=EUR|to_currency=USD|period=2021-02|rate=1.249975";
    let enough =
        "rate_type=earning|from_currency=EUR|to_currency=USD|period=2021-02|rate=1.2499875";
    assert_eq!(since(&rates(&[JANUARY, short])), "");
    assert_eq!(since(&rates(&[JANUARY, enough])), "2021-02-08");
    assert_eq!(since(&rates(&[JANUARY])), "");
}

#[test]
fn product_groups_are_read_on_the_day_of_the_line() {
    let asked = format!("{BAR}product_groups = [\"azure\"]");
    let world = |line: &str| World {
        groups: vec![
            "product_group=azure|product_id=AZ|sku_id=1|until_on=2021-02-01",
            "product_group=other|product_id=MW",
            "product_group=azure|product_id=NW",
        ],
        ..revenue(&asked, &[&format!("R=R1|base=1000|{line}")])
    };
    assert_eq!(since(&world("on=2021-01-29|product=AZ|sku=1")), "2021-02-01");
    assert_eq!(since(&world("on=2021-02-01|product=AZ|sku=1")), "");
    assert_eq!(since(&world("on=2021-01-29|product=AZ|sku=2")), "");
    assert_eq!(since(&world("on=2021-01-29|product=MW")), "");
    assert_eq!(since(&world("on=2021-01-29|product=NW|sku=7")), "2021-02-01");
}

/// L2 sells; L1 is of the same company until 9 February, L2 until 24 January.
#[test]
fn a_company_s_revenue_is_that_of_its_locations_on_the_day() {
    let asked = format!("{BAR}follow = \"company\"");
    let world = |line: &str| World {
        memberships: vec![
            "global_id=G1|location_id=L1|status=Active|from_on=2020-01-01|until_on=2021-02-10",
            "global_id=G1|location_id=L2|status=Active|from_on=2020-01-01|until_on=2021-01-25",
        ],
        map: vec![
            "partner_id=R1|program=reseller|participant_id=L1",
            "partner_id=R2|program=reseller|participant_id=L2",
        ],
        ..revenue(&asked, &[line])
    };
    let sibling = world("on=2021-01-24|R=R2|base=1000");
    assert_eq!(sibling.reasons()[..2], [NONE, NONE]);
    assert_eq!(sibling.reasons()[2], [Reason::LowRevenue], "L1 left the company");
    assert_eq!(world("on=2021-01-25|R=R2|base=1000").reasons()[1], [Reason::LowRevenue]);
    let alone = World { program: asking(BAR), ..world("on=2021-01-24|R=R2|base=1000") };
    assert_eq!(alone.reasons()[1], [Reason::LowRevenue], "the location is followed");
    let own = world("on=2021-03-01|R=R1|base=1000");
    assert_eq!(own.reasons()[2], NONE, "of no company, it counts for itself");
}

const SKILLED: &str = "[[requirement]]\nname = \"skilled\"\nany_of = [\
    { requirement = \"designation\", names = [\"Azure\"] },\
    { requirement = \"designation\", name = \"points\", names = [\"Azure\"], points = \"25\" }]\n";

#[test]
fn one_of_a_group_suffices_and_each_has_its_row() {
    let world = World {
        program: asking(SKILLED),
        designations: vec![
            "location_id=L2|designation=Azure|held=no|points=24.9|from_on=2020-01-01|until_on=2021-02-01",
            "location_id=L2|designation=Azure|held=no|points=25|from_on=2021-02-01|until_on=2021-03-02",
            "location_id=L2|designation=Azure|held=yes|points=10|from_on=2021-03-02|until_on=2021-04-01",
            "location_id=L1|designation=Security|held=yes|points=99",
        ],
        ..World::default()
    };
    let none = vec![Reason::NoDesignation];
    assert_eq!(world.reasons(), [none.clone(), NONE, NONE, none]);
    let rows = world.rows();
    let march: Vec<String> = rows[8..12].iter().map(|row| row[4..].join(",")).collect();
    assert_eq!(
        march,
        [
            "2,all,true,2021-03-01,2021-03-31,2021-02-01,2021-04-01,,Invited,",
            "1,designation,true,2021-03-02,2021-03-31,2021-03-02,2021-04-01,,,skilled",
            "1,points,true,2021-03-01,2021-03-01,2021-02-01,2021-03-02,,,skilled",
            "1,skilled,true,2021-03-01,2021-03-31,2021-02-01,2021-03-02,,,",
        ]
        .map(|row| row.replace("Invited", &rows[8][12]))
    );
    let february = rows.iter().find(|row| row[3] == "2021-02" && row[5] == "designation");
    assert_eq!(
        february.expect("a row")[6..].join(","),
        "false,,,2021-03-02,2021-04-01,NO_DESIGNATION,,skilled"
    );
}

/// A group holds on days, like any other: a day of its own and one of another requirement don't meet.
#[test]
fn a_group_must_hold_on_the_same_day_as_the_others() {
    let world = World {
        program: asking(&format!("{SKILLED}[[requirement]]\nrequirement = \"mpn_agreement\"")),
        designations: vec!["location_id=L1|designation=Azure|held=yes|until_on=2021-03-10"],
        agreements: vec!["location_id=L1|agreement_type=MPN|from_on=2021-03-10"],
        ..World::default()
    };
    assert_eq!(world.reasons()[2], [Reason::NotTogether]);
    assert_eq!(world.reasons()[3], [Reason::NoDesignation]);
}

#[test]
fn a_location_s_country_is_that_of_its_membership_on_the_day() {
    let text = "[[requirement]]\nrequirement = \"location_country\"\ncountries = [\"IT\", \"CA\"]";
    let world = World {
        program: asking(text),
        memberships: vec![
            "global_id=G1|location_id=L1|country=US|status=Active|until_on=2021-02-28",
            "global_id=G1|location_id=L1|country=IT|status=Active|from_on=2021-02-28|until_on=2021-04-01",
            "global_id=G1|location_id=L1|status=Active|from_on=2021-04-01",
        ],
        ..World::default()
    };
    let wrong = vec![Reason::WrongGeography];
    assert_eq!(world.reasons(), [wrong.clone(), NONE, NONE, wrong]);
}

#[test]
fn a_term_may_ask_for_a_new_enrollment() {
    let text =
        "[[requirement]]\nrequirement = \"enrollment\"\nrenewed = \"term\"\nrenewal_days = 30";
    let terms = "[[term]]\nterm = \"T1\"\nuntil = \"2021-02-28\"\n[[term]]\nterm = \"T2\"\nfrom = \"2021-03-01\"";
    let row = |from: &str| -> &'static str {
        let row = format!(
            "location_id=L1|program=reseller|status=Enrolled|payout_profile=a|tax_profile=b|from_on={from}"
        );
        row.leak()
    };
    let world = |rows: Vec<&'static str>| World {
        program: asking(text).replace("[[term]]\nterm = \"all\"", terms),
        enrollments: rows,
        ..World::default()
    };
    let lapsed = vec![Reason::NotEnrolled];
    assert_eq!(
        world(vec![row("2020-01-01")]).reasons(),
        [NONE, NONE, lapsed.clone(), lapsed.clone()]
    );
    assert_eq!(
        world(vec![row("2020-01-01"), row("2021-04-07")]).reasons(),
        [NONE, NONE, lapsed.clone(), NONE]
    );
    let ahead = world(vec![row("2021-01-30")]);
    assert_eq!(ahead.reasons(), [NONE; 4], "30 days before 1 March");
    assert_eq!(world(vec![row("2021-01-29")]).reasons()[2], lapsed);
}

/// The old name means the program until 9 February only; the enrollment by the new one begins later.
#[test]
fn an_old_name_counts_on_its_days() {
    let dated = "pays = [\"reseller\"]\n[[alias]]\nname = \"Old\"\nuntil = \"2021-02-09\"";
    let row = |text: &str| -> &'static str {
        format!("location_id=L1|status=Enrolled|payout_profile=a|tax_profile=b|{text}").leak()
    };
    let world = World {
        program: RESELLER.replace("pays = [\"reseller\"]", dated),
        enrollments: vec![row("program=Old"), row("program=reseller|from_on=2021-04-30")],
        ..World::default()
    };
    let missing = vec![Reason::NotEnrolled];
    assert_eq!(world.reasons(), [NONE, NONE, missing, NONE]);
    let rows = world.rows();
    let february = rows.iter().find(|row| row[3] == "2021-02" && row[5] == "enrollment");
    assert_eq!(february.expect("a row")[7..9], ["2021-02-01", "2021-02-09"]);
    let by_old_name = ["partner_id=R1|program=Old|participant_id=L1"];
    let programs = [program(&world.program)];
    let map = ParticipantMap::build(&programs, &table(&PARTICIPANT_MAP, &by_old_name));
    let map = map.expect("a map");
    assert_eq!(map.on(0, "R1", day("2021-02-09")), Ok("L1"));
    assert_eq!(map.on(0, "R1", day("2021-02-10")), Err(Reason::Unmapped));
}
