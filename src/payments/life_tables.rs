//! From settled accounts to `payment_history`, `balance_lots` and `adjustments`, each sorted by its key.

use super::adjustments::Adjustment;
use super::cycles::Account;
use super::fund::FundAccount;
use super::statuses::Statuses;
use super::tables::{money, text};
use crate::closes::{Closed, Offset};
use crate::columns::{batch, booleans, days, integers};
use crate::error::Result;
use crate::schema::{ADJUSTMENTS, BALANCE_LOTS, OFFSETS, PAYMENT_HISTORY};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::lots::Lot;
use earnest_core::program::Program;
use earnest_core::reason::{PostingReason, StatusReason};
use earnest_core::status::{History, Origin, Status, StatusRow, follow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A status of a payment.
struct Step<'a> {
    payment_id: &'a str,
    program: &'a str,
    participant: &'a str,
    earning_type: Option<EarningType>,
    step: i64,
    status: &'a str,
    status_on: NaiveDate,
    origin: &'static str,
    reason: Option<StatusReason>,
    newest: bool,
    returns_in: Option<Period>,
    said: Option<&'a StatusRow>,
}

/// Participants of programs whose payments are held, and since when: a return without original, a status
/// that says nothing.
pub fn holds(
    accounts: &[Account],
    funds: &[FundAccount],
    statuses: &Statuses,
) -> Vec<(usize, String, NaiveDate)> {
    let mut held: BTreeMap<(usize, &str), NaiveDate> = BTreeMap::new();
    let known = known(accounts, funds);
    for (program, participant, id, said) in statuses.all() {
        let refused = match known.get(&(program, participant, id)) {
            Some(due_on) => follow(*due_on, said).refused.iter().map(Option::is_some).collect(),
            None => vec![true; said.len()],
        };
        let broken = said.iter().zip(refused).filter(|(said, refused)| *refused && said.holds());
        if let Some(day) = broken.map(|(said, _)| said.status_on).min() {
            let since = held.entry((program, participant)).or_insert(day);
            *since = day.min(*since);
        }
    }
    let held = held.into_iter();
    held.map(|((program, participant), since)| (program, participant.to_owned(), since)).collect()
}

/// Every payment, with its due day.
fn known<'a>(
    accounts: &'a [Account],
    funds: &'a [FundAccount],
) -> BTreeMap<(usize, &'a str, &'a str), NaiveDate> {
    let orders = accounts.iter().flat_map(|account| {
        let payments = account.payments.iter();
        payments.map(|payment| {
            let id = payment.payment_id.as_str();
            ((account.position, account.participant, id), payment.due_on)
        })
    });
    let claims = funds.iter().flat_map(|account| {
        let orders = account.orders.iter().flatten();
        orders.map(|order| {
            ((account.position, account.participant, order.payment_id.as_str()), order.due_on)
        })
    });
    orders.chain(claims).collect()
}

/// The statuses of every payment, and of those that are none.
pub fn payment_history(
    accounts: &[Account],
    funds: &[FundAccount],
    programs: &[Program],
    statuses: &Statuses,
) -> Result<RecordBatch> {
    let mut steps: Vec<Step> = Vec::new();
    for account in accounts {
        for payment in &account.payments {
            let of = (&*account.program.program, account.participant, Some(account.earning_type));
            let order = (payment.payment_id.as_str(), payment.due_on, payment.returns_in);
            steps.extend(steps_of(of, order, payment.said, &payment.history));
        }
    }
    let claims: Vec<_> = funds
        .iter()
        .flat_map(|account| account.orders.iter().flatten().map(move |order| (account, order)))
        .map(|(account, order)| {
            let said = statuses.of(account.position, account.participant, &order.payment_id);
            (account, order, said)
        })
        .collect();
    for (account, order, said) in &claims {
        let of = (&*account.program.program, account.participant, Some(EarningType::Coop));
        let paid = (order.payment_id.as_str(), order.due_on, order.returns_in);
        steps.extend(steps_of(of, paid, said, &order.history));
    }
    let known: BTreeSet<_> = known(accounts, funds).into_keys().collect();
    for (program, participant, id, said) in statuses.all() {
        if !known.contains(&(program, participant, id)) {
            let of = (programs[program].program.as_str(), participant, id);
            steps.extend(said.iter().map(|said| stray(of, said, StatusReason::UnknownPayment)));
        }
    }
    for (program, participant, id, said) in &statuses.stray {
        steps.push(stray((program, participant, id), said, StatusReason::NoProgram));
    }
    let key = |step: &Step| {
        (step.payment_id.to_owned(), step.program.to_owned(), step.participant.to_owned())
    };
    steps.sort_by_cached_key(|step| (key(step), step.status_on, step.step, step.said.cloned()));
    for place in 1..steps.len() {
        let before = (key(&steps[place - 1]), steps[place - 1].step);
        if before.0 == key(&steps[place]) {
            steps[place].step = before.1 + 1;
        }
    }
    history_batch(&steps)
}

/// The order, then what is said of it.
fn steps_of<'a>(
    (program, participant, earning_type): (&'a str, &'a str, Option<EarningType>),
    (payment_id, due_on, returns_in): (&'a str, NaiveDate, Option<Period>),
    said: &'a [StatusRow],
    history: &History,
) -> Vec<Step<'a>> {
    let newest =
        |status: Status, on: NaiveDate| (status, on) == (history.status, history.status_on);
    let order = Step {
        payment_id,
        program,
        participant,
        earning_type,
        step: 1,
        status: Status::Upcoming.name(),
        status_on: due_on,
        origin: "cycle",
        reason: None,
        newest: newest(Status::Upcoming, due_on),
        returns_in: None,
        said: None,
    };
    let mut steps = vec![order];
    // Said again, it comes back no second time.
    let mut back = returns_in;
    for (said, refused) in said.iter().zip(&history.refused) {
        let accepted = refused.is_none();
        steps.push(Step {
            payment_id,
            program,
            participant,
            earning_type,
            step: 1,
            status: written(said),
            status_on: said.status_on,
            origin: if said.origin == Origin::Record { "record" } else { "export" },
            reason: *refused,
            newest: accepted
                && (said.status != Status::Upcoming || said.status_on != due_on)
                && newest(said.status, said.status_on),
            returns_in: if accepted && said.status.is_return() { back.take() } else { None },
            said: Some(said),
        });
    }
    steps
}

/// A status of no payment.
fn stray<'a>(
    (program, participant, payment_id): (&'a str, &'a str, &'a str),
    said: &'a StatusRow,
    reason: StatusReason,
) -> Step<'a> {
    Step {
        payment_id,
        program,
        participant,
        earning_type: None,
        step: 1,
        status: written(said),
        status_on: said.status_on,
        origin: "export",
        reason: Some(reason),
        newest: false,
        returns_in: None,
        said: Some(said),
    }
}

fn written(said: &StatusRow) -> &str {
    if said.status == Status::Unknown { &said.written } else { said.status.name() }
}

fn optional(texts: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(texts.collect::<StringArray>())
}

fn history_batch(rows: &[Step]) -> Result<RecordBatch> {
    let each = || rows.iter();
    let columns = vec![
        text(rows, |row| row.payment_id),
        integers(each().map(|row| row.step)),
        text(rows, |row| row.program),
        text(rows, |row| row.participant),
        optional(each().map(|row| row.earning_type.map(|kind| kind.name().to_owned()))),
        text(rows, |row| row.status),
        days(each().map(|row| Some(row.status_on))),
        text(rows, |row| row.origin),
        booleans(each().map(|row| row.reason.is_none())),
        optional(each().map(|row| row.reason.map(|reason| reason.code().to_owned()))),
        booleans(each().map(|row| row.newest)),
        optional(each().map(|row| row.returns_in.map(|cycle| cycle.to_string()))),
        optional(each().map(|row| row.said.and_then(|said| said.reference.clone()))),
        optional(each().map(|row| row.said.and_then(|said| said.note.clone()))),
    ];
    batch(&PAYMENT_HISTORY, columns)
}

/// What is left of each cycle's entries at the end of each cycle.
pub fn balance_lots(accounts: &[Account]) -> Result<RecordBatch> {
    let rows: Vec<(&Account, Period, &Lot)> = accounts
        .iter()
        .flat_map(|account| {
            let cycles = account.lots.iter();
            cycles.flat_map(move |(cycle, lots)| lots.iter().map(move |lot| (account, *cycle, lot)))
        })
        .collect();
    let rows = rows.as_slice();
    let each = || rows.iter();
    let lapses_on =
        |row: &(&Account, Period, &Lot)| row.2.lapses_on(row.0.program.payment.profile_days);
    let columns = vec![
        text(rows, |row| row.0.program.program.as_str()),
        text(rows, |row| row.0.earning_type.name()),
        text(rows, |row| row.0.participant),
        text(rows, |row| row.1.to_string()),
        text(rows, |row| row.2.origin.to_string()),
        text(rows, |row| row.0.program.currency.as_str()),
        money(rows, |row| row.2.left)?,
        days(each().map(|row| Some(row.0.due_day(row.2.origin)))),
        days(each().map(|row| row.2.missing_since)),
        days(each().map(lapses_on)),
    ];
    batch(&BALANCE_LOTS, columns)
}

/// What became of adjustments: those of an open cycle, and those that wait or are refused.
pub fn adjustments(
    accounts: &[Account],
    closed: &Closed,
    waiting: &[(Adjustment, PostingReason)],
) -> Result<RecordBatch> {
    let entered = accounts.iter().flat_map(|account| &account.adjusted);
    let entered = entered.filter(|(_, cycle, _)| !closed.is_closed(*cycle));
    let mut rows: Vec<(&Adjustment, Option<PostingReason>)> =
        entered.map(|(adjustment, _, refused)| (*adjustment, *refused)).collect();
    let not_due = accounts.iter().flat_map(Account::not_due);
    rows.extend(not_due.map(|adjustment| (adjustment, Some(PostingReason::NotDue))));
    rows.extend(waiting.iter().map(|(adjustment, reason)| (adjustment, Some(*reason))));
    rows.sort_by_key(|(adjustment, _)| {
        (&adjustment.adjustment_id, &adjustment.program, *adjustment)
    });
    let rows = rows.as_slice();
    let each = || rows.iter();
    let state = |row: &(&Adjustment, Option<PostingReason>)| match row.1 {
        None => "posted",
        Some(PostingReason::NotApproved | PostingReason::NotDue) => "waiting",
        Some(_) => "refused",
    };
    let columns = vec![
        text(rows, |row| row.0.adjustment_id.as_str()),
        text(rows, |row| row.0.kind.name()),
        text(rows, |row| row.0.program.as_str()),
        text(rows, |row| row.0.participant.as_str()),
        text(rows, |row| row.0.earning_type.name()),
        text(rows, |row| row.0.period.to_string()),
        text(rows, state),
        optional(each().map(|row| row.1.map(|reason| reason.code().to_owned()))),
        optional(each().map(|row| row.0.cycle.map(|cycle| cycle.to_string()))),
        text(rows, |row| row.0.currency.as_str()),
        money(rows, |row| row.0.amount)?,
        text(rows, |row| row.0.reason.as_str()),
        text(rows, |row| row.0.explanation.as_str()),
        text(rows, |row| row.0.requested_by.as_str()),
        optional(each().map(|row| row.0.approved_by.clone())),
        days(each().map(|row| row.0.approved_on)),
        booleans(each().map(|row| row.0.taxable)),
        booleans(each().map(|row| row.0.counts_toward_minimum)),
        optional(each().map(|row| row.0.counterpart.clone())),
    ];
    batch(&ADJUSTMENTS, columns)
}

/// What balances gave each other in open cycles.
pub fn offsets(accounts: &[Account], closed: &Closed) -> Result<RecordBatch> {
    let each = accounts.iter().flat_map(|account| {
        let offsets = account.offsets.iter().filter(|one| !closed.is_closed(one.cycle));
        offsets.map(move |offset| (account, offset))
    });
    let rows: Vec<(&Account, &Offset)> = each.collect();
    let rows = rows.as_slice();
    let columns = vec![
        text(rows, |row| row.0.program.program.as_str()),
        text(rows, |row| row.0.earning_type.name()),
        text(rows, |row| row.0.participant),
        text(rows, |row| row.1.cycle.to_string()),
        text(rows, |row| row.1.counterpart.0.as_str()),
        text(rows, |row| row.1.counterpart.1.name()),
        text(rows, |row| row.0.program.currency.as_str()),
        money(rows, |row| row.1.amount)?,
    ];
    batch(&OFFSETS, columns)
}
