//! The days of a period on which rules change. Between them every day has the same rules.

use super::rules::ProductGroups;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::{Days, Program};

/// The segments of constant rules of each lever within a period: its program's terms and splits, its own
/// rates and caps change between them.
pub struct Segments {
    /// By program and lever: days on which something changes, then the first day after the period.
    starts: Vec<Vec<Vec<i32>>>,
}

impl Segments {
    pub fn of(programs: &[Program], period: Period) -> Segments {
        let of_program = |program: &Program| {
            let levers = 0..program.levers.len();
            levers.map(|lever| changes(rule_days(program, lever), period)).collect()
        };
        Segments { starts: programs.iter().map(of_program).collect() }
    }

    /// The last day of the segment that a day lies in, for a program's lever.
    pub fn last_day(&self, (program, lever): (usize, usize), on: i32) -> i32 {
        let next = self.starts[program][lever].iter().find(|start| on < **start);
        next.map_or(on, |start| start - 1)
    }
}

/// Which segment each day of a period lies in, if the rules of all programs and the product groups
/// are taken together.
pub struct DaySegments {
    first_day: i32,
    by_day: Vec<usize>,
    pub count: usize,
}

impl DaySegments {
    pub fn of(programs: &[Program], products: &ProductGroups, period: Period) -> DaySegments {
        let rules = programs.iter().flat_map(|program| {
            (0..program.levers.len()).flat_map(|lever| rule_days(program, lever))
        });
        let levers = programs.iter().flat_map(|program| &program.levers);
        let payees = levers.flat_map(|lever| lever.payees.iter().map(|payees| payees.days));
        let mut starts = changes(rules.chain(payees).chain(products.days()), period);
        starts.dedup();
        let (first, end) = (period.first_day().to_epoch_days(), period.end().to_epoch_days());
        let segment = |day: i32| starts.iter().filter(|&&start| start <= day).count();
        let by_day = (first..end).map(segment).collect();
        DaySegments { first_day: first, by_day, count: starts.len() }
    }

    /// The segment of a day of the period, from 0.
    pub fn segment(&self, on: i32) -> usize {
        self.by_day[usize::try_from(on - self.first_day).unwrap_or_default()]
    }
}

/// Ranges of days within which the rules of a program's lever are the same.
fn rule_days(program: &Program, lever: usize) -> impl Iterator<Item = Days> {
    let terms = program.terms.iter().map(|term| term.days);
    let splits = program.splits.iter().map(|split| split.days);
    let rates = program.levers[lever].rates.iter().map(|rate| rate.days);
    let caps = program.caps.iter().filter(move |cap| cap.levers.contains(&lever));
    let caps = caps.map(|cap| cap.days);
    terms.chain(splits).chain(rates).chain(caps)
}

/// The days within a period on which one of the ranges begins or ends, then the first day after it.
fn changes(days: impl Iterator<Item = Days>, period: Period) -> Vec<i32> {
    let within = |day: &NaiveDate| period.first_day() < *day && *day < period.end();
    let ends = days.flat_map(|days| [days.from, days.until]).flatten();
    let mut changes: Vec<i32> = ends.filter(within).map(|day| day.to_epoch_days()).collect();
    changes.push(period.end().to_epoch_days());
    changes.sort_unstable();
    changes
}
