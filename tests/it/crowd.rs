//! All rule kinds at once on generated rows: the run's own checks show that everything re-adds, and a
//! printed table that each kind really fires, for at least one in a hundred participants.

use crate::support::{closing, must_run, options, project, rows};
use earnest::close::Act;
use earnest::warehouse::{Snapshot, Store};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const SEED: u64 = 20_261_401;
/// When the first cycle is closed, and when everything has happened.
const CLOSED_ON: &str = "2025-03-20";
const AS_OF: &str = "2026-03-20";

/// Rows of the exports; `./just prove` asks for a million.
fn size() -> u64 {
    std::env::var("EARNEST_CROWD_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(8_000)
}

/// What must fire, and the participants for whom it did, as a SELECT of one column.
const KINDS: &[(&str, &str)] = &[
    ("rate per line", "FROM earnings WHERE aggregate_key IS NULL AND tier_detail IS NULL"),
    ("fixed amount by market", "FROM earnings WHERE lever = 'visit' AND earning_amount <> 0"),
    ("customer-add", "FROM earnings WHERE lever = 'customer-add' AND earning_amount <> 0"),
    (
        "engagement, best: rate",
        "FROM earnings WHERE lever = 'promotion-rate' AND earning_amount <> 0",
    ),
    (
        "engagement, best: amount",
        "FROM earnings WHERE lever = 'promotion-amount' AND earning_amount <> 0",
    ),
    ("engagement, most specific", "FROM earnings WHERE lever = 'modern-work'"),
    ("shared by payees: reseller", "FROM earnings WHERE lever = 'shared' AND role = 'reseller'"),
    ("stacked after another", "FROM earnings WHERE lever = 'accelerator' AND earning_amount <> 0"),
    ("filter", "FROM earnings WHERE lever = 'large-orders' AND earning_amount <> 0"),
    ("tiers, marginal", "FROM earnings WHERE lever = 'azure-volume' AND earning_amount <> 0"),
    ("tiers, whole", "FROM earnings WHERE lever = 'azure-tenant' AND earning_amount <> 0"),
    ("tiers, rolling", "FROM earnings WHERE lever = 'rolling' AND earning_amount <> 0"),
    ("amount per unit", "FROM earnings WHERE lever = 'seats' AND earning_amount <> 0"),
    ("packages", "FROM earnings WHERE lever = 'packages' AND earning_amount <> 0"),
    ("high-water mark", "FROM earnings WHERE lever = 'net-seats' AND earning_amount <> 0"),
    ("zero usage pays a flat", "FROM earnings WHERE lever = 'presence' AND earning_amount <> 0"),
    ("of a company, days before", "FROM earnings WHERE lever = 'company-days'"),
    ("growth on last year", "FROM earnings WHERE lever = 'growth-last-year'"),
    (
        "growth on the period before",
        "FROM earnings WHERE lever = 'growth-previous' AND earning_amount <> 0",
    ),
    (
        "growth on a fixed amount",
        "FROM earnings WHERE lever = 'growth-fixed' AND earning_amount <> 0",
    ),
    ("minimum measure", "FROM earnings WHERE lever = 'tenant-units' AND earning_amount <> 0"),
    (
        "earnings go down again",
        "FROM earnings WHERE aggregate_key IS NOT NULL AND earning_amount < 0",
    ),
    (
        "split in three",
        "FROM earnings WHERE program = 'crowd' AND earning_type = 'fee' AND share = 0.2",
    ),
    ("cap that leaves something out", "FROM earnings WHERE forgone_amount > 0"),
    ("cap given back by a refund", "FROM earnings WHERE forgone_amount < 0"),
    ("linked refund", "FROM earnings WHERE original_transaction_id IS NOT NULL"),
    ("refund in excess", "FROM unearned WHERE reason = 'REFUND_EXCESS'"),
    ("trailing revenue reached", "FROM eligibility WHERE requirement = 'trailing_revenue' AND met"),
    ("trailing revenue missed", "FROM unearned WHERE reason = 'LOW_REVENUE'"),
    ("not enrolled", "FROM unearned WHERE reason = 'NOT_ENROLLED'"),
    ("ineligible product or customer", "FROM unearned WHERE reason = 'IVDCLD'"),
    (
        "co-op above the threshold",
        "FROM coop_fund WHERE earned > 0 AND converted = 0 AND settled_on < use_until",
    ),
    ("co-op converted", "FROM coop_fund WHERE converted > 0"),
    ("co-op expired", "FROM coop_fund WHERE expired > 0"),
    ("claim paid", "FROM claim_items WHERE decision = 'paid'"),
    ("claim over its activity's limit", "FROM claim_items WHERE reason = 'SUB_LIMIT'"),
    ("claim refused", "FROM claim_items WHERE decision = 'refused'"),
    ("below the minimum, carried", "FROM balances WHERE reason = 'BELOW_MINIMUM'"),
    ("forfeited at the year end", "FROM balances WHERE forfeited > 0"),
    ("held", "FROM balances WHERE reason = 'HOLD'"),
    ("no profile", "FROM balances WHERE reason = 'PROFILE'"),
    ("negative", "FROM balances WHERE reason = 'NEGATIVE'"),
    ("paid in another currency", "FROM payments WHERE payment_currency <> program_currency"),
    ("tax withheld", "FROM payments WHERE withheld_tax > 0"),
    ("payment returned", "FROM balances WHERE returned <> 0"),
    ("paid again", "FROM payment_items WHERE kind = 'returned'"),
    ("late", "FROM payment_items WHERE kind = 'late'"),
    ("adjustment of a closed cycle", "FROM settlement_changes WHERE kind = 'adjustment'"),
    ("manual adjustment", "FROM balances WHERE adjusted <> 0"),
];

#[test]
fn every_kind_fires_in_a_crowd() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = exports(folder.path());
    let warehouse = tempfile::tempdir().expect("a folder");
    must_run(&options(&pipeline, warehouse.path(), CLOSED_ON));
    let closed = closing(&pipeline, warehouse.path(), "2025-03", Act::Close, CLOSED_ON)
        .unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    bank(folder.path(), &closed.store, &closed.snapshot);
    let outcome = must_run(&options(&pipeline, warehouse.path(), AS_OF));
    let found = |sql: &str| rows(&outcome.store, &outcome.snapshot, sql);
    let of = |from: &str| -> usize {
        let sql = format!("SELECT count(DISTINCT participant_id)::VARCHAR {from}");
        found(&sql)[0][0].parse().expect("a count")
    };
    let all = of("FROM eligibility");
    let mut never = Vec::new();
    let mut table = format!("{:<34} participants of {all}\n", "kind");
    for (kind, from) in KINDS {
        let reached = of(from);
        let _ = writeln!(table, "{kind:<34} {reached:>6} {:>4} %", reached * 100 / all);
        if reached * 100 < all {
            never.push(*kind);
        }
    }
    #[expect(clippy::print_stdout, reason = "the table is what one looks at")]
    {
        print!("{table}");
    }
    // Of a claim that is refused the vendor's export says that it was sent: that is to be named.
    let failed = outcome.attention.iter().filter(|line| line.starts_with("check"));
    let failed: Vec<&String> = failed.filter(|line| !line.starts_with("check `claims`")).collect();
    assert!(failed.is_empty(), "seed {SEED}: {failed:?}");
    assert!(never.is_empty(), "seed {SEED}: fired for less than 1 % of participants: {never:?}");
}

/// Generated exports, with everybody enrolled in the crowd's program too, some of them held, some
/// without a profile, and with claims, adjustments and ineligible products beside them.
fn exports(folder: &Path) -> std::path::PathBuf {
    let project = project();
    let request = earnest::generate::Request {
        rows: size(),
        months: 12,
        seed: SEED,
        out: folder,
        pipelines: &project.join("pipelines"),
    };
    let made = earnest::generate::generate(&request)
        .unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    let programs = folder.join("programs");
    fs::create_dir(&programs).expect("a folder");
    for entry in fs::read_dir(project.join("benches/programs/everything")).expect("the programs") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, programs.join(path.file_name().expect("a name"))).expect("copied");
    }
    let crowd = fs::read_to_string(project.join("tests/crowd/crowd.toml")).expect("the program");
    // What is asked for grows with what is sold.
    let crowd = crowd.replace("amount = \"40000\"", &format!("amount = \"{}\"", size() * 25));
    fs::write(programs.join("crowd.toml"), crowd).expect("written");
    let participants = everybody(folder);
    put(folder, "claims", "2025-12-20", &claims(&participants));
    put(folder, "manual-adjustments", "2025-06-10", &adjustments(&participants));
    let products = products(folder);
    put(folder, "ineligibilities", "2025-01-01", &ineligible(&products, "2025-07-01"));
    // Known when January is closed.
    put(folder, "ineligibilities", "2025-06-01", &ineligible(&products, "2025-01-10"));
    let mut job = fs::read_to_string(&made.pipeline).expect("the job");
    let line = job.lines().find(|line| line.starts_with("programs")).expect("programs").to_owned();
    job = job.replace(&line, "programs = \"programs/*.toml\"");
    for format in ["claims", "manual-adjustments", "ineligibilities", "payment-statuses"] {
        let _ = write!(
            job,
            "\n[sources.{format}]\nformat = \"{format}\"\npath = \"partners/{format}_*.csv\"\n"
        );
    }
    fs::write(&made.pipeline, job).expect("written");
    made.pipeline
}

fn put(folder: &Path, format: &str, known_on: &str, text: &str) {
    fs::write(folder.join(format!("partners/{format}_{known_on}.csv")), text).expect("written");
}

fn read(folder: &Path, format: &str) -> Vec<Vec<String>> {
    let path = folder.join(format!("partners/{format}_2025-01-01.csv"));
    let text = fs::read_to_string(path).expect("an export");
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// Enrolls everybody in the crowd's program and maps everybody to itself there; gives the participants.
fn everybody(folder: &Path) -> Vec<String> {
    let lines = |rows: &[Vec<String>]| {
        rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n") + "\n"
    };
    let mut enrolled = read(folder, "enrollments");
    let mut participants: Vec<String> = enrolled[1..].iter().map(|row| row[0].clone()).collect();
    participants.sort();
    participants.dedup();
    let rows: Vec<Vec<String>> = enrolled[1..].to_vec();
    for (number, row) in rows.into_iter().enumerate() {
        let mut row = row;
        row[1] = "crowd".to_owned();
        let mut later = row.clone();
        match number % 20 {
            3 => row[7] = "yes".to_owned(),
            7 => {
                // Without a payout profile from May on, when earnings of March are due.
                row[9] = "2025-04-30".to_owned();
                later[8] = "2025-05-01".to_owned();
                later[3].clear();
                enrolled.push(later);
            }
            _ => {}
        }
        enrolled.push(row);
    }
    put(folder, "enrollments", "2025-01-01", &lines(&enrolled));
    let mut map = read(folder, "participant-map");
    let mapped = map[1..].iter().cloned().map(|mut row| {
        row[1] = "crowd".to_owned();
        row
    });
    let mapped: Vec<_> = mapped.collect();
    map.extend(mapped);
    put(folder, "participant-map", "2025-01-01", &lines(&map));
    participants
}

/// Claims on the fund of the first half, used from July to December 2025.
fn claims(participants: &[String]) -> String {
    let mut text = "claim_id,program,location_id,fund_half,activity,activity_month,submitted_on,\
                    status,status_on,asked_amount,currency,decided_amount\n"
        .to_owned();
    for (number, participant) in participants.iter().enumerate().filter(|(n, _)| n % 3 == 0) {
        let mut step = |activity: &str, asked: u32, status: &str, on: &str| {
            let _ = writeln!(
                text,
                "{activity}-{number},crowd,{participant},,{activity},2025-09,2025-10-20,{status},{on},\
                 {asked}.00,USD,"
            );
        };
        step("ads", 150, "Submitted", "2025-10-20");
        if number % 9 == 6 {
            step("ads", 150, "Rejected", "2025-11-10");
        } else {
            step("ads", 150, "Approved", "2025-11-10");
            step("ads", 150, "Sent", "2025-12-05");
        }
        step("spiff", 100_000, "Submitted", "2025-10-20");
    }
    text
}

fn adjustments(participants: &[String]) -> String {
    let mut text = "adjustment_id,kind,program,location_id,earning_type,period,amount,currency,\
                    reason,explanation,requested_by,approved_by,approved_on,taxable,\
                    counts_toward_minimum\n"
        .to_owned();
    for (number, participant) in participants.iter().enumerate().filter(|(n, _)| n % 10 == 1) {
        let amount = if number % 20 == 1 { "75.00" } else { "-250000.00" };
        let _ = writeln!(
            text,
            "A{number},adjustment,crowd,{participant},rebate,2025-04,{amount},USD,Policy \
             Exception,An event,ana,ben,2025-06-09,yes,yes"
        );
    }
    text
}

fn products(folder: &Path) -> BTreeSet<String> {
    read(folder, "product-groups")[1..].iter().map(|row| row[1].clone()).collect()
}

/// Every tenth product is ineligible from a day on.
fn ineligible(products: &BTreeSet<String>, from: &str) -> String {
    let mut text = "kind,id,reason,program,from,until\n".to_owned();
    for product in products.iter().step_by(10) {
        let _ = writeln!(text, "product,{product},IVDCLD,,{from},");
    }
    text
}

/// What the bank says of the closed cycle's payments: all are sent, every tenth comes back; the
/// participants' profiles are as they were.
fn bank(folder: &Path, store: &Store, snapshot: &Snapshot) {
    let mut text = "payment_id,program,location_id,status,status_on,reference,note\n".to_owned();
    let orders = rows(
        store,
        snapshot,
        "SELECT payment_id, program, participant_id FROM payments WHERE cycle = '2025-03'",
    );
    assert!(orders.len() > 20, "seed {SEED}: only {} payments", orders.len());
    for (number, order) in orders.iter().enumerate() {
        let (id, program, participant) = (&order[0], &order[1], &order[2]);
        let mut step = |status: &str, on: &str| {
            let _ = writeln!(text, "{id},{program},{participant},{status},{on},B-{number},");
        };
        step("Sent", "2025-03-22");
        if number % 10 == 0 {
            step("Reversed", "2025-04-02");
        }
    }
    put(folder, "payment-statuses", "2025-04-03", &text);
}
