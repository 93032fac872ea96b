//! The calendars of a program's earning types, from the file as written to the typed image: each has what
//! `[payment]` says, except for what a table of its own says.

use super::due::Calendar;
use super::load::Place;
use super::measured::Window;
use super::{Program, raw};
use crate::Error;
use crate::earning::EarningType;
use chrono::NaiveDate;
use toml::Spanned;

/// More months than anybody waits for a payment.
const MOST_MONTHS: u32 = 120;

/// Of each earning type, in their order. Co-op converts into rebate, so it is due on the rebate's days.
pub(super) fn calendars(place: &Place, written: &raw::Payment) -> Result<[Calendar; 3], Error> {
    let minimum = written.minimum.span().start;
    let common = Calendar {
        every: written.every.unwrap_or(Window::Month),
        months_after: months_after(place, written.months_after, minimum)?,
        day: day(place, written.day, minimum)?,
        business_day: written.business_day,
        holidays: holidays(place, &written.holidays)?,
    };
    checked(place, &common, &written.holidays)?;
    let rebate = own(place, &common, written.rebate.as_ref(), EarningType::Rebate)?;
    let fee = own(place, &common, written.fee.as_ref(), EarningType::Fee)?;
    let coop = own(place, &common, written.coop.as_ref(), EarningType::Coop)?;
    let coop = Calendar { every: coop.every, months_after: coop.months_after, ..rebate.clone() };
    let apart = written.fee.as_ref().or(written.rebate.as_ref());
    if let (Some(_), Some(at), false) = (&written.offset_group, apart, rebate.has_days_of(&fee)) {
        let message = "expected the same `day`, `business_day` and `holidays` of rebate and fee beside \
                       `offset_group`: balances are offset on the day on which their cycle is due";
        return Err(place.error_at(at.span().start, message));
    }
    Ok([rebate, coop, fee])
}

/// A type that has a calendar of its own is earned.
pub(super) fn check_earned(
    place: &Place,
    program: &Program,
    written: &raw::Payment,
) -> Result<(), Error> {
    let mut earned = program.earning_types();
    // What converts becomes rebate.
    if earned.contains(&EarningType::Coop) {
        earned.insert(EarningType::Rebate);
    }
    let tables = [
        (&written.rebate, EarningType::Rebate),
        (&written.coop, EarningType::Coop),
        (&written.fee, EarningType::Fee),
    ];
    for (table, earning_type) in tables {
        if let Some(table) = table.as_ref().filter(|_| !earned.contains(&earning_type)) {
            let name = earning_type.name();
            let message = format!(
                "expected a lever or a split that earns {name} beside `[payment.{name}]`, found none"
            );
            return Err(place.error_at(table.span().start, &message));
        }
    }
    Ok(())
}

/// The common calendar, except for what a table says.
fn own(
    place: &Place,
    common: &Calendar,
    table: Option<&Spanned<raw::Calendar>>,
    earning_type: EarningType,
) -> Result<Calendar, Error> {
    let Some(table) = table else { return Ok(common.clone()) };
    let (at, written, name) = (table.span().start, table.get_ref(), earning_type.name());
    let days = [
        ("day", written.day.as_ref().map(|at| at.span().start)),
        ("business_day", written.business_day.as_ref().map(|at| at.span().start)),
        ("holidays", written.holidays.as_ref().map(|_| at)),
    ];
    let found = days.into_iter().find_map(|(key, at)| at.map(|at| (key, at)));
    if let (EarningType::Coop, Some((key, at))) = (earning_type, found) {
        let message = format!(
            "expected `every` or `months_after` in `[payment.coop]`, found `{key}`: what converts is paid \
             with the rebate of its cycle, on its day"
        );
        return Err(place.error_at(at, &message));
    }
    if found.is_none() && written.every.is_none() && written.months_after.is_none() {
        let message = format!(
            "expected what is due otherwise in `[payment.{name}]`: `every`, `months_after`, `day`, \
             `business_day` or `holidays`, found none of them"
        );
        return Err(place.error_at(at, &message));
    }
    let mut calendar = common.clone();
    calendar.every = written.every.unwrap_or(common.every);
    if let Some(found) = &written.months_after {
        calendar.months_after = months_after(place, *found.get_ref(), found.span().start)?;
    }
    if let Some(found) = &written.day {
        calendar.day = day(place, *found.get_ref(), found.span().start)?;
    }
    if let Some(found) = &written.business_day {
        calendar.business_day = Some(*found.get_ref());
    }
    if let Some(found) = &written.holidays {
        calendar.holidays = holidays(place, found)?;
    }
    checked(place, &calendar, written.holidays.as_deref().unwrap_or_default())?;
    Ok(calendar)
}

fn months_after(place: &Place, months: u32, at: usize) -> Result<u32, Error> {
    if months <= MOST_MONTHS {
        return Ok(months);
    }
    let message = format!("expected `months_after` from 0 to {MOST_MONTHS}, found `{months}`");
    Err(place.error_at(at, &message))
}

fn day(place: &Place, day: u32, at: usize) -> Result<u32, Error> {
    if (1..=31).contains(&day) {
        return Ok(day);
    }
    Err(place.error_at(at, &format!("expected a payment day from 1 to 31, found `{day}`")))
}

fn holidays(place: &Place, written: &[raw::Text]) -> Result<Vec<NaiveDate>, Error> {
    let mut days =
        written.iter().map(|holiday| place.day(holiday)).collect::<Result<Vec<_>, _>>()?;
    days.sort_unstable();
    Ok(days)
}

/// Holidays need a direction.
fn checked(place: &Place, calendar: &Calendar, written: &[raw::Text]) -> Result<(), Error> {
    if let (Some(holiday), None) = (written.first(), calendar.business_day) {
        let message = "expected `business_day = \"previous\"` or `\"next\"` beside `holidays`";
        return Err(place.error(holiday, message));
    }
    Ok(())
}
