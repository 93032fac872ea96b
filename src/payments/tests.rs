//! Payments over small worlds. Amounts are written as people write them.

use super::*;
use crate::columns::fixtures::{day, picked, table, texts};
use crate::schema::{
    BALANCES, CLAIMS, COOP_FUND, ENROLLMENTS, EXCHANGE_RATES, JOURNAL, MANUAL_ADJUSTMENTS,
    MEMBERSHIPS, PAYMENT_ITEMS, PAYMENT_STATUSES, PAYMENTS,
};
use earnest_core::calendar::FiscalHalf;
use earnest_core::decimal::{MONEY_SCALE, format, parse};
use earnest_core::earning::EntryKind;
use std::collections::HashMap;

const PROGRAM: &str = r#"
program = "direct"
name = "CSP Direct Bill Partner"
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
"#;

const PAID_IN_EUR: &str = "location_id=L1|program=direct|status=Enrolled|payout_profile=a|tax_profile=b|payment_currency=EUR|payment_method=electronic bank transfer|hold=no";

/// A posting from `rebate core 2021-04 100.00`, of participant L1.
fn posting(text: &str) -> Posting {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, lever, period, amount] = words[..] else { panic!("four words: `{text}`") };
    Posting {
        program: 0,
        lever: lever.into(),
        term: "all".into(),
        earning_type: match kind {
            "rebate" => EarningType::Rebate,
            "coop" => EarningType::Coop,
            _ => EarningType::Fee,
        },
        participant: "L1".into(),
        period: period.parse().expect("a month"),
        fund_half: None,
        converted_in: None,
        kind: EntryKind::Regular,
        entered: None,
        known_on: None,
        amount: parse(amount, MONEY_SCALE).expect("an amount"),
        currency: "USD".into(),
        own_amount: parse(amount, MONEY_SCALE).expect("an amount"),
        earnings: 1,
    }
}

pub struct World {
    pub postings: Vec<Posting>,
    pub enrollments: Vec<String>,
    pub memberships: Vec<&'static str>,
    pub rates: Vec<&'static str>,
    pub statuses: Vec<String>,
    pub adjustments: Vec<String>,
    /// What the program says besides.
    pub more: &'static str,
    pub as_of: &'static str,
}

fn texts_of(rows: &[String]) -> Vec<&str> {
    rows.iter().map(String::as_str).collect()
}

impl World {
    pub fn of(postings: &[&str]) -> World {
        World {
            postings: postings.iter().map(|text| posting(text)).collect(),
            enrollments: vec![PAID_IN_EUR.to_owned()],
            memberships: vec!["location_id=L1|country=DE|status=Active"],
            rates: vec![],
            statuses: vec![],
            adjustments: vec![],
            more: "",
            as_of: "2021-12-31",
        }
    }

    pub fn paid_in(mut self, currency: &str) -> World {
        self.enrollments = vec![PAID_IN_EUR.replace("EUR", currency)];
        self
    }

    pub fn pay(&self) -> Payments {
        let text = format!("{PROGRAM}{}", self.more);
        let programs = [Program::parse("p.toml", &text).expect("a program")];
        let enrollments = table(&ENROLLMENTS, &texts_of(&self.enrollments));
        let rates = table(&EXCHANGE_RATES, &self.rates);
        let claims = table(&CLAIMS, &[]);
        let postings = self.postings.clone();
        let staged = Staged {
            memberships: &table(&MEMBERSHIPS, &self.memberships),
            enrollments: &enrollments,
            exchange_rates: &rates,
            claims: &claims,
            payment_statuses: &table(&PAYMENT_STATUSES, &texts_of(&self.statuses)),
            manual_adjustments: &table(&MANUAL_ADJUSTMENTS, &texts_of(&self.adjustments)),
        };
        let (closed, as_of) = (Closed::default(), day(self.as_of));
        let paid = pay(&programs, postings, &staged, &closed, as_of).expect("payments");
        balanced(&paid.journal);
        paid
    }

    /// `cycle,opening,earned,ordered,closing,held,below_minimum,reason` per cycle.
    pub fn balances(&self) -> Vec<String> {
        let names =
            ["cycle", "opening", "earned", "ordered", "closing", "held", "below_minimum", "reason"];
        picked(&BALANCES, &self.pay().balances, &names)
    }
}

/// Each entry balances by itself, per currency.
pub fn balanced(journal: &RecordBatch) {
    use arrow::array::AsArray;
    let mut sums: HashMap<(Vec<u8>, String), i128> = HashMap::new();
    let entries = journal.column(JOURNAL.position("entry_id")).as_fixed_size_binary();
    let text = texts(journal);
    for (row, cells) in text.iter().enumerate() {
        let money = |name| parse(&cells[JOURNAL.position(name)], MONEY_SCALE).expect("money");
        let (debit, credit) = (money("debit"), money("credit"));
        assert!(debit >= 0 && credit >= 0 && (debit == 0) != (credit == 0));
        let currency = cells[JOURNAL.position("currency")].clone();
        *sums.entry((entries.value(row).to_vec(), currency)).or_default() += debit - credit;
    }
    assert!(sums.values().all(|&sum| sum == 0), "{sums:?}");
}

const WORKED_THROUGH_RATES: &[&str] = &[
    "rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-06|rate=1.20",
    "rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-08|rate=1.25",
    "rate_type=earning|from_currency=EUR|to_currency=USD|period=2021-06|rate=9",
];

/// EUR 100,000.00 in April 2021 and its refund of EUR 30,000.00 in June, without the conversion.
#[test]
fn the_number_worked_through() {
    let mut world = World::of(&[
        "rebate core 2021-04 2640.00",
        "coop core 2021-04 1760.00",
        "rebate core 2021-06 -792.00",
        "coop core 2021-06 -528.00",
    ]);
    world.rates = WORKED_THROUGH_RATES.to_vec();
    world.as_of = "2021-08-31";
    let paid = world.pay();
    assert_eq!(
        picked(
            &PAYMENTS,
            &paid.payments,
            &[
                "cycle",
                "due_on",
                "gross_program_amount",
                "exchange_rate",
                "gross_amount",
                "total_payment",
                "payment_currency"
            ]
        ),
        ["2021-06,2021-06-15,2640.000,1.200000000,2200.000,2200.000,EUR"]
    );
    assert_eq!(
        picked(
            &PAYMENT_ITEMS,
            &paid.payment_items,
            &["period", "lever", "program_amount", "payment_amount"]
        ),
        ["2021-04,core,2640.000,2200.000"]
    );
    assert_eq!(
        world.balances(),
        [
            "2021-06,0.000,2640.000,2640.000,0.000,0.000,0.000,",
            "2021-08,0.000,-792.000,0.000,-792.000,0.000,0.000,NEGATIVE",
        ]
    );
    assert_eq!(
        picked(
            &COOP_FUND,
            &paid.coop_fund,
            &["fund_half", "half_from", "half_until", "earned", "left", "available"]
        ),
        ["FY21H2,2021-01-01,2021-07-01,1232.000,1232.000,1232.000"]
    );
    let mut journal = picked(
        &JOURNAL,
        &paid.journal,
        &["accounting_on", "event", "cycle", "period", "account", "currency", "debit", "credit"],
    );
    journal.sort();
    assert_eq!(
        journal,
        [
            "2021-04-30,accrual,,2021-04,coop_payable,USD,0.000,1760.000",
            "2021-04-30,accrual,,2021-04,incentive_expense,USD,1760.000,0.000",
            "2021-04-30,accrual,2021-06,2021-04,incentive_expense,USD,2640.000,0.000",
            "2021-04-30,accrual,2021-06,2021-04,rebate_payable,USD,0.000,2640.000",
            "2021-06-15,order,2021-06,2021-06,fx_clearing,EUR,2200.000,0.000",
            "2021-06-15,order,2021-06,2021-06,fx_clearing,USD,0.000,2640.000",
            "2021-06-15,order,2021-06,2021-06,payments_clearing,EUR,0.000,2200.000",
            "2021-06-15,order,2021-06,2021-06,rebate_payable,USD,2640.000,0.000",
            "2021-06-30,accrual,,2021-06,coop_payable,USD,528.000,0.000",
            "2021-06-30,accrual,,2021-06,incentive_expense,USD,0.000,528.000",
            "2021-06-30,accrual,2021-08,2021-06,incentive_expense,USD,0.000,792.000",
            "2021-06-30,accrual,2021-08,2021-06,rebate_payable,USD,792.000,0.000",
        ]
    );
}

#[test]
fn below_the_minimum_is_carried_until_it_is_reached_and_items_re_add() {
    let world = World::of(&[
        "rebate core 2021-01 150",
        "rebate core 2021-02 49.99",
        "rebate core 2021-03 0.01",
        "rebate core 2021-04 30",
    ])
    .paid_in("USD");
    let world = World { as_of: "2021-06-15", ..world };
    assert_eq!(
        world.balances(),
        [
            "2021-03,0.000,150.000,0.000,150.000,0.000,150.000,BELOW_MINIMUM",
            "2021-04,150.000,49.990,0.000,199.990,0.000,199.990,BELOW_MINIMUM",
            "2021-05,199.990,0.010,200.000,0.000,0.000,0.000,",
            "2021-06,0.000,30.000,0.000,30.000,0.000,30.000,BELOW_MINIMUM",
        ]
    );
    let paid = world.pay();
    assert_eq!(
        picked(&PAYMENT_ITEMS, &paid.payment_items, &["cycle", "period", "payment_amount"]),
        ["2021-05,2021-01,150.000", "2021-05,2021-02,49.990", "2021-05,2021-03,0.010"]
    );
    let mut orders = picked(&JOURNAL, &paid.journal, &["event", "account", "currency", "debit"]);
    orders.retain(|row| row.starts_with("order"));
    orders.sort();
    assert_eq!(orders, ["order,payments_clearing,USD,0.000", "order,rebate_payable,USD,200.000"]);
}

#[test]
fn a_cycle_is_settled_on_its_due_day_and_not_before() {
    let mut world = World::of(&["rebate core 2021-04 500"]).paid_in("USD");
    world.as_of = "2021-06-14";
    assert_eq!(world.balances(), [""; 0]);
    let accrued = world.pay().journal.num_rows();
    assert_eq!(accrued, 2, "what is earned is accrued before it is due");
    world.as_of = "2021-06-15";
    assert_eq!(world.balances(), ["2021-06,0.000,500.000,500.000,0.000,0.000,0.000,"]);
}

#[test]
fn a_conversion_is_shared_by_largest_remainder() {
    let mut world = World::of(&[
        "rebate a 2021-01 100.00",
        "rebate b 2021-01 100.00",
        "rebate c 2021-01 100.00",
        "rebate d 2021-01 0",
    ]);
    world.rates =
        vec!["rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-03|rate=1.1"];
    let paid = world.pay();
    assert_eq!(picked(&PAYMENTS, &paid.payments, &["gross_amount"]), ["272.730"]);
    assert_eq!(
        picked(&PAYMENT_ITEMS, &paid.payment_items, &["lever", "payment_amount"]),
        ["a,90.910", "b,90.910", "c,90.910"]
    );
    world.postings.push(posting("rebate a 2021-01 0.01"));
    let paid = world.pay();
    assert_eq!(picked(&PAYMENTS, &paid.payments, &["gross_amount"]), ["272.740"]);
    assert_eq!(
        picked(&PAYMENT_ITEMS, &paid.payment_items, &["lever", "payment_amount", "earnings"]),
        ["a,90.920,2", "b,90.910,1", "c,90.910,1"]
    );
}

#[test]
fn an_item_counts_all_earnings_of_its_month_whatever_their_terms() {
    let of = |text, term: &str, earnings| Posting { term: term.into(), earnings, ..posting(text) };
    let mut world = World::of(&[]).paid_in("USD");
    world.postings = vec![
        of("rebate a 2021-01 300.00", "FY21", 5),
        // A refund and what it is taken from, of the term before, in the same month.
        of("rebate a 2021-01 0", "FY20", 2),
        of("rebate b 2021-01 4.00", "FY21", 1),
        of("rebate b 2021-01 -4.00", "FY20", 1),
    ];
    let items = world.pay().payment_items;
    let columns = ["lever", "program_amount", "payment_amount", "earnings"];
    assert_eq!(picked(&PAYMENT_ITEMS, &items, &columns), ["a,300.000,300.000,7"]);
}

#[test]
fn a_hold_stops_orders_until_it_ends() {
    let mut world = World::of(&["rebate core 2021-01 500", "rebate core 2021-02 10"]);
    let usd = PAID_IN_EUR.replace("EUR", "USD");
    world.enrollments = vec![
        format!("{}|until_on=2021-04-15", usd.replace("hold=no", "hold=yes")),
        format!("{usd}|from_on=2021-04-15"),
    ];
    assert_eq!(
        world.balances(),
        [
            "2021-03,0.000,500.000,0.000,500.000,500.000,0.000,HOLD",
            "2021-04,500.000,10.000,510.000,0.000,0.000,0.000,",
        ]
    );
}

#[test]
fn whoever_cannot_be_paid_is_held() {
    let profile = "2021-03,0.000,500.000,0.000,500.000,500.000,0.000,PROFILE";
    let mut world = World::of(&["rebate core 2021-01 500"]);
    world.as_of = "2021-03-31";
    for missing in ["payout_profile=a", "tax_profile=b", "payment_method=electronic bank transfer"]
    {
        world.enrollments = vec![PAID_IN_EUR.replace(missing, "x=y")];
        assert_eq!(world.balances(), [profile], "{missing}");
    }
    world.enrollments = vec![PAID_IN_EUR.replace("payment_currency=EUR", "x=y")];
    let ordered = ["2021-03,0.000,500.000,500.000,0.000,0.000,0.000,"];
    assert_eq!(world.balances(), ordered, "a blank currency is the program's");
    world.enrollments = vec![format!("{PAID_IN_EUR}|until_on=2021-03-15")];
    assert_eq!(world.balances(), [profile], "not in force on the due day");
    world.enrollments = vec![PAID_IN_EUR.replace("EUR", "XXX")];
    assert_eq!(world.balances(), [profile], "nobody pays in it");
    world.enrollments = vec![PAID_IN_EUR.to_owned()];
    assert_eq!(world.balances(), ["2021-03,0.000,500.000,0.000,500.000,500.000,0.000,NORATE"]);
    let contradiction = "rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-03|rate=";
    let rate = |rate: &str| format!("{contradiction}{rate}");
    let rows = [rate("1.1"), rate("1.2"), rate("1.1")];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let rates = ExchangeRates::read(&table(&EXCHANGE_RATES, &rows), "payment").expect("rates");
    assert_eq!(rates.rate("EUR", "USD", "2021-03".parse().expect("a month")), None);
}

#[test]
fn negative_balances_are_carried_and_made_up_for() {
    let world = World::of(&[
        "rebate core 2021-01 300",
        "rebate core 2021-02 -500",
        "rebate core 2021-04 450",
        "rebate core 2021-05 250",
    ])
    .paid_in("USD");
    assert_eq!(
        world.balances()[..5],
        [
            "2021-03,0.000,300.000,300.000,0.000,0.000,0.000,",
            "2021-04,0.000,-500.000,0.000,-500.000,0.000,0.000,NEGATIVE",
            "2021-05,-500.000,0.000,0.000,-500.000,0.000,0.000,NEGATIVE",
            "2021-06,-500.000,450.000,0.000,-50.000,0.000,0.000,NEGATIVE",
            "2021-07,-50.000,250.000,200.000,0.000,0.000,0.000,",
        ]
    );
    let items = world.pay().payment_items;
    assert_eq!(
        picked(&PAYMENT_ITEMS, &items, &["cycle", "period", "program_amount"])
            .into_iter()
            .filter(|row| row.starts_with("2021-07"))
            .collect::<Vec<_>>(),
        ["2021-07,2021-02,-500.000", "2021-07,2021-04,450.000", "2021-07,2021-05,250.000"]
    );
}

#[test]
fn yen_are_paid_whole() {
    let mut world = World::of(&["rebate core 2021-01 200.01"]).paid_in("JPY");
    world.rates =
        vec!["rate_type=payment|from_currency=JPY|to_currency=USD|period=2021-03|rate=0.0091"];
    let paid = world.pay();
    assert_eq!(
        picked(&PAYMENTS, &paid.payments, &["gross_amount", "exchange_rate"]),
        ["21979.000,0.009100000"]
    );
}

#[test]
fn rebate_and_fee_are_paid_apart_and_coop_never() {
    let world = World::of(&[
        "rebate core 2021-01 150",
        "fee core 2021-01 150",
        "coop core 2021-01 9000",
        "fee core 2021-02 50",
    ])
    .paid_in("USD");
    let paid = world.pay();
    assert_eq!(
        picked(&PAYMENTS, &paid.payments, &["earning_type", "cycle", "gross_amount"]),
        ["fee,2021-04,200.000"]
    );
    let balances = picked(&BALANCES, &paid.balances, &["earning_type"]);
    assert!(balances.iter().all(|kind| kind != "coop"));
}

#[test]
fn a_refund_s_coop_goes_to_the_half_of_its_original() {
    let mut world = World::of(&["coop core 2020-12 100", "coop core 2021-01 -30"]);
    world.postings[1].fund_half = Some(FiscalHalf::of("2020-12".parse().expect("a month"), 7));
    assert_eq!(
        picked(&COOP_FUND, &world.pay().coop_fund, &["fund_half", "earned"]),
        ["FY21H1,70.000"]
    );
}

#[test]
fn the_order_and_the_splitting_of_postings_change_nothing() {
    let mut world = World::of(&[
        "rebate b 2021-01 100.10",
        "rebate a 2021-01 200.20",
        "coop a 2021-01 50",
        "rebate a 2021-02 7.77",
        "fee a 2021-01 1000",
    ])
    .paid_in("USD");
    let all = |paid: &Payments| {
        [&paid.payments, &paid.payment_items, &paid.balances, &paid.coop_fund, &paid.journal]
            .map(Clone::clone)
    };
    let expected = all(&world.pay());
    let half = |posting: &Posting, part| Posting {
        amount: if part == 0 { 33 } else { posting.amount - 33 },
        own_amount: if part == 0 { 33 } else { posting.amount - 33 },
        earnings: part,
        ..posting.clone()
    };
    let split = world.postings.iter().flat_map(|posting| [half(posting, 1), half(posting, 0)]);
    world.postings = split.collect();
    world.postings.reverse();
    assert_eq!(all(&world.pay()), expected);
}

#[test]
fn payment_ids_are_stable() {
    let paid = World::of(&["rebate core 2021-01 200"]).paid_in("USD").pay();
    let ids = picked(&PAYMENTS, &paid.payments, &["payment_id"]);
    assert_eq!(ids, ["P7HXCKKW9VYCEEMT6"]);
}

#[test]
fn nothing_gives_empty_tables() {
    let paid = World::of(&[]).pay();
    assert_eq!(paid.payments.num_rows() + paid.journal.num_rows() + paid.balances.num_rows(), 0);
}

/// Whatever is earned is ordered or still there, and what is ordered stands in items.
#[test]
fn nothing_is_lost_and_nothing_is_made() {
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..200 {
        let mut world = World::of(&[]).paid_in(["USD", "EUR", "JPY"][round % 3]);
        world.rates = vec![
            "rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-04|rate=1.1",
            "rate_type=payment|from_currency=EUR|to_currency=USD|period=2021-06|rate=1.237",
            "rate_type=payment|from_currency=JPY|to_currency=USD|period=2021-05|rate=0.0093",
        ];
        world.as_of = ["2021-05-14", "2021-06-15", "2021-12-31"][round / 3 % 3];
        for _ in 0..random.usize(1..30) {
            let (kind, lever) =
                (["rebate", "fee"][random.usize(0..2)], ["a", "b"][random.usize(0..2)]);
            let cents = random.i64(-20_000..30_000) * 10;
            let (month, amount) = (random.u32(1..7), format(cents.into(), MONEY_SCALE, 2));
            world.postings.push(posting(&format!("{kind} {lever} 2021-0{month} {amount}")));
        }
        let paid = world.pay();
        let sum = |table: &crate::schema::Table, batch: &RecordBatch, name: &str| -> i128 {
            let cells = picked(table, batch, &[name]);
            cells.iter().map(|cell| parse(cell, MONEY_SCALE).expect("money")).sum()
        };
        let program = Program::parse("p.toml", PROGRAM).expect("a program");
        let due = world.postings.iter().filter(|posting| {
            let of = posting.earning_type;
            program.due_day(program.due_cycle(posting.period, of), of) <= day(world.as_of)
        });
        let due: i128 = due.map(|posting| posting.amount).sum();
        let ordered = sum(&PAYMENTS, &paid.payments, "gross_program_amount");
        let movements = ["earned", "ordered"].map(|name| sum(&BALANCES, &paid.balances, name));
        // A cycle whose postings cancel out on an empty balance moves nothing and has no row.
        assert_eq!(movements, [due, ordered], "round {round}");
        let closing = sum(&BALANCES, &paid.balances, "closing");
        let opening = sum(&BALANCES, &paid.balances, "opening");
        assert_eq!(closing - opening, due - ordered, "round {round}");
        assert_eq!(sum(&PAYMENT_ITEMS, &paid.payment_items, "program_amount"), ordered);
        let gross = sum(&PAYMENTS, &paid.payments, "gross_amount");
        assert_eq!(sum(&PAYMENT_ITEMS, &paid.payment_items, "payment_amount"), gross);
    }
}
