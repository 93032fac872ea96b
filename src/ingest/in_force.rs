//! Which staged rows count on a day. In: a snapshot and an as-of date. Out: the staged files known by
//! then, each with the slices and keys that deliveries known by then replaced or withdrew.

use super::read::{known_on_of, read_file, texts};
use crate::error::Result;
use crate::schema::{RUN_INPUTS, SUPERSESSIONS, Table};
use crate::warehouse::{DataFile, Snapshot, Store};
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
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
    let excluded = excluded(store, snapshot, table, as_of)?;
    let mut delivered: HashMap<&str, u64> = HashMap::new();
    for file in snapshot.files(table) {
        *delivered.entry(file.unit.as_str()).or_default() += file.rows;
    }
    let mut counting = Vec::new();
    for file in snapshot.files(table) {
        let Some(known_on) = known_on.get(&file.unit).copied().filter(|day| *day <= as_of) else {
            continue;
        };
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
    Ok(counting)
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
    let schema = table.arrow();
    let mut batches = Vec::new();
    for file in in_force(store, snapshot, table.name, as_of)? {
        if file.all_excluded {
            continue;
        }
        for batch in read_file(&file.path, table)? {
            batches.push(counting_rows(&batch, table, &file)?);
        }
    }
    Ok(concat_batches(&schema, &batches)?)
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

/// What no longer counts of one delivery.
#[derive(Default)]
struct Excluded {
    slices: HashSet<String>,
    keys: HashSet<String>,
    /// Staged rows per slice or key, each counted once however often it was replaced.
    rows: BTreeMap<(bool, String), u64>,
}

fn excluded(
    store: &Store,
    snapshot: &Snapshot,
    table: &str,
    as_of: NaiveDate,
) -> Result<HashMap<String, Excluded>> {
    let mut excluded: HashMap<String, Excluded> = HashMap::new();
    for path in snapshot.paths(store, SUPERSESSIONS.name) {
        for batch in read_file(&path, &SUPERSESSIONS)? {
            let column = |name: &str| texts(&batch, SUPERSESSIONS.position(name));
            let (tables, deliveries) = (column("table_name"), column("delivery_id"));
            let (slices, keys) = (column("slice_key"), column("row_key"));
            let known =
                batch.column(SUPERSESSIONS.position("known_on")).as_primitive::<Date32Type>();
            let rows = batch.column(SUPERSESSIONS.position("rows")).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let in_effect = known_on_of(known, row).is_some_and(|day| day <= as_of);
                if tables.value(row) != table || !in_effect {
                    continue;
                }
                let of = excluded.entry(deliveries.value(row).to_owned()).or_default();
                let count = rows.value(row).unsigned_abs();
                if !slices.is_null(row) {
                    of.slices.insert(slices.value(row).to_owned());
                    of.rows.insert((false, slices.value(row).to_owned()), count);
                }
                if !keys.is_null(row) {
                    of.keys.insert(keys.value(row).to_owned());
                    of.rows.insert((true, keys.value(row).to_owned()), count);
                }
            }
        }
    }
    Ok(excluded)
}
