//! One account (participant × program × earning type) through its cycles. In: its postings, sorted
//! by period. Out: balances, orders with their items, or the co-op funds, and the accruals.

use super::Posting;
use super::payees::{Method, Payees};
use crate::error::{Error, Result};
use crate::exchange_rates::ExchangeRates;
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::decimal::{MONEY_SCALE, allocate, power_of_ten};
use earnest_core::earning::EarningType;
use earnest_core::id;
use earnest_core::program::Program;
use earnest_core::waterfall::{FundMovements, Movements, Order, Settled, Terms, settle};
use std::collections::BTreeMap;

/// An account and what became of it.
pub struct Account<'a> {
    pub program: &'a Program,
    pub earning_type: EarningType,
    pub participant: &'a str,
    postings: &'a [Posting],
    pub balances: Vec<(Period, Settled)>,
    pub payments: Vec<Payment<'a>>,
    pub funds: Vec<(FiscalHalf, FundMovements)>,
}

/// An order of a cycle.
pub struct Payment<'a> {
    pub payment_id: String,
    pub cycle: Period,
    pub due_on: NaiveDate,
    pub method: String,
    pub currency: String,
    pub order: Order,
    pub items: Vec<Item<'a>>,
}

/// What a period's lever puts into a payment.
pub struct Item<'a> {
    pub period: Period,
    pub lever: &'a str,
    /// In program currency and in payment currency, at money scale.
    pub program_amount: i128,
    pub payment_amount: i128,
    pub earnings: i64,
}

impl<'a> Account<'a> {
    /// `postings` are those of one account, not empty, sorted by period and lever.
    pub fn of(program: &'a Program, postings: &'a [Posting]) -> Account<'a> {
        Account {
            program,
            earning_type: postings[0].earning_type,
            participant: &postings[0].participant,
            postings,
            balances: Vec::new(),
            payments: Vec::new(),
            funds: Vec::new(),
        }
    }

    /// What was earned per period; periods that add up to zero are left out.
    pub fn accruals(&self) -> impl Iterator<Item = (Period, i128)> + '_ {
        self.postings
            .chunk_by(|a, b| a.period == b.period)
            .map(|postings| (postings[0].period, sum(postings)))
            .filter(|(_, amount)| *amount != 0)
    }

    /// Co-op goes into the fund of its half and is never ordered. Halves in which no period earned
    /// anything are left out.
    pub fn accrue(&mut self) -> Result<()> {
        let mut halves: BTreeMap<FiscalHalf, BTreeMap<Period, i128>> = BTreeMap::new();
        for posting in self.postings {
            let half = posting.fund_half.unwrap_or_else(|| self.program.fund_half(posting.period));
            *halves.entry(half).or_default().entry(posting.period).or_default() += posting.amount;
        }
        for (half, periods) in halves {
            if periods.values().any(|&amount| amount != 0) {
                let earned = periods.values().sum();
                let movements = FundMovements { earned, ..FundMovements::default() };
                movements.verify(movements.left(), 0, movements.left())?;
                self.funds.push((half, movements));
            }
        }
        Ok(())
    }

    /// Settles every cycle that is due. An order releases all postings since the order before it.
    pub fn settle(
        &mut self,
        payees: &Payees,
        rates: &ExchangeRates,
        as_of: NaiveDate,
    ) -> Result<()> {
        let program = self.program;
        let mut cycle = program.due_cycle(self.postings[0].period);
        let (mut released, mut entered, mut opening) = (0, 0, 0);
        while program.due_day(cycle) <= as_of && (opening != 0 || entered < self.postings.len()) {
            let due = self.postings[entered..]
                .partition_point(|posting| program.due_cycle(posting.period) <= cycle);
            let earned = sum(&self.postings[entered..entered + due]);
            entered += due;
            if opening != 0 || earned != 0 {
                let movements = Movements { opening, earned, ..Movements::default() };
                let due_on = program.due_day(cycle);
                let method = payees.on(self.postings[0].program, self.participant, due_on);
                let settled = settle(movements, &self.terms(&method, rates, cycle))?;
                if let (Some(order), Ok(method)) = (settled.order, &method) {
                    let postings = &self.postings[released..entered];
                    let payment = self.payment(cycle, due_on, method, order, postings)?;
                    self.payments.push(payment);
                    released = entered;
                }
                self.balances.push((cycle, settled));
                opening = settled.closing;
            }
            cycle = cycle.plus(1);
        }
        Ok(())
    }

    fn terms(
        &self,
        method: &Result<Method, earnest_core::reason::CarryReason>,
        rates: &ExchangeRates,
        cycle: Period,
    ) -> Terms {
        let minimum = self.program.payment.minimum;
        match method {
            Ok(method) => Terms {
                minimum,
                hold: None,
                rate: rates.rate(method.currency, &self.program.currency, cycle),
                minor_units: method.minor_units,
            },
            Err(reason) => Terms { minimum, hold: Some(*reason), rate: None, minor_units: 0 },
        }
    }

    fn payment(
        &self,
        cycle: Period,
        due_on: NaiveDate,
        method: &Method,
        order: Order,
        postings: &'a [Posting],
    ) -> Result<Payment<'a>> {
        let (cycle_text, earning_type) = (cycle.to_string(), self.earning_type.name());
        let key = [
            self.program.program.as_str(),
            earning_type,
            self.participant,
            method.method,
            method.currency,
            &cycle_text,
            ORDER_KIND,
            &SEQUENCE.to_string(),
        ];
        let payment_id = payment_id(&key);
        let items = items(postings, order, method.minor_units)?;
        verify(&payment_id, &items, order)?;
        Ok(Payment {
            payment_id,
            cycle,
            due_on,
            method: method.method.to_owned(),
            currency: method.currency.to_owned(),
            order,
            items,
        })
    }
}

/// The kind of order that cycles make; claims and reissued payments are others.
pub const ORDER_KIND: &str = "cycle";
/// A cycle makes one order per key.
pub const SEQUENCE: i64 = 1;

/// Stable id of an order, from the parts of its key.
fn payment_id(key: &[&str]) -> String {
    let text = id::text(id::digest(key.iter().map(|part| part.as_bytes())));
    format!("P{}", text[..16].to_uppercase())
}

/// The items of an order, which share its gross by largest remainder, ties by period and lever.
fn items(postings: &[Posting], order: Order, minor_units: u32) -> Result<Vec<Item<'_>>> {
    let mut items: Vec<Item> = postings
        .iter()
        .filter(|posting| posting.amount != 0)
        .map(|posting| Item {
            period: posting.period,
            lever: &posting.lever,
            program_amount: posting.amount,
            payment_amount: 0,
            earnings: posting.earnings,
        })
        .collect();
    let weights: Vec<i128> = items.iter().map(|item| item.program_amount).collect();
    let parts = allocate(order.gross, &weights, power_of_ten(MONEY_SCALE - minor_units))?;
    for (item, part) in items.iter_mut().zip(parts) {
        item.payment_amount = part;
    }
    Ok(items)
}

/// Items re-add to their order, in both currencies.
fn verify(payment_id: &str, items: &[Item], order: Order) -> Result<()> {
    let program: i128 = items.iter().map(|item| item.program_amount).sum();
    let payment: i128 = items.iter().map(|item| item.payment_amount).sum();
    if program == order.gross_program && payment == order.gross {
        return Ok(());
    }
    Err(Error::check(format!(
        "payment {payment_id}: expected items that add up to {} and {}, found {program} and {payment}",
        order.gross_program, order.gross
    )))
}

fn sum(postings: &[Posting]) -> i128 {
    postings.iter().map(|posting| posting.amount).sum()
}
