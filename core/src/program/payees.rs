//! Levers whose earning is divided between the payees of a line, by date: from the file as written to the
//! typed image.

use super::load::Place;
use super::{Days, Grain, Lever, Role, raw};
use crate::Error;
use crate::decimal::{RATE_SCALE, power_of_ten};
use serde::Deserialize;

/// How reseller and provider divide what a lever earns on their line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payees {
    pub days: Days,
    /// The reseller's share, at rate scale; the provider has the rest.
    pub reseller: i128,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPayees {
    reseller: raw::Text,
    provider: raw::Text,
    from: Option<raw::Text>,
    until: Option<raw::Text>,
}

/// Reads and checks the payees of a lever.
///
/// # Errors
/// If shares don't add up or days overlap, or the lever earns on a sum or pays only one of the two.
pub(super) fn payees(
    place: &Place,
    raw: &raw::Program,
    lever: &Lever,
    written: &[RawPayees],
) -> Result<Vec<Payees>, Error> {
    let mut found: Vec<Payees> = Vec::with_capacity(written.len());
    for payees in written {
        let days = place.days(payees.from.as_ref(), payees.until.as_ref())?;
        let reseller = place.share(&payees.reseller)?;
        if reseller + place.share(&payees.provider)? != power_of_ten(RATE_SCALE) {
            let message = "expected `reseller` and `provider` to add up to 1";
            return Err(place.error(&payees.provider, message));
        }
        if found.iter().any(|earlier| earlier.days.overlap(&days)) {
            return Err(place.error(&payees.reseller, "expected payees that don't overlap"));
        }
        if lever.measured.is_some() || lever.grain != Grain::Line {
            let message = "expected a lever that earns line by line beside `[[lever.payees]]`";
            return Err(place.error(&payees.reseller, message));
        }
        let pays = |role: &Role| {
            let of = |types: &[Role]| types.is_empty() || types.contains(role);
            raw.pays.contains(role) && lever.rates.iter().all(|rate| of(&rate.partner_types))
        };
        if let Some(role) = [Role::Reseller, Role::Provider].iter().find(|role| !pays(role)) {
            let message = format!(
                "expected `{}` in `pays` and in every `partner_types` of the lever: its share would \
                 be nobody's",
                role.name()
            );
            return Err(place.error(&payees.reseller, &message));
        }
        found.push(Payees { days, reseller });
    }
    Ok(found)
}

impl Lever {
    /// The part of what the lever earns on a line that a role has on a day; `None`: all of it.
    #[must_use]
    pub fn payees_on(&self, day: chrono::NaiveDate) -> Option<&Payees> {
        self.payees.iter().find(|payees| payees.days.contain(day))
    }
}
