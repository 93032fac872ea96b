//! Worked examples that others published, run as program files and rows through the daily job and
//! `estimate` where these have their kind, as lines of a bill through `check sources`, and all of them
//! through the real kernels. This side only reads TOML, writes files,
//! calls and compares: no rule is computed here. Every key of a case is read and every expected value is
//! compared, or the test fails. `EARNEST_EXAMPLES` names another folder of cases.

mod billing;
mod compare;
mod dates;
mod engine;
mod fields;
mod fund;
mod limits;
mod prices;
mod reversals;
mod rules;

use crate::support::project;
use compare::{Row, compare_row};
use fields::{Failure, Fields, Reader};
use std::path::PathBuf;
use toml::{Table, Value};

/// Kinds whose outcome a source describes without the rule that leads to it: nothing to compute.
const DESCRIBED: &[&str] = &["scenario"];

struct Case {
    id: String,
    kind: String,
    table: Table,
}

/// What a kernel gets: the case's rule and its input.
struct Given<'a> {
    rule: Fields<'a>,
    input: Fields<'a>,
}

type Kernel = fn(&Given) -> Result<Row, Failure>;

/// What runs a kind.
fn kernel(kind: &str) -> Option<Kernel> {
    Some(match kind {
        "marginal" | "whole" | "interpolated" | "rolling" | "total" => prices::tiers,
        "package" | "sum" => prices::bill,
        "percentage" => prices::percentage,
        "delta" => prices::delta,
        "cumulative_settlement" => prices::cumulative_settlement,
        "commitment" => prices::commitment,
        "rate" => limits::rate,
        "cap" => limits::cap,
        "cap_balance" => limits::cap_balance,
        "running_cap" => limits::running_cap,
        "minimum_payment" => limits::minimum_payment,
        "recoverable_draw" => limits::recoverable_draw,
        "guarantee" => limits::guarantee,
        "running_balance" => limits::running_balance,
        "growth" => rules::growth,
        "distinct_sum" => rules::distinct_sum,
        "new_customer" => rules::new_customer,
        "stack" => rules::stack,
        "most_specific" => rules::most_specific,
        "band" => rules::band,
        "in_range" => rules::in_range,
        "uplift" => rules::uplift,
        "split" => fund::split,
        "split_by_date" => fund::split_by_date,
        "semester_conversion" => fund::semester_conversion,
        "sublimit" => fund::sublimit,
        "coop_calendar" => fund::coop_calendar,
        "payment_date" => dates::payment_date,
        "estimated_payment_month" => dates::estimated_payment_month,
        "earning_start" => dates::earning_start,
        "adjustment_period" => dates::adjustment_period,
        "grace_window" => dates::grace_window,
        "settlement_periods" => dates::settlement_periods,
        "settlement_grouping" => dates::settlement_grouping,
        "period_aggregate" => dates::period_aggregate,
        "clawback" => reversals::clawback,
        "refund" => reversals::refund,
        "writeoff" => reversals::writeoff,
        "paid_trigger" => reversals::paid_trigger,
        "billable_cost" => billing::billable_cost,
        "line_subtotal" => billing::line_subtotal,
        "seats" => billing::seats,
        "included_quantity" => billing::included_quantity,
        "fee" => billing::fee,
        _ => return None,
    })
}

/// Runs one case; the message doesn't name it. What the engine found counts before what the kernel did.
fn run(case: &Case, engine: Option<Result<Row, Failure>>) -> Result<(), Failure> {
    let kernel = kernel(&case.kind)
        .ok_or_else(|| Failure(format!("expected a known kind, found `{}`", case.kind)))?;
    let reader = Reader::default();
    let part = |name: &str| {
        let table = case.table.get(name).and_then(Value::as_table);
        table.ok_or_else(|| Failure(format!("expected a table `{name}`")))
    };
    let rule = Fields::new(&reader, "rule", part("rule")?);
    let input = Fields::new(&reader, "input", part("input")?);
    let given = Given { rule, input };
    given.rule.text("kind")?;
    let mut found = kernel(&given)?;
    given.rule.all_read()?;
    given.input.all_read()?;
    let expected = part("expected")?;
    compare_row("expected", expected, &found)?;
    if let Some(engine) = engine {
        let own = engine.map_err(|Failure(message)| Failure(format!("the engine: {message}")))?;
        if !expected.keys().any(|key| own.iter().any(|(name, _)| name == key)) {
            return Err(Failure("expected the engine to say something of the case".to_owned()));
        }
        found.retain(|(name, _)| own.iter().all(|(other, _)| other != name));
        found.extend(own);
        compare_row("expected, by the engine", expected, &found)?;
    }
    Ok(())
}

fn folder() -> (PathBuf, bool) {
    match std::env::var_os("EARNEST_EXAMPLES") {
        Some(folder) => (folder.into(), false),
        None => (project().join("tests/examples"), true),
    }
}

fn cases(folder: &PathBuf) -> Vec<Case> {
    let files = std::fs::read_dir(folder).expect("examples").map(|file| file.expect("a file"));
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let table: Table =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in table["case"].as_array().expect("cases") {
            let table = case.as_table().expect("a table").clone();
            let id = table["id"].as_str().expect("an id").to_owned();
            let kind = table["rule"]["kind"].as_str().expect("a kind").to_owned();
            cases.push(Case { id, kind, table });
        }
    }
    cases
}

#[test]
fn examples_come_out_of_the_engine_and_of_its_kernels() {
    let (folder, ours) = folder();
    let readme = std::fs::read_to_string(project().join("tests/examples/README.md"));
    let readme = readme.expect("a README");
    let (mut count, mut described, mut failures) = (0, Vec::new(), Vec::new());
    let cases = cases(&folder);
    let mut by_engine = engine::run(&cases);
    let by_the_job = by_engine.len();
    by_engine.extend(engine::bills::run(&cases));
    let by_the_check = by_engine.len() - by_the_job;
    for case in &cases {
        if ours && !readme.contains(&format!("`{}`", case.id)) {
            failures.push(format!("{}: expected it in the README", case.id));
        }
        if DESCRIBED.contains(&case.kind.as_str()) {
            described.push(case.id.as_str());
            continue;
        }
        count += 1;
        if let Err(Failure(message)) = run(case, by_engine.remove(&case.id)) {
            failures.push(format!("{}: {message}", case.id));
        }
    }
    assert!(count > 0, "expected cases in {}", folder.display());
    let bad = failures.len();
    assert!(bad == 0, "{bad} of {count} cases fail:\n{}", failures.join("\n"));
    if ours {
        let counted = format!(
            "\n{count} cases run, {by_the_job} of them through the daily job and `estimate`, \
             {by_the_check} through `check sources`. Described, not computable: `M-flow`.\n"
        );
        assert_eq!(described, ["M-flow"], "described, not computable");
        assert!(readme.contains(&counted), "the README doesn't say {counted}");
    }
}

/// A misspelled kind, key or expected value must never pass unnoticed.
#[test]
fn unknown_keys_fail() {
    let fails = |rule: &str, input: &str, expected: &str| {
        let text = format!(
            "id = \"x\"\n[rule]\nkind = {rule}\n[input]\n{input}\n[expected]\n{expected}\n"
        );
        let table: Table = toml::from_str(&text).expect("TOML");
        let kind = table["rule"]["kind"].as_str().expect("a kind").to_owned();
        run(&Case { id: "x".to_owned(), kind, table }, None).map_err(|Failure(message)| message)
    };
    let (cap, earned, paid) = ("\"cap\"\ncap = \"10\"", "earned = \"15\"", "paid = \"10\"");
    assert_eq!(fails(cap, earned, paid), Ok(()));
    for (message, found) in [
        ("expected a known kind, found `cop`", fails("\"cop\"", earned, paid)),
        ("unknown key `rule.floor`", fails("\"cap\"\ncap = \"10\"\nfloor = \"1\"", earned, paid)),
        ("unknown key `input.extra.a`", fails(cap, "earned = \"1\"\nextra = {a = 1}", paid)),
        ("unknown key `expected.paid_out`", fails(cap, earned, "paid_out = \"10\"")),
        ("expected.paid: expected `11`, found 10", fails(cap, earned, "paid = \"11\"")),
    ] {
        assert_eq!(found, Err(message.to_owned()));
    }
}
