//! Changes as rows of `settlement_changes`, written and read.

use super::attributes::{self, Attributes, TEXTS};
use super::changes::Change;
use crate::columns::{self, batch, days, decimals, optional_decimals, texts, uuids};
use crate::error::{Error, Result};
use crate::ingest::read_file;
use crate::schema::{Kind, SETTLEMENT_CHANGES};
use crate::warehouse::{Snapshot, Store};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use earnest_core::earning::EntryKind;
use earnest_core::reason::AdjustmentReason;
use std::sync::Arc;

/// Changes as a table, in its declared order of columns.
///
/// # Errors
/// If an amount is too large.
pub fn write(changes: &[Change]) -> Result<RecordBatch> {
    let corrects = changes.iter().map(|change| change.corrects.map(|cycle| cycle.to_string()));
    let columns = SETTLEMENT_CHANGES.columns.iter().map(|column| -> Result<ArrayRef> {
        let each = || changes.iter();
        Ok(match column.name {
            "earning_id" => uuids(each().map(|change| change.earning_id))?,
            "cycle" => texts(each().map(|change| change.cycle.to_string())),
            "kind" => texts(each().map(|change| change.kind.name())),
            "cause" => texts(each().map(|change| change.cause.code())),
            "corrects" => Arc::new(corrects.clone().collect::<StringArray>()),
            "period" => texts(each().map(|change| change.period.to_string())),
            "transaction_on" => days(each().map(|change| Some(change.attributes.transaction_on))),
            "settled_before" => {
                let amounts = each().map(|change| change.settled_before).collect();
                optional_decimals(Kind::Money, amounts)?
            }
            "earned_now" => {
                let amounts = each().map(|change| change.earned_now).collect();
                optional_decimals(Kind::Money, amounts)?
            }
            "program_amount" => decimals(Kind::Money, each().map(Change::amount))?,
            "earning_amount" => {
                let amounts = each().map(|change| change.own_amount).collect();
                optional_decimals(Kind::Money, amounts)?
            }
            name if TEXTS.contains(&name) => {
                let cells = each().map(|change| change.attributes.get(name));
                Arc::new(cells.collect::<StringArray>())
            }
            name => unreachable!("`settlement_changes` has a column `{name}`"),
        })
    });
    batch(&SETTLEMENT_CHANGES, columns.collect::<Result<_>>()?)
}

/// The changes of a snapshot.
///
/// # Errors
/// If a file can't be read.
pub fn read(store: &Store, snapshot: &Snapshot) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for path in snapshot.paths(store, SETTLEMENT_CHANGES.name) {
        for rows in read_file(&path, &SETTLEMENT_CHANGES)? {
            let text = |name| columns::text(&rows, name);
            let ids = attributes::ids(&rows)?;
            let (period, cycle, kind) = (text("period")?, text("cycle")?, text("kind")?);
            let (cause, corrects) = (text("cause")?, text("corrects")?);
            let before = columns::decimal(&rows, "settled_before")?;
            let now = columns::decimal(&rows, "earned_now")?;
            let own = columns::decimal(&rows, "earning_amount")?;
            for row in 0..rows.num_rows() {
                let corrects = columns::filled(corrects, row).map(str::parse).transpose()?;
                changes.push(Change {
                    earning_id: attributes::id(ids, row),
                    attributes: Attributes::read(&rows, row)?,
                    period: period.value(row).parse()?,
                    cycle: cycle.value(row).parse()?,
                    kind: named(&EntryKind::ALL, kind.value(row), EntryKind::name)?,
                    cause: named(AdjustmentReason::ALL, cause.value(row), AdjustmentReason::code)?,
                    corrects,
                    settled_before: before.is_valid(row).then(|| before.value(row)),
                    earned_now: now.is_valid(row).then(|| now.value(row)),
                    own_amount: own.is_valid(row).then(|| own.value(row)),
                });
            }
        }
    }
    changes.sort_by_key(|change| (change.cycle, change.period, change.earning_id));
    Ok(changes)
}

fn named<T: Copy>(all: &[T], name: &str, of: impl Fn(T) -> &'static str) -> Result<T> {
    all.iter().copied().find(|one| of(*one) == name).ok_or_else(|| {
        Error::broken(format!("settlement_changes: expected a known word, found `{name}`"))
    })
}
