//! Levers over a measure as rows of `program_measure`, `program_company_payee` and `program_tier`.

use super::program_tables::{Tables, days, integer, redecide, rounding};
use crate::query::literal;
use earnest_core::decimal::{MONEY_SCALE, power_of_ten};
use earnest_core::guarantee::Due;
use earnest_core::program::Program;
use earnest_core::program::measured::{Baseline, DatedTable, Measured, Per, Quantity, Side};
use earnest_core::tiers::{Edge, Shape, Terms};

/// Adds what a lever measures and what it pays for it; `key` is program and lever, as SQL.
pub fn add(tables: &mut Tables, program: &Program, key: &str, measured: &Measured) {
    let of = match measured.of {
        Quantity::Amount => "amount",
        Quantity::Quantity => "quantity",
    };
    let per = match measured.per {
        Per::Participant => "participant",
        Per::Customer => "customer",
        Per::Company => "company",
    };
    let side = match measured.at {
        Side::Start => "start",
        Side::End => "end",
    };
    let (baseline, amount) = match measured.baseline {
        None => ("NULL", 0),
        Some(Baseline::LastYear) => ("'last_year'", 0),
        Some(Baseline::Previous) => ("'previous'", 0),
        Some(Baseline::HighWater) => ("'high_water'", 0),
        Some(Baseline::Fixed(amount)) => ("'fixed'", amount),
    };
    let redecide = redecide(measured.redecide);
    tables.row("program_measure", format!(
        "({key}, '{of}', '{per}', {}, {}, '{side}', {}, {baseline}, {amount}, {}, {}, {}, {}, {}, \
         '{redecide}')",
        measured.window.months(),
        program.fiscal_year_start,
        integer(measured.minimum),
        integer(measured.trailing_days.map(i128::from)),
        measured.flat_on_zero,
        in_minor_units(program, measured.at_least),
        in_minor_units(program, measured.at_most),
        guarantee(measured.due),
    ));
    for (company, payee) in &measured.payees {
        tables.row(
            "program_company_payee",
            format!("({key}, {}, {})", literal(company), literal(payee)),
        );
    }
    for (place, dated) in measured.tables.iter().enumerate() {
        add_table(tables, key, place, dated);
    }
}

fn add_table(tables: &mut Tables, key: &str, place: usize, dated: &DatedTable) {
    let shape = match dated.table.shape() {
        Shape::Marginal => "marginal",
        Shape::Whole => "whole",
        Shape::Interpolated => "interpolated",
        Shape::Rolling => "rolling",
        Shape::Total => "total",
    };
    let conventions = dated.table.conventions();
    let edge = match conventions.edge {
        Edge::Inclusive => "lower",
        Edge::Next => "upper",
    };
    let scaled = match conventions.unit_scale.map(|scale| scale.rounding) {
        None | Some(None) => "exact",
        Some(Some(way)) => rounding(way),
    };
    let mut lower = 0;
    for tier in dated.table.tiers() {
        let (pays, per, whole) = match tier.terms {
            Terms::Rate(rate) => (rate, None, None),
            Terms::UnitPrice { price, per } => (price, per, None),
            Terms::Amount(amount) => (0, None, Some(amount)),
            Terms::None => (0, None, None),
        };
        tables.row("program_tier", format!(
            "({key}, {place}, {}, '{shape}', '{edge}', {lower}, {}, {pays}, {}, {}, {}, {}, '{scaled}')",
            days(&dated.days),
            integer(tier.to),
            tier.flat,
            integer(per),
            integer(whole),
            integer(conventions.unit_scale.map(|scale| scale.divide_by)),
        ));
        lower = tier.to.unwrap_or(lower);
    }
}

/// How the least is due; from which month on which share is paid back, with nine decimals.
fn guarantee(due: Due) -> String {
    let (name, recovery) = match due {
        Due::Start => ("start", None),
        Due::End => ("end", None),
        Due::Cumulative => ("cumulative", None),
        Due::Draw(recovery) => ("draw", recovery),
    };
    let from = recovery.map_or("NULL".to_owned(), |recovery| recovery.from.to_string());
    format!("'{name}', {from}, {}", integer(recovery.map(|recovery| recovery.share)))
}

/// An amount at money scale in minor units of the program's currency.
fn in_minor_units(program: &Program, amount: Option<i128>) -> String {
    let digits = program.unit().decimals;
    integer(amount.map(|amount| amount / power_of_ten(MONEY_SCALE - digits)))
}
