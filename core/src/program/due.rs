//! When what a program earns is due: a calendar for each earning type. Source: RULES 5.

use super::measured::Window;
use super::{BusinessDay, PaysAs, Program, Split};
use crate::calendar::Period;
use crate::earning::{EarningType, Shares};
use chrono::{Datelike, NaiveDate, Weekday};
use std::collections::BTreeSet;

/// When earnings of a type are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Which months are due together, by the fiscal year.
    pub every: Window,
    /// Months from the earning month, the last one of those that are due together, to their cycle.
    pub months_after: u32,
    /// Day of the cycle's month on which payments are due.
    pub day: u32,
    /// Where a due day that is no business day moves to; `None`: it stays.
    pub business_day: Option<BusinessDay>,
    /// Days besides Saturdays and Sundays on which nothing is paid, sorted.
    pub holidays: Vec<NaiveDate>,
}

impl Calendar {
    /// True if cycles are due on the same days, whichever months are due in them.
    #[must_use]
    pub fn has_days_of(&self, other: &Calendar) -> bool {
        let days = |of: &Calendar| (of.day, of.business_day, of.holidays.clone());
        days(self) == days(other)
    }

    fn due_cycle(&self, period: Period, fiscal_year_start: u32) -> Period {
        let last = self.every.last(self.every.first(period, fiscal_year_start));
        last.plus(self.months_after.cast_signed())
    }

    fn due_day(&self, cycle: Period) -> NaiveDate {
        let mut day = cycle.day(self.day);
        let Some(direction) = self.business_day else { return day };
        let closed = |day: NaiveDate| {
            matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
                || self.holidays.binary_search(&day).is_ok()
        };
        while closed(day) {
            let moved = match direction {
                BusinessDay::Previous => day.pred_opt(),
                BusinessDay::Next => day.succ_opt(),
            };
            let Some(moved) = moved else { return day };
            day = moved;
        }
        day
    }
}

impl Program {
    /// The calendar of an earning type.
    #[must_use]
    pub fn calendar(&self, earning_type: EarningType) -> &Calendar {
        &self.payment.calendars[earning_type as usize]
    }

    /// The cycle in which a period's earnings of a type are due.
    #[must_use]
    pub fn due_cycle(&self, period: Period, earning_type: EarningType) -> Period {
        self.calendar(earning_type).due_cycle(period, self.fiscal_year_start)
    }

    /// The day on which a cycle's earnings of a type are due.
    #[must_use]
    pub fn due_day(&self, cycle: Period, earning_type: EarningType) -> NaiveDate {
        let closed = self.closed_due.get(&(earning_type, cycle)).copied();
        closed.unwrap_or_else(|| self.calendar(earning_type).due_day(cycle))
    }

    /// The first cycle whose earnings of a type are due on a day or after it.
    #[must_use]
    pub fn first_cycle_from(&self, day: NaiveDate, earning_type: EarningType) -> Period {
        let mut cycle = Period::of(day).plus(-1);
        while self.due_day(cycle, earning_type) < day {
            cycle = cycle.plus(1);
        }
        cycle
    }

    /// The cycles in which some earnings of a period are due.
    #[must_use]
    pub fn due_cycles(&self, period: Period) -> BTreeSet<Period> {
        EarningType::ALL.into_iter().map(|of| self.due_cycle(period, of)).collect()
    }

    /// The last day on which something of a cycle is due.
    #[must_use]
    pub fn last_due_day(&self, cycle: Period) -> NaiveDate {
        let days = EarningType::ALL.into_iter().map(|of| self.due_day(cycle, of));
        days.max().unwrap_or(cycle.last_day())
    }

    /// Months from an earning month to the cycle in which the last of its earnings are due, at most.
    #[must_use]
    pub fn longest_wait(&self) -> i32 {
        let calendars = self.payment.calendars.iter();
        let waits = calendars.map(|one| one.every.months() - 1 + one.months_after.cast_signed());
        waits.max().unwrap_or(0)
    }

    /// The earning types that some lever earns on some day.
    #[must_use]
    pub fn earning_types(&self) -> BTreeSet<EarningType> {
        // On days without split all of it is rebate.
        let always = |split: &Split| split.days.from.is_none() && split.days.until.is_none();
        let unsplit = (!self.splits.iter().any(always)).then_some(Shares::REBATE);
        let shares = self.levers.iter().flat_map(|lever| match lever.pays_as {
            PaysAs::Split => self.splits.iter().map(|split| split.shares).chain(unsplit).collect(),
            PaysAs::Rebate => vec![Shares::REBATE],
            PaysAs::Fee => vec![Shares::FEE],
        });
        shares.flat_map(Shares::types).collect()
    }

    /// The first cycle that settles something of a period.
    #[must_use]
    pub fn first_due_cycle(&self, period: Period) -> Period {
        let due = self.earning_types().into_iter().map(|of| self.due_cycle(period, of)).min();
        due.unwrap_or_else(|| self.due_cycle(period, EarningType::Rebate))
    }

    /// The first cycle that settles a part of what is split so: of what is paid; co-op is never, so it counts
    /// only if there is nothing else. Not before `open`, the oldest open cycle; `None`: none is closed.
    #[must_use]
    pub fn first_cycle_of(&self, period: Period, shares: Shares, open: Option<Period>) -> Period {
        let paid = shares.types().filter(|of| *of != EarningType::Coop);
        let due = paid.map(|of| self.due_cycle(period, of)).min();
        let due = due.unwrap_or_else(|| self.due_cycle(period, EarningType::Coop));
        open.map_or(due, |open| due.max(open))
    }
}
