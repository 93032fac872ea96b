//! Measures of companies, with days before, high water, flats without a line and all shapes of tables, in
//! random programs, over random lines with linked refunds; see `random.rs`.

use crate::measured::window_name;
use crate::random::{
    Job, Line, Random, Sums, Terms, agree, by_date, date, divided, lines, money, program,
    rules_month, sold, window,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const SEED: u64 = 20_261_301;
const RUNS: u64 = 5;
const PROGRAMS: usize = 420;
const LINES: usize = 40;
/// What sizes are counted in: trillionths of a dollar or unit.
const ONE: i128 = 1_000_000_000_000;
const SHAPES: [&str; 5] = ["marginal", "whole", "interpolated", "rolling", "total"];

#[derive(Clone, Copy, PartialEq)]
enum Per {
    Participant,
    Customer,
    Company,
}

struct Lever {
    units: bool,
    per: Per,
    payee: bool,
    months: i32,
    trailing: Option<i64>,
    zero: bool,
    high_water: bool,
    shape: &'static str,
    upper: bool,
    /// Divide by, and how it is rounded to whole units.
    scale: Option<(i128, &'static str)>,
    /// Upper edge in whole dollars or units; ten-thousandths or cents; cents; units in a package.
    tiers: Vec<(Option<i128>, i128, i128, Option<i128>)>,
}

fn lever(random: &mut Random) -> Lever {
    let units = random.yes(4);
    let months = random.of(&[1, 1, 3, 6, 12]);
    let per = random.of(&[Per::Participant, Per::Customer, Per::Company, Per::Company]);
    let trailing = (months == 1 && random.yes(4)).then(|| i64::from(random.0.i32(20..400)));
    let shape = match (months, trailing) {
        (_, Some(_)) => "whole",
        (1, None) => random.of(&SHAPES),
        _ => random.of(&SHAPES[..2]),
    };
    let zero = per != Per::Customer && random.yes(5);
    let mut edges: Vec<i128> = (0..1 + random.below(3))
        .map(|_| 1 + random.below(if units { 90 } else { 9_000 }))
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let open = (shape != "interpolated").then_some(None);
    let tiers = edges.into_iter().map(Some).chain(open);
    let tiers = tiers.map(|edge| {
        let package = months == 1 && units && shape != "interpolated" && random.yes(3);
        let flat = if random.yes(4) { random.below(9_000) } else { 0 };
        (edge, random.below(900), flat, package.then(|| 1 + random.below(9)))
    });
    let tiers = tiers.collect();
    Lever {
        units,
        per,
        payee: per == Per::Company && random.yes(3),
        months,
        trailing,
        zero,
        high_water: trailing.is_none() && !zero && random.yes(4),
        shape,
        upper: random.yes(4),
        tiers,
        scale: (months == 1 && random.yes(2)).then(|| {
            let rounding = random.of(&["half_up", "half_even", "down", "ceiling", ""]);
            (1 + random.below(9), rounding)
        }),
    }
}

fn text_of(lever: &Lever, number: usize) -> String {
    let mut text = format!(
        "[[lever]]\nlever = \"lever-{number:02}\"\nname = \"L\"\ndraws = \"billing\"\nproduct_groups = [\"*\"]\n\
         [lever.measure]\nof = \"{}\"\nper = \"{}\"\n",
        if lever.units { "quantity" } else { "amount" },
        match lever.per {
            Per::Participant => "participant",
            Per::Customer => "customer",
            Per::Company => "company",
        }
    );
    let mut add = |line: String| writeln!(text, "{line}").expect("memory");
    add(match lever.trailing {
        Some(days) => format!("window = {{ days = {days} }}"),
        None => format!("window = \"{}\"", window_name(lever.months)),
    });
    if lever.zero {
        add("zero = \"flat\"".to_owned());
    }
    if lever.high_water {
        add("baseline = \"high_water\"\nredecide = \"always\"".to_owned());
    }
    if lever.payee {
        add("payees = { G1 = \"0100002\" }".to_owned());
    }
    add(format!("[[lever.tiers]]\nshape = \"{}\"", lever.shape));
    add(format!("edge = \"{}\"", if lever.upper { "upper" } else { "lower" }));
    if let Some((by, rounding)) = lever.scale {
        let rounding = match rounding {
            "" => String::new(),
            rounding => format!(", rounding = \"{rounding}\""),
        };
        add(format!("unit_scale = {{ divide_by = \"{by}\"{rounding} }}"));
    }
    let tier = |&(edge, pays, flat, per): &(Option<i128>, i128, i128, Option<i128>)| {
        let edge = edge.map_or(String::new(), |edge| format!("up_to = \"{edge}\", "));
        let per = per.map_or(String::new(), |per| format!(", per = \"{per}\""));
        let pays = if lever.units {
            if lever.shape == "interpolated" {
                format!("amount = \"{}\"", money(pays))
            } else {
                format!("price = \"{}\"", money(pays))
            }
        } else {
            format!("rate = \"0.{pays:04}\"")
        };
        format!("{{ {edge}{pays}{per}, flat = \"{}\" }}", money(flat))
    };
    add(format!("tier = [{}]", lever.tiers.iter().map(tier).collect::<Vec<_>>().join(", ")));
    text
}

impl Lever {
    fn scaled(&self, size: i128) -> i128 {
        let Some((by, rounding)) = self.scale else { return size };
        let by = by * ONE;
        match rounding {
            "half_up" => divided(size, by) * ONE,
            "down" => size / by * ONE,
            "ceiling" => (size + by - 1) / by * ONE,
            "half_even" if size % by * 2 == by => (size / by + size / by % 2) * ONE,
            "half_even" => divided(size, by) * ONE,
            _ => divided(size * ONE, by),
        }
    }

    /// Cents that a size earns; both sizes in trillionths, neither negative.
    fn earned(&self, terms: &Terms, size: i128, picks: i128) -> i128 {
        let (size, picks) = (self.scaled(size), self.scaled(picks));
        // Cents are numerator ÷ denominator; the pro rata part has a length beside it.
        let one = if self.units { ONE } else { ONE * 100 };
        let (mut total, mut part_of, mut length) = (0, 0, 1);
        let mut lower = 0;
        for &(edge, pays, flat, per) in &self.tiers {
            let upper = edge.map(|edge| edge * ONE);
            let above = |size: i128| if self.upper { lower <= size } else { lower < size };
            let below = |size: i128| match upper {
                None => true,
                Some(upper) if self.upper => size < upper,
                Some(upper) => size <= upper,
            };
            let counted = |slice: i128| match per {
                Some(per) => (slice + per * ONE - 1) / (per * ONE) * ONE,
                None => slice,
            };
            let nothing = size == 0;
            let due = match self.shape {
                "whole" => (above(picks) || lower == 0) && below(picks) && (!nothing || self.zero),
                "interpolated" => lower < size,
                _ if nothing => self.zero && lower == 0,
                _ => above(size),
            };
            if due {
                total += flat * one;
                let to = upper.unwrap_or(size).min(size);
                match self.shape {
                    "marginal" => total += counted(to - lower) * pays,
                    "rolling" => total += counted(to) * pays,
                    "interpolated" => {
                        let whole = if self.units { pays * one } else { size * pays };
                        let upper = upper.expect("an edge");
                        if size >= upper {
                            total += whole;
                        } else {
                            (part_of, length) = (whole * (to - lower), upper - lower);
                        }
                    }
                    _ => total += counted(size) * pays,
                }
            }
            lower = upper.unwrap_or(lower);
        }
        terms.divided(total * length + part_of, one * length)
    }
}

/// What is sold to whom: trillionths of a dollar or unit, by the month or day that counts.
struct Sold {
    participant: usize,
    customer: usize,
    booked: i32,
    /// The month whose rules it has.
    rules: i32,
    on: i64,
    counts: i32,
    adds: i128,
}

fn day(month: i32, day: i128) -> i64 {
    let day = chrono::NaiveDate::parse_from_str(&date((month, day)), "%Y-%m-%d").expect("a day");
    day.signed_duration_since(chrono::NaiveDate::MIN).num_days()
}

fn all_sold(terms: &Terms, lever: &Lever, lines: &[Line]) -> Vec<Sold> {
    let mut refunded = vec![0; lines.len()];
    let one = |line: &Line| {
        let original = sold(lines, line);
        let adds = match (lever.units, line.refunds) {
            (false, _) => line.cents * terms.rate(original.euro, original.month) * (ONE / 10_000),
            (true, None) => line.units * ONE,
            (true, Some(place)) => {
                let back = |cents| divided(original.units * ONE * cents, original.cents);
                let before: i128 = refunded[place];
                refunded[place] -= line.cents;
                back(before) - back(refunded[place])
            }
        };
        Sold {
            participant: line.participant,
            customer: line.customer,
            booked: line.month,
            rules: {
                let first = window(original.month, lever.months);
                let months = (original.month, line.month);
                rules_month(months, first..first + lever.months, |month| {
                    let day = (month, 1);
                    let half = (terms.on(day).rebate != 100).then(|| window(month, 6));
                    (terms.later.is_some_and(|(from, _)| from <= day), half)
                })
            },
            on: day(line.month, line.day),
            counts: original.month,
            adds,
        }
    };
    by_date(lines).into_iter().map(one).collect()
}

/// By largest remainder, ties by place; all to the first if none has any.
fn split(total: i128, weights: &[i128]) -> Vec<i128> {
    let mut weights: Vec<i128> = weights.iter().map(|&weight| weight.max(0)).collect();
    if weights.iter().sum::<i128>() == 0 {
        weights[0] = 1;
    }
    let all: i128 = weights.iter().sum();
    let mut parts: Vec<i128> =
        weights.iter().map(|&weight| (total * weight).div_euclid(all)).collect();
    let mut places: Vec<usize> = (0..weights.len()).collect();
    places.sort_by_key(|&place| (-(total * weights[place]).rem_euclid(all), place));
    let missing = total - parts.iter().sum::<i128>();
    for &place in places.iter().take(usize::try_from(missing).expect("few")) {
        parts[place] += 1;
    }
    parts
}

/// Cents by participant, month and that whose rules they have, one for each window.
fn evaluate(terms: &Terms, lever: &Lever, lines: &[Line]) -> Vec<(usize, (i32, i32), i128)> {
    type Whose = (usize, Option<usize>);
    type Parts = BTreeMap<((i32, i32), usize), (i128, bool)>;
    let whose = |participant: usize, customer: usize| -> Whose {
        match lever.per {
            Per::Participant => (participant, None),
            Per::Customer => (participant, Some(customer)),
            // The first two are one company.
            Per::Company => (if participant < 2 { 0 } else { 2 }, None),
        }
    };
    let rounded = |sum: i128| {
        let cent = ONE / 100;
        if lever.units { sum } else { terms.divided(sum, cent) * cent }
    };
    let all = all_sold(terms, lever, lines);
    let mut added: BTreeMap<(Whose, i32), Parts> = BTreeMap::new();
    let mut whole: BTreeMap<(Whose, i32), i128> = BTreeMap::new();
    for one in &all {
        let of = (whose(one.participant, one.customer), window(one.counts, lever.months));
        *whole.entry(of).or_default() += one.adds;
        let part = ((one.booked, one.rules), one.participant);
        let month = added.entry(of).or_default().entry(part);
        let month = month.or_default();
        *month = (month.0 + one.adds, true);
    }
    let first = all.iter().map(|one| one.booked).min().expect("lines");
    let last = all.iter().map(|one| one.booked).max().expect("lines");
    for month in (first..=last).filter(|_| lever.zero) {
        for participant in 0..3 {
            let of = (whose(participant, 0), window(month, lever.months));
            added.entry(of).or_default().entry(((month, month), participant)).or_default();
        }
    }
    let mut earned = Vec::new();
    for ((of, window), months) in &added {
        let before = whole.range((*of, i32::MIN)..(*of, *window));
        let mark = before.map(|(_, sum)| rounded(*sum)).max().unwrap_or(0).max(0);
        let end = day(*window + 1, 1);
        let reached = lever.trailing.map(|days| {
            let within = all.iter().filter(|one| {
                whose(one.participant, one.customer) == *of && one.on < end && one.on >= end - days
            });
            rounded(within.map(|one| one.adds).sum()).max(0)
        });
        let payee = (lever.payee && of.0 == 0).then_some(1);
        let members: BTreeSet<usize> =
            months.keys().map(|(_, participant)| *participant).chain(payee).collect();
        let members: Vec<usize> = members.into_iter().collect();
        let mut sums = vec![0; members.len()];
        let mut had = vec![0; members.len()];
        let booked: BTreeSet<(i32, i32)> = months.keys().map(|(month, _)| *month).collect();
        for month in booked {
            for (sum, member) in sums.iter_mut().zip(&members) {
                *sum += months.get(&(month, *member)).map_or(0, |added| added.0);
            }
            let measure = rounded(sums.iter().sum());
            let counted = if lever.high_water { (measure - mark).max(0) } else { measure };
            let size = counted.abs();
            let cents = lever.earned(terms, size, reached.unwrap_or(size));
            let total = if counted < 0 { -cents } else { cents };
            let weights: Vec<i128> = sums
                .iter()
                .zip(&members)
                .map(|(sum, member)| payee.map_or(rounded(*sum), |one| i128::from(one == *member)))
                .collect();
            let has = split(total, &weights);
            for (place, member) in members.iter().enumerate() {
                let step = has[place] - had[place];
                if step != 0 || months.get(&(month, *member)).is_some_and(|added| added.1) {
                    earned.push((*member, month, step));
                }
            }
            had = has;
        }
    }
    earned
}

/// Lines of which the third participant sells in every fourth month only; a refund is the partner's who
/// sold.
fn idle_lines(random: &mut Random) -> Vec<Line> {
    let mut lines = lines(random, LINES);
    for place in 0..lines.len() {
        let of = sold(&lines, &lines[place]);
        let (seller, month) = (of.participant, of.month);
        lines[place].participant = if seller == 2 && month % 4 != 0 { 0 } else { seller };
    }
    lines
}

/// How often what the test is about earned anything.
fn count(
    seen: &mut BTreeMap<&'static str, usize>,
    lever: &Lever,
    earned: &[(usize, (i32, i32), i128)],
) {
    let company = lever.per == Per::Company;
    let packages = lever.tiers.iter().any(|(.., per)| per.is_some());
    let fired = earned.iter().any(|(.., cents)| *cents != 0);
    for (what, occurs) in [
        ("any", true),
        (lever.shape, true),
        ("company", company),
        ("payee", lever.payee),
        ("customer", lever.per == Per::Customer),
        ("units", lever.units),
        ("days before", lever.trailing.is_some()),
        ("flat without a line", lever.zero),
        ("high water", lever.high_water),
        ("unit scale", lever.scale.is_some()),
        ("package", packages),
        (
            "refunded apart",
            earned.iter().any(|(_, (booked, rules), cents)| {
                *cents != 0
                    && *rules != (*booked).min(window(*rules, lever.months) + lever.months - 1)
            }),
        ),
        ("taken back", earned.iter().any(|(.., cents)| *cents < 0)),
    ] {
        *seen.entry(what).or_default() += usize::from(fired && occurs);
    }
}

/// A job of so many random programs over the same lines.
fn job(random: &mut Random, programs: usize) -> Job<BTreeMap<&'static str, usize>> {
    let lines = idle_lines(random);
    let mut seen = BTreeMap::new();
    let programs = (0..programs).map(|_| {
        let terms = Terms::random_dated(random, 1);
        let levers: Vec<Lever> = (0..1 + random.below(2)).map(|_| lever(random)).collect();
        let (mut sums, mut rules) = (Sums::default(), String::new());
        for (number, lever) in levers.iter().enumerate() {
            rules.push_str(&text_of(lever, number));
            let earned = evaluate(&terms, lever, &lines);
            for &(participant, (month, rules), cents) in &earned {
                let terms = terms.on((rules, 1));
                sums.add((number, participant, month), &terms, terms.split(cents));
            }
            count(&mut seen, lever, &earned);
        }
        program(terms, rules, &sums)
    });
    let programs = programs.collect();
    Job::of_lines(&lines, true, programs, seen)
}

#[test]
fn random_companies_days_marks_flats_and_shapes_earn_what_a_second_evaluator_says() {
    let seen = agree(SEED, RUNS, |random| job(random, PROGRAMS));
    for seen in seen {
        assert!(seen["any"] > PROGRAMS * 3 / 4, "{seen:?}");
        assert!(seen.len() > 16 && seen.values().all(|often| *often > PROGRAMS / 50), "{seen:?}");
    }
}

/// Months that were closed before all their lines were known earn the same in the end.
#[test]
fn companies_and_shapes_earn_the_same_across_closes() {
    agree(SEED, 2, |random| job(random, PROGRAMS / 4).across_closes());
}
