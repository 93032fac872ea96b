//! Levers over a measure in random programs, over random lines with linked refunds; see `random.rs`.

use crate::random::{
    FIRST_MONTH, Job, Line, MONTHS, Random, Sums, Terms, agree, by_date, date, day_before, divided,
    lines, money, program, rules_month, sold, window,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const SEED: u64 = 20_261_125;
const RUNS: u64 = 5;
const PROGRAMS: usize = 420;
const LINES: usize = 40;

struct Tier {
    up_to: Option<i128>,
    /// Of an amount: ten-thousandths. Of units: cents.
    pays: i128,
    flat: i128,
}

pub struct Table {
    /// Days as (month, day), the last excluded.
    from: Option<(i32, i128)>,
    until: Option<(i32, i128)>,
    whole: bool,
    upper: bool,
    tiers: Vec<Tier>,
}

#[derive(Clone, Copy, PartialEq)]
enum Baseline {
    None,
    LastYear,
    Previous,
    Fixed(i128),
}

/// How the least of a longer window is due.
#[derive(Clone, Copy, PartialEq)]
enum Due {
    Start,
    End,
    Cumulative,
    /// From which month on so many hundredths are paid back.
    Draw(Option<(usize, i128)>),
}

/// Their names, in order.
const DUE: [&str; 4] = ["start", "end", "cumulative", "draw"];

impl Due {
    fn place(self) -> usize {
        match self {
            Due::Start => 0,
            Due::End => 1,
            Due::Cumulative => 2,
            Due::Draw(_) => 3,
        }
    }
}

pub struct Lever {
    units: bool,
    pub customer: bool,
    pub months: i32,
    at_end: bool,
    minimum: Option<i128>,
    /// Cents.
    at_least: Option<i128>,
    at_most: Option<i128>,
    /// Beside a least of a window longer than a month.
    guarantee: Option<Due>,
    baseline: Baseline,
    pub tables: Vec<Table>,
}

pub fn lever(random: &mut Random) -> Lever {
    let units = random.yes(3);
    let edge = |random: &mut Random| {
        if units { 1 + random.below(60) } else { 1 + random.below(1_000_000) }
    };
    let two = random.yes(4);
    let change = (FIRST_MONTH + random.0.i32(2..MONTHS - 2), 1 + random.below(27));
    let ranges =
        if two { vec![(None, Some(change)), (Some(change), None)] } else { vec![(None, None)] };
    let tables = ranges
        .into_iter()
        .map(|(from, until)| {
            let mut edges: Vec<i128> = (0..random.below(4)).map(|_| edge(random)).collect();
            edges.sort_unstable();
            edges.dedup();
            let mut tiers: Vec<Tier> = edges
                .into_iter()
                .map(Some)
                .chain([None])
                .map(|up_to| Tier {
                    up_to,
                    pays: random.below(1_000),
                    flat: if random.yes(3) { random.below(10_000) } else { 0 },
                })
                .collect();
            tiers[0].flat = 0;
            Table { from, until, whole: random.yes(5), upper: random.yes(3), tiers }
        })
        .collect();
    let fixed = edge(random);
    let minimum = edge(random);
    let months = random.of(&[1, 3, 6, 12]);
    let least = random.below(20_000);
    let bounded = |random: &mut Random| months == 1 && random.yes(5);
    let recovery = random.yes(7).then_some((1 + random.0.usize(0..3), random.below(101)));
    let due = random.of(&[Due::Start, Due::End, Due::Cumulative, Due::Draw(recovery)]);
    let guarantee = (months > 1 && random.yes(4)).then_some(due);
    let each_month = matches!(guarantee, Some(Due::Cumulative | Due::Draw(_)));
    Lever {
        units,
        customer: random.yes(3),
        months,
        at_least: (bounded(random) || guarantee.is_some()).then_some(least),
        at_most: bounded(random).then_some(least + random.below(20_000)),
        guarantee,
        at_end: random.yes(5),
        minimum: (random.yes(2) && !each_month).then_some(minimum),
        baseline: random.of(&[
            Baseline::None,
            Baseline::None,
            Baseline::LastYear,
            Baseline::Previous,
            Baseline::Fixed(fixed),
        ]),
        tables,
    }
}

// The second evaluator.

impl Lever {
    /// The day whose split a month has.
    pub fn rules_day(&self, month: i32) -> (i32, i128) {
        (month, if self.at_end { 31 } else { 1 })
    }

    fn covers(&self, line: &Line) -> bool {
        let day = (line.month, line.day);
        self.tables.iter().any(|table| {
            table.from.is_none_or(|from| from <= day) && table.until.is_none_or(|until| day < until)
        })
    }

    fn table(&self, window: i32) -> &Table {
        let holds = |table: &&Table| {
            table.from.is_none_or(|from| from < (window + self.months, 1))
                && table.until.is_none_or(|until| (window, 1) < until)
        };
        let mut tables = self.tables.iter().filter(holds);
        if self.at_end { tables.next_back() } else { tables.next() }.expect("a table")
    }

    /// Cents earned by a measure: cents, or trillionths of a unit; `None`: the minimum isn't reached.
    fn earned(&self, terms: &Terms, window: i32, measure: i128, baseline: i128) -> Option<i128> {
        let scale = if self.units { 1_000_000_000_000 } else { 1 };
        if self.minimum.is_some_and(|minimum| measure < minimum * scale) {
            return None;
        }
        let counted =
            if self.baseline == Baseline::None { measure } else { (measure - baseline).max(0) };
        let (table, size) = (self.table(window), counted.abs());
        // Of an amount, cents × ten-thousandths; of units, trillionths × cents.
        let one = if self.units { 1_000_000_000_000 } else { 10_000 };
        let (mut total, mut lower) = (0, 0);
        for tier in &table.tiers {
            let upper = tier.up_to.map(|edge| edge * scale);
            let above = if table.upper { lower <= size } else { lower < size };
            let within =
                upper.is_none_or(|upper| if table.upper { size < upper } else { size <= upper });
            let slice = if table.whole { size } else { upper.unwrap_or(size).min(size) - lower };
            if size > 0 && above && (within || !table.whole) {
                total += slice * tier.pays + tier.flat * one;
            }
            lower = upper.unwrap_or(lower);
        }
        let earned = terms.divided(total, one) * counted.signum();
        Some(self.at_most.map_or(earned, |most| earned.min(most)))
    }

    /// What a window pays part by part of its months, of what it has earned by then; a guarantee per month is
    /// paid beside what the month itself earns, with its last part.
    fn paid(&self, terms: &Terms, window: i32, parts: &[(Part, bool, Option<i128>)]) -> Vec<i128> {
        let Some(least) = self.at_least else {
            return parts.iter().map(|(.., earned)| earned.unwrap_or(0)).collect();
        };
        let end = window + self.months;
        let (mut paid, mut before, mut advanced, mut due) = (0, 0, 0, 0);
        let mut ended = false;
        let step = |(place, &((month, _), _, earned)): (usize, &(Part, bool, Option<i128>))| {
            let now = earned.unwrap_or(0);
            if parts.get(place + 1).is_some_and(|((next, _), ..)| *next == month) {
                return now + paid - before;
            }
            let month_earned = now - before;
            before = now;
            // Nothing new is due in a month that has but refunds of others' lines.
            let own = parts.iter().any(|((of, _), own, _)| *of == month && *own);
            due += usize::from(own && month < end);
            ended |= own && month == end - 1;
            paid = match self.guarantee.unwrap_or(Due::Start) {
                _ if earned.is_none() => 0,
                Due::End if !ended => now,
                Due::Start | Due::End => now.max(least),
                Due::Cumulative => {
                    (paid + month_earned).max(least * i128::try_from(due).expect("few"))
                }
                Due::Draw(_) if !own || month >= end => paid + month_earned,
                Due::Draw(_) if month_earned <= least => {
                    advanced += least - month_earned;
                    paid + least
                }
                Due::Draw(recovery) => {
                    let (from, share) = recovery.unwrap_or((usize::MAX, 0));
                    let above = if due >= from { month_earned - least } else { 0 };
                    let back = terms.divided(above * share, 100).min(advanced);
                    advanced -= back;
                    paid + month_earned - back
                }
            };
            paid
        };
        parts.iter().enumerate().map(step).collect()
    }
}

/// What a line adds: ten-thousandths in program currency, or trillionths of a unit.
fn added(
    (terms, lever): (&Terms, &Lever),
    lines: &[Line],
    refunded: &mut [i128],
    line: &Line,
) -> i128 {
    let of = sold(lines, line);
    match (lever.units, line.refunds) {
        (false, _) => line.cents * terms.rate(of.euro, of.month),
        (true, None) => line.units * 1_000_000_000_000,
        (true, Some(place)) => {
            let back = |cents| divided(of.units * 1_000_000_000_000 * cents, of.cents);
            let before = refunded[place];
            refunded[place] -= line.cents;
            back(before) - back(refunded[place])
        }
    }
}

/// Participant, customer if it is measured per customer, first month of the window.
pub type Subject = (usize, Option<usize>, i32);

/// The month in which it is booked, and the one whose rules it has.
pub type Part = (i32, i32);

/// Cents by subject and part. `capped` is the first month of a month's window of the cap, if there is one.
pub fn evaluate(
    terms: &Terms,
    lever: &Lever,
    lines: &[Line],
    capped: impl Fn(i32) -> i32,
) -> Vec<(Subject, Part, i128)> {
    let mut refunded = vec![0; lines.len()];
    let mut measured: BTreeMap<Subject, BTreeMap<Part, (i128, bool)>> = BTreeMap::new();
    let rules = |month: i32| {
        let day = lever.rules_day(month);
        let half = (terms.on(day).rebate != 100).then(|| window(month, 6));
        (terms.later.is_some_and(|(from, _)| from <= day), half, capped(month))
    };
    let mut revenue: BTreeMap<Subject, i128> = BTreeMap::new();
    for line in by_date(lines) {
        let sold = sold(lines, line);
        let adds = added((terms, lever), lines, &mut refunded, line);
        let customer = lever.customer.then_some(line.customer);
        let subject = (line.participant, customer, window(sold.month, lever.months));
        *revenue.entry(subject).or_default() += adds;
        if lever.covers(sold) {
            let months = subject.2..subject.2 + lever.months;
            let part = (line.month, rules_month((sold.month, line.month), months, rules));
            let part = measured.entry(subject).or_default().entry(part).or_default();
            *part = (part.0 + adds, part.1 || sold.month == line.month);
        }
    }
    let rounded = |sum: i128| if lever.units { sum } else { terms.divided(sum, 100) };
    let mut earned = Vec::new();
    let newest = lines.iter().map(|line| line.month).max().unwrap_or_default();
    for ((participant, customer, window), mut parts) in measured {
        let last = window + lever.months - 1;
        let ends = lever.guarantee == Some(Due::End) && last <= newest;
        let own = (last, last);
        let without_lines = ends && !parts.contains_key(&own);
        if ends {
            parts.entry(own).or_default().1 = true;
        }
        let compared = |back: i32| {
            rounded(
                revenue.get(&(participant, customer, window - back)).copied().unwrap_or_default(),
            )
        };
        let baseline = match lever.baseline {
            Baseline::None => 0,
            Baseline::LastYear => compared(12),
            Baseline::Previous => compared(lever.months),
            Baseline::Fixed(fixed) if lever.units => fixed * 1_000_000_000_000,
            Baseline::Fixed(fixed) => fixed,
        };
        let mut sum = 0;
        let cumulated = parts.into_iter().map(|(part, (adds, is_own))| {
            sum += adds;
            (part, is_own, lever.earned(terms, window, rounded(sum), baseline))
        });
        let cumulated: Vec<_> = cumulated.collect();
        let mut before = 0;
        for (&(part, ..), now) in cumulated.iter().zip(lever.paid(terms, window, &cumulated)) {
            // Who sold nothing in the last month has a row only of what is missing to the least.
            if part != own || !without_lines || now != before {
                earned.push(((participant, customer, window), part, now - before));
            }
            before = now;
        }
    }
    earned
}

pub fn text_of(lever: &Lever, name: &str) -> String {
    let edge = |edge: i128| if lever.units { edge.to_string() } else { money(edge) };
    let window = window_name(lever.months);
    let mut text = format!(
        "\n[[lever]]\nlever = \"{name}\"\nname = \"{name}\"\ndraws = \"billing\"\nproduct_groups = [\"*\"]\n\
         [lever.measure]\nof = \"{}\"\nper = \"{}\"\nwindow = \"{window}\"\nat = \"{}\"\n",
        if lever.units { "quantity" } else { "amount" },
        if lever.customer { "customer" } else { "participant" },
        if lever.at_end { "end" } else { "start" },
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("memory");
    if let Some(minimum) = lever.minimum {
        add(format!("minimum = \"{}\"", edge(minimum)));
    }
    for (key, bound) in [("at_least", lever.at_least), ("at_most", lever.at_most)] {
        if let Some(bound) = bound {
            add(format!("{key} = \"{}\"", money(bound)));
        }
    }
    if let Some(due) = lever.guarantee {
        add(format!("guarantee = \"{}\"", DUE[due.place()]));
        if let Due::Draw(Some((from, share))) = due {
            let share = format!("{}.{:02}", share / 100, share % 100);
            add(format!("recover = {{ from = {from}, share = \"{share}\" }}"));
        }
    }
    match lever.baseline {
        Baseline::None => {}
        Baseline::LastYear => add("baseline = \"last_year\"\nredecide = \"always\"".to_owned()),
        Baseline::Previous => add("baseline = \"previous\"\nredecide = \"always\"".to_owned()),
        Baseline::Fixed(fixed) => add(format!("baseline = \"{}\"", edge(fixed))),
    }
    for table in &lever.tables {
        add("[[lever.tiers]]".to_owned());
        add(format!("shape = \"{}\"", if table.whole { "whole" } else { "marginal" }));
        add(format!("edge = \"{}\"", if table.upper { "upper" } else { "lower" }));
        if let Some(from) = table.from {
            add(format!("from = \"{}\"", date(from)));
        }
        if let Some(until) = table.until {
            add(format!("until = \"{}\"", day_before(until)));
        }
        let tiers: Vec<String> = table
            .tiers
            .iter()
            .map(|tier| {
                let up_to = tier.up_to.map(|to| format!("up_to = \"{}\", ", edge(to)));
                let pays = if lever.units {
                    format!("price = \"{}\"", money(tier.pays))
                } else {
                    format!("rate = \"0.{:04}\"", tier.pays)
                };
                let flat = format!(", flat = \"{}\"", money(tier.flat));
                format!("{{ {}{pays}{flat} }}", up_to.unwrap_or_default())
            })
            .collect();
        add(format!("tier = [{}]", tiers.join(", ")));
    }
    text
}

pub fn window_name(months: i32) -> &'static str {
    match months {
        1 => "month",
        3 => "quarter",
        6 => "half",
        _ => "year",
    }
}

/// How often what the test is about occurred: programs that earn anything, a minimum that isn't reached, …
#[derive(Default)]
struct Seen {
    fired: usize,
    split: usize,
    taken_back: usize,
    below_minimum: usize,
    topped_up: usize,
    reduced: usize,
    by_baseline: [usize; 3],
    guaranteed: [usize; 4],
    changed_tables: usize,
    refunded_apart: usize,
}

impl Seen {
    fn of(&mut self, terms: &Terms, lever: &Lever, earned: &[(Subject, Part, i128)]) {
        let any = |is: fn(i128) -> bool| usize::from(earned.iter().any(|(.., cents)| is(*cents)));
        let fired = any(|cents| cents != 0);
        self.fired += fired;
        self.split += fired * usize::from(terms.rebate % 100 != 0);
        self.taken_back += any(|cents| cents < 0);
        self.below_minimum += usize::from(lever.minimum.is_some()) * any(|cents| cents == 0);
        let just = |bound: Option<i128>| {
            bound.is_some_and(|bound| earned.iter().any(|(.., cents)| *cents == bound))
        };
        self.topped_up += fired * usize::from(just(lever.at_least));
        self.reduced += fired * usize::from(just(lever.at_most));
        if let Some(due) = lever.guarantee {
            self.guaranteed[due.place()] += fired;
        }
        self.refunded_apart += usize::from(earned.iter().any(|((_, _, window), part, cents)| {
            *cents != 0 && part.1 != part.0.min(window + lever.months - 1)
        }));
        self.changed_tables += fired * usize::from(lever.tables.len() > 1);
        match lever.baseline {
            Baseline::None => {}
            Baseline::LastYear => self.by_baseline[0] += fired,
            Baseline::Previous => self.by_baseline[1] += fired,
            Baseline::Fixed(_) => self.by_baseline[2] += fired,
        }
    }
}

/// A job of so many random programs over the same lines.
fn job(random: &mut Random, programs: usize) -> Job<Seen> {
    let lines = lines(random, LINES);
    let mut seen = Seen::default();
    let programs = (0..programs).map(|_| {
        let terms = Terms::random_dated(random, 28);
        let levers: Vec<Lever> = (0..1 + random.below(2)).map(|_| lever(random)).collect();
        let (mut sums, mut rules) = (Sums::default(), String::new());
        for (number, lever) in levers.iter().enumerate() {
            rules.push_str(&text_of(lever, &format!("lever-{number:02}")));
            let earned = evaluate(&terms, lever, &lines, |_| 0);
            for &((participant, ..), (month, rules), cents) in &earned {
                let terms = terms.on(lever.rules_day(rules));
                sums.add((number, participant, month), &terms, terms.split(cents));
            }
            seen.of(&terms, lever, &earned);
        }
        program(terms, rules, &sums)
    });
    let programs = programs.collect();
    Job::of_lines(&lines, false, programs, seen)
}

#[test]
fn random_measured_levers_earn_what_a_second_evaluator_says() {
    let seen = agree(SEED, RUNS, |random| job(random, PROGRAMS));
    let few = PROGRAMS / 50;
    for seen in &seen {
        let Seen { fired, split, taken_back, below_minimum, by_baseline, changed_tables, .. } =
            seen;
        assert!(*fired > PROGRAMS * 3 / 4, "only {fired} levers earned anything");
        for often in
            [split, taken_back, below_minimum, &seen.topped_up, &seen.reduced, changed_tables]
                .into_iter()
                .chain([&seen.refunded_apart])
                .chain(by_baseline)
                .chain(&seen.guaranteed)
        {
            assert!(*often > few, "something hardly occurs");
        }
    }
}

/// Months that were closed before all their lines were known earn the same in the end.
#[test]
fn measured_levers_earn_the_same_across_closes() {
    agree(SEED, 2, |random| job(random, PROGRAMS / 4).across_closes());
}
