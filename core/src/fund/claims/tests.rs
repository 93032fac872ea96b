//! Claims over small funds. Amounts are written as people write them.

use super::*;
use crate::decimal::{MONEY_SCALE, RATE_SCALE, parse, power_of_ten};

const PROGRAM: &str = r#"
program = "p"
name = "P"
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
[[coop.activity]]
activity = "ads"
name = "Advertising"
[[coop.activity]]
activity = "spiff"
name = "Customer offers and SPIFFs"
share = "0.25"
"#;

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn money(text: &str) -> i128 {
    parse(text, MONEY_SCALE).expect("money")
}

fn half(name: &str) -> FiscalHalf {
    FiscalHalf::named(name, 7).expect("a half")
}

/// A claim from its id, what it is for (`spiff 2021-02 USD 6000`), and rows of status and day; a third word is
/// what was decided. It is submitted on the day of its first row.
fn claim(id: &str, what: &str, rows: &[&str]) -> Claim {
    let words: Vec<&str> = what.split(' ').collect();
    let [activity, month, currency, asked] = words[..] else { panic!("four words: `{what}`") };
    let first = rows[0].split(' ').nth(1).map(day);
    let row = |text: &&str| {
        let words: Vec<&str> = text.split(' ').collect();
        ClaimRow {
            status: Status::named(&words[0].replace('_', " ")).expect("a status"),
            status_on: day(words[1]),
            submitted_on: first,
            half: None,
            activity: activity.to_owned(),
            month: month.parse().expect("a month"),
            currency: currency.to_owned(),
            asked: money(asked),
            decided: words.get(2).map(|text| money(text)),
            note: None,
        }
    };
    Claim { claim_id: id.to_owned(), rows: rows.iter().map(row).collect(), ..Claim::default() }
}

struct Decided {
    /// `decision reason asked allowed program_amount reserved paid expired` of each item, by claim.
    items: Vec<String>,
    broken: Vec<bool>,
    /// `left reserved available` of the half.
    fund: [String; 3],
    next: i128,
}

/// Decides claims over co-op of FY21H1, given as days and amounts.
fn decided(earned: &[&str], claims: &[Claim], as_of: &str) -> Decided {
    let program = Program::parse("p.toml", PROGRAM).expect("a program");
    let terms = |of: FiscalHalf| FundTerms {
        settled_on: of.end().first_day(),
        converted: false,
        end: program.fund_end(of, ""),
    };
    let earned = earned.iter().map(|text| {
        let (on, amount) = text.split_once(' ').expect("a day and an amount");
        (day(on), half("FY21H1"), money(amount))
    });
    let mut ledger = Ledger::new(terms, earned);
    let rate = |currency: &str, _| match currency {
        "USD" => Some(power_of_ten(RATE_SCALE)),
        "EUR" => Some(1_100_000_000),
        _ => None,
    };
    let rules = Rules { program: &program, rate, as_of: day(as_of) };
    let outcomes = decide(&rules, claims, &mut ledger).expect("it fits");
    let text = |amount: i128| crate::decimal::format(amount, MONEY_SCALE, 0);
    let mut items = Vec::new();
    for outcome in &outcomes {
        for item in &outcome.items {
            assert_eq!(item.asked, item.allowed + item.refused + held(item));
            let reason = item.reason.map_or("-", ClaimReason::code);
            let amounts = [
                item.asked,
                item.allowed,
                item.program_amount,
                item.reserved,
                item.paid,
                item.expired,
            ];
            let amounts = amounts.map(text).join(" ");
            items.push(format!("{} {reason} {amounts}", item.decision.name()));
        }
        let asked: i128 = outcome.items.iter().map(|item| item.asked).sum();
        assert_eq!(asked, outcome.tested.asked, "items re-add");
    }
    let broken = outcomes.iter().map(|outcome| outcome.broken_since.is_some()).collect();
    let (funds, _) = ledger.close();
    let fund = funds[&half("FY21H1")];
    assert!(fund.movements.verify(fund.left(), fund.reserved, fund.available()).is_ok());
    let next = funds.get(&half("FY21H2")).map_or(0, |fund| fund.movements.rolled_in);
    let fund = [fund.left(), fund.reserved, fund.available()].map(text);
    Decided { items, broken, fund, next }
}

fn held(item: &ClaimItem) -> i128 {
    if item.decision == Decision::Held { item.asked } else { 0 }
}

const EARNED: &[&str] = &["2020-09-30 12000", "2020-12-31 8000"];

/// Source: Partner Center docs, co-op spending limits: 25 % of 20,000.00.
#[test]
fn a_sub_limit_refuses_what_is_over_it() {
    let first = claim("1", "spiff 2021-02 USD 6000", &["Submitted 2021-03-01"]);
    let second = claim("2", "spiff 2021-03 USD 1", &["Submitted 2021-04-01"]);
    let found = decided(EARNED, &[first, second], "2021-05-01");
    let expected = [
        "pending - 5000 5000 5000 5000 0 0",
        "refused SUB_LIMIT 1000 0 0 0 0 0",
        "refused SUB_LIMIT 1 0 0 0 0 0",
    ];
    assert_eq!(found.items, expected);
    assert_eq!(found.fund, ["20000", "5000", "15000"]);
}

#[test]
fn a_claim_is_approved_and_paid() {
    let rows = ["Submitted 2021-03-01", "Approved 2021-03-10", "Sent 2021-04-01"];
    let found = |as_of| decided(EARNED, &[claim("1", "ads 2021-02 USD 6000", &rows)], as_of);
    assert_eq!(found("2021-03-10").items, ["approved - 6000 6000 6000 6000 0 0"]);
    let paid = found("2021-04-01");
    assert_eq!(paid.items, ["paid - 6000 6000 6000 0 6000 0"]);
    assert_eq!(paid.fund, ["14000", "0", "14000"]);
    assert_eq!(found("2021-02-28").items, [""; 0], "not submitted yet");
}

#[test]
fn the_fund_is_used_up_by_who_comes_first() {
    let first = claim("2", "ads 2021-02 USD 19900", &["Submitted 2021-03-01"]);
    let second = claim("1", "ads 2021-02 EUR 100", &["Submitted 2021-03-02"]);
    let found = decided(EARNED, &[second, first], "2021-05-01");
    // 100.00 ÷ 1.1 is 90.909…: EUR 90.90 cost USD 99.99.
    assert_eq!(
        found.items,
        [
            "pending - 90.9 90.9 99.99 99.99 0 0",
            "refused FUND_USED_UP 9.1 0 0 0 0 0",
            "pending - 19900 19900 19900 19900 0 0",
        ]
    );
}

#[test]
fn windows_and_activities_are_tested() {
    for (what, on, reason) in [
        ("ads 2021-02 USD 10", "2021-02-15", "TOO_EARLY"),
        ("ads 2021-02 USD 10", "2021-02-16", "-"),
        ("ads 2021-06 USD 10", "2021-08-15", "-"),
        ("ads 2021-06 USD 10", "2021-08-16", "TOO_LATE"),
        ("ads 2021-07 USD 10", "2021-08-16", "NO_FUND"),
        ("charm 2021-06 USD 10", "2021-08-15", "NO_ACTIVITY"),
        ("ads 2021-06 GBP 10", "2021-08-15", "NORATE"),
    ] {
        let found =
            decided(EARNED, &[claim("1", what, &[&format!("Submitted {on}")])], "2021-08-20");
        assert_eq!(found.items[0].split(' ').nth(1), Some(reason), "{what} {on}");
        assert_eq!(found.broken, [false]);
    }
    let mut named = claim("1", "ads 2021-07 USD 10", &["Submitted 2021-03-01"]);
    for (half, reason) in [("FY21 H1", "OUTSIDE_USE"), ("2021", "NO_FUND")] {
        named.rows[0].half = Some(half.to_owned());
        let found = decided(EARNED, &[named.clone()], "2021-08-20");
        assert_eq!(found.items, [format!("refused {reason} 10 0 0 0 0 0")]);
    }
}

#[test]
fn what_is_decided_is_not_tested_again() {
    let rows = ["Submitted 2021-03-01", "Approved 2021-03-10"];
    let spiff = claim("1", "spiff 2021-02 USD 6000", &rows);
    let earned = [EARNED[0], EARNED[1], "2021-04-30 -18000"];
    let found = decided(&earned, &[spiff], "2021-05-01");
    assert_eq!(found.items[0], "approved - 5000 5000 5000 5000 0 0");
    assert_eq!(found.fund, ["5000", "5000", "0"]);
    assert_eq!(found.next, money("-3000"), "20,000 − 18,000 − 5,000");
}

/// What was published of a claim of 12,000.00 that was allowed.
fn allowed(claim: &Claim, sent_on: Option<&str>) -> Ordered {
    let row = &claim.rows[0];
    Ordered {
        half: half("FY21H1"),
        activity: row.activity.clone(),
        month: row.month,
        currency: row.currency.clone(),
        asked: row.asked,
        allowed: row.asked,
        refused: Vec::new(),
        rate: power_of_ten(RATE_SCALE),
        submitted_on: row.status_on,
        decided_on: day("2021-03-10"),
        sent_on: sent_on.map(day),
        overclaimed: false,
        note: None,
    }
}

#[test]
fn what_was_allowed_is_not_taken_back() {
    let program = Program::parse("p.toml", PROGRAM).expect("a program");
    let rows = ["Submitted 2021-03-01", "Approved 2021-03-10", "Sent 2021-03-20"];
    let kept = |sent_on: Option<&str>, change: fn(&mut Claim)| {
        let mut one =
            claim("2", "ads 2021-02 USD 12000", &rows[..2 + usize::from(sent_on.is_some())]);
        let known = allowed(&one, sent_on);
        change(&mut one);
        one.keep(&program, (known, sent_on.is_some()), day("2021-05-01")).expect("it fits");
        one
    };
    let same: fn(&mut Claim) = |_| ();
    let less: fn(&mut Claim) = |claim| claim.rows[1].decided = Some(money("5000"));
    let earned = ["2020-09-30 5000"];
    let found = |claim: Claim| {
        let found = decided(&earned, &[claim], "2021-05-01");
        (found.items, found.next)
    };
    let missing = money("-7000");
    let approved = vec!["approved - 12000 12000 12000 12000 0 0".to_owned()];
    assert_eq!(found(kept(None, same)), (approved, missing), "co-op was lost");
    let corrected = ["approved - 5000 5000 5000 5000 0 0", "refused DECIDED 7000 0 0 0 0 0"];
    assert_eq!(found(kept(None, less)).0, corrected, "it wasn't sent");
    let paid = |reason| vec![format!("paid {reason} 12000 12000 12000 0 12000 0")];
    assert_eq!(found(kept(Some("2021-03-20"), same)), (paid("-"), missing));
    assert_eq!(found(kept(Some("2021-03-20"), less)), (paid("SENT_DIFFERS"), missing));
    let gone: fn(&mut Claim) = |claim| claim.rows.clear();
    assert_eq!(found(kept(Some("2021-03-20"), gone)), (paid("SENT_DIFFERS"), missing));
    // Known later, with an earlier day: 20,000 less 12,000, and the late 3,000 of April.
    let first = claim("1", "ads 2021-02 USD 12000", &["Submitted 2021-02-20"]);
    let late = [EARNED[0], EARNED[1], "2021-04-30 3000"];
    for (earned, left) in [(EARNED, "8000"), (&late[..], "11000")] {
        let found = decided(earned, &[first.clone(), kept(None, same)], "2021-05-01");
        assert_eq!(found.items[0], format!("pending - {left} {left} {left} {left} 0 0"));
        assert_eq!(found.next, 0);
    }
    let twice = ["Submitted 2021-02-20", "Approved 2021-02-21 8001"];
    let twice = claim("1", "ads 2021-02 USD 12000", &twice);
    let found = decided(EARNED, &[twice, kept(None, same)], "2021-05-01");
    assert!(found.items[0].starts_with("held OVERCLAIMED"), "{:?}", found.items);
}

#[test]
fn exporters_may_decide() {
    let rows = |decided: &str| {
        ["Submitted 2021-03-01".to_owned(), format!("Approved 2021-03-10 {decided}")]
    };
    let found = |decided_amount: &str| {
        let rows = rows(decided_amount);
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        decided(EARNED, &[claim("1", "spiff 2021-02 USD 21000", &rows)], "2021-05-01")
    };
    assert_eq!(
        found("7000").items,
        ["approved - 7000 7000 7000 7000 0 0", "refused DECIDED 14000 0 0 0 0 0"],
        "the sub-limit is theirs to judge"
    );
    for too_much in ["20000.01", "21000.01"] {
        let found = found(too_much);
        assert_eq!(found.items, ["held OVERCLAIMED 21000 0 0 5000 0 0"], "{too_much}");
        assert_eq!(found.broken, [true]);
    }
    assert_eq!(found("0").items, ["refused DECIDED 21000 0 0 0 0 0"]);
    let rows = ["Submitted 2021-03-01", "Approved 2021-03-10 20500", "Sent 2021-03-11 20500"];
    let paid = decided(EARNED, &[claim("1", "ads 2021-02 USD 21000", &rows)], "2021-05-01");
    assert_eq!(paid.items[0], "paid OVERCLAIMED 20500 20500 20500 0 20500 0");
    assert_eq!((paid.broken, paid.next), (vec![true], money("-500")));
}

#[test]
fn a_reserve_refused_late_expires_then_and_a_dispute_brings_it_back() {
    let rows = [
        "Submitted 2021-08-10",
        "Rejected 2021-09-20",
        "Disputed 2021-09-25",
        "Approved 2021-10-01",
    ];
    let found = |as_of| decided(EARNED, &[claim("1", "ads 2021-06 USD 700", &rows)], as_of);
    assert_eq!(found("2021-09-19").fund, ["700", "700", "0"]);
    let rejected = found("2021-09-20");
    assert_eq!(rejected.items, ["refused REJECTED 700 0 0 0 0 700"]);
    assert_eq!(rejected.fund, ["0", "0", "0"]);
    let approved = found("2021-10-01");
    assert_eq!(approved.items, ["approved - 700 700 700 700 0 0"]);
    assert_eq!(approved.fund, ["700", "700", "0"]);
}

#[test]
fn what_cannot_follow_holds_the_claim() {
    let rows =
        ["Submitted 2021-03-01", "Approved 2021-03-10", "Rejected 2021-03-11", "Sent 2021-04-01"];
    let found = decided(EARNED, &[claim("1", "ads 2021-02 USD 10", &rows)], "2021-05-01");
    assert_eq!(found.items, ["held STATUS 10 0 0 10 0 0"]);
    assert_eq!(found.broken, [true]);
    let sent =
        decided(EARNED, &[claim("1", "ads 2021-02 USD 10", &["Sent 2021-02-10"])], "2021-05-01");
    assert!(sent.items.iter().any(|item| item.starts_with("held STATUS")), "{:?}", sent.items);
}

#[test]
fn what_is_asked_may_change_until_it_is_decided() {
    let mut changed = claim(
        "1",
        "ads 2021-02 USD 100",
        &["Submitted 2021-03-01", "Action_required 2021-03-05", "Submitted 2021-03-09"],
    );
    changed.rows[2].asked = money("60");
    let found = decided(EARNED, &[changed.clone()], "2021-03-08");
    assert_eq!(found.items, ["pending - 100 100 100 100 0 0"]);
    let found = decided(EARNED, &[changed], "2021-03-09");
    assert_eq!(found.items, ["pending - 60 60 60 60 0 0"]);
    assert_eq!(found.fund, ["20000", "60", "19940"]);
    let editing =
        decided(EARNED, &[claim("1", "ads 2021-02 USD 1", &["Editing 2021-03-01"])], "2021-05-01");
    assert_eq!(editing.items, [""; 0]);
    let canceled = ["Submitted 2021-03-01", "Canceled 2021-03-02"];
    let found = decided(EARNED, &[claim("1", "ads 2021-02 USD 1", &canceled)], "2021-05-01");
    assert_eq!(found.items, ["refused WITHDRAWN 1 0 0 0 0 0"]);
}
