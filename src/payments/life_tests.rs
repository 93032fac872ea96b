//! Taxes, returns, lots and adjustments over small worlds.

use super::tests::World;
use super::*;
use crate::columns::fixtures::picked;
use crate::schema::{
    ADJUSTMENTS, BALANCE_LOTS, BALANCES, JOURNAL, PAYMENT_HISTORY, PAYMENT_ITEMS, PAYMENTS,
};
use earnest_core::decimal::{MONEY_SCALE, parse};

/// What the bank says from `Reversed 2021-03-24`, of a payment.
fn said(id: &str, text: &str) -> String {
    let (status, on) = text.rsplit_once(' ').expect("a status and a day");
    format!("payment_id={id}|program=direct|location_id=L1|status={status}|status_on={on}")
}

/// An adjustment from `A1 adjustment 2021-01 80.00 2021-04-10`.
fn adjusted(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let [id, kind, period, amount, on] = words[..] else { panic!("five words: `{text}`") };
    format!(
        "adjustment_id={id}|kind={kind}|program=direct|location_id=L1|earning_type=rebate\
         |period={period}|amount={amount}|currency=USD|reason=Policy Exception|requested_by=ana\
         |approved_by=ben|approved_on={on}|taxable=yes|counts_toward_minimum=yes"
    )
}

fn ids(paid: &Payments) -> Vec<String> {
    let mut orders = picked(&PAYMENTS, &paid.payments, &["cycle", "order_kind", "payment_id"]);
    orders.sort();
    orders.iter().filter_map(|row| row.rsplit(',').next().map(str::to_owned)).collect()
}

fn orders(paid: &Payments) -> Vec<String> {
    let names = ["cycle", "order_kind", "sequence", "gross_program_amount"];
    let mut orders = picked(&PAYMENTS, &paid.payments, &names);
    orders.sort();
    orders
}

/// What came back and what is owed beside it: the debt is taken from the last reissue.
#[test]
fn a_debt_is_taken_from_what_is_reissued() {
    let mut world = World::of(&["rebate core 2021-01 300", "fee core 2021-01 400"]).paid_in("USD");
    let ids = ids(&world.pay());
    world.statuses = ids.iter().map(|id| said(id, "Sent 2021-03-16")).collect();
    world.statuses.extend(ids.iter().map(|id| said(id, "Rejected 2021-04-15")));
    assert_eq!(
        orders(&world.pay()),
        [
            "2021-03,cycle,1,300.000",
            "2021-03,cycle,1,400.000",
            "2021-05,reissue,1,300.000",
            "2021-05,reissue,1,400.000"
        ],
        "on the due day of 2021-04 it is too late for that cycle"
    );
    world.postings.push(World::of(&["rebate core 2021-03 -90"]).postings.remove(0));
    world.postings.push(World::of(&["fee core 2021-03 10"]).postings.remove(0));
    assert_eq!(
        orders(&world.pay())[2..],
        ["2021-05,cycle,1,10.000", "2021-05,reissue,1,210.000", "2021-05,reissue,1,400.000"],
        "beside what came back, even less than the minimum is ordered"
    );
}

#[test]
fn a_reissue_may_come_back_too() {
    let mut world = World::of(&["rebate core 2021-01 300"]).paid_in("USD");
    let first = ids(&world.pay()).remove(0);
    let statuses = [said(&first, "Sent 2021-03-16"), said(&first, "Reversed 2021-03-20")];
    world.statuses = statuses.to_vec();
    let second = ids(&world.pay()).remove(1);
    world.statuses.extend([said(&second, "Sent 2021-04-16"), said(&second, "Reversed 2021-04-20")]);
    assert_eq!(
        orders(&world.pay()),
        ["2021-03,cycle,1,300.000", "2021-04,reissue,1,300.000", "2021-05,reissue,1,300.000"]
    );
    let mut history = picked(&PAYMENT_HISTORY, &world.pay().payment_history, &["status", "newest"]);
    history.retain(|row| row.ends_with("true"));
    history.sort();
    assert_eq!(history, ["Reversed,true", "Reversed,true", "Upcoming,true"]);
}

#[test]
fn what_nobody_knows_holds_the_participant_s_payments() {
    let mut world =
        World::of(&["rebate core 2021-01 300", "rebate core 2021-02 300"]).paid_in("USD");
    world.as_of = "2021-04-20";
    let first = ids(&world.pay()).remove(0);
    for (status, held) in [
        (said("P0", "Reversed 2021-04-10"), true),
        (said("P0", "Sent 2021-04-10"), false),
        (said(&first, "Reversed 2021-04-10"), true),
        (said(&first, "Paid 2021-04-10"), true),
        (said(&first, "Unprocessed 2021-04-10"), false),
        (said(&first, "Reversed 2021-04-10").replace("L1", "L2"), false),
    ] {
        world.statuses = vec![status.clone()];
        let paid = world.pay();
        assert_eq!(orders(&paid).len(), if held { 1 } else { 2 }, "{status}");
        let refused = picked(&PAYMENT_HISTORY, &paid.payment_history, &["accepted"]);
        assert_eq!(refused.iter().filter(|row| *row == "false").count(), 1, "{status}");
    }
}

#[test]
fn a_hold_does_not_stop_the_clock_of_a_missing_profile() {
    let mut world = World::of(&["rebate core 2021-01 300"]).paid_in("USD");
    let row = world.enrollments[0].replace("tax_profile=b", "x=y");
    world.enrollments = vec![row.replace("hold=no", "hold=yes")];
    let balances = world.balances();
    assert!(balances.iter().take(6).all(|row| row.ends_with("HOLD")), "{balances:?}");
    assert_eq!(balances.len(), 7);
    assert!(balances[6].starts_with("2021-09,300.000,0.000,0.000,0.000"), "{balances:?}");
    world.more = "profile_days = 30";
    let lapses = picked(&BALANCE_LOTS, &world.pay().balance_lots, &["cycle", "lapses_on"]);
    assert_eq!(lapses, ["2021-03,2021-04-14"], "it lapsed in 2021-04");
    world.enrollments.push(
        row.replace("hold=no", "hold=yes").replace("x=y", "tax_profile=b") + "|from_on=2021-04-01",
    );
    let balances = world.balances();
    assert!(balances.iter().all(|row| row.ends_with("HOLD")), "a hold alone runs no clock");
}

#[test]
fn sales_tax_is_added_and_claims_the_journal() {
    let mut world = World::of(&["rebate core 2021-01 300"]).paid_in("USD");
    world.more = "[[tax]]\ntax = \"sales\"\nrate = \"0.19\"\ncountries = [\"DE\"]\n\
        [[tax]]\ntax = \"withholding\"\nrate = \"0.05\"\nearning_types = [\"fee\"]";
    let paid = world.pay();
    let names = ["withheld_tax", "sales_tax", "total_payment"];
    assert_eq!(picked(&PAYMENTS, &paid.payments, &names), ["0.000,57.000,357.000"]);
    let mut journal = picked(&JOURNAL, &paid.journal, &["event", "account", "debit", "credit"]);
    journal.retain(|row| row.starts_with("sales tax"));
    journal.sort();
    let expected =
        ["sales tax,payments_clearing,0.000,57.000", "sales tax,tax_payable,57.000,0.000"];
    assert_eq!(journal, expected);
    world.memberships = vec!["location_id=L1|country=FR|status=Active"];
    assert_eq!(picked(&PAYMENTS, &world.pay().payments, &["sales_tax"]), ["0.000"]);
}

#[test]
fn an_adjustment_alone_makes_an_account() {
    let mut world = World::of(&[]).paid_in("USD");
    world.adjustments = vec![
        adjusted("A1 adjustment 2021-01 150.00 2021-02-01"),
        adjusted("A2 adjustment 2021-01 60.00 2021-02-01"),
        adjusted("A3 escheat 2021-01 50.00 2021-02-01"),
        adjusted("A4 transfer 2021-01 -50.00 2021-02-01"),
    ];
    let paid = world.pay();
    assert_eq!(orders(&paid), ["2021-03,cycle,1,210.000"]);
    let items = picked(&PAYMENT_ITEMS, &paid.payment_items, &["lever", "kind", "program_amount"]);
    assert_eq!(items, ["adjustment,adjustment,210.000"], "adjustments of a month are one item");
    let states = picked(&ADJUSTMENTS, &paid.adjustments, &["adjustment_id", "state", "reason"]);
    assert_eq!(states, ["A1,posted,", "A2,posted,", "A3,refused,SIGN", "A4,refused,NO_SUCCESSOR"]);
}

/// Random returns, adjustments, holds and taxes: whatever enters is ordered, lost or still there; lots
/// and items re-add.
#[test]
fn nothing_is_lost_on_the_way_through_returns_and_adjustments() {
    let mut random = fastrand::Rng::with_seed(11);
    for round in 0..150 {
        let mut world = World::of(&[]).paid_in(["USD", "JPY"][round % 2]);
        world.rates = vec![
            "rate_type=payment|from_currency=JPY|to_currency=USD|period=2021-05|rate=0.0093",
            "rate_type=payment|from_currency=JPY|to_currency=USD|period=2021-08|rate=0.0087",
        ];
        world.more = "profile_days = 60\n[[tax]]\ntax = \"withholding\"\nrate = \"0.17\"";
        if random.bool() {
            let row = world.enrollments[0].clone();
            let missing = row.replace("payout_profile=a", "x=y");
            world.enrollments =
                vec![format!("{missing}|until_on=2021-07-01"), format!("{row}|from_on=2021-07-01")];
        }
        for _ in 0..random.usize(1..15) {
            let cents = random.i64(-15_000..30_000) * 10;
            let text = format!("rebate a 2021-0{} 0", random.u32(1..7));
            let posting = World::of(&[&text]).postings.remove(0);
            world.postings.push(Posting {
                amount: cents.into(),
                own_amount: cents.into(),
                ..posting
            });
        }
        for number in 0..random.usize(0..4) {
            let kind = ["adjustment", "write_off", "escheat", "recovery"][random.usize(0..4)];
            let amount = random.i32(-90..200);
            let month = random.u32(2..8);
            world
                .adjustments
                .push(adjusted(&format!("A{number} {kind} 2021-01 {amount} 2021-0{month}-10")));
        }
        for id in ids(&world.pay()) {
            if random.bool() {
                world.statuses.push(said(&id, "Sent 2021-08-20"));
                world.statuses.push(said(&id, "Reversed 2021-09-01"));
            }
        }
        re_adds(&world.pay(), round);
    }
}

fn re_adds(paid: &Payments, round: usize) {
    let sum = |table: &crate::schema::Table, batch: &RecordBatch, name: &str| -> i128 {
        let cells = picked(table, batch, &[name]);
        cells.iter().map(|cell| parse(cell, MONEY_SCALE).expect("money")).sum()
    };
    let moved = |name| sum(&BALANCES, &paid.balances, name);
    let came = moved("earned") + moved("adjusted") + moved("returned");
    let went = moved("ordered")
        + moved("forfeited")
        + moved("written_off")
        + moved("escheated")
        + moved("recovered_outside");
    assert_eq!(moved("closing") - moved("opening"), came - went, "round {round}");
    let positive = picked(&BALANCES, &paid.balances, &["closing"]);
    let positive: i128 =
        positive.iter().map(|cell| parse(cell, MONEY_SCALE).expect("money").max(0)).sum();
    assert_eq!(sum(&BALANCE_LOTS, &paid.balance_lots, "amount_left"), positive, "round {round}");
    for (whole, part) in [
        ("gross_program_amount", "program_amount"),
        ("gross_amount", "payment_amount"),
        ("withheld_tax", "withheld_tax"),
    ] {
        let items = sum(&PAYMENT_ITEMS, &paid.payment_items, part);
        assert_eq!(sum(&PAYMENTS, &paid.payments, whole), items, "round {round}");
    }
    let ordered = sum(&PAYMENTS, &paid.payments, "gross_program_amount");
    assert_eq!(moved("ordered"), ordered, "round {round}");
    assert!(
        picked(&PAYMENTS, &paid.payments, &["gross_amount"])
            .iter()
            .all(|gross| gross.as_str() > "0")
    );
}
