//! The `eligibility` table: decisions as rows, sorted by key, made batch by batch; and the
//! determinations behind them.

use super::revenue::Determined;
use super::{Decisions, Participant, Roster};
use crate::columns;
use crate::error::Result;
use crate::schema::{DETERMINATIONS, ELIGIBILITY, Kind};
use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::Int32Type;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::eligibility::{Month, month_of};
use earnest_core::reason::Reason;
use std::collections::HashMap;
use std::sync::Arc;

/// Rows after which a batch ends; it may exceed this by those of one participant of a program.
const BATCH_ROWS: usize = 65_536;

/// The verdict's name among requirements.
const ALL: &str = "all";

pub fn batches(decisions: &Decisions) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
    let periods: Vec<Period> = decisions.first.through(decisions.last).collect();
    let mut order: Vec<(&Participant, &Roster)> = decisions
        .rosters
        .iter()
        .flat_map(|roster| roster.participants.iter().map(move |participant| (participant, roster)))
        .collect();
    order.sort_by_key(|(participant, roster)| (&participant.id, &roster.program));
    let mut order = order.into_iter().peekable();
    std::iter::from_fn(move || {
        order.peek()?;
        let mut batch = Batch::default();
        while batch.period.keys.len() < BATCH_ROWS
            && let Some((participant, roster)) = order.next()
        {
            batch.add(participant, roster, &periods);
        }
        Some(batch.finish())
    })
}

/// Rows of `determinations`, of the columns that qualifications have; others are null.
pub fn determinations(rows: &[&Determined]) -> Result<RecordBatch> {
    let text = |text: fn(&Determined) -> String| columns::texts(rows.iter().map(|row| text(row)));
    let money = |amount: fn(&Determined) -> i128| {
        columns::decimals(Kind::Money, rows.iter().map(|row| amount(row)))
    };
    let column = |name: &str, kind: Kind| -> Result<ArrayRef> {
        Ok(match name {
            "program" => text(|row| row.program.clone()),
            "kind" => text(|_| "trailing_revenue".to_owned()),
            "subject" => text(|row| row.subject.clone()),
            "window" => text(|row| row.window.clone()),
            "cycle" => text(|row| row.cycle.to_string()),
            "outcome" => text(|row| row.outcome.to_owned()),
            "program_currency" => text(|row| row.currency.clone()),
            "measured" => money(|row| row.measured)?,
            "threshold" => money(|row| row.amount)?,
            "decided_on" => columns::days(rows.iter().map(|row| Some(row.on))),
            "frozen_by" => {
                let never = rows.iter().map(|row| row.frozen.then_some("never"));
                Arc::new(never.collect::<StringArray>())
            }
            "transactions" => {
                Arc::new(rows.iter().map(|row| row.transactions).collect::<Int64Array>())
            }
            _ => arrow::array::new_null_array(&kind.data_type(), rows.len()),
        })
    };
    let all = DETERMINATIONS.columns.iter().map(|one| column(one.name, one.kind));
    columns::batch(&DETERMINATIONS, all.collect::<Result<_>>()?)
}

/// A text column in the making, each distinct value once.
#[derive(Default)]
struct Texts {
    keys: Vec<Option<i32>>,
    known: HashMap<String, i32>,
    values: Vec<String>,
}

impl Texts {
    fn key(&mut self, text: &str) -> i32 {
        if let Some(&key) = self.known.get(text) {
            return key;
        }
        let key = i32::try_from(self.values.len()).unwrap_or(i32::MAX);
        self.values.push(text.to_owned());
        self.known.insert(text.to_owned(), key);
        key
    }

    fn push(&mut self, text: Option<&str>) {
        let key = text.map(|text| self.key(text));
        self.keys.push(key);
    }

    fn finish(self) -> Result<ArrayRef> {
        let values: Arc<dyn Array> = Arc::new(StringArray::from_iter_values(self.values));
        let keys = Int32Array::from(self.keys);
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
    }
}

/// The columns of a batch in the making.
#[derive(Default)]
struct Batch {
    program: Texts,
    participant: Texts,
    company: Texts,
    period: Texts,
    order: Vec<i64>,
    requirement: Texts,
    met: Vec<bool>,
    first_on: Vec<Option<NaiveDate>>,
    last_on: Vec<Option<NaiveDate>>,
    decided_from: Vec<Option<NaiveDate>>,
    decided_until: Vec<Option<NaiveDate>>,
    reason: Texts,
    status: Texts,
    any_of: Texts,
}

impl Batch {
    fn add(&mut self, participant: &Participant, roster: &Roster, periods: &[Period]) {
        // Key order within a period is by the requirement's name.
        let mut named: Vec<(&str, Option<usize>)> = vec![(ALL, None)];
        named.extend(
            roster.asked.iter().enumerate().map(|(at, asked)| (asked.name.as_str(), Some(at))),
        );
        named.sort_unstable();
        let named = named.into_iter().map(|(name, asked)| (self.requirement.key(name), asked));
        let named: Vec<(i32, Option<usize>)> = named.collect();
        let program = self.program.key(&roster.program);
        let id = self.participant.key(&participant.id);
        for (position, &period) in periods.iter().enumerate() {
            let company = participant.company(period).map(|company| self.company.key(company));
            let period_key = self.period.key(&period.to_string());
            for &(name, asked) in &named {
                self.program.keys.push(Some(program));
                self.participant.keys.push(Some(id));
                self.company.keys.push(company);
                self.period.keys.push(Some(period_key));
                self.requirement.keys.push(Some(name));
                match asked {
                    Some(at) => {
                        let (asked, holding) = (&roster.asked[at], &participant.holdings[at]);
                        self.any_of.push(asked.member_of.as_deref());
                        self.verdict(asked.order, &holding.month(period), asked.reason, None);
                    }
                    None => {
                        self.any_of.push(None);
                        let verdict = roster.verdicts.get(&participant.unmet[position]);
                        let reason = verdict.and_then(|verdict| verdict.reasons.first());
                        let reason = reason.copied().unwrap_or(Reason::NotTogether);
                        let month = month_of(&participant.together, period);
                        let last = roster.asked.iter().map(|asked| asked.order).max();
                        let order = last.unwrap_or_default() + 1;
                        self.verdict(order, &month, reason, Some(participant.status(period)));
                    }
                }
            }
        }
    }

    /// `reason` counts only if the month is unmet.
    fn verdict(&mut self, order: i64, month: &Month, reason: Reason, status: Option<&str>) {
        self.order.push(order);
        self.met.push(month.held.is_some());
        self.first_on.push(month.held.map(|held| held.0));
        self.last_on.push(month.held.map(|held| held.1));
        self.decided_from.push(month.decided.map(|decided| decided.0));
        self.decided_until.push(month.decided.map(|decided| decided.1));
        self.reason.push(month.held.is_none().then(|| reason.code()));
        self.status.push(status);
    }

    fn finish(self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = vec![
            self.program.finish()?,
            self.participant.finish()?,
            self.company.finish()?,
            self.period.finish()?,
            columns::integers(self.order),
            self.requirement.finish()?,
            Arc::new(BooleanArray::from(self.met)),
            columns::days(self.first_on),
            columns::days(self.last_on),
            columns::days(self.decided_from),
            columns::days(self.decided_until),
            self.reason.finish()?,
            self.status.finish()?,
            self.any_of.finish()?,
        ];
        columns::batch(&ELIGIBILITY, columns)
    }
}
