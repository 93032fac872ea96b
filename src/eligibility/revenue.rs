//! Trailing revenue. In: what each partner sold, day by day, with product groups and exchange rates.
//! Out: per location and company the assessment from which on a requirement is met.
//!
//! A line counts for whom its partner id earned on the line's own day, once, whatever roles it has in
//! it; where the company is followed, for the company to which that location belonged then, or for the
//! location alone where none is known. Lines without exchange rate aren't counted.

use super::index::Index;
use super::map::ParticipantMap;
use crate::columns;
use crate::error::Result;
use crate::exchange_rates::ExchangeRates;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::currency::minor_units;
use earnest_core::decimal::{MONEY_SCALE, exact, sum};
use earnest_core::eligibility::{Fact, Range};
use earnest_core::program::{
    ConditionKind, DataRole, Days, Follow, Program, Role, TrailingRevenue,
};
use earnest_core::trailing::{Measure, Qualified, assessments, qualified};
use std::collections::{BTreeMap, HashMap};

/// What was sold on a day by one pair of partners in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    pub billed: Option<String>,
    pub reseller: Option<String>,
    pub on: NaiveDate,
    pub currency: String,
    pub data_role: DataRole,
    /// Product and SKU, where some program asks by product group.
    pub product: Option<String>,
    pub sku: Option<String>,
    /// Net of refunds, at amount scale.
    pub base: i128,
}

/// What trailing revenue is measured from.
pub struct Revenue<'a> {
    pub sold: &'a [Sold],
    pub product_groups: &'a RecordBatch,
    pub exchange_rates: &'a RecordBatch,
    /// Later days are not assessed.
    pub as_of: NaiveDate,
    /// What was decided for good.
    pub frozen: &'a [Frozen],
}

/// A qualification that was decided for good: rows known later don't change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    pub program: String,
    /// The location, or `company` and the company's id.
    pub subject: String,
    /// The requirement and the days that were measured.
    pub window: String,
    pub on: NaiveDate,
    /// At money scale.
    pub measured: i128,
    /// A closed cycle's row, which stays; else it is published again.
    pub kept: bool,
}

/// Whether some program asks for trailing revenue; if so, whether by product.
#[must_use]
pub fn revenue_asked(programs: &[Program]) -> Option<bool> {
    let conditions = programs.iter().flat_map(|program| &program.requirements);
    conditions
        .flat_map(|requirement| &requirement.conditions)
        .filter_map(|condition| match &condition.kind {
            ConditionKind::TrailingRevenue(trailing) => Some(!trailing.product_groups.is_empty()),
            _ => None,
        })
        .reduce(|by_product, other| by_product || other)
}

/// Look-ups that all programs share.
pub struct Measured<'a> {
    sold: &'a [Sold],
    rates: ExchangeRates,
    /// Groups with SKU and days, by product.
    products: HashMap<&'a str, Vec<Member<'a>>>,
    range: Range,
    frozen: &'a [Frozen],
}

struct Member<'a> {
    group: &'a str,
    /// `None` is every SKU.
    sku: Option<&'a str>,
    days: Range,
}

/// Whose revenue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Subject<'a> {
    Location(&'a str),
    Company(&'a str),
}

/// Since when the requirement is met, by location and by company.
#[derive(Default)]
pub struct Qualifications {
    pub locations: HashMap<String, Qualified>,
    pub companies: HashMap<String, Qualified>,
    /// Subjects that were decided for good, and whether their rows are kept.
    frozen: HashMap<String, bool>,
}

impl<'a> Measured<'a> {
    /// `range` holds the days that are assessed.
    ///
    /// # Errors
    /// If a table lacks a column.
    pub fn new(revenue: &Revenue<'a>, range: Range) -> Result<Measured<'a>> {
        let rows = revenue.product_groups;
        let (group, product) =
            (columns::text(rows, "product_group")?, columns::text(rows, "product_id")?);
        let sku = columns::text(rows, "sku_id")?;
        let (from, until) = (columns::date(rows, "from_on")?, columns::date(rows, "until_on")?);
        let mut products: HashMap<&str, Vec<Member>> = HashMap::new();
        for row in 0..rows.num_rows() {
            let days = (
                columns::day(from, row).unwrap_or(NaiveDate::MIN),
                columns::day(until, row).unwrap_or(NaiveDate::MAX),
            );
            let member = Member { group: group.value(row), sku: columns::filled(sku, row), days };
            products.entry(product.value(row)).or_default().push(member);
        }
        let rates = ExchangeRates::read(revenue.exchange_rates, "earning")?;
        Ok(Measured { sold: revenue.sold, rates, products, range, frozen: revenue.frozen })
    }

    /// True if one of the groups holds the line's product on its day.
    fn counts(&self, line: &Sold, groups: &[String]) -> bool {
        let members = line.product.as_deref().and_then(|product| self.products.get(product));
        groups.is_empty()
            || members.into_iter().flatten().any(|member| {
                (member.days.0 <= line.on && line.on < member.days.1)
                    && (member.sku.is_none() || member.sku == line.sku.as_deref())
                    && groups.iter().any(|group| group == member.group)
            })
    }

    /// Assesses everybody who sold something under a requirement that is asked for on `days`.
    ///
    /// # Errors
    /// On overflow.
    pub fn assess(
        &self,
        (position, program): (usize, &Program),
        (name, trailing, days): (&str, &TrailingRevenue, &Days),
        map: &ParticipantMap,
        index: &Index,
    ) -> Result<Qualifications> {
        let mut revenue: HashMap<Subject, BTreeMap<NaiveDate, i128>> = HashMap::new();
        let mut rates: HashMap<(&str, Period), Option<i128>> = HashMap::new();
        let mut subjects = Vec::new();
        for line in self.sold.iter().filter(|line| line.data_role == trailing.draws) {
            if !self.counts(line, &trailing.product_groups) {
                continue;
            }
            let month = (line.currency.as_str(), Period::of(line.on));
            let rate = || self.rates.rate(&line.currency, &program.currency, month.1);
            let Some(rate) = *rates.entry(month).or_insert_with(rate) else { continue };
            subjects.clear();
            for (role, partner) in line.roles() {
                if let (true, Some(partner)) = (program.pays.contains(&role), partner)
                    && let Ok(location) = map.on(position, partner, line.on)
                {
                    concerned(index, location, line.on, trailing.follow, &mut subjects);
                }
            }
            subjects.sort_unstable();
            subjects.dedup();
            for &subject in &subjects {
                let amount = revenue.entry(subject).or_default().entry(line.on).or_default();
                *amount = sum([*amount, exact(line.base, rate)?])?;
            }
        }
        let measure = Measure {
            amount: trailing.amount,
            days: trailing.days,
            minor_units: minor_units(&program.currency).unwrap_or(MONEY_SCALE),
        };
        let range = (self.range.0.max(days.first()), self.range.1.min(days.end()));
        let mut found = Qualifications::default();
        for (subject, revenue) in &revenue {
            let asked = assessments(program.weekday, range);
            let Some(qualified) = qualified(revenue, asked, &measure)? else { continue };
            match *subject {
                Subject::Location(id) => found.locations.insert(id.to_owned(), qualified),
                Subject::Company(id) => found.companies.insert(id.to_owned(), qualified),
            };
        }
        let of_us = |frozen: &&Frozen| frozen.program == program.program && frozen.is_of(name);
        for frozen in self.frozen.iter().filter(of_us) {
            if days.contain(frozen.on) {
                found.freeze(frozen);
            }
        }
        Ok(found)
    }
}

impl Frozen {
    /// True if the requirement of that name was met.
    fn is_of(&self, name: &str) -> bool {
        self.window.rsplit_once(' ').is_some_and(|(ours, _)| ours == name)
    }
}

impl Qualifications {
    /// Decides for a subject as it was decided before.
    fn freeze(&mut self, frozen: &Frozen) {
        let qualified = Qualified { on: frozen.on, measured: frozen.measured };
        match frozen.subject.strip_prefix("company ") {
            Some(company) => self.companies.insert(company.to_owned(), qualified),
            None => self.locations.insert(frozen.subject.clone(), qualified),
        };
        self.frozen.insert(frozen.subject.clone(), frozen.kept);
    }

    /// The facts of one that may have qualified: from then on, for good.
    pub fn fact(qualified: Option<&Qualified>) -> Option<Fact> {
        qualified.and_then(|qualified| Fact::of(Some(qualified.on), None))
    }

    /// Who qualified under a requirement of that name, as rows of `determinations`, without those of
    /// whom it was decided before.
    pub fn determined(
        &self,
        program: &Program,
        name: &str,
        trailing: &TrailingRevenue,
    ) -> Vec<Determined> {
        let locations = self.locations.iter().map(|(id, qualified)| (id.clone(), qualified));
        let companies = self.companies.iter().map(|(id, one)| (format!("company {id}"), one));
        let row = |(subject, qualified): (String, &Qualified)| {
            let on = qualified.on;
            let frozen = self.frozen.contains_key(&subject);
            let before = chrono::Days::new(u64::from(trailing.days) - 1);
            let first = on.checked_sub_days(before).unwrap_or(NaiveDate::MIN);
            Determined {
                program: program.program.clone(),
                subject,
                window: format!("{name} {first}..{on}"),
                cycle: program.due_cycle(Period::of(on)),
                currency: program.currency.clone(),
                measured: qualified.measured,
                amount: trailing.amount,
                on,
                frozen,
            }
        };
        let anew = |(subject, _): &(String, &Qualified)| self.frozen.get(subject) != Some(&true);
        locations.chain(companies).filter(anew).map(row).collect()
    }
}

/// A qualification, to be published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Determined {
    pub program: String,
    /// The location, or `company` and the company's id.
    pub subject: String,
    /// The requirement and the days that were measured, both inclusive.
    pub window: String,
    /// The cycle in which the assessment's month is due.
    pub cycle: Period,
    pub currency: String,
    /// At money scale.
    pub measured: i128,
    pub amount: i128,
    pub on: NaiveDate,
    /// An earlier run decided it, for good.
    pub frozen: bool,
}

impl Sold {
    /// The line's roles with their partners.
    fn roles(&self) -> [(Role, Option<&str>); 2] {
        let billed_as = if self.reseller.is_some() { Role::Provider } else { Role::Direct };
        [(Role::Reseller, self.reseller.as_deref()), (billed_as, self.billed.as_deref())]
    }
}

/// Adds whose revenue a location's line of a day is.
fn concerned<'a>(
    index: &Index<'a>,
    location: &'a str,
    on: NaiveDate,
    follow: Follow,
    subjects: &mut Vec<Subject<'a>>,
) {
    let before = subjects.len();
    if follow == Follow::Company {
        let belongs = index.memberships(location).iter();
        let belongs = belongs.filter(|row| row.fact.days.0 <= on && on < row.fact.days.1);
        subjects.extend(belongs.map(|row| Subject::Company(row.global_id)));
    }
    if subjects.len() == before {
        subjects.push(Subject::Location(location));
    }
}
