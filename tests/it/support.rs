//! What tests share: runs in folders of their own, and readers of what they published.

use chrono::NaiveDate;
use earnest::Error;
use earnest::close::{Act, Done, Request};
use earnest::closes::By;
use earnest::job::Limits;
use earnest::run::{Outcome, RunOptions, run};
use earnest::warehouse::{Snapshot, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The project's folder.
pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Options of a run in tests: the clock stands still.
pub fn options(pipeline: &Path, warehouse: &Path, as_of: &str) -> RunOptions {
    RunOptions {
        pipeline: pipeline.to_owned(),
        warehouse: Some(warehouse.display().to_string()),
        out: None,
        as_of: day(as_of),
        dry_run: false,
        full: false,
        threads: Some(1),
        buckets: None,
        started_at: "2026-01-01T00:00:00Z".parse().expect("an instant"),
        fault: None,
    }
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no day"))
}

/// Runs, or fails the test with the run's message.
pub fn must_run(options: &RunOptions) -> Outcome {
    run(options).unwrap_or_else(|error| panic!("{}: {error}", options.pipeline.display()))
}

/// Closes, voids or approves a cycle on a day.
pub fn closing(
    pipeline: &Path,
    warehouse: &Path,
    cycle: &str,
    act: Act,
    on: &str,
) -> Result<Done, Error> {
    let run = options(pipeline, warehouse, on);
    let (os_user, host) = ("closer".to_owned(), "desk".to_owned());
    let by = By { os_user, host, at: run.started_at };
    let cycle = cycle.parse().unwrap_or_else(|_| panic!("`{cycle}` is no cycle"));
    earnest::close::execute(&Request { run, cycle, act, by })
}

/// The digest of a closed cycle's orders, in the newest snapshot.
pub fn orders_digest(warehouse: &Path, cycle: &str) -> String {
    let store = Store::open(&warehouse.display().to_string(), None).expect("a warehouse");
    let snapshot = Snapshot::newest(&store).expect("readable").expect("published");
    let sql = format!("select orders_digest from closed_cycles where cycle = '{cycle}'");
    rows(&store, &snapshot, &sql).remove(0).remove(0)
}

/// Gives a job of generated exports the program files of the golden cases, which pay line by line.
pub fn golden_programs(pipeline: &Path) {
    programs(pipeline, "*.toml");
}

/// Gives a job of generated exports one of them.
pub fn one_program(pipeline: &Path) {
    programs(pipeline, "csp-indirect-reseller.toml");
}

fn programs(pipeline: &Path, files: &str) {
    let job = std::fs::read_to_string(pipeline).expect("a job");
    let folder = project().join("tests/golden/programs");
    let fixed = |line: &str| match line.starts_with("programs = ") {
        true => format!("programs = \"{}/{files}\"\n", folder.display()),
        false => format!("{line}\n"),
    };
    std::fs::write(pipeline, job.lines().map(fixed).collect::<String>()).expect("written");
}

/// Runs the binary on a job and a warehouse.
pub fn earnest(pipeline: &Path, warehouse: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_earnest"))
        .args(arguments)
        .arg("--pipeline")
        .arg(pipeline)
        .arg("--warehouse")
        .arg(warehouse)
        .output()
        .expect("the binary runs")
}

/// Digests of the tables that don't depend on how rows arrived.
pub fn digests(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let arrival = ["rejects", "supersessions", "runs", "run_inputs"];
    snapshot
        .tables
        .iter()
        .filter(|(name, _)| !arrival.contains(&name.as_str()))
        .map(|(name, state)| (name.clone(), state.digest.clone()))
        .collect()
}

/// Rows of a query over a snapshot, all values as text, null as blank, sorted.
pub fn rows(store: &Store, snapshot: &Snapshot, sql: &str) -> Vec<Vec<String>> {
    let connection = earnest::query::connect(store, snapshot, &Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut found = statement.query([]).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap_or_else(|error| panic!("{sql}: {error}")) {
        let columns = row.as_ref().column_count();
        let value = |column: usize| -> String {
            let text: Option<String> = row.get(column).unwrap_or_else(|error| panic!("{error}"));
            text.unwrap_or_default()
        };
        rows.push((0..columns).map(value).collect::<Vec<String>>());
    }
    rows.sort();
    rows
}

/// Does something to each of many, some at a time; gives the results in their order. Not by rayon: a
/// thread of its pool that waits for a run would begin the next one on its own stack.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let take = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { return done };
            done.push((place, work(item)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A copy of a golden case in a folder, its exports changed; gives the job.
pub fn copy_of_golden(case: &str, folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let golden = project().join("tests/golden").join(case);
    let read = |path: &Path| fs::read_to_string(path).expect("a text");
    fs::create_dir(folder.join("in")).expect("a folder");
    for entry in fs::read_dir(golden.join("in")).expect("exports") {
        let entry = entry.expect("an entry");
        let export = folder.join("in").join(entry.file_name());
        fs::write(export, change(read(&entry.path()))).expect("written");
    }
    fs::copy(golden.join("program.toml"), folder.join("program.toml")).expect("copied");
    let pipelines = project().join("pipelines").display().to_string();
    let job = read(&golden.join("job.toml")).replace("../../../pipelines", &pipelines);
    let pipeline = folder.join("job.toml");
    fs::write(&pipeline, job).expect("written");
    pipeline
}
