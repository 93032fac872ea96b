//! Every check finds its fault: the sample story's tables, each time with one thing changed.

use crate::support::{closing, must_run, options, project};
use duckdb::Connection;
use earnest::check::{Status, all, run_all};
use earnest::close::Act;
use earnest::job::{Job, Limits};
use earnest_core::program::Program;
use std::collections::BTreeSet;

/// The oldest cycle of the sample story.
const OLDEST: &str = "2021-03";

/// A check, the table that is changed, and the changed rows.
const FAULTS: &[(&str, &str, &str)] = &[
    ("rows_read", "run_inputs", "SELECT * REPLACE (rows_read + 1 AS rows_read) FROM published"),
    ("rows_read", "rejects", "SELECT * FROM published LIMIT 1"),
    ("control_totals", "run_inputs", "SELECT * REPLACE (rows_read + 1 AS control_rows) FROM published"),
    ("staged", "transactions", "SELECT * FROM published WHERE record > 1"),
    ("staged", "supersessions", "SELECT * REPLACE (rows + 1 AS rows) FROM published"),
    ("outcomes", "unearned", "SELECT * FROM published LIMIT 3"),
    (
        "outcomes",
        "out_of_scope",
        "FROM published UNION ALL SELECT * REPLACE ('x' AS transaction_id) FROM published",
    ),
    ("base", "unearned", "SELECT * REPLACE ((base + 1)::DECIMAL(38, 12) AS base) FROM published"),
    ("base", "out_of_scope", "SELECT * REPLACE (false AS whole) FROM published"),
    (
        "sources",
        "earning_sources",
        "SELECT * REPLACE ((program_share + 0.01)::DECIMAL(38, 12) AS program_share) FROM published",
    ),
    ("sources", "earning_sources", "SELECT * FROM published LIMIT 20"),
    (
        "payment_items",
        "payment_items",
        "SELECT * REPLACE ((payment_amount + 0.01)::DECIMAL(18, 3) AS payment_amount) FROM published",
    ),
    ("payment_items", "payments", "SELECT * REPLACE (0.01::DECIMAL(18, 3) AS withheld_tax) FROM published"),
    ("payment_items", "payments", "SELECT * FROM published LIMIT 3"),
    ("balances", "balances", "SELECT * REPLACE ((closing + 1)::DECIMAL(18, 3) AS closing) FROM published"),
    ("balances", "balances", "SELECT * FROM published WHERE cycle <> '2021-04'"),
    ("settled", "balances", "SELECT * REPLACE (1::DECIMAL(18, 3) AS adjusted) FROM published"),
    (
        "settled",
        "balances",
        "SELECT * REPLACE ((earned + 1)::DECIMAL(18, 3) AS earned,
            (ordered + 1)::DECIMAL(18, 3) AS ordered) FROM published",
    ),
    ("settled", "payments", "SELECT * FROM published LIMIT 3"),
    ("taxes", "payments", "SELECT * REPLACE (0.01::DECIMAL(18, 3) AS withheld_tax) FROM published"),
    ("taxes", "payments", "SELECT * REPLACE (0.01::DECIMAL(18, 3) AS sales_tax) FROM published"),
    (
        "as_earned",
        "payments",
        "SELECT * REPLACE (NULL::DECIMAL(18, 9) AS exchange_rate) FROM published",
    ),
    (
        "offsets",
        "offsets",
        "FROM published UNION ALL BY NAME SELECT * EXCLUDE (cycle), '2021-09' AS cycle, 'x' AS
            other_program, 'fee' AS other_earning_type, 1::DECIMAL(18, 3) AS amount
            FROM (SELECT program, participant_id, earning_type, cycle FROM balances LIMIT 1)",
    ),
    (
        "payment_statuses",
        "payment_history",
        "SELECT * REPLACE ('UNKNOWN_PAYMENT' AS reason, false AS accepted) FROM published",
    ),
    ("returns", "balances", "SELECT * REPLACE (1::DECIMAL(18, 3) AS returned) FROM published"),
    (
        "returns",
        "payment_history",
        "SELECT * REPLACE (strftime(status_on, '%Y-%m') AS returns_in) FROM published",
    ),
    ("adjustments", "balances", "SELECT * REPLACE (1::DECIMAL(18, 3) AS written_off) FROM published"),
    ("adjustments", "balances", "SELECT * REPLACE (1::DECIMAL(18, 3) AS transferred_in) FROM published"),
    ("adjustments", "adjustments", "FROM published UNION ALL BY NAME SELECT 'A' AS adjustment_id,
        'posted' AS state, 'ana' AS requested_by, 'Ana' AS approved_by"),
    ("balance_lots", "balance_lots", "SELECT * FROM published LIMIT 1"),
    (
        "balance_lots",
        "balance_lots",
        "SELECT * REPLACE (DATE '2020-01-01' AS lapses_on) FROM published",
    ),
    ("payable", "balances", "SELECT * REPLACE ((closing + 1)::DECIMAL(18, 3) AS closing) FROM published"),
    (
        "payable",
        "journal",
        "SELECT * REPLACE ('tax_payable' AS account) FROM published
            WHERE event = 'order' AND account = 'payments_clearing'",
    ),
    ("closed_cycles", "closed_cycles", "SELECT * REPLACE ('x' AS orders_digest) FROM published"),
    ("closed_cycles", "balances", "FROM published UNION ALL FROM published"),
    ("closed_cycles", "snapshot_files", "FROM published WHERE table_name <> 'settled_earnings'"),
    ("settlements", "cycle_entries", "SELECT * FROM published WHERE NOT closed"),
    (
        "settlements",
        "earnings",
        "SELECT * REPLACE ((program_amount + 1)::DECIMAL(18, 3) AS program_amount) FROM published",
    ),
    ("coop_fund", "coop_fund", "SELECT * REPLACE (1::DECIMAL(18, 3) AS reserved) FROM published"),
    (
        "coop_fund",
        "coop_fund",
        "SELECT * REPLACE ((earned + 1)::DECIMAL(18, 3) AS earned, (\"left\" + 1)::DECIMAL(18, 3)
            AS \"left\", (available + 1)::DECIMAL(18, 3) AS available) FROM published",
    ),
    (
        "conversions",
        "balances",
        "SELECT * REPLACE (1::DECIMAL(18, 3) AS converted_in) FROM published",
    ),
    (
        "conversions",
        "coop_fund",
        "SELECT * REPLACE (1::DECIMAL(18, 3) AS converted) FROM published",
    ),
    (
        "conversions",
        "determinations",
        "SELECT program, 'coop_threshold' AS kind, participant_id AS subject, fund_half AS \"window\",
            'converted' AS outcome, earned AS measured, earned AS threshold, half_until - 1 AS decided_on,
            NULL::VARCHAR AS frozen_by
            FROM coop_fund",
    ),
    (
        "coop_expiry",
        "coop_fund",
        "SELECT * REPLACE (1::DECIMAL(18, 3) AS expired, 1::DECIMAL(18, 3) AS rolled_in) FROM published",
    ),
    ("coop_expiry", "coop_fund", "SELECT * REPLACE ((-1)::DECIMAL(18, 3) AS rolled_out) FROM published"),
    (
        "coop_journal",
        "coop_fund",
        "SELECT * REPLACE ((\"left\" + 1)::DECIMAL(18, 3) AS \"left\") FROM published",
    ),
    ("claim_items", "coop_fund", "SELECT * REPLACE (1::DECIMAL(18, 3) AS reserved) FROM published"),
    ("claim_items", "coop_fund", "SELECT * REPLACE (1::DECIMAL(18, 3) AS claims_paid) FROM published"),
    ("claim_items", "claim_items", CLAIM),
    ("claim_items", "claim_items", SENT),
    ("claim_returns", "payments", REISSUED),
    ("coop_journal", "payments", REISSUED),
    ("claims", "claim_items", CLAIM),
    ("claims", "claim_items", DIFFERS),
    ("journal", "journal", "SELECT * FROM published WHERE account <> 'rebate_payable'"),
    (
        "amounts",
        "earnings",
        "SELECT * REPLACE ((earning_amount + 1)::DECIMAL(18, 3) AS earning_amount) FROM published",
    ),
    (
        "minor_units",
        "earnings",
        "SELECT * REPLACE (0.5::DECIMAL(18, 3) AS forgone_amount) FROM published
            WHERE transaction_currency = 'JPY'",
    ),
    ("keys", "journal", "FROM published UNION ALL FROM published LIMIT 9999"),
    ("keys", "earnings", "FROM published UNION ALL (FROM published LIMIT 1)"),
    ("recompute", "earnings", "SELECT * FROM published WHERE original_transaction_id IS NULL"),
    (
        "recompute",
        "earnings",
        "SELECT * REPLACE ((earning_amount + 0.01)::DECIMAL(18, 3) AS earning_amount) FROM published
            WHERE transaction_id IS NULL UNION ALL FROM published WHERE transaction_id IS NOT NULL",
    ),
    (
        "recompute",
        "unearned",
        "SELECT * REPLACE ('NOT_TOGETHER' AS reason) FROM published",
    ),
    (
        "recompute",
        "ineligibilities_in_force",
        "FROM published UNION ALL BY NAME SELECT 'transaction' AS kind, min(transaction_id) AS id,
            'INVTNXACO' AS reason FROM earnings",
    ),
    (
        "recompute",
        "ineligibilities_in_force",
        "FROM published UNION ALL BY NAME SELECT 'customer' AS kind, min(customer_id) AS id,
            'CUSPUBSEC' AS reason FROM earnings SEMI JOIN transactions_in_force
            USING (source, transaction_id)",
    ),
    ("recompute", "out_of_scope", "SELECT * REPLACE ('NO_LEVER' AS reason) FROM published"),
];

/// Orders that pay a claim again which never came back.
const REISSUED: &str = "SELECT * REPLACE ('coop' AS earning_type, 'reissue' AS order_kind,
    'P0' AS reissue_of) FROM published";

/// A claim that nobody paid for, and that contradicts itself.
const CLAIM: &str = "SELECT * REPLACE ('C1' AS claim_id, program AS program, 'held' AS decision,
        'STATUS' AS reason, fund_half AS fund_half, 1::DECIMAL(18, 3) AS reserved)
    FROM (SELECT * FROM published UNION ALL BY NAME SELECT program, participant_id, fund_half FROM coop_fund)";

/// A claim that was sent, of which the export says nothing.
const SENT: &str = "SELECT * REPLACE ('C1' AS claim_id, 'paid' AS decision, 0 AS allowed_amount)
    FROM (SELECT * FROM published UNION ALL BY NAME SELECT program, participant_id FROM coop_fund)";

/// One that is named.
const DIFFERS: &str =
    "SELECT * REPLACE ('C1' AS claim_id, 'paid' AS decision, 'SENT_DIFFERS' AS reason)
    FROM (SELECT * FROM published UNION ALL BY NAME SELECT program, participant_id FROM coop_fund)";

#[test]
fn every_check_finds_its_fault() {
    let warehouse = tempfile::tempdir().expect("a folder");
    let pipeline = project().join("pipelines/daily.toml");
    must_run(&options(&pipeline, warehouse.path(), "2021-06-20"));
    let outcome = closing(&pipeline, warehouse.path(), OLDEST, Act::Close, "2021-06-20");
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    let programs = earnest::run::load_programs(&Job::load(&pipeline).expect("the job"));
    let programs = programs.expect("its programs");
    let untested: BTreeSet<&str> = all().map(|check| check.name).collect();
    let tested: BTreeSet<&str> = FAULTS.iter().map(|fault| fault.0).collect();
    assert_eq!(untested, tested, "expected a fault per check");
    let connect = || {
        earnest::query::connect(&outcome.store, &outcome.snapshot, &Limits::default())
            .expect("a connection")
    };
    for (check, table, changed) in FAULTS {
        let connection = connect();
        // A temporary table comes before the view of the same name.
        let sql = format!(
            "CREATE TEMP VIEW published AS FROM memory.main.{table};
             CREATE TEMP TABLE {table} AS {changed}"
        );
        connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let finding = run(&connection, &programs, check);
        assert!(!finding.is_empty(), "check `{check}` found nothing wrong with `{changed}`");
    }
    let connection = connect();
    for check in all() {
        assert_eq!(run(&connection, &programs, check.name), "", "check `{}`", check.name);
    }
}

#[test]
fn trailing_revenue_is_measured_again() {
    altered(
        "trailing-revenue",
        "recompute",
        &[
            ("determinations", "FROM published", ""),
            (
                "determinations",
                "SELECT * REPLACE ((measured + 0.01)::DECIMAL(18, 3) AS measured) FROM published",
                "expected qualified with 1000.000 of 5 lines on 2021-02-22, found qualified with 1000.010",
            ),
            (
                "determinations",
                "FROM published LIMIT 0",
                "expected qualified with 1000.000 of 5 lines on 2021-02-22, found nothing",
            ),
            (
                "determinations",
                "SELECT * REPLACE (DATE '2021-03-01' AS decided_on) FROM published",
                "found qualified with 1000.000 of 5 lines on 2021-03-01",
            ),
            (
                "determinations",
                "SELECT * REPLACE (transactions + 1 AS transactions) FROM published",
                "of 5 lines on 2021-02-22, found qualified with 1000.000 of 6 lines",
            ),
            (
                "determinations",
                "SELECT * REPLACE ('undone' AS outcome) FROM published",
                "found undone with 1000.000",
            ),
            (
                "exchange_rates_in_force",
                "SELECT * REPLACE (1.3::DECIMAL(18, 9) AS rate) FROM published",
                "expected qualified with 1020.000 of 5 lines on 2021-02-22, found qualified with 1000.000",
            ),
        ],
    );
}

#[test]
fn the_room_of_shared_caps_is_computed_again() {
    let expected = "plain, tenant, customer C1, 2020-07..2021-06, cycle 2021-06: expected 90.000 of \
                    100.000 by A2 of 2021-04-25, found ";
    let found = |what: &str| format!("{expected}{what}");
    altered(
        "story-shared-cap",
        "recompute",
        &[
            ("determinations", "FROM published", ""),
            (
                "determinations",
                "SELECT * REPLACE ((measured + 0.01)::DECIMAL(18, 3) AS measured) FROM published",
                &found("90.010 of 100.000"),
            ),
            (
                "determinations",
                "SELECT * REPLACE ('A1' AS transaction_id) FROM published",
                &found("90.000 of 100.000 by A1"),
            ),
            (
                "determinations",
                "SELECT * REPLACE ('exhausted' AS outcome) FROM published",
                expected,
            ),
            ("determinations", "FROM published LIMIT 0", &found("nothing")),
        ],
    );
    let of_company = "50.000 by M5 of 2021-02-02, found nothing";
    altered(
        "cap-of-company",
        "recompute",
        &[
            (
                "determinations",
                "SELECT * REPLACE (replace(subject, ', company 0100000', '') AS subject) FROM published",
                &format!(
                    "each, company 0100000, 2020-07..2021-06, cycle 2021-04: expected 50.000 of {of_company}"
                ),
            ),
            (
                "cap_balances",
                "SELECT * REPLACE (NULL::VARCHAR AS global_id) FROM published",
                "cap each of plain, , 0100000, , 2020-07: expected 50.000 used of gross 60.000, found  of ",
            ),
        ],
    );
}

/// A golden case on 20 June 2021, each time with one table changed and what a check finds then.
fn altered(case: &str, check: &str, changes: &[(&str, &str, &str)]) {
    let warehouse = tempfile::tempdir().expect("a folder");
    let pipeline = project().join(format!("tests/golden/{case}/job.toml"));
    let outcome = must_run(&options(&pipeline, warehouse.path(), "2021-06-20"));
    let programs = earnest::run::load_programs(&Job::load(&pipeline).expect("the job"));
    let programs = programs.expect("its programs");
    for (table, changed, expected) in changes {
        let connection =
            earnest::query::connect(&outcome.store, &outcome.snapshot, &Limits::default());
        let connection = connection.expect("a connection");
        let sql = format!(
            "CREATE TEMP VIEW published AS FROM memory.main.{table};
             CREATE TEMP TABLE {table} AS {changed}"
        );
        connection.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let found = run(&connection, &programs, check);
        assert!(found.contains(expected), "`{changed}`: {found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "`{changed}`: {found}");
    }
}

/// The golden case of orders in transaction currency, each time with one thing changed.
#[test]
fn orders_in_transaction_currency_are_added_up_again() {
    let changes = [
        ("payments", "FROM published", ""),
        (
            "payments",
            "SELECT * REPLACE ((gross_amount + 0.01)::DECIMAL(18, 3) AS gross_amount) FROM published",
            "2021-05: expected GBP 120.000 ordered (176.000), found 120.010 (176.000)",
        ),
        (
            "payments",
            "FROM published WHERE payment_currency <> 'EUR' OR cycle > '2021-04'",
            "2021-04: expected EUR 400.000 ordered (450.000), found 0.000 (0.000)",
        ),
        (
            "adjustments",
            "FROM published LIMIT 0",
            "2021-05: expected USD 50.000 ordered (50.000), found 80.000 (80.000)",
        ),
        (
            "payments",
            "SELECT * REPLACE (1::DECIMAL(18, 9) AS exchange_rate) FROM published",
            "expected an exchange rate unless its program pays in transaction currency, found 1.0",
        ),
    ];
    altered("paid-as-earned", "as_earned", &changes);
}

/// What a check finds; blank if nothing.
fn run(connection: &Connection, programs: &[Program], check: &str) -> String {
    let findings = run_all(connection, programs, &[check.to_owned()], false)
        .unwrap_or_else(|error| panic!("check `{check}`: {error}"));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].status == Status::Failed, !findings[0].detail.is_empty());
    findings[0].detail.clone()
}

#[test]
fn failed_checks_stop_a_run_only_if_they_are_global() {
    use earnest::check::{Finding, refuse_failures};
    let finding = |global, status| Finding {
        check: "balances",
        global,
        status,
        detail: "P/1: expected closing 1, found 2".to_owned(),
    };
    assert!(refuse_failures(vec![finding(false, Status::Failed)]).is_ok());
    assert!(refuse_failures(vec![finding(true, Status::NotApplicable)]).is_ok());
    let error = refuse_failures(vec![finding(true, Status::Failed)]).expect_err("it is global");
    assert_eq!(error.kind.exit_code(), 3);
    assert_eq!(
        error.to_string(),
        "check `balances`: P/1: expected closing 1, found 2\n\
         hint: nothing was published; the last snapshot is untouched"
    );
}
