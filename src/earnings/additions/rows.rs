//! Additions as rows of `determinations`.

use super::{Additions, Place, window};
use crate::columns;
use crate::earnings::context::Context;
use crate::earnings::facts::day;
use crate::error::Result;
use crate::schema::{DETERMINATIONS, Kind};
use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use std::sync::Arc;

/// A row: the line that decides, or that no longer does.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row<'a> {
    place: Place,
    customer: &'a str,
    window: String,
    on: NaiveDate,
    measured: i128,
    threshold: i128,
    /// `None`: it is undone.
    awarded_to: Option<&'a str>,
    source: &'a str,
    transaction_id: &'a str,
    role: Option<&'a str>,
    /// The cycle that decided it for good, without a close.
    stays_in: Option<Period>,
}

impl Row<'_> {
    fn outcome(&self) -> &'static str {
        if self.awarded_to.is_some() { "added" } else { "undone" }
    }

    /// The cycle in which something of its month is due under the lever, or the oldest open one.
    fn cycle(&self, context: &Context, open: Option<Period>) -> String {
        if let Some(cycle) = self.stays_in {
            return cycle.to_string();
        }
        let program = &context.programs[self.place.0];
        let shares = program.shares_on(program.levers[self.place.1].pays_as, self.on);
        program.first_cycle_of(Period::of(self.on), shares, open).to_string()
    }
}

impl Additions {
    /// Who added which customer, by which line, and which awards are undone or move to whom. Those that a
    /// close froze are kept elsewhere. `open` is the oldest open cycle; `None`: none is closed.
    ///
    /// # Errors
    /// If a program's dates lie outside the calendar, which would be a bug.
    pub fn determinations(&self, context: &Context, open: Option<Period>) -> Result<RecordBatch> {
        let rows = self.rows(context);
        let text = |of: &dyn Fn(&Row) -> String| columns::texts(rows.iter().map(of));
        let program = |row: &Row| &context.programs[row.place.0];
        let column = |name: &str, kind: Kind| -> Result<ArrayRef> {
            Ok(match name {
                "program" => text(&|row| program(row).program.clone()),
                "kind" => text(&|_| "customer_add".to_owned()),
                "subject" => text(&|row| row.customer.to_owned()),
                "window" => text(&|row| row.window.clone()),
                "cycle" => text(&|row| row.cycle(context, open)),
                "outcome" => text(&|row| row.outcome().to_owned()),
                "program_currency" => text(&|row| program(row).currency.clone()),
                "measured" => columns::decimals(kind, rows.iter().map(|row| row.measured))?,
                "threshold" => columns::decimals(kind, rows.iter().map(|row| row.threshold))?,
                "decided_on" => columns::days(rows.iter().map(|row| Some(row.on))),
                "frozen_by" => {
                    let never = rows.iter().map(|row| row.stays_in.map(|_| "never"));
                    Arc::new(never.collect::<StringArray>())
                }
                "awarded_to" => {
                    Arc::new(rows.iter().map(|row| row.awarded_to).collect::<StringArray>())
                }
                "source" => text(&|row| row.source.to_owned()),
                "transaction_id" => text(&|row| row.transaction_id.to_owned()),
                "role" => Arc::new(rows.iter().map(|row| row.role).collect::<StringArray>()),
                _ => new_null_array(&kind.data_type(), rows.len()),
            })
        };
        let all = DETERMINATIONS.columns.iter().map(|one| column(one.name, one.kind));
        columns::batch(&DETERMINATIONS, all.collect::<Result<_>>()?)
    }

    fn rows<'a>(&'a self, context: &'a Context) -> Vec<Row<'a>> {
        let names = &context.names;
        let mut rows: Vec<Row> = Vec::new();
        for (&place, customers) in &self.customers {
            let lever = &context.programs[place.0].levers[place.1];
            for (customer, found) in customers {
                let Some(added) = &found.added else { continue };
                let Some(decided) = &added.decided else { continue };
                rows.push(Row {
                    place,
                    customer,
                    window: window(&lever.lever, &found.window),
                    on: day(decided.on),
                    measured: decided.measured,
                    threshold: lever.customer_add.as_ref().map_or(0, |asked| asked.minimum),
                    awarded_to: Some(names.participants.text(added.participant)),
                    source: names.sources.text(decided.source),
                    transaction_id: &decided.transaction_id,
                    role: Some(names.roles.text(decided.role)),
                    stays_in: None,
                });
            }
        }
        // An award of the same days says itself that it replaces another.
        let replaced = |changed: &super::Changed| {
            let award = &changed.award;
            rows.iter().any(|row| {
                (row.place, row.customer, &row.window)
                    == (changed.place, award.customer.as_str(), &award.window)
            })
        };
        let changed: Vec<Row> = self
            .changed
            .iter()
            .filter(|changed| !replaced(changed))
            .map(|changed| Row {
                place: changed.place,
                customer: &changed.award.customer,
                window: changed.award.window.clone(),
                on: changed.award.on,
                measured: changed.measured,
                threshold: changed.award.threshold,
                awarded_to: changed.awarded_to.map(|key| names.participants.text(key)),
                source: &changed.award.source,
                transaction_id: &changed.award.transaction_id,
                role: changed.award.role.as_deref(),
                stays_in: changed.stays.then_some(changed.award.cycle),
            })
            .collect();
        rows.extend(changed);
        rows.sort_unstable();
        rows
    }
}
