//! What closed cycles ordered, as their files record it.

use super::Closed;
use super::outcomes::account;
use crate::columns;
use crate::error::Result;
use crate::ingest::read_file;
use crate::schema::PAYMENTS;
use crate::warehouse::{Snapshot, Store};
use arrow::array::Array as _;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::Program;
use earnest_core::tax::Taxes;
use earnest_core::waterfall::Order;

/// An order of a closed cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub payment_id: String,
    pub cycle: Period,
    pub due_on: NaiveDate,
    /// `cycle` or `reissue`.
    pub kind: String,
    pub sequence: i64,
    pub method: String,
    pub currency: String,
    pub order: Order,
    pub taxes: Taxes,
    /// The part of the gross that isn't taxable, in program currency.
    pub untaxed: i128,
    /// Of claims: the payment that came back, which it pays again.
    pub reissue_of: Option<String>,
}

/// Reads orders.
///
/// # Errors
/// If a file can't be read, or names a program that the job lacks.
pub fn read(
    store: &Store,
    kept: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    for path in kept.paths(store, PAYMENTS.name) {
        for rows in read_file(&path, &PAYMENTS)? {
            let text = |name| columns::text(&rows, name);
            let (program, kind) = (text("program")?, text("earning_type")?);
            let (participant, cycle) = (text("participant_id")?, text("cycle")?);
            let (id, order_kind) = (text("payment_id")?, text("order_kind")?);
            let (method, currency) = (text("payment_method")?, text("payment_currency")?);
            let sequence = columns::integer(&rows, "sequence")?;
            let due_on = columns::date(&rows, "due_on")?;
            let money = |name| columns::decimal(&rows, name);
            let (gross_program, gross) = (money("gross_program_amount")?, money("gross_amount")?);
            let (rate, withheld) = (money("exchange_rate")?, money("withheld_tax")?);
            let sales = money("sales_tax")?;
            let (again, untaxed) = (text("reissue_of")?, money("untaxed_amount")?);
            for row in 0..rows.num_rows() {
                let of = (program.value(row), kind.value(row), participant.value(row));
                let key = account(programs, of)?;
                closed.payments.entry(key).or_default().push(Paid {
                    payment_id: id.value(row).to_owned(),
                    cycle: cycle.value(row).parse()?,
                    due_on: columns::day(due_on, row).unwrap_or(NaiveDate::MIN),
                    kind: order_kind.value(row).to_owned(),
                    sequence: sequence.value(row),
                    method: method.value(row).to_owned(),
                    currency: currency.value(row).to_owned(),
                    order: Order {
                        gross_program: gross_program.value(row),
                        rate: rate.is_valid(row).then(|| rate.value(row)),
                        gross: gross.value(row),
                    },
                    taxes: Taxes { withheld: withheld.value(row), sales: sales.value(row) },
                    // Earlier versions of `earnest` didn't record it.
                    untaxed: if untaxed.is_valid(row) { untaxed.value(row) } else { 0 },
                    reissue_of: columns::filled(again, row).map(str::to_owned),
                });
            }
        }
    }
    for payments in closed.payments.values_mut() {
        payments.sort_by(|a, b| (a.cycle, &a.payment_id).cmp(&(b.cycle, &b.payment_id)));
    }
    Ok(())
}
