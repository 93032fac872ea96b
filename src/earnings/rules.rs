//! Which levers cover a product on a day, and the two other small look-ups: product groups and
//! exchange rates. All are built once and asked by key.

mod drawn_once;

use super::names::Names;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use chrono::NaiveDate;
use earnest_core::earning::Shares;
use earnest_core::program::{Countries, DataRole, Days, Lever, LeverRate, Program, Role};
use std::collections::HashMap;

/// The term of a cover on a day that no term has.
pub const OUT_OF_TERM: i32 = -1;

/// A lever that covers a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cover {
    /// Position in the program's levers.
    pub lever: usize,
    /// Position of the rate among the lever's.
    pub rated: usize,
    /// Key of the product group that matched.
    pub group: i32,
    /// Key of the term, or [`OUT_OF_TERM`].
    pub term: i32,
    /// At rate scale; 0 out of term.
    pub rate: i128,
    /// A fixed amount in program currency; `None` out of term.
    pub amount: Option<i128>,
    pub shares: Shares,
    /// The reseller's share, if reseller and provider divide the earning.
    pub payees: Option<i128>,
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

    /// True if a lever's groups hold the product on the day, in whatever role.
    pub fn are_held(
        &self,
        lever: &Lever,
        names: &Names,
        (product, sku): (Option<&str>, Option<&str>),
        day: NaiveDate,
    ) -> bool {
        let groups = self.of(product, sku, day);
        let mut named =
            lever.product_groups().into_iter().filter_map(|group| names.groups.key(group));
        named.any(|group| groups.contains(&group))
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

/// The levers of a program that cover a product in a role on a day, in declared order, filters aside. One
/// of which several rates ask for countries is there once for each of these, in declared order: the
/// first whose countries hold counts.
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
    let matching = |rate: &LeverRate| matching_group(rate, role, &groups, names);
    let mut covers = Vec::new();
    for (lever, rule) in program.levers.iter().enumerate() {
        if rule.draws != data_role {
            continue;
        }
        let shares = program.shares_on(rule.pays_as, day);
        let payees = rule.payees_on(day).filter(|_| role != Role::Direct);
        for (rated, rate) in rule.rates.iter().enumerate() {
            let dated = term.is_none() || rate.days.contain(day);
            let Some(group) = dated.then(|| matching(rate)).flatten() else { continue };
            covers.push(Cover {
                lever,
                rated,
                group,
                term: term_key,
                rate: if term.is_none() { 0 } else { rate.rate },
                amount: rate.amount.filter(|_| term.is_some()),
                shares,
                payees: payees.map(|payees| payees.reseller),
            });
            if rate.countries == Countries::default() {
                break;
            }
        }
    }
    covers
}

/// The first group of a rate that holds a product, if the rate is for the role.
fn matching_group(rate: &LeverRate, role: Role, groups: &[i32], names: &Names) -> Option<i32> {
    let typed = rate.partner_types.is_empty() || rate.partner_types.contains(&role);
    let mut named = rate.product_groups.iter().filter_map(|group| names.groups.key(group));
    typed.then(|| named.find(|group| groups.contains(group))).flatten()
}

/// The levers of a program whose baselines look at a product in a role: those that cover it on some
/// day of theirs.
pub fn baselines(
    program: &Program,
    names: &Names,
    products: &ProductGroups,
    product: (Option<&str>, Option<&str>),
    asked: (Role, DataRole, NaiveDate),
) -> Vec<usize> {
    let (role, data_role, day) = asked;
    let looks_back =
        |lever: &Lever| lever.measured.as_ref().is_some_and(|measured| measured.looks_back());
    let levers = program.levers.iter().enumerate();
    let levers = levers.filter(|(_, lever)| lever.draws == data_role && looks_back(lever));
    let mut levers = levers.peekable();
    if levers.peek().is_none() {
        return Vec::new();
    }
    let groups = products.of(product.0, product.1, day);
    let holds = |rate: &LeverRate| matching_group(rate, role, &groups, names).is_some();
    levers
        .filter(|(_, lever)| lever.rates.iter().any(holds))
        .map(|(position, _)| position)
        .collect()
}
