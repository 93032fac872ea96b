//! The payment life cycle from end to end: reports tie to the journal, and too many holds stop a run.

use crate::support::{closing, copy_of_golden, digests, must_run, options, project, rows};
use earnest::close::Act;
use earnest::run::{Outcome, RunOptions, run};
use earnest_core::decimal::{MONEY_SCALE, parse};
use std::collections::BTreeMap;

/// A report's rows as name → text.
fn report(outcome: &Outcome, name: &str) -> Vec<BTreeMap<String, String>> {
    let object = outcome.reports.iter().find(|object| object.ends_with(&format!("/{name}.csv")));
    let bytes = outcome.store.get(object.expect("the report")).expect("readable").expect("there");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    reader.deserialize().map(|row| row.expect("a row")).collect()
}

fn money(row: &BTreeMap<String, String>, name: &str) -> i128 {
    parse(&row[name], MONEY_SCALE).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const MOVEMENTS: [&str; 12] = [
    "accrued",
    "converted",
    "adjusted",
    "returned",
    "transferred",
    "ordered",
    "claimed",
    "forfeited",
    "expired",
    "escheated",
    "written_off",
    "recovered",
];

/// Each month opens as the one before closed, its movements lead to its close, and what is owed is what
/// the trial balance says.
#[test]
fn the_roll_forward_ties_to_the_trial_balance_and_both_run_on() {
    let mut moved = [false; MOVEMENTS.len()];
    for (case, as_of) in [
        ("returned-payment", "2021-06-20"),
        ("manual-adjustments", "2021-06-20"),
        ("write-off", "2021-08-20"),
        ("transfer-to-successor", "2021-06-20"),
        ("offset-group", "2021-06-20"),
        ("paid-as-earned", "2021-06-20"),
        ("profile-lapses", "2021-11-20"),
        ("claim-paid", "2021-06-20"),
        ("claim-returned", "2021-06-20"),
        ("fund-expiry", "2021-10-20"),
        ("worked-number-converted", "2021-08-20"),
    ] {
        let warehouse = tempfile::tempdir().expect("a folder");
        let job = project().join(format!("tests/golden/{case}/job.toml"));
        let outcome = must_run(&options(&job, warehouse.path(), as_of));
        let mut owed: BTreeMap<(String, String, String), i128> = BTreeMap::new();
        let mut closed: BTreeMap<(String, String, String), i128> = BTreeMap::new();
        for row in report(&outcome, "trial_balance") {
            let text = |name: &str| row[name].clone();
            let key = (text("program"), text("account"), text("currency"));
            let before = closed.insert(key, money(&row, "closing")).unwrap_or_default();
            assert_eq!(money(&row, "opening"), before, "{case}: {row:?}");
            let closing = before + money(&row, "debit") - money(&row, "credit");
            assert_eq!(money(&row, "closing"), closing, "{case}: {row:?}");
            if let Some(kind) = text("account").strip_suffix("_payable") {
                owed.insert((text("program"), text("month"), kind.to_owned()), -closing);
            }
        }
        let mut before = BTreeMap::new();
        let mut ties = 0;
        for row in report(&outcome, "liability_rollforward") {
            let text = |name: &str| row[name].clone();
            let key = (text("program"), text("earning_type"));
            let opening: i128 = before.insert(key, money(&row, "closing")).unwrap_or_default();
            assert_eq!(money(&row, "opening"), opening, "{case}: {row:?}");
            let movements = MOVEMENTS.map(|name| money(&row, name));
            assert_eq!(
                money(&row, "closing"),
                opening + movements.iter().sum::<i128>(),
                "{case}: {row:?}"
            );
            for (moved, amount) in moved.iter_mut().zip(movements) {
                *moved |= amount != 0;
            }
            let key = (text("program"), text("month"), text("earning_type"));
            assert_eq!(owed.remove(&key), Some(money(&row, "closing")), "{case}: {row:?}");
            ties += 1;
        }
        assert!(ties > 0, "{case}");
        owed.retain(|key, _| key.2 != "tax");
        assert!(owed.is_empty(), "{case}: {owed:?}");
    }
    let never: Vec<&str> = MOVEMENTS
        .into_iter()
        .zip(moved)
        .filter(|(_, moved)| !moved)
        .map(|(name, _)| name)
        .collect();
    assert!(never.is_empty(), "expected every movement in some case, never {never:?}");
}

/// The job of a case, for a file in another folder.
fn job_of(case: &str) -> String {
    let case = project().join("tests/golden").join(case);
    let text = std::fs::read_to_string(case.join("job.toml")).expect("the job");
    let pipelines = project().join("pipelines").display().to_string();
    text.replace("../../../pipelines", &pipelines)
        .replace("\"in/", &format!("\"{}/in/", case.display()))
        .replace("\"program.toml\"", &format!("\"{}/program.toml\"", case.display()))
}

/// An order that pays again what came back bears the month of the cycle that paid first, whose own earnings
/// it doesn't order.
#[test]
fn what_is_paid_again_orders_no_earning_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = project().join("tests/golden/returned-payment/in/lines_2021-03-08.csv");
    let mut text = std::fs::read_to_string(lines).expect("the lines");
    text.push_str("L3,,2021-03-12,0100001,,C1,AZ,2500.00,USD\n");
    std::fs::write(folder.path().join("lines_2021-04-07.csv"), text).expect("written");
    let case = project().join("tests/golden/returned-payment/in/lines").display().to_string();
    let job = job_of("returned-payment").replace(&case, "lines");
    std::fs::write(folder.path().join("job.toml"), job).expect("written");
    let job = folder.path().join("job.toml");
    let outcome = must_run(&options(&job, &folder.path().join("warehouse"), "2021-06-20"));
    let accrual = report(&outcome, "accrual");
    let amounts = |row: &BTreeMap<String, String>| {
        ["earned_amount", "ordered_amount", "accrued_amount"].map(|name| money(row, name))
    };
    let months: Vec<_> = accrual.iter().map(|row| (row["period"].as_str(), amounts(row))).collect();
    let all = |amount: i128| [amount * 1_000, amount * 1_000, 0];
    assert_eq!(
        months,
        [("2021-01", all(300)), ("2021-02", all(250)), ("2021-03", all(100))],
        "{accrual:?}"
    );
}

/// One of two participants is held: half of them may be, less may not.
#[test]
fn too_many_held_participants_stop_a_run() {
    let text = job_of("return-without-original");
    for (limit, refused) in [("0.5", false), ("0.49", true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let job = folder.path().join("job.toml");
        let limited = format!("{text}\n[limits]\ncheck_fail = \"{limit}\"\n");
        std::fs::write(&job, limited).expect("written");
        let warehouse = folder.path().join("warehouse");
        let outcome = run(&options(&job, &warehouse, "2021-04-20"));
        match outcome {
            Ok(outcome) => {
                assert!(!refused, "{limit}");
                assert!(outcome.attention.iter().any(|line| line.contains("P0000000000000000")));
            }
            Err(error) => {
                assert!(refused, "{error}");
                assert_eq!(error.kind.exit_code(), 3);
                let message = "checks hold 1 of 2 participants, expected a share of at most 0.49";
                assert!(error.to_string().starts_with(message), "{error}");
            }
        }
    }
}

/// What stays of payments, and what is decided for good, is read from what was published; a dry run reads it too.
#[test]
fn a_dry_run_pays_what_the_run_pays() {
    for (case, runs, as_of) in [
        ("claim-sent-stays", &["2021-05-16", "2021-05-20"][..], "2021-05-22"),
        ("redecide-never", &["2021-08-20"], "2021-09-20"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let job = project().join(format!("tests/golden/{case}/job.toml"));
        for as_of in runs {
            must_run(&options(&job, folder.path(), as_of));
        }
        let real = options(&job, folder.path(), as_of);
        let started_at = "2026-01-02T00:00:00Z".parse().expect("an instant");
        let dry = must_run(&RunOptions { dry_run: true, started_at, ..real.clone() });
        assert_eq!(digests(&dry.snapshot), digests(&must_run(&real).snapshot), "{case}");
    }
}

/// Nobody closed it, and the bank says it was sent: the run says so until its cycle is closed.
#[test]
fn what_was_sent_without_a_close_is_named() {
    let warehouse = tempfile::tempdir().expect("a folder");
    let job = project().join("tests/golden/sent-while-proposed/job.toml");
    let named = |outcome: &Outcome| {
        let exceptions = report(outcome, "exceptions");
        let found = exceptions.into_iter().find(|row| row["reason"] == "PROPOSED");
        found.map(|row| (row["rows"].clone(), money(&row, "base")))
    };
    let outcome = must_run(&options(&job, warehouse.path(), "2021-03-20"));
    assert_eq!(named(&outcome), Some(("1".to_owned(), 300_000)));
    let closed = closing(&job, warehouse.path(), "2021-03", Act::Close, "2021-03-20");
    let closed = closed.unwrap_or_else(|error| panic!("{error}"));
    assert!(closed.attention.is_empty(), "{:?}", closed.attention);
    let outcome = must_run(&options(&job, warehouse.path(), "2021-03-21"));
    assert_eq!((outcome.attention.len(), named(&outcome)), (0, None));
}

/// Two deliveries of a day that contradict each other count both for nothing: what they said of a return is
/// gone, but not the return that a closed cycle recorded.
#[test]
fn a_return_of_a_closed_cycle_outlives_its_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let job = copy_of_golden("close-returned-moved", folder.path(), |text| text);
    let exports = folder.path().join("in");
    std::fs::remove_file(exports.join("payment_statuses_2021-04-20.csv")).expect("removed");
    let warehouse = folder.path().join("warehouse");
    for (as_of, cycle) in [("2021-03-16", "2021-03"), ("2021-04-16", "2021-04")] {
        must_run(&options(&job, &warehouse, as_of));
        let close = closing(&job, &warehouse, cycle, Act::Close, as_of);
        close.map(|_| ()).unwrap_or_else(|error| panic!("{cycle}: {error}"));
    }
    let said = std::fs::read_to_string(exports.join("payment_statuses_2021-04-10.csv"));
    let other = said.expect("statuses").replace("Account closed", "Unknown account");
    std::fs::write(exports.join("payment_statuses_again_2021-04-10.csv"), other).expect("written");
    let outcome = must_run(&options(&job, &warehouse, "2021-05-20"));
    let [attention] = &outcome.attention[..] else { panic!("{:?}", outcome.attention) };
    assert!(attention.contains("1 keys with versions that contradict each other"), "{attention}");
    let returned =
        "select status, origin, returns_in from payment_history where status = 'Reversed'";
    let found = rows(&outcome.store, &outcome.snapshot, returned);
    assert_eq!(found, [["Reversed", "record", "2021-04"]]);
    let exceptions = report(&outcome, "exceptions");
    assert!(exceptions.iter().any(|row| row["reason"] == "WITHDRAWN"), "{exceptions:?}");
}
