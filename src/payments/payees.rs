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
    /// Since when a check holds a participant's payments of a program.
    checks: HashMap<(usize, String), NaiveDate>,
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
        Ok(Payees { programs: payees, checks: HashMap::new() })
    }

    /// Holds a participant's payments of a program from a day on.
    pub fn hold(&mut self, program: usize, participant: &str, since: NaiveDate) {
        self.checks.insert((program, participant.to_owned()), since);
    }

    /// The first of some days on which a participant can be paid, both inclusive, and how.
    ///
    /// # Errors
    /// Why it can't be on the last of them.
    pub fn first(
        &self,
        program: usize,
        participant: &str,
        from: NaiveDate,
        until: NaiveDate,
    ) -> Result<(NaiveDate, &str), CarryReason> {
        let rows = self.programs[program].get(participant).into_iter().flatten();
        let changes = rows.flat_map(|row| [row.from, row.until]);
        let mut days: Vec<NaiveDate> =
            changes.filter(|day| from < *day && *day <= until).chain([from]).collect();
        days.sort_unstable();
        let mut last = Err(CarryReason::Profile);
        for day in days {
            match self.on(program, participant, day) {
                Ok(method) => return Ok((day, method.method)),
                Err(reason) => last = Err(reason),
            }
        }
        last
    }

    /// The payment method of a day, whatever else is missing.
    pub fn known_method(
        &self,
        program: usize,
        participant: &str,
        day: NaiveDate,
    ) -> (NaiveDate, &str) {
        let rows = self.programs[program].get(participant).into_iter().flatten();
        let payee = rows.filter(|row| row.from <= day && day < row.until).max();
        (day, payee.and_then(|payee| payee.method.as_deref()).unwrap_or("unknown"))
    }

    /// How a participant is paid on a day.
    ///
    /// # Errors
    /// Why it can't be: `Hold`, `Check` or `Profile`.
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
        let checked = !self.checks.is_empty()
            && self
                .checks
                .get(&(program, participant.to_owned()))
                .is_some_and(|since| *since <= day);
        if checked {
            return Err(CarryReason::Check);
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
