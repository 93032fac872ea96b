//! The co-op funds of one participant in one program, day by day. In: co-op earned by day, what claims
//! reserve, release and are paid, and each half's terms. Out: every movement of each fund, and what
//! expired or came back on which day. Amounts in program currency, money scale. Source: RULES 6.
//!
//! Once a half is over (and, where there is a threshold, decided), a fund is never below what is
//! reserved: what is missing becomes a negative opening of the next half. Once its fund has ended, it
//! has nothing besides: what is too much expires or rolls over, and comes back if it is needed. So what a
//! fund has in the end doesn't depend on the order of what happens on a day.

use super::FundWindows;
use crate::calendar::FiscalHalf;
use crate::waterfall::FundMovements;
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a half's fund beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundTerms {
    /// First day on which the fund is what it is: the half is over and its threshold decided.
    pub settled_on: NaiveDate,
    /// All of its own co-op became rebate: it only passes through.
    pub converted: bool,
    /// The day on which what is left ends, and the half that it moves to; `None` there: it expires.
    pub end: Option<(NaiveDate, Option<FiscalHalf>)>,
}

impl FundTerms {
    /// First day on which it is claimed: its window is open, and it is settled.
    #[must_use]
    pub fn claim_from(&self, windows: Option<FundWindows>) -> NaiveDate {
        windows.map_or(self.settled_on, |windows| windows.claim_from.max(self.settled_on))
    }

    /// The end can't come before the fund is settled.
    fn ends_on(&self) -> Option<NaiveDate> {
        self.end.map(|(day, _)| day.max(self.settled_on))
    }
}

/// A fund's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fund {
    pub terms: FundTerms,
    pub movements: FundMovements,
    /// For claims that are not paid yet.
    pub reserved: i128,
    /// Part of `earned` of days that have come.
    effective: i128,
    /// Moved on by an exceptional rollover, and missing, moved on as a negative opening.
    rolled: i128,
    missing: i128,
}

impl Fund {
    fn new(terms: FundTerms) -> Fund {
        Fund {
            terms,
            movements: FundMovements::default(),
            reserved: 0,
            effective: 0,
            rolled: 0,
            missing: 0,
        }
    }

    /// What claims can be tested against: all that came in, before claims.
    #[must_use]
    pub fn whole(&self) -> i128 {
        let earned = if self.terms.converted { 0 } else { self.effective };
        earned + self.movements.adjusted + self.movements.rolled_in
    }

    /// What the fund would have if nothing expired or moved on.
    fn free(&self) -> i128 {
        self.whole() - self.movements.claims_paid - self.reserved
    }

    /// What expired and did not come back.
    #[must_use]
    pub fn expired(&self) -> i128 {
        self.movements.expired - self.movements.expiry_reversed
    }

    /// What a claim may still reserve: nothing that has moved on, but what has expired, which then comes
    /// back.
    #[must_use]
    pub fn claimable(&self) -> i128 {
        (self.free() - self.rolled).max(0)
    }

    /// The fund identity holds by construction; `left` may be less than `reserved` only before the half is
    /// settled.
    #[must_use]
    pub fn left(&self) -> i128 {
        self.movements.left()
    }

    #[must_use]
    pub fn available(&self) -> i128 {
        self.left() - self.reserved
    }

    /// True if nothing ever moved.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.movements == FundMovements::default() && self.reserved == 0
    }
}

/// What expired on a day; negative: it came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub day: NaiveDate,
    pub half: FiscalHalf,
    pub amount: i128,
}

/// The funds of one participant in one program.
pub struct Ledger<T> {
    terms: T,
    funds: BTreeMap<FiscalHalf, Fund>,
    /// Co-op of days to come, by day, the day on which it is booked, and half.
    coming: BTreeMap<(NaiveDate, NaiveDate, FiscalHalf), i128>,
    today: NaiveDate,
    /// The day on which what expires now is booked, at the earliest.
    booked: NaiveDate,
    expiries: BTreeMap<(NaiveDate, FiscalHalf), i128>,
}

impl<T: Fn(FiscalHalf) -> FundTerms> Ledger<T> {
    /// `earned` is co-op by the day on which it counts, and half; it is booked on that day.
    pub fn new(terms: T, earned: impl IntoIterator<Item = (NaiveDate, FiscalHalf, i128)>) -> Self {
        Ledger::booked(
            terms,
            earned.into_iter().map(|(day, half, amount)| (day, day, half, amount)),
        )
    }

    /// `earned` is co-op by the day on which it counts, the day, not after it, on which it is booked, and half.
    pub fn booked(
        terms: T,
        earned: impl IntoIterator<Item = (NaiveDate, NaiveDate, FiscalHalf, i128)>,
    ) -> Self {
        let mut coming: BTreeMap<(NaiveDate, NaiveDate, FiscalHalf), i128> = BTreeMap::new();
        for (day, booked, half, amount) in earned {
            *coming.entry((day, booked, half)).or_default() += amount;
        }
        let (funds, expiries) = (BTreeMap::new(), BTreeMap::new());
        let first = NaiveDate::MIN;
        Ledger { terms, funds, coming, today: first, booked: first, expiries }
    }

    /// Lets everything happen up to the end of a day, before the day's claims.
    pub fn advance(&mut self, to: NaiveDate) {
        while let Some(day) = self.next_day().filter(|day| *day <= to) {
            self.today = day;
            while let Some(((_, booked, half), amount)) = self.earned_by(day) {
                let fund = self.fund_mut(half);
                fund.effective += amount;
                fund.movements.earned += amount;
                if booked < day {
                    self.booked = booked;
                    self.balance(half);
                }
            }
            self.booked = day;
            let halves: Vec<FiscalHalf> = self.funds.keys().copied().collect();
            halves.into_iter().for_each(|half| self.balance(half));
        }
        self.today = self.today.max(to);
        self.booked = self.today;
    }

    /// The next day on which anything happens by itself.
    fn next_day(&self) -> Option<NaiveDate> {
        let earned = self.coming.keys().map(|(day, ..)| *day).take(1);
        let days = self.funds.values().flat_map(|fund| {
            [Some(fund.terms.settled_on), fund.terms.ends_on()].into_iter().flatten()
        });
        let later: BTreeSet<NaiveDate> = days.filter(|day| *day > self.today).collect();
        earned.chain(later.first().copied()).min()
    }

    fn earned_by(&mut self, day: NaiveDate) -> Option<((NaiveDate, NaiveDate, FiscalHalf), i128)> {
        let first = self.coming.first_entry()?;
        if first.key().0 > day { None } else { Some(first.remove_entry()) }
    }

    /// The fund of a half.
    #[must_use]
    pub fn fund(&self, half: FiscalHalf) -> Fund {
        self.funds.get(&half).copied().unwrap_or_else(|| Fund::new((self.terms)(half)))
    }

    fn fund_mut(&mut self, half: FiscalHalf) -> &mut Fund {
        let terms = &self.terms;
        self.funds.entry(half).or_insert_with(|| Fund::new(terms(half)))
    }

    /// The most that a fund will have from today on, without what is reserved, paid or moved on.
    #[must_use]
    pub fn most(&self, half: FiscalHalf) -> i128 {
        let fund = self.fund(half);
        let own = self.coming.iter().filter(|((.., of), _)| *of == half && !fund.terms.converted);
        let coming = own.scan(0, |sum, (_, amount)| {
            *sum += amount;
            Some(*sum)
        });
        fund.free() - fund.rolled + coming.max().unwrap_or_default().max(0)
    }

    /// Reserves for a claim; negative: releases. Gives what expired through it.
    pub fn reserve(&mut self, half: FiscalHalf, amount: i128) -> i128 {
        let before = self.fund(half).expired();
        self.fund_mut(half).reserved += amount;
        self.balance(half);
        self.fund(half).expired() - before
    }

    /// Pays what was reserved.
    pub fn pay(&mut self, half: FiscalHalf, amount: i128) {
        let fund = self.fund_mut(half);
        fund.reserved -= amount;
        fund.movements.claims_paid += amount;
        self.balance(half);
    }

    /// Books co-op that became rebate.
    pub fn convert(&mut self, half: FiscalHalf, amount: i128) {
        self.fund_mut(half).movements.converted += amount;
    }

    /// Brings a settled fund to what it must have today.
    fn balance(&mut self, half: FiscalHalf) {
        let (today, booked) = (self.today, self.booked);
        let fund = self.fund_mut(half);
        let Some((_, to)) = fund.terms.end else { return };
        if today < fund.terms.settled_on {
            return;
        }
        let free = fund.free();
        let booked = fund.terms.ends_on().map_or(booked, |end| booked.max(end));
        let over = fund.terms.ends_on().is_some_and(|end| end <= today);
        let surplus = if over { free.max(0) } else { 0 };
        let (expired, rolled) = if to.is_some() { (0, surplus) } else { (surplus, 0) };
        let expires = expired - fund.expired();
        if expires > 0 {
            fund.movements.expired += expires;
        } else {
            fund.movements.expiry_reversed -= expires;
        }
        let moves =
            [(to, rolled - fund.rolled), (Some(half.next()), fund.missing - (-free).max(0))];
        (fund.rolled, fund.missing) = (rolled, (-free).max(0));
        fund.movements.rolled_out = fund.rolled - fund.missing;
        if expires != 0 {
            *self.expiries.entry((booked, half)).or_default() += expires;
        }
        for (to, amount) in moves {
            if let (Some(to), true) = (to, amount != 0) {
                self.fund_mut(to).movements.rolled_in += amount;
                self.balance(to);
            }
        }
    }

    /// The funds as they stand, with co-op of days to come, and what expired when.
    #[must_use]
    pub fn close(mut self) -> (BTreeMap<FiscalHalf, Fund>, Vec<Expiry>) {
        for ((.., half), amount) in std::mem::take(&mut self.coming) {
            self.fund_mut(half).movements.earned += amount;
        }
        let expiries = self.expiries.into_iter().filter(|(_, amount)| *amount != 0);
        let expiry = |((day, half), amount)| Expiry { day, half, amount };
        (self.funds, expiries.map(expiry).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn half(name: &str) -> FiscalHalf {
        FiscalHalf::named(name, 7).expect("a half")
    }

    /// Settled when it is over, at an end 227 days later: FY21H1 on 2021-08-16.
    fn terms(of: FiscalHalf) -> FundTerms {
        let settled_on = of.end().first_day();
        let end = Some((of.end().plus(7).day(16), None));
        FundTerms { settled_on, converted: false, end }
    }

    fn ledger(earned: &[(&str, &str, i128)]) -> Ledger<fn(FiscalHalf) -> FundTerms> {
        let earned = earned.iter().map(|(on, of, amount)| (day(on), half(of), *amount));
        Ledger::new(terms as fn(FiscalHalf) -> FundTerms, earned.collect::<Vec<_>>())
    }

    fn left(funds: &BTreeMap<FiscalHalf, Fund>, of: &str) -> [i128; 3] {
        let fund = funds[&half(of)];
        assert!(fund.movements.verify(fund.left(), fund.reserved, fund.available()).is_ok());
        [fund.left(), fund.reserved, fund.available()]
    }

    #[test]
    fn what_is_left_expires_without_what_is_reserved() {
        let mut ledger = ledger(&[("2020-08-31", "FY21H1", 100)]);
        ledger.advance(day("2021-03-01"));
        assert_eq!(ledger.reserve(half("FY21H1"), 30), 0);
        ledger.advance(day("2021-08-15"));
        assert_eq!(ledger.fund(half("FY21H1")).expired(), 0);
        ledger.advance(day("2021-08-16"));
        assert_eq!(ledger.fund(half("FY21H1")).expired(), 70);
        ledger.advance(day("2021-09-10"));
        assert_eq!(ledger.reserve(half("FY21H1"), -30), 30, "refused later, expires then");
        let (funds, expiries) = ledger.close();
        assert_eq!(left(&funds, "FY21H1"), [0, 0, 0]);
        let days: Vec<_> = expiries.iter().map(|one| (one.day, one.amount)).collect();
        assert_eq!(days, [(day("2021-08-16"), 70), (day("2021-09-10"), 30)]);
    }

    #[test]
    fn reductions_take_what_is_available_then_expiry_then_the_next_half() {
        let earned = [
            ("2020-08-31", "FY21H1", 100),
            ("2021-02-28", "FY21H2", 50),
            ("2021-07-31", "FY21H1", -10),
            ("2021-09-30", "FY21H1", -75),
        ];
        let mut ledger = ledger(&earned);
        ledger.advance(day("2021-03-01"));
        ledger.reserve(half("FY21H1"), 40);
        ledger.pay(half("FY21H1"), 40);
        ledger.advance(day("2021-08-31"));
        let fund = ledger.fund(half("FY21H1"));
        assert_eq!((fund.expired(), fund.left()), (50, 0), "10 of 60 were taken in July");
        ledger.advance(day("2021-12-31"));
        let (funds, expiries) = ledger.close();
        let movements = funds[&half("FY21H1")].movements;
        assert_eq!((movements.expired, movements.expiry_reversed), (50, 50));
        assert_eq!((movements.earned, movements.rolled_out), (15, -25));
        assert_eq!(left(&funds, "FY21H1"), [0, 0, 0]);
        assert_eq!(funds[&half("FY21H2")].movements.rolled_in, -25);
        assert_eq!(left(&funds, "FY21H2"), [25, 0, 25]);
        let days: Vec<_> = expiries.iter().map(|one| (one.day, one.amount)).collect();
        assert_eq!(days, [(day("2021-08-16"), 50), (day("2021-09-30"), -50)]);
    }

    /// The books don't show when it became known, the funds do.
    #[test]
    fn a_refund_known_later_is_booked_with_its_month() {
        let of = half("FY21H1");
        let refund = |month: &str, known: &str| {
            let earned = [
                (day("2020-08-31"), day("2020-08-31"), of, 100),
                (day(known), day(month), of, -30),
            ];
            let mut ledger = Ledger::booked(terms, earned);
            ledger.advance(day("2021-08-20"));
            let before = ledger.fund(of).expired();
            ledger.advance(day("2021-12-31"));
            let (_, expiries) = ledger.close();
            let days: Vec<_> = expiries.iter().map(|one| (one.day, one.amount)).collect();
            (before, days)
        };
        let (july, september) = (("2021-07-31", "2021-09-10"), ("2021-09-30", "2021-10-07"));
        assert_eq!(refund(july.0, july.1), (100, vec![(day("2021-08-16"), 70)]));
        let both = vec![(day("2021-08-16"), 100), (day("2021-09-30"), -30)];
        assert_eq!(refund(september.0, september.1), (100, both));
    }

    #[test]
    fn a_deficit_goes_on_until_a_half_can_bear_it_and_comes_back() {
        let earned = [("2020-08-31", "FY21H1", 10), ("2021-03-31", "FY21H1", -30)];
        let mut first = ledger(&earned);
        first.advance(day("2021-12-31"));
        let (funds, _) = first.close();
        assert_eq!(left(&funds, "FY21H2"), [0, 0, 0], "over too");
        assert_eq!(left(&funds, "FY22H1"), [-20, 0, -20], "not over: earnings may make up for it");
        let mut made_up = ledger(&[earned[0], earned[1], ("2022-01-31", "FY21H1", 25)]);
        made_up.advance(day("2022-01-31"));
        let (funds, expiries) = made_up.close();
        assert_eq!(left(&funds, "FY22H1"), [0, 0, 0]);
        assert_eq!(expiries.iter().map(|one| one.amount).collect::<Vec<_>>(), [5], "late co-op");
    }

    #[test]
    fn a_rollover_moves_what_would_expire() {
        let (from, to) = (half("FY21H1"), half("FY21H2"));
        let terms = |of| match terms(of) {
            terms if of == from => FundTerms { end: Some((day("2021-07-01"), Some(to))), ..terms },
            terms => terms,
        };
        let mut ledger = Ledger::new(terms, [(day("2020-08-31"), from, 100)]);
        ledger.advance(day("2021-06-30"));
        ledger.reserve(from, 40);
        ledger.advance(day("2021-07-01"));
        assert_eq!(ledger.fund(from).claimable(), 0, "it has moved on");
        ledger.advance(day("2021-09-01"));
        ledger.reserve(from, -40);
        let (funds, expiries) = ledger.close();
        assert_eq!((left(&funds, "FY21H1"), left(&funds, "FY21H2")), ([0; 3], [100, 0, 100]));
        assert_eq!(expiries, []);
    }

    #[test]
    fn a_converted_half_only_passes_through() {
        let (from, next) = (half("FY21H1"), half("FY21H2"));
        let terms = |of| FundTerms { converted: of == next, ..terms(of) };
        let earned = [
            (day("2020-08-31"), from, 10),
            (day("2021-02-28"), next, 50),
            (day("2021-07-31"), from, -30),
        ];
        let mut ledger = Ledger::new(terms, earned);
        ledger.convert(next, 50);
        ledger.advance(day("2021-12-31"));
        let (funds, expiries) = ledger.close();
        assert_eq!((left(&funds, "FY21H2"), left(&funds, "FY22H1")), ([0; 3], [-20, 0, -20]));
        assert_eq!(expiries, [], "nothing of it can expire");
    }

    #[test]
    fn co_op_of_days_to_come_is_earned_but_decides_nothing() {
        let mut ledger = ledger(&[("2020-08-31", "FY21H1", 10), ("2021-08-31", "FY21H1", -4)]);
        ledger.advance(day("2021-08-20"));
        let (funds, expiries) = ledger.close();
        assert_eq!(left(&funds, "FY21H1"), [-4, 0, -4]);
        assert_eq!(expiries[0].amount, 10);
    }

    /// Whatever happens, nothing is made and nothing is lost.
    #[test]
    fn funds_keep_what_they_get() {
        let mut seed = 7_u64;
        let mut random = move |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..300 {
            let mut earned = Vec::new();
            for _ in 0..random(12) {
                let on = day("2020-07-31") + chrono::Days::new(random(700));
                let of = ["FY21H1", "FY21H2", "FY22H1"][usize::try_from(random(3)).expect("small")];
                earned.push((on, half(of), i128::from(random(200)) - 80));
            }
            let total: i128 = earned.iter().map(|(_, _, amount)| amount).sum();
            let mut ledger = Ledger::new(terms, earned);
            let (mut paid, mut open) = (0, Vec::new());
            let mut now = day("2021-01-01");
            for _ in 0..random(10) {
                now = now + chrono::Days::new(random(120));
                ledger.advance(now);
                let of =
                    [half("FY21H1"), half("FY21H2")][usize::try_from(random(2)).expect("small")];
                let amount = ledger.fund(of).claimable().min(random(60).into());
                ledger.reserve(of, amount);
                open.push((of, amount));
                if random(2) == 0
                    && let Some((of, amount)) = open.pop()
                {
                    ledger.pay(of, amount);
                    paid += amount;
                } else if random(2) == 0
                    && let Some((of, amount)) = open.pop()
                {
                    ledger.reserve(of, -amount);
                }
            }
            ledger.advance(day("2023-12-31"));
            let (funds, expiries) = ledger.close();
            let sum = |of: fn(&Fund) -> i128| funds.values().map(of).sum::<i128>();
            let expired: i128 = expiries.iter().map(|expiry| expiry.amount).sum();
            assert_eq!(sum(Fund::expired), expired, "round {round}");
            assert_eq!(sum(Fund::left), total - paid - expired, "round {round}");
            assert_eq!(sum(|fund| fund.movements.rolled_in), sum(|fund| fund.movements.rolled_out));
            let settled = funds.values().filter(|fund| fund.terms.settled_on <= day("2023-12-31"));
            assert!(settled.clone().all(|fund| fund.available() == 0), "round {round}");
        }
    }
}
