//! Refunded lines, kept until all periods are done. There are as many as refunds, so each is kept in few
//! bytes: what outcomes have in common, they share.

use super::evaluate::{How, Omitted, Outcome, Verdict};
use super::links::Reversal;
use crate::error::{Error, Result};
use earnest_core::calendar::Period;
use earnest_core::earning::Amounts;
use std::collections::HashSet;
use std::sync::Arc;

/// A line that is refunded, with what it would need to be taken back.
pub struct Original {
    pub transaction_id: Box<str>,
    /// The period it earned in.
    pub period: Period,
    /// Days since 1970.
    pub transaction_on: i32,
    pub customer_id: Option<Box<str>>,
    /// At amount scale.
    pub quantity: i128,
    pub kept: Box<[Kept]>,
    pub omitted: Box<[Omitted]>,
    pub baselines: Box<[(usize, usize, i32)]>,
}

impl Original {
    /// The line's outcomes, as they were.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.kept.iter().map(Kept::outcome).collect()
    }
}

/// Refunded lines of all periods, by number.
#[derive(Default)]
pub struct Originals(Vec<Option<Original>>);

impl Originals {
    pub fn extend(&mut self, originals: Vec<(usize, Original)>) {
        let last = originals.iter().map(|(number, _)| number + 1).max();
        self.0.resize_with(self.0.len().max(last.unwrap_or_default()), || None);
        for (number, original) in originals {
            self.0[number] = Some(original);
        }
    }

    /// The line that a piece of a refund takes back.
    ///
    /// # Errors
    /// If it was not calculated.
    pub fn of(&self, reversal: &Reversal) -> Result<&Original> {
        self.0.get(reversal.original).and_then(Option::as_ref).ok_or_else(|| {
            let day = reversal.original_on;
            Error::broken(format!("a refunded line of {day} was not calculated"))
        })
    }
}

/// An outcome of a refunded line.
pub struct Kept {
    /// The outcome without its figures.
    shared: Arc<Outcome>,
    figures: Figures,
    how: Option<Box<How>>,
}

/// Figures of an outcome, at money scale: amounts, or what is forgone.
enum Figures {
    None,
    Narrow([i64; 6]),
    Wide(Box<[i128; 6]>),
}

impl Figures {
    fn of(figures: [i128; 6]) -> Figures {
        let mut narrow = [0; 6];
        for (narrow, wide) in narrow.iter_mut().zip(figures) {
            match i64::try_from(wide) {
                Ok(figure) => *narrow = figure,
                Err(_) => return Figures::Wide(Box::new(figures)),
            }
        }
        Figures::Narrow(narrow)
    }

    fn get(&self) -> Option<[i128; 6]> {
        match self {
            Figures::None => None,
            Figures::Narrow(figures) => Some(figures.map(i128::from)),
            Figures::Wide(figures) => Some(**figures),
        }
    }
}

impl Kept {
    fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::clone(&self.shared);
        outcome.how.clone_from(&self.how);
        match (&mut outcome.verdict, self.figures.get()) {
            (Verdict::Earned(_, amounts), Some(figures)) => {
                let [earned, rebate, fee, program_earned, program_rebate, program_fee] = figures;
                *amounts =
                    Amounts { earned, rebate, fee, program_earned, program_rebate, program_fee };
            }
            (Verdict::Refused(_, forgone), figures) => *forgone = figures.map(|[first, ..]| first),
            _ => {}
        }
        outcome
    }
}

/// Outcomes without their figures, each once.
#[derive(Default)]
pub struct SharedOutcomes(HashSet<Arc<Outcome>, foldhash::fast::RandomState>);

impl SharedOutcomes {
    /// Keeps an outcome.
    pub fn keep(&mut self, outcome: &Outcome) -> Kept {
        let mut shared = Outcome { how: None, ..outcome.clone() };
        let figures = match &mut shared.verdict {
            Verdict::Earned(_, amounts) => {
                let a = std::mem::take(amounts);
                Figures::of([
                    a.earned,
                    a.rebate,
                    a.fee,
                    a.program_earned,
                    a.program_rebate,
                    a.program_fee,
                ])
            }
            Verdict::Refused(_, forgone) => forgone
                .take()
                .map_or(Figures::None, |forgone| Figures::of([forgone, 0, 0, 0, 0, 0])),
            Verdict::Aggregated(..) | Verdict::Measured(_) => Figures::None,
        };
        let shared = self.0.get(&shared).cloned().unwrap_or_else(|| {
            let shared = Arc::new(shared);
            self.0.insert(Arc::clone(&shared));
            shared
        });
        Kept { shared, figures, how: outcome.how.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::earnings::rows::Subject;
    use earnest_core::decimal::Unit;
    use earnest_core::earning::{Shares, Terms};
    use earnest_core::reason::Reason;

    fn outcome(participant: i32, verdict: Verdict, how: Option<Box<How>>) -> Outcome {
        let keys =
            Subject { program: 0, term: 1, lever: 2, role: 0, participant, partner: 7, group: -1 };
        Outcome { program: 0, lever: 2, subject: keys, verdict, rated: 1, how }
    }

    fn terms() -> Terms {
        let (rate, exchange_rate) = (40_000_000, 1_100_000_000);
        let shares = Shares::new(600_000_000, 0);
        Terms { rate, shares, exchange_rate, unit: Unit::new(2), program_unit: Unit::new(2) }
    }

    fn amounts(earned: i128) -> Amounts {
        Amounts { earned, rebate: 3, program_earned: -4, program_fee: 5, ..Amounts::default() }
    }

    #[test]
    fn outcomes_are_given_back_as_they_were() {
        let reasons: std::sync::Arc<[Reason]> = [Reason::NoRate].into();
        let how = How { fixed: Some(9), ..How::default() };
        let beyond = i128::from(i64::MAX) + 1;
        let outcomes = [
            outcome(1, Verdict::Earned(terms(), amounts(12)), None),
            outcome(1, Verdict::Earned(terms(), amounts(-beyond - 1)), Some(Box::new(how))),
            outcome(2, Verdict::Refused(Arc::clone(&reasons), None), None),
            outcome(2, Verdict::Refused(Arc::clone(&reasons), Some(0)), None),
            outcome(2, Verdict::Refused(Arc::clone(&reasons), Some(beyond)), None),
            outcome(3, Verdict::Measured(terms()), None),
            outcome(3, Verdict::Aggregated(terms(), reasons, 18_000), None),
        ];
        let mut shared = SharedOutcomes::default();
        for outcome in &outcomes {
            assert!(shared.keep(outcome).outcome() == *outcome);
        }
        assert_eq!(shared.0.len(), 4);
    }

    #[test]
    fn a_line_that_was_not_calculated_is_an_error() {
        let original_on = "2026-01-31".parse().expect("a day");
        let (base, before, cumulated, excess) = (5, 0, 5, 0);
        let reversal = Reversal { original: 3, original_on, base, before, cumulated, excess };
        let error = Originals::default().of(&reversal).err().expect("an error");
        assert!(error.to_string().contains("2026-01-31"), "{error}");
    }
}
