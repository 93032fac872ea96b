//! What is paid in the currency in which it was earned, over small worlds.

use super::tests::World;
use super::*;
use crate::columns::fixtures::picked;
use crate::schema::{BALANCES, PAYMENT_ITEMS, PAYMENTS};
use earnest_core::decimal::{MONEY_SCALE, parse};
use std::collections::BTreeMap;

const FX: &str = "fx = \"transaction_currency\"";

/// A posting of rebate from `2021-01 120.00 EUR 100.00`: period, program currency, its own.
fn earned(text: &str) -> Posting {
    let words: Vec<&str> = text.split(' ').collect();
    let [period, amount, currency, own] = words[..] else { panic!("four words: `{text}`") };
    let posting = World::of(&[&format!("rebate a {period} {amount}")]).postings.remove(0);
    let own_amount = parse(own, MONEY_SCALE).expect("an amount");
    Posting { currency: currency.into(), own_amount, ..posting }
}

fn world(postings: &[&str]) -> World {
    let postings = postings.iter().map(|text| earned(text)).collect();
    World { postings, more: FX, ..World::of(&[]) }
}

fn orders(paid: &Payments) -> Vec<String> {
    let names =
        ["cycle", "payment_currency", "gross_program_amount", "exchange_rate", "gross_amount"];
    let mut orders = picked(&PAYMENTS, &paid.payments, &names);
    orders.sort();
    orders
}

/// The lot of March lapses on 11 September; that of May hasn't when the profile comes.
#[test]
fn what_lapses_is_of_the_currencies_of_its_cycle() {
    let mut world = world(&["2021-01 330 EUR 300", "2021-03 300 GBP 200", "2021-08 220 EUR 200"]);
    let row = world.enrollments[0].clone();
    let missing = row.replace("payout_profile=a", "x=y");
    world.enrollments =
        vec![format!("{missing}|until_on=2021-10-01"), format!("{row}|from_on=2021-10-01")];
    let paid = world.pay();
    assert_eq!(orders(&paid), ["2021-10,EUR,220.000,,200.000", "2021-10,GBP,300.000,,200.000"]);
    let items = picked(
        &PAYMENT_ITEMS,
        &paid.payment_items,
        &["period", "lever", "program_amount", "payment_amount"],
    );
    let lapsed = ["2021-01,a,330.000,300.000", "2021-03,lapse,-330.000,-300.000"];
    assert!(lapsed.iter().all(|item| items.contains(&(*item).to_owned())), "{items:?}");
}

#[test]
fn what_no_currency_can_pay_waits() {
    let paid = world(&["2021-01 300 EUR -10", "2021-01 -20 GBP 10"]).pay();
    assert_eq!(orders(&paid), Vec::<String>::new());
    let names = ["cycle", "closing", "below_minimum", "reason"];
    assert_eq!(
        picked(&BALANCES, &paid.balances, &names)[0],
        "2021-03,280.000,280.000,BELOW_MINIMUM"
    );
}

/// A currency that adds up to nothing in itself is carried, whatever it is in program currency.
#[test]
fn a_difference_of_exchange_is_carried_until_the_currency_is_paid() {
    let mut world = world(&["2021-01 110 EUR 100", "2021-01 -120 EUR -100", "2021-01 300 GBP 200"]);
    world.as_of = "2021-03-31";
    assert_eq!(orders(&world.pay()), ["2021-03,GBP,300.000,,200.000"]);
    assert_eq!(world.balances(), ["2021-03,0.000,290.000,300.000,-10.000,0.000,0.000,NEGATIVE"]);
    world.postings.push(earned("2021-02 220 EUR 200"));
    world.as_of = "2021-04-30";
    assert_eq!(
        orders(&world.pay()),
        ["2021-03,GBP,300.000,,200.000", "2021-04,EUR,210.000,,200.000"]
    );
}

/// A naive evaluator, from the rule: cycle by cycle, all postings of each currency.
fn expected(world: &World) -> Vec<String> {
    let mut standing: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    let mut orders = Vec::new();
    for month in 3..=12 {
        let cycle: earnest_core::calendar::Period =
            format!("2021-{month:02}").parse().expect("a month");
        for posting in world.postings.iter().filter(|one| one.period.plus(2) == cycle) {
            let sum = standing.entry(&posting.currency).or_default();
            *sum = (sum.0 + posting.amount, sum.1 + posting.own_amount);
        }
        if standing.values().map(|sum| sum.0).sum::<i128>() < 200_000 {
            continue;
        }
        for (currency, sum) in standing.iter_mut().filter(|(_, sum)| sum.0 > 0 && sum.1 > 0) {
            let [program, own] =
                [sum.0, sum.1].map(|amount| earnest_core::decimal::format(amount, MONEY_SCALE, 3));
            orders.push(format!("{cycle},{currency},{program},,{own}"));
            *sum = (0, 0);
        }
    }
    orders
}

#[test]
fn random_worlds_are_paid_as_a_naive_evaluator_pays_them() {
    let mut random = fastrand::Rng::with_seed(23);
    let (mut ordered, mut carried) = (0, 0);
    for round in 0..300 {
        let mut world = world(&[]);
        for _ in 0..random.usize(1..25) {
            let (currency, rate) =
                [("EUR", 120), ("GBP", 140), ("JPY", 1), ("USD", 100)][random.usize(0..4)];
            let own = random.i64(-200..300) * 1000;
            let rate = rate + random.i64(0..8);
            let mut posting = earned(&format!("2021-0{} 0 {currency} 0", random.u32(1..9)));
            posting.own_amount = own.into();
            posting.amount = (own * rate / 1000 * 10).into();
            world.postings.push(posting);
        }
        let paid = world.pay();
        let expected = expected(&world);
        assert_eq!(orders(&paid), expected, "round {round}");
        ordered += expected.len();
        let reasons = picked(&BALANCES, &paid.balances, &["ordered", "reason"]);
        carried += reasons
            .iter()
            .filter(|row| !row.starts_with("0.000,") && row.ends_with(",NEGATIVE"))
            .count();
    }
    assert!(ordered > 300 && carried > 50, "{ordered} ordered, {carried} left something");
}
