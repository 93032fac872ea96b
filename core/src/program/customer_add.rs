//! Levers that pay for customers who are new: once per customer, whoever the partner. From the file as
//! written to the typed image.

use super::load::Place;
use super::measured;
use super::pay::money;
use super::{Days, Grain, Lever, Program, Redecide, raw};
use crate::Error;
use chrono::{Months, NaiveDate};
use serde::Deserialize;

/// What a lever asks of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerAdd {
    /// Months from the customer's first line on in which it is new.
    pub months: u32,
    pub first: First,
    /// What a partner sells to the customer in the window before it has added it, in program currency
    /// at money scale.
    pub minimum: i128,
    /// Until when somebody else may have added it.
    pub redecide: Redecide,
}

/// Which line is a customer's first, whoever sold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum First {
    /// Of whatever product.
    #[default]
    Any,
    /// Of a product of the lever.
    Products,
}

impl CustomerAdd {
    /// The days on which a customer is new whose first line is of a day.
    #[must_use]
    pub fn window(&self, first: NaiveDate) -> Days {
        Days { from: Some(first), until: first.checked_add_months(Months::new(self.months)) }
    }
}

impl Program {
    /// The first day of a lever: of its rates, within the terms. Customers of before are not new.
    #[must_use]
    pub fn first_day(&self, lever: &Lever) -> NaiveDate {
        let earliest = |days: &mut dyn Iterator<Item = &Days>| days.map(Days::first).min();
        let rates = earliest(&mut lever.rates.iter().map(|rate| &rate.days));
        let terms = earliest(&mut self.terms.iter().map(|term| &term.days));
        rates.max(terms).unwrap_or(NaiveDate::MIN)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCustomerAdd {
    months: toml::Spanned<u32>,
    #[serde(default)]
    first: First,
    minimum: Option<raw::Text>,
    #[serde(default)]
    redecide: Redecide,
}

/// # Errors
/// If the window is empty, the minimum negative, or the lever earns on a sum or is divided.
pub(super) fn customer_add(
    place: &Place,
    raw: &raw::Program,
    lever: &raw::Lever,
    (grain, measured): (Grain, Option<&measured::Measured>),
) -> Result<Option<CustomerAdd>, Error> {
    let Some(written) = &lever.customer_add else { return Ok(None) };
    let at = written.months.span().start;
    if grain != Grain::Line || measured.is_some() || !lever.payees.is_empty() {
        let message = "expected a lever that earns line by line, for one payee, beside \
                       `[lever.customer_add]`";
        return Err(place.error_at(at, message));
    }
    if !(1..=120).contains(written.months.get_ref()) {
        let message = format!("expected 1 to 120 `months`, found `{}`", written.months.get_ref());
        return Err(place.error_at(at, &message));
    }
    let minimum = match &written.minimum {
        None => 0,
        Some(at) => {
            let minimum = money(place, raw, at)?;
            if minimum < 0 {
                return Err(place.error(at, "expected a minimum of 0 or more"));
            }
            minimum
        }
    };
    let months = *written.months.get_ref();
    let (first, redecide) = (written.first, written.redecide);
    Ok(Some(CustomerAdd { months, first, minimum, redecide }))
}
