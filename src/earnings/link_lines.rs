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
use parquet::arrow::arrow_reader::RowSelection;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

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
    pub source: String,
    pub transaction_id: String,
    pub transaction_on: NaiveDate,
    pub currency: String,
    pub base: i128,
    pub charge: Option<(NaiveDate, NaiveDate)>,
    pub reference_id: Option<String>,
    pub reference_target: Option<String>,
    pub link_key: Option<i64>,
}

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

/// Positive lines that a refund could be linked to: lines whose charge period holds that of a refund
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
    lines.retain(|line| line.base > 0);
    if !periods.by_key.is_empty() && !references.is_empty() {
        let key = |line: &LinkLine| (line.source.clone(), line.transaction_id.clone());
        lines.sort_by_cached_key(key);
        lines.dedup_by(|a, b| a.source == b.source && a.transaction_id == b.transaction_id);
    }
    Ok(lines)
}

/// Charge periods of refunds by link key, in days since 1970.
struct RefundPeriods {
    by_key: HashMap<i64, Vec<(i32, i32)>, foldhash::fast::RandomState>,
    /// Of the keys, which are digests.
    seen: Seen,
}

impl RefundPeriods {
    fn of(refunds: &[LinkLine]) -> RefundPeriods {
        let seen = Seen::with_capacity(refunds.len());
        let mut periods = RefundPeriods { by_key: HashMap::default(), seen };
        for refund in refunds {
            if let (Some(key), Some((from, to))) = (refund.link_key, refund.charge) {
                let period = (from.to_epoch_days(), to.to_epoch_days());
                let known = periods.by_key.entry(key).or_default();
                if !known.contains(&period) {
                    known.push(period);
                }
                periods.seen.add(key.cast_unsigned());
            }
        }
        periods
    }

    /// True if the charge period holds that of a refund with the key.
    fn within(&self, key: i64, start: i32, end: i32) -> bool {
        let holds = |&(from, to): &(i32, i32)| start <= from && to <= end;
        self.seen.may_hold(key.cast_unsigned())
            && self.by_key.get(&key).is_some_and(|periods| periods.iter().any(holds))
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
    Ok(found.into_iter().flatten().collect())
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
    let (source, id, currency) =
        (text("source")?, text("transaction_id")?, text("transaction_currency")?);
    let (reference_id, reference_target) = (text("reference_id")?, text("reference_target")?);
    let on = columns::date(batch, "transaction_on")?;
    let base = columns::decimal(batch, "base")?;
    let start = columns::date(batch, "charge_start_on")?;
    let end = columns::date(batch, "charge_end_on")?;
    let link_key = columns::integer(batch, "link_key")?;
    let owned =
        |texts: &StringArray, row: usize| texts.is_valid(row).then(|| texts.value(row).to_owned());
    for (row, place) in (0..batch.num_rows()).zip(places) {
        lines.push(LinkLine {
            place,
            source: source.value(row).to_owned(),
            transaction_id: id.value(row).to_owned(),
            transaction_on: day(on.value(row)),
            currency: currency.value(row).to_owned(),
            base: base.value(row),
            charge: columns::day(start, row).zip(columns::day(end, row)),
            reference_id: owned(reference_id, row),
            reference_target: owned(reference_target, row),
            link_key: link_key.is_valid(row).then(|| link_key.value(row)),
        });
    }
    Ok(())
}
