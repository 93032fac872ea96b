//! Payments of claims that came back. In: the orders of claims, what the bank or the ERP says of payments,
//! and what closed cycles ordered again. Out: an order of its own for each that came back, of the same
//! amount, currency and rate, taxed anew. Its fund bore the claim and gets nothing back: what came back is
//! owed to the participant until it is ordered again.
//!
//! The id of such an order is made of what it pays again, so that whatever came back is ordered again once,
//! by a closed cycle or by the first open one in which its participant can be paid.

use super::cycles::World;
use super::fund::{ClaimOrder, FundAccount, payment_id, taxes};
use super::orders::{Item, OrderKind, Payment, RETURN, RETURNED};
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::fund::claims::Outcome;
use earnest_core::reason::StatusReason;
use earnest_core::status::{History, Status, StatusRow, follow};
use earnest_core::waterfall::Order;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What became of a claim's order. Money comes back only after the claim was sent: before, it is reserved,
/// and not owed.
pub fn followed(due_on: NaiveDate, sent_on: Option<NaiveDate>, said: &[StatusRow]) -> History {
    let mut history = follow(due_on, said);
    let mut returned_on = None;
    for (said, refused) in said.iter().zip(&mut history.refused) {
        if refused.is_some() || !said.status.is_return() {
            continue;
        }
        if sent_on.is_some_and(|day| said.is_recorded() || day <= said.status_on) {
            returned_on = returned_on.or(Some(said.status_on));
        } else {
            *refused = Some(StatusReason::ClaimReturned);
        }
    }
    if history.returned_on.is_some() {
        history.returned_on = returned_on;
        match (returned_on, history.sent_on) {
            (Some(day), _) => history.status_on = day,
            (None, Some(day)) => (history.status, history.status_on) = (Status::Sent, day),
            (None, None) => {}
        }
    }
    history
}

/// The cycle into which a payment comes back: as a closed cycle recorded it, else by its day. Claims are paid
/// beside cycles, so it is the next one that is due, closed or not.
pub fn comes_back_in(
    fund: &FundAccount,
    (payment_id, history): (&str, &History),
    world: &World,
) -> Option<Period> {
    let after = history.returned_on?.succ_opt()?;
    let recorded = world.closed.returned_in(fund.position, fund.participant, payment_id);
    recorded.or_else(|| Some(fund.program.first_cycle_from(after, EarningType::Coop)))
}

/// What is paid again, and into which cycle it came back.
struct Back {
    payment_id: String,
    cycle: Period,
    into: Period,
}

impl Back {
    fn of_claim(order: &ClaimOrder) -> Option<Back> {
        let (payment_id, cycle) = (order.payment_id.clone(), order.cycle);
        Some(Back { payment_id, cycle, into: order.returns_in? })
    }

    fn of(payment: &Payment) -> Option<Back> {
        let (payment_id, cycle) = (payment.payment_id.clone(), payment.cycle);
        Some(Back { payment_id, cycle, into: payment.returns_in? })
    }
}

/// Whether an account has, or had, something to pay again.
pub fn pays_again(fund: &FundAccount, world: &World) -> bool {
    let came_back = |order: &ClaimOrder| order.returns_in.is_some();
    fund.orders.iter().flatten().any(came_back) || !closed(fund, world).is_empty()
}

/// What closed cycles ordered again of an account's claims.
fn closed<'w>(fund: &FundAccount, world: &'w World) -> &'w [crate::closes::Paid] {
    world.closed.payments(fund.position, EarningType::Coop, fund.participant)
}

/// The orders that pay again what came back of an account's claims: those of closed cycles as they were
/// closed, and those of open ones.
///
/// # Errors
/// On overflow.
pub fn reissues<'a>(fund: &FundAccount, world: &World<'_, 'a>) -> Result<Vec<Payment<'a>>> {
    let mut payments: Vec<Payment> = Vec::new();
    for paid in closed(fund, world) {
        let said = world.statuses.of(fund.position, fund.participant, &paid.payment_id);
        let mut payment = Payment::of_closed(paid, said);
        payment.returns_in = comes_back_in(fund, (&payment.payment_id, &payment.history), world);
        payments.push(payment);
    }
    let kept = payments.len();
    for (claim, order) in fund.claims.iter().zip(&fund.orders) {
        let mut next = order.as_ref().ok().and_then(Back::of_claim);
        while let Some(back) = next {
            let id = payment_id(fund, OrderKind::Reissue.name(), &back.payment_id);
            next = match payments.iter().find(|payment| payment.payment_id == id) {
                Some(known) => Back::of(known),
                None => {
                    let again = again(fund, claim, &back, id, world)?;
                    let next = again.as_ref().and_then(Back::of);
                    payments.extend(again);
                    next
                }
            };
        }
    }
    number(&mut payments[kept..]);
    Ok(payments)
}

/// The order that pays again what came back: of the first open cycle that is due from the one into which it
/// came on, and in which its participant can be paid. `None`: there is none yet.
fn again<'a>(
    fund: &FundAccount,
    claim: &Outcome,
    back: &Back,
    payment_id: String,
    world: &World<'_, 'a>,
) -> Result<Option<Payment<'a>>> {
    let (Some(item), Some(rate)) = (claim.items.iter().find(|one| one.decision.pays()), claim.rate)
    else {
        return Ok(None);
    };
    let program = fund.program;
    let open = world.closed.last.map_or(back.into, |last| last.plus(1));
    let mut cycle = back.into.max(open);
    let (due_on, method) = loop {
        let due_on = program.due_day(cycle, EarningType::Coop);
        if due_on > world.as_of {
            return Ok(None);
        }
        if let Ok(method) = world.payees.on(fund.position, fund.participant, due_on) {
            break (due_on, method);
        }
        cycle = cycle.plus(1);
    };
    let currency = claim.tested.currency.as_str();
    let order = Order { gross_program: item.program_amount, rate: Some(rate), gross: item.allowed };
    let taxes = taxes(program, currency, (due_on, method.taxpayer), &[order.gross])?;
    let home = Arc::from(program.currency.as_str());
    let mut part = Item::new(RETURN, back.cycle, order.gross_program, &home);
    (part.origin_cycle, part.kind) = (back.into, RETURNED);
    (part.payment_amount, part.taxes) = (order.gross, taxes);
    let said = world.statuses.of(fund.position, fund.participant, &payment_id);
    let history = follow(due_on, said);
    let returns_in = comes_back_in(fund, (&payment_id, &history), world);
    Ok(Some(Payment {
        payment_id,
        cycle,
        due_on,
        kind: OrderKind::Reissue,
        sequence: 0,
        method: method.method.to_owned(),
        currency: currency.to_owned(),
        order,
        taxes,
        untaxed: 0,
        reissue_of: Some(back.payment_id.clone()),
        items: vec![part],
        said,
        returns_in,
        history,
    }))
}

/// Numbers the orders of each cycle, method and currency, in order of what they pay again.
fn number(payments: &mut [Payment]) {
    let mut sequences: BTreeMap<(Period, String, String), i64> = BTreeMap::new();
    payments.sort_by(|a, b| a.reissue_of.cmp(&b.reissue_of));
    for payment in payments {
        let key = (payment.cycle, payment.method.clone(), payment.currency.clone());
        let sequence = sequences.entry(key).or_default();
        *sequence += 1;
        payment.sequence = *sequence;
    }
}
