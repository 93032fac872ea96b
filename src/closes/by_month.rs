//! Refunds of co-op that changed after their month was settled. In: sums of earnings, where refunds stand by
//! the day since which they are known, and changes. Out: postings that let such a refund count by its month, as
//! does what takes it out of there again: else the fund would get it before it lost it.

use super::Change;
use super::entered::posting;
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::earning::{EarningType, EntryKind, Posting};
use earnest_core::program::Program;
use std::collections::{BTreeMap, HashMap};

/// Program, lever, term, participant, period and half.
type Key = (usize, String, String, String, Period, Option<FiscalHalf>);

fn key(of: &Posting) -> Key {
    let [lever, term, participant] =
        [&of.lever, &of.term, &of.participant].map(|text| text.to_string());
    (of.program, lever, term, participant, of.period, of.fund_half)
}

/// What is taken away, by the day since which it is known; positive.
type Days = BTreeMap<NaiveDate, i128>;

/// The postings that move refunds to their month.
///
/// # Errors
/// If a change belongs to no program of the job.
pub fn moved<'a>(
    programs: &[Program],
    earned: &[Posting],
    changes: impl Iterator<Item = &'a Change>,
) -> Result<Vec<Posting>> {
    let mut last: HashMap<u128, &Change> = HashMap::new();
    for change in changes {
        let known = last.entry(change.earning_id).or_insert(change);
        if change.cycle >= known.cycle {
            *known = change;
        }
    }
    let mut refunds: Vec<(i128, Posting)> = Vec::new();
    for change in last.into_values() {
        let now = change.earned_now.unwrap_or_default();
        if now < 0 && change.attributes.earning_type()? == EarningType::Coop {
            refunds.push((-now, posting(programs, change)?));
        }
    }
    if refunds.is_empty() {
        return Ok(Vec::new());
    }
    let mut days: HashMap<Key, Days> = HashMap::new();
    for posting in earned {
        if let Some(day) = posting.known_on {
            *days.entry(key(posting)).or_default().entry(day).or_default() -= posting.amount;
        }
    }
    // The largest first, so that each finds its own.
    refunds.sort_by_key(|(amount, _)| std::cmp::Reverse(*amount));
    let mut moved = Vec::new();
    for (amount, of) in refunds {
        let Some(days) = days.get_mut(&key(&of)) else { continue };
        for (day, part) in taken(days, amount) {
            for (known_on, amount) in [(Some(day), part), (None, -part)] {
                let (kind, own_amount) = (EntryKind::Regular, amount);
                let of = of.clone();
                let earnings = 0;
                moved.push(Posting {
                    kind,
                    entered: None,
                    known_on,
                    amount,
                    own_amount,
                    earnings,
                    ..of
                });
            }
        }
    }
    Ok(moved)
}

/// Takes an amount from the day that has just as much, or else from the latest ones, which became known
/// after closes.
fn taken(days: &mut Days, amount: i128) -> Vec<(NaiveDate, i128)> {
    let exact = days.iter().rev().find(|(_, left)| **left == amount).map(|(day, _)| *day);
    let mut parts = Vec::new();
    let mut open = amount;
    for (day, left) in days.iter_mut().rev() {
        if exact.is_some_and(|exact| exact != *day) {
            continue;
        }
        let part = open.min(*left);
        if part > 0 {
            *left -= part;
            open -= part;
            parts.push((*day, part));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refund_is_taken_from_its_day_or_the_latest() {
        let day = |text: &str| -> NaiveDate { text.parse().expect("a day") };
        let (january, march, june) = (day("2021-01-07"), day("2021-03-08"), day("2021-06-08"));
        let mut days = Days::from([(january, 300), (march, 70), (june, 200)]);
        assert_eq!(taken(&mut days, 300), [(january, 300)]);
        assert_eq!(taken(&mut days, 220), [(june, 200), (march, 20)]);
        assert_eq!(taken(&mut days, 80), [(march, 50)], "the rest stands by its month already");
        assert!(days.values().all(|left| *left == 0));
    }
}
