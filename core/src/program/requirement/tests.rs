//! Requirements as program files write them: what is read, and what is refused with which words.

use super::*;
use crate::program::Program;
use chrono::Weekday;

fn parse(requirements: &str) -> Result<Program, Error> {
    let text = format!(
        "program = \"p\"\nname = \"P\"\ncurrency = \"USD\"\npays = [\"reseller\"]\n{requirements}\n\
         [[term]]\nterm = \"all\"\n[[lever]]\nlever = \"core\"\nname = \"Core\"\ndraws = \"billing\"\n\
         product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.04\"\n[payment]\nminimum = \"200\"\n"
    );
    Program::parse("p.toml", &text)
}

fn read(requirements: &str) -> Program {
    parse(requirements).unwrap_or_else(|error| panic!("{requirements}: {error}"))
}

fn refused(requirements: &str, expected: &str) {
    let error = parse(requirements).expect_err(requirements).to_string();
    assert!(error.starts_with("p.toml:") && error.contains(expected), "`{requirements}`: {error}");
}

#[test]
fn trailing_revenue_has_a_window_and_a_weekday() {
    let program = read("[[requirement]]\nrequirement = \"trailing_revenue\"\namount = \"25000\"");
    assert_eq!(program.weekday, Weekday::Mon);
    let requirement = &program.requirements[0];
    assert_eq!(
        (requirement.name.as_str(), requirement.reason),
        ("trailing_revenue", Reason::LowRevenue)
    );
    let trailing = TrailingRevenue {
        amount: 25_000_000,
        days: 365,
        draws: DataRole::Billing,
        product_groups: Vec::new(),
        follow: Follow::Location,
        redecide: Redecide::UntilClose,
    };
    assert_eq!(requirement.conditions[0].kind, ConditionKind::TrailingRevenue(trailing));
    let program = read(
        "weekday = \"thursday\"\n[[requirement]]\nrequirement = \"trailing_revenue\"\namount = \"1000\"\n\
         days = 90\nfollow = \"company\"\ndraws = \"detail\"\nproduct_groups = [\"azure\"]",
    );
    assert_eq!(program.weekday, Weekday::Thu);
    let ConditionKind::TrailingRevenue(trailing) = &program.requirements[0].conditions[0].kind
    else {
        panic!("{:?}", program.requirements)
    };
    assert_eq!(
        (trailing.days, trailing.follow, trailing.draws),
        (90, Follow::Company, DataRole::Detail)
    );
    assert_eq!(trailing.product_groups, ["azure"]);
}

#[test]
fn a_group_is_named_and_reasoned_by_its_members_unless_it_says() {
    let members = "any_of = [{ requirement = \"designation\", names = [\"Security\"] }, \
                   { requirement = \"designation\", name = \"points\", points = \"25\" }]";
    let program = read(&format!("[[requirement]]\n{members}"));
    let group = &program.requirements[0];
    assert!(group.is_group());
    assert_eq!(
        (group.name.as_str(), group.reason),
        ("designation or points", Reason::NoDesignation)
    );
    let declared = read(&format!(
        "[[requirement]]\nname = \"skilled\"\nreason = \"IVDCOMP\"\nfrom = \"2022-10-01\"\n{members}"
    ));
    let group = &declared.requirements[0];
    assert_eq!((group.name.as_str(), group.reason), ("skilled", Reason::NoCompetency));
    assert_eq!(group.conditions[1].name, "points");
    let points = ConditionKind::Designation { names: vec![], points: Some(25_000_000_000_000) };
    assert_eq!(group.conditions[1].kind, points);
}

#[test]
fn faults_name_line_and_remedy() {
    let one = |text: &str| format!("[[requirement]]\n{text}");
    for (text, expected) in [
        ("requirement = \"charm\"", "p.toml:6: expected one of `mpn_agreement`"),
        ("requirement = \"trailing_revenue\"", "p.toml:6: expected an `amount`"),
        (
            "requirement = \"trailing_revenue\"\namount = \"0\"",
            "p.toml:7: expected an amount above 0",
        ),
        ("requirement = \"trailing_revenue\"\namount = \"1\"\ndays = 0", "`days` from 1 to 3660"),
        (
            "requirement = \"enrollment\"\nlevels = [\"Gold\"]",
            "expected no `levels` beside `enrollment`",
        ),
        ("requirement = \"location_country\"", "expected `countries`"),
        (
            "requirement = \"location_country\"\ncountries = [\"usa\"]",
            "p.toml:7: expected a country of two capital letters, found `usa`",
        ),
        ("requirement = \"enrollment\"\nrenewal_days = 3", "expected `renewed = \"term\"`"),
        (
            "requirement = \"enrollment\"\nreason = \"NORATE\"",
            "p.toml:7: expected one of `NO_MPN_AGREEMENT`",
        ),
        ("requirement = \"enrollment\"\nname = \"all\"", "expected a name other than `all`"),
        ("name = \"x\"", "expected either `requirement` or `any_of`"),
        ("any_of = []", "expected members"),
        ("any_of = [{ requirement = \"enrollment\" }]", "expected at least two members"),
        (
            "any_of = [{ requirement = \"enrollment\" }, { name = \"x\" }]",
            "expected `requirement` in each member",
        ),
        (
            "any_of = [{ requirement = \"enrollment\" }, { requirement = \"competency\", from = \"2021-01-01\" }]",
            "expected dates on the group",
        ),
        (
            "any_of = [{ requirement = \"competency\" }, { requirement = \"competency\" }]",
            "expected a name of its own, found `competency` again",
        ),
        (
            "levels = [\"Gold\"]\nany_of = [{ requirement = \"enrollment\" }, { requirement = \"competency\" }]",
            "expected `levels` in the members",
        ),
    ] {
        refused(&one(text), expected);
    }
    refused("weekday = \"someday\"", "p.toml:5: expected a day of the week");
}

#[test]
fn names_tell_requirements_apart() {
    let twice = "[[requirement]]\nrequirement = \"competency\"\n[[requirement]]\nrequirement = \"competency\"";
    refused(twice, "expected each requirement once a day");
    let named = read(&format!("{twice}\nname = \"gold\"\nlevels = [\"Gold\"]"));
    assert_eq!(named.requirements[1].name, "gold");
    let dated = "[[requirement]]\nrequirement = \"competency\"\nuntil = \"2022-09-30\"\n\
                 [[requirement]]\nname = \"competency\"\nfrom = \"2022-10-01\"\nreason = \"IVDCOMP\"\n\
                 any_of = [{ requirement = \"designation\" }, { requirement = \"location_country\", countries = [\"IT\"] }]";
    assert_eq!(read(dated).requirements.len(), 2);
    refused(&dated.replace("reason = \"IVDCOMP\"\n", ""), "expected one reason for `competency`");
    let taken = format!("{dated}\n[[requirement]]\nrequirement = \"designation\"");
    refused(&taken, "found `designation` again");
    let many: String = (0..61)
        .map(|number| {
            format!("[[requirement]]\nrequirement = \"enrollment\"\nname = \"e{number}\"\n")
        })
        .collect();
    refused(&many, "expected at most 60 requirements");
}

#[test]
fn a_row_lasts_until_a_term_asks_for_a_new_one() {
    let day = |text: &str| -> NaiveDate { text.parse().expect("a day") };
    let term = |name: &str, from: &str, until: &str| Term {
        term: name.to_owned(),
        days: Days { from: Some(day(from)), until: Some(day(until)) },
    };
    let terms = [
        term("FY21", "2020-10-01", "2021-10-01"),
        term("FY22", "2021-10-01", "2022-10-01"),
        term("FY23", "2022-10-01", "2023-10-01"),
    ];
    let until = |from: Option<&str>, until: Option<&str>, ahead| {
        let fact = Fact::of(from.map(day), until.map(day)).expect("days");
        Renewal { ahead }.limit(fact, &terms).map(|fact| fact.days.1.to_string())
    };
    assert_eq!(until(Some("2020-10-01"), None, 0).as_deref(), Some("2021-10-01"));
    assert_eq!(until(Some("2021-09-15"), None, 0).as_deref(), Some("2021-10-01"));
    assert_eq!(until(Some("2021-09-15"), None, 16).as_deref(), Some("2022-10-01"));
    assert_eq!(until(Some("2021-09-15"), None, 15).as_deref(), Some("2021-10-01"));
    assert_eq!(until(Some("2021-09-15"), Some("2021-09-20"), 0).as_deref(), Some("2021-09-20"));
    assert_eq!(until(None, None, 0).as_deref(), Some("2020-10-01"));
    let last = until(Some("2022-10-01"), None, 0);
    assert_eq!(last, Some(NaiveDate::MAX.to_string()));
}
