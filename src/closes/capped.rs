//! What closed cycles settled under caps, which caps credit before all else.

use super::{Change, SettledFile};
use crate::columns::{self, filled};
use crate::earnings::{Settled, SettledFirst};
use crate::error::Result;
use crate::ingest::read_columns;
use crate::schema::SETTLED_EARNINGS;
use crate::warehouse::Store;
use arrow::array::RecordBatch;
use earnest_core::calendar::Period;
use earnest_core::program::Program;

/// The columns that are read of settled files.
const NAMES: [&str; 9] = [
    "program",
    "lever",
    "earning_type",
    "participant_id",
    "source",
    "transaction_id",
    "original_transaction_id",
    "aggregate_key",
    "estimated_payment_month",
];

/// Every earning of a capped lever that a closed cycle settled. Nothing is read if no lever has a cap.
///
/// # Errors
/// If a settled file can't be read.
pub fn read(
    store: &Store,
    programs: &[Program],
    settled: &[SettledFile],
    changes: &[Change],
) -> Result<SettledFirst> {
    let mut first = SettledFirst::default();
    if programs.iter().all(|program| program.caps.is_empty()) {
        return Ok(first);
    }
    let capped = |program: &str, lever: &str| {
        programs.iter().filter(|known| known.program == program).any(|known| {
            let position = known.levers.iter().position(|of| of.lever == lever);
            position.is_some_and(|position| known.is_capped(position))
        })
    };
    for settled in settled {
        let path = store.path(&settled.file.path);
        read_columns(&path, &SETTLED_EARNINGS, &NAMES, |rows| {
            note(rows, settled.cycle, &capped, &mut first)
        })?;
    }
    for change in changes {
        let of = &change.attributes;
        if capped(of.text("program"), of.text("lever")) && of.text("earning_type") != "coop" {
            let settled = settled_under(
                (of.text("program"), of.text("lever")),
                of.text("participant_id"),
                (of.get("source"), of.get("transaction_id"), of.get("aggregate_key")),
                of.get("original_transaction_id"),
            );
            first.note(&settled, change.cycle);
        }
    }
    Ok(first)
}

/// An earning of a lever's, by its source and transaction; of an aggregate by a blank one and its key, since its
/// row names the source of its first line.
fn settled_under<'a>(
    (program, lever): (&'a str, &'a str),
    participant: &'a str,
    (source, transaction_id, aggregate_key): (Option<&'a str>, Option<&'a str>, Option<&'a str>),
    original: Option<&'a str>,
) -> Settled<'a> {
    let (source, id) = match transaction_id {
        Some(id) => (source.unwrap_or_default(), id),
        None => ("", aggregate_key.unwrap_or_default()),
    };
    Settled { program, lever, participant, source, id, original: original.unwrap_or_default() }
}

/// Notes the rows of a file that the cycle settled: other programs' may be due in others. Co-op never is.
fn note(
    rows: &RecordBatch,
    cycle: Period,
    capped: &impl Fn(&str, &str) -> bool,
    first: &mut SettledFirst,
) -> Result<()> {
    let text = |name| columns::text(rows, name);
    let (program, lever, kind) = (text("program")?, text("lever")?, text("earning_type")?);
    let (participant, source) = (text("participant_id")?, text("source")?);
    let (id, original) = (text("transaction_id")?, text("original_transaction_id")?);
    let (key, due) = (text("aggregate_key")?, text("estimated_payment_month")?);
    let named = cycle.to_string();
    for row in 0..rows.num_rows() {
        let ours = kind.value(row) != "coop" && filled(due, row) == Some(&named);
        if ours && capped(program.value(row), lever.value(row)) {
            let settled = settled_under(
                (program.value(row), lever.value(row)),
                participant.value(row),
                (filled(source, row), filled(id, row), filled(key, row)),
                filled(original, row),
            );
            first.note(&settled, cycle);
        }
    }
    Ok(())
}
