//! The second evaluator of co-op funds: what a fund has on a day, from the earnings that count by then and
//! from claims so far, half by half. It keeps no running balance: each figure is worked out anew.

use crate::random::{Terms, payment_exchange};
use chrono::{Days, Months, NaiveDate};
use std::collections::BTreeMap;

/// Halves are counted from January of year 0.
pub type Half = i32;

pub fn half_of(month: i32) -> Half {
    month.div_euclid(6)
}

/// The fiscal year begins in July.
pub fn half_name(half: Half) -> String {
    let year = half.div_euclid(2) + half.rem_euclid(2);
    format!("FY{:02}H{}", year % 100, 2 - half.rem_euclid(2))
}

/// The first day of a month counted from January of year 0.
pub fn first_of(month: i32) -> NaiveDate {
    let month_of_year = u32::try_from(month.rem_euclid(12)).expect("small") + 1;
    NaiveDate::from_ymd_opt(month.div_euclid(12), month_of_year, 1).expect("a day")
}

/// The first day after a half.
fn end_of(half: Half) -> NaiveDate {
    first_of(6 * (half + 1))
}

/// The day on which a month is due: the 15th, two months later.
fn due_on(month: i32) -> NaiveDate {
    first_of(month + 2) + Days::new(14)
}

/// The day on which a month's co-op of a half counts for its threshold: what is known then does.
fn enters_on(month: i32, half: Half) -> NaiveDate {
    let decided_on = due_on(6 * half + 5);
    if first_of(month + 1) <= decided_on { due_on(month).min(decided_on) } else { due_on(month) }
}

/// The rules of a program's funds. Cents, days, months.
#[derive(Clone)]
pub struct Rules {
    pub threshold: Option<i128>,
    pub window: Option<Window>,
    /// Of activity 0: the share in hundredths, and the amount.
    pub limit: Option<(i128, i128)>,
    pub rollover: Option<(Half, Half)>,
    /// The program's currency.
    pub euro: bool,
}

#[derive(Clone, Copy)]
pub struct Window {
    pub use_months: u32,
    pub opens_after: u64,
    pub claim_days: u64,
}

/// Co-op: the month that books it, its half, cents, the day from which on it counts.
pub type Coop = (i32, Half, i128, NaiveDate);

#[derive(Clone)]
pub struct Claim {
    pub id: String,
    pub half: Half,
    /// 0 may be limited, 1 is not, 2 is none that the program knows.
    pub activity: usize,
    pub month: i32,
    pub euro: bool,
    pub asked: i128,
    pub submitted_on: NaiveDate,
    /// Statuses with their days, in order, the first `Submitted` on the day it is submitted.
    pub rows: Vec<(&'static str, NaiveDate)>,
    /// What is allowed when it is approved, if not what the rules allow.
    pub decided: Option<i128>,
}

/// What became of a claim.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    pub allowed: i128,
    pub refused: Vec<(&'static str, i128)>,
    pub held: Option<&'static str>,
    pub reserved: i128,
    pub paid: i128,
    pub approved: bool,
    granted: (i128, Vec<(&'static str, i128)>),
}

/// The funds of one participant in one program, with claims as they stand.
pub struct Funds<'a> {
    pub terms: &'a Terms,
    pub rules: &'a Rules,
    pub coop: &'a [Coop],
    pub as_of: NaiveDate,
    pub claims: &'a [Claim],
    pub fates: Vec<Fate>,
}

impl Funds<'_> {
    fn earned(&self, half: Half, by: NaiveDate) -> i128 {
        let own = self.coop.iter().filter(|(_, of, _, counts_on)| *of == half && *counts_on <= by);
        own.map(|(_, _, cents, _)| cents).sum()
    }

    /// Co-op of months that are over when the half's last is due, once there is any; and whether it qualifies.
    pub fn decision(&self, half: Half) -> Option<(i128, bool)> {
        let threshold = self.rules.threshold?;
        let own = || self.coop.iter().filter(|(_, of, ..)| *of == half);
        if due_on(6 * half + 5) > self.as_of
            || !own().any(|(month, ..)| enters_on(*month, half) <= self.as_of)
        {
            return None;
        }
        let decides = |month: i32| enters_on(month, half) <= due_on(6 * half + 5);
        let measured: i128 =
            own().filter(|(month, ..)| decides(*month)).map(|(_, _, cents, _)| cents).sum();
        Some((measured, measured >= threshold))
    }

    fn is_converted(&self, half: Half) -> bool {
        self.decision(half).is_some_and(|(_, qualified)| !qualified)
    }

    /// What became rebate by the as-of date.
    pub fn converted(&self, half: Half) -> i128 {
        let due = |month: i32| enters_on(month, half) <= self.as_of;
        let own = self.coop.iter().filter(|(month, of, ..)| *of == half && due(*month));
        if self.is_converted(half) { own.map(|(_, _, cents, _)| cents).sum() } else { 0 }
    }

    fn settled_on(&self, half: Half) -> NaiveDate {
        if self.rules.threshold.is_some() { due_on(6 * half + 5) } else { end_of(half) }
    }

    fn ends_on(&self, half: Half) -> Option<NaiveDate> {
        let window = self.rules.window?;
        let used_up = end_of(half) + Months::new(window.use_months);
        Some((used_up + Days::new(window.claim_days)).max(self.settled_on(half)))
    }

    /// Paid and reserved for its claims.
    fn claimed(&self, half: Half) -> i128 {
        let own = self.claims.iter().zip(&self.fates).filter(|(claim, _)| claim.half == half);
        own.map(|(_, fate)| fate.paid + fate.reserved).sum()
    }

    fn whole(&self, half: Half, day: NaiveDate) -> i128 {
        let own = if self.is_converted(half) { 0 } else { self.earned(half, day) };
        own + self.rolled_in(half, day)
    }

    fn free(&self, half: Half, day: NaiveDate) -> i128 {
        self.whole(half, day) - self.claimed(half)
    }

    fn over(&self, half: Half, day: NaiveDate) -> i128 {
        let ended = self.ends_on(half).is_some_and(|end| end <= day);
        if ended { self.free(half, day).max(0) } else { 0 }
    }

    fn rolls(&self, half: Half) -> bool {
        self.rules.rollover.is_some_and(|(from, _)| from == half)
    }

    pub fn expired(&self, half: Half, day: NaiveDate) -> i128 {
        if self.rolls(half) { 0 } else { self.over(half, day) }
    }

    fn rolled(&self, half: Half, day: NaiveDate) -> i128 {
        if self.rolls(half) { self.over(half, day) } else { 0 }
    }

    fn missing(&self, half: Half, day: NaiveDate) -> i128 {
        if self.rules.window.is_none() || day < self.settled_on(half) {
            return 0;
        }
        (-self.free(half, day)).max(0)
    }

    pub fn rolled_out(&self, half: Half, day: NaiveDate) -> i128 {
        self.rolled(half, day) - self.missing(half, day)
    }

    pub fn rolled_in(&self, half: Half, day: NaiveDate) -> i128 {
        let first = self.coop.iter().map(|(_, of, ..)| *of).min().unwrap_or(half);
        // Nothing moved before the first that has any of its own or a claim.
        if half <= first {
            return 0;
        }
        let rolled = self.rules.rollover.filter(|(_, to)| *to == half);
        rolled.map_or(0, |(from, _)| self.rolled(from, day)) - self.missing(half - 1, day)
    }

    fn claimable(&self, half: Half, day: NaiveDate) -> i128 {
        (self.free(half, day) - self.rolled(half, day)).max(0)
    }

    /// In cents of the program's currency.
    pub fn costs(&self, claim: &Claim, amount: i128) -> i128 {
        self.terms.divided(amount * self.rate(claim), 100)
    }

    fn rate(&self, claim: &Claim) -> i128 {
        if claim.euro == self.rules.euro { 100 } else { payment_exchange(claim.euro, claim.month) }
    }

    fn objection(&self, claim: &Claim) -> Option<&'static str> {
        let (half, day) = (claim.half, claim.submitted_on);
        let moved = [self.earned(half, day), self.rolled_in(half, day), self.converted(half)];
        if moved == [0; 3] && self.claimed(half) == 0 {
            return Some("NO_FUND");
        }
        if claim.activity == 2 {
            return Some("NO_ACTIVITY");
        }
        let (mut opens_on, mut ends_on) = (self.settled_on(half), NaiveDate::MAX);
        if let Some(window) = self.rules.window {
            let used_from = end_of(half);
            let used_until = used_from + Months::new(window.use_months);
            if !(used_from..used_until).contains(&first_of(claim.month)) {
                return Some("OUTSIDE_USE");
            }
            opens_on = opens_on.max(used_from + Days::new(window.opens_after));
            ends_on = used_until + Days::new(window.claim_days);
        }
        if day < opens_on {
            Some("TOO_EARLY")
        } else if day >= ends_on {
            Some("TOO_LATE")
        } else {
            (self.is_converted(half) && self.claimable(half, day) == 0).then_some("CONVERTED")
        }
    }

    /// The most of the claim's currency that costs no more.
    fn within(&self, claim: &Claim, most: i128) -> i128 {
        most * 100 / self.rate(claim)
    }

    fn limit(&self, claim: &Claim, day: NaiveDate) -> Option<i128> {
        let (share, amount) = self.rules.limit.filter(|_| claim.activity == 0)?;
        let share = self.terms.divided(self.whole(claim.half, day).max(0) * share, 100);
        let most = share.max(amount);
        let same = |other: &Claim| other.half == claim.half && other.activity == claim.activity;
        let used = self.claims.iter().zip(&self.fates).filter(|(other, _)| same(other));
        Some((most - used.map(|(_, fate)| fate.paid + fate.reserved).sum::<i128>()).max(0))
    }

    fn test(&mut self, number: usize) {
        let claim = &self.claims[number];
        let mut fate = Fate::default();
        if let Some(reason) = self.objection(claim) {
            fate.refused.push((reason, claim.asked));
        } else {
            fate.allowed = claim.asked;
            let day = claim.submitted_on;
            for (reason, limit) in [
                ("SUB_LIMIT", self.limit(claim, day)),
                ("FUND_USED_UP", Some(self.claimable(claim.half, day))),
            ] {
                self.reduce(claim, &mut fate, reason, limit);
            }
            fate.reserved = self.costs(claim, fate.allowed);
        }
        fate.granted = (fate.allowed, fate.refused.clone());
        self.fates[number] = fate;
    }

    fn reduce(&self, claim: &Claim, fate: &mut Fate, reason: &'static str, limit: Option<i128>) {
        if let Some(limit) = limit.filter(|limit| self.costs(claim, fate.allowed) > *limit) {
            let allowed = self.within(claim, limit);
            let less = fate.allowed - allowed;
            fate.allowed = allowed;
            match fate.refused.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, refused)) => *refused += less,
                None => fate.refused.push((reason, less)),
            }
        }
    }

    fn follow(&mut self, number: usize, status: &str, day: NaiveDate) {
        let claim = &self.claims[number];
        let mut fate = self.fates[number].clone();
        if fate.held == Some("STATUS") {
            return;
        }
        match status {
            "Approved" => {
                if let Some(decided) = claim.decided {
                    let most = self.claimable(claim.half, day) + fate.reserved;
                    fate.refused.clear();
                    fate.allowed = decided;
                    if self.costs(claim, decided) > most {
                        fate.allowed = 0;
                        fate.held = Some("OVERCLAIMED");
                    } else {
                        fate.reserved = self.costs(claim, decided);
                        if decided < claim.asked {
                            fate.refused.push(("DECIDED", claim.asked - decided));
                        }
                    }
                }
                fate.approved = fate.allowed > 0;
            }
            "Sent" if fate.allowed > 0 => {
                fate.paid = fate.reserved;
                fate.reserved = 0;
            }
            "Sent" => fate.held = fate.held.or(Some("STATUS")),
            "Disputed" => {
                (fate.allowed, fate.refused) = fate.granted.clone();
                let most = self.claimable(claim.half, day);
                self.reduce(claim, &mut fate, "FUND_USED_UP", Some(most));
                fate.reserved = self.costs(claim, fate.allowed);
            }
            "Rejected" | "Canceled" => {
                let reason = if status == "Rejected" { "REJECTED" } else { "WITHDRAWN" };
                fate.refused = vec![(reason, claim.asked)];
                (fate.allowed, fate.reserved) = (0, 0);
            }
            _ => {}
        }
        self.fates[number] = fate;
    }

    /// All claims, day by day, those of a day one after the other.
    pub fn decide(&mut self) {
        self.fates = vec![Fate::default(); self.claims.len()];
        let mut events: BTreeMap<(NaiveDate, usize, usize), &'static str> = BTreeMap::new();
        for (number, claim) in self.claims.iter().enumerate() {
            for (place, (status, day)) in claim.rows.iter().enumerate() {
                events.insert((*day, number, place), status);
            }
        }
        for ((day, number, place), status) in events {
            if place == 0 { self.test(number) } else { self.follow(number, status, day) }
        }
    }
}
