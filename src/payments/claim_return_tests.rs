//! Payments of claims that came back, over small worlds.

use super::claim_tests::{PAYEE, pay_said, rows};
use super::*;
use crate::columns::fixtures::picked;
use crate::schema::{CLAIM_ITEMS, COOP_FUND, JOURNAL, PAYMENT_HISTORY, PAYMENTS};

/// What the bank says, from `Reversed 2021-05-19`, of a payment.
fn said(id: &str, texts: &[&str]) -> Vec<String> {
    let row = |text: &&str| {
        let (status, on) = text.rsplit_once(' ').expect("a status and a day");
        format!("payment_id={id}|program=direct|location_id=L1|status={status}|status_on={on}")
    };
    texts.iter().map(row).collect()
}

/// K1 of 100.00, sent on 12 May, and the id of its payment.
fn sent() -> (Vec<String>, String) {
    let claims = rows(&[
        "K1 Submitted 2021-04-01 100 USD",
        "K1 Approved 2021-04-10 100 USD",
        "K1 Sent 2021-05-12 100 USD",
    ]);
    let id = id_of(&pay_said(&[PAYEE], (&claims, &[]), "2021-05-20"), "claim");
    (claims, id)
}

/// The last payment of a kind.
fn id_of(paid: &Payments, kind: &str) -> String {
    let names = ["due_on", "order_kind", "payment_id"];
    let mut found = picked(&PAYMENTS, &paid.payments, &names);
    found.retain(|row| row.contains(kind));
    found.sort();
    found.last().and_then(|row| row.rsplit(',').next()).expect("a payment").to_owned()
}

/// `cycle,sequence,gross` of what is paid again.
fn reissues(paid: &Payments) -> Vec<String> {
    let names = ["order_kind", "cycle", "sequence", "gross_amount"];
    let mut orders = picked(&PAYMENTS, &paid.payments, &names);
    orders.retain(|order| order.starts_with("reissue"));
    orders.sort();
    orders.iter().map(|order| order.replacen("reissue,", "", 1)).collect()
}

/// What the journal owes of co-op.
fn owed(paid: &Payments) -> i128 {
    use earnest_core::decimal::{MONEY_SCALE, parse};
    let lines = picked(&JOURNAL, &paid.journal, &["account", "debit", "credit"]);
    let of = |line: &String| {
        let cells: Vec<&str> = line.split(',').collect();
        let money = |cell: &str| parse(cell, MONEY_SCALE).expect("money");
        if cells[0] == "coop_payable" { money(cells[2]) - money(cells[1]) } else { 0 }
    };
    lines.iter().map(of).sum()
}

#[test]
fn what_came_back_is_owed_until_it_is_paid_again() {
    let (claims, id) = sent();
    let back = said(&id, &["Sent 2021-05-13", "Reversed 2021-05-19", "Reversed 2021-05-21"]);
    let waiting = pay_said(&[PAYEE], (&claims, &back), "2021-06-14");
    assert_eq!(
        (reissues(&waiting), owed(&waiting)),
        (vec![], 1_000_000),
        "900.00 left, 100.00 owed"
    );
    let again = pay_said(&[PAYEE], (&claims, &back), "2021-06-15");
    assert_eq!((reissues(&again), owed(&again)), (vec!["2021-06,1,100.000".to_owned()], 900_000));
    let fund = picked(&COOP_FUND, &again.coop_fund, &["claims_paid", "left", "reserved"]);
    assert_eq!(fund, ["100.000,900.000,0.000"], "the fund gets nothing back");
    let later = pay_said(&[PAYEE], (&claims, &back), "2021-12-31");
    assert_eq!(reissues(&later), ["2021-06,1,100.000"], "once");
    let back_in = picked(&PAYMENT_HISTORY, &later.payment_history, &["status", "returns_in"]);
    let back_in: Vec<_> = back_in.iter().filter(|row| row.starts_with("Reversed")).collect();
    assert_eq!(back_in, ["Reversed,2021-06", "Reversed,"], "said again, it comes back once");
}

#[test]
fn whatever_holds_its_partner_it_is_the_same_order() {
    let (claims, id) = sent();
    let back = said(&id, &["Sent 2021-05-13", "Rejected 2021-05-19"]);
    let again = id_of(&pay_said(&[PAYEE], (&claims, &back), "2021-06-20"), "reissue");
    let held = format!("{}|until_on=2021-07-01", PAYEE.replace("hold=no", "hold=yes"));
    let enrolled = [held.as_str(), &format!("{PAYEE}|from_on=2021-07-01")];
    assert_eq!(reissues(&pay_said(&enrolled, (&claims, &back), "2021-06-20")), [""; 0]);
    let later = pay_said(&enrolled, (&claims, &back), "2021-08-20");
    assert_eq!(reissues(&later), ["2021-07,1,100.000"]);
    assert_eq!(id_of(&later, "reissue"), again);
}

#[test]
fn what_is_paid_again_may_come_back_too() {
    let (mut claims, id) = sent();
    claims.extend(rows(&[
        "K2 Submitted 2021-04-01 70 USD",
        "K2 Approved 2021-04-11 70 USD",
        "K2 Sent 2021-05-12 70 USD",
    ]));
    let second = id_of(&pay_said(&[PAYEE], (&claims, &[]), "2021-05-20"), "claim");
    let mut back = said(&id, &["Sent 2021-05-13", "Reversed 2021-05-19"]);
    let first = id_of(&pay_said(&[PAYEE], (&claims, &back), "2021-06-20"), "reissue");
    back.extend(said(&second, &["Sent 2021-05-13", "Reversed 2021-06-02"]));
    back.extend(said(&first, &["Sent 2021-06-16", "Reversed 2021-06-21"]));
    let paid = pay_said(&[PAYEE], (&claims, &back), "2021-07-20");
    let mut amounts = reissues(&paid);
    amounts.sort_by_key(|row| row.rsplit(',').next().map(str::to_owned));
    assert_eq!(amounts.len(), 3, "{amounts:?}");
    let in_june: Vec<_> = amounts.iter().filter(|row| row.starts_with("2021-06")).collect();
    assert!(in_june.iter().any(|row| row.starts_with("2021-06,1")), "{in_june:?}");
    assert!(in_june.iter().any(|row| row.starts_with("2021-06,2")), "{in_june:?}");
    assert!(amounts.contains(&"2021-07,1,100.000".to_owned()), "{amounts:?}");
    assert_eq!(owed(&paid), 830_000);
}

#[test]
fn nothing_comes_back_before_the_claim_was_sent() {
    let (claims, id) = sent();
    for (claims, back) in [
        (&claims[..2], said(&id, &["Sent 2021-05-13", "Reversed 2021-05-19"])),
        (&claims[..], said(&id, &["Sent 2021-05-01", "Reversed 2021-05-11"])),
    ] {
        let paid = pay_said(&[PAYEE], (claims, &back), "2021-07-20");
        assert_eq!(reissues(&paid), [""; 0]);
        let names = ["status", "accepted", "reason", "newest"];
        let history = picked(&PAYMENT_HISTORY, &paid.payment_history, &names);
        assert!(history.contains(&"Sent,true,,true".to_owned()), "{history:?}");
        assert!(history.contains(&"Reversed,false,CLAIM_RETURNED,false".to_owned()), "{history:?}");
    }
    let back = said(&id, &["Sent 2021-05-13", "Reversed 2021-05-19"]);
    let reserved = pay_said(&[PAYEE], (&claims[..2], &back), "2021-07-20");
    let item = picked(&CLAIM_ITEMS, &reserved.claim_items, &["decision", "reserved", "paid"]);
    assert_eq!(item, ["approved,100.000,0.000"]);
}
