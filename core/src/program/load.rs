//! From the file as written to the typed image, with every check that needs no data.

use super::coop::coop_rules;
use super::engagement::engagements;
use super::lever::{check_lever, lever};
use super::names::{aliases, successor};
use super::pay::{coop_thresholds, payment, splits};
use super::requirement::{requirements, weekday};
use super::{DataRole, Days, Program, Term};
use super::{calendars, cap, countries, engagement, raw, tax};
use crate::decimal::{RATE_SCALE, parse, power_of_ten};
use crate::{Error, currency};
use chrono::{Days as Span, NaiveDate};
use std::collections::BTreeMap;

impl Program {
    /// Reads and checks a program file. `file` is only named in messages.
    ///
    /// # Errors
    /// With file, line, what was expected, what was found.
    pub fn parse(file: &str, text: &str) -> Result<Program, Error> {
        let raw: raw::Program = toml::from_str(text)
            .map_err(|error| Error(format!("{file}: {}", error.to_string().trim_end())))?;
        let place = Place { file, text };
        countries::check_classes(&place, &raw.country_class)?;
        let engagements = engagements(&place, &raw)?;
        let mut levers = raw
            .lever
            .iter()
            .map(|written| lever(&place, &raw, written))
            .collect::<Result<Vec<_>, _>>()?;
        engagement::join(&place, &raw, &engagements, &mut levers)?;
        let program = Program {
            aliases: aliases(&place, &raw)?,
            successor: successor(&place, &raw)?,
            currency: place.currency(&raw.currency)?,
            terms: terms(&place, &raw.term)?,
            weekday: weekday(&place, &raw)?,
            requirements: requirements(&place, &raw)?,
            caps: cap::caps(&place, &raw, &levers)?,
            engagements,
            levers,
            splits: splits(&place, &raw)?,
            rounding: raw.rounding.rounding(),
            coop_thresholds: coop_thresholds(&place, &raw)?,
            coop: coop_rules(&place, &raw)?,
            taxes: tax::taxes(&place, &raw)?,
            payment: payment(&place, &raw)?,
            closed_due: BTreeMap::new(),
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
        calendars::check_earned(&place, &program, &raw.payment)?;
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
    let groups = program
        .levers
        .iter()
        .flat_map(|lever| lever.product_groups().into_iter().map(|group| (group, lever.draws)));
    let drawn: Vec<(&str, DataRole)> = groups.collect();
    for (group, draws) in &drawn {
        let meets = |other: &str| other == *group || other == "*" || *group == "*";
        if drawn.iter().any(|(other, by)| by != draws && meets(other)) {
            let message = format!(
                "expected one of `billing` and `detail` per product group, found both for \
                 `{group}`: the same money would earn twice"
            );
            return Err(place.error(at, &message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::earning::EarningType;
    use crate::program::PaysAs;

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
        assert_eq!(program.shares_on(PaysAs::Split, last).rebate, 600_000_000);
    }

    #[test]
    fn due_days_are_business_days_where_the_program_says_so() {
        let due = |more: &str, cycle: &str| {
            let text = format!("{GOOD}{more}\n");
            let program = Program::parse("p.toml", &text).expect("it is good");
            program.due_day(cycle.parse().expect("a month"), EarningType::Rebate).to_string()
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
                "p.toml:22: expected `rebate`, `coop` and `fee` to add up",
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
