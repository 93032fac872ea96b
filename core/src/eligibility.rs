//! Eligible months. In: the days on which each requirement holds, as facts with their own dates.
//! Out: per month, whether each requirement held, when, and by which fact; and whether on at least
//! one day all held together. So the month of loss counts whole, a month without such a day doesn't.

use crate::calendar::{DayRanges, Period};
use crate::program::Days;
use chrono::{Days as Span, NaiveDate};

/// A range of days, half-open; [`NaiveDate::MIN`] and [`NaiveDate::MAX`] are open ends.
pub type Range = (NaiveDate, NaiveDate);

/// Something by which a requirement holds: a row of an agreement, of a competency, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// Days on which it counts.
    pub days: Range,
    /// Its own dates, which may be wider, e.g. those of a competency that counts only while its
    /// location belongs to the company.
    pub own: Range,
}

impl Fact {
    /// A fact that counts on all its own days; `None` is open, no day at all gives no fact.
    #[must_use]
    pub fn of(from: Option<NaiveDate>, until: Option<NaiveDate>) -> Option<Fact> {
        let own = (from.unwrap_or(NaiveDate::MIN), until.unwrap_or(NaiveDate::MAX));
        (own.0 < own.1).then_some(Fact { days: own, own })
    }

    /// The same fact, counted only within a range of days.
    #[must_use]
    pub fn within(&self, range: Range) -> Option<Fact> {
        let days = (self.days.0.max(range.0), self.days.1.min(range.1));
        (days.0 < days.1).then_some(Fact { days, own: self.own })
    }
}

/// As few of the facts as hold on the same days, in order of days. Where several hold, the one that
/// holds longest is kept, so a company of many locations costs no more than a small one.
#[must_use]
pub fn cover(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_unstable_by_key(|fact| (fact.days.0, std::cmp::Reverse(fact.days.1), fact.own));
    let mut kept = Vec::new();
    let mut rest = facts.into_iter().peekable();
    while let Some(mut fact) = rest.next() {
        // From here on, as long as it goes on without a gap, the one that reaches farthest.
        loop {
            kept.push(fact);
            let reached = fact.days.1;
            while let Some(next) = rest.next_if(|next| next.days.0 <= reached) {
                if next.days.1 > fact.days.1 {
                    fact = next;
                }
            }
            if fact.days.1 == reached {
                break;
            }
        }
    }
    kept
}

/// How a participant stands with one requirement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    facts: Vec<Fact>,
    days: DayRanges,
}

impl Holding {
    /// `parts` are the dated wordings of one requirement, apart from each other, each with the facts
    /// that meet it. On days of no part the requirement isn't asked for, so it holds.
    pub fn of<'a>(parts: impl IntoIterator<Item = (&'a Days, Vec<Fact>)>) -> Holding {
        let mut asked: Vec<Range> = Vec::new();
        let mut facts = Vec::new();
        for (days, part) in parts {
            let range = (days.first(), days.end());
            asked.push(range);
            facts.extend(part.iter().filter_map(|fact| fact.within(range)));
        }
        let facts = cover(facts);
        let held = facts.iter().map(|fact| fact.days).chain(outside(asked));
        let days = DayRanges::union_of(held.map(|days| (Some(days.0), Some(days.1))));
        Holding { facts, days }
    }

    /// Days on which the requirement holds.
    #[must_use]
    pub fn days(&self) -> &DayRanges {
        &self.days
    }

    /// What the requirement's month is. A month in which it never held is decided by the last fact
    /// before it, else by the first one after it.
    #[must_use]
    pub fn month(&self, period: Period) -> Month {
        let range = (period.first_day(), period.end());
        let held = first_and_last(&self.days, range);
        let day = held.map_or(range.0, |(first, _)| first);
        let begun = self.facts.partition_point(|fact| fact.days.0 <= day);
        let last = begun.checked_sub(1).and_then(|index| self.facts.get(index));
        let decided = match held {
            Some(_) => last.filter(|fact| day < fact.days.1),
            None => last.or_else(|| self.facts.get(begun)),
        };
        Month { held, decided: decided.map(|fact| fact.own) }
    }
}

/// What a month is for one requirement, or for all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// First and last day of the month on which it held; `None`: on none.
    pub held: Option<Range>,
    /// The dates that decided: of the fact, or of the days on which all held together. `None`: there
    /// is no such fact, or the requirement isn't asked for.
    pub decided: Option<Range>,
}

/// Days on which all of the requirements hold together.
pub fn together<'a>(holdings: impl IntoIterator<Item = &'a Holding>) -> DayRanges {
    holdings
        .into_iter()
        .fold(DayRanges::always(), |together, holding| together.intersect(&holding.days))
}

/// The month of all requirements together, decided by the unbroken days on which they held.
#[must_use]
pub fn month_of(days: &DayRanges, period: Period) -> Month {
    let range = (period.first_day(), period.end());
    let decided = days.within(range.0, range.1).next();
    Month { held: first_and_last(days, range), decided }
}

/// First and last day (inclusive) within a range.
fn first_and_last(days: &DayRanges, range: Range) -> Option<Range> {
    let mut within = days.within(range.0, range.1);
    let first = within.next()?;
    let last = within.last().unwrap_or(first);
    Some((first.0.max(range.0), last.1.min(range.1) - Span::new(1)))
}

/// The days that lie in none of the ranges.
fn outside(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut gaps = Vec::with_capacity(ranges.len() + 1);
    let mut reached = NaiveDate::MIN;
    for (from, until) in ranges {
        if reached < from {
            gaps.push((reached, from));
        }
        reached = reached.max(until);
    }
    if reached < NaiveDate::MAX {
        gaps.push((reached, NaiveDate::MAX));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: Days = Days { from: None, until: None };

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn period(text: &str) -> Period {
        text.parse().expect("a month")
    }

    /// `2021-01-10..2021-02-01`, either end may be missing.
    fn fact(text: &str) -> Fact {
        let (from, until) = text.split_once("..").expect("a range");
        let side = |text: &str| (!text.is_empty()).then(|| day(text));
        Fact::of(side(from), side(until)).expect("days")
    }

    fn holding(facts: &[&str]) -> Holding {
        Holding::of([(&ALWAYS, facts.iter().map(|text| fact(text)).collect())])
    }

    #[test]
    fn the_month_of_loss_counts_whole_and_the_next_does_not() {
        let holding = holding(&["2020-07-01..2021-03-02"]);
        let march = holding.month(period("2021-03"));
        assert_eq!(march.held, Some((day("2021-03-01"), day("2021-03-01"))));
        assert_eq!(march.decided, Some((day("2020-07-01"), day("2021-03-02"))));
        let april = holding.month(period("2021-04"));
        assert_eq!(april.held, None);
        assert_eq!(april.decided, Some((day("2020-07-01"), day("2021-03-02"))));
        let before = holding.month(period("2020-06"));
        assert_eq!(
            (before.held, before.decided),
            (None, Some((day("2020-07-01"), day("2021-03-02"))))
        );
    }

    #[test]
    fn requirements_must_hold_on_the_same_day() {
        let lost = holding(&["..2021-03-10"]);
        let gained = holding(&["2021-03-10.."]);
        assert!(lost.month(period("2021-03")).held.is_some());
        assert!(gained.month(period("2021-03")).held.is_some());
        let both = together([&lost, &gained]);
        assert_eq!(month_of(&both, period("2021-03")).held, None);
        let one_day = together([&lost, &holding(&["2021-03-09.."])]);
        let month = month_of(&one_day, period("2021-03"));
        assert_eq!(month.held, Some((day("2021-03-09"), day("2021-03-09"))));
        assert_eq!(month.decided, Some((day("2021-03-09"), day("2021-03-10"))));
    }

    #[test]
    fn a_requirement_holds_where_it_is_not_asked_for() {
        let asked = Days { from: Some(day("2021-02-01")), until: Some(day("2021-04-01")) };
        let holding = Holding::of([(&asked, Vec::new())]);
        assert!(holding.month(period("2021-01")).held.is_some());
        assert_eq!(holding.month(period("2021-01")).decided, None);
        assert_eq!(holding.month(period("2021-03")).held, None);
        assert!(holding.month(period("2021-04")).held.is_some());
    }

    #[test]
    fn dated_wordings_of_a_requirement_follow_each_other() {
        let old = Days { from: None, until: Some(day("2021-02-15")) };
        let new = Days { from: Some(day("2021-02-15")), until: None };
        let silver = vec![fact("2020-01-01..")];
        let gold = vec![fact("2021-03-05..2021-04-01")];
        let holding = Holding::of([(&old, silver), (&new, gold)]);
        let february = holding.month(period("2021-02"));
        assert_eq!(february.held, Some((day("2021-02-01"), day("2021-02-14"))));
        assert_eq!(february.decided, Some((day("2020-01-01"), NaiveDate::MAX)));
        let march = holding.month(period("2021-03"));
        assert_eq!(march.held, Some((day("2021-03-05"), day("2021-03-31"))));
        assert_eq!(holding.month(period("2021-04")).held, None);
    }

    #[test]
    fn a_cover_holds_on_the_same_days() {
        let texts = [
            "2021-01-01..2021-02-01",
            "2021-01-10..2021-01-20",
            "2021-01-15..2021-03-01",
            "2021-01-20..2021-02-10",
            "2021-03-01..2021-03-05",
            "2021-05-01..",
            "2021-06-01..2021-07-01",
        ];
        let facts: Vec<Fact> = texts.iter().map(|text| fact(text)).collect();
        let kept = cover(facts.clone());
        assert_eq!(kept, [facts[0], facts[2], facts[4], facts[5]]);
        let mut reversed = facts.clone();
        reversed.reverse();
        assert_eq!(cover(reversed), kept);
        let days = |facts: &[Fact]| {
            DayRanges::union_of(facts.iter().map(|fact| (Some(fact.days.0), Some(fact.days.1))))
        };
        assert_eq!(days(&kept), days(&facts));
        assert_eq!(cover(Vec::new()), Vec::new());
    }
}
