//! Transactions that decided what a close froze, and were corrected since: another version replaced them,
//! or they were withdrawn. In: the staged files, as they counted at each close and as they count now.
//! Out: what is gone, and what is left of those of then. Files that lost nothing aren't read.
//!
//! A transaction keeps its source and id in whatever delivery it comes; one that came again as it was is not
//! corrected, and one that wasn't there at the close decided nothing.

use super::{State, events};
use crate::columns;
use crate::earnings::facts;
use crate::eligibility::{Corrected, Frozen, Sold};
use crate::error::Result;
use crate::ingest::{InForceFile, in_force_at, read_columns};
use crate::schema::TRANSACTIONS;
use crate::warehouse::{Snapshot, Store};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Columns of a line that a measure of revenue reads, and what tells it apart.
const READ: [&str; 12] = [
    "transaction_id",
    "source",
    "data_role",
    "slice_key",
    "row_key",
    "transaction_on",
    "billed_partner_id",
    "reseller_partner_id",
    "product_id",
    "sku_id",
    "base",
    "transaction_currency",
];

/// Source and id of a transaction.
type Id = (String, String);

/// What was corrected since the closes that froze trailing revenue. `files` are those in force now; `asked`
/// says whether some program asks for it, and if so, whether by product.
///
/// # Errors
/// If the warehouse can't be read.
pub fn find(
    (store, snapshot): (&Store, &Snapshot),
    files: &[InForceFile],
    frozen: &[Frozen],
    asked: Option<bool>,
) -> Result<Vec<Corrected>> {
    let cycles: BTreeSet<Period> = frozen.iter().filter_map(|one| one.closed_by).collect();
    if cycles.is_empty() || asked.is_none() {
        return Ok(Vec::new());
    }
    let events = events::read(store, snapshot)?;
    let mut found = Vec::new();
    for cycle in cycles {
        let mut closes = events.iter().rev();
        let close = closes.find(|event| event.cycle == cycle && event.state == State::Closed);
        let Some(close) = close else { continue };
        let then = in_force_at(store, snapshot, TRANSACTIONS.name, close.snapshot)?;
        let ours = frozen.iter().filter(|one| one.closed_by == Some(cycle));
        let days: Vec<_> = ours.filter_map(Frozen::days).collect();
        let within = |on: NaiveDate| days.iter().any(|(first, last)| *first <= on && on <= *last);
        let mut gone = lost(&then, files, within)?;
        if gone.is_empty() {
            continue;
        }
        let known: BTreeSet<&Path> = then.iter().map(|file| file.path.as_path()).collect();
        let (old, new): (Vec<&InForceFile>, Vec<&InForceFile>) =
            files.iter().partition(|file| known.contains(file.path.as_path()));
        let came = again(&new, &gone)?;
        for (id, line) in &came {
            if gone.get(id) == Some(line) {
                gone.remove(id);
            }
        }
        if gone.is_empty() {
            continue;
        }
        let old: Vec<InForceFile> = old.into_iter().cloned().collect();
        let mut now = facts::sold(&old, asked)?;
        now.extend(came.into_iter().map(|(_, line)| line));
        found.push(Corrected { cycle, gone: gone.into_values().collect(), now });
    }
    Ok(found)
}

/// Lines of files that counted then and no longer do.
fn lost(
    then: &[InForceFile],
    files: &[InForceFile],
    within: impl Fn(NaiveDate) -> bool,
) -> Result<HashMap<Id, Sold>> {
    let now: HashMap<&Path, &InForceFile> =
        files.iter().map(|file| (file.path.as_path(), file)).collect();
    let mut gone = HashMap::new();
    for file in then {
        let Some(now) = now.get(file.path.as_path()) else { continue };
        if now.slices.len() == file.slices.len() && now.keys.len() == file.keys.len() {
            continue;
        }
        let lost = |line: &Line| line.counts(file) && !line.counts(now) && within(line.on);
        lines(file, lost, |id, line| {
            gone.insert(id, line);
        })?;
    }
    Ok(gone)
}

/// The lines among those of later files that came in place of others.
fn again(files: &[&InForceFile], gone: &HashMap<Id, Sold>) -> Result<Vec<(Id, Sold)>> {
    let mut came = Vec::new();
    for file in files {
        lines(
            file,
            |line| line.counts(file),
            |id, line| {
                if gone.contains_key(&id) {
                    came.push((id, line));
                }
            },
        )?;
    }
    Ok(came)
}

/// What decides whether a line counts.
struct Line<'a> {
    slice: Option<&'a str>,
    key: Option<&'a str>,
    on: NaiveDate,
}

impl Line<'_> {
    /// True if a file doesn't leave it out.
    fn counts(&self, file: &InForceFile) -> bool {
        !self.slice.is_some_and(|slice| file.slices.contains(slice))
            && !self.key.is_some_and(|key| file.keys.contains(key))
    }
}

/// Hands the lines of a file that are wanted to `each`.
fn lines(
    file: &InForceFile,
    wanted: impl Fn(&Line) -> bool,
    mut each: impl FnMut(Id, Sold),
) -> Result<()> {
    read_columns(&file.path, &TRANSACTIONS, &READ, |rows| {
        let text = |name| columns::text(rows, name);
        let (ids, sources) = (text("transaction_id")?, text("source")?);
        let (slices, keys) = (text("slice_key")?, text("row_key")?);
        let (billed, resellers) = (text("billed_partner_id")?, text("reseller_partner_id")?);
        let (products, skus) = (text("product_id")?, text("sku_id")?);
        let (currencies, roles) = (text("transaction_currency")?, text("data_role")?);
        let (days, bases) =
            (columns::date(rows, "transaction_on")?, columns::decimal(rows, "base")?);
        for row in 0..rows.num_rows() {
            let on = columns::day(days, row).unwrap_or_default();
            let (slice, key) = (columns::filled(slices, row), columns::filled(keys, row));
            if !wanted(&Line { slice, key, on }) {
                continue;
            }
            let cell = |column| columns::filled(column, row).map(str::to_owned);
            let line = Sold {
                billed: cell(billed),
                reseller: cell(resellers),
                on,
                currency: cell(currencies).unwrap_or_default(),
                data_role: facts::data_role(columns::filled(roles, row)),
                product: cell(products),
                sku: cell(skus),
                base: bases.value(row),
                transactions: 1,
            };
            each((sources.value(row).to_owned(), ids.value(row).to_owned()), line);
        }
        Ok(())
    })
}
