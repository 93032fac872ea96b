//! Balances that pay for each other, over small worlds.

use super::tests::World;
use super::*;
use crate::columns::fixtures::picked;
use crate::schema::{BALANCES, OFFSETS};
use earnest_core::decimal::{MONEY_SCALE, format, parse};
use earnest_core::earning::EarningType;

const GROUP: &str = "offset_group = \"csp\"";

fn balances(paid: &Payments) -> Vec<String> {
    let names =
        ["cycle", "earning_type", "transferred_in", "ordered", "transferred_out", "closing"];
    let mut balances = picked(&BALANCES, &paid.balances, &names);
    balances.sort();
    balances
}

#[test]
fn without_a_group_no_balance_pays_for_another() {
    let postings = ["rebate core 2021-01 300", "fee core 2021-01 -100"];
    let world = World::of(&postings).paid_in("USD");
    let world = World { as_of: "2021-03-31", ..world };
    let paid = world.pay();
    assert_eq!(
        balances(&paid),
        ["2021-03,fee,0.000,0.000,0.000,-100.000", "2021-03,rebate,0.000,300.000,0.000,0.000"]
    );
    let world = World { more: GROUP, ..world };
    let paid = world.pay();
    assert_eq!(
        balances(&paid),
        ["2021-03,fee,100.000,0.000,0.000,0.000", "2021-03,rebate,0.000,200.000,100.000,0.000"],
        "the minimum is tested on what is left, and equal pays"
    );
}

/// 60.00 of 100.00 of the first term and 200.00 of the second: at the first one's end 40.00 are lost.
#[test]
fn what_another_balance_took_is_not_lost_again() {
    let text = "program = \"p\"\nname = \"P\"\ncurrency = \"USD\"\npays = [\"direct\"]\n\
        [[term]]\nterm = \"T1\"\nuntil = \"2021-01-31\"\n[[term]]\nterm = \"T2\"\nfrom = \"2021-02-01\"\n\
        [[lever]]\nlever = \"core\"\nname = \"Core\"\ndraws = \"billing\"\nproduct_groups = [\"*\"]\n\
        [[lever.rate]]\nrate = \"0.04\"\n[payment]\nminimum = \"200\"\nyear_end = \"forfeit\"\n";
    let program = Program::parse("p.toml", text).expect("a program");
    let of = |term: &str, text: &str| {
        let posting = World::of(&[text]).postings.remove(0);
        Posting { term: term.into(), ..posting }
    };
    let postings = [of("T1", "rebate core 2021-01 100"), of("T2", "rebate core 2021-02 200")];
    let mut terms = year_end::Terms::new((&program, EarningType::Rebate), &"USD".into());
    terms.enter(&postings);
    terms.lapse(60_000).expect("it fits");
    let cycle = "2021-03".parse().expect("a month");
    let lost = terms.test(cycle, 240_000).expect("it fits");
    let lost: Vec<_> = lost.iter().map(|one| (one.term, one.amount)).collect();
    assert_eq!(lost, [("T1", 40_000)]);
}

#[test]
fn both_sides_of_an_offset_are_told() {
    let postings = ["rebate core 2021-01 150", "fee core 2021-01 -60"];
    let world = World::of(&postings).paid_in("USD");
    let paid = World { more: GROUP, ..world }.pay();
    let names = ["earning_type", "other_program", "other_earning_type", "amount"];
    assert_eq!(
        picked(&OFFSETS, &paid.offsets, &names),
        ["fee,direct,rebate,60.000", "rebate,direct,fee,-60.000"]
    );
}

/// Month by month: what is negative takes, then what reaches the minimum is ordered.
fn expected(months: &[[i128; 2]]) -> Vec<String> {
    let mut rows = Vec::new();
    let mut standing = [0, 0];
    for (month, earned) in (3..).zip(months) {
        let opening = standing;
        let mut moved = [0, 0];
        for side in 0..2 {
            standing[side] += earned[side];
        }
        let (low, high) = if standing[0] < standing[1] { (0, 1) } else { (1, 0) };
        let amount = standing[high].min(-standing[low]).max(0);
        (standing[low], standing[high]) = (standing[low] + amount, standing[high] - amount);
        (moved[low], moved[high]) = (amount, -amount);
        for (side, kind) in [(0, "fee"), (1, "rebate")] {
            let ordered = if standing[side] >= 200_000 { standing[side] } else { 0 };
            standing[side] -= ordered;
            if opening[side] != 0 || earned[side] != 0 {
                let [taken, ordered, given, closing] =
                    [moved[side].max(0), ordered, (-moved[side]).max(0), standing[side]]
                        .map(|amount| format(amount, MONEY_SCALE, 3));
                rows.push(format!("2021-{month:02},{kind},{taken},{ordered},{given},{closing}"));
            }
        }
    }
    rows
}

#[test]
fn random_worlds_are_offset_as_a_naive_evaluator_does() {
    let mut random = fastrand::Rng::with_seed(29);
    let mut offset = 0;
    for round in 0..200 {
        let mut world = World::of(&[]).paid_in("USD");
        world.more = GROUP;
        let mut months = [[0; 2]; 10];
        for _ in 0..random.usize(1..20) {
            let (month, side) = (random.usize(0..8), random.usize(0..2));
            let cents = i128::from(random.i64(-200..250)) * 1000;
            months[month][side] += cents;
            let amount = format(cents, MONEY_SCALE, 2);
            let text = format!("{} core 2021-{:02} {amount}", ["fee", "rebate"][side], month + 1);
            world.postings.push(World::of(&[&text]).postings.remove(0));
        }
        let paid = world.pay();
        assert_eq!(balances(&paid), expected(&months), "round {round}");
        let amounts = picked(&OFFSETS, &paid.offsets, &["amount"]);
        let amounts = amounts.iter().map(|text| parse(text, MONEY_SCALE).expect("money"));
        assert_eq!(amounts.sum::<i128>(), 0, "round {round}");
        offset += paid.offsets.num_rows();
    }
    assert!(offset > 200, "{offset}");
}
