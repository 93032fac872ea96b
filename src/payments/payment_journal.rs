//! The journal of what is paid. Orders move what is payable to clearing, dated the due day, through
//! `fx_clearing` where the payment's currency is another one; tax withheld moves from clearing to
//! `tax_payable`, sales tax the other way. What came back is reversed, taxes too, on the day the bank says.
//! Adjustments are dated the day of their approval.

use super::adjustments::{Adjustment, Kind};
use super::cycles::Account;
use super::journal::{EXPENSE, Entry, FX_CLEARING, Line, PAYMENTS_CLEARING, entry_id, payable};
use super::orders::Payment;
use crate::closes::Closed;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;

pub const TAX_PAYABLE: &str = "tax_payable";

/// What a payment does to the books, and what undoes it.
pub const EVENTS: [[&str; 3]; 2] = [
    ["order", "withholding", "sales tax"],
    ["return", "withholding reversed", "sales tax reversed"],
];

/// Entries of an account's payments and adjustments that belong to open cycles.
/// Those of co-op pay claims, which no close keeps.
pub fn entries<'a>(account: &'a Account<'a>, closed: &Closed, lines: &mut Vec<Line<'a>>) {
    let kept = |cycle| account.earning_type != EarningType::Coop && closed.is_closed(cycle);
    for payment in &account.payments {
        if !kept(payment.cycle) {
            post(account, payment, EVENTS[0], payment.due_on, payment.cycle, lines);
        }
        if let (Some(day), Some(cycle)) = (payment.history.returned_on, payment.returns_in)
            && !kept(cycle)
        {
            post(account, payment, EVENTS[1], day, cycle, lines);
        }
    }
    for (adjustment, cycle, refused) in &account.adjusted {
        if refused.is_none() && !closed.is_closed(*cycle) {
            adjust(account, adjustment, *cycle, lines);
        }
    }
}

/// A payment, or with the sides changed its return.
fn post<'a>(
    account: &'a Account<'a>,
    payment: &'a Payment<'a>,
    events: [&'static str; 3],
    day: NaiveDate,
    cycle: Period,
    lines: &mut Vec<Line<'a>>,
) {
    let (currency, foreign) = (account.program.currency.as_str(), payment.currency.as_str());
    let (order, source) = (payment.order, payment.payment_id.as_str());
    let back = events == EVENTS[1];
    let mut transfer = |event, (from, to), currency, amount: i128| {
        if amount == 0 {
            return;
        }
        let entry = Entry {
            account,
            entry_id: entry_id(account, event, source),
            event,
            accounting_on: day,
            cycle: Some(cycle),
            period: payment.cycle,
        };
        let (debit, credit) = if back { (to, from) } else { (from, to) };
        entry.transfer(lines, debit, credit, currency, amount, source);
    };
    let payable = payable(account.earning_type);
    if foreign == currency {
        transfer(events[0], (payable, PAYMENTS_CLEARING), currency, order.gross_program);
    } else {
        transfer(events[0], (payable, FX_CLEARING), currency, order.gross_program);
        transfer(events[0], (FX_CLEARING, PAYMENTS_CLEARING), foreign, order.gross);
    }
    transfer(events[1], (PAYMENTS_CLEARING, TAX_PAYABLE), foreign, payment.taxes.withheld);
    transfer(events[2], (TAX_PAYABLE, PAYMENTS_CLEARING), foreign, payment.taxes.sales);
}

/// Adjustments and write-offs are expense; what escheats, was recovered or moves to another program is
/// cleared.
fn adjust<'a>(
    account: &'a Account<'a>,
    adjustment: &'a Adjustment,
    cycle: Period,
    lines: &mut Vec<Line<'a>>,
) {
    let Some(day) = adjustment.approved_on else { return };
    let against = match adjustment.kind {
        Kind::Adjustment | Kind::WriteOff => EXPENSE,
        Kind::Escheat | Kind::Recovery | Kind::TransferOut | Kind::TransferIn => PAYMENTS_CLEARING,
    };
    let event = match adjustment.kind {
        Kind::Adjustment => "manual adjustment",
        Kind::WriteOff => "write-off",
        Kind::Escheat => "escheat",
        Kind::Recovery => "recovery",
        Kind::TransferOut | Kind::TransferIn => "transfer",
    };
    let source = adjustment.adjustment_id.as_str();
    let entry = Entry {
        account,
        entry_id: entry_id(account, event, source),
        event,
        accounting_on: day,
        cycle: Some(cycle),
        period: adjustment.period,
    };
    let payable = payable(account.earning_type);
    let (debit, credit) =
        if adjustment.amount > 0 { (against, payable) } else { (payable, against) };
    let currency = account.program.currency.as_str();
    entry.transfer(lines, debit, credit, currency, adjustment.amount.abs(), source);
}
