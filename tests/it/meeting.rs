//! Levers that meet on a line, in random programs, over random lines: fixed amounts and rates by country,
//! engagements, levers after each other, payees, new customers, a split in three, linked refunds; see
//! `random.rs`.

mod exports;

use crate::random::{
    Cents, FIRST_MONTH, Job, MONTHS, Program, Random, Terms, agree_with_refusals, money, month,
};
use exports::{lines_text, memberships, text_of};
use std::collections::{BTreeMap, BTreeSet};

const SEED: u64 = 20_261_127;
const RUNS: u64 = 6;
const PROGRAMS: usize = 340;
const LINES: usize = 60;
const COUNTRIES: [&str; 4] = ["US", "IT", "DE", ""];
const DIRECT: [&str; 2] = ["0100001", "0100002"];
const PROVIDERS: [&str; 2] = ["0300001", "0300002"];
const RESELLERS: [&str; 2] = ["0400001", "0400002"];

fn partners() -> impl Iterator<Item = &'static str> {
    [DIRECT, PROVIDERS, RESELLERS].into_iter().flatten()
}

/// 0100001 is in the US before this day, in Italy from then on; all others are in the US.
const MOVED: (i32, i128) = (FIRST_MONTH + 11, 15);

#[derive(Clone)]
struct Line {
    id: String,
    on: (i32, i128),
    billed: &'static str,
    reseller: Option<&'static str>,
    customer: usize,
    country: &'static str,
    modern_work: bool,
    euro: bool,
    cents: i128,
    refunds: Option<usize>,
}

struct Rate {
    /// Ten-thousandths, or cents.
    pays: i128,
    fixed: bool,
    customer: Vec<&'static str>,
    partner: Vec<&'static str>,
}

#[derive(Clone, Copy, PartialEq)]
enum Select {
    All,
    First,
    MostSpecific,
    Best,
}

struct Lever {
    azure_only: bool,
    rates: Vec<Rate>,
    engagement: bool,
    after: Option<usize>,
    /// On what the lever before earned, not on what it leaves.
    on_earned: bool,
    /// The reseller's hundredths.
    payees: Option<i128>,
    /// Months, minimum in cents, by the lever's products.
    add: Option<(i32, i128, bool)>,
}

fn sold(random: &mut Random) -> Line {
    let reseller = random.yes(6).then(|| random.of(&RESELLERS));
    Line {
        id: String::new(),
        on: (FIRST_MONTH + random.0.i32(0..MONTHS), 1 + random.below(27)),
        billed: if reseller.is_some() { random.of(&PROVIDERS) } else { random.of(&DIRECT) },
        reseller,
        customer: random.0.usize(0..12),
        country: random.of(&COUNTRIES),
        modern_work: random.yes(4),
        euro: random.yes(4),
        cents: random.below(50_000) - if random.yes(1) { 25_000 } else { 0 },
        refunds: None,
    }
}

fn lines(random: &mut Random) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut left: Vec<i128> = Vec::new();
    for number in 0..LINES {
        let original = (random.yes(2) && number > 5).then(|| random.0.usize(0..number));
        let original = original.filter(|&place| lines[place].refunds.is_none() && left[place] > 1);
        let line = match original {
            Some(place) => {
                let cents = 1 + random.below(left[place]);
                left[place] -= cents;
                let sold = lines[place].clone();
                let month = (sold.on.0 + random.0.i32(0..6)).min(FIRST_MONTH + MONTHS - 1);
                Line { on: (month, 28), cents: -cents, refunds: Some(place), ..sold }
            }
            None => sold(random),
        };
        left.push(line.cents);
        lines.push(Line { id: format!("L{number:04}"), ..line });
    }
    lines
}

fn rate(random: &mut Random, fixed: bool, everywhere: bool) -> Rate {
    let mut countries = |asked: i128| -> Vec<&'static str> {
        if everywhere || !random.yes(asked) {
            return Vec::new();
        }
        COUNTRIES[..3].iter().copied().filter(|_| random.yes(5)).collect()
    };
    let (customer, partner) = (countries(6), countries(3));
    Rate { pays: random.below(if fixed { 3_000 } else { 2_000 }), fixed, customer, partner }
}

fn lever(random: &mut Random) -> Lever {
    let fixed = random.yes(3);
    let mut rates = vec![rate(random, fixed, false)];
    if !(rates[0].customer.is_empty() && rates[0].partner.is_empty()) && random.yes(6) {
        let fixed = random.yes(3);
        rates.push(rate(random, fixed, true));
    }
    let payees = random.yes(3).then(|| random.below(101));
    let add = (payees.is_none() && random.yes(4)).then(|| {
        let minimum = if random.yes(5) { random.below(60_000) } else { 0 };
        (1 + random.0.i32(0..14), minimum, random.yes(5))
    });
    let (azure_only, engagement) = (random.yes(4), false);
    Lever { azure_only, rates, engagement, after: None, on_earned: false, payees, add }
}

/// An engagement of up to three, a chain of up to three, and perhaps a lever alone.
fn levers(random: &mut Random) -> (Vec<Lever>, Select) {
    let mut levers: Vec<Lever> = (0..random.0.usize(1..4)).map(|_| lever(random)).collect();
    for lever in &mut levers {
        lever.engagement = true;
    }
    let select = random.of(&[Select::All, Select::First, Select::MostSpecific, Select::Best]);
    for position in 0..random.0.usize(0..4) {
        let mut next = lever(random);
        if position > 0 {
            // A fixed amount looks at no base.
            next.rates.iter_mut().for_each(|rate| rate.fixed = false);
            next.after = Some(levers.len() - 1);
            next.on_earned = position == 1 && random.yes(4);
        }
        let ends = next.on_earned;
        levers.push(next);
        if ends {
            break;
        }
    }
    levers.extend((0..random.below(2)).map(|_| lever(random)));
    (levers, select)
}

// The second evaluator.

/// A payee's part of a line.
#[derive(Clone, Copy, PartialEq)]
struct Part {
    /// In transaction currency, which competing levers compare.
    own: i128,
    cents: Cents,
}

#[derive(Clone)]
enum Outcome {
    Earned(Part),
    Refused(&'static str),
}

/// Who sells in which role, in the order of roles' names.
fn roles(line: &Line) -> Vec<(&'static str, &'static str)> {
    match line.reseller {
        None => vec![("direct", line.billed)],
        Some(reseller) => vec![("provider", line.billed), ("reseller", reseller)],
    }
}

fn matching<'a>(lever: &'a Lever, line: &Line, who: &str) -> Option<&'a Rate> {
    if lever.azure_only && line.modern_work {
        return None;
    }
    let home = if who == DIRECT[0] && line.on >= MOVED { "IT" } else { "US" };
    lever.rates.iter().find(|rate| {
        (rate.customer.is_empty() || rate.customer.contains(&line.country))
            && (rate.partner.is_empty() || rate.partner.contains(&home))
    })
}

/// The day a number of months later, of days that every month has.
fn later((month, day): (i32, i128), months: i32) -> (i32, i128) {
    (month + months, day)
}

/// Per customer: the days on which it is new, and who added it.
type Added = BTreeMap<usize, ((i32, i128), (i32, i128), Option<&'static str>)>;

fn additions(terms: &Terms, lever: &Lever, lines: &[Line]) -> Added {
    let Some((months, minimum, by_product)) = lever.add else { return Added::new() };
    let mut order: Vec<&Line> = lines.iter().filter(|line| line.cents > 0).collect();
    order.sort_by_key(|line| (line.on, line.id.clone()));
    let mut added = Added::new();
    for line in &order {
        if !(by_product && lever.azure_only && line.modern_work) {
            added.entry(line.customer).or_insert((line.on, later(line.on, months), None));
        }
    }
    let mut sold: BTreeMap<(usize, &str), i128> = BTreeMap::new();
    for line in order {
        for (_, who) in roles(line) {
            let Some((from, until, award)) = added.get_mut(&line.customer) else { continue };
            let new = *from <= line.on && line.on < *until;
            if award.is_some() || !new || matching(lever, line, who).is_none() {
                continue;
            }
            let total = sold.entry((line.customer, who)).or_default();
            *total += line.cents * terms.rate(line.euro, line.on.0);
            if terms.divided(*total, 100) >= minimum {
                *award = Some(who);
            }
        }
    }
    added
}

fn unadded(lever: &Lever, added: &Added, line: &Line, who: &str) -> Option<&'static str> {
    lever.add?;
    match added.get(&line.customer) {
        Some((from, until, award)) if *from <= line.on && line.on < *until => match award {
            None => Some("MINTHNTMT"),
            Some(award) => (*award != who).then_some("IVDCUST"),
        },
        _ => Some("CUSNOTNEW"),
    }
}

/// Cents earned in transaction currency before payees divide it, and the payee's part.
fn earned(
    (terms, lever): (&Terms, &Lever),
    rate: &Rate,
    line: &Line,
    left: i128,
    role: &str,
) -> (i128, Part) {
    let exchange = terms.rate(line.euro, line.on.0);
    let fixed = rate.pays * line.cents.signum();
    let rounded = |number, by| terms.divided(number, by);
    let whole =
        if rate.fixed { rounded(fixed * 100, exchange) } else { rounded(left * rate.pays, 10_000) };
    let in_program = if rate.fixed { fixed } else { rounded(whole * exchange, 100) };
    let part = |amount: i128| match (lever.payees, role) {
        (Some(share), "reseller") => rounded(amount * share, 100),
        (Some(share), "provider") => amount - rounded(amount * share, 100),
        _ => amount,
    };
    let own = part(whole);
    let split_there = rate.fixed || lever.payees.is_some() && role != "direct";
    let cents =
        if split_there { terms.split(part(in_program)) } else { terms.exchanged(own, exchange) };
    (whole, Part { own, cents })
}

/// What all levers make of a line that is no linked refund: by lever and role.
fn outcomes(
    terms: &Terms,
    (levers, select): (&[Lever], Select),
    added: &[Added],
    line: &Line,
) -> BTreeMap<(usize, &'static str), (&'static str, Outcome)> {
    let mut found = BTreeMap::new();
    for (role, who) in roles(line) {
        let mut wholes: BTreeMap<usize, i128> = BTreeMap::new();
        for (number, lever) in levers.iter().enumerate() {
            let Some(rate) = matching(lever, line, who) else { continue };
            let mut left = line.cents;
            let mut before = lever.after;
            while let Some(place) = before {
                left -= wholes.get(&place).copied().unwrap_or_default();
                before = levers[place].after;
            }
            let left = match lever.after.filter(|_| lever.on_earned) {
                Some(before) => wholes.get(&before).copied().unwrap_or_default(),
                None if line.cents < 0 => left.min(0),
                None => left.max(0),
            };
            let (whole, part) = earned((terms, lever), rate, line, left, role);
            let outcome = match unadded(lever, &added[number], line, who) {
                Some(reason) => Outcome::Refused(reason),
                None => {
                    wholes.insert(number, whole);
                    Outcome::Earned(part)
                }
            };
            found.insert((number, role), (who, outcome));
        }
        let mut best: Option<(usize, (u32, i128))> = None;
        let mut losers = Vec::new();
        for (number, lever) in levers.iter().enumerate() {
            let Some((_, Outcome::Earned(part))) = found.get(&(number, role)) else { continue };
            if !lever.engagement || select == Select::All {
                continue;
            }
            let Some(rate) = matching(lever, line, who) else { continue };
            let specific = u32::from(lever.azure_only) * 4
                + u32::from(!rate.customer.is_empty()) * 2
                + u32::from(!rate.partner.is_empty());
            let worth = match select {
                Select::MostSpecific => (specific, 0),
                Select::Best => (0, part.own.abs()),
                _ => (0, 0),
            };
            match best {
                Some((known, highest)) if worth > highest => {
                    losers.push(known);
                    best = Some((number, worth));
                }
                Some(_) => losers.push(number),
                None => best = Some((number, worth)),
            }
        }
        for loser in losers {
            if let Some((_, outcome)) = found.get_mut(&(loser, role)) {
                *outcome = Outcome::Refused("OUTRANKED");
            }
        }
    }
    found
}

/// What is earned and what is refused: by lever, participant and month, for what reason.
#[derive(Default)]
struct Sums {
    earned: BTreeMap<(usize, &'static str, i32), Cents>,
    refused: BTreeMap<(usize, &'static str, i32, &'static str), usize>,
}

fn evaluate(terms: &Terms, rules: (&[Lever], Select), lines: &[Line]) -> Sums {
    let added: Vec<Added> = rules.0.iter().map(|lever| additions(terms, lever, lines)).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&place| (lines[place].on, lines[place].id.clone()));
    let mut refunded = vec![0; lines.len()];
    let mut sums = Sums::default();
    for place in order {
        let line = &lines[place];
        let sold = line.refunds.map_or(line, |original| &lines[original]);
        let steps = line.refunds.map(|original| {
            let before = refunded[original];
            refunded[original] -= line.cents;
            (before, refunded[original])
        });
        for ((lever, _), (who, outcome)) in outcomes(terms, rules, &added, sold) {
            match outcome {
                Outcome::Refused(reason) => {
                    *sums.refused.entry((lever, who, line.on.0, reason)).or_default() += 1;
                }
                Outcome::Earned(Part { cents, .. }) => {
                    let cents = steps.map_or(cents, |steps| cents.taken(terms, steps, sold.cents));
                    *sums.earned.entry((lever, who, line.on.0)).or_default() += cents;
                }
            }
        }
    }
    sums
}

impl Sums {
    fn rows(&self, terms: &Terms) -> Vec<[String; 5]> {
        let row = |lever: usize, who: &str, what: &str, booked, value| {
            [format!("lever-{lever:02}"), who.to_owned(), what.to_owned(), month(booked), value]
        };
        let earned = self.earned.iter().flat_map(|(&(lever, who, booked), &cents)| {
            let types = terms.types(cents);
            types.map(move |(kind, cents)| row(lever, who, kind, booked, money(cents)))
        });
        let refused = self.refused.iter().map(|(&(lever, who, booked, reason), count)| {
            row(lever, who, reason, booked, count.to_string())
        });
        earned.chain(refused).collect()
    }
}

/// Currency, and a split in up to three.
fn terms(random: &mut Random) -> Terms {
    let terms = Terms::random(random);
    let fee = if random.yes(8) { random.below(101 - terms.rebate) } else { 0 };
    Terms { fee, ..terms }
}

#[test]
fn random_levers_that_meet_earn_what_a_second_evaluator_says() {
    let seen = agree_with_refusals(SEED, RUNS, |random| {
        let lines = lines(random);
        // In how many programs lines are refused, by reason; and how many have levers of some kind.
        let mut seen = BTreeMap::<&'static str, usize>::new();
        let programs = (0..PROGRAMS).map(|_| {
            let terms = terms(random);
            let (levers, select) = levers(random);
            let sums = evaluate(&terms, (&levers, select), &lines);
            let reasons: BTreeSet<&str> = sums.refused.keys().map(|key| key.3).collect();
            let any = |is: fn(&Lever) -> bool| levers.iter().any(is);
            let kinds = [
                ("fee", terms.fee > 0 && terms.rebate > 0),
                ("after", any(|lever| lever.after.is_some())),
                ("on_earned", any(|lever| lever.on_earned)),
                ("payees", any(|lever| lever.payees.is_some())),
                ("fixed", any(|lever| lever.rates.iter().any(|rate| rate.fixed))),
            ];
            let kinds = kinds.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind);
            for what in reasons.into_iter().chain(kinds) {
                *seen.entry(what).or_default() += 1;
            }
            Program { terms, rules: text_of(&levers, select), expected: sums.rows(&terms) }
        });
        Job {
            programs: programs.collect(),
            pays: "\"direct\", \"provider\", \"reseller\"",
            partners: partners().map(str::to_owned).collect(),
            memberships: memberships(),
            lines: lines_text(&lines),
            before: String::new(),
            early: String::new(),
            claims: String::new(),
            seen,
        }
    });
    for seen in seen {
        for what in ["OUTRANKED", "CUSNOTNEW", "IVDCUST", "MINTHNTMT"].into_iter().chain([
            "fee",
            "after",
            "on_earned",
            "payees",
            "fixed",
        ]) {
            let often = seen.get(what).copied().unwrap_or_default();
            assert!(often > PROGRAMS / 20, "`{what}` in {often} programs only");
        }
    }
}
