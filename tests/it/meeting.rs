//! Levers that meet on a line, on random terms and random lines: fixed amounts and rates by country,
//! engagements, levers after each other, payees, new customers, a split in three, linked refunds. What is
//! published equals a second evaluator in plain integers, written from the rules and sharing no code with the
//! engine; and the run's own check against DuckDB passes. Seeds are printed.

mod exports;

use crate::measured::{EURO, Random, date, divided, money};
use crate::support::{must_run, options, rows};
use exports::{text_of, write_job};
use std::collections::BTreeMap;

const SEED: u64 = 20_261_127;
const LINES: usize = 600;
const FIRST_MONTH: i32 = 2020 * 12;
const MONTHS: i32 = 24;
const COUNTRIES: [&str; 4] = ["US", "IT", "DE", ""];
const DIRECT: [&str; 2] = ["0100001", "0100002"];
const PROVIDERS: [&str; 2] = ["0300001", "0300002"];
const RESELLERS: [&str; 2] = ["0400001", "0400002"];
/// 0100001 is in the US before this day, in Italy from then on; all others are in the US.
const MOVED: (i32, i128) = (FIRST_MONTH + 11, 15);

/// In hundredths; co-op has the rest.
const REBATE: i128 = 50;
const FEE: i128 = 20;

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
    engagement: Option<usize>,
    after: Option<usize>,
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
        customer: random.0.usize(0..40),
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
        let original = (random.yes(2) && number > 20).then(|| random.0.usize(0..number));
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
    Lever { azure_only: random.yes(4), rates, engagement: None, after: None, payees, add }
}

/// Six engagements of three, six chains of up to four, and six levers alone.
fn levers(random: &mut Random) -> (Vec<Lever>, Vec<Select>) {
    let mut levers: Vec<Lever> = (0..18).map(|_| lever(random)).collect();
    for (number, lever) in levers.iter_mut().enumerate() {
        lever.engagement = Some(number / 3);
    }
    let choices = [Select::All, Select::First, Select::MostSpecific, Select::Best];
    let selects = (0..6).map(|number| choices[number % 4]).collect();
    for _ in 0..6 {
        let length = 1 + random.0.usize(1..4);
        for position in 0..length {
            let mut next = lever(random);
            if position > 0 {
                // A fixed amount looks at no base.
                next.rates.iter_mut().for_each(|rate| rate.fixed = false);
                next.after = Some(levers.len() - 1);
            }
            levers.push(next);
        }
    }
    levers.extend((0..6).map(|_| lever(random)));
    (levers, selects)
}

// The second evaluator.

/// Cents in program currency: earned, rebate and fee of a part of a line.
#[derive(Clone, Copy, PartialEq)]
struct Part {
    /// In transaction currency, which competing levers compare.
    own: i128,
    earned: i128,
    rebate: i128,
    fee: i128,
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

fn additions(lever: &Lever, lines: &[Line]) -> Added {
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
            *total += line.cents * if line.euro { EURO } else { 100 };
            if divided(*total, 100) >= minimum {
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
fn earned(lever: &Lever, rate: &Rate, line: &Line, left: i128, role: &str) -> (i128, Part) {
    let exchange = if line.euro { EURO } else { 100 };
    let fixed = rate.pays * line.cents.signum();
    let whole =
        if rate.fixed { divided(fixed * 100, exchange) } else { divided(left * rate.pays, 10_000) };
    let in_program = if rate.fixed { fixed } else { divided(whole * exchange, 100) };
    let part = |amount: i128| match (lever.payees, role) {
        (Some(share), "reseller") => divided(amount * share, 100),
        (Some(share), "provider") => amount - divided(amount * share, 100),
        _ => amount,
    };
    let (own, program) = (part(whole), part(in_program));
    let split_there = rate.fixed || lever.payees.is_some() && role != "direct";
    let rebate = if split_there {
        divided(program * REBATE, 100)
    } else {
        divided(divided(own * REBATE, 100) * exchange, 100)
    };
    let fee = divided((program - rebate) * FEE, 100 - REBATE);
    (whole, Part { own, earned: program, rebate, fee })
}

/// What all levers make of a line that is no linked refund: by lever and role.
fn outcomes(
    (levers, selects): (&[Lever], &[Select]),
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
            let left = if line.cents < 0 { left.min(0) } else { left.max(0) };
            let (whole, part) = earned(lever, rate, line, left, role);
            let outcome = match unadded(lever, &added[number], line, who) {
                Some(reason) => Outcome::Refused(reason),
                None => {
                    wholes.insert(number, whole);
                    Outcome::Earned(part)
                }
            };
            found.insert((number, role), (who, outcome));
        }
        for (engagement, select) in selects.iter().enumerate() {
            let mut best: Option<(usize, (u32, i128))> = None;
            let mut losers = Vec::new();
            for (number, lever) in levers.iter().enumerate() {
                let Some((_, Outcome::Earned(part))) = found.get(&(number, role)) else { continue };
                if lever.engagement != Some(engagement) || *select == Select::All {
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
    }
    found
}

/// Lever, participant, earning type or reason, month: cents, or rows.
type Sums = BTreeMap<(usize, &'static str, &'static str, i32), i128>;

fn evaluate(rules: (&[Lever], &[Select]), lines: &[Line]) -> Sums {
    let added: Vec<Added> = rules.0.iter().map(|lever| additions(lever, lines)).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&place| (lines[place].on, lines[place].id.clone()));
    let mut refunded = vec![0; lines.len()];
    let mut sums = Sums::new();
    for place in order {
        let line = &lines[place];
        let sold = line.refunds.map_or(line, |original| &lines[original]);
        let steps = line.refunds.map(|original| {
            let before = refunded[original];
            refunded[original] -= line.cents;
            (before, refunded[original])
        });
        for ((lever, _), (who, outcome)) in outcomes(rules, &added, sold) {
            let mut add = |what, amount| {
                *sums.entry((lever, who, what, line.on.0)).or_default() += amount;
            };
            match outcome {
                Outcome::Refused(reason) => add(reason, 1),
                Outcome::Earned(part) => {
                    let taken = |amount: i128| match steps {
                        None => amount,
                        Some((before, after)) => {
                            divided(amount * before, sold.cents)
                                - divided(amount * after, sold.cents)
                        }
                    };
                    let (earned, rebate) = (taken(part.earned), taken(part.rebate));
                    let fee = taken(part.fee);
                    add("rebate", rebate);
                    add("fee", fee);
                    add("coop", earned - rebate - fee);
                }
            }
        }
    }
    sums
}

#[test]
fn random_levers_that_meet_earn_what_a_second_evaluator_says() {
    for seed in SEED..SEED + 3 {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let lines = lines(&mut random);
        let (levers, selects) = levers(&mut random);
        let folder = tempfile::tempdir().expect("a folder");
        write_job(folder.path(), &text_of(&levers, &selects), &lines);
        let warehouse = tempfile::tempdir().expect("a folder");
        let job = folder.path().join("job.toml");
        let outcome = must_run(&options(&job, warehouse.path(), "2022-02-08"));
        let found = rows(
            &outcome.store,
            &outcome.snapshot,
            "SELECT lever, participant_id, earning_type, period,
                sum(program_amount)::DECIMAL(18, 2)::VARCHAR
            FROM earnings GROUP BY ALL
            UNION ALL
            SELECT lever, participant_id, reason, period, count(*)::VARCHAR
            FROM unearned GROUP BY ALL",
        );
        let sums = evaluate((&levers, &selects), &lines);
        let rebate_or = ["rebate", "coop", "fee"];
        let mut expected: Vec<Vec<String>> = sums
            .iter()
            .map(|(&(lever, who, what, month), &amount)| {
                let month = date((month, 1))[..7].to_owned();
                let amount =
                    if rebate_or.contains(&what) { money(amount) } else { amount.to_string() };
                vec![format!("lever-{lever:02}"), who.to_owned(), what.to_owned(), month, amount]
            })
            .collect();
        expected.sort();
        let differ = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        assert!(found == expected, "seed {seed}: first difference {differ:?}");
        for reason in ["OUTRANKED", "CUSNOTNEW", "IVDCUST", "MINTHNTMT", "fee"] {
            let fired = sums.keys().filter(|key| key.2 == reason).count();
            assert!(fired > 10, "seed {seed}: `{reason}` only {fired} times");
        }
    }
}
