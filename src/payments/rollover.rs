//! Co-op of a half below the threshold becomes rebate. In: co-op postings of all accounts, what was
//! decided for good, and halves of which claims were allowed. Out: one decision per participant × program × half that is due, and the rebate
//! postings that follow.

use super::Posting;
use crate::closes::Closed;
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::conversion::{Conversion, carry_on, convert, qualifies};
use earnest_core::earning::{EarningType, EntryKind};
use earnest_core::program::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The lever under which converted co-op is paid.
pub const LEVER: &str = "coop_rollover";

/// What became of a half's co-op.
pub struct Decision {
    /// Position of the program.
    pub program: usize,
    pub participant: Arc<str>,
    pub half: FiscalHalf,
    /// The cycle that decides: the half's last month is due in it, or it is the oldest open one.
    pub cycle: Period,
    pub threshold: i128,
    /// It was decided for good.
    pub frozen: bool,
    /// By a close, which keeps the row.
    pub kept: bool,
    /// With what converted by the as-of date.
    pub conversion: Conversion,
    /// Co-op earnings by the cycle in which they convert.
    earnings: BTreeMap<Period, i64>,
}

/// Decides every half that is due by `as_of`, of programs with a threshold. `postings` are those of all
/// accounts, each account's together, co-op with its half. What a close froze stays, with the threshold of then,
/// whatever the program says since. The halves that `stay` qualify whatever they measure: what claims have of them
/// can't be paid as rebate too.
pub fn decide(
    programs: &[Program],
    postings: &[Posting],
    (closed, stay): (&Closed, &BTreeSet<(usize, String, FiscalHalf)>),
    as_of: NaiveDate,
) -> Vec<Decision> {
    let mut halves: BTreeMap<(usize, &str, FiscalHalf), Vec<&Posting>> = BTreeMap::new();
    for posting in postings {
        if let Some(half) = posting.fund_half {
            let key = (posting.program, &*posting.participant, half);
            halves.entry(key).or_default().push(posting);
        }
    }
    let decisions = halves.into_iter().filter_map(|((position, participant, half), postings)| {
        let program = &programs[position];
        let frozen = closed.threshold(position, participant, half);
        let threshold = match frozen {
            Some(frozen) => frozen.threshold,
            None => program.coop_threshold(half)?,
        };
        let own = program.due_cycle(half.last(), EarningType::Coop);
        let cycle = match (frozen, closed.last) {
            (Some(frozen), _) => frozen.cycle,
            (None, Some(last)) => own.max(last.plus(1)),
            (None, None) => own,
        };
        let due_on = program.due_day(cycle, EarningType::Coop);
        if due_on > as_of {
            return None;
        }
        let known_by = frozen.map_or(as_of, |_| closed.known_by(cycle).unwrap_or(due_on));
        // A refund that is known when the half is decided counts then, though its own month is due later.
        let enters = |posting: &Posting| {
            let own = posting.cycle(program);
            let known = posting.entered.is_none()
                && posting.period.last_day() <= due_on
                && posting.known_on.is_none_or(|day| day <= known_by);
            if known { own.min(cycle) } else { own }
        };
        let due = |posting: &&Posting| program.due_day(enters(posting), EarningType::Coop) <= as_of;
        let due: Vec<&Posting> = postings.into_iter().filter(due).collect();
        let entered = due.iter().map(|posting| (enters(posting), posting.amount));
        let stays = stay.contains(&(position, participant.to_owned(), half));
        let mut earnings: BTreeMap<Period, i64> = BTreeMap::new();
        for posting in &due {
            *earnings.entry(enters(posting).max(cycle)).or_default() += posting.earnings;
        }
        Some(Decision {
            program: position,
            participant: Arc::clone(&due.first()?.participant),
            half,
            cycle,
            threshold,
            frozen: frozen.is_some(),
            kept: frozen.is_some_and(|frozen| frozen.kept),
            conversion: match frozen {
                Some(frozen) => Conversion {
                    measured: frozen.measured,
                    ..carry_on(entered, cycle, frozen.qualified)
                },
                // All of it came after the close of its own cycle.
                None if cycle > own => {
                    let counts = |posting: &&&Posting| {
                        posting.period <= half.last() || enters(posting) <= cycle
                    };
                    let of_half = due.iter().filter(counts);
                    let measured = of_half.map(|posting| posting.amount).sum();
                    let qualified = stays || qualifies(measured, threshold);
                    Conversion { measured, ..carry_on(entered, cycle, qualified) }
                }
                None if stays => carry_on(entered, cycle, true),
                None => convert(entered, cycle, threshold),
            },
            earnings,
        })
    });
    decisions.collect()
}

impl Decision {
    /// What left the fund.
    pub fn converted(&self) -> i128 {
        self.conversion.converted.iter().map(|(_, amount)| amount).sum()
    }

    /// What comes in as rebate, of the half's last month and its term (of the last one, if that ended within the
    /// half): what converts after the half was decided for good is late.
    pub fn postings<'a>(&'a self, program: &Program) -> impl Iterator<Item = Posting> + use<'a> {
        let last = self.half.last().last_day();
        let term: Arc<str> = program.term_by(last).map_or("", |term| term.term.as_str()).into();
        let currency: Arc<str> = Arc::from(program.currency.as_str());
        self.conversion.converted.iter().map(move |&(cycle, amount)| Posting {
            program: self.program,
            lever: Arc::from(LEVER),
            term: Arc::clone(&term),
            earning_type: EarningType::Rebate,
            participant: Arc::clone(&self.participant),
            period: self.half.last(),
            fund_half: None,
            converted_in: Some(cycle),
            kind: if self.kept && cycle > self.cycle {
                EntryKind::Late
            } else {
                EntryKind::Regular
            },
            entered: None,
            known_on: None,
            amount,
            currency: Arc::clone(&currency),
            own_amount: amount,
            earnings: self.earnings[&cycle],
        })
    }
}
