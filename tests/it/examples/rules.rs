//! Growth, new customers, stacked components, distinct sums; which rule applies.

use super::Given;
use super::compare::{Found, Row, amount, day, exact, exacts};
use super::fields::{Failure, Fields};
use earnest_core::decimal::{AMOUNT_SCALE, sum};
use earnest_core::growth::{self, Component, NewCustomer};
use earnest_core::periods::span;
use earnest_core::select::{self, Award, Band};

pub fn growth(given: &Given) -> Result<Row, Failure> {
    let (rule, input) = (&given.rule, &given.input);
    let (current, baseline) = (input.amounts("current")?, input.amounts("baseline")?);
    let cap = rule.optional_exact("cap")?;
    let found = growth::growth(&current, &baseline, rule.rate("rate")?, cap)?;
    let mut row = vec![
        ("current", amount(found.current)),
        ("baseline", amount(found.baseline)),
        ("growth", amount(found.growth)),
        ("earning", exact(found.earning)),
    ];
    for period in ["quarter", "month"] {
        if let Some(text) = input.optional_text(period)? {
            row.push(("earning_date", day(span(text)?.1)));
        }
    }
    Ok(row)
}

pub fn distinct_sum(given: &Given) -> Result<Row, Failure> {
    let (key, value) = (given.rule.text("key")?, given.rule.text("value")?);
    let include = given.rule.optional_table("include")?;
    let include = include
        .map(|include| Ok::<_, Failure>((include.text("field")?, include.texts("values")?)))
        .transpose()?;
    let mut rows = Vec::new();
    for row in given.input.tables("rows")? {
        let columns = row.columns()?;
        let column = |name: &str| {
            columns.get(name).copied().ok_or_else(|| Failure(format!("expected a column `{name}`")))
        };
        if let Some((field, values)) = &include
            && !values.contains(&column(field)?)
        {
            continue;
        }
        rows.push((column(key)?.to_owned(), row.amount(value)?));
    }
    let found = growth::distinct_sum(&rows)?;
    Ok(vec![
        ("distinct_total", amount(found.total)),
        ("distinct_count", Found::Count(found.count)),
        ("naive_total", amount(found.naive_total)),
    ])
}

pub fn new_customer(given: &Given) -> Result<Row, Failure> {
    let rule = NewCustomer {
        monthly_threshold: given.rule.amount("monthly_threshold")?,
        rate: given.rule.rate("rate")?,
        months: given.rule.count("months")?,
        cap: given.rule.optional_exact("cap")?,
    };
    let award = rule.award(given.input.amount("monthly_bill")?)?;
    Ok(vec![("qualifies", Found::Flag(award.is_some())), ("earning", exact(award.unwrap_or(0)))])
}

pub fn stack(given: &Given) -> Result<Row, Failure> {
    let (mut names, mut components) = (Vec::new(), Vec::new());
    for part in given.rule.tables("components")? {
        names.push(part.text("name")?.to_owned());
        let baseline = part.optional_text("baseline")?;
        components.push(Component {
            base: given.input.amount(part.text("base")?)?,
            baseline: baseline.map(|name| given.input.amount(name)).transpose()?,
            rate: part.rate("rate")?,
            cap: part.optional_exact("cap")?,
        });
    }
    let (subtotals, total) = growth::stack(&components)?;
    let subtotal = |(name, earned): (String, i128)| {
        Found::Row(vec![("name", Found::Text(name)), ("amount", exact(earned))])
    };
    let subtotals = names.into_iter().zip(subtotals).map(subtotal).collect();
    Ok(vec![("subtotals", Found::List(subtotals)), ("total", exact(total))])
}

fn award(rule: &Fields) -> Result<Award, Failure> {
    match (rule.optional_rate("fixed")?, rule.optional_rate("rate")?) {
        (Some(fixed), None) => Ok(Award::Fixed(fixed)),
        (None, Some(rate)) => Ok(Award::Rate(rate)),
        _ => Err(Failure("expected either `fixed` or `rate` in a rule".to_owned())),
    }
}

pub fn most_specific(given: &Given) -> Result<Row, Failure> {
    let rule = |rule: &Fields| Ok::<_, Failure>((rule.text("scope")?.to_owned(), award(rule)?));
    let rules = given.rule.tables("rules")?.iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    let (order, matches) = (given.rule.texts("order")?, given.input.texts("matches")?);
    let base = given.input.amount("amount")?;
    let Some((scope, award)) = select::most_specific(&order, &rules, &matches)? else {
        return Ok(vec![("matched", Found::Flag(false)), ("total", exact(0))]);
    };
    Ok(vec![
        ("matched", Found::Flag(true)),
        ("scope", Found::Text(scope.clone())),
        ("total", exact(award.pay(base)?)),
    ])
}

fn band_of(fields: &Fields) -> Result<Band, Failure> {
    let from = fields.optional_decimal("from", AMOUNT_SCALE)?;
    Ok(Band { from, to: fields.optional_decimal("to", AMOUNT_SCALE)? })
}

pub fn band(given: &Given) -> Result<Row, Failure> {
    let (mut bands, mut awards) = (Vec::new(), Vec::new());
    for fields in given.rule.tables("bands")? {
        bands.push(band_of(&fields)?);
        awards.push(Award::Fixed(fields.rate("fixed")?));
    }
    let found = select::band_of(&bands, given.input.amount("value")?)?;
    let total = found.map_or(Ok(0), |position| awards[position].pay(0))?;
    Ok(vec![("matched", Found::Flag(found.is_some())), ("total", exact(total))])
}

pub fn in_range(given: &Given) -> Result<Row, Failure> {
    let amounts = match given.input.optional_decimal("amount", AMOUNT_SCALE)? {
        Some(amount) => vec![amount],
        None => given.input.amounts("amounts")?,
    };
    let found = select::in_range(band_of(&given.rule)?, given.rule.rate("rate")?, &amounts)?;
    let rejected = ("rejected", Found::Flag(found.is_none()));
    let earned = found.unwrap_or_default();
    let total = sum(earned.iter().copied())?;
    Ok(vec![rejected, ("each", exacts(earned)), ("total", exact(total))])
}

pub fn uplift(given: &Given) -> Result<Row, Failure> {
    let (rate, uplift) = (given.rule.rate("rate")?, given.rule.rate("uplift")?);
    Ok(vec![("total", exact(select::uplifted(given.input.amount("amount")?, rate, uplift)?))])
}
