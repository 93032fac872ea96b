//! Doubts about files that can be read, each with its line and words.

use super::{Severity, review};
use crate::program::Program;

const GOOD: &str = r#"program = "p"
name = "P"
currency = "USD"
pays = ["direct", "reseller"]
[[term]]
term = "FY21"
from = "2020-07-01"
until = "2021-06-30"
[[term]]
term = "FY22"
from = "2021-07-01"
until = "2022-06-30"
[[requirement]]
requirement = "enrollment"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["azure"]
[[lever.rate]]
until = "2021-03-31"
rate = "0.04"
[[lever.rate]]
from = "2021-04-01"
rate = "0.05"
[[lever]]
lever = "volume"
name = "Volume"
draws = "billing"
product_groups = ["azure"]
[lever.measure]
window = "quarter"
at = "start"
minimum = "500"
[[lever.tiers]]
shape = "whole"
until = "2021-06-30"
tier = [{ up_to = "1000", rate = "0.01" }, { rate = "0.02" }]
[[lever.tiers]]
shape = "whole"
from = "2021-07-01"
tier = [{ up_to = "1000", rate = "0.02" }, { rate = "0.03", flat = "5" }]
[[cap]]
cap = "core-cap"
limit = "500"
per = "participant"
window = "year"
levers = ["core"]
[[split]]
from = "2020-01-01"
until = "2020-12-31"
rebate = "0.6"
coop = "0.4"
[[split]]
from = "2021-01-01"
rebate = "0.5"
coop = "0.5"
[[coop.threshold]]
until = "2021-06-30"
amount = "4000"
[[coop.threshold]]
from = "2021-07-01"
amount = "10000"
[[coop.window]]
claim_opens_after = 46
claim_days = 46
[payment]
minimum = "200"
"#;

/// What is found when something is replaced: severity, line and message.
fn found(find: &str, replace: &str) -> Vec<String> {
    assert!(GOOD.contains(find), "`{find}` is in the file");
    let text = GOOD.replacen(find, replace, 1);
    let program = Program::parse("p.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let findings = review(&program);
    assert!(findings.iter().all(|finding| !finding.remedy.is_empty()));
    let line = |finding: &super::Finding| {
        format!("{} {}: {}", finding.severity.name(), finding.line, finding.message)
    };
    findings.iter().map(line).collect()
}

#[test]
fn a_good_file_is_without_doubt() {
    assert_eq!(found("program", "program"), Vec::<String>::new());
    assert!(Severity::Error < Severity::Warning);
}

#[test]
fn doubts_have_their_line_and_say_what_was_expected_and_found() {
    let rates = "product_groups = [\"azure\"]\n[[lever.rate]]\nuntil = \"2021-03-31\"\nrate = \"0.04\"\n\
                 [[lever.rate]]\nfrom = \"2021-04-01\"\nrate = \"0.05\"";
    let star = rates
        .replacen("[\"azure\"]", "[\"*\"]", 1)
        .replacen("until = \"2021-03-31\"\n", "", 1)
        .replacen("from = \"2021-04-01\"\n", "product_groups = [\"azure\"]\n", 1);
    let filter = |condition: &str| format!("[lever.filter]\n{condition}\n[[cap]]");
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "from = \"2021-07-01\"\nuntil = \"2022-06-30\"",
            "from = \"2021-07-03\"\nuntil = \"2022-06-30\"",
            &[
                "warning 9: expected terms without gaps, found none from 2021-07-01 to 2021-07-02: lines \
               are unearned then",
            ],
        ),
        (
            "from = \"2021-01-01\"\nrebate",
            "from = \"2021-01-02\"\nrebate",
            &[
                "warning 54: expected splits without gaps, found none on 2021-01-01: all is rebate then",
            ],
        ),
        (
            "from = \"2021-04-01\"",
            "from = \"2021-05-01\"",
            &["warning 23: expected rates without gaps, found none of `core` for `azure` from \
               2021-04-01 to 2021-04-30"],
        ),
        (
            "shape = \"whole\"\nfrom = \"2021-07-01\"",
            "shape = \"whole\"\nfrom = \"2021-10-01\"",
            &["warning 39: expected tables without gaps, found none of `volume` for `azure` from \
               2021-07-01 to 2021-09-30"],
        ),
        (
            "until = \"2021-06-30\"\namount",
            "until = \"2020-12-30\"\namount",
            &[
                "warning 61: expected [[coop.threshold]] without gaps, found none on 2020-12-31, the last \
               day of FY21H1",
            ],
        ),
        (
            "from = \"2020-01-01\"\nuntil = \"2020-12-31\"",
            "until = \"2019-12-31\"",
            &[
                "warning 49: expected a split with days in a term, found one until 2019-12-31: it never \
                 counts",
                "warning 53: expected splits without gaps, found none from 2020-01-01 to 2020-12-31: all is \
                 rebate then",
            ],
        ),
        (
            "levers = [\"core\"]",
            "levers = [\"core\"]\nfrom = \"2022-07-01\"",
            &[
                "warning 43: expected a cap with days in a term, found one from 2022-07-01 on: it never \
               counts",
            ],
        ),
        (
            "requirement = \"enrollment\"",
            "requirement = \"enrollment\"\nfrom = \"2022-08-01\"\nuntil = \"2022-08-31\"",
            &[
                "warning 13: expected a requirement with days in a term, found one from 2022-08-01 to \
               2022-08-31: it never counts",
            ],
        ),
        (
            "minimum = \"500\"",
            "minimum = \"1000.01\"",
            &[
                "error 35: expected tiers that some measure reaches, found tier 1 up to 1000 below the \
                 minimum 1000.01",
                "error 39: expected tiers that some measure reaches, found tier 1 up to 1000 below the \
                 minimum 1000.01",
            ],
        ),
        ("minimum = \"500\"", "minimum = \"1000\"", &[]),
        (
            "{ rate = \"0.03\", flat = \"5\" }",
            "{ rate = \"0.019\" }",
            &[
                "warning 39: expected a total that rises with volume, found that it falls above 1000 \
               (tier 1)",
            ],
        ),
        ("{ rate = \"0.03\", flat = \"5\" }", "{ rate = \"0.019\", flat = \"1\" }", &[]),
        (
            "shape = \"whole\"\nfrom = \"2021-07-01\"\ntier = [{ up_to = \"1000\", rate = \"0.02\" }",
            "shape = \"whole\"\nfrom = \"2021-07-01\"\nedge = \"upper\"\n\
             tier = [{ up_to = \"1000\", rate = \"0.02\", flat = \"100\" }",
            &[
                "warning 39: expected a total that rises with volume, found that it falls above 1000 \
               (tier 1)",
            ],
        ),
        (
            "limit = \"500\"",
            "limit = \"333\"",
            &["warning 43: expected a cap that leaves at least the payment's minimum 200, found \
               `core-cap`, of which at most 199.8 is paid"],
        ),
        ("limit = \"500\"", "limit = \"333.34\"", &[]),
        (
            "levers = [\"core\"]",
            "levers = [\"core\"]\nfrom = \"2021-01-01\"",
            &[
                "warning 43: expected a cap that begins and ends with a window, found a change on 2021-01-01 \
               within 2020-07-01 to 2021-06-30: the limit counts for what lies on either side",
            ],
        ),
        (
            rates,
            &star,
            &[
                "error 22: expected a rate that some product reaches, found that the one in line 20 comes \
               first for every product",
            ],
        ),
        (
            "[[cap]]",
            &filter("column = \"base\"\nat_least = \"2\"\nat_most = \"1\""),
            &[
                "error 27: expected a filter that some transaction passes, found one that none can in \
               `volume`",
            ],
        ),
        (
            "[[cap]]",
            &filter("any_of = [{ column = \"source\", in = [] }]"),
            &[
                "error 27: expected a filter that some transaction passes, found one that none can in \
               `volume`",
            ],
        ),
        ("[[cap]]", &filter("not = { column = \"source\", in = [] }"), &[]),
        ("claim_days = 46", "claim_days = 46\nuse_months = 1\nfrom = \"2020-07-01\"", &[]),
        (
            "claim_opens_after = 46",
            "claim_opens_after = 300",
            &[
                "error 64: expected claims that end after they open, found that they open on 2021-10-28 and \
               end on 2021-08-15",
            ],
        ),
    ];
    let mut differences = Vec::new();
    for (find, replace, expected) in cases {
        let found = found(find, replace);
        if found != *expected {
            differences.push(format!("`{replace}`: expected {expected:#?}, found {found:#?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_cap_below_the_minimum_of_all_that_is_forfeited_is_an_error() {
    let text = GOOD
        .replacen("minimum = \"200\"", "minimum = \"200\"\nbelow_minimum = \"forfeit\"", 1)
        .replacen("limit = \"500\"", "limit = \"100\"", 1);
    let start = text.find("[[lever]]\nlever = \"volume\"").expect("a lever");
    let end = text.find("[[cap]]").expect("a cap");
    let text = format!("{}{}", &text[..start], &text[end..]);
    let program = Program::parse("p.toml", &text).expect("it is good");
    let findings = review(&program);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].severity, Severity::Error);
    assert_eq!(
        findings[0].message,
        "expected a cap that leaves at least the payment's minimum 200, found `core-cap`, of which at \
         most 60 is paid: all of it is forfeited"
    );
}

#[test]
fn funds_that_never_earn_are_doubtful() {
    let start = GOOD.find("[[split]]").expect("a split");
    let end = GOOD.find("[[coop.threshold]]").expect("a threshold");
    let text = format!("{}{}", &GOOD[..start], &GOOD[end..]);
    let program = Program::parse("p.toml", &text).expect("it is good");
    let findings = review(&program);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].message.contains("rules of a co-op fund that never earns"));
}
