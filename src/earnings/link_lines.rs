//! The lines that linking refunds looks at: refunds, and the lines that one of them could refund. Few
//! of all lines; the others are passed over after a look at their narrow columns.

use super::facts::day;
use super::read;
use super::seen::Seen;
use crate::columns;
use crate::error::Result;
use crate::ingest::InForceFile;
use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use chrono::NaiveDate;
use earnest_core::id;
use parquet::arrow::arrow_reader::RowSelection;
use rayon::prelude::*;
use std::collections::HashSet;

/// What is kept of a line.
const KEPT: [&str; 10] = [
    "source",
    "transaction_id",
    "transaction_on",
    "transaction_currency",
    "base",
    "charge_start_on",
    "charge_end_on",
    "reference_id",
    "reference_target",
    "link_key",
];

/// Where a line stands: position of its file among those of the run, row of the file.
pub type Place = (usize, usize);

/// A line as linking sees it. Amounts at amount scale.
pub struct LinkLine {
    pub place: Place,
    pub transaction_id: String,
    pub transaction_on: NaiveDate,
    pub base: i128,
    pub charge: Option<(NaiveDate, NaiveDate)>,
    pub reference_id: Option<Box<str>>,
    pub link_key: Option<i64>,
    /// Those that it may be linked with: by what a refund refers to, or what refers to a line.
    pub by_reference: Option<Group>,
    /// By link key.
    pub by_key: Option<Group>,
}

/// Digest of source, currency and what groups lines.
pub type Group = u128;

/// Negative lines that could be linked.
///
/// # Errors
/// If a file can't be read.
pub fn refunds(files: &[InForceFile]) -> Result<Vec<LinkLine>> {
    let look = ["base", "link_key", "reference_id"];
    lines_where(files, &look, |batch| {
        let base = columns::decimal(batch, "base")?.values();
        let key = columns::integer(batch, "link_key")?;
        let reference = columns::text(batch, "reference_id")?;
        let takes = move |row| base[row] < 0 && (key.is_valid(row) || reference.is_valid(row));
        Ok((0..batch.num_rows()).map(takes).collect())
    })
}

/// Lines, none negative, that a refund could be linked to: lines whose charge period holds that of a refund
/// with the same link key, and lines that a refund refers to.
///
/// # Errors
/// If a file can't be read.
pub fn candidates(files: &[InForceFile], refunds: &[LinkLine]) -> Result<Vec<LinkLine>> {
    let periods = RefundPeriods::of(refunds);
    let references: HashSet<&str> =
        refunds.iter().filter_map(|line| line.reference_id.as_deref()).collect();
    let mut lines = Vec::new();
    if !periods.by_key.is_empty() {
        let look = ["link_key", "charge_start_on", "charge_end_on"];
        lines = lines_where(files, &look, |batch| {
            let key = columns::integer(batch, "link_key")?;
            let start = columns::date(batch, "charge_start_on")?;
            let end = columns::date(batch, "charge_end_on")?;
            let takes = |row| {
                let charged = key.is_valid(row) && start.is_valid(row) && end.is_valid(row);
                charged && periods.within(key.value(row), start.value(row), end.value(row))
            };
            Ok((0..batch.num_rows()).map(takes).collect())
        })?;
    }
    if !references.is_empty() {
        lines.extend(lines_where(files, &["reference_target"], |batch| {
            let target = columns::text(batch, "reference_target")?;
            let takes = |row| target.is_valid(row) && references.contains(target.value(row));
            Ok((0..batch.num_rows()).map(takes).collect())
        })?);
    }
    lines.retain(|line| line.base >= 0);
    if !periods.by_key.is_empty() && !references.is_empty() {
        lines.sort_unstable_by_key(|line| line.place);
        lines.dedup_by_key(|line| line.place);
    }
    Ok(lines)
}

/// Charge periods of refunds with their link keys, in order, in days since 1970.
struct RefundPeriods {
    by_key: Vec<(i64, i32, i32)>,
    /// Of the keys, which are digests.
    seen: Seen,
}

impl RefundPeriods {
    fn of(refunds: &[LinkLine]) -> RefundPeriods {
        let mut seen = Seen::with_capacity(refunds.len());
        let mut by_key = Vec::with_capacity(refunds.len());
        for refund in refunds {
            if let (Some(key), Some((from, to))) = (refund.link_key, refund.charge) {
                by_key.push((key, from.to_epoch_days(), to.to_epoch_days()));
                seen.add(key.cast_unsigned());
            }
        }
        by_key.sort_unstable();
        by_key.dedup();
        RefundPeriods { by_key, seen }
    }

    /// True if the charge period holds that of a refund with the key.
    fn within(&self, key: i64, start: i32, end: i32) -> bool {
        self.seen.may_hold(key.cast_unsigned()) && {
            let first = self.by_key.partition_point(|&(other, ..)| other < key);
            let mut same = self.by_key[first..].iter().take_while(|&&(other, ..)| other == key);
            same.any(|&(_, from, to)| start <= from && to <= end)
        }
    }
}

/// The lines in force that a look at some columns takes, file by file.
fn lines_where(
    files: &[InForceFile],
    look: &[&str],
    takes: impl Fn(&RecordBatch) -> Result<Vec<bool>> + Sync,
) -> Result<Vec<LinkLine>> {
    let found: Vec<Vec<LinkLine>> = files
        .par_iter()
        .enumerate()
        .filter(|(_, file)| !file.all_excluded)
        .map(|(position, file)| lines_of(position, file, look, &takes))
        .collect::<Result<_>>()?;
    let mut lines = Vec::with_capacity(found.iter().map(Vec::len).sum());
    found.into_iter().for_each(|found| lines.extend(found));
    Ok(lines)
}

/// Looks at every line of a file, then reads the lines that are taken.
fn lines_of(
    position: usize,
    file: &InForceFile,
    look: &[&str],
    takes: impl Fn(&RecordBatch) -> Result<Vec<bool>>,
) -> Result<Vec<LinkLine>> {
    let mut taken = Vec::new();
    let mut looked: Vec<&str> = look.to_vec();
    for column in read::excluding(file) {
        looked.push(column);
    }
    for batch in read::reader(file, &looked, &[], None)? {
        let batch = batch?;
        let mut takes = takes(&batch)?;
        if let Some(excluded) = read::excluded(&batch, file) {
            for (row, takes) in takes.iter_mut().enumerate() {
                *takes &= !excluded.value(row);
            }
        }
        taken.push(BooleanArray::from(takes));
    }
    if taken.iter().all(|taken| taken.true_count() == 0) {
        return Ok(Vec::new());
    }
    let selection = RowSelection::from_filters(&taken);
    let rows = taken.iter().flat_map(|taken| taken.values().iter());
    let mut places = rows.enumerate().filter(|(_, taken)| *taken).map(|(row, _)| (position, row));
    let mut lines = Vec::new();
    for batch in read::reader(file, &KEPT, &[], Some(selection))? {
        link_lines(&batch?, &mut places, &mut lines)?;
    }
    Ok(lines)
}

fn link_lines(
    batch: &RecordBatch,
    places: &mut impl Iterator<Item = Place>,
    lines: &mut Vec<LinkLine>,
) -> Result<()> {
    let text = |name| columns::text(batch, name);
    let (source, ids, currency) =
        (text("source")?, text("transaction_id")?, text("transaction_currency")?);
    let (reference_id, target) = (text("reference_id")?, text("reference_target")?);
    let on = columns::date(batch, "transaction_on")?;
    let base = columns::decimal(batch, "base")?;
    let start = columns::date(batch, "charge_start_on")?;
    let end = columns::date(batch, "charge_end_on")?;
    let link_key = columns::integer(batch, "link_key")?;
    for (row, place) in (0..batch.num_rows()).zip(places) {
        let within = [source.value(row).as_bytes(), currency.value(row).as_bytes()];
        let group = |by: &str| id::digest([within[0], within[1], by.as_bytes()]);
        let of_text = |texts: &StringArray| texts.is_valid(row).then(|| group(texts.value(row)));
        let key = link_key.is_valid(row).then(|| link_key.value(row));
        lines.push(LinkLine {
            place,
            transaction_id: ids.value(row).to_owned(),
            transaction_on: day(on.value(row)),
            base: base.value(row),
            charge: columns::day(start, row).zip(columns::day(end, row)),
            reference_id: reference_id.is_valid(row).then(|| reference_id.value(row).into()),
            link_key: key,
            by_reference: of_text(if base.value(row) < 0 { reference_id } else { target }),
            by_key: key.map(|key| group(&key.to_string())),
        });
    }
    Ok(())
}
