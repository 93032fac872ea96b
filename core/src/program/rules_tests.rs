//! Faults of measured levers and caps, each with its place and what is expected.

use super::Program;
use super::cap::Whose;

const GOOD: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "FY21"
from = "2020-10-01"
until = "2021-09-30"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["azure"]
[[lever.rate]]
rate = "0.04"
[[lever]]
lever = "volume"
name = "Volume"
draws = "billing"
product_groups = ["azure"]
[lever.measure]
window = "quarter"
[[lever.tiers]]
shape = "whole"
tier = [{ up_to = "1000", rate = "0.01" }, { rate = "0.02" }]
[[cap]]
cap = "core-cap"
limit = "500"
per = "customer"
window = "year"
levers = ["core"]
[payment]
minimum = "200"
"#;

#[test]
fn the_good_file_is_good() {
    let program = Program::parse("p.toml", GOOD).expect("it is good");
    assert!(program.is_capped(0) && !program.is_capped(1));
    assert_eq!(program.caps[0].limit, 500_000);
}

/// A cap per participant follows the location, unless it says otherwise.
#[test]
fn a_participants_cap_may_be_its_companys() {
    let whose = |rule: &str| {
        let text = GOOD.replacen("per = \"customer\"", rule, 1);
        let program = Program::parse("p.toml", &text).expect("it is good");
        let cap = &program.caps[0];
        [Some("G1"), None].map(|company| cap.whose("1", || company, Some("C1")))
    };
    let of = |participant, company, customer| Whose { participant, company, customer };
    let alone = of(Some("1"), None, None);
    assert_eq!(whose("per = \"participant\""), [alone; 2]);
    assert_eq!(whose("per = \"participant\"\nfollow = \"location\""), [alone; 2]);
    let company = of(None, Some("G1"), None);
    assert_eq!(whose("per = \"participant\"\nfollow = \"company\""), [company, alone]);
    assert_eq!(
        whose("per = \"participant_customer\"\nfollow = \"company\""),
        [of(None, Some("G1"), Some("C1")), of(Some("1"), None, Some("C1"))]
    );
    assert_eq!(whose("per = \"customer\""), [of(None, None, Some("C1")); 2]);
}

#[test]
fn faults_of_measures_and_caps_name_file_line_and_remedy() {
    let tiers = "tier = [{ up_to = \"1000\", rate = \"0.01\" }, { rate = \"0.02\" }]";
    let table = format!("[[lever.tiers]]\nshape = \"whole\"\n{tiers}");
    let dated = |range: &str| format!("[[lever.tiers]]\n{range}\nshape = \"whole\"\n{tiers}");
    let changed =
        format!("{}\n{}", dated("until = \"2021-02-28\""), dated("from = \"2021-03-01\""));
    let overlapping =
        format!("{}\n{}", dated("until = \"2021-06-30\""), dated("from = \"2021-06-30\""));
    let split = "[[split]]\nuntil = \"2021-03-14\"\nrebate = \"0.6\"\ncoop = \"0.4\"\n[[cap]]";
    let second = "[[cap]]\ncap = \"other\"\nlimit = \"1\"\nper = \"program\"\nwindow = \"month\"\n\
                  levers = [\"core\"]\n[payment]";
    let cases: &[(&str, &str, &str)] = &[
        ("window = \"quarter\"\n", "", "p.toml: TOML parse error at line 22"),
        (
            "window = \"quarter\"",
            "window = \"fortnight\"",
            "p.toml:23: expected `month`, `quarter`, `half`, `year` or `{ days = 365 }`, found `fortnight`",
        ),
        (
            "[lever.measure]\nwindow = \"quarter\"\n",
            "",
            "p.toml:23: expected `[lever.measure]` beside",
        ),
        (&table, "", "p.toml:18: expected `[[lever.tiers]]`, and no `[[lever.rate]]`"),
        (
            &table,
            &format!("{table}\n[[lever.rate]]\nrate = \"0.01\""),
            "p.toml:18: expected `[[lever.tiers]]`, and no `[[lever.rate]]`",
        ),
        (
            "{ rate = \"0.02\" }",
            "{ up_to = \"2000\", rate = \"0.02\" }",
            "p.toml:25: expected a last tier without `up_to`",
        ),
        (
            "up_to = \"1000\", rate = \"0.01\"",
            "rate = \"0.01\"",
            "p.toml:25: expected tier 1 to end higher",
        ),
        (
            "rate = \"0.02\" }]",
            "rate = \"2\" }]",
            "p.toml:26: expected a rate from 0 to 1, found `2`",
        ),
        ("{ rate = \"0.02\" }", "{ price = \"2\" }", "p.toml:25: expected in each tier a `rate`"),
        ("{ rate = \"0.02\" }", "{ flat = \"-1\" }", "p.toml:26: expected an amount of 0 or more"),
        (
            "window = \"quarter\"",
            "window = \"quarter\"\nof = \"quantity\"",
            "p.toml:26: expected in each tier a `rate`",
        ),
        (
            "window = \"quarter\"",
            "window = \"quarter\"\nbaseline = \"best\"",
            "p.toml:24: expected `last_year`, `previous`, `high_water` or an amount, found `best`",
        ),
        (
            "window = \"quarter\"",
            "window = \"quarter\"\nminimum = \"some\"",
            "p.toml:24: expected a decimal",
        ),
        (
            "name = \"Volume\"\n",
            "name = \"Volume\"\ngrain = \"line\"\n",
            "p.toml:18: expected no `grain` beside",
        ),
        (&table, &overlapping, "p.toml:18: expected tables apart from each other"),
        (
            &table,
            &changed,
            "p.toml:18: expected `at = \"start\"` or `\"end\"` in `[lever.measure]`: rules change on 2021-03-01",
        ),
        ("[[cap]]", split, "rules change on 2021-03-15"),
        ("limit = \"500\"", "limit = \"-1\"", "p.toml:29: expected a limit of 0 or more"),
        ("limit = \"500\"", "limit = \"0.001\"", "p.toml:29: expected at most 2 decimals"),
        ("per = \"customer\"", "per = \"country\"", "unknown variant `country`"),
        (
            "levers = [\"core\"]",
            "levers = [\"score\"]",
            "p.toml:32: expected a lever of the program, found `score`",
        ),
        (
            "levers = [\"core\"]",
            "",
            "p.toml:28: expected levers measured per customer, found `volume`",
        ),
        (
            "per = \"customer\"\nwindow = \"year\"\nlevers = [\"core\"]",
            "per = \"participant\"\nwindow = \"year\"\non = \"base\"",
            "p.toml:28: expected `on = \"payout\"` for `volume`, which earns on a measure",
        ),
        (
            "per = \"customer\"\nwindow = \"year\"\nlevers = [\"core\"]",
            "per = \"program\"\nwindow = \"year\"\nuntil = \"2021-03-14\"",
            "p.toml:18: expected `at = \"start\"` or `\"end\"` in `[lever.measure]`: rules change on 2021-03-15",
        ),
        (
            "[payment]",
            second,
            "p.toml:34: expected one cap per lever and day, found `other` beside `core-cap`",
        ),
        ("[payment]", &second.replace("other", "core-cap"), "p.toml:34: expected cap keys once"),
        (
            "window = \"year\"",
            "follow = \"company\"\nwindow = \"year\"",
            "p.toml:31: expected `per = \"participant\"` or `\"participant_customer\"` beside `follow`",
        ),
        ("window = \"year\"", "window = \"year\"\ncolor = \"red\"", "unknown field `color`"),
    ];
    for (find, replace, expected) in cases {
        assert!(GOOD.contains(find), "`{find}` is in the file");
        let error = Program::parse("p.toml", &GOOD.replacen(find, replace, 1)).expect_err(expected);
        assert!(error.0.contains(expected), "`{replace}`: expected `{expected}`, found `{error}`");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let window = "window = \"quarter\"";
    let tiers =
        "shape = \"whole\"\ntier = [{ up_to = \"1000\", rate = \"0.01\" }, { rate = \"0.02\" }]";
    let cases: &[(&str, &str, &str)] = &[
        (
            "shape = \"whole\"",
            "shape = \"rolling\"",
            "p.toml:25: expected `window = \"month\"`: tables",
        ),
        (
            "shape = \"whole\"",
            "shape = \"whole\"\nunit_scale = { divide_by = \"10\" }",
            "p.toml:25: expected `window = \"month\"`: tables",
        ),
        (
            "{ rate = \"0.02\" }",
            "{ rate = \"0.02\", per = \"10\" }",
            "p.toml:25: expected `per` beside `price` only",
        ),
        (
            "shape = \"whole\"",
            "shape = \"whole\"\nunit_scale = { divide_by = \"0\" }",
            "p.toml:26: expected a number above 0 to divide by",
        ),
        ("rate = \"0.02\" }", "amount = \"5\" }", "p.toml:25: expected in each tier a `rate`"),
        (
            window,
            "window = { weeks = 3 }",
            "p.toml:23: expected `month`, `quarter`, `half`, `year` or",
        ),
        (
            window,
            "window = { days = 0 }",
            "p.toml:23: expected `month`, `quarter`, `half`, `year` or",
        ),
        (
            &format!("{window}\n[[lever.tiers]]\nshape = \"whole\""),
            "window = { days = 90 }\n[[lever.tiers]]\nshape = \"marginal\"",
            "p.toml:18: expected tables of shape `whole` beside `window = { days = … }`",
        ),
        (
            window,
            "window = { days = 90 }\nbaseline = \"previous\"",
            "p.toml:18: expected no `baseline` beside trailing days",
        ),
        (
            window,
            "window = \"quarter\"\nzero = \"flat\"\nbaseline = \"previous\"",
            "p.toml:18: expected no `baseline` beside trailing days or `zero = \"flat\"`",
        ),
        (
            window,
            "window = \"quarter\"\nzero = \"flat\"\nper = \"customer\"",
            "p.toml:18: expected `zero = \"flat\"` per participant or company",
        ),
        (
            window,
            "window = \"quarter\"\npayees = { \"1\" = \"2\" }",
            "p.toml:18: expected `payees` beside `per = \"company\"` only",
        ),
        (
            window,
            "window = \"quarter\"\nat_least = \"5\"",
            "p.toml:24: expected `window = \"month\"` beside `at_least`, or `guarantee`",
        ),
        (
            window,
            "window = \"quarter\"\nat_most = \"5\"",
            "p.toml:24: expected `window = \"month\"` beside `at_most`",
        ),
        (
            window,
            "window = \"month\"\nat_least = \"5\"\nguarantee = \"end\"",
            "p.toml:25: expected `guarantee` beside `at_least` and a window longer than a month",
        ),
        (
            window,
            "window = \"quarter\"\nguarantee = \"end\"",
            "p.toml:24: expected `guarantee` beside `at_least` and a window longer than a month",
        ),
        (
            window,
            "window = \"quarter\"\nminimum = \"1\"\nat_least = \"5\"\nguarantee = \"draw\"",
            "p.toml:26: expected no `minimum` beside what is guaranteed in each month",
        ),
        (
            window,
            "window = \"year\"\nat_least = \"5\"\nguarantee = \"end\"\nrecover = { from = 1, share = \"1\" }",
            "p.toml:26: expected `recover` beside `guarantee = \"draw\"` only",
        ),
        (
            window,
            "window = \"month\"\nat_least = \"5\"\nat_most = \"4\"",
            "p.toml:24: expected `at_least` not above `at_most`",
        ),
        (
            window,
            "window = \"month\"\nat_most = \"-1\"",
            "p.toml:24: expected an amount of 0 or more",
        ),
    ];
    for (find, replace, expected) in cases {
        assert!(GOOD.contains(find), "`{find}` is in the file");
        let error = Program::parse("p.toml", &GOOD.replacen(find, replace, 1)).expect_err(expected);
        assert!(error.0.contains(expected), "`{replace}`: expected `{expected}`, found `{error}`");
    }
    let good = [
        ("window = { days = 365 }", tiers),
        ("window = \"year\"\nper = \"company\"\npayees = { \"1\" = \"2\" }", tiers),
        ("window = \"quarter\"\nzero = \"flat\"", tiers),
        ("window = \"month\"\nat_least = \"5\"\nat_most = \"5\"", tiers),
        ("window = \"half\"\nat_least = \"5\"\nguarantee = \"end\"\nminimum = \"1\"", tiers),
        (
            "window = \"month\"\nbaseline = \"high_water\"\nof = \"quantity\"",
            "shape = \"total\"\ntier = [{ price = \"1\", per = \"10\" }]",
        ),
        (
            "window = \"month\"",
            "shape = \"interpolated\"\ntier = [{ up_to = \"10\", amount = \"3\" }]",
        ),
    ];
    for (measure, table) in good {
        let text = GOOD.replacen(window, measure, 1).replacen(tiers, table, 1);
        assert!(text.contains(measure) && text.contains(table));
        let program = Program::parse("p.toml", &text);
        assert!(program.is_ok(), "{measure}: {program:?}");
    }
}
