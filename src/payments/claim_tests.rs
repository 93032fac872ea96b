//! Claims over small worlds: who is paid, when, in which currency, under which id.

use super::tests::balanced;
use super::*;
use crate::columns::fixtures::{day, picked, table};
use crate::schema::{
    BALANCES, CLAIM_ITEMS, CLAIMS, COOP_FUND, ENROLLMENTS, EXCHANGE_RATES, JOURNAL,
    MANUAL_ADJUSTMENTS, MEMBERSHIPS, PAYMENT_ITEMS, PAYMENT_STATUSES, PAYMENTS,
};
use earnest_core::earning::EntryKind;
use std::sync::Arc;

const PROGRAM: &str = r#"
program = "direct"
name = "CSP Direct Bill Partner"
aliases = ["CSP 1T Direct Partner"]
currency = "USD"
pays = ["direct"]
[[term]]
term = "all"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
[payment]
minimum = "200"
[[coop.window]]
claim_opens_after = 46
claim_days = 46
"#;

pub const PAYEE: &str = "location_id=L1|program=direct|status=Enrolled|payout_profile=a|tax_profile=b|payment_currency=USD|payment_method=credit note|hold=no";

const RATES: &[&str] = &[
    "rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-03|rate=1.2",
    "rate_type=payment|from_currency=JPY|to_currency=USD|period=2021-03|rate=0.0091",
];

/// A row of a claim from `K1 Approved 2021-03-10 500.00 EUR`, for March, submitted on 1 April or before.
fn row(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let [id, status, on, asked, currency] = words[..] else { panic!("five words: `{text}`") };
    let submitted = "2021-04-01".min(on);
    format!(
        "claim_id={id}|program=CSP 1T Direct Partner|location_id=L1|activity=ads|activity_period=2021-03\
         |submitted_on={submitted}|status={status}|status_on={on}|claim_currency={currency}\
         |asked_amount={asked}"
    )
}

fn pay_claims(enrollments: &[&str], rows: &[String], as_of: &str) -> Payments {
    pay_said(enrollments, (rows, &[]), as_of)
}

/// 1,000.00 of co-op and 500.00 of rebate in October 2020, 300.00 of rebate in April 2021; what claims and
/// the bank say.
pub fn pay_said(
    enrollments: &[&str],
    (rows, said): (&[String], &[String]),
    as_of: &str,
) -> Payments {
    let posting = |earning_type, period: &str, amount| Posting {
        program: 0,
        lever: "core".into(),
        term: "all".into(),
        earning_type,
        participant: Arc::from("L1"),
        period: period.parse().expect("a month"),
        fund_half: None,
        converted_in: None,
        kind: EntryKind::Regular,
        entered: None,
        known_on: None,
        amount,
        currency: Arc::from("USD"),
        own_amount: amount,
        earnings: 1,
    };
    let postings = vec![
        posting(EarningType::Coop, "2020-10", 1_000_000),
        posting(EarningType::Rebate, "2020-10", 500_000),
        posting(EarningType::Rebate, "2021-04", 300_000),
    ];
    let programs = [Program::parse("p.toml", PROGRAM).expect("a program")];
    let enrollments = table(&ENROLLMENTS, enrollments);
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let (rates, claims) = (table(&EXCHANGE_RATES, RATES), table(&CLAIMS, &rows));
    let staged = Staged {
        memberships: &table(&MEMBERSHIPS, &[]),
        enrollments: &enrollments,
        exchange_rates: &rates,
        claims: &claims,
        payment_statuses: &table(&PAYMENT_STATUSES, &said),
        manual_adjustments: &table(&MANUAL_ADJUSTMENTS, &[]),
    };
    let closed = Closed::default();
    let paid = pay(&programs, postings, &staged, &closed, day(as_of)).expect("payments");
    balanced(&paid.journal);
    paid
}

pub fn rows(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| row(text)).collect()
}

/// `claim decision reason reserved paid` of each item.
fn items(paid: &Payments) -> Vec<String> {
    let names = ["claim_id", "decision", "reason", "reserved", "paid"];
    picked(&CLAIM_ITEMS, &paid.claim_items, &names)
}

/// Orders of claims.
fn orders(paid: &Payments) -> Vec<String> {
    let names = ["order_kind", "due_on", "sequence", "status", "gross_amount", "payment_currency"];
    let mut orders = picked(&PAYMENTS, &paid.payments, &names);
    orders.retain(|order| order.starts_with("claim"));
    orders.sort();
    orders
}

#[test]
fn an_approved_claim_waits_until_its_partner_can_be_paid() {
    let claims = rows(&["K1 Submitted 2021-04-01 100 USD", "K1 Approved 2021-04-10 100 USD"]);
    let held = PAYEE.replace("hold=no", "hold=yes");
    let until = format!("{held}|until_on=2021-05-01");
    let from = format!("{PAYEE}|from_on=2021-05-01");
    let waiting = pay_claims(&[&until, &from], &claims, "2021-04-30");
    assert_eq!(items(&waiting), ["K1,approved,HOLD,100.000,0.000"]);
    assert_eq!(orders(&waiting), [""; 0]);
    let paid = pay_claims(&[&until, &from], &claims, "2021-05-01");
    assert_eq!(orders(&paid), ["claim,2021-05-01,1,proposed,100.000,USD"]);
    let unknown = pay_claims(&[&PAYEE.replace("tax_profile=b", "x=y")], &claims, "2021-05-01");
    assert_eq!(items(&unknown), ["K1,approved,PROFILE,100.000,0.000"]);
    let sent = [claims, rows(&["K1 Sent 2021-05-03 100 USD"])].concat();
    let sent = pay_claims(&[], &sent, "2021-05-03");
    assert_eq!(items(&sent), ["K1,paid,,0.000,100.000"], "a fact, whatever the profile says");
    assert_eq!(orders(&sent), ["claim,2021-04-10,1,paid,100.000,USD"]);
}

#[test]
fn claims_are_paid_in_their_own_currency() {
    let claims = rows(&["K1 Submitted 2021-04-01 10050 JPY", "K1 Approved 2021-04-10 10050 JPY"]);
    let paid = pay_claims(&[PAYEE], &claims, "2021-05-01");
    // 10,050 × 0.0091 = 91.455: back from 91.46 it would be 10,051.
    assert_eq!(orders(&paid), ["claim,2021-04-10,1,proposed,10050.000,JPY"]);
    let names = ["lever", "program_amount", "payment_amount", "earnings"];
    let parts = picked(&PAYMENT_ITEMS, &paid.payment_items, &names);
    assert!(parts.contains(&"coop_claim,91.460,10050.000,0".to_owned()), "{parts:?}");
    let fund = picked(&COOP_FUND, &paid.coop_fund, &["left", "reserved", "available"]);
    assert_eq!(fund, ["1000.000,91.460,908.540"]);
    assert!(!picked(&JOURNAL, &paid.journal, &["event"]).contains(&"claim".to_owned()));
    let sent = [claims, rows(&["K1 Sent 2021-04-30 10050 JPY"])].concat();
    let sent = pay_claims(&[PAYEE], &sent, "2021-05-01");
    let names = ["event", "account", "currency", "debit", "credit"];
    let mut lines = picked(&JOURNAL, &sent.journal, &names);
    lines.retain(|line| line.starts_with("claim"));
    lines.sort();
    assert_eq!(
        lines,
        [
            "claim,coop_payable,USD,91.460,0.000",
            "claim,fx_clearing,JPY,10050.000,0.000",
            "claim,fx_clearing,USD,0.000,91.460",
            "claim,payments_clearing,JPY,0.000,10050.000",
        ]
    );
}

#[test]
fn payment_ids_belong_to_the_claim() {
    let first = rows(&["K2 Submitted 2021-04-01 10 USD", "K2 Approved 2021-04-10 10 USD"]);
    let ids = |claims: &[String]| {
        let paid = pay_claims(&[PAYEE], claims, "2021-05-01");
        let names = ["payment_id", "order_kind", "sequence"];
        let mut ids = picked(&PAYMENTS, &paid.payments, &names);
        ids.retain(|id| id.contains("claim"));
        ids
    };
    let alone = ids(&first);
    let earlier = rows(&["K1 Submitted 2021-04-01 20 USD", "K1 Approved 2021-04-09 20 USD"]);
    let both = ids(&[first, earlier].concat());
    assert_eq!((alone.len(), both.len()), (1, 2));
    let id = alone[0].split(',').next().expect("an id");
    assert!(both.contains(&format!("{id},claim,2")), "{both:?}: it is the second now");
}

#[test]
fn a_claim_that_contradicts_itself_holds_payments_from_then_on() {
    let claims = rows(&[
        "K1 Submitted 2021-04-01 10 USD",
        "K1 Approved 2021-04-02 10 USD",
        "K2 Submitted 2021-04-01 20 USD",
        "K2 Approved 2021-04-10 20 USD",
        "K2 Submitted 2021-04-20 20 USD",
        "K3 Submitted 2021-04-01 30 USD",
        "K3 Approved 2021-04-25 30 USD",
    ]);
    let paid = pay_claims(&[PAYEE], &claims, "2021-06-20");
    assert_eq!(
        items(&paid),
        [
            "K1,approved,,10.000,0.000",
            "K2,held,STATUS,20.000,0.000",
            "K3,approved,CHECK,30.000,0.000",
        ]
    );
    assert_eq!(orders(&paid), ["claim,2021-04-02,1,proposed,10.000,USD"]);
    let balances = picked(&BALANCES, &paid.balances, &["cycle", "ordered", "held", "reason"]);
    assert_eq!(balances, ["2020-12,500.000,0.000,", "2021-06,0.000,300.000,CHECK"]);
    let unknown = rows(&["K1 Whatever 2021-04-02 10 USD"]);
    let unknown = pay_claims(&[PAYEE], &unknown, "2021-06-20");
    assert_eq!(items(&unknown), ["K1,held,STATUS,10.000,0.000"]);
}

#[test]
fn a_claim_of_no_program_is_refused() {
    let stray = row("K1 Submitted 2021-04-01 10 USD").replace("CSP 1T Direct Partner", "Surface");
    let paid = pay_claims(&[PAYEE], &[stray], "2021-06-20");
    let names = ["claim_id", "program", "decision", "reason", "refused_amount"];
    let found = picked(&CLAIM_ITEMS, &paid.claim_items, &names);
    assert_eq!(found, ["K1,Surface,refused,NO_PROGRAM,10.000"]);
}

#[test]
fn rows_in_any_order_are_the_same_claim() {
    let mut claims = rows(&[
        "K1 Submitted 2021-04-01 100 USD",
        "K1 Approved 2021-04-10 100 USD",
        "K1 Sent 2021-04-10 100 USD",
        "K2 Submitted 2021-04-01 950 USD",
    ]);
    let expected = pay_claims(&[PAYEE], &claims, "2021-06-20");
    claims.reverse();
    let found = pay_claims(&[PAYEE], &claims, "2021-06-20");
    assert_eq!(found.claim_items, expected.claim_items);
    assert_eq!((found.coop_fund, found.journal), (expected.coop_fund, expected.journal));
    assert_eq!((found.payments, found.payment_items), (expected.payments, expected.payment_items));
    let none = pay_claims(&[PAYEE], &claims, "2021-03-31");
    assert_eq!(none.claim_items.num_rows(), 0, "not known by then");
}
