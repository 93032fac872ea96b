//! From funds and claims to tables: `coop_fund`, `claim_items`, and what claims add to `payments` and
//! `payment_items`, each sorted by its key.

use super::Payments;
use super::claims::Stray;
use super::fund::{ClaimOrder, FundAccount, LEVER, ORDER_KIND};
use super::tables::{money, text};
use crate::columns::{batch, days, decimals, integers, optional_decimals};
use crate::error::Result;
use crate::schema::{CLAIM_ITEMS, COOP_FUND, Kind, PAYMENT_ITEMS, PAYMENTS, Table};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use chrono::{Days, NaiveDate};
use earnest_core::calendar::FiscalHalf;
use earnest_core::fund::claims::{ClaimItem, Decision, Outcome};
use earnest_core::fund::ledger::Fund;
use earnest_core::reason::ClaimReason;
use std::sync::Arc;

/// The funds. Accounts come sorted by participant and program, funds by half.
pub fn coop_fund(accounts: &[FundAccount]) -> Result<RecordBatch> {
    let rows: Vec<(&FundAccount, FiscalHalf, Fund, String)> = accounts
        .iter()
        .flat_map(|account| {
            let funds = account.funds.iter();
            funds.map(move |(half, fund)| (account, *half, *fund, half.to_string()))
        })
        .collect();
    let rows = rows.as_slice();
    let after = |day: NaiveDate| day.checked_add_days(Days::new(1));
    let windows =
        |row: &(&FundAccount, FiscalHalf, Fund, String)| row.0.program.fund_windows(row.1);
    let moves_to = rows.iter().map(|row| {
        let (_, to) = row.2.terms.end?;
        to.map(|to| to.to_string())
    });
    let ends = |fund: &Fund| fund.terms.end.map(|(day, _)| day.max(fund.terms.settled_on));
    let columns = vec![
        text(rows, |row| row.0.program.program.as_str()),
        text(rows, |row| row.0.participant),
        text(rows, |row| row.3.clone()),
        days(rows.iter().map(|row| Some(row.1.first().first_day()))),
        days(rows.iter().map(|row| Some(row.1.end().first_day()))),
        text(rows, |row| row.0.program.currency.as_str()),
        money(rows, |row| row.2.movements.earned)?,
        money(rows, |row| row.2.movements.adjusted)?,
        money(rows, |row| row.2.movements.rolled_in)?,
        money(rows, |row| row.2.movements.converted)?,
        money(rows, |row| row.2.movements.claims_paid)?,
        money(rows, |row| row.2.movements.expired)?,
        money(rows, |row| row.2.movements.expiry_reversed)?,
        money(rows, |row| row.2.movements.rolled_out)?,
        money(rows, |row| row.2.left())?,
        money(rows, |row| row.2.reserved)?,
        money(rows, |row| row.2.available())?,
        days(rows.iter().map(|row| windows(row).map(|windows| windows.use_from))),
        days(rows.iter().map(|row| windows(row).and_then(|windows| after(windows.use_to)))),
        days(
            rows.iter()
                .map(|row| windows(row).map(|windows| row.2.terms.claim_from(Some(windows)))),
        ),
        days(rows.iter().map(|row| windows(row).and_then(|windows| after(windows.claim_to)))),
        days(rows.iter().map(|row| Some(row.2.terms.settled_on))),
        days(rows.iter().map(|row| ends(&row.2))),
        Arc::new(moves_to.collect::<StringArray>()),
    ];
    batch(&COOP_FUND, columns)
}

/// A part of a claim, and the order that pays it.
struct Row<'a> {
    program: &'a str,
    program_currency: &'a str,
    participant: &'a str,
    claim: &'a Outcome<'a>,
    item: &'a ClaimItem,
    order: Option<&'a ClaimOrder>,
    reason: Option<ClaimReason>,
}

/// Adds `claim_items`, and the orders of claims.
pub fn with_claims(
    mut built: Payments,
    accounts: &[FundAccount],
    stray: &[Stray],
) -> Result<Payments> {
    let strays: Vec<(&Stray, Outcome)> =
        stray.iter().filter_map(|stray| Some((stray, stray_outcome(stray)?))).collect();
    let mut rows: Vec<Row> = accounts.iter().flat_map(rows_of).collect();
    rows.extend(strays.iter().flat_map(|(stray, claim)| {
        claim.items.iter().map(move |item| Row {
            program: &stray.program,
            program_currency: &stray.currency,
            participant: &stray.participant,
            claim,
            item,
            order: None,
            reason: item.reason,
        })
    }));
    if rows.is_empty() {
        return Ok(built);
    }
    let key = |row: &Row| {
        let names = (row.claim.claim.claim_id.clone(), row.program.to_owned());
        (names, row.participant.to_owned(), row.item.decision.name(), row.reason)
    };
    rows.sort_by_cached_key(key);
    built.claim_items = claim_items(&rows)?;
    let orders: Vec<&Row> = rows.iter().filter(|row| row.order.is_some()).collect();
    if !orders.is_empty() {
        built.payments = merged(&PAYMENTS, &built.payments, &payments(&orders)?, &["payment_id"])?;
        let key = ["payment_id", "period", "lever"];
        built.payment_items =
            merged(&PAYMENT_ITEMS, &built.payment_items, &payment_items(&orders)?, &key)?;
    }
    Ok(built)
}

fn rows_of<'a>(account: &'a FundAccount<'a>) -> impl Iterator<Item = Row<'a>> {
    account.claims.iter().zip(&account.orders).flat_map(move |(claim, order)| {
        claim.items.iter().map(move |item| {
            let pays = item.decision.pays();
            Row {
                program: &account.program.program,
                program_currency: &account.program.currency,
                participant: account.participant,
                claim,
                item,
                order: order.as_ref().ok().filter(|_| pays),
                reason: item.reason.or_else(|| (*order.as_ref().err()?).filter(|_| pays)),
            }
        })
    })
}

/// What became of a claim that is refused whole. `None`: it was never submitted.
fn stray_outcome(stray: &Stray) -> Option<Outcome<'_>> {
    use earnest_core::fund::status::Status;
    let claim = &stray.claim;
    let row = claim.rows.last()?;
    let first = claim.rows.iter().find(|row| row.status != Status::Editing)?;
    Some(Outcome {
        claim,
        row,
        tested: row,
        half: None,
        rate: None,
        submitted_on: first.submitted_on.unwrap_or(first.status_on),
        decided_on: None,
        approved_on: None,
        sent_on: None,
        broken_since: None,
        items: vec![ClaimItem {
            decision: Decision::Refused,
            reason: Some(stray.reason),
            asked: row.asked,
            allowed: 0,
            refused: row.asked,
            program_amount: 0,
            reserved: 0,
            paid: 0,
            expired: 0,
        }],
    })
}

fn optional(texts: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(texts.collect::<StringArray>())
}

fn claim_items(rows: &[Row]) -> Result<RecordBatch> {
    let each = || rows.iter();
    let columns = vec![
        text(rows, |row| row.claim.claim.claim_id.as_str()),
        text(rows, |row| row.program),
        text(rows, |row| row.participant),
        optional(each().map(|row| row.claim.half.map(|half| half.to_string()))),
        text(rows, |row| row.claim.tested.activity.as_str()),
        text(rows, |row| row.claim.tested.month.to_string()),
        text(rows, |row| row.item.decision.name()),
        optional(each().map(|row| row.reason.map(|reason| reason.code().to_owned()))),
        text(rows, |row| row.claim.row.status.name()),
        days(each().map(|row| Some(row.claim.submitted_on))),
        days(each().map(|row| row.claim.decided_on)),
        days(each().map(|row| row.claim.sent_on)),
        text(rows, |row| row.claim.tested.currency.as_str()),
        money(rows, |row| row.item.asked)?,
        money(rows, |row| row.item.allowed)?,
        money(rows, |row| row.item.refused)?,
        text(rows, |row| row.program_currency),
        optional_decimals(Kind::Rate, each().map(|row| row.claim.rate).collect())?,
        optional(each().map(|row| row.claim.rate.map(|_| row.claim.tested.month.to_string()))),
        money(rows, |row| row.item.program_amount)?,
        money(rows, |row| row.item.reserved)?,
        money(rows, |row| row.item.paid)?,
        money(rows, |row| row.item.expired)?,
        optional(each().map(|row| row.order.map(|order| order.payment_id.clone()))),
        optional(each().map(|row| row.claim.row.note.clone())),
    ];
    batch(&CLAIM_ITEMS, columns)
}

/// The order of a row that has one; blank otherwise, which never happens here.
fn of_order<'a, T: Default>(row: &&'a Row, what: impl Fn(&'a ClaimOrder) -> T) -> T {
    row.order.map(what).unwrap_or_default()
}

fn payments(rows: &[&Row]) -> Result<RecordBatch> {
    let status = |row: &&Row| if row.claim.sent_on.is_some() { "paid" } else { "proposed" };
    let columns = vec![
        text(rows, |row| of_order(row, |order| order.payment_id.as_str())),
        text(rows, |row| row.program),
        text(rows, |_| "coop"),
        text(rows, |row| row.participant),
        text(rows, |row| of_order(row, |order| order.method.as_str())),
        text(rows, |row| row.claim.tested.currency.as_str()),
        text(rows, |row| of_order(row, |order| order.cycle.to_string())),
        text(rows, |_| ORDER_KIND),
        integers(rows.iter().map(|row| of_order(row, |order| order.sequence))),
        days(rows.iter().map(|row| row.order.map(|order| order.due_on))),
        text(rows, status),
        text(rows, |row| row.program_currency),
        money(rows, |row| row.item.program_amount)?,
        decimals(Kind::Rate, rows.iter().map(|row| row.claim.rate.unwrap_or_default()))?,
        money(rows, |row| row.item.allowed)?,
        money(rows, |row| of_order(row, |order| order.taxes.withheld))?,
        money(rows, |row| of_order(row, |order| order.taxes.sales))?,
        money(rows, |row| of_order(row, |order| order.taxes.total(row.item.allowed)))?,
        new_null_array(&Kind::Text.data_type(), rows.len()),
        money(rows, |_| 0)?,
        Arc::new(rows.iter().map(|row| row.order?.kept_from).collect::<Int64Array>()),
    ];
    batch(&PAYMENTS, columns)
}

fn payment_items(rows: &[&Row]) -> Result<RecordBatch> {
    let columns = vec![
        text(rows, |row| of_order(row, |order| order.payment_id.as_str())),
        text(rows, |row| row.program),
        text(rows, |row| row.participant),
        text(rows, |row| of_order(row, |order| order.cycle.to_string())),
        text(rows, |row| row.claim.tested.month.to_string()),
        text(rows, |row| of_order(row, |order| order.cycle.to_string())),
        text(rows, |_| LEVER),
        text(rows, |_| "coop"),
        text(rows, |_| "regular"),
        text(rows, |row| row.program_currency),
        money(rows, |row| row.item.program_amount)?,
        text(rows, |row| row.claim.tested.currency.as_str()),
        money(rows, |row| row.item.allowed)?,
        integers(rows.iter().map(|_| 0)),
        money(rows, |row| of_order(row, |order| order.taxes.withheld))?,
        money(rows, |row| of_order(row, |order| order.taxes.sales))?,
    ];
    batch(&PAYMENT_ITEMS, columns)
}

/// Two batches of a table as one, sorted by some columns.
fn merged(
    table: &'static Table,
    one: &RecordBatch,
    other: &RecordBatch,
    key: &[&str],
) -> Result<RecordBatch> {
    let both = concat_batches(&table.arrow(), [one, other])?;
    let column = |name: &&str| SortColumn {
        values: Arc::clone(both.column(table.position(name))),
        options: None,
    };
    let columns: Vec<SortColumn> = key.iter().map(column).collect();
    let order = lexsort_to_indices(&columns, None)?;
    Ok(take_record_batch(&both, &order)?)
}
