//! Which staged rows count on a day. In: a snapshot and an as-of date. Out: the staged files known by
//! then, each with the slices and keys that deliveries known by then replaced or withdrew.

use super::read::{known_on_of, read_file, texts};
use crate::error::Result;
use crate::schema::{RUN_INPUTS, RUNS, SUPERSESSIONS, Table};
use crate::warehouse::{DataFile, Snapshot, Store};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Date32Type, Int64Type};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

/// A staged file whose delivery is known by the as-of date.
#[derive(Clone, Debug)]
pub struct InForceFile {
    pub file: DataFile,
    /// Where it lies.
    pub path: PathBuf,
    /// The day its delivery became known.
    pub known_on: NaiveDate,
    /// Slices of it that no longer count.
    pub slices: HashSet<String>,
    /// Row keys of it that no longer count.
    pub keys: HashSet<String>,
    /// Nothing of it counts any more.
    pub all_excluded: bool,
}

/// The files of a staged table as of a day, in the order of the snapshot.
///
/// # Errors
/// If the warehouse can't be read.
pub fn in_force(
    store: &Store,
    snapshot: &Snapshot,
    table: &str,
    as_of: NaiveDate,
) -> Result<Vec<InForceFile>> {
    let known_on = delivery_days(store, snapshot)?;
    let replaced = replaced(store, snapshot, table)?;
    let excluded = excluded(replaced.iter().filter(|one| one.known_on <= as_of));
    let known_on = |delivery: &str| known_on.get(delivery).copied().filter(|day| *day <= as_of);
    Ok(counting(store, snapshot, table, (known_on, &excluded)))
}

/// How a staged table came to be, delivery by delivery: what counted in earlier snapshots.
pub struct History<'a> {
    store: &'a Store,
    snapshot: &'a Snapshot,
    table: &'a str,
    /// The snapshot whose run staged a delivery, its first part if it came in parts.
    staged: HashMap<String, u64>,
    known_on: HashMap<String, NaiveDate>,
    replaced: Vec<Replaced>,
}

impl<'a> History<'a> {
    /// # Errors
    /// If the warehouse can't be read.
    pub fn read(store: &'a Store, snapshot: &'a Snapshot, table: &'a str) -> Result<History<'a>> {
        let staged = staged(store, snapshot)?;
        let known_on = delivery_days(store, snapshot)?;
        let replaced = replaced(store, snapshot, table)?;
        Ok(History { store, snapshot, table, staged, known_on, replaced })
    }

    /// The files of the table as they counted in an earlier snapshot, in the order of this one.
    #[must_use]
    pub fn at(&self, earlier: u64) -> Vec<InForceFile> {
        let is_known = |delivery: &str| self.staged.get(delivery).is_some_and(|at| *at <= earlier);
        let excluded = excluded(self.replaced.iter().filter(|one| is_known(&one.by)));
        let known_on =
            |delivery: &str| self.known_on.get(delivery).copied().filter(|_| is_known(delivery));
        counting(self.store, self.snapshot, self.table, (known_on, &excluded))
    }
}

fn counting(
    store: &Store,
    snapshot: &Snapshot,
    table: &str,
    (known_on, excluded): (impl Fn(&str) -> Option<NaiveDate>, &HashMap<String, Excluded>),
) -> Vec<InForceFile> {
    let mut delivered: HashMap<&str, u64> = HashMap::new();
    for file in snapshot.files(table) {
        *delivered.entry(file.unit.as_str()).or_default() += file.rows;
    }
    let mut counting = Vec::new();
    for file in snapshot.files(table) {
        let Some(known_on) = known_on(&file.unit) else { continue };
        let excluded = excluded.get(&file.unit);
        let rows = excluded.map_or(0, |excluded| excluded.rows.values().sum());
        counting.push(InForceFile {
            file: file.clone(),
            path: store.path(&file.path),
            known_on,
            slices: excluded.map(|excluded| excluded.slices.clone()).unwrap_or_default(),
            keys: excluded.map(|excluded| excluded.keys.clone()).unwrap_or_default(),
            all_excluded: rows >= delivered[file.unit.as_str()],
        });
    }
    counting
}

/// The rows of a small staged table that count as of a day, columns in declared order.
///
/// # Errors
/// If the warehouse can't be read.
pub fn read_table(
    store: &Store,
    snapshot: &Snapshot,
    table: &'static Table,
    as_of: NaiveDate,
) -> Result<RecordBatch> {
    read_files(table, &in_force(store, snapshot, table.name, as_of)?)
}

/// The rows of a small staged table that counted in an earlier snapshot, columns in declared order.
///
/// # Errors
/// If the warehouse can't be read.
pub fn read_table_at(
    store: &Store,
    snapshot: &Snapshot,
    table: &'static Table,
    earlier: u64,
) -> Result<RecordBatch> {
    read_files(table, &History::read(store, snapshot, table.name)?.at(earlier))
}

fn read_files(table: &'static Table, files: &[InForceFile]) -> Result<RecordBatch> {
    let mut batches = Vec::new();
    for file in files.iter().filter(|file| !file.all_excluded) {
        for batch in read_file(&file.path, table)? {
            batches.push(counting_rows(&batch, table, file)?);
        }
    }
    Ok(concat_batches(&table.arrow(), &batches)?)
}

/// Without the rows of replaced slices and keys.
fn counting_rows(batch: &RecordBatch, table: &Table, file: &InForceFile) -> Result<RecordBatch> {
    if file.slices.is_empty() && file.keys.is_empty() {
        return Ok(batch.clone());
    }
    let slices = texts(batch, table.position("slice_key"));
    let keys = texts(batch, table.position("row_key"));
    let counts = |row: usize| {
        let slice_gone = !slices.is_null(row) && file.slices.contains(slices.value(row));
        let key_gone = !keys.is_null(row) && file.keys.contains(keys.value(row));
        Some(!slice_gone && !key_gone)
    };
    let mask: BooleanArray = (0..batch.num_rows()).map(counts).collect();
    Ok(filter_record_batch(batch, &mask)?)
}

/// The day each staged delivery became known.
fn delivery_days(store: &Store, snapshot: &Snapshot) -> Result<HashMap<String, NaiveDate>> {
    let mut days = HashMap::new();
    for path in snapshot.paths(store, RUN_INPUTS.name) {
        for batch in read_file(&path, &RUN_INPUTS)? {
            let deliveries = texts(&batch, RUN_INPUTS.position("delivery_id"));
            let states = texts(&batch, RUN_INPUTS.position("state"));
            let known = batch.column(RUN_INPUTS.position("known_on")).as_primitive::<Date32Type>();
            for row in 0..batch.num_rows() {
                if states.value(row) == "staged"
                    && let Some(day) = known_on_of(known, row)
                {
                    days.insert(deliveries.value(row).to_owned(), day);
                }
            }
        }
    }
    Ok(days)
}

/// The snapshot of the first run that staged something of a delivery.
fn staged(store: &Store, snapshot: &Snapshot) -> Result<HashMap<String, u64>> {
    let mut runs = HashMap::new();
    for path in snapshot.paths(store, RUNS.name) {
        for batch in read_file(&path, &RUNS)? {
            let ids = texts(&batch, RUNS.position("run_id"));
            let published = batch.column(RUNS.position("snapshot")).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                runs.insert(ids.value(row).to_owned(), published.value(row).unsigned_abs());
            }
        }
    }
    let mut staged: HashMap<String, u64> = HashMap::new();
    for path in snapshot.paths(store, RUN_INPUTS.name) {
        for batch in read_file(&path, &RUN_INPUTS)? {
            let column = |name: &str| texts(&batch, RUN_INPUTS.position(name));
            let (ids, states) = (column("run_id"), column("state"));
            let deliveries = column("delivery_id");
            for row in (0..batch.num_rows()).filter(|&row| states.value(row) == "staged") {
                // This run isn't recorded yet.
                let at = runs.get(ids.value(row)).copied().unwrap_or(u64::MAX);
                let first = staged.entry(deliveries.value(row).to_owned()).or_insert(at);
                *first = at.min(*first);
            }
        }
    }
    Ok(staged)
}

/// A slice or a row of a delivery that another one replaced or withdrew.
struct Replaced {
    delivery: String,
    by: String,
    known_on: NaiveDate,
    slice: Option<String>,
    key: Option<String>,
    rows: u64,
}

/// What no longer counts of one delivery.
#[derive(Default)]
struct Excluded {
    slices: HashSet<String>,
    keys: HashSet<String>,
    /// Staged rows per slice or key, each counted once however often it was replaced.
    rows: BTreeMap<(bool, String), u64>,
}

fn excluded<'a>(replaced: impl Iterator<Item = &'a Replaced>) -> HashMap<String, Excluded> {
    let mut excluded: HashMap<String, Excluded> = HashMap::new();
    for one in replaced {
        let of = excluded.entry(one.delivery.clone()).or_default();
        if let Some(slice) = &one.slice {
            of.slices.insert(slice.clone());
            of.rows.insert((false, slice.clone()), one.rows);
        }
        if let Some(key) = &one.key {
            of.keys.insert(key.clone());
            of.rows.insert((true, key.clone()), one.rows);
        }
    }
    excluded
}

fn replaced(store: &Store, snapshot: &Snapshot, table: &str) -> Result<Vec<Replaced>> {
    let mut replaced = Vec::new();
    for path in snapshot.paths(store, SUPERSESSIONS.name) {
        for batch in read_file(&path, &SUPERSESSIONS)? {
            let column = |name: &str| texts(&batch, SUPERSESSIONS.position(name));
            let (tables, deliveries) = (column("table_name"), column("delivery_id"));
            let by = column("by_delivery_id");
            let (slices, keys) = (column("slice_key"), column("row_key"));
            let known =
                batch.column(SUPERSESSIONS.position("known_on")).as_primitive::<Date32Type>();
            let rows = batch.column(SUPERSESSIONS.position("rows")).as_primitive::<Int64Type>();
            for row in (0..batch.num_rows()).filter(|&row| tables.value(row) == table) {
                let Some(known_on) = known_on_of(known, row) else { continue };
                let cell = |column: &StringArray| {
                    column.is_valid(row).then(|| column.value(row).to_owned())
                };
                replaced.push(Replaced {
                    delivery: deliveries.value(row).to_owned(),
                    by: by.value(row).to_owned(),
                    known_on,
                    slice: cell(slices),
                    key: cell(keys),
                    rows: rows.value(row).unsigned_abs(),
                });
            }
        }
    }
    Ok(replaced)
}
