//! Caps on random lines, linked refunds and shared caps in play: what is published equals a second
//! evaluator in plain integers, written from the rules and sharing no code with the engine; and the
//! run's own check against DuckDB passes. Seeds are printed.

use crate::measured::{EURO, Line, Random, date, divided, lines, money, write_job};
use crate::support::{must_run, options, rows};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const SEED: u64 = 20_261_126;
const CAPS: usize = 16;

/// A lever with a rate in ten-thousandths, and its cap; every fourth shares that before it.
struct Capped {
    rate: i128,
    cap: usize,
}

pub struct Cap {
    /// Cents.
    pub limit: i128,
    pub base: bool,
    pub participant: bool,
    pub customer: bool,
    pub months: i32,
}

pub fn cap(random: &mut Random) -> Cap {
    Cap {
        limit: random.below(400_000),
        base: random.yes(4),
        participant: random.yes(5),
        customer: random.yes(5),
        months: random.of(&[1, 3, 6, 12]),
    }
}

fn text_of(levers: &[Capped], caps: &[Cap]) -> String {
    let mut text = String::new();
    for (number, lever) in levers.iter().enumerate() {
        write!(
            text,
            "[[lever]]\nlever = \"lever-{number:02}\"\nname = \"L\"\ndraws = \"billing\"\n\
             product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.{:04}\"\n",
            lever.rate
        )
        .expect("memory");
    }
    for (number, cap) in caps.iter().enumerate() {
        let sharing = levers.iter().enumerate().filter(|(_, lever)| lever.cap == number);
        text.push_str(&cap_text(cap, number, sharing.map(|(lever, _)| lever)));
    }
    text
}

pub fn cap_text(cap: &Cap, number: usize, sharing: impl Iterator<Item = usize>) -> String {
    let sharing: Vec<String> = sharing.map(|lever| format!("\"lever-{lever:02}\"")).collect();
    let per = match (cap.participant, cap.customer) {
        (true, true) => "participant_customer",
        (true, false) => "participant",
        (false, true) => "customer",
        (false, false) => "program",
    };
    let window = match cap.months {
        1 => "month",
        3 => "quarter",
        6 => "half",
        _ => "year",
    };
    format!(
        "[[cap]]\ncap = \"cap-{number:02}\"\nlimit = \"{}\"\non = \"{}\"\nper = \"{per}\"\n\
         window = \"{window}\"\nlevers = [{}]\n",
        money(cap.limit),
        if cap.base { "base" } else { "payout" },
        sharing.join(", ")
    )
}

/// Cents by lever, participant and month; and how many credits a cap changed.
fn evaluate(
    levers: &[Capped],
    caps: &[Cap],
    lines: &[Line],
) -> (BTreeMap<(usize, usize, i32), i128>, usize) {
    type Room = (usize, Option<usize>, Option<usize>, i32);
    let mut order: Vec<&Line> = lines.iter().collect();
    order.sort_by_key(|line| (line.month, line.day, line.id.clone()));
    let mut refunded = vec![0; lines.len()];
    let mut rooms: BTreeMap<Room, i128> = BTreeMap::new();
    let mut earned: BTreeMap<(usize, usize, i32), i128> = BTreeMap::new();
    let mut changed = 0;
    for line in order {
        let sold = line.refunds.map_or(line, |place| &lines[place]);
        let rate = if line.euro { EURO } else { 100 };
        let before = line.refunds.map_or(0, |place| refunded[place]);
        let after = before - line.refunds.map_or(0, |_| line.cents);
        if let Some(place) = line.refunds {
            refunded[place] = after;
        }
        for (number, lever) in levers.iter().enumerate() {
            let cap = &caps[lever.cap];
            let whole = divided(divided(sold.cents * lever.rate, 10_000) * rate, 100);
            let back = |cents| divided(whole * cents, sold.cents);
            let earns = if line.refunds.is_some() { back(before) - back(after) } else { whole };
            // Ten-thousandths of a dollar, or cents.
            let (gross, limit) =
                if cap.base { (line.cents * rate, cap.limit * 100) } else { (earns, cap.limit) };
            let window = sold.month - (sold.month.rem_euclid(12) + 6) % 12 % cap.months;
            let participant = cap.participant.then_some(line.participant);
            let customer = cap.customer.then_some(line.customer);
            let room = rooms.entry((lever.cap, participant, customer, window)).or_default();
            let held = (*room).clamp(0, limit);
            *room += gross;
            let credited = (*room).clamp(0, limit) - held;
            changed += usize::from(credited != gross);
            let amount = match (cap.base, credited == gross) {
                (_, true) => earns,
                (false, _) => credited,
                (true, _) => divided(earns * credited.abs(), gross.abs()),
            };
            *earned.entry((number, line.participant, line.month)).or_default() += amount;
        }
    }
    (earned, changed)
}

#[test]
fn random_caps_credit_what_a_second_evaluator_says() {
    for seed in SEED..SEED + 3 {
        let mut random = Random(fastrand::Rng::with_seed(seed));
        let lines = lines(&mut random);
        let caps: Vec<Cap> = (0..CAPS).map(|_| cap(&mut random)).collect();
        let shares = |number: usize| if number % 4 == 3 { number - 1 } else { number };
        let levers: Vec<Capped> = (0..CAPS)
            .map(|number| Capped { rate: random.below(2_000), cap: shares(number) })
            .collect();
        let folder = tempfile::tempdir().expect("a folder");
        write_job(folder.path(), &text_of(&levers, &caps), &lines);
        let warehouse = tempfile::tempdir().expect("a folder");
        let options = options(&folder.path().join("job.toml"), warehouse.path(), "2022-02-08");
        let outcome = must_run(&options);
        let found = rows(
            &outcome.store,
            &outcome.snapshot,
            "SELECT lever, participant_id, period, sum(program_amount)::DECIMAL(18, 2)::VARCHAR
            FROM earnings GROUP BY ALL",
        );
        let (earned, changed) = evaluate(&levers, &caps, &lines);
        let mut expected: Vec<Vec<String>> = earned
            .into_iter()
            .map(|((lever, participant, month), cents)| {
                let id = format!("010000{}", participant + 1);
                let month = date((month, 1))[..7].to_owned();
                vec![format!("lever-{lever:02}"), id, month, money(cents)]
            })
            .collect();
        expected.sort();
        let differ = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        assert!(found == expected, "seed {seed}: first difference {differ:?}");
        assert!(changed > lines.len(), "seed {seed}: caps changed only {changed} credits");
    }
}
