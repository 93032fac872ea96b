//! How participants are paid on a day: enrollments, indexed.

use crate::columns;
use crate::eligibility::Called;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::currency;
use earnest_core::decimal::Unit;
use earnest_core::program::Program;
use earnest_core::program::tax::Taxpayer;
use earnest_core::reason::CarryReason;
use std::collections::HashMap;

/// Country of each location, by first day and first day after.
type Countries = HashMap<String, Vec<(NaiveDate, NaiveDate, String)>>;

/// How each participant of each program is paid, by dates.
pub struct Payees {
    programs: Vec<HashMap<String, Vec<Payee>>>,
    /// Country of each location, by days.
    countries: Countries,
    /// Since when a check holds a participant's payments of a program.
    checks: HashMap<(usize, String), NaiveDate>,
}

/// A row of the enrollments, ordered so that of several in force the one that began last counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payee {
    from: NaiveDate,
    until: NaiveDate,
    hold: bool,
    payout_profile: bool,
    tax_profile: Option<String>,
    method: Option<String>,
    /// The program's where the enrollment names none.
    currency: String,
}

impl Payee {
    /// How it is paid; `None`: something is missing.
    fn method(&self) -> Option<(&str, &str)> {
        self.tax_profile.as_ref().filter(|_| self.payout_profile)?;
        currency::minor_units(&self.currency)?;
        Some((self.method.as_deref()?, &self.currency))
    }
}

/// How an order would be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method<'a> {
    pub method: &'a str,
    pub currency: &'a str,
    pub taxpayer: Taxpayer<'a>,
}

/// To what a program rounds amounts of a currency that it pays in.
///
/// # Errors
/// If nobody knows the currency, which staging and [`Payees::on`] exclude.
pub fn unit(program: &Program, currency: &str) -> Result<Unit> {
    program
        .unit_of(currency)
        .ok_or_else(|| Error::broken(format!("expected an ISO 4217 currency, found `{currency}`")))
}

impl Payees {
    pub fn read(
        programs: &[Program],
        rows: &RecordBatch,
        memberships: &RecordBatch,
    ) -> Result<Payees> {
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
                payout_profile: filled(payout).is_some(),
                tax_profile: filled(tax),
                method: filled(method),
                currency: filled(currency).unwrap_or_default(),
            };
            for &(program, named) in called.programs(program.value(row)) {
                let (from, until) = (payee.from.max(named.first()), payee.until.min(named.end()));
                let currency = match payee.currency.as_str() {
                    "" => programs[program].currency.clone(),
                    named => named.to_owned(),
                };
                let rows = payees[program].entry(location.value(row).to_owned()).or_default();
                rows.push(Payee { from, until, currency, ..payee.clone() });
            }
        }
        Ok(Payees { programs: payees, countries: countries(memberships)?, checks: HashMap::new() })
    }

    /// Holds a participant's payments of a program from a day on.
    pub fn hold(&mut self, program: usize, participant: &str, since: NaiveDate) {
        let held = self.checks.entry((program, participant.to_owned())).or_insert(since);
        *held = since.min(*held);
    }

    /// The row of a day.
    fn row(&self, program: usize, participant: &str, day: NaiveDate) -> Option<&Payee> {
        let rows = self.programs[program].get(participant).into_iter().flatten();
        rows.filter(|row| row.from <= day && day < row.until).max()
    }

    /// Whether profiles and method are there on a day, held or not.
    pub fn has_profile(&self, program: usize, participant: &str, day: NaiveDate) -> bool {
        self.row(program, participant, day).is_some_and(|payee| payee.method().is_some())
    }

    /// Who is paid on a day, as far as taxes ask.
    pub fn taxpayer(&self, program: usize, participant: &str, day: NaiveDate) -> Taxpayer<'_> {
        let rows = self.countries.get(participant).into_iter().flatten();
        let country = rows.filter(|row| row.0 <= day && day < row.1).max();
        Taxpayer {
            country: country.map(|row| row.2.as_str()),
            tax_profile: self
                .row(program, participant, day)
                .and_then(|payee| payee.tax_profile.as_deref()),
        }
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
        let payee = self.row(program, participant, day);
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
        let payee = self.row(program, participant, day).ok_or(CarryReason::Profile)?;
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
        let (method, currency) = payee.method().ok_or(CarryReason::Profile)?;
        Ok(Method { method, currency, taxpayer: self.taxpayer(program, participant, day) })
    }
}

/// Country of each location, by days.
fn countries(memberships: &RecordBatch) -> Result<Countries> {
    let text = |name| columns::text(memberships, name);
    let (location, country) = (text("location_id")?, text("country")?);
    let from = columns::date(memberships, "from_on")?;
    let until = columns::date(memberships, "until_on")?;
    let mut countries = Countries::new();
    for row in 0..memberships.num_rows() {
        if let Some(country) = columns::filled(country, row) {
            let from = columns::day(from, row).unwrap_or(NaiveDate::MIN);
            let until = columns::day(until, row).unwrap_or(NaiveDate::MAX);
            let rows = countries.entry(location.value(row).to_owned()).or_default();
            rows.push((from, until, country.to_owned()));
        }
    }
    Ok(countries)
}
