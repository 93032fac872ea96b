//! Trailing revenue. In: what each partner sold, day by day, with product groups and exchange rates.
//! Out: per location and company the assessment from which on a requirement is met.
//!
//! A line counts for whom its partner id earned on the line's own day, once, whatever roles it has in
//! it; where the company is followed, for the company to which that location belonged then, or for the
//! location alone where none is known. Lines without exchange rate aren't counted.

mod frozen;
mod qualified;

pub use frozen::{Corrected, Frozen};
pub use qualified::{Determined, Qualifications};

use super::index::Index;
use super::map::ParticipantMap;
use crate::columns;
use crate::error::Result;
use crate::exchange_rates::ExchangeRates;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{exact, sum};
use earnest_core::eligibility::Range;
use earnest_core::program::{
    ConditionKind, DataRole, Days, Follow, Program, Role, TrailingRevenue,
};
use earnest_core::trailing::{Measure, assessments, qualified};
use frozen::Standing;
use qualified::Reached;
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
    /// How many lines it was.
    pub transactions: i64,
}

/// What trailing revenue is measured from.
pub struct Revenue<'a> {
    pub sold: &'a [Sold],
    pub product_groups: &'a RecordBatch,
    pub exchange_rates: &'a RecordBatch,
    /// Later days are not assessed.
    pub as_of: NaiveDate,
    /// What was decided for good, and what was corrected since of the lines that decided it.
    pub frozen: &'a [Frozen],
    pub corrected: &'a [Corrected],
    /// The oldest open cycle; `None`: none is closed.
    pub open: Option<Period>,
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
    rates: ExchangeRates,
    /// Groups with SKU and days, by product.
    products: HashMap<&'a str, Vec<Member<'a>>>,
    range: Range,
    revenue: &'a Revenue<'a>,
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

/// What a subject sold, day by day: exact amounts, and how many lines.
#[derive(Default)]
struct SoldByDay {
    exact: BTreeMap<NaiveDate, i128>,
    transactions: BTreeMap<NaiveDate, i64>,
}

type BySubject<'a, T> = HashMap<Subject<'a>, T>;

/// A requirement of trailing revenue, as it is worded on some days.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The program's position in the job.
    pub position: usize,
    pub program: &'a Program,
    pub name: &'a str,
    pub trailing: &'a TrailingRevenue,
    pub days: &'a Days,
    pub map: &'a ParticipantMap,
    pub index: &'a Index<'a>,
}

impl<'a> Measured<'a> {
    /// `range` holds the days that are assessed.
    ///
    /// # Errors
    /// If a table lacks a column.
    pub fn new(revenue: &'a Revenue<'a>, range: Range) -> Result<Measured<'a>> {
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
        Ok(Measured { rates, products, range, revenue })
    }

    /// The oldest open cycle; `None`: none is closed.
    pub fn open(&self) -> Option<Period> {
        self.revenue.open
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

    /// Assesses everybody who sold something under a requirement.
    ///
    /// # Errors
    /// On overflow.
    pub fn assess(&self, asked: &Asked) -> Result<Qualifications> {
        let sold = self.by_subject(asked, self.revenue.sold)?;
        let measure = Measure {
            amount: asked.trailing.amount,
            days: asked.trailing.days,
            unit: asked.program.unit(),
        };
        let days = asked.days;
        let range = (self.range.0.max(days.first()), self.range.1.min(days.end()));
        let mut found = Qualifications::default();
        for (subject, sold) in &sold {
            let asked_on = assessments(asked.program.weekday, range);
            if let Some(qualified) = qualified(&sold.exact, asked_on, &measure)? {
                let (on, measured) = (qualified.on, qualified.measured);
                let transactions = Some(sold.lines((asked.first(on), on)));
                found.reach(*subject, Reached { on, measured, transactions });
            }
        }
        let rows = || frozen::rows(self.revenue.frozen, asked);
        found.settled = rows().filter(|row| row.kept).map(|row| row.subject.clone()).collect();
        let settled = frozen::newest(rows());
        let mut corrected = HashMap::new();
        for one in self.revenue.corrected {
            corrected.insert(one.cycle, Standing::of(self, asked, one, &settled)?);
        }
        for frozen in settled {
            let standing = frozen.closed_by.and_then(|cycle| corrected.get(&cycle));
            let missed = standing.map(|standing| standing.missed(frozen, asked.program.unit()));
            match missed.transpose()?.flatten() {
                None => found.freeze(frozen),
                Some(undone) => found.undone.push(undone),
            }
        }
        Ok(found)
    }

    /// What each subject sold.
    fn by_subject<'b>(
        &self,
        asked: &Asked<'b>,
        sold: &'b [Sold],
    ) -> Result<BySubject<'b, SoldByDay>> {
        let mut found: BySubject<SoldByDay> = HashMap::new();
        let mut rates: HashMap<(&str, Period), Option<i128>> = HashMap::new();
        let mut subjects = Vec::new();
        for line in sold {
            self.concerned(asked, line, &mut subjects);
            if subjects.is_empty() {
                continue;
            }
            let month = (line.currency.as_str(), Period::of(line.on));
            let rate = || self.rates.rate(&line.currency, &asked.program.currency, month.1);
            let Some(rate) = *rates.entry(month).or_insert_with(rate) else { continue };
            for &subject in &subjects {
                let found = found.entry(subject).or_default();
                let amount = found.exact.entry(line.on).or_default();
                *amount = sum([*amount, exact(line.base, rate)?])?;
                *found.transactions.entry(line.on).or_default() += line.transactions;
            }
        }
        Ok(found)
    }

    /// Finds whose revenue a line is, each once; nobody's if the requirement doesn't count it.
    fn concerned<'b>(&self, asked: &Asked<'b>, line: &'b Sold, subjects: &mut Vec<Subject<'b>>) {
        subjects.clear();
        let trailing = asked.trailing;
        if line.data_role != trailing.draws || !self.counts(line, &trailing.product_groups) {
            return;
        }
        for (role, partner) in line.roles() {
            if let (true, Some(partner)) = (asked.program.pays.contains(&role), partner)
                && let Ok(location) = asked.map.on(asked.position, partner, line.on)
            {
                asked.belongs(location, line.on, subjects);
            }
        }
        subjects.sort_unstable();
        subjects.dedup();
    }
}

impl SoldByDay {
    /// How many lines it was from one day to another, both inclusive.
    fn lines(&self, (first, last): (NaiveDate, NaiveDate)) -> i64 {
        let within = self.transactions.iter().filter(|(on, _)| first <= **on && **on <= last);
        within.map(|(_, lines)| lines).sum()
    }
}

impl<'a> Asked<'a> {
    /// The first day that an assessment measures.
    fn first(&self, on: NaiveDate) -> NaiveDate {
        let before = chrono::Days::new(u64::from(self.trailing.days) - 1);
        on.checked_sub_days(before).unwrap_or(NaiveDate::MIN)
    }

    /// Adds whose revenue a location's line of a day is.
    fn belongs(&self, location: &'a str, on: NaiveDate, subjects: &mut Vec<Subject<'a>>) {
        let before = subjects.len();
        if self.trailing.follow == Follow::Company {
            let belongs = self.index.memberships(location).iter();
            let belongs = belongs.filter(|row| row.fact.days.0 <= on && on < row.fact.days.1);
            subjects.extend(belongs.map(|row| Subject::Company(row.global_id)));
        }
        if subjects.len() == before {
            subjects.push(Subject::Location(location));
        }
    }
}

impl Sold {
    /// The line's roles with their partners.
    fn roles(&self) -> [(Role, Option<&str>); 2] {
        let billed_as = if self.reseller.is_some() { Role::Provider } else { Role::Direct };
        [(Role::Reseller, self.reseller.as_deref()), (billed_as, self.billed.as_deref())]
    }
}
