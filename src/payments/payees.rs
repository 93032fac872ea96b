//! How participants are paid on a day: enrollments, indexed.

use crate::columns;
use crate::eligibility::Called;
use crate::error::Result;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::currency;
use earnest_core::reason::CarryReason;
use std::collections::HashMap;

/// How each participant of each program is paid, by dates.
pub struct Payees {
    programs: Vec<HashMap<String, Vec<Payee>>>,
}

/// A row of the enrollments, ordered so that of several in force the one that began last counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payee {
    from: NaiveDate,
    until: NaiveDate,
    hold: bool,
    profiles: bool,
    method: Option<String>,
    currency: Option<String>,
}

/// How an order would be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method<'a> {
    pub method: &'a str,
    pub currency: &'a str,
    pub minor_units: u32,
}

impl Payees {
    pub fn read(programs: &[earnest_core::program::Program], rows: &RecordBatch) -> Result<Payees> {
        let text = |name| columns::text(rows, name);
        let (location, program, hold) = (text("location_id")?, text("program")?, text("hold")?);
        let (payout, tax) = (text("payout_profile")?, text("tax_profile")?);
        let (method, currency) = (text("payment_method")?, text("payment_currency")?);
        let (from, until) = (columns::date(rows, "from_on")?, columns::date(rows, "until_on")?);
        let mut called = Called::new(programs);
        let mut payees: Vec<HashMap<String, Vec<Payee>>> =
            programs.iter().map(|_| HashMap::new()).collect();
        for row in 0..rows.num_rows() {
            let filled = |column| columns::filled(column, row).map(str::to_owned);
            let payee = Payee {
                from: columns::day(from, row).unwrap_or(NaiveDate::MIN),
                until: columns::day(until, row).unwrap_or(NaiveDate::MAX),
                hold: columns::filled(hold, row) == Some("yes"),
                profiles: filled(payout).is_some() && filled(tax).is_some(),
                method: filled(method),
                currency: filled(currency),
            };
            for &(program, named) in called.programs(program.value(row)) {
                let (from, until) = (payee.from.max(named.first()), payee.until.min(named.end()));
                let rows = payees[program].entry(location.value(row).to_owned()).or_default();
                rows.push(Payee { from, until, ..payee.clone() });
            }
        }
        Ok(Payees { programs: payees })
    }

    /// How a participant is paid on a day.
    ///
    /// # Errors
    /// Why it can't be: `Hold` or `Profile`.
    pub fn on(
        &self,
        program: usize,
        participant: &str,
        day: NaiveDate,
    ) -> Result<Method<'_>, CarryReason> {
        let rows = self.programs[program].get(participant).into_iter().flatten();
        let payee = rows.filter(|row| row.from <= day && day < row.until).max();
        let payee = payee.ok_or(CarryReason::Profile)?;
        if payee.hold {
            return Err(CarryReason::Hold);
        }
        match (&payee.method, &payee.currency) {
            (Some(method), Some(currency)) if payee.profiles => {
                let minor_units = currency::minor_units(currency).ok_or(CarryReason::Profile)?;
                Ok(Method { method, currency, minor_units })
            }
            _ => Err(CarryReason::Profile),
        }
    }
}
