//! What the bank or the ERP says of payments. In: the rows in force of `payment_statuses`, and what closed cycles
//! recorded of payments that came back. Out: the rows of each payment, sorted.

use crate::closes::Closed;
use crate::columns;
use crate::eligibility::Called;
use crate::error::Result;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::program::Program;
use earnest_core::status::{Origin, Status, StatusRow};
use std::collections::BTreeMap;

/// All rows up to the as-of date.
#[derive(Default)]
pub struct Statuses {
    /// By position of the program, participant and payment id.
    by_payment: BTreeMap<(usize, String, String), Vec<StatusRow>>,
    /// Of no program: program as written, participant, payment id.
    pub stray: Vec<(String, String, String, StatusRow)>,
}

impl Statuses {
    /// Reads the rows. A program's old name means the program.
    ///
    /// # Errors
    /// If the batch lacks a column.
    pub fn read(
        programs: &[Program],
        rows: &RecordBatch,
        closed: &Closed,
        as_of: NaiveDate,
    ) -> Result<Statuses> {
        let text = |name| columns::text(rows, name);
        let (id, program, location) = (text("payment_id")?, text("program")?, text("location_id")?);
        let (status, reference, note) = (text("status")?, text("reference")?, text("note")?);
        let status_on = columns::date(rows, "status_on")?;
        let mut called = Called::new(programs);
        let mut found = Statuses::default();
        for row in 0..rows.num_rows() {
            let filled = |column| columns::filled(column, row).map(str::to_owned);
            let Some(day) = columns::day(status_on, row).filter(|day| *day <= as_of) else {
                continue;
            };
            let said = StatusRow {
                status_on: day,
                status: Status::named(status.value(row)),
                written: status.value(row).to_owned(),
                reference: filled(reference),
                note: filled(note),
                origin: Origin::Export,
            };
            let named = called.programs(program.value(row)).iter();
            let position =
                named.filter(|(_, days)| days.contain(day)).map(|(place, _)| *place).next();
            let (participant, payment) = (location.value(row).to_owned(), id.value(row).to_owned());
            match position {
                Some(program) => {
                    let key = (program, participant, payment);
                    found.by_payment.entry(key).or_default().push(said);
                }
                None => {
                    let name = program.value(row).to_owned();
                    found.stray.push((name, participant, payment, said));
                }
            }
        }
        for (key, returned) in closed.returned() {
            let said = found.by_payment.entry(key.clone()).or_default();
            for recorded in &returned.rows {
                let of = |row: &StatusRow| (row.status_on, row.status);
                match said.iter_mut().find(|row| of(row) == of(recorded)) {
                    Some(row) => row.origin = Origin::Recorded,
                    None => said.push(recorded.clone()),
                }
            }
        }
        found.by_payment.values_mut().for_each(|rows| rows.sort());
        found.stray.sort();
        Ok(found)
    }

    /// What is said of a payment.
    pub fn of(&self, program: usize, participant: &str, payment_id: &str) -> &[StatusRow] {
        if self.by_payment.is_empty() {
            return &[];
        }
        let key = (program, participant.to_owned(), payment_id.to_owned());
        self.by_payment.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Everything that is said of payments of programs.
    pub fn all(&self) -> impl Iterator<Item = (usize, &str, &str, &[StatusRow])> {
        let rows = self.by_payment.iter();
        rows.map(|((program, participant, payment), rows)| {
            (*program, participant.as_str(), payment.as_str(), rows.as_slice())
        })
    }
}
