//! What newer deliveries replaced. In: the deliveries of a source, old and new, with their ranks. Out:
//! rows of `supersessions`. The outcome is the same in whatever order deliveries arrived: each
//! version ends when the next one, by rank, became known.

use super::delivery::{days_since_epoch, whole_of};
use super::read::{known_on_of, read_file, texts};
use crate::error::Result;
use crate::schema::SUPERSESSIONS;
use crate::warehouse::{DataFile, Snapshot, Store, TableWriter};
use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Date32Type, Int64Type};
use chrono::NaiveDate;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// A row of `supersessions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Supersession {
    pub table: String,
    pub source: String,
    /// Empty: nothing yet; the slice is withdrawn from deliveries that come late.
    pub delivery_id: String,
    pub slice: Option<String>,
    pub key: Option<String>,
    pub kind: Kind,
    pub by: String,
    pub known_on: NaiveDate,
    pub rows: u64,
}

impl Supersession {
    /// What no two rows of a source share.
    fn identity(&self) -> (&str, Option<&str>, Option<&str>, &str) {
        (&self.delivery_id, self.slice.as_deref(), self.key.as_deref(), &self.by)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Superseded,
    Withdrawn,
    ConflictingVersions,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::Superseded => "superseded",
            Kind::Withdrawn => "withdrawn",
            Kind::ConflictingVersions => "conflicting_versions",
        }
    }
}

/// Newer deliveries rank higher: day, then sequence.
pub(super) type Rank = (NaiveDate, u32);

/// A delivery of a source, from whatever run.
pub(super) struct Version {
    pub id: String,
    /// A file of it, for messages.
    pub file: String,
    pub rank: Rank,
    /// Staged in this run.
    pub new: bool,
    /// Rows per slice, for `replace_by` formats.
    pub slices: Option<BTreeMap<String, u64>>,
    /// Whether its slices are read from its files, as far as they concern new deliveries.
    pub reads_slices: bool,
    pub complete_for: Vec<String>,
    /// Its staged files.
    pub files: Vec<DataFile>,
}

/// All deliveries of a source, and what is known of their replacement.
pub(super) struct Versions<'a> {
    pub store: &'a Store,
    pub table: &'static crate::schema::Table,
    pub source: &'a str,
    /// By id.
    pub versions: BTreeMap<String, Version>,
    /// Of earlier runs and of this one.
    pub recorded: Vec<Supersession>,
}

impl Versions<'_> {
    /// Without rows that earlier runs recorded.
    pub(super) fn unrecorded(&self, mut rows: Vec<Supersession>) -> Vec<Supersession> {
        let known: HashSet<_> = self.recorded.iter().map(Supersession::identity).collect();
        rows.retain(|row| !known.contains(&row.identity()));
        rows
    }

    /// The staged files of a delivery's parts that came before: only a late part has any.
    pub(super) fn earlier_parts(&self, delivery: &str) -> Vec<DataFile> {
        let whole = whole_of(delivery);
        if whole == delivery {
            return Vec::new();
        }
        let parts = self
            .versions
            .values()
            .filter(|version| version.id != delivery && whole_of(&version.id) == whole);
        parts.flat_map(|version| version.files.clone()).collect()
    }

    /// A row that says that `version` ends with `by`.
    pub(super) fn row(&self, version: &str, by: &Version, kind: Kind, rows: u64) -> Supersession {
        Supersession {
            table: self.table.name.to_owned(),
            source: self.source.to_owned(),
            delivery_id: version.to_owned(),
            slice: None,
            key: None,
            kind,
            by: by.id.clone(),
            known_on: by.rank.0,
            rows,
        }
    }

    /// Whether something of a delivery was replaced by one that ranks below `rank`.
    pub(super) fn replaced_before(&self, delivery: &str, rank: Rank) -> bool {
        self.recorded.iter().any(|row| {
            row.delivery_id == delivery
                && self.versions.get(&row.by).is_some_and(|by| by.rank < rank)
        })
    }
}

/// The supersessions that earlier runs recorded, by source.
pub(super) fn recorded(
    store: &Store,
    snapshot: Option<&Snapshot>,
) -> Result<HashMap<String, Vec<Supersession>>> {
    let mut recorded: HashMap<String, Vec<Supersession>> = HashMap::new();
    let Some(snapshot) = snapshot else { return Ok(recorded) };
    for path in snapshot.paths(store, SUPERSESSIONS.name) {
        for batch in read_file(&path, &SUPERSESSIONS)? {
            let column = |name: &str| texts(&batch, SUPERSESSIONS.position(name));
            let optional = |name: &str, row: usize| {
                let column = column(name);
                column.is_valid(row).then(|| column.value(row).to_owned())
            };
            let days =
                batch.column(SUPERSESSIONS.position("known_on")).as_primitive::<Date32Type>();
            let rows = batch.column(SUPERSESSIONS.position("rows")).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let Some(known_on) = known_on_of(days, row) else { continue };
                let source = column("source").value(row).to_owned();
                recorded.entry(source.clone()).or_default().push(Supersession {
                    table: column("table_name").value(row).to_owned(),
                    source,
                    delivery_id: column("delivery_id").value(row).to_owned(),
                    slice: optional("slice_key", row),
                    key: optional("row_key", row),
                    kind: match column("kind").value(row) {
                        "withdrawn" => Kind::Withdrawn,
                        "conflicting_versions" => Kind::ConflictingVersions,
                        _ => Kind::Superseded,
                    },
                    by: column("by_delivery_id").value(row).to_owned(),
                    known_on,
                    rows: rows.value(row).unsigned_abs(),
                });
            }
        }
    }
    Ok(recorded)
}

/// Writes the run's supersessions; `None` if there are none.
pub(super) fn write_supersessions(
    store: &Store,
    run_id: &str,
    mut rows: Vec<Supersession>,
) -> Result<Option<DataFile>> {
    rows.sort();
    let text = |of: fn(&Supersession) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
    };
    let optional = |of: fn(&Supersession) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        text(|row| &row.table),
        text(|row| &row.source),
        text(|row| &row.delivery_id),
        optional(|row| row.slice.as_deref()),
        optional(|row| row.key.as_deref()),
        text(|row| row.kind.text()),
        text(|row| &row.by),
        Arc::new(Date32Array::from_iter_values(
            rows.iter().map(|row| days_since_epoch(row.known_on)),
        )),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.rows.cast_signed()))),
    ];
    let mut writer = TableWriter::new(store, &SUPERSESSIONS, "", run_id)?;
    writer.write(&RecordBatch::try_new(SUPERSESSIONS.arrow(), columns)?)?;
    writer.finish()
}
