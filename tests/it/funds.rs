//! Co-op funds in random programs, over random lines with linked refunds and random claims; see
//! `random.rs`.

mod evaluator;

use crate::capped::line_earnings;
use crate::random::{
    EARLY, FIRST_MONTH, Job, Line, MONTHS, Program, Random, Terms, agree_on, is_early, lines,
    money, month, name, participant, sold,
};
use chrono::{Days, NaiveDate};
use evaluator::{Claim, Coop, Fate, Funds, Half, Rules, Window, first_of, half_name, half_of};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const SEED: u64 = 20_261_126;
const RUNS: u64 = 5;
const PROGRAMS: usize = 420;
const LINES: usize = 40;
const CLAIMS: usize = 5;
const ACTIVITIES: [&str; 3] = ["ads", "event", "charm"];
/// The day of the run that every random job makes.
const AS_OF: (i32, u64) = (FIRST_MONTH + 25, 7);

const SQL: &str = "
SELECT program, fund_half, participant_id, figure, '', amount::VARCHAR
FROM (
    SELECT program, fund_half, participant_id, earned::DECIMAL(18, 2) AS earned,
        rolled_in::DECIMAL(18, 2) AS rolled_in, rolled_out::DECIMAL(18, 2) AS rolled_out,
        converted::DECIMAL(18, 2) AS converted, claims_paid::DECIMAL(18, 2) AS paid,
        reserved::DECIMAL(18, 2) AS reserved,
        (expired - expiry_reversed)::DECIMAL(18, 2) AS expired
    FROM coop_fund
)
UNPIVOT (amount FOR figure IN (earned, rolled_in, rolled_out, converted, paid, reserved, expired))
WHERE amount <> 0
UNION ALL
SELECT program, \"window\", subject, kind, outcome, measured::DECIMAL(18, 2)::VARCHAR
FROM determinations
UNION ALL
SELECT program, claim_id, participant_id, concat_ws(' ', decision, fund_half),
    CASE WHEN decision IN ('refused', 'held') THEN reason ELSE '' END,
    concat_ws(' ', allowed_amount::DECIMAL(18, 2), refused_amount::DECIMAL(18, 2),
        reserved::DECIMAL(18, 2), paid::DECIMAL(18, 2))
FROM claim_items";

fn rules(random: &mut Random, euro: bool) -> Rules {
    let first = half_of(FIRST_MONTH);
    let from = first + random.0.i32(0..3);
    Rules {
        threshold: random.yes(5).then(|| 100 * random.below(1_000)),
        window: random.yes(9).then(|| Window {
            use_months: random.of(&[3, 6, 12]),
            opens_after: random.0.u64(0..60),
            claim_days: random.0.u64(0..90),
        }),
        limit: random.yes(6).then(|| (random.below(101), random.below(20_000))),
        rollover: random.yes(3).then(|| (from, from + random.0.i32(1..3))),
        euro,
    }
}

impl Rules {
    fn text(&self) -> String {
        let mut text = String::new();
        if let Some(amount) = self.threshold {
            let amount = money(amount);
            writeln!(text, "[[coop.threshold]]\namount = \"{amount}\"").expect("memory");
        }
        if let Some(Window { use_months, opens_after, claim_days }) = self.window {
            writeln!(
                text,
                "[[coop.window]]\nuse_months = {use_months}\nclaim_opens_after = {opens_after}\n\
                 claim_days = {claim_days}"
            )
            .expect("memory");
        }
        for (place, activity) in ACTIVITIES[..2].iter().enumerate() {
            let limit =
                self.limit.filter(|_| place == 0).map_or(String::new(), |(share, amount)| {
                    format!("share = \"{}\"\namount = \"{}\"\n", money(share), money(amount))
                });
            writeln!(text, "[[coop.activity]]\nactivity = \"{activity}\"\nname = \"A\"\n{limit}")
                .expect("memory");
        }
        if let Some((from, to)) = self.rollover.filter(|_| self.window.is_some()) {
            writeln!(
                text,
                "[[coop.rollover]]\nfrom_half = \"{}\"\nto_half = \"{}\"",
                half_name(from),
                half_name(to)
            )
            .expect("memory");
        }
        text
    }
}

/// A claim with its history, as far as it has come by the day of the run.
fn claim(random: &mut Random, id: String, as_of: NaiveDate) -> Claim {
    // The fifth half has no co-op yet.
    let half = half_of(FIRST_MONTH) + if random.yes(1) { 4 } else { random.0.i32(0..3) };
    let used = 6 * (half + 1) + random.0.i32(-1..9);
    let submitted_on = first_of(6 * (half + 1)) + Days::new(random.0.u64(0..320));
    let submitted_on = submitted_on.min(as_of - Days::new(30));
    let path: &[&'static str] = random.of(&[
        &["Submitted"][..],
        &["Submitted", "Approved"],
        &["Submitted", "Approved"],
        &["Submitted", "Approved", "Sent"],
        &["Submitted", "Approved", "Sent"],
        &["Submitted", "Rejected"],
        &["Submitted", "Canceled"],
        &["Submitted", "Rejected", "Disputed", "Approved", "Sent"],
    ]);
    let mut day = submitted_on;
    let mut rows = Vec::new();
    for status in path {
        rows.push((*status, day));
        day = day + Days::new(random.0.u64(1..40));
    }
    rows.retain(|(_, day)| *day <= as_of);
    let asked = 1 + random.below(20_000);
    Claim {
        id,
        half,
        activity: if random.yes(1) { 2 } else { random.0.usize(0..2) },
        month: used.min(FIRST_MONTH + MONTHS - 1),
        euro: random.yes(4),
        asked,
        submitted_on,
        rows,
        decided: random.yes(2).then(|| 1 + random.below(asked)),
    }
}

/// Its lines of the export.
fn claim_text(claim: &Claim, program: &str, whose: usize) -> String {
    let decided = claim.decided.map_or(String::new(), money);
    let row = |(status, day): &(&str, NaiveDate)| {
        format!(
            "{},{program},{},{},{},{},{},{status},{day},{},{},{}\n",
            claim.id,
            participant(whose),
            half_name(claim.half),
            ACTIVITIES[claim.activity],
            month(claim.month),
            claim.submitted_on,
            money(claim.asked),
            if claim.euro { "EUR" } else { "USD" },
            if *status == "Approved" { &decided } else { "" },
        )
    };
    claim.rows.iter().map(row).collect()
}

/// What adds counts from its month's last day on, what takes away not before it is known.
fn counts_on(line: &Line, cents: i128, as_of: NaiveDate) -> NaiveDate {
    let last_day = first_of(line.month + 1) - Days::new(1);
    match (cents < 0, is_early(line)) {
        (false, _) => last_day,
        (true, true) => EARLY.parse::<NaiveDate>().expect("a day").max(last_day),
        (true, false) => as_of.max(last_day),
    }
}

fn coop(
    (terms, rate): (&Terms, i128),
    lines: &[Line],
    whose: usize,
    as_of: NaiveDate,
) -> Vec<Coop> {
    let earnings = line_earnings(terms, rate, lines).into_iter();
    let own = earnings.filter(|(line, ..)| line.participant == whose);
    own.map(|(line, _, cents)| {
        let half = half_of(sold(lines, line).month);
        let cents = cents.earned - cents.rebate - cents.fee;
        (line.month, half, cents, counts_on(line, cents, as_of))
    })
    .collect()
}

/// How often what the test is about occurred.
type Seen = BTreeMap<String, usize>;

/// Rows of the query, and what they tell of.
fn expected(funds: &Funds, whose: usize, seen: &mut Seen) -> Vec<[String; 5]> {
    let first = half_of(FIRST_MONTH);
    let mut rows = Vec::new();
    let mut see = |what: &str| *seen.entry(what.to_owned()).or_default() += 1;
    for half in first..first + 8 {
        for (figure, amount) in figures(funds, half) {
            if amount != 0 {
                see(figure);
                let half = half_name(half);
                rows.push([half, participant(whose), figure.into(), String::new(), money(amount)]);
            }
        }
        if let Some((measured, qualified)) = funds.decision(half) {
            let outcome = if qualified { "qualified" } else { "converted" };
            see(outcome);
            let (kind, half) = ("coop_threshold".to_owned(), half_name(half));
            rows.push([half, participant(whose), kind, outcome.into(), money(measured)]);
        }
    }
    for (claim, fate) in funds.claims.iter().zip(&funds.fates) {
        for (decision, reason, amounts) in items(claim, fate) {
            see(if reason.is_empty() { decision } else { reason });
            let what = format!("{decision} {}", half_name(claim.half));
            let amounts = amounts.map(money).join(" ");
            rows.push([claim.id.clone(), participant(whose), what, reason.into(), amounts]);
        }
    }
    rows
}

fn figures(funds: &Funds, half: Half) -> [(&'static str, i128); 7] {
    let own = funds.coop.iter().filter(|(_, of, ..)| *of == half);
    let fates = funds.claims.iter().zip(&funds.fates).filter(|(claim, _)| claim.half == half);
    let sum = |part: fn(&Fate) -> i128| fates.clone().map(|(_, fate)| part(fate)).sum::<i128>();
    [
        ("earned", own.map(|(_, _, cents, _)| cents).sum()),
        ("rolled_in", funds.rolled_in(half, funds.as_of)),
        ("rolled_out", funds.rolled_out(half, funds.as_of)),
        ("converted", funds.converted(half)),
        ("paid", sum(|fate| fate.paid)),
        ("reserved", sum(|fate| fate.reserved)),
        ("expired", funds.expired(half, funds.as_of)),
    ]
}

/// Decision, reason; allowed, refused, reserved and paid.
fn items(claim: &Claim, fate: &Fate) -> Vec<(&'static str, &'static str, [i128; 4])> {
    let mut items = Vec::new();
    if let Some(reason) = fate.held {
        items.push(("held", reason, [0, 0, fate.reserved, 0]));
    } else if fate.allowed > 0 {
        let sent = claim.rows.iter().any(|(status, _)| *status == "Sent");
        let decision = match (sent, fate.approved) {
            (true, _) => "paid",
            (_, true) => "approved",
            _ => "pending",
        };
        items.push((decision, "", [fate.allowed, 0, fate.reserved, fate.paid]));
    }
    let refused =
        fate.refused.iter().map(|(reason, cents)| ("refused", *reason, [0, *cents, 0, 0]));
    items.extend(refused);
    items
}

#[test]
fn random_funds_have_what_a_second_evaluator_says() {
    let as_of = first_of(AS_OF.0) + Days::new(AS_OF.1);
    let seen = agree_on(SEED, RUNS, SQL, |random| {
        let lines = lines(random, LINES);
        let (mut seen, mut claims_text) = (Seen::new(), String::new());
        let programs = (0..PROGRAMS).map(|number| {
            let terms = Terms { rebate: 1 + random.below(99), ..Terms::random(random) };
            let rules = rules(random, terms.euro);
            let rate = 200 + random.below(1_800);
            let mut rows = Vec::new();
            for whose in 0..3 {
                let count = random.0.usize(0..CLAIMS);
                let claims = (0..count)
                    .map(|place| claim(random, format!("{}-{whose}{place}", name(number)), as_of));
                let claims: Vec<Claim> = claims.collect();
                let coop = coop((&terms, rate), &lines, whose, as_of);
                let mut funds = Funds {
                    terms: &terms,
                    rules: &rules,
                    coop: &coop,
                    as_of,
                    claims: &claims,
                    fates: Vec::new(),
                };
                funds.decide();
                rows.extend(expected(&funds, whose, &mut seen));
                let text = claims.iter().map(|claim| claim_text(claim, &name(number), whose));
                claims_text.extend(text);
            }
            let lever = format!(
                "[[lever]]\nlever = \"lever-00\"\nname = \"L\"\ndraws = \"billing\"\n\
                 product_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.{rate:04}\"\n{}",
                rules.text()
            );
            Program { terms, rules: lever, expected: rows }
        });
        let programs = programs.collect();
        let job = Job::of_lines(&lines, false, programs, seen).with_early_refunds(&lines);
        Job { claims: claims_text, ..job }
    });
    for seen in seen {
        for kind in [
            "earned",
            "rolled_in",
            "rolled_out",
            "converted",
            "qualified",
            "paid",
            "reserved",
            "expired",
            "pending",
            "approved",
            "NO_FUND",
            "NO_ACTIVITY",
            "OUTSIDE_USE",
            "TOO_EARLY",
            "TOO_LATE",
            "CONVERTED",
            "SUB_LIMIT",
            "FUND_USED_UP",
            "DECIDED",
            "OVERCLAIMED",
            "STATUS",
            "REJECTED",
            "WITHDRAWN",
        ] {
            assert!(seen.get(kind).is_some_and(|&often| often > 20), "{kind}: {seen:?}");
        }
    }
}
