//! What a second evaluator says that programs earn.

use super::{Cents, Program, Terms, money, month, participant};
use std::collections::BTreeMap;

/// Cents by lever, participant, month and earning type.
#[derive(Default)]
pub struct Sums(BTreeMap<(usize, usize, i32, &'static str), i128>);

impl Sums {
    /// Adds what is earned in a month, by the terms of a day.
    pub fn add(
        &mut self,
        (lever, whose, booked): (usize, usize, i32),
        terms: &Terms,
        cents: Cents,
    ) {
        for (kind, cents) in terms.types(cents) {
            *self.0.entry((lever, whose, booked, kind)).or_default() += cents;
        }
    }
}

/// Of a program of levers `lever-00`, `lever-01` …
pub fn program(terms: Terms, rules: String, sums: &Sums) -> Program {
    let rows = sums.0.iter().map(|(&(lever, whose, booked, kind), &cents)| {
        let (lever, kind) = (format!("lever-{lever:02}"), kind.to_owned());
        [lever, participant(whose), kind, month(booked), money(cents)]
    });
    Program { terms, rules, expected: rows.collect() }
}
