//! Where the claims of a day are decided. In: a claim as it stands, its next row and the funds. Out: what is
//! reserved, allowed, refused, held or paid now.

use super::{ClaimRow, Ordered, Pledged, Rules, State};
use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::currency::minor_units;
use crate::decimal::{
    AMOUNT_SCALE, EXACT_SCALE, MONEY_SCALE, RATE_SCALE, Rounding, divide, power_of_ten,
    round_product,
};
use crate::fund::ledger::{FundTerms, Ledger};
use crate::fund::status::Status;
use crate::program::Program;
use crate::reason::ClaimReason;
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// A claim's amount in program currency.
pub(super) fn in_program(program: &Program, amount: i128, rate: i128) -> Result<i128, Error> {
    round_product((amount, MONEY_SCALE), (rate, RATE_SCALE), program.unit())
}

/// The most of the claim's currency that costs no more than an amount in program currency.
fn within(amount: i128, rate: i128, currency: &str) -> Result<i128, Error> {
    let digits = minor_units(currency).unwrap_or(MONEY_SCALE);
    let amount = (amount, MONEY_SCALE);
    let found = divide(amount, (rate, RATE_SCALE), digits, Rounding::TowardZero)?;
    Ok(found * power_of_ten(MONEY_SCALE - digits))
}

/// What was allowed before, which isn't tested again, and the rate that it costs: all of what was sent; of
/// what wasn't, no less, as long as its fund is the same.
fn known<'a>(state: &State<'a>, row: &ClaimRow) -> Option<(&'a Ordered, i128)> {
    let claim = state.claim;
    if let Some(sent) = claim.sent.as_ref().filter(|sent| !sent.overclaimed) {
        return Some((sent, sent.rate));
    }
    let known = claim.allowed.as_ref()?;
    let decided = row.decided.is_some() || known.allowed >= state.allowed;
    (state.half == Some(known.half) && decided).then_some((known, state.rate?))
}

/// Where the claims of a day are decided.
pub(super) struct Desk<'a, 'b, R, T> {
    pub(super) rules: &'a Rules<'b, R>,
    pub(super) ledger: &'a mut Ledger<T>,
    /// What activities have of each fund, in program currency.
    pub(super) used: &'a mut BTreeMap<(FiscalHalf, String), i128>,
    pub(super) pledged: &'a Pledged<'b>,
    pub(super) day: NaiveDate,
}

impl<R, T> Desk<'_, '_, R, T>
where
    R: Fn(&str, Period) -> Option<i128>,
    T: Fn(FiscalHalf) -> FundTerms,
{
    /// Follows a row to its status.
    pub(super) fn follow<'a>(
        &mut self,
        state: &mut State<'a>,
        row: &'a ClaimRow,
    ) -> Result<(), Error> {
        let before = state.row.replace(row).map(|row| row.status);
        if state.held == Some(ClaimReason::Status) {
            return Ok(());
        }
        let repeated = before == Some(row.status);
        if !repeated && before.is_some_and(|before| !before.may_become(row.status)) {
            state.break_off(ClaimReason::Status, self.day);
            return Ok(());
        }
        match row.status {
            Status::Editing => Ok(()),
            Status::Unknown => {
                state.break_off(ClaimReason::Status, self.day);
                Ok(())
            }
            Status::Submitted | Status::UnderReview | Status::ActionRequired => {
                match state.tested {
                    Some(tested) if !tested.asks_like(row) => self.test(state, row),
                    _ => Ok(()),
                }
            }
            _ if repeated => Ok(()),
            Status::Disputed => self.reopen(state),
            Status::Approved => self.approve(state, row),
            Status::Sent => {
                if before != Some(Status::Approved) {
                    self.approve(state, row)?;
                }
                self.pay(state, row)
            }
            Status::Rejected | Status::RejectedFinal => {
                self.refuse(state, ClaimReason::Rejected);
                Ok(())
            }
            _ => {
                self.refuse(state, ClaimReason::Withdrawn);
                Ok(())
            }
        }
    }

    /// Tests what is asked: windows and activity, then the activity's limit, then the fund.
    pub(super) fn test<'a>(
        &mut self,
        state: &mut State<'a>,
        row: &'a ClaimRow,
    ) -> Result<(), Error> {
        let submitted_on = state.submitted_on.unwrap_or(self.day);
        self.set_reserve(state, 0);
        state.tested = Some(row);
        state.held = None;
        state.refused.clear();
        state.allowed = 0;
        let sent = state.claim.sent.as_ref();
        state.half = sent.map(|sent| sent.half).or_else(|| self.half(row, submitted_on));
        state.rate =
            sent.map(|sent| sent.rate).or_else(|| (self.rules.rate)(&row.currency, row.month));
        if let Some(reason) = self.objection(state, row, submitted_on) {
            state.refused.push((reason, row.asked));
            state.granted = (0, state.refused.clone());
            return Ok(());
        }
        let (Some(half), Some(rate)) = (state.half, state.rate) else {
            state.held = Some(ClaimReason::NoRate);
            return Ok(());
        };
        state.allowed = row.asked;
        let fund = self.left(half);
        let limits =
            [(ClaimReason::SubLimit, self.limit(half, row)?), (ClaimReason::Fund, Some(fund))];
        for (reason, limit) in limits {
            let Some(limit) = limit else { continue };
            self.reduce(state, row, (reason, limit), rate)?;
        }
        state.granted = (state.allowed, state.refused.clone());
        let amount = in_program(self.rules.program, state.allowed, rate)?;
        self.set_reserve(state, amount);
        Ok(())
    }

    /// What a claim may still have of a fund: what is there, and won't be taken by those that were allowed before.
    fn left(&self, half: FiscalHalf) -> i128 {
        let unpledged = self.ledger.most(half) - self.pledged.of_half(half);
        self.ledger.fund(half).claimable().min(unpledged.max(0))
    }

    /// Allows no more than a limit in program currency; the rest is refused, once per reason.
    fn reduce(
        &self,
        state: &mut State,
        row: &ClaimRow,
        (reason, limit): (ClaimReason, i128),
        rate: i128,
    ) -> Result<(), Error> {
        if in_program(self.rules.program, state.allowed, rate)? <= limit {
            return Ok(());
        }
        let allowed = within(limit, rate, &row.currency)?;
        let less = state.allowed - allowed;
        state.allowed = allowed;
        match state.refused.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, refused)) => *refused += less,
            None => state.refused.push((reason, less)),
        }
        Ok(())
    }

    /// The half that a row names, or the one used in the activity's month: of several the oldest that can
    /// still be claimed.
    fn half(&self, row: &ClaimRow, submitted_on: NaiveDate) -> Option<FiscalHalf> {
        let program = self.rules.program;
        if let Some(text) = &row.half {
            return FiscalHalf::named(text, program.fiscal_year_start).ok();
        }
        let mut half = program.fund_half(row.month);
        let mut used = Vec::new();
        // Months of use are 24 at most.
        for _ in 0..5 {
            half = half.previous();
            let open = program.fund_windows(half).map_or_else(
                || half.next() == program.fund_half(row.month),
                |windows| windows.use_open(row.month.first_day()),
            );
            used.extend(open.then_some(half));
        }
        let claimed = |half: &&FiscalHalf| {
            program.fund_windows(**half).is_none_or(|windows| windows.claim_open(submitted_on))
        };
        used.iter().rev().find(claimed).or(used.first()).copied()
    }

    /// The first reason why nothing of it can be allowed.
    fn objection(
        &self,
        state: &State,
        row: &ClaimRow,
        submitted_on: NaiveDate,
    ) -> Option<ClaimReason> {
        let program = self.rules.program;
        let Some(half) = state.half else { return Some(ClaimReason::NoFund) };
        let fund = self.ledger.fund(half);
        if fund.is_empty() {
            return Some(ClaimReason::NoFund);
        }
        let known = program.coop.activities.is_empty()
            || program.coop_activity(&row.activity, row.month).is_some();
        if !known {
            return Some(ClaimReason::NoActivity);
        }
        let windows = program.fund_windows(half);
        let used = windows.is_none_or(|windows| windows.use_open(row.month.first_day()));
        if !used {
            return Some(ClaimReason::OutsideUse);
        }
        if submitted_on < fund.terms.claim_from(windows) {
            return Some(ClaimReason::TooEarly);
        }
        if windows.is_some_and(|windows| submitted_on > windows.claim_to) {
            return Some(ClaimReason::TooLate);
        }
        (fund.terms.converted && fund.claimable() == 0).then_some(ClaimReason::Converted)
    }

    /// What the activity may still have of the fund, beside what was allowed before, in program currency;
    /// `None`: there is no limit.
    fn limit(&self, half: FiscalHalf, row: &ClaimRow) -> Result<Option<i128>, Error> {
        let activity = self.rules.program.coop_activity(&row.activity, row.month);
        let Some(limit) = activity.and_then(|activity| activity.limit) else { return Ok(None) };
        let whole = self.ledger.fund(half).whole().max(0);
        let whole = whole * power_of_ten(AMOUNT_SCALE - MONEY_SCALE);
        let exact = limit.claim(whole, 0)?.limit;
        let most = self.rules.program.unit().round(exact, EXACT_SCALE)?;
        let used = self.used.get(&(half, row.activity.clone())).copied().unwrap_or_default();
        Ok(Some((most - used - self.pledged.of_activity(half, &row.activity)).max(0)))
    }

    /// Brings a claim's reserve to an amount.
    fn set_reserve(&mut self, state: &mut State, amount: i128) {
        let change = amount - state.reserved;
        if let (Some(half), Some(tested)) = (state.half, state.tested)
            && change != 0
        {
            let expired = self.ledger.reserve(half, change);
            state.expired = (state.expired + expired).max(0);
            *self.used.entry((half, tested.activity.clone())).or_default() += change;
            state.reserved = amount;
        }
    }

    fn approve<'a>(&mut self, state: &mut State<'a>, row: &'a ClaimRow) -> Result<(), Error> {
        if let Some(tested) = state.tested
            && !tested.asks_like(row)
        {
            self.test(state, row)?;
        }
        state.decided_on = Some(self.day);
        if let Some((known, rate)) = known(state, row) {
            let amount = in_program(self.rules.program, known.allowed, rate)?;
            self.set_reserve(state, amount);
            state.differs |= match row.decided {
                Some(decided) => decided != known.allowed,
                // What the rules allow again, where less was.
                None => known.refused.iter().any(|(reason, _)| *reason == ClaimReason::Decided),
            };
            (state.allowed, state.refused, state.held) =
                (known.allowed, known.refused.clone(), None);
        } else if let Some(decided) = row.decided {
            let (Some(half), Some(rate)) = (state.half, state.rate) else {
                state.refused.clear();
                if state.half.is_none() {
                    state.break_off(ClaimReason::NoFund, self.day);
                } else {
                    state.held = Some(ClaimReason::NoRate);
                }
                return Ok(());
            };
            let amount = in_program(self.rules.program, decided, rate)?;
            let most = self.left(half) + state.reserved;
            state.refused.clear();
            if decided < 0 || decided > row.asked || amount > most {
                state.allowed = 0;
                state.break_off(ClaimReason::Overclaimed, self.day);
                return Ok(());
            }
            self.set_reserve(state, amount);
            state.allowed = decided;
            if decided < row.asked {
                state.refused.push((ClaimReason::Decided, row.asked - decided));
            }
        }
        state.approved_on = (state.allowed > 0).then_some(self.day);
        Ok(())
    }

    /// The export says that it was paid: a fact, even where it can't be.
    fn pay(&mut self, state: &mut State, row: &ClaimRow) -> Result<(), Error> {
        if let (Some(tested), Some(half), None) = (state.tested, state.half, state.held) {
            let asked = |row: &ClaimRow| (row.month, row.asked);
            state.differs |= asked(row) != asked(tested)
                || (&row.activity, &row.currency) != (&tested.activity, &tested.currency)
                || row.names_another(half, self.rules.program)
                || row.decided.is_some_and(|decided| decided != state.allowed);
        }
        if let (Some(ClaimReason::Overclaimed), Some(decided), Some(rate)) =
            (state.held, row.decided, state.rate)
        {
            let amount = in_program(self.rules.program, decided, rate)?;
            self.set_reserve(state, amount);
            state.allowed = decided;
            if decided < row.asked {
                state.refused.push((ClaimReason::Decided, row.asked - decided));
            }
            state.approved_on = Some(self.day);
        }
        let Some(half) = state.half.filter(|_| state.allowed > 0) else {
            if state.held.is_none() {
                state.break_off(ClaimReason::Status, self.day);
            }
            return Ok(());
        };
        self.ledger.pay(half, state.reserved);
        state.paid += state.reserved;
        state.reserved = 0;
        state.sent_on = Some(self.day);
        Ok(())
    }

    /// Nothing of it is allowed: its reserve is released, and expires if the fund has ended.
    fn refuse(&mut self, state: &mut State, reason: ClaimReason) {
        let Some(tested) = state.tested else { return };
        state.expired = 0;
        self.set_reserve(state, 0);
        state.allowed = 0;
        state.held = None;
        state.refused = vec![(reason, tested.asked)];
        state.decided_on = Some(self.day);
    }

    /// A refused claim is disputed: what was allowed once is reserved again, as far as the fund has it.
    fn reopen(&mut self, state: &mut State) -> Result<(), Error> {
        let Some(tested) = state.tested else { return Ok(()) };
        state.decided_on = None;
        let (Some(half), Some(rate)) = (state.half, state.rate) else {
            return self.test(state, tested);
        };
        (state.allowed, state.refused) = state.granted.clone();
        self.reduce(state, tested, (ClaimReason::Fund, self.left(half)), rate)?;
        let amount = in_program(self.rules.program, state.allowed, rate)?;
        self.set_reserve(state, amount);
        Ok(())
    }
}
