//! In: what each month of a window adds to a measure, and the table of the window. Out: what each
//! month earns, `f(start..p) − f(start..previous p)`, with its tiers; months re-add to the window.

use crate::Error;
use crate::calendar::Period;
use crate::decimal::{
    AMOUNT_SCALE, EXACT_SCALE, MONEY_SCALE, Rounding, Unit, allocate, multiply, power_of_ten,
    rescale, subtract, sum,
};
use crate::guarantee::{Guarantee, Month};
use crate::program::measured::{Measured, Quantity};
use crate::tiers::{Priced, Terms, TierTable};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Where what lines add to a window is booked, in the order in which a window is earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Booked {
    /// Refunds of a window's lines may come after its last month.
    pub period: Period,
    /// The month whose rules its earning has: `Program::rules_month`.
    pub rules: Period,
}

impl Booked {
    /// Of what has the rules of its own month.
    #[must_use]
    pub fn own(period: Period) -> Booked {
        Booked { period, rules: period }
    }
}

/// What a month of a window earns by rules that are the same. Amounts in program currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub booked: Booked,
    /// What it added to the measure, at amount scale: an amount rounded to minor units as a sum
    /// from the window's start, or units.
    pub measured: i128,
    /// The measure from the window's start, at amount scale.
    pub cumulated: i128,
    /// What the tables were applied to, at amount scale.
    pub counted: i128,
    /// What the window earned up to the month before, and up to it, at money scale.
    pub before: i128,
    pub after: i128,
    pub slices: Vec<TierSlice>,
    /// What the slices lack to `after` where the window earns at least something, at money scale; or,
    /// negative, what they exceed it by where it earns at most something.
    pub topped_up: i128,
}

impl Step {
    /// What the month earns, at money scale.
    #[must_use]
    pub fn amount(&self) -> i128 {
        self.after - self.before
    }

    /// The rate or price of the tier reached, at rate scale; 0 if none was.
    #[must_use]
    pub fn rate(&self) -> i128 {
        match self.slices.last().map(|slice| slice.terms) {
            Some(Terms::Rate(rate) | Terms::UnitPrice { price: rate, .. }) => rate,
            _ => 0,
        }
    }
}

/// What a tier contributed to [`Step::after`]; slices and what tops them up re-add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierSlice {
    /// Counted from 1.
    pub tier: usize,
    /// At amount scale.
    pub quantity: i128,
    pub terms: Terms,
    /// Part of the amount, at exact scale.
    pub flat: i128,
    /// At money scale.
    pub amount: i128,
}

/// What a window is measured by.
#[derive(Clone, Copy)]
pub struct WindowTerms<'a> {
    pub measured: &'a Measured,
    pub table: &'a TierTable,
    /// The window's last month.
    pub last: Period,
    /// At amount scale; 0 without one.
    pub baseline: i128,
    /// What was measured over the days before the window's end, at amount scale, if that picks the tier.
    pub trailing: Option<i128>,
    /// Of program currency.
    pub unit: Unit,
}

/// What is added to a window by the same rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adds {
    /// At exact scale.
    pub exact: i128,
    /// Some of it is the month's own, not only refunds of other months' lines: what is guaranteed falls due.
    pub own: bool,
}

/// The steps of a window. `months` are its months in order with what each adds; one by rules of several
/// months is there once for each. What is guaranteed goes with the last of these.
///
/// # Errors
/// On overflow.
pub fn steps(terms: &WindowTerms, months: &[(Booked, Adds)]) -> Result<Vec<Step>, Error> {
    let mut exact = 0;
    let (mut cumulated, mut before, mut guaranteed) = (0, 0, 0);
    let mut guarantee = terms.guarantee();
    let mut steps = Vec::with_capacity(months.len());
    let mut own = false;
    for (place, &(booked, adds)) in months.iter().enumerate() {
        exact = sum([exact, adds.exact])?;
        own |= adds.own;
        let now = terms.rounded(exact)?;
        let (counted, priced) = terms.priced(now)?;
        let reached = priced.is_some();
        let (earned, slices) = terms.money(&priced.unwrap_or_default())?;
        let bounded = terms.measured.at_most.map_or(earned, |most| earned.min(most));
        let next = months.get(place + 1).map(|(next, _)| next.period);
        if let Some(guarantee) = guarantee.as_mut().filter(|_| next != Some(booked.period)) {
            let month = if own { terms.place(booked.period) } else { Month::After };
            let due = guarantee.month(bounded, month)?;
            guaranteed = if reached { due } else { 0 };
            own = false;
        }
        let after = sum([bounded, guaranteed])?;
        let (measured, topped_up) = (now - cumulated, after - earned);
        steps.push(Step {
            booked,
            measured,
            cumulated: now,
            counted,
            before,
            after,
            slices,
            topped_up,
        });
        (cumulated, before) = (now, after);
    }
    Ok(steps)
}

/// A measure at amount scale: an amount rounded once, or units as they are.
///
/// # Errors
/// On overflow.
pub fn rounded(of: Quantity, exact: i128, unit: Unit) -> Result<i128, Error> {
    match of {
        Quantity::Quantity => rescale(exact, EXACT_SCALE, AMOUNT_SCALE, Rounding::default()),
        Quantity::Amount => {
            multiply(unit.round(exact, EXACT_SCALE)?, power_of_ten(AMOUNT_SCALE - MONEY_SCALE))
        }
    }
}

impl WindowTerms<'_> {
    fn rounded(&self, exact: i128) -> Result<i128, Error> {
        rounded(self.measured.of, exact, self.unit)
    }

    /// What the window earns at least, at money scale; `None`: nothing is guaranteed.
    fn guarantee(&self) -> Option<Guarantee> {
        let unit = (self.unit.one(), self.unit.rounding);
        self.measured.at_least.map(|least| Guarantee::new(least, self.measured.due, unit))
    }

    fn place(&self, period: Period) -> Month {
        match period.cmp(&self.last) {
            Ordering::Less => Month::Within,
            Ordering::Equal => Month::Last,
            Ordering::Greater => Month::After,
        }
    }

    /// What the table is applied to, and what it says; `None`: the minimum isn't reached.
    fn priced(&self, measure: i128) -> Result<(i128, Option<Priced>), Error> {
        let reached = self.trailing.unwrap_or(measure);
        if self.measured.minimum.is_some_and(|minimum| reached < minimum) {
            return Ok((0, None));
        }
        if let Some(trailing) = self.trailing {
            return Ok((measure, Some(self.table.price_at(measure, trailing.max(0))?)));
        }
        let counted = match self.measured.baseline {
            // A decline earns nothing and takes nothing back.
            Some(_) => subtract(measure, self.baseline)?.max(0),
            None => measure,
        };
        Ok((counted, Some(self.table.price(counted)?)))
    }

    /// The total rounded once, and its slices, each what it adds to the rounded running sum.
    fn money(&self, priced: &Priced) -> Result<(i128, Vec<TierSlice>), Error> {
        let (mut exact, mut total) = (0, 0);
        let mut slices = Vec::with_capacity(priced.slices.len());
        for slice in &priced.slices {
            exact = sum([exact, slice.amount])?;
            let now = self.unit.round(exact, EXACT_SCALE)?;
            let (tier, quantity, terms) = (slice.tier, slice.quantity, slice.terms);
            let by_rate = match terms {
                Terms::Rate(pays) | Terms::UnitPrice { price: pays, .. } => {
                    multiply(quantity, pays)?
                }
                Terms::None | Terms::Amount(_) => 0,
            };
            let flat = slice.amount - by_rate;
            slices.push(TierSlice { tier, quantity, terms, flat, amount: now - total });
            total = now;
        }
        Ok((total, slices))
    }
}

/// What a company has earned (money scale), by its locations in order: by what each added, at any one
/// scale, those below nothing as nothing; by largest remainder, so that it re-adds. If none added
/// anything, the first takes it.
///
/// # Errors
/// On overflow.
pub fn by_location(earned: i128, added: &[i128], unit: Unit) -> Result<Vec<i128>, Error> {
    let mut weights: Vec<i128> = added.iter().map(|&added| added.max(0)).collect();
    if weights.iter().all(|&weight| weight == 0)
        && let Some(first) = weights.first_mut()
    {
        *first = 1;
    }
    allocate(earned, &weights, unit.one())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::{parse, widened};
    use crate::program::Program;

    const PROGRAM: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "FY21"
[[lever]]
lever = "volume"
name = "Volume"
draws = "billing"
product_groups = ["*"]
[lever.measure]
window = "quarter"
[[lever.tiers]]
shape = "whole"
tier = [{ up_to = "1000", rate = "0.01" }, { rate = "0.02", flat = "5" }]
[payment]
minimum = "0"
"#;

    fn run(text: &str, baseline: &str, months: &[(&str, &str)]) -> Vec<(String, Vec<i128>)> {
        let own = |period: &str| Booked::own(period.parse().expect("a month"));
        let months: Vec<_> = months.iter().map(|(period, adds)| (own(period), *adds)).collect();
        run_booked(text, baseline, &months)
    }

    fn run_booked(
        text: &str,
        baseline: &str,
        months: &[(Booked, &str)],
    ) -> Vec<(String, Vec<i128>)> {
        let program = Program::parse("p.toml", text).expect("a program");
        let measured = program.levers[0].measured.as_ref().expect("a measure");
        let first = "2021-01".parse().expect("a month");
        let terms = WindowTerms {
            measured,
            table: measured.table(first).expect("a table"),
            last: measured.window.last(first),
            baseline: parse(baseline, AMOUNT_SCALE).expect("an amount"),
            trailing: measured.trailing_days.map(|_| parse("5000", AMOUNT_SCALE).expect("fits")),
            unit: Unit::new(2),
        };
        let months: Vec<_> = months
            .iter()
            .map(|(booked, adds)| {
                let amount = parse(adds, AMOUNT_SCALE).expect("an amount");
                let exact = widened(amount).expect("fits");
                (*booked, Adds { exact, own: booked.period == booked.rules })
            })
            .collect();
        let steps = steps(&terms, &months).expect("fits");
        steps
            .iter()
            .map(|step| {
                let slices = step.slices.iter().map(|slice| slice.amount).collect::<Vec<_>>();
                let sliced = slices.iter().sum::<i128>();
                assert_eq!(sliced + step.topped_up, step.after, "slices re-add");
                (step.amount().to_string(), slices)
            })
            .collect()
    }

    fn amounts(steps: Vec<(String, Vec<i128>)>) -> Vec<String> {
        steps.into_iter().map(|step| step.0).collect()
    }

    #[test]
    fn what_is_guaranteed_goes_with_a_month_s_last_part() {
        let bounded =
            PROGRAM.replace("\"quarter\"", "\"quarter\"\nat_least = \"5\"\nguarantee = \"start\"");
        let month = |text: &str| text.parse().expect("a month");
        let of_january = Booked { period: month("2021-03"), rules: month("2021-01") };
        let months = [
            (Booked::own(month("2021-01")), "600"),
            (of_january, "-200"),
            (Booked::own(month("2021-03")), "50"),
        ];
        // 6.00; 400 earn 4.00, and nothing is added yet; 450 earn 4.50, topped up to 5.00.
        assert_eq!(amounts(run_booked(&bounded, "0", &months)), ["6000", "-2000", "1000"]);
    }

    #[test]
    fn a_higher_tier_is_caught_up_in_the_month_that_reaches_it_and_lost_by_a_refund() {
        let months = [("2021-01", "600"), ("2021-02", "600"), ("2021-05", "-300")];
        // 6.00; then 1,200 × 2 % + 5 = 29.00, less 6.00; then 900 × 1 % = 9.00, less 29.00.
        assert_eq!(amounts(run(PROGRAM, "0", &months)), ["6000", "23000", "-20000"]);
    }

    #[test]
    fn slices_re_add_where_each_is_rounded() {
        let marginal = PROGRAM
            .replace("whole", "marginal")
            .replace("up_to = \"1000\"", "up_to = \"0.5\"")
            .replace(", flat = \"5\"", "");
        // 0.005 + 0.01 = 0.015, rounded once to 0.02: 0.01 and 0.01.
        let steps = run(&marginal, "0", &[("2021-01", "1")]);
        assert_eq!(steps, [("20".to_owned(), vec![10, 10])]);
    }

    #[test]
    fn growth_earns_above_its_baseline_and_takes_nothing_back() {
        let growth = PROGRAM
            .replace("window = \"quarter\"", "window = \"quarter\"\nbaseline = \"last_year\"")
            .replace(
                "{ up_to = \"1000\", rate = \"0.01\" }, { rate = \"0.02\", flat = \"5\" }",
                "{ rate = \"0.1\" }",
            );
        let months =
            [("2021-01", "100"), ("2021-02", "100"), ("2021-03", "-90"), ("2021-04", "-60")];
        assert_eq!(amounts(run(&growth, "150", &months)), ["0", "5000", "-5000", "0"]);
    }

    #[test]
    fn below_the_minimum_nothing_is_earned() {
        let minimum =
            PROGRAM.replace("window = \"quarter\"", "window = \"quarter\"\nminimum = \"500\"");
        let months = [("2021-01", "499.99"), ("2021-02", "0.01"), ("2021-03", "-0.01")];
        assert_eq!(amounts(run(&minimum, "0", &months)), ["0", "5000", "-5000"]);
    }

    #[test]
    fn a_window_earns_at_least_and_at_most_what_is_agreed() {
        let bounds = "window = \"month\"\nminimum = \"100\"\nat_least = \"5\"\nat_most = \"20\"";
        let bounded = PROGRAM.replace("window = \"quarter\"", bounds);
        let earned = |adds: &str| run(&bounded, "0", &[("2021-01", adds)]);
        // 1 % of 499 are 4.99, of 500 are 5.00; 2 % of 750 and 5.00 are 20.00.
        for (adds, earns, slices) in [
            ("499", "5000", vec![4_990]),
            ("500", "5000", vec![5_000]),
            ("750", "7500", vec![7_500]),
            ("2000", "20000", vec![45_000]),
            ("99.99", "0", vec![]),
        ] {
            assert_eq!(earned(adds), [(earns.to_owned(), slices)], "{adds}");
        }
        // What is refunded later leaves the least, until the minimum isn't reached any more.
        let months = [("2021-01", "600"), ("2021-02", "-200"), ("2021-03", "-301")];
        assert_eq!(amounts(run(&bounded, "0", &months)), ["6000", "-1000", "-5000"]);
    }

    #[test]
    fn measures_are_rounded_as_sums() {
        let months = [("2021-01", "0.004"), ("2021-02", "0.004")];
        let steps = run(&PROGRAM.replace("0.01", "1"), "0", &months);
        assert_eq!(amounts(steps), ["0", "10"]);
    }

    #[test]
    fn trailing_days_pick_the_tier_of_what_the_month_adds() {
        let trailing = PROGRAM.replace("\"quarter\"", "{ days = 365 }");
        // 5,000 in the days before: 2 % of 100 + 5.00.
        let steps = run(&trailing, "0", &[("2021-01", "100"), ("2021-03", "-100")]);
        assert_eq!(amounts(steps), ["7000", "-7000"]);
        let minimum = trailing.replace("365 }", "365 }\nminimum = \"5000.01\"");
        assert_eq!(amounts(run(&minimum, "0", &[("2021-01", "100")])), ["0"]);
        let reached = minimum.replace("5000.01", "5000");
        assert_eq!(amounts(run(&reached, "0", &[("2021-01", "100")])), ["7000"]);
    }

    const CENTS: Unit = Unit::new(2);

    #[test]
    fn a_company_s_earning_re_adds_over_its_locations() {
        assert_eq!(by_location(10_000, &[100, 200, 0, -50], CENTS), Ok(vec![3_330, 6_670, 0, 0]));
        assert_eq!(by_location(-10_010, &[1, 1], CENTS), Ok(vec![-5_000, -5_010]));
        assert_eq!(by_location(10, &[-1, 0], CENTS), Ok(vec![10, 0]), "the first takes it");
        assert_eq!(by_location(0, &[], CENTS), Ok(vec![]));
    }

    #[test]
    fn nothing_earns_the_flat_only_if_the_program_says_so() {
        let flat = PROGRAM.replace("rate = \"0.01\" }", "rate = \"0.01\", flat = \"3\" }");
        assert_eq!(amounts(run(&flat, "0", &[("2021-01", "0")])), ["0"]);
        let due = flat.replace("\"quarter\"", "\"quarter\"\nzero = \"flat\"");
        let months = [("2021-01", "0"), ("2021-02", "100"), ("2021-03", "-100")];
        assert_eq!(amounts(run(&due, "0", &months)), ["3000", "1000", "-1000"]);
    }
}
