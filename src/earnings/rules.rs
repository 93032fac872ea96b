//! Which levers cover a product on a day, and the two other small look-ups: product groups and
//! exchange rates. All are built once and asked by key.

use super::names::Names;
use crate::error::Result;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::{DataRole, Days, LeverRate, Program, Role};
use std::collections::HashMap;

/// The term of a cover on a day that no term has.
pub const OUT_OF_TERM: i32 = -1;

/// A lever that covers a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cover {
    /// Position in the program's levers.
    pub lever: usize,
    /// Key of the product group that matched.
    pub group: i32,
    /// Key of the term, or [`OUT_OF_TERM`].
    pub term: i32,
    /// At rate scale; 0 out of term.
    pub rate: i128,
    /// Share of the rebate at rate scale.
    pub share: i128,
}

/// Product × SKU → groups, by date.
pub struct ProductGroups {
    by_product: HashMap<String, Vec<Member>>,
    every_product: i32,
}

struct Member {
    /// `None` is every SKU.
    sku: Option<String>,
    group: i32,
    days: Days,
}

impl ProductGroups {
    pub fn build(batch: &RecordBatch, names: &Names) -> ProductGroups {
        let text =
            |name: &str| batch.column_by_name(name).map(|column| column.as_string::<i32>().clone());
        let days = |name: &str| {
            batch.column_by_name(name).map(|column| column.as_primitive::<Date32Type>().clone())
        };
        let mut by_product: HashMap<String, Vec<Member>> = HashMap::new();
        if let (Some(group), Some(product), Some(sku), Some(from), Some(until)) = (
            text("product_group"),
            text("product_id"),
            text("sku_id"),
            days("from_on"),
            days("until_on"),
        ) {
            for row in 0..batch.num_rows() {
                let day = |column: &arrow::array::Date32Array| {
                    column.is_valid(row).then(|| super::facts::day(column.value(row)))
                };
                let blank = sku.is_null(row) || sku.value(row).is_empty();
                by_product.entry(product.value(row).to_owned()).or_default().push(Member {
                    sku: (!blank).then(|| sku.value(row).to_owned()),
                    group: names.groups.key(group.value(row)).unwrap_or_default(),
                    days: Days { from: day(&from), until: day(&until) },
                });
            }
        }
        ProductGroups { by_product, every_product: names.groups.key("*").unwrap_or(-1) }
    }

    /// Days within which memberships are the same.
    pub fn days(&self) -> impl Iterator<Item = Days> {
        self.by_product.values().flatten().map(|member| member.days)
    }

    /// Keys of the groups that hold the product on the day.
    fn of(&self, product: Option<&str>, sku: Option<&str>, day: NaiveDate) -> Vec<i32> {
        let members = product.and_then(|product| self.by_product.get(product));
        let mut groups: Vec<i32> = members
            .into_iter()
            .flatten()
            .filter(|member| member.days.contain(day))
            .filter(|member| member.sku.is_none() || member.sku.as_deref() == sku)
            .map(|member| member.group)
            .collect();
        groups.push(self.every_product);
        groups
    }
}

/// The levers of a program that cover a product in a role on a day, in declared order, filters aside.
pub fn covers(
    program: &Program,
    names: &Names,
    products: &ProductGroups,
    product: (Option<&str>, Option<&str>),
    asked: (Role, DataRole, NaiveDate),
) -> Vec<Cover> {
    let (role, data_role, day) = asked;
    let groups = products.of(product.0, product.1, day);
    let term = program.term_on(day);
    let term_key = term.and_then(|term| names.terms.key(&term.term)).unwrap_or(OUT_OF_TERM);
    let share = program.rebate_share_on(day);
    let matching = |rate: &LeverRate| -> Option<i32> {
        let typed = rate.partner_types.is_empty() || rate.partner_types.contains(&role);
        let named = rate.product_groups.iter().filter_map(|group| names.groups.key(group));
        typed.then(|| named.into_iter().find(|group| groups.contains(group))).flatten()
    };
    let mut covers = Vec::new();
    for (lever, rule) in program.levers.iter().enumerate() {
        if rule.draws != data_role {
            continue;
        }
        let found = rule.rates.iter().find_map(|rate| {
            let dated = term.is_none() || rate.days.contain(day);
            dated.then(|| matching(rate)).flatten().map(|group| (rate.rate, group))
        });
        if let Some((rate, group)) = found {
            let rate = if term.is_none() { 0 } else { rate };
            covers.push(Cover { lever, group, term: term_key, rate, share });
        }
    }
    covers
}

/// Program units per foreign unit, by currencies and period, of one rate type.
/// Of rates that contradict each other none counts.
pub struct ExchangeRates(HashMap<(String, String, Period), Option<i128>>);

impl ExchangeRates {
    /// # Errors
    /// If a staged period isn't one, which staging excludes.
    pub fn build(batch: &RecordBatch, rate_type: &str) -> Result<ExchangeRates> {
        let mut rates: HashMap<_, Option<i128>> = HashMap::new();
        let text =
            |name: &str| batch.column_by_name(name).map(|column| column.as_string::<i32>().clone());
        let rate = batch
            .column_by_name("rate")
            .map(|column| column.as_primitive::<Decimal128Type>().clone());
        if let (Some(kind), Some(from), Some(to), Some(period), Some(rate)) =
            (text("rate_type"), text("from_currency"), text("to_currency"), text("period"), rate)
        {
            for row in 0..batch.num_rows() {
                if kind.value(row) == rate_type {
                    let period = period.value(row).parse()?;
                    let rate = Some(rate.value(row));
                    rates
                        .entry((from.value(row).to_owned(), to.value(row).to_owned(), period))
                        .and_modify(|known| *known = known.filter(|_| *known == rate))
                        .or_insert(rate);
                }
            }
        }
        Ok(ExchangeRates(rates))
    }

    /// At rate scale; 1 between equal currencies.
    #[must_use]
    pub fn rate(&self, from: &str, to: &str, period: Period) -> Option<i128> {
        if from == to {
            return Some(earnest_core::decimal::power_of_ten(earnest_core::decimal::RATE_SCALE));
        }
        self.0.get(&(from.to_owned(), to.to_owned(), period)).copied().flatten()
    }
}
