//! In: product groups and programs. Out: whether a program draws a product from billing and from detail: the
//! same money would earn twice. What one group tells alone is refused when a program file is read.

use super::{Member, ProductGroups};
use crate::earnings::names::Names;
use crate::error::{Error, Result};
use earnest_core::program::{DataRole, Days, Program};
use std::collections::BTreeMap;

/// How a program draws a group: lever, role, days.
struct Drawn<'a> {
    lever: &'a str,
    group: &'a str,
    from: DataRole,
    days: Days,
}

/// By key of the group.
type ByGroup<'a> = BTreeMap<i32, Vec<Drawn<'a>>>;

impl ProductGroups {
    /// Refuses a product that groups of one program bring in from both roles on a day. Source: RULES 1, "both
    /// roles of the same money within a program are an error".
    ///
    /// # Errors
    /// If there is one.
    pub fn drawn_once(&self, programs: &[Program], names: &Names) -> Result<()> {
        for program in programs {
            let of_detail = |from| program.levers.iter().any(|lever| lever.draws == from);
            if !(of_detail(DataRole::Billing) && of_detail(DataRole::Detail)) {
                continue;
            }
            let drawn = drawn(program, names);
            let mut products: Vec<_> = self.by_product.iter().collect();
            products.sort_unstable_by_key(|(product, _)| *product);
            for (product, members) in products {
                if let Some((billing, detail)) = twice(members, &drawn) {
                    let message = format!(
                        "program {}: expected one of `billing` and `detail` per product, found both for \
                         `{product}`: `{}` of lever `{}` and `{}` of lever `{}` hold it on the same \
                         day, so the same money would earn twice",
                        program.program, billing.group, billing.lever, detail.group, detail.lever
                    );
                    return Err(Error::usage(message).hint(
                        "take it out of one of the groups in the product-groups export, or draw both \
                         from one role",
                    ));
                }
            }
        }
        Ok(())
    }
}

fn drawn<'a>(program: &'a Program, names: &Names) -> ByGroup<'a> {
    let mut by_group = ByGroup::new();
    for lever in &program.levers {
        for rate in &lever.rates {
            for group in &rate.product_groups {
                let Some(key) = names.groups.key(group) else { continue };
                by_group.entry(key).or_default().push(Drawn {
                    lever: &lever.lever,
                    group,
                    from: lever.draws,
                    days: rate.days,
                });
            }
        }
    }
    by_group
}

/// What draws a product from billing, and what from detail on one of the same days.
fn twice<'a>(members: &[Member], drawn: &'a ByGroup) -> Option<(&'a Drawn<'a>, &'a Drawn<'a>)> {
    let draws = |from| {
        members.iter().flat_map(move |member| {
            let of_group = drawn.get(&member.group).into_iter().flatten();
            of_group.filter(move |one| one.from == from).map(move |one| (member, one))
        })
    };
    draws(DataRole::Billing).find_map(|(member, billing)| {
        let detail = draws(DataRole::Detail).find(|(other, detail)| {
            let any = member.sku.is_none() || other.sku.is_none();
            let ranges = [member.days, billing.days, other.days, detail.days];
            let first = ranges.iter().map(Days::first).max();
            let end = ranges.iter().map(Days::end).min();
            (any || member.sku == other.sku) && first < end
        });
        detail.map(|(_, detail)| (billing, detail))
    })
}
