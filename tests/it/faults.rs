//! A run that dies, or meets a full disk, at any store operation: readers keep the previous state
//! whole, and the next run finishes with the digests of an undisturbed one.

use crate::properties::{AS_OF, exports};
use crate::support::{digests, earnest, must_run, one_program, options, side_by_side};
use earnest::warehouse::{Snapshot, Store};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number that the environment names.
fn asked(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Rows of the exports; `./just prove` asks for more.
fn rows() -> usize {
    asked("EARNEST_FAULT_ROWS").unwrap_or(10_000)
}

/// The first operation that meets a fault: a proof that was stopped goes on from there.
fn first() -> usize {
    asked("EARNEST_FAULT_FROM").unwrap_or(1)
}

/// How many operations apart faults are injected: 1 is every one, as in `./just faults`; the default
/// takes half a minute.
fn step() -> usize {
    asked("EARNEST_FAULT_STEP").unwrap_or(29)
}

/// Whether each operation meets every kind of fault; else they take turns.
fn every_kind() -> bool {
    std::env::var_os("EARNEST_FAULT_EVERY_KIND").is_some()
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The newest snapshot, if every file that it names is there with its bytes.
pub fn whole(warehouse: &Path) -> Snapshot {
    let store = Store::open(&warehouse.display().to_string(), None).expect("a warehouse");
    let snapshot = Snapshot::newest(&store).expect("readable").expect("published");
    for file in snapshot.tables.values().flat_map(|table| &table.files) {
        let path = store.path(&file.path);
        let found = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{error}")).len();
        assert_eq!(found, file.bytes, "{}", path.display());
    }
    snapshot
}

#[test]
#[expect(clippy::print_stdout, reason = "a proof that takes an hour says how far it came")]
fn a_run_may_die_at_any_store_operation() {
    let exports = exports(rows() as u64);
    let pipeline = exports.path().join("daily.toml");
    // A fault at every operation takes hundreds of runs. One program that pays line by line makes as many
    // operations as the shipped ones, which a sample of operations has.
    if step() == 1 {
        one_program(&pipeline);
    }
    let before = tempfile::tempdir().expect("a folder");
    // The state before: half of the deliveries are known.
    let early = must_run(&options(&pipeline, before.path(), "2025-04-15"));
    let undisturbed = tempfile::tempdir().expect("a folder");
    copy(before.path(), undisturbed.path());
    let full = must_run(&options(&pipeline, undisturbed.path(), AS_OF));
    let operations = usize::try_from(full.store.operations()).expect("few");
    assert!(operations > 50, "expected many operations, found {operations}");
    let wanted = digests(&full.snapshot);
    let faults: Vec<String> = (first()..=operations)
        .step_by(step())
        .flat_map(|number| {
            // Killed after every operation; the other kinds take turns, unless all are asked for. Of many
            // rows a kill is enough.
            let others = ["full", "kill-before", "read-only"];
            let turn = number / step() % (4 * others.len());
            let chosen = match (every_kind(), rows() <= 10_000) {
                (true, _) => &others[..],
                (false, true) => others.get(turn..=turn).unwrap_or(&[]),
                (false, false) => &[],
            };
            let kinds = std::iter::once(&"kill-after").chain(chosen);
            kinds.map(move |kind| format!("{kind}@{number}")).collect::<Vec<_>>()
        })
        .collect();
    let meet = |fault: &str| {
        let warehouse = tempfile::tempdir().expect("a folder");
        copy(before.path(), warehouse.path());
        let arguments = ["run", "--as-of", AS_OF, "--threads", "1", "--fault", fault];
        let output = earnest(&pipeline, warehouse.path(), &arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(matches!(code, Some(137 | 5)), "{fault}: {code:?} {stderr}");
        assert!(!stderr.contains("panicked"), "{fault}: {stderr}");
        let left = whole(warehouse.path());
        let published = left.snapshot == full.snapshot.snapshot;
        assert!(published || left == early.snapshot, "{fault}: a state in between");
        let next = must_run(&options(&pipeline, warehouse.path(), AS_OF));
        assert_eq!(digests(&next.snapshot), wanted, "{fault}: the next run");
    };
    let met = AtomicUsize::new(0);
    side_by_side(&faults, |fault| {
        meet(fault);
        let met = 1 + met.fetch_add(1, Ordering::Relaxed);
        println!("{fault}: {met} of {}", faults.len());
    });
}
