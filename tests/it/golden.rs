//! Golden cases: folders of CSV that a finance colleague can read, worked out by hand from the rules.
//! `BLESS=1` rewrites the expected files with what came out; its diff is reviewed like code.
//! `EARNEST_GOLDEN=NAME` runs only the cases whose name contains it.

use crate::support::{closing, must_run, options, orders_digest, project, rows, side_by_side};
use earnest::check::{Status, run_all};
use earnest::close::Act;
use earnest::job::{Job, Limits};
use earnest::run::load_programs;
use earnest::schema::{self, Kind};
use earnest::warehouse::{Snapshot, Store};
use earnest_core::decimal::{AMOUNT_SCALE, format, parse};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Of the one run; a case of several steps has `steps.txt` instead.
    as_of: Option<String>,
    expect_exit: Option<u8>,
}

#[test]
fn golden_cases() {
    let folder = project().join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("case.toml").is_file())
        .collect();
    cases.sort();
    if let Ok(name) = std::env::var("EARNEST_GOLDEN") {
        cases.retain(|path| {
            path.file_name().is_some_and(|case| case.to_string_lossy().contains(&name))
        });
        assert!(!cases.is_empty(), "expected a case whose name contains `{name}`");
    }
    assert!(
        std::env::var_os("EARNEST_GOLDEN").is_some() || cases.len() >= 40,
        "expected the golden cases, found {}",
        cases.len()
    );
    let differences: Vec<String> =
        side_by_side(&cases, |case| check(case)).into_iter().flatten().collect();
    assert!(differences.is_empty(), "{}\n", differences.join("\n"));
}

/// Differences between a case's expected tables and what a run published.
fn check(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(folder.join("case.toml")).expect("case.toml");
    let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let warehouse = tempfile::tempdir().expect("a folder");
    let steps = match (&case.as_of, fs::read_to_string(folder.join("steps.txt"))) {
        (Some(as_of), Err(_)) => format!("run {as_of}"),
        (None, Ok(steps)) => steps,
        _ => panic!("{name}: expected `as_of` in case.toml or steps.txt"),
    };
    let mut differences = Vec::new();
    let mut last = None;
    for step in steps.lines() {
        last = Some(take(&name, folder, warehouse.path(), step));
    }
    let (store, snapshot, attention) = last.unwrap_or_else(|| panic!("{name}: no step"));
    let exit = u8::from(!attention.is_empty());
    if case.expect_exit.is_some_and(|expected| expected != exit) {
        differences.push(format!("{name}: exit {exit}, {attention:?}"));
    }
    let mut expected: Vec<PathBuf> = fs::read_dir(folder.join("expected"))
        .expect("expected tables")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    expected.sort();
    for file in expected {
        let table = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        differences.extend(difference(&name, &file, &table, "", &store, &snapshot));
    }
    differences.extend(doubted(&name, folder, &store, &snapshot));
    differences
}

/// What the check of amounts says of right ones.
fn doubted(name: &str, folder: &Path, store: &Store, snapshot: &Snapshot) -> Option<String> {
    let programs = Job::load(&folder.join("job.toml")).and_then(|job| load_programs(&job));
    let programs = programs.unwrap_or_else(|error| panic!("{name}: {error}"));
    let connection = earnest::query::connect(store, snapshot, &Limits::default()).expect("tables");
    let found = run_all(&connection, &programs, &["amounts".to_owned()], true).expect("a check");
    let failed = found.into_iter().find(|finding| finding.status == Status::Failed)?;
    Some(format!("{name}: {}: {}", failed.check, failed.detail))
}

/// Takes one step of a case, e.g. `run 2021-06-20`, `close 2021-06 on 2021-06-20`, `approve 2021-06`,
/// `void 2021-06 because REASON`. Gives the snapshot that it published and what needs attention.
fn take(name: &str, folder: &Path, warehouse: &Path, step: &str) -> (Store, Snapshot, Vec<String>) {
    let job = folder.join("job.toml");
    let (verb, rest) = step.split_once(' ').unwrap_or_else(|| panic!("{name}: step `{step}`"));
    let act = |cycle: &str, act: Act, on: &str| {
        let done = closing(&job, warehouse, cycle, act, on);
        let done = done.unwrap_or_else(|error| panic!("{name}: `{step}`: {error}"));
        (done.store, done.snapshot, done.attention)
    };
    match (verb, rest.split_once(" on "), rest.split_once(" because ")) {
        ("run", None, None) => {
            let outcome = must_run(&options(&job, warehouse, rest));
            (outcome.store.clone(), outcome.snapshot.clone(), outcome.attention.clone())
        }
        ("close", Some((cycle, on)), None) => act(cycle, Act::Close, on),
        ("void", None, Some((cycle, reason))) => {
            act(cycle, Act::Void { reason: reason.to_owned() }, "2999-12-31")
        }
        ("approve", None, None) => {
            let text = orders_digest(warehouse, rest);
            let act_by = Act::Approve { file: "approved.txt".into(), text, owner: "other".into() };
            act(rest, act_by, "2999-12-31")
        }
        _ => {
            panic!("{name}: expected a step such as `close 2021-06 on 2021-06-20`, found `{step}`")
        }
    }
}

/// Differences between the rows of a file and those of a published table, in the file's columns; with
/// `BLESS=1` there are none, the file is rewritten.
pub fn difference(
    name: &str,
    file: &Path,
    table: &str,
    only: &str,
    store: &Store,
    snapshot: &Snapshot,
) -> Vec<String> {
    let (columns, wanted) = read(file, table);
    let selected: Vec<String> =
        columns.iter().map(|column| format!("cast(\"{column}\" as varchar)")).collect();
    let sql = format!("select {} from {table}{only}", selected.join(", "));
    let found = normal(table, &columns, rows(store, snapshot, &sql));
    if found == wanted {
        return Vec::new();
    }
    if std::env::var_os("BLESS").is_some() {
        bless(file, &columns, &found);
        return Vec::new();
    }
    let mut differences = vec![format!("{name}: {table}({})", columns.join(", "))];
    let missing = wanted.iter().filter(|row| !found.contains(row));
    let surplus = found.iter().filter(|row| !wanted.contains(row));
    differences.extend(missing.map(|row| format!("  expected {}", row.join(" | "))));
    differences.extend(surplus.map(|row| format!("  found    {}", row.join(" | "))));
    if wanted.len() != found.len() {
        differences.push(format!("  expected {} rows, found {}", wanted.len(), found.len()));
    }
    differences
}

fn read(file: &Path, table: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let place = file.display().to_string();
    let mut reader =
        csv::Reader::from_path(file).unwrap_or_else(|error| panic!("{place}: {error}"));
    let columns: Vec<String> =
        reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let rows = reader
        .records()
        .map(|record| {
            let record = record.unwrap_or_else(|error| panic!("{place}: {error}"));
            record.iter().map(str::to_owned).collect()
        })
        .collect();
    let rows = normal(table, &columns, rows);
    (columns, rows)
}

/// Decimals by value, rows in order.
fn normal(table: &str, columns: &[String], mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let declared = schema::table(table).unwrap_or_else(|| panic!("no table `{table}`"));
    for (position, name) in columns.iter().enumerate() {
        let kind = declared.columns[declared.position(name)].kind;
        if matches!(kind, Kind::Money | Kind::Amount | Kind::Rate | Kind::Integer) {
            for row in &mut rows {
                if let Ok(value) = parse(&row[position], AMOUNT_SCALE) {
                    row[position] = format(value, AMOUNT_SCALE, 0);
                }
            }
        }
    }
    rows.sort();
    rows
}

fn bless(file: &Path, columns: &[String], rows: &[Vec<String>]) {
    let mut writer = csv::Writer::from_path(file).expect("a writable case");
    writer.write_record(columns).expect("written");
    for row in rows {
        writer.write_record(row).expect("written");
    }
    writer.flush().expect("written");
}
