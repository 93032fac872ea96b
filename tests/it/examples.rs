//! Worked examples that others published, run through the real kernels. Every case of
//! `tests/examples/*.toml` is run, or belongs to what is listed here as not built yet.

use crate::support::{day, project};
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, MONEY_SCALE, RATE_SCALE, format, parse, power_of_ten};
use earnest_core::earning::{Amounts, EarningType, Terms as Rate, gross};
use earnest_core::eligibility::{Fact, Holding, month_of, together};
use earnest_core::program::{Days, Program};
use earnest_core::waterfall::{BelowMinimum, Movements, Terms, settle};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// Kinds that no code runs yet, by what they wait for.
const LATER: &[(&str, &[&str])] = &[
    ("caps", &["cap", "cap_balance", "running_cap"]),
    (
        "conversion, claims and limits of the co-op fund",
        &["coop_calendar", "semester_conversion", "sublimit"],
    ),
    (
        "closing cycles, adjustments, returned payments",
        &[
            "adjustment_period",
            "clawback",
            "cumulative_settlement",
            "delta",
            "paid_trigger",
            "running_balance",
            "scenario",
            "writeoff",
        ],
    ),
    (
        "tiers",
        &[
            "band",
            "in_range",
            "interpolated",
            "marginal",
            "package",
            "percentage",
            "rolling",
            "sum",
            "total",
            "whole",
        ],
    ),
    (
        "growth, customer-add, stacking, distinct sums",
        &["distinct_sum", "growth", "new_customer", "stack"],
    ),
    ("guarantees, draws, commitments", &["commitment", "guarantee", "recoverable_draw"]),
    ("rule selection", &["most_specific", "uplift"]),
    (
        "other calendars",
        &["grace_window", "period_aggregate", "settlement_grouping", "settlement_periods"],
    ),
    (
        "nothing: billing arithmetic upstream of the exports",
        &["billable_cost", "fee", "included_quantity", "line_subtotal", "seats"],
    ),
];

/// What cases of the kinds that are run must not ask for, because it isn't built yet.
const LATER_TERMS: &[(&str, &str)] = &[
    ("half_even", "another rounding mode than half away from zero"),
    ("year_end", "year end and forfeiture"),
    ("cap", "caps"),
    ("base_cap", "caps"),
    ("below_minimum = forfeit", "forfeiture"),
];

/// Cases of the kinds that are run and wait all the same, by the term they ask for.
const LATER_CASES: &[&str] = &[
    "S2-half-even",
    "P15-year-lost",
    "M7.15-core",
    "M7.15-tier2",
    "M7.15-growth",
    "M7.15-base-cap",
    "M7.15-base-cap-at",
    "M7.16-8000",
    "M7.16-600000",
    "M7.16-480000",
];

struct Case {
    id: String,
    kind: String,
    rule: Table,
    input: Table,
    expected: Table,
}

impl Case {
    /// The term that keeps a case of a built kind from being run.
    fn waits_for(&self) -> Option<&'static str> {
        let asks = |term: &str| match term {
            "half_even" => self.rule.get("rounding").and_then(Value::as_str) == Some(term),
            "below_minimum = forfeit" => {
                self.rule.get("below_minimum").and_then(Value::as_str) == Some("forfeit")
            }
            _ => self.rule.contains_key(term),
        };
        LATER_TERMS.iter().find(|(term, _)| asks(term)).map(|(term, _)| *term)
    }

    fn expect(&self, name: &str, found: i128) {
        let expected = money(text(&self.expected, name));
        assert_eq!(
            expected,
            found,
            "{}: {name}: expected {}, found {}",
            self.id,
            format(expected, MONEY_SCALE, 2),
            format(found, MONEY_SCALE, 2)
        );
    }

    fn expect_all(&self, name: &str, found: &[i128]) {
        let expected: Vec<i128> = texts(&self.expected, name).into_iter().map(money).collect();
        assert_eq!(expected, found, "{}: {name}", self.id);
    }

    fn expect_text(&self, name: &str, found: &str) {
        assert_eq!(text(&self.expected, name), found, "{}: {name}", self.id);
    }
}

fn text<'a>(table: &'a Table, name: &str) -> &'a str {
    let value = table.get(name).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("expected a text `{name}` in {table}"))
}

fn texts<'a>(table: &'a Table, name: &str) -> Vec<&'a str> {
    let values = table.get(name).and_then(Value::as_array);
    let values = values.unwrap_or_else(|| panic!("expected a list `{name}` in {table}"));
    values.iter().map(|value| value.as_str().expect("a text")).collect()
}

fn number(table: &Table, name: &str) -> u32 {
    let value = table.get(name).and_then(Value::as_integer);
    let value = value.unwrap_or_else(|| panic!("expected a number `{name}` in {table}"));
    u32::try_from(value).expect("a small number")
}

fn money(text: &str) -> i128 {
    parse(text, MONEY_SCALE).expect("an amount")
}

fn rate(text: &str) -> i128 {
    parse(text, RATE_SCALE).expect("a rate")
}

fn month(text: &str) -> Period {
    text.parse().expect("a month")
}

fn cases() -> Vec<Case> {
    let folder = project().join("tests/examples");
    let files = std::fs::read_dir(&folder).expect("examples").map(|file| file.expect("a file"));
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let file: Table = toml::from_str(&text).expect("TOML");
        for case in file["case"].as_array().expect("cases") {
            let table = |name: &str| case[name].as_table().expect("a table").clone();
            let (rule, id) = (table("rule"), case["id"].as_str().expect("an id"));
            let kind = text_of_kind(&rule);
            let (input, expected) = (table("input"), table("expected"));
            cases.push(Case { id: id.to_owned(), kind, rule, input, expected });
        }
    }
    cases
}

fn text_of_kind(rule: &Table) -> String {
    text(rule, "kind").to_owned()
}

/// A program of one lever, with splits and payment terms as TOML.
fn program(splits: &str, payment: &str) -> Program {
    let text = format!(
        r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "all"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
{splits}
[payment]
{payment}
"#
    );
    Program::parse("example", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// Rebate and co-op of an earning at a rebate share.
fn split(earning: &str, share: i128, decimals: u32) -> (i128, i128) {
    let base = parse(earning, AMOUNT_SCALE).expect("an amount");
    let one = power_of_ten(RATE_SCALE);
    let minor_units = decimals;
    let terms =
        Rate { rate: one, share, exchange_rate: one, minor_units, program_minor_units: decimals };
    let amounts = Amounts::of(base, &terms).expect("it fits");
    (amounts.part(EarningType::Rebate).0, amounts.part(EarningType::Coop).0)
}

fn run_split(case: &Case) {
    let share = rate(text(&case.rule, "rebate_share"));
    let (rebate, coop) = split(text(&case.input, "earning"), share, number(&case.rule, "decimals"));
    case.expect("rebate", rebate);
    case.expect("coop", coop);
}

fn run_split_by_date(case: &Case) {
    let schedule = case.rule["schedule"].as_array().expect("a schedule");
    let mut splits = String::new();
    for (position, entry) in schedule.iter().enumerate() {
        let entry = entry.as_table().expect("a table");
        let share = rate(text(entry, "rebate_share"));
        let coop = power_of_ten(RATE_SCALE) - share;
        let until = schedule.get(position + 1).map(|next| {
            let next = day(text(next.as_table().expect("a table"), "from"));
            format!("until = \"{}\"\n", next.pred_opt().expect("a day before"))
        });
        splits += &format!(
            "[[split]]\nfrom = \"{}\"\n{}rebate = \"{}\"\ncoop = \"{}\"\n",
            text(entry, "from"),
            until.unwrap_or_default(),
            format(share, RATE_SCALE, 1),
            format(coop, RATE_SCALE, 1)
        );
    }
    let share = program(&splits, "minimum = \"0\"").rebate_share_on(day(text(&case.input, "date")));
    let (rebate, coop) = split(text(&case.input, "earning"), share, number(&case.rule, "decimals"));
    case.expect("rebate", rebate);
    case.expect("coop", coop);
}

fn run_payment_date(case: &Case) {
    let (on, after) = (number(&case.rule, "day"), number(&case.rule, "months_after"));
    let program = program("", &format!("day = {on}\nmonths_after = {after}\nminimum = \"0\""));
    let cycle = program.due_cycle(month(text(&case.input, "earning_month")));
    case.expect_text("pay_date", &program.due_day(cycle).to_string());
}

/// What is generated on time is due in the cycle of its usage month, two months after.
fn run_estimated_payment_month(case: &Case) {
    let cycle = program("", "minimum = \"0\"").due_cycle(month(text(&case.input, "usage_month")));
    case.expect_text("estimated_month", &cycle.to_string());
    let after = number(&case.rule, "months_after_generation").cast_signed();
    let late = month(text(&case.input, "generated_month")).plus(after) > cycle;
    assert_eq!(case.expected["late"].as_bool(), Some(late), "{}", case.id);
}

fn run_earning_start(case: &Case) {
    let always = Days { from: None, until: None };
    let holdings: Vec<Holding> = texts(&case.input, "requirements_met_on")
        .into_iter()
        .map(|met| Holding::of([(&always, Vec::from_iter(Fact::of(Some(day(met)), None)))]))
        .collect();
    let days = together(&holdings);
    let earning_month = month(text(&case.input, "earning_month"));
    let eligible = month_of(&days, earning_month).held.is_some();
    assert_eq!(case.expected["eligible"].as_bool(), Some(eligible), "{}", case.id);
    let start = earning_month.plus(-12).through(earning_month);
    let start = start.into_iter().find(|period| month_of(&days, *period).held.is_some());
    let start = start.expect("a month").first_day();
    case.expect_text("start", &start.to_string());
}

/// A document, then one that takes all of it back.
fn run_refund(case: &Case) {
    let documents = case.input["documents"].as_array().expect("documents");
    let amounts: Vec<i128> = documents
        .iter()
        .map(|document| text(document.as_table().expect("a table"), "amount"))
        .map(|amount| parse(amount, AMOUNT_SCALE).expect("an amount"))
        .collect();
    let [sold, refunded] = amounts[..] else { panic!("{}: expected two documents", case.id) };
    let one = power_of_ten(RATE_SCALE);
    let terms = Rate {
        rate: rate(text(&case.rule, "rate")),
        share: one,
        exchange_rate: one,
        minor_units: 2,
        program_minor_units: 2,
    };
    let original = Amounts::of(sold, &terms).expect("it fits");
    let reversal = original.reversed(0, -refunded, sold, 2, 2).expect("it fits");
    case.expect_all("lines", &[original.earned, reversal.earned]);
    case.expect("total", original.earned + reversal.earned);
}

/// Runs the waterfall over cycles; gives what was paid and what was carried.
fn waterfall(minimum: i128, earned: &[i128]) -> (Vec<i128>, Vec<i128>) {
    let terms = Terms {
        minimum,
        below_minimum: BelowMinimum::Carry,
        hold: None,
        rate: Some(power_of_ten(RATE_SCALE)),
        minor_units: 2,
    };
    let mut opening = 0;
    let cycle = |&earned: &i128| {
        let movements = Movements { opening, earned, ..Movements::default() };
        let settled = settle(movements, &terms).expect("it settles");
        opening = settled.closing;
        (settled.order.map_or(0, |order| order.gross), settled.closing)
    };
    earned.iter().map(cycle).unzip()
}

fn run_minimum_payment(case: &Case) {
    let earned: Vec<i128> = texts(&case.input, "earned").into_iter().map(money).collect();
    let (paid, carried) = waterfall(money(text(&case.rule, "minimum")), &earned);
    case.expect_all("paid", &paid);
    case.expect_all("carried", &carried);
}

fn run_rate(case: &Case) {
    let base = parse(text(&case.input, "base"), AMOUNT_SCALE).expect("an amount");
    let earned = gross(base, rate(text(&case.rule, "rate")), 2).expect("it fits");
    let (paid, carried) = waterfall(money(text(&case.rule, "minimum")), &[earned]);
    case.expect("earned", earned);
    case.expect("paid", paid[0]);
    case.expect("carried", carried[0]);
}

#[test]
fn examples_of_what_is_built_come_out_and_the_others_are_listed() {
    let readme = project().join("tests/examples/README.md");
    let readme = std::fs::read_to_string(readme).expect("a README");
    let mut later: BTreeSet<&str> = LATER.iter().flat_map(|(_, kinds)| *kinds).copied().collect();
    let mut later_cases: BTreeSet<&str> = LATER_CASES.iter().copied().collect();
    let listed = later.clone();
    let mut run = 0;
    for case in &cases() {
        let kernel = match case.kind.as_str() {
            "split" => run_split,
            "split_by_date" => run_split_by_date,
            "payment_date" => run_payment_date,
            "estimated_payment_month" => run_estimated_payment_month,
            "earning_start" => run_earning_start,
            "refund" => run_refund,
            "minimum_payment" => run_minimum_payment,
            "rate" => run_rate,
            kind => {
                assert!(
                    listed.contains(kind),
                    "{}: kind `{kind}` is neither run nor listed as not built yet",
                    case.id
                );
                assert!(readme.contains(&format!("`{kind}`")), "the README lacks `{kind}`");
                later.remove(kind);
                continue;
            }
        };
        if let Some(term) = case.waits_for() {
            let known = later_cases.remove(case.id.as_str());
            assert!(known, "{}: asks for `{term}`, and isn't listed as not built yet", case.id);
            continue;
        }
        kernel(case);
        assert!(readme.contains(&format!("`{}`", case.id)), "the README lacks `{}`", case.id);
        run += 1;
    }
    assert!(later.is_empty(), "listed as not built yet, but no example has it: {later:?}");
    assert!(later_cases.is_empty(), "listed as not built yet, but run or gone: {later_cases:?}");
    assert!(readme.contains(&format!("\n{run} cases.\n")), "the README doesn't say {run} cases");
}
