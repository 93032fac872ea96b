//! Caps that lines, sums of lines and measures share, in random programs, over random lines and refunds;
//! see `random.rs`.

use crate::capped::{Cap, MEMBERSHIPS, Rooms, Taken, TakenBack, cap, cap_text, line_earnings};
use crate::measured::{self, text_of};
use crate::random::{
    Cents, Job, Line, Random, Sums, Terms, agree, date, day_before, lines, month, program, sold,
    window,
};
use std::collections::BTreeMap;

const SEED: u64 = 20_261_201;
const PROGRAMS: usize = 340;
const LINES: usize = 40;

enum Lever {
    Measured(measured::Lever),
    /// Rates in ten-thousandths.
    Summed(i128),
    Line(i128),
}

/// What is capped in its place: date, key, lever, participant.
#[derive(Clone)]
struct Item {
    place: ((i32, i128), String, usize, usize),
    customer: Option<usize>,
    /// The month whose window its room is of.
    counts: i32,
    earns: Cents,
    /// Ten-thousandths of program currency.
    base: i128,
    /// The place of the line that it takes back, or a number of the sum's after those.
    refunds: Option<usize>,
}

fn last_day(month: i32) -> i128 {
    day_before((month + 1, 1))[8..].parse().expect("a day")
}

fn of_measure(
    terms: &Terms,
    (lever, cap): (&measured::Lever, &Cap),
    number: usize,
    lines: &[Line],
) -> Vec<Item> {
    type Earned = (measured::Subject, measured::Part, i128);
    // Who belongs to a company may be another one each month.
    let months = if cap.participant && cap.company { 1 } else { cap.months };
    let earned = measured::evaluate(terms, lever, lines, |month| window(month, months));
    let item = |((participant, customer, window), (booked, rules), earns): Earned| {
        let last = window + lever.months - 1;
        let customer_id = customer.map_or(String::new(), |customer: usize| format!("C{customer}"));
        let key = format!("{customer_id}/{}/{}/{}", month(window), month(last), month(booked));
        let refunded = format!("{key}/{}", month(rules));
        let key = if rules == booked.min(last) { key } else { refunded };
        let place = ((booked, last_day(booked)), key, number, participant);
        Item { place, customer, counts: rules, earns: terms.split(earns), base: 0, refunds: None }
    };
    earned.into_iter().map(item).collect()
}

fn of_sums(terms: &Terms, rate: i128, number: usize, lines: &[Line]) -> Vec<Item> {
    // By participant, customer, currency, month of the sale and, in order, of what lowers it.
    let mut sums: BTreeMap<(usize, usize, bool, i32, i32), i128> = BTreeMap::new();
    for line in lines {
        let sold_in = sold(lines, line).month;
        let key = (line.participant, line.customer, line.euro, sold_in, line.month);
        *sums.entry(key).or_default() += line.cents;
    }
    let mut refunded: BTreeMap<(usize, usize, bool, i32), (usize, i128)> = BTreeMap::new();
    let mut items = Vec::new();
    for ((participant, customer, euro, sold_in, booked), cents) in sums {
        let currency = if euro { "EUR" } else { "USD" };
        let exchange = terms.rate(euro, sold_in);
        let of = date((sold_in, last_day(sold_in)));
        let key = format!("C{customer}/*/{}/{currency}/{of}", month(booked));
        let earned = |cents: i128| terms.exchanged(terms.divided(cents * rate, 10_000), exchange);
        let (mut refunds, mut before) = (None, 0);
        if booked != sold_in {
            let next = lines.len() + refunded.len();
            let of = refunded.entry((participant, customer, euro, sold_in)).or_insert((next, 0));
            (refunds, before) = (Some(of.0), of.1);
            of.1 += cents;
        }
        items.push(Item {
            place: ((booked, last_day(booked)), key, number, participant),
            customer: Some(customer),
            counts: sold_in,
            earns: earned(before + cents) - earned(before),
            base: cents * exchange,
            refunds,
        });
    }
    items
}

fn of_lines(terms: &Terms, rate: i128, number: usize, lines: &[Line]) -> Vec<Item> {
    let item = |(line, base, earns): (&Line, i128, Cents)| Item {
        place: ((line.month, line.day), line.id.clone(), number, line.participant),
        customer: Some(line.customer),
        counts: sold(lines, line).month,
        earns,
        base,
        refunds: line.refunds,
    };
    line_earnings(terms, rate, lines).into_iter().map(item).collect()
}

/// What is earned, and how many credits a cap changed of each kind of lever.
fn evaluate(terms: &Terms, rules: &Rules, lines: &[Line]) -> (Sums, [usize; 3]) {
    let mut items: Vec<Item> = Vec::new();
    for (number, lever) in rules.levers.iter().enumerate() {
        items.extend(match lever {
            Lever::Measured(lever) => {
                let cap = &rules.caps[rules.cap_of[number]];
                of_measure(terms, (lever, cap), number, lines)
            }
            Lever::Summed(rate) => of_sums(terms, *rate, number, lines),
            Lever::Line(rate) => of_lines(terms, *rate, number, lines),
        });
    }
    items.sort_by(|a, b| a.place.cmp(&b.place));
    let (mut rooms, mut sums, mut changed) = (Rooms::new(), Sums::default(), [0; 3]);
    let mut taken_back = TakenBack::new();
    for item in items {
        let ((booked, _), _, number, participant) = item.place;
        let of = rules.cap_of[number];
        let cap = &rules.caps[of];
        let room = cap.room(of, participant, item.customer, item.counts);
        let mut earned = Taken::default();
        let taken = match item.refunds {
            Some(of) => taken_back.entry((number, of)).or_default(),
            None => &mut earned,
        };
        let gross = rooms.entry(room).or_default();
        let credited = cap.credit(gross, terms, (item.base, item.earns), taken);
        let kind = match rules.levers[number] {
            Lever::Measured(_) => 0,
            Lever::Summed(_) => 1,
            Lever::Line(_) => 2,
        };
        changed[kind] += usize::from(credited != item.earns);
        sums.add((number, participant, booked), terms, credited);
    }
    (sums, changed)
}

/// Random levers and caps; each cap is shared by the levers whose number it has.
struct Rules {
    levers: Vec<Lever>,
    caps: Vec<Cap>,
    cap_of: Vec<usize>,
}

fn rules(random: &mut Random, summed: bool) -> Rules {
    let count = random.0.usize(1..4);
    let mut levers = Vec::new();
    while levers.len() < count {
        levers.push(match random.below(3) {
            0 => Lever::Line(random.below(2_000)),
            1 if summed => Lever::Summed(random.below(2_000)),
            _ => Lever::Measured(measured::lever(random)),
        });
    }
    let mut caps: Vec<Cap> = (0..1 + count / 2).map(|_| cap(random)).collect();
    let cap_of: Vec<usize> = (0..count).map(|_| random.0.usize(0..caps.len())).collect();
    for (lever, &number) in levers.iter().zip(&cap_of) {
        if let Lever::Measured(lever) = lever {
            caps[number].base = false;
            caps[number].customer &= lever.customer;
        }
    }
    Rules { levers, caps, cap_of }
}

impl Rules {
    fn text(&self) -> String {
        let mut text = String::new();
        for (number, lever) in self.levers.iter().enumerate() {
            let name = format!("lever-{number:02}");
            let plain = |grain: &str, rate: i128| {
                format!(
                    "[[lever]]\nlever = \"{name}\"\nname = \"L\"\ndraws = \"billing\"\n\
                     grain = \"{grain}\"\nproduct_groups = [\"*\"]\n\
                     [[lever.rate]]\nrate = \"0.{rate:04}\"\n"
                )
            };
            text.push_str(&match lever {
                Lever::Measured(lever) => text_of(lever, &name),
                Lever::Summed(rate) => plain("customer_product_group_period", *rate),
                Lever::Line(rate) => plain("line", *rate),
            });
        }
        for (number, cap) in self.caps.iter().enumerate() {
            let sharing = (0..self.levers.len()).filter(|&lever| self.cap_of[lever] == number);
            text.push_str(&cap_text(cap, number, sharing));
        }
        text
    }
}

/// A job, and in how many of its programs a cap changed credits of each kind of lever.
fn job(random: &mut Random, summed: bool) -> Job<[usize; 3]> {
    let lines = lines(random, LINES);
    let mut seen = [0; 3];
    let programs = (0..PROGRAMS).map(|_| {
        let terms = Terms::random(random);
        let rules = rules(random, summed);
        let (sums, changed) = evaluate(&terms, &rules, &lines);
        for (seen, changed) in seen.iter_mut().zip(changed) {
            *seen += usize::from(changed > 0);
        }
        program(terms, rules.text(), &sums)
    });
    let programs = programs.collect();
    Job { memberships: MEMBERSHIPS.to_owned(), ..Job::of_lines(&lines, false, programs, seen) }
}

#[test]
fn random_caps_over_sums_and_measures_credit_what_a_second_evaluator_says() {
    for (seed, runs, summed) in [(SEED, 4, true), (SEED + 1_000, 2, false)] {
        for [measured, sums, lines] in agree(seed, runs, |random| job(random, summed)) {
            let few = PROGRAMS / 10;
            let enough = measured > few && lines > few && (sums > few || !summed);
            assert!(
                enough,
                "caps change measures in {measured} programs, sums in {sums}, lines in {lines}"
            );
        }
    }
}
