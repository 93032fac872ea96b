//! What closed cycles offset between balances, as their files record it.

use super::Closed;
use super::outcomes::{account, earning_type};
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::OFFSETS;
use crate::warehouse::{Snapshot, Store};
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;

/// What entered a balance from another one of its offset group, or left for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    pub cycle: Period,
    /// What it adds to the balance, in program currency, at money scale.
    pub amount: i128,
    /// The other balance: program and earning type.
    pub counterpart: (String, EarningType),
}

/// Reads offsets.
///
/// # Errors
/// If a file can't be read, or names a program that the job lacks.
pub fn read(
    store: &Store,
    kept: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    for path in kept.paths(store, OFFSETS.name) {
        for rows in read_file(&path, &OFFSETS)? {
            let text = |name| columns::text(&rows, name);
            let (program, kind) = (text("program")?, text("earning_type")?);
            let (participant, cycle) = (text("participant_id")?, text("cycle")?);
            let (other, other_kind) = (text("other_program")?, text("other_earning_type")?);
            let amount = columns::decimal(&rows, "amount")?;
            for row in 0..rows.num_rows() {
                let of = (program.value(row), kind.value(row), participant.value(row));
                let key = account(programs, of)?;
                closed.offsets.entry(key).or_default().push(Offset {
                    cycle: cycle.value(row).parse()?,
                    amount: amount.value(row),
                    counterpart: (
                        other.value(row).to_owned(),
                        earning_type(other_kind.value(row))?,
                    ),
                });
            }
        }
    }
    let key = |one: &Offset| (one.cycle, one.counterpart.0.clone(), one.counterpart.1.name());
    closed.offsets.values_mut().for_each(|offsets| offsets.sort_by_key(key));
    Ok(())
}
