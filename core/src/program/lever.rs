//! A lever with its rates and filter, from the file as written to the typed image.

use super::countries::{Countries, countries};
use super::customer_add::customer_add;
use super::load::Place;
use super::pay::money;
use super::payees::payees;
use super::{
    DataRole, FILTER_AMOUNT_COLUMNS, FILTER_TEXT_COLUMNS, Filter, Grain, Lever, LeverRate, Program,
    Role,
};
use super::{measured, raw};
use crate::Error;
use crate::decimal::AMOUNT_SCALE;

/// Reads a lever.
///
/// # Errors
/// With file, line, what was expected, what was found.
pub(super) fn lever(place: &Place, raw: &raw::Program, lever: &raw::Lever) -> Result<Lever, Error> {
    let measured = measured::measured(place, raw, lever)?;
    let rates = match &measured {
        Some(measured) => {
            let countries = lever_countries(place, raw, lever)?;
            let of_table = |table: &measured::DatedTable| LeverRate {
                days: table.days,
                rate: 0,
                amount: None,
                product_groups: lever.product_groups.clone(),
                partner_types: lever.partner_types.clone(),
                countries: countries.clone(),
            };
            measured.tables.iter().map(of_table).collect()
        }
        None => lever
            .rate
            .iter()
            .map(|written| rate(place, raw, lever, written))
            .collect::<Result<_, Error>>()?,
    };
    let grain = match lever.draws {
        _ if measured.is_some() => Grain::Line,
        DataRole::Billing => Grain::Line,
        DataRole::Detail => Grain::CustomerProductGroupPeriod,
    };
    let filter = lever.filter.as_ref();
    let grain = lever.grain.unwrap_or(grain);
    let customer_add = customer_add(place, raw, lever, (grain, measured.as_ref()))?;
    let mut read = Lever {
        lever: lever.lever.get_ref().clone(),
        name: lever.name.clone(),
        draws: lever.draws,
        grain,
        pays_as: lever.pays_as,
        rates,
        measured,
        filter: filter.map(|filter| self::filter(place, filter, &lever.lever)).transpose()?,
        engagement: None,
        competes: false,
        after: None,
        on_earned: false,
        payees: Vec::new(),
        customer_add,
    };
    read.payees = payees(place, raw, &read, &lever.payees)?;
    Ok(read)
}

/// A dated rate, or a fixed amount; what it doesn't say is the lever's.
fn rate(
    place: &Place,
    raw: &raw::Program,
    lever: &raw::Lever,
    written: &raw::Rate,
) -> Result<LeverRate, Error> {
    let (rate, amount) = match (&written.rate, &written.amount) {
        (Some(rate), None) => (place.share(rate)?, None),
        (None, Some(at)) => {
            let amount = money(place, raw, at)?;
            if amount < 0 {
                return Err(place.error(at, "expected an amount of 0 or more"));
            }
            (0, Some(amount))
        }
        (rate, _) => {
            let at = rate.as_ref().unwrap_or(&lever.lever);
            let message = "expected one of `rate` and `amount` in each [[lever.rate]]";
            return Err(place.error(at, message));
        }
    };
    let inherited = lever_countries(place, raw, lever)?;
    let own = |named: &Option<Vec<raw::Text>>, inherited: Vec<String>| match named {
        Some(named) => countries(place, &raw.country_class, named),
        None => Ok(inherited),
    };
    Ok(LeverRate {
        days: place.days(written.from.as_ref(), written.until.as_ref())?,
        rate,
        amount,
        product_groups: written
            .product_groups
            .clone()
            .unwrap_or_else(|| lever.product_groups.clone()),
        partner_types: written.partner_types.clone().unwrap_or_else(|| lever.partner_types.clone()),
        countries: Countries {
            customer: own(&written.customer_countries, inherited.customer)?,
            partner: own(&written.partner_countries, inherited.partner)?,
        },
    })
}

fn lever_countries(
    place: &Place,
    raw: &raw::Program,
    lever: &raw::Lever,
) -> Result<Countries, Error> {
    let named = |named: &[raw::Text]| countries(place, &raw.country_class, named);
    Ok(Countries {
        customer: named(&lever.customer_countries)?,
        partner: named(&lever.partner_countries)?,
    })
}

fn filter(place: &Place, raw: &raw::Filter, lever: &raw::Text) -> Result<Filter, Error> {
    let all = |filters: &[raw::Filter]| -> Result<Vec<Filter>, Error> {
        filters.iter().map(|filter| self::filter(place, filter, lever)).collect()
    };
    let one = "expected one of `all_of`, `any_of`, `not`, or `column` with `in`, \
               `at_least` or `at_most`";
    match raw {
        raw::Filter { all_of: Some(filters), any_of: None, not: None, column: None, .. } => {
            Ok(Filter::AllOf(all(filters)?))
        }
        raw::Filter { any_of: Some(filters), all_of: None, not: None, column: None, .. } => {
            Ok(Filter::AnyOf(all(filters)?))
        }
        raw::Filter { not: Some(filter), all_of: None, any_of: None, column: None, .. } => {
            Ok(Filter::Not(Box::new(self::filter(place, filter, lever)?)))
        }
        raw::Filter { column: Some(column), values: Some(values), .. } => {
            self::column(place, column, FILTER_TEXT_COLUMNS)?;
            Ok(Filter::In { column: column.get_ref().clone(), values: values.clone() })
        }
        raw::Filter { column: Some(column), at_least, at_most, .. }
            if at_least.is_some() || at_most.is_some() =>
        {
            self::column(place, column, FILTER_AMOUNT_COLUMNS)?;
            let amount = |at: &raw::Text| place.decimal(at, AMOUNT_SCALE);
            Ok(Filter::Range {
                column: column.get_ref().clone(),
                at_least: at_least.as_ref().map(amount).transpose()?,
                at_most: at_most.as_ref().map(amount).transpose()?,
            })
        }
        _ => Err(place.error(lever, one)),
    }
}

fn column(place: &Place, at: &raw::Text, known: &[&str]) -> Result<(), Error> {
    if known.contains(&at.get_ref().as_str()) {
        return Ok(());
    }
    let message =
        format!("expected one of `{}`, found column `{}`", known.join("`, `"), at.get_ref());
    Err(place.error(at, &message))
}

/// Checks a lever against its program.
///
/// # Errors
/// With file, line and remedy.
pub(super) fn check_lever(
    place: &Place,
    program: &Program,
    lever: &Lever,
    raw: &raw::Lever,
) -> Result<(), Error> {
    let twins = program.levers.iter().filter(|other| other.lever == lever.lever).count();
    if twins > 1 {
        let message = format!("expected lever keys once, found `{}` twice", lever.lever);
        return Err(place.error(&raw.lever, &message));
    }
    if lever.rates.is_empty() {
        return Err(place.error(&raw.lever, "expected at least one [[lever.rate]]"));
    }
    let base_capped = |cap: &super::cap::ProgramCap| {
        cap.on == super::cap::CapOn::Base
            && cap.levers.iter().any(|&capped| program.levers[capped].lever == lever.lever)
    };
    if let (Some(on), true) = (&raw.on, program.caps.iter().any(base_capped)) {
        let message =
            "expected caps on payout, found one on base: what another lever leaves is no base";
        return Err(place.error(on, message));
    }
    if let Some(measured) = &lever.measured {
        measured::check(place, program, measured, raw)?;
    }
    for (position, rate) in lever.rates.iter().enumerate() {
        let written = raw.rate.get(position);
        let at = written.and_then(|written| written.rate.as_ref().or(written.amount.as_ref()));
        let at = at.unwrap_or(&raw.lever);
        if rate.product_groups.is_empty() {
            let message = "expected `product_groups` on the lever or the rate: \
                           no product can match (`*` is every product)";
            return Err(place.error(at, message));
        }
        if !program.terms.iter().any(|term| term.days.overlap(&rate.days)) {
            return Err(place.error(at, "expected dates within a term: it never counts"));
        }
        if let Some(role) = rate.partner_types.iter().find(|role| !program.pays.contains(role)) {
            let message = format!(
                "expected a partner type in `pays`, found `{}`: it never counts",
                role.name()
            );
            return Err(place.error(at, &message));
        }
        let countries_differ = rate.countries != lever.rates[0].countries;
        if countries_differ && lever.grain != Grain::Line {
            let message = "expected `grain = \"line\"`, or the same countries for all rates: what is \
                           added up must have one rate";
            return Err(place.error(at, message));
        }
        if rate.amount.is_some() && lever.grain != Grain::Line {
            let message = "expected `grain = \"line\"` beside `amount`, which every line earns";
            return Err(place.error(at, message));
        }
        if lever.rates[..position].iter().any(|earlier| rates_overlap(program, earlier, rate)) {
            let message = "expected one rate per product group, partner type, country and day, \
                           found dates that overlap an earlier rate";
            return Err(place.error(at, message));
        }
    }
    Ok(())
}

fn rates_overlap(program: &Program, a: &LeverRate, b: &LeverRate) -> bool {
    let types = |rate: &LeverRate| -> Vec<Role> {
        if rate.partner_types.is_empty() {
            program.pays.clone()
        } else {
            rate.partner_types.clone()
        }
    };
    let (types_a, types_b) = (types(a), types(b));
    a.days.overlap(&b.days)
        && a.product_groups.iter().any(|group| b.product_groups.contains(group))
        && types_a.iter().any(|role| types_b.contains(role))
        && a.countries.overlap(&b.countries)
}
