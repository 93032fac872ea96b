//! Orders of claims as the snapshot before published them. Claims are paid beside cycles, so no close records
//! them: once one is sent, its order is what was published last before.

use super::{Closed, kept};
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::PAYMENTS;
use crate::warehouse::{DataFile, Snapshot, Store};
use arrow::array::Array as _;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::tax::Taxes;

/// The order of a claim, as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub method: String,
    pub currency: String,
    pub cycle: Period,
    pub sequence: i64,
    pub due_on: NaiveDate,
    /// In `currency`, at money scale.
    pub gross: i128,
    pub taxes: Taxes,
    /// The first snapshot that is known to have it so.
    pub snapshot: i64,
}

/// Reads orders of claims.
///
/// # Errors
/// If a file can't be read.
pub fn read(store: &Store, previous: &Snapshot, closed: &mut Closed) -> Result<()> {
    let number = i64::try_from(previous.snapshot).unwrap_or(i64::MAX);
    let open = |file: &&DataFile| kept::cycle_of(file).is_none();
    for file in previous.files(PAYMENTS.name).iter().filter(open) {
        for rows in read_file(&store.path(&file.path), &PAYMENTS)? {
            let text = |name| columns::text(&rows, name);
            let (id, kind, cycle) = (text("payment_id")?, text("order_kind")?, text("cycle")?);
            let (method, currency) = (text("payment_method")?, text("payment_currency")?);
            let sequence = columns::integer(&rows, "sequence")?;
            let kept_by = columns::integer(&rows, "closed_snapshot")?;
            let due_on = columns::date(&rows, "due_on")?;
            let money = |name| columns::decimal(&rows, name);
            let gross = money("gross_amount")?;
            let (withheld, sales) = (money("withheld_tax")?, money("sales_tax")?);
            for row in (0..rows.num_rows()).filter(|row| kind.value(*row) == "claim") {
                let claimed = Claimed {
                    method: method.value(row).to_owned(),
                    currency: currency.value(row).to_owned(),
                    cycle: cycle.value(row).parse()?,
                    sequence: sequence.value(row),
                    due_on: columns::day(due_on, row).unwrap_or(NaiveDate::MIN),
                    gross: gross.value(row),
                    taxes: Taxes { withheld: withheld.value(row), sales: sales.value(row) },
                    snapshot: if kept_by.is_valid(row) { kept_by.value(row) } else { number },
                };
                closed.claimed.insert(id.value(row).to_owned(), claimed);
            }
        }
    }
    Ok(())
}
