//! From the file as written to the typed image, with every check that needs no data.

use super::coop::coop_rules;
use super::names::{aliases, successor};
use super::pay::{coop_thresholds, payment, splits};
use super::requirement::{requirements, weekday};
use super::{
    Days, FILTER_AMOUNT_COLUMNS, FILTER_TEXT_COLUMNS, Filter, Grain, Lever, LeverRate, Program,
    Role, Term,
};
use super::{cap, measured, raw, tax};
use crate::decimal::{AMOUNT_SCALE, RATE_SCALE, parse, power_of_ten};
use crate::{Error, currency};
use chrono::{Days as Span, NaiveDate};
use std::collections::HashMap;

impl Program {
    /// Reads and checks a program file. `file` is only named in messages.
    ///
    /// # Errors
    /// With file, line, what was expected, what was found.
    pub fn parse(file: &str, text: &str) -> Result<Program, Error> {
        let raw: raw::Program = toml::from_str(text)
            .map_err(|error| Error(format!("{file}: {}", error.to_string().trim_end())))?;
        let place = Place { file, text };
        let levers =
            raw.lever.iter().map(|lever| place.lever(lever)).collect::<Result<Vec<_>, _>>()?;
        let program = Program {
            aliases: aliases(&place, &raw)?,
            successor: successor(&place, &raw)?,
            currency: place.currency(&raw.currency)?,
            terms: terms(&place, &raw.term)?,
            weekday: weekday(&place, &raw)?,
            requirements: requirements(&place, &raw)?,
            caps: cap::caps(&place, &raw, &levers)?,
            levers,
            splits: splits(&place, &raw.split)?,
            coop_thresholds: coop_thresholds(&place, &raw)?,
            coop: coop_rules(&place, &raw)?,
            taxes: tax::taxes(&place, &raw)?,
            payment: payment(&place, &raw)?,
            program: raw.program.get_ref().clone(),
            name: raw.name,
            pays: raw.pays,
            unmapped: raw.unmapped,
            fiscal_year_start: raw.fiscal_year_start,
            text: text.to_owned(),
        };
        check_program(&place, &program, &raw.program)?;
        for (lever, written) in program.levers.iter().zip(&raw.lever) {
            check_lever(&place, &program, lever, written)?;
        }
        Ok(program)
    }
}

/// Where a message points.
pub(super) struct Place<'a> {
    file: &'a str,
    text: &'a str,
}

impl Place<'_> {
    pub(super) fn error(&self, at: &raw::Text, message: &str) -> Error {
        self.error_at(at.span().start, message)
    }

    /// An error at a place of the text, in bytes.
    pub(super) fn error_at(&self, place: usize, message: &str) -> Error {
        let line = self.text[..place].matches('\n').count() + 1;
        Error(format!("{}:{line}: {message}", self.file))
    }

    pub(super) fn decimal(&self, at: &raw::Text, scale: u32) -> Result<i128, Error> {
        parse(at.get_ref(), scale).map_err(|error| self.error(at, &error.0))
    }

    /// A rate or share: 0 to 1.
    pub(super) fn share(&self, at: &raw::Text) -> Result<i128, Error> {
        let value = self.decimal(at, RATE_SCALE)?;
        if (0..=power_of_ten(RATE_SCALE)).contains(&value) {
            return Ok(value);
        }
        let message =
            format!("expected a rate from 0 to 1, found `{}` (`0.05` is 5 %)", at.get_ref());
        Err(self.error(at, &message))
    }

    pub(super) fn day(&self, at: &raw::Text) -> Result<NaiveDate, Error> {
        at.get_ref().parse().map_err(|_| {
            self.error(at, &format!("expected a day `YYYY-MM-DD`, found `{}`", at.get_ref()))
        })
    }

    pub(super) fn days(
        &self,
        from: Option<&raw::Text>,
        until: Option<&raw::Text>,
    ) -> Result<Days, Error> {
        let first = from.map(|from| self.day(from)).transpose()?;
        let last = until.map(|until| self.day(until)).transpose()?;
        if let (Some(first), Some(last), Some(until)) = (first, last, until)
            && last < first
        {
            let message = format!("expected `until` on or after `from` {first}, found `{last}`");
            return Err(self.error(until, &message));
        }
        Ok(Days { from: first, until: last.map(|last| last + Span::new(1)) })
    }

    fn currency(&self, at: &raw::Text) -> Result<String, Error> {
        match currency::minor_units(at.get_ref()) {
            Some(_) => Ok(at.get_ref().clone()),
            None => {
                Err(self
                    .error(at, &format!("expected an ISO 4217 currency, found `{}`", at.get_ref())))
            }
        }
    }

    fn lever(&self, raw: &raw::Lever) -> Result<Lever, Error> {
        let measured = measured::measured(self, raw)?;
        let groups =
            |own: &Option<Vec<String>>| own.clone().unwrap_or_else(|| raw.product_groups.clone());
        let rate = |rate: &raw::Rate| {
            Ok(LeverRate {
                days: self.days(rate.from.as_ref(), rate.until.as_ref())?,
                rate: self.share(&rate.rate)?,
                product_groups: groups(&rate.product_groups),
                partner_types: rate
                    .partner_types
                    .clone()
                    .unwrap_or_else(|| raw.partner_types.clone()),
            })
        };
        let of_table = |table: &measured::DatedTable| LeverRate {
            days: table.days,
            rate: 0,
            product_groups: raw.product_groups.clone(),
            partner_types: raw.partner_types.clone(),
        };
        let rates = match &measured {
            Some(measured) => measured.tables.iter().map(of_table).collect(),
            None => raw.rate.iter().map(rate).collect::<Result<_, Error>>()?,
        };
        let grain = match raw.draws {
            _ if measured.is_some() => Grain::Line,
            super::DataRole::Billing => Grain::Line,
            super::DataRole::Detail => Grain::CustomerProductGroupPeriod,
        };
        Ok(Lever {
            lever: raw.lever.get_ref().clone(),
            name: raw.name.clone(),
            draws: raw.draws,
            grain: raw.grain.unwrap_or(grain),
            pays_as: raw.pays_as,
            rates,
            measured,
            filter: raw
                .filter
                .as_ref()
                .map(|filter| self.filter(filter, &raw.lever))
                .transpose()?,
        })
    }

    fn filter(&self, raw: &raw::Filter, lever: &raw::Text) -> Result<Filter, Error> {
        let all = |filters: &[raw::Filter]| -> Result<Vec<Filter>, Error> {
            filters.iter().map(|filter| self.filter(filter, lever)).collect()
        };
        let one = "expected one of `all_of`, `any_of`, `not`, or `column` with `in`, \
                   `at_least` or `at_most`";
        match raw {
            raw::Filter {
                all_of: Some(filters), any_of: None, not: None, column: None, ..
            } => Ok(Filter::AllOf(all(filters)?)),
            raw::Filter {
                any_of: Some(filters), all_of: None, not: None, column: None, ..
            } => Ok(Filter::AnyOf(all(filters)?)),
            raw::Filter { not: Some(filter), all_of: None, any_of: None, column: None, .. } => {
                Ok(Filter::Not(Box::new(self.filter(filter, lever)?)))
            }
            raw::Filter { column: Some(column), values: Some(values), .. } => {
                self.column(column, FILTER_TEXT_COLUMNS)?;
                Ok(Filter::In { column: column.get_ref().clone(), values: values.clone() })
            }
            raw::Filter { column: Some(column), at_least, at_most, .. }
                if at_least.is_some() || at_most.is_some() =>
            {
                self.column(column, FILTER_AMOUNT_COLUMNS)?;
                let amount = |at: &raw::Text| self.decimal(at, AMOUNT_SCALE);
                Ok(Filter::Range {
                    column: column.get_ref().clone(),
                    at_least: at_least.as_ref().map(amount).transpose()?,
                    at_most: at_most.as_ref().map(amount).transpose()?,
                })
            }
            _ => Err(self.error(lever, one)),
        }
    }

    fn column(&self, at: &raw::Text, known: &[&str]) -> Result<(), Error> {
        if known.contains(&at.get_ref().as_str()) {
            return Ok(());
        }
        let message =
            format!("expected one of `{}`, found column `{}`", known.join("`, `"), at.get_ref());
        Err(self.error(at, &message))
    }
}

fn terms(place: &Place, raw: &[raw::Term]) -> Result<Vec<Term>, Error> {
    let mut terms: Vec<Term> = Vec::with_capacity(raw.len());
    for written in raw {
        let days = place.days(written.from.as_ref(), written.until.as_ref())?;
        let name = written.term.get_ref();
        for term in &terms {
            if term.days.overlap(&days) || term.term == *name {
                let message = format!(
                    "expected terms apart from each other, found `{name}` overlapping `{}`",
                    term.term
                );
                return Err(place.error(&written.term, &message));
            }
        }
        terms.push(Term { term: name.clone(), days });
    }
    Ok(terms)
}

fn check_program(place: &Place, program: &Program, at: &raw::Text) -> Result<(), Error> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if program.program.is_empty() || !program.program.bytes().all(safe) {
        let message = format!(
            "expected a program key of letters, digits, `-` and `_`, found `{}`",
            program.program
        );
        return Err(place.error(at, &message));
    }
    if program.terms.is_empty() || program.levers.is_empty() || program.pays.is_empty() {
        return Err(place.error(at, "expected at least one term, one lever and one role in `pays`"));
    }
    if !(1..=12).contains(&program.fiscal_year_start) {
        let message = format!(
            "expected `fiscal_year_start` from 1 to 12, found `{}`",
            program.fiscal_year_start
        );
        return Err(place.error(at, &message));
    }
    let mut drawn = HashMap::new();
    for lever in &program.levers {
        for group in lever.product_groups() {
            let draws = *drawn.entry(group).or_insert(lever.draws);
            if draws != lever.draws {
                let message = format!(
                    "expected one of `billing` and `detail` per product group, found both for \
                     `{group}`: the same money would earn twice"
                );
                return Err(place.error(at, &message));
            }
        }
    }
    Ok(())
}

fn check_lever(
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
    if let Some(measured) = &lever.measured {
        measured::check(place, program, measured, raw)?;
    }
    for (position, rate) in lever.rates.iter().enumerate() {
        let at = raw.rate.get(position).map_or(&raw.lever, |written| &written.rate);
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
        if lever.rates[..position].iter().any(|earlier| rates_overlap(program, earlier, rate)) {
            let message = "expected one rate per product group, partner type and day, \
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "FY21"
from = "2020-10-01"
until = "2021-09-30"
[[requirement]]
requirement = "competency"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["azure"]
[[lever.rate]]
rate = "0.04"
[[split]]
from = "2020-01-01"
rebate = "0.6"
coop = "0.4"
[payment]
minimum = "200"
"#;

    #[test]
    fn a_good_file_is_read() {
        let program = Program::parse("p.toml", GOOD).expect("it is good");
        assert_eq!(program.levers[0].rates[0].rate, 40_000_000);
        let last: NaiveDate = "2021-09-30".parse().expect("a day");
        assert_eq!(program.term_on(last).map(|term| term.term.as_str()), Some("FY21"));
        assert_eq!(program.term_on(last + Span::new(1)), None);
        assert_eq!(program.payment.minimum, 200_000);
        assert_eq!(program.rebate_share_on(last), 600_000_000);
    }

    #[test]
    fn due_days_are_business_days_where_the_program_says_so() {
        let due = |more: &str, cycle: &str| {
            let text = format!("{GOOD}{more}\n");
            let program = Program::parse("p.toml", &text).expect("it is good");
            program.due_day(cycle.parse().expect("a month")).to_string()
        };
        // 15 May 2021 is a Saturday, 15 April a Thursday.
        assert_eq!(due("", "2021-05"), "2021-05-15");
        assert_eq!(due("business_day = \"next\"", "2021-05"), "2021-05-17");
        assert_eq!(due("business_day = \"previous\"", "2021-05"), "2021-05-14");
        assert_eq!(due("business_day = \"previous\"", "2021-04"), "2021-04-15");
        let holidays = "holidays = [\"2021-05-18\", \"2021-05-17\"]";
        assert_eq!(due(&format!("business_day = \"next\"\n{holidays}"), "2021-05"), "2021-05-19");
        let alone = Program::parse("p.toml", &format!("{GOOD}{holidays}\n"));
        let message = alone.expect_err("the direction is missing").to_string();
        assert!(message.contains("beside `holidays`"), "{message}");
    }

    #[test]
    fn faults_name_file_line_and_remedy() {
        let cases = [
            (
                "rate = \"0.04\"",
                "rate = \"4\"",
                "p.toml:18: expected a rate from 0 to 1, found `4`",
            ),
            ("rate = \"0.04\"", "rate = 0.04", "p.toml: TOML parse error at line 18"),
            (
                "coop = \"0.4\"",
                "coop = \"0.5\"",
                "p.toml:22: expected `rebate` and `coop` to add up",
            ),
            ("\"USD\"", "\"USX\"", "p.toml:4: expected an ISO 4217 currency, found `USX`"),
            ("2021-09-30", "2020-09-30", "p.toml:9: expected `until` on or after"),
            ("\"azure\"", "", "no product can match"),
            ("\"competency\"", "\"charm\"", "p.toml:11: expected one of `mpn_agreement`"),
            ("name = \"P\"", "name = \"P\"\ncolor = \"red\"", "unknown field `color`"),
            ("minimum = \"200\"", "minimum = \"200.001\"", "expected at most 2 decimals"),
            (
                "rate = \"0.04\"",
                "rate = \"0.04\"\n[[lever.rate]]\nrate = \"0.05\"",
                "p.toml:20: expected one rate per product group",
            ),
            (
                "rate = \"0.04\"",
                "rate = \"0.04\"\nfrom = \"2022-01-01\"",
                "expected dates within a term: it never counts",
            ),
        ];
        for (find, replace, expected) in cases {
            let error = Program::parse("p.toml", &GOOD.replace(find, replace)).expect_err(replace);
            assert!(error.0.contains(expected), "`{replace}`: {error}");
        }
    }

    #[test]
    fn the_same_money_from_both_exports_is_refused() {
        let text = GOOD.replace(
            "[[split]]",
            "[[lever]]\nlever = \"usage\"\nname = \"Usage\"\ndraws = \"detail\"\n\
             product_groups = [\"azure\"]\n[[lever.rate]]\nrate = \"0.01\"\n[[split]]",
        );
        let error = Program::parse("p.toml", &text).expect_err("both roles");
        assert!(error.0.contains("the same money would earn twice"), "{error}");
    }
}
