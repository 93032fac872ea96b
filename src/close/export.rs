//! The payment orders of a closed cycle, for the bank or the ERP. In: a closed cycle. Out: CSV, one
//! record per order, and one per currency with what its orders add up to. That they were exported is
//! published first: whoever exports them again gets the same ids, marked as duplicates.

use super::{Done, Ground, Request};
use crate::closes::{self, State};
use crate::error::{Error, Result};
use crate::query::{self, Format, literal, render, select};
use crate::run::{Clock, finish};
use earnest_core::id;

/// What was exported.
pub struct Exported {
    pub done: Done,
    pub csv: Vec<u8>,
    pub batch_id: String,
    /// They were exported before.
    pub duplicate: bool,
}

/// Exports the orders of a closed cycle.
///
/// # Errors
/// If the cycle is open, or its orders wait for approval.
pub fn export(request: &Request, file: &str) -> Result<Exported> {
    let ground = Ground::open(&request.run)?;
    let cycle = request.cycle;
    let Some(before) = ground.closed(cycle) else {
        let message = format!("cycle {cycle}: expected a closed cycle, found an open one");
        return Err(Error::usage(message).hint(format!("`earnest close {cycle}` comes first")));
    };
    if before.approval_required && before.state != State::Approved {
        let message = format!("cycle {cycle}: expected approved orders, found them waiting");
        return Err(Error::usage(message)
            .hint(format!("`earnest approve {cycle} --file FILE` comes first")));
    }
    let duplicate = ground.exported(cycle, &before.orders_digest);
    let parts = ["payment_orders", &cycle.to_string(), &before.orders_digest];
    let digest = id::text(id::digest(parts.iter().map(|part| part.as_bytes())));
    let batch_id = format!("B{}", digest[..16].to_uppercase());
    let mut event = ground.event(request, State::Exported, Some(before));
    event.file = Some((file.to_owned(), request.by.os_user.clone()));
    let mut next = ground.next(request);
    closes::events::add(&ground.store, &mut next, &event)?;
    let connection = query::connect(&ground.store, &next, &ground.job.limits)?;
    let sql = orders(&batch_id, &cycle.to_string(), duplicate);
    let csv = render(&select(&connection, &sql)?, Format::Csv, &[])?;
    drop(connection);
    let (job, programs, store) = (&ground.job, &ground.programs, &ground.store);
    let (attention, _) = finish(job, programs, store, &next, true, &mut Clock::default())?;
    let done = Done { event, snapshot: next, store: store.clone(), attention };
    Ok(Exported { done, csv, batch_id, duplicate })
}

/// Orders by id, then totals by currency.
fn orders(batch_id: &str, cycle: &str, duplicate: bool) -> String {
    let (batch_id, cycle) = (literal(batch_id), literal(cycle));
    let duplicate = if duplicate { "'yes'" } else { "'no'" };
    format!(
        "WITH orders AS (
            FROM payments WHERE cycle = {cycle} AND order_kind <> 'claim' AND total_payment <> 0
        )
        SELECT record, {batch_id} AS batch_id, {duplicate} AS duplicate, {cycle} AS cycle,
            * EXCLUDE (record)
        FROM (
            SELECT 'order' AS record, payment_id, program, earning_type, participant_id,
                payment_method, payment_currency, gross_amount, withheld_tax, sales_tax,
                total_payment, due_on, 1 AS orders
            FROM orders
            UNION ALL
            SELECT 'total', NULL, NULL, NULL, NULL, NULL, payment_currency, sum(gross_amount),
                sum(withheld_tax), sum(sales_tax), sum(total_payment), NULL, count(*)
            FROM orders GROUP BY payment_currency
        ) ORDER BY record, payment_id, payment_currency"
    )
}
