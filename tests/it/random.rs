//! What the tests of random programs share: numbers, lines with refunds, and the terms that every program
//! has of its own. Such a test runs a few jobs of hundreds of random program files each, because a run
//! costs seconds however small it is, and compares all that they published with a second evaluator, row by
//! row in plain integers, written from the rules and sharing no code with the engine; the run's own check
//! against DuckDB passes too. Seeds are printed with every failure.
//!
//! `EARNEST_RANDOM_TIMES=10` makes ten times as many runs, of further seeds; by default (in CI) all kinds
//! of rules together see more than 10,000 program files.

mod jobs;
mod sums;

use std::fmt::Write as _;
use std::ops::{AddAssign, Sub};

pub use jobs::{EARLY, Job, Program, agree, agree_on, agree_with_refusals, is_early, name};
pub use sums::{Sums, program};

pub const FIRST_MONTH: i32 = 2020 * 12;
pub const MONTHS: i32 = 24;

pub struct Random(pub fastrand::Rng);

impl Random {
    pub fn below(&mut self, end: i128) -> i128 {
        self.0.i128(0..end)
    }

    pub fn yes(&mut self, in_ten: i128) -> bool {
        self.below(10) < in_ten
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        self.0.choice(choices).copied().expect("choices")
    }
}

/// Half away from zero.
pub fn divided(number: i128, by: i128) -> i128 {
    Rounds::HalfUp.divided(number, by)
}

pub fn money(cents: i128) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

/// Of a month counted from January of year 0, and a day of it.
pub fn date((month, day): (i32, i128)) -> String {
    format!("{:04}-{:02}-{day:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

pub fn month(month: i32) -> String {
    date((month, 1))[..7].to_owned()
}

/// The day before; bounds are inclusive in files.
pub fn day_before(day: (i32, i128)) -> String {
    let first = chrono::NaiveDate::parse_from_str(&date(day), "%Y-%m-%d").expect("a day");
    first.pred_opt().expect("a day").to_string()
}

/// The month whose rules has what lines of a month changed in a window (its months), booked in another: the
/// booked one's, or the window's last; of a refund of a month with other rules, the first one's with those.
pub fn rules_month<R: PartialEq>(
    (of, booked): (i32, i32),
    window: std::ops::Range<i32>,
    rules: impl Fn(i32) -> R,
) -> i32 {
    let own = booked.min(window.end - 1);
    let from = |month: i32| {
        let same = (window.start..=month).rev().take_while(|one| rules(*one) == rules(month));
        same.last().expect("the month itself")
    };
    if from(of) == from(own) { own } else { from(of) }
}

/// First month of a window of so many months; the fiscal year begins in July.
pub fn window(month: i32, months: i32) -> i32 {
    month - (month.rem_euclid(12) + 6) % 12 % months
}

/// Three participants.
pub fn participant(number: usize) -> String {
    format!("010000{}", number + 1)
}

// Lines.

/// A line, or a refund of an earlier one.
#[derive(Clone)]
pub struct Line {
    pub id: String,
    pub month: i32,
    pub day: i128,
    pub participant: usize,
    pub customer: usize,
    pub euro: bool,
    pub cents: i128,
    pub units: i128,
    pub refunds: Option<usize>,
}

/// Half of them in a few busy months, so that windows have several.
pub fn lines(random: &mut Random, count: usize) -> Vec<Line> {
    let busy: Vec<i32> = (0..4).map(|_| FIRST_MONTH + random.0.i32(0..MONTHS)).collect();
    let mut lines: Vec<Line> = Vec::new();
    let mut left: Vec<i128> = Vec::new();
    for number in 0..count {
        let original = (random.yes(3) && number > 5).then(|| random.0.usize(0..number));
        let original = original.filter(|&place| lines[place].refunds.is_none() && left[place] > 1);
        let line = match original {
            Some(place) => {
                let cents = 1 + random.below(left[place]);
                left[place] -= cents;
                let sold = lines[place].clone();
                let later = random.0.i32(0..6);
                let month = (sold.month + later).min(FIRST_MONTH + MONTHS - 1);
                Line { month, day: 28, cents: -cents, units: 0, refunds: Some(place), ..sold }
            }
            None => Line {
                id: String::new(),
                month: if random.yes(5) {
                    random.of(&busy)
                } else {
                    FIRST_MONTH + random.0.i32(0..MONTHS)
                },
                day: 1 + random.below(27),
                participant: random.0.usize(0..3),
                customer: random.0.usize(0..3),
                euro: random.yes(4),
                cents: 1 + random.below(500_000),
                units: random.below(50),
                refunds: None,
            },
        };
        left.push(line.cents);
        lines.push(Line { id: format!("L{number:04}"), ..line });
    }
    lines
}

/// In the order in which they count.
pub fn by_date(lines: &[Line]) -> Vec<&Line> {
    let mut order: Vec<&Line> = lines.iter().collect();
    order.sort_by_key(|line| (line.month, line.day, line.id.clone()));
    order
}

/// The line that was sold: itself, or the one that it refunds.
pub fn sold<'a>(lines: &'a [Line], line: &'a Line) -> &'a Line {
    line.refunds.map_or(line, |place| &lines[place])
}

// Terms.

/// A program's currency and split, in hundredths; co-op has what rebate and fee leave.
#[derive(Clone, Copy)]
pub struct Terms {
    pub euro: bool,
    pub rebate: i128,
    pub fee: i128,
    /// How the program rounds.
    pub rounds: Rounds,
    /// How its split rounds the rebate, where it says so.
    pub rebate_rounds: Option<Rounds>,
    /// From which day on another part is rebate.
    pub later: Option<((i32, i128), i128)>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Rounds {
    HalfUp,
    HalfEven,
    Down,
}

impl Rounds {
    pub fn divided(self, number: i128, by: i128) -> i128 {
        let (whole, rest) = (number.abs() / by, number.abs() % by);
        let up = match self {
            Rounds::HalfUp => 2 * rest >= by,
            Rounds::HalfEven => 2 * rest > by || 2 * rest == by && whole % 2 == 1,
            Rounds::Down => false,
        };
        number.signum() * (whole + i128::from(up))
    }

    pub fn name(self) -> &'static str {
        match self {
            Rounds::HalfUp => "half_up",
            Rounds::HalfEven => "half_even",
            Rounds::Down => "down",
        }
    }
}

/// Cents in program currency: all of it, and the parts of rebate and fee.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cents {
    pub earned: i128,
    pub rebate: i128,
    pub fee: i128,
}

impl AddAssign for Cents {
    fn add_assign(&mut self, other: Cents) {
        self.earned += other.earned;
        self.rebate += other.rebate;
        self.fee += other.fee;
    }
}

impl Sub for Cents {
    type Output = Cents;

    fn sub(self, other: Cents) -> Cents {
        Cents {
            earned: self.earned - other.earned,
            rebate: self.rebate - other.rebate,
            fee: self.fee - other.fee,
        }
    }
}

impl Cents {
    /// What a refund takes of it once `after` is refunded of a base, of which `before` was earlier.
    pub fn taken(self, terms: &Terms, (before, after): (i128, i128), base: i128) -> Cents {
        let part = |amount, of| terms.divided(amount * of, base);
        let taken = |amount| part(amount, before) - part(amount, after);
        let (earned, rebate) = (taken(self.earned), taken(self.rebate));
        Cents { earned, rebate, fee: taken(self.fee) }
    }
}

/// Hundredths of the other currency per unit, in a month.
pub fn exchange(euro: bool, month: i32) -> i128 {
    let month = i128::from(month - FIRST_MONTH);
    if euro { 110 + month % 7 } else { 90 - month % 5 }
}

/// So, of payments.
pub fn payment_exchange(euro: bool, month: i32) -> i128 {
    exchange(euro, month) + 3
}

impl Terms {
    pub fn random(random: &mut Random) -> Terms {
        let rebate = if random.yes(2) { 100 * random.below(2) } else { 1 + random.below(99) };
        let ways = [Rounds::HalfUp, Rounds::HalfEven, Rounds::Down];
        let rounds = if random.yes(4) { random.of(&ways) } else { Rounds::HalfUp };
        // Halves come of shares that are halves.
        let rebate_rounds = random.yes(3).then(|| random.of(&ways));
        let rebate = if rebate_rounds.is_some() { 50 } else { rebate };
        Terms { euro: random.yes(3), rebate, fee: 0, rounds, rebate_rounds, later: None }
    }

    /// So, but often with a split that changes, on a day of a month before `end`.
    pub fn random_dated(random: &mut Random, end: i128) -> Terms {
        let change = (FIRST_MONTH + random.0.i32(1..MONTHS), 1 + random.below(end));
        let later = random.yes(5).then(|| (change, random.below(101)));
        Terms { later, ..Terms::random(random) }
    }

    /// The terms of a day.
    pub fn on(self, day: (i32, i128)) -> Terms {
        let rebate = self.later.filter(|(from, _)| *from <= day).map(|(_, rebate)| rebate);
        Terms { rebate: rebate.unwrap_or(self.rebate), later: None, ..self }
    }

    /// Rounded as the program does.
    pub fn divided(&self, number: i128, by: i128) -> i128 {
        self.rounds.divided(number, by)
    }

    /// Hundredths of program currency per unit of a line's currency, in a month.
    pub fn rate(&self, euro: bool, month: i32) -> i128 {
        if euro == self.euro { 100 } else { exchange(euro, month) }
    }

    /// What is earned in program currency, split there.
    pub fn split(&self, earned: i128) -> Cents {
        let rebate = self.rebate_of(earned);
        Cents { earned, rebate, fee: self.fee_of(earned - rebate) }
    }

    /// What is earned in a line's currency, split there, at a rate in hundredths.
    pub fn exchanged(&self, own: i128, rate: i128) -> Cents {
        let exchange = |amount| self.divided(amount * rate, 100);
        let (earned, rebate) = (exchange(own), exchange(self.rebate_of(own)));
        Cents { earned, rebate, fee: self.fee_of(earned - rebate) }
    }

    fn rebate_of(&self, earned: i128) -> i128 {
        self.rebate_rounds.unwrap_or(self.rounds).divided(earned * self.rebate, 100)
    }

    fn fee_of(&self, rest: i128) -> i128 {
        if self.fee == 0 { 0 } else { self.divided(rest * self.fee, 100 - self.rebate) }
    }

    /// What an amount is published as: earning types that have a share, and their cents.
    pub fn types(&self, cents: Cents) -> impl Iterator<Item = (&'static str, i128)> {
        let coop = cents.earned - cents.rebate - cents.fee;
        [
            (self.rebate, "rebate", cents.rebate),
            (100 - self.rebate - self.fee, "coop", coop),
            (self.fee, "fee", cents.fee),
        ]
        .into_iter()
        .filter(|(share, ..)| *share != 0)
        .map(|(_, name, cents)| (name, cents))
    }

    /// Of a program file, the splits.
    pub fn text(&self) -> String {
        let Some((from, rebate)) = self.later else { return self.split_text("") };
        let later = Terms { rebate, later: None, ..*self };
        let until = format!("until = \"{}\"\n", day_before(from));
        self.split_text(&until) + &later.split_text(&format!("from = \"{}\"\n", date(from)))
    }

    fn split_text(&self, days: &str) -> String {
        let mut text = format!("[[split]]\n{days}");
        if let Some(rounds) = self.rebate_rounds {
            writeln!(text, "rounding = \"{}\"", rounds.name()).expect("memory");
        }
        for (name, share) in
            [("rebate", self.rebate), ("coop", 100 - self.rebate - self.fee), ("fee", self.fee)]
        {
            if share != 0 || name == "rebate" {
                writeln!(text, "{name} = \"{}\"", money(share)).expect("memory");
            }
        }
        text
    }
}
