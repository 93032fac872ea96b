//! How a program splits and pays, from the file as written to the typed image.

use super::load::Place;
use super::{CoopThreshold, Payment, PaymentFx, Split, calendars, raw};
use crate::decimal::{MONEY_SCALE, RATE_SCALE, power_of_ten};
use crate::earning::Shares;
use crate::{Error, currency};

pub(super) fn splits(place: &Place, raw: &raw::Program) -> Result<Vec<Split>, Error> {
    let mut splits: Vec<Split> = Vec::with_capacity(raw.split.len());
    for written in &raw.split {
        let days = place.days(written.from.as_ref(), written.until.as_ref())?;
        let share = |at: &Option<raw::Text>| at.as_ref().map_or(Ok(0), |at| place.share(at));
        let (rebate, coop) = (place.share(&written.rebate)?, share(&written.coop)?);
        let fee = share(&written.fee)?;
        if rebate + coop + fee != power_of_ten(RATE_SCALE) {
            let at = written.coop.as_ref().unwrap_or(&written.rebate);
            return Err(place.error(at, "expected `rebate`, `coop` and `fee` to add up to 1"));
        }
        if splits.iter().any(|split| split.days.overlap(&days)) {
            return Err(place.error(&written.rebate, "expected splits that don't overlap"));
        }
        let rounding = written.rounding.unwrap_or(raw.rounding).rounding();
        splits.push(Split { days, shares: Shares { rebate, fee, rounding } });
    }
    Ok(splits)
}

pub(super) fn coop_thresholds(
    place: &Place,
    raw: &raw::Program,
) -> Result<Vec<CoopThreshold>, Error> {
    let mut thresholds: Vec<CoopThreshold> = Vec::with_capacity(raw.coop.threshold.len());
    for written in &raw.coop.threshold {
        let days = place.days(written.from.as_ref(), written.until.as_ref())?;
        let amount = money(place, raw, &written.amount)?;
        if amount < 0 {
            return Err(place.error(&written.amount, "expected a threshold of 0 or more"));
        }
        if thresholds.iter().any(|threshold| threshold.days.overlap(&days)) {
            return Err(place.error(&written.amount, "expected thresholds that don't overlap"));
        }
        thresholds.push(CoopThreshold { days, amount });
    }
    Ok(thresholds)
}

/// An amount in program currency, at money scale.
pub(super) fn money(place: &Place, raw: &raw::Program, at: &raw::Text) -> Result<i128, Error> {
    let minor = currency::minor_units(raw.currency.get_ref()).unwrap_or(MONEY_SCALE);
    Ok(place.decimal(at, minor)? * power_of_ten(MONEY_SCALE - minor))
}

pub(super) fn payment(place: &Place, raw: &raw::Program) -> Result<Payment, Error> {
    let written = &raw.payment;
    let minimum = money(place, raw, &written.minimum)?;
    if minimum < 0 {
        return Err(place.error(&written.minimum, "expected a minimum of 0 or more"));
    }
    if let Some(group) = &written.offset_group {
        check_group(place, group, written.fx)?;
    }
    Ok(Payment {
        calendars: calendars::calendars(place, written)?,
        minimum,
        below_minimum: written.below_minimum,
        year_end: written.year_end,
        profile_days: written.profile_days,
        fx: written.fx,
        offset_group: written.offset_group.as_ref().map(|group| group.get_ref().clone()),
    })
}

/// A group has a name, and its balances are of one currency.
fn check_group(place: &Place, group: &raw::Text, fx: PaymentFx) -> Result<(), Error> {
    if group.get_ref().trim().is_empty() {
        return Err(place.error(group, "expected the name of an offset group, found a blank one"));
    }
    if fx == PaymentFx::TransactionCurrency {
        let message = "expected `fx = \"through_program\"` beside `offset_group`: what is paid as it was earned \
                       isn't offset in another currency";
        return Err(place.error(group, message));
    }
    Ok(())
}
