//! The lots of one balance: what is left of what each cycle brought, oldest first, and for how long it
//! has waited for a profile. In: what enters and leaves, cycle by cycle. Out: what is left per origin
//! cycle, and what lapses. Amounts in program currency, money scale. Source: RULES 5.

use crate::calendar::Period;
use chrono::{Days, NaiveDate};

/// What is left of one cycle's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    pub origin: Period,
    /// Positive.
    pub left: i128,
    /// The first due day, in a row up to now, on which a profile was missing; `None`: none is.
    pub missing_since: Option<NaiveDate>,
}

/// The lots of a balance; they add up to it while it isn't negative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lots {
    lots: Vec<Lot>,
    /// What entries have still to make up for, not negative.
    debt: i128,
}

impl Lots {
    /// The lots of a balance that isn't negative, oldest first.
    #[must_use]
    pub fn recorded(lots: Vec<Lot>) -> Lots {
        Lots { lots, debt: 0 }
    }

    #[must_use]
    pub fn lots(&self) -> &[Lot] {
        &self.lots
    }

    /// What the lots and the debt come to: the balance.
    #[must_use]
    pub fn balance(&self) -> i128 {
        self.lots.iter().map(|lot| lot.left).sum::<i128>() - self.debt
    }

    /// Enters a cycle's net amount: a positive one makes up for debt, and what is left of it is a lot; a
    /// negative one takes from the oldest lots.
    pub fn enter(&mut self, cycle: Period, amount: i128) {
        if amount < 0 {
            self.take(-amount);
            return;
        }
        let paid = amount.min(self.debt);
        self.debt -= paid;
        let left = amount - paid;
        match self.lots.last_mut().filter(|lot| lot.origin == cycle) {
            Some(lot) => lot.left += left,
            None if left > 0 => self.lots.push(Lot { origin: cycle, left, missing_since: None }),
            None => {}
        }
    }

    /// Takes from the oldest lots, first in first out; what they lack is debt.
    pub fn take(&mut self, mut amount: i128) {
        for lot in &mut self.lots {
            let taken = amount.min(lot.left);
            lot.left -= taken;
            amount -= taken;
        }
        self.lots.retain(|lot| lot.left > 0);
        self.debt += amount;
    }

    /// On a due day a profile is missing, or none is: then all waiting starts anew.
    pub fn wait(&mut self, due_on: NaiveDate, missing: bool) {
        for lot in &mut self.lots {
            lot.missing_since = missing.then_some(lot.missing_since.unwrap_or(due_on));
        }
    }

    /// Takes the lots that have waited for `days`: origin and amount.
    pub fn lapse(&mut self, due_on: NaiveDate, days: u32) -> Vec<(Period, i128)> {
        let over = |lot: &Lot| lot.lapses_on(days).is_some_and(|day| day <= due_on);
        let lapsed =
            self.lots.iter().filter(|lot| over(lot)).map(|lot| (lot.origin, lot.left)).collect();
        self.lots.retain(|lot| !over(lot));
        lapsed
    }
}

impl Lot {
    /// The day on which it is forfeited if the profile is still missing; `None`: none is missing.
    #[must_use]
    pub fn lapses_on(&self, days: u32) -> Option<NaiveDate> {
        self.missing_since?.checked_add_days(Days::new(days.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Period {
        text.parse().expect("a month")
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn left(lots: &Lots) -> Vec<(String, i128)> {
        lots.lots().iter().map(|lot| (lot.origin.to_string(), lot.left)).collect()
    }

    #[test]
    fn first_in_is_first_out() {
        let mut lots = Lots::default();
        for (cycle, amount) in [("2021-03", 100), ("2021-04", 50), ("2021-05", -120)] {
            lots.enter(month(cycle), amount);
        }
        assert_eq!(left(&lots), [("2021-04".to_owned(), 30)]);
        lots.take(10);
        assert_eq!(left(&lots), [("2021-04".to_owned(), 20)]);
        assert_eq!(lots.balance(), 20);
    }

    #[test]
    fn a_debt_is_made_up_for_first() {
        let mut lots = Lots::default();
        lots.enter(month("2021-03"), -80);
        lots.enter(month("2021-04"), 50);
        assert_eq!((left(&lots), lots.balance()), (vec![], -30));
        lots.enter(month("2021-05"), 50);
        assert_eq!((left(&lots), lots.balance()), (vec![("2021-05".to_owned(), 20)], 20));
        lots.enter(month("2021-05"), 5);
        assert_eq!(left(&lots), [("2021-05".to_owned(), 25)]);
    }

    #[test]
    fn a_lot_lapses_after_its_own_days() {
        let mut lots = Lots::default();
        lots.enter(month("2021-01"), 100);
        lots.wait(day("2021-01-15"), true);
        lots.enter(month("2021-02"), 30);
        lots.wait(day("2021-02-15"), true);
        assert_eq!(lots.lots()[0].lapses_on(180), Some(day("2021-07-14")));
        assert_eq!(lots.lapse(day("2021-07-13"), 180), []);
        assert_eq!(lots.lapse(day("2021-07-14"), 180), [(month("2021-01"), 100)]);
        assert_eq!(lots.balance(), 30);
        assert_eq!(lots.lapse(day("2021-08-14"), 180), [(month("2021-02"), 30)]);
    }

    #[test]
    fn a_profile_starts_the_waiting_anew() {
        let mut lots = Lots::default();
        lots.enter(month("2021-01"), 100);
        lots.wait(day("2021-01-15"), true);
        lots.wait(day("2021-02-15"), false);
        assert_eq!(lots.lots()[0].lapses_on(180), None);
        lots.wait(day("2021-03-15"), true);
        assert_eq!(lots.lapse(day("2021-07-15"), 180), []);
        assert_eq!(lots.lots()[0].lapses_on(180), Some(day("2021-09-11")));
    }
}
