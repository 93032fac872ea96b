//! From settled accounts to the tables, each sorted by its key.

use super::Payments;
use super::adjustments::Adjustments;
use super::cycles::Account;
use super::fund::FundAccount;
use super::journal::{self, Line};
use super::orders::{Item, Payment};
use super::rollover::Decision;
use super::statuses::Statuses;
use super::{claim_tables, fund_journal, life_tables};
use crate::closes::Closed;
use crate::columns::{batch, days, decimals, integers, optional_decimals, texts, uuids};
use crate::error::Result;
use crate::schema::{
    BALANCES, CLAIM_ITEMS, DETERMINATIONS, JOURNAL, Kind, PAYMENT_ITEMS, PAYMENTS,
};
use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use earnest_core::waterfall::Settled;
use rayon::prelude::*;
use std::sync::Arc;

pub fn build(
    accounts: &[Account],
    programs: &[Program],
    decisions: &[Decision],
    funds: &[FundAccount],
    (statuses, adjustments): (&Statuses, &Adjustments),
    closed: &Closed,
) -> Result<Payments> {
    let mut orders: Vec<(&Account, &Payment)> = accounts
        .iter()
        .flat_map(|account| account.payments.iter().map(move |payment| (account, payment)))
        .filter(|(_, payment)| !closed.is_closed(payment.cycle))
        .collect();
    orders.sort_unstable_by_key(|(_, payment)| &payment.payment_id);
    Ok(Payments {
        determinations: determinations(programs, decisions, accounts, closed)?,
        payments: payments(&orders)?,
        payment_items: payment_items(&orders)?,
        payment_history: life_tables::payment_history(accounts, funds, programs, statuses)?,
        balances: balances(accounts)?,
        balance_lots: life_tables::balance_lots(accounts)?,
        adjustments: life_tables::adjustments(accounts, closed, &adjustments.waiting)?,
        offsets: life_tables::offsets(accounts, closed)?,
        coop_fund: claim_tables::coop_fund(funds)?,
        claim_items: RecordBatch::new_empty(CLAIM_ITEMS.arrow()),
        journal: journal(accounts, funds, closed)?,
    })
}

/// A determination of this stage.
struct Determined<'a> {
    program: &'a Program,
    kind: &'static str,
    /// By whose days it is decided.
    earning_type: EarningType,
    subject: &'a str,
    window: String,
    cycle: Period,
    outcome: &'static str,
    measured: i128,
    threshold: i128,
    /// An earlier run decided it, for good.
    frozen: bool,
}

/// Thresholds and forfeitures of open cycles; those of closed ones are kept.
fn determinations<'a>(
    programs: &'a [Program],
    decisions: &'a [Decision],
    accounts: &'a [Account],
    closed: &Closed,
) -> Result<RecordBatch> {
    let thresholds =
        decisions.iter().filter(|decision| !decision.kept).map(|decision| Determined {
            program: &programs[decision.program],
            kind: "coop_threshold",
            earning_type: EarningType::Coop,
            subject: &decision.participant,
            window: decision.half.to_string(),
            cycle: decision.cycle,
            outcome: if decision.conversion.qualified { "qualified" } else { "converted" },
            measured: decision.conversion.measured,
            threshold: decision.threshold,
            frozen: decision.frozen,
        });
    let forfeitures = accounts.iter().flat_map(|account| {
        let open = account.forfeitures.iter().filter(|one| !closed.is_closed(one.cycle));
        open.map(|forfeiture| Determined {
            program: account.program,
            kind: "forfeiture",
            earning_type: account.earning_type,
            subject: account.participant,
            window: forfeiture.window(account.earning_type),
            cycle: forfeiture.cycle,
            outcome: if forfeiture.amount > 0 { "forfeited" } else { "reversed" },
            measured: forfeiture.amount,
            threshold: account.program.payment.minimum,
            frozen: false,
        })
    });
    let mut rows: Vec<Determined> = thresholds.chain(forfeitures).collect();
    rows.sort_by(|a, b| {
        let key = |row: &Determined<'a>| (&*row.program.program, row.kind, row.subject);
        key(a).cmp(&key(b)).then_with(|| (a.cycle, &a.window).cmp(&(b.cycle, &b.window)))
    });
    let rows = rows.as_slice();
    let frozen = rows.iter().map(|row| row.frozen.then_some("never"));
    let mut columns = vec![
        text(rows, |row| row.program.program.as_str()),
        text(rows, |row| row.kind),
        text(rows, |row| row.subject),
        text(rows, |row| row.window.clone()),
        text(rows, |row| row.cycle.to_string()),
        text(rows, |row| row.outcome),
        text(rows, |row| row.program.currency.as_str()),
        money(rows, |row| row.measured)?,
        money(rows, |row| row.threshold)?,
        days(rows.iter().map(|row| Some(row.program.due_day(row.cycle, row.earning_type)))),
        new_null_array(&Kind::Date.data_type(), rows.len()),
        Arc::new(frozen.collect::<StringArray>()),
    ];
    // No transaction decides it.
    let others = DETERMINATIONS.columns.iter().skip(columns.len());
    columns.extend(others.map(|one| new_null_array(&one.kind.data_type(), rows.len())));
    batch(&DETERMINATIONS, columns)
}

/// Money column of rows.
pub fn money<T>(rows: &[T], amount: impl Fn(&T) -> i128) -> Result<ArrayRef> {
    decimals(Kind::Money, rows.iter().map(amount))
}

/// Text column of rows, never null.
pub fn text<T, S: AsRef<str>>(rows: &[T], text: impl Fn(&T) -> S) -> ArrayRef {
    texts(rows.iter().map(text))
}

fn payments(rows: &[(&Account, &Payment)]) -> Result<RecordBatch> {
    let columns = vec![
        text(rows, |row| row.1.payment_id.as_str()),
        text(rows, |row| row.0.program.program.as_str()),
        text(rows, |row| row.0.earning_type.name()),
        text(rows, |row| row.0.participant),
        text(rows, |row| row.1.method.as_str()),
        text(rows, |row| row.1.currency.as_str()),
        text(rows, |row| row.1.cycle.to_string()),
        text(rows, |row| row.1.kind.name()),
        integers(rows.iter().map(|row| row.1.sequence)),
        days(rows.iter().map(|row| Some(row.1.due_on))),
        text(rows, |_| "proposed"),
        text(rows, |row| row.0.program.currency.as_str()),
        money(rows, |row| row.1.order.gross_program)?,
        optional_decimals(Kind::Rate, rows.iter().map(|row| row.1.order.rate).collect())?,
        money(rows, |row| row.1.order.gross)?,
        money(rows, |row| row.1.taxes.withheld)?,
        money(rows, |row| row.1.taxes.sales)?,
        money(rows, |row| row.1.taxes.total(row.1.order.gross))?,
        Arc::new(rows.iter().map(|row| row.1.reissue_of.as_deref()).collect::<StringArray>()),
        money(rows, |row| row.1.untaxed)?,
        new_null_array(&Kind::Integer.data_type(), rows.len()),
    ];
    batch(&PAYMENTS, columns)
}

fn payment_items(orders: &[(&Account, &Payment)]) -> Result<RecordBatch> {
    let rows: Vec<(&Account, &Payment, &Item)> = orders
        .iter()
        .flat_map(|(account, payment)| {
            payment.items.iter().map(move |item| (*account, *payment, item))
        })
        .collect();
    let rows = rows.as_slice();
    let columns = vec![
        text(rows, |row| row.1.payment_id.as_str()),
        text(rows, |row| row.0.program.program.as_str()),
        text(rows, |row| row.0.participant),
        text(rows, |row| row.1.cycle.to_string()),
        text(rows, |row| row.2.period.to_string()),
        text(rows, |row| row.2.origin_cycle.to_string()),
        text(rows, |row| row.2.lever),
        text(rows, |row| row.0.earning_type.name()),
        text(rows, |row| row.2.kind),
        text(rows, |row| row.0.program.currency.as_str()),
        money(rows, |row| row.2.program_amount)?,
        text(rows, |row| row.1.currency.as_str()),
        money(rows, |row| row.2.payment_amount)?,
        integers(rows.iter().map(|row| row.2.earnings)),
        money(rows, |row| row.2.taxes.withheld)?,
        money(rows, |row| row.2.taxes.sales)?,
    ];
    batch(&PAYMENT_ITEMS, columns)
}

fn balances(accounts: &[Account]) -> Result<RecordBatch> {
    let rows: Vec<(&Account, Period, &Settled)> = accounts
        .iter()
        .flat_map(|account| {
            account.balances.iter().map(move |(cycle, settled)| (account, *cycle, settled))
        })
        .collect();
    let rows = rows.as_slice();
    let reasons = rows.iter().map(|row| row.2.reason.map(|reason| reason.code()));
    let columns = vec![
        text(rows, |row| row.0.program.program.as_str()),
        text(rows, |row| row.0.earning_type.name()),
        text(rows, |row| row.0.participant),
        text(rows, |row| row.1.to_string()),
        text(rows, |row| row.0.program.currency.as_str()),
        money(rows, |row| row.2.movements.opening)?,
        money(rows, |row| row.2.movements.earned)?,
        money(rows, |row| row.2.movements.adjusted)?,
        money(rows, |row| row.2.movements.returned)?,
        money(rows, |row| row.2.movements.transferred_in)?,
        money(rows, |row| row.2.movements.converted_in)?,
        money(rows, |row| row.2.movements.ordered)?,
        money(rows, |row| row.2.movements.forfeited)?,
        money(rows, |row| row.2.movements.escheated)?,
        money(rows, |row| row.2.movements.written_off)?,
        money(rows, |row| row.2.movements.recovered_outside)?,
        money(rows, |row| row.2.movements.transferred_out)?,
        money(rows, |row| row.2.closing)?,
        money(rows, |row| row.2.held)?,
        money(rows, |row| row.2.below_minimum)?,
        Arc::new(reasons.collect::<StringArray>()),
    ];
    batch(&BALANCES, columns)
}

fn journal(accounts: &[Account], funds: &[FundAccount], closed: &Closed) -> Result<RecordBatch> {
    let entries = |account| journal::entries(account, closed);
    let mut rows: Vec<Line> = accounts.par_iter().flat_map_iter(entries).collect();
    rows.extend(funds.iter().flat_map(fund_journal::entries));
    rows.par_sort_unstable_by(|a, b| {
        a.entry_id
            .cmp(&b.entry_id)
            .then_with(|| a.account.cmp(b.account))
            .then_with(|| a.currency.cmp(b.currency))
    });
    let rows = rows.as_slice();
    let cycles = rows.iter().map(|row| row.cycle.map(|cycle| cycle.to_string()));
    let columns = vec![
        uuids(rows.iter().map(|row| row.entry_id))?,
        text(rows, |row| row.event),
        days(rows.iter().map(|row| Some(row.accounting_on))),
        Arc::new(cycles.collect::<StringArray>()),
        text(rows, |row| row.period.to_string()),
        text(rows, |row| row.program),
        text(rows, |row| row.participant),
        text(rows, |row| row.earning_type.name()),
        text(rows, |row| row.account),
        text(rows, |row| row.currency),
        money(rows, |row| row.debit)?,
        money(rows, |row| row.credit)?,
        text(rows, |row| row.source_key.clone()),
    ];
    batch(&JOURNAL, columns)
}
