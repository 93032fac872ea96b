//! Withholding and sales tax: which rate, of whom, for what, by date. From the file as written to
//! the typed image.

use super::load::Place;
use super::{Days, Program, raw};
use crate::Error;
use crate::earning::EarningType;
use crate::tax::TaxRates;
use chrono::NaiveDate;
use serde::Deserialize;

/// A dated tax rate. Of several of a kind that match an order, the first in the file counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxRule {
    pub tax: TaxKind,
    pub days: Days,
    /// At rate scale.
    pub rate: i128,
    /// Countries of the participant's membership; empty: every one, also if it is unknown.
    pub countries: Vec<String>,
    /// Empty: every one.
    pub earning_types: Vec<EarningType>,
    /// Tax profiles of the enrollment; empty: every one.
    pub tax_profiles: Vec<String>,
}

/// What a tax does to a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxKind {
    /// Kept back from the gross.
    Withholding,
    /// Added to the gross.
    Sales,
}

impl TaxKind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TaxKind::Withholding => "withholding",
            TaxKind::Sales => "sales",
        }
    }
}

/// Who is paid, as far as taxes ask; `None`: unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taxpayer<'a> {
    pub country: Option<&'a str>,
    pub tax_profile: Option<&'a str>,
}

impl TaxRule {
    /// Whether the rule, whatever its days, matches.
    fn matches(&self, earning_type: EarningType, payee: Taxpayer) -> bool {
        let named = |list: &[String], own: Option<&str>| {
            list.is_empty() || own.is_some_and(|own| list.iter().any(|named| named == own))
        };
        (self.earning_types.is_empty() || self.earning_types.contains(&earning_type))
            && named(&self.countries, payee.country)
            && named(&self.tax_profiles, payee.tax_profile)
    }

    /// Whether whatever matches `other` matches this one.
    fn covers(&self, other: &TaxRule) -> bool {
        fn all<T: PartialEq>(ours: &[T], theirs: &[T]) -> bool {
            ours.is_empty() || !theirs.is_empty() && theirs.iter().all(|named| ours.contains(named))
        }
        self.tax == other.tax
            && self.days.first() <= other.days.first()
            && other.days.end() <= self.days.end()
            && all(&self.earning_types, &other.earning_types)
            && all(&self.countries, &other.countries)
            && all(&self.tax_profiles, &other.tax_profiles)
    }
}

impl Program {
    /// The tax rates of an order that is due on a day; zero where no rule matches.
    #[must_use]
    pub fn tax_rates(
        &self,
        due_on: NaiveDate,
        earning_type: EarningType,
        payee: Taxpayer,
    ) -> TaxRates {
        let rate = |kind| {
            let mut rules = self.taxes.iter();
            let rule = rules.find(|rule| {
                rule.tax == kind && rule.days.contain(due_on) && rule.matches(earning_type, payee)
            });
            rule.map_or(0, |rule| rule.rate)
        };
        TaxRates { withholding: rate(TaxKind::Withholding), sales: rate(TaxKind::Sales) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTax {
    tax: TaxKind,
    rate: raw::Text,
    #[serde(default)]
    countries: Vec<raw::Text>,
    #[serde(default)]
    earning_types: Vec<EarningType>,
    #[serde(default)]
    tax_profiles: Vec<String>,
    from: Option<raw::Text>,
    until: Option<raw::Text>,
}

/// # Errors
/// With file, line, what was expected, what was found.
pub(super) fn taxes(place: &Place, raw: &raw::Program) -> Result<Vec<TaxRule>, Error> {
    let mut rules: Vec<TaxRule> = Vec::with_capacity(raw.tax.len());
    for written in &raw.tax {
        for country in &written.countries {
            let code = country.get_ref();
            if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
                let message =
                    format!("expected an ISO 3166 country of two capital letters, found `{code}`");
                return Err(place.error(country, &message));
            }
        }
        let rule = TaxRule {
            tax: written.tax,
            days: place.days(written.from.as_ref(), written.until.as_ref())?,
            rate: place.share(&written.rate)?,
            countries: written.countries.iter().map(|code| code.get_ref().clone()).collect(),
            earning_types: written.earning_types.clone(),
            tax_profiles: written.tax_profiles.clone(),
        };
        if rules.iter().any(|earlier| earlier.covers(&rule)) {
            let message = "expected a tax that an earlier one leaves something to: of several of a \
                           kind the first that matches counts, so this one never does";
            return Err(place.error(&written.rate, message));
        }
        rules.push(rule);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "all"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
[payment]
minimum = "200"
"#;

    fn program(taxes: &str) -> Result<Program, Error> {
        Program::parse("p.toml", &format!("{PROGRAM}{taxes}"))
    }

    #[test]
    fn the_first_rule_of_a_kind_that_matches_counts() {
        let program = program(
            r#"
[[tax]]
tax = "withholding"
rate = "0"
tax_profiles = ["TX-EXEMPT"]
[[tax]]
tax = "withholding"
rate = "0.20"
countries = ["DE", "IT"]
earning_types = ["rebate"]
until = "2021-06-30"
[[tax]]
tax = "withholding"
rate = "0.15"
countries = ["DE"]
[[tax]]
tax = "sales"
rate = "0.10"
countries = ["IT"]
"#,
        )
        .expect("it is good");
        let rates = |day: &str, earning_type, country, tax_profile| {
            let day = day.parse().expect("a day");
            let rates = program.tax_rates(day, earning_type, Taxpayer { country, tax_profile });
            (rates.withholding / 10_000_000, rates.sales / 10_000_000)
        };
        let rebate = EarningType::Rebate;
        assert_eq!(rates("2021-06-30", rebate, Some("DE"), Some("TX-1")), (20, 0));
        assert_eq!(rates("2021-07-01", rebate, Some("DE"), Some("TX-1")), (15, 0));
        assert_eq!(rates("2021-06-30", EarningType::Fee, Some("DE"), None), (15, 0));
        assert_eq!(rates("2021-06-30", rebate, Some("IT"), None), (20, 10));
        assert_eq!(rates("2021-06-30", rebate, Some("IT"), Some("TX-EXEMPT")), (0, 10));
        assert_eq!(rates("2021-06-30", rebate, None, None), (0, 0), "the country is unknown");
    }

    #[test]
    fn faults_name_line_and_remedy() {
        let message = |taxes: &str| program(taxes).expect_err("it is broken").to_string();
        let tax = |more: &str| format!("[[tax]]\ntax = \"sales\"\nrate = \"0.1\"\n{more}");
        let twice = tax("") + &tax("countries = [\"DE\"]");
        assert!(
            message(&twice).starts_with("p.toml:22: expected a tax that an earlier one leaves")
        );
        let apart = tax("until = \"2021-01-01\"\n") + &tax("");
        assert!(program(&apart).is_ok());
        let narrow = tax("countries = [\"DE\"]\n") + &tax("");
        assert!(program(&narrow).is_ok(), "the first leaves other countries to the second");
        assert!(message(&tax("countries = [\"Germany\"]")).contains("ISO 3166"));
        assert!(message("[[tax]]\ntax = \"sales\"\nrate = \"19\"").contains("from 0 to 1"));
    }
}
