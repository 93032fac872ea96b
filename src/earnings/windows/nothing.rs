//! Who adds nothing to a measure, and is due something all the same.

use super::super::context::Context;
use super::super::evaluate::role_key;
use super::super::measures::{Added, Record, Subject, series, window_key};
use crate::error::Result;
use crate::warehouse::Spill;
use earnest_core::calendar::Period;
use earnest_core::guarantee::Due;
use earnest_core::measure::Booked;
use earnest_core::program::Program;
use earnest_core::program::measured::{Measured, Per};

/// Adds nothing for those who are eligible in a month, where that earns the flat of the first tier.
///
/// # Errors
/// If the disk refuses.
pub fn add_roster(context: &Context, records: &Spill<usize>) -> Result<()> {
    let mut writer = records.writer();
    for (number, program) in context.programs.iter().enumerate() {
        for (position, lever) in program.levers.iter().enumerate() {
            let Some(measured) = &lever.measured else { continue };
            if !measured.flat_on_zero {
                continue;
            }
            for period in context.decisions.periods() {
                if !in_force(program, measured, period) {
                    continue;
                }
                for participant in context.decisions.participants(number) {
                    if !eligible(context, number, participant, period) {
                        continue;
                    }
                    let company = context.decisions.company(number, participant, period);
                    let company = company.filter(|_| measured.per == Per::Company);
                    let subject = Subject {
                        program: number,
                        lever: position,
                        participant: context.names.participants.key(participant).unwrap_or(-1),
                        company: company.map(str::to_owned),
                        customer: None,
                    };
                    let window = measured.window.first(period, program.fiscal_year_start);
                    let (bucket, key) =
                        (context.bucket(series(&subject)), window_key(&subject, window));
                    let nothing = nothing(program, subject, (window, Booked::own(period)));
                    writer.add(bucket, &Record::Added(key, nothing))?;
                }
            }
        }
    }
    writer.finish()
}

/// The last month of a window that is due a guarantee then, if its participant is eligible in it: after a
/// loss nothing new accrues.
pub fn due_at_end(context: &Context, of: &Added) -> Option<Period> {
    let program = &context.programs[of.subject.program];
    let measured = program.levers[of.subject.lever].measured.as_ref()?;
    if measured.at_least.is_none() || measured.due != Due::End {
        return None;
    }
    let last = measured.window.last(of.window);
    let participant = context.names.participants.text(of.subject.participant);
    let due = in_force(program, measured, last)
        && eligible(context, of.subject.program, participant, last);
    due.then_some(last)
}

fn eligible(context: &Context, program: usize, participant: &str, period: Period) -> bool {
    let verdict = context.decisions.verdict(program, participant, period);
    verdict.is_some_and(|verdict| verdict.eligible)
}

/// True if a table and a term are in force on the day that rules a month.
fn in_force(program: &Program, measured: &Measured, period: Period) -> bool {
    let window = measured.window.first(period, program.fiscal_year_start);
    let day = measured.rules_day(window, period);
    let table = measured.tables.iter().any(|table| table.days.contain(day));
    table && program.term_on(day).is_some()
}

/// Nothing, added to a window.
pub fn nothing(program: &Program, subject: Subject, (window, booked): (Period, Booked)) -> Added {
    let role = program.pays.first().map_or(0, |role| role_key(*role));
    let (partner, source) = (-1, -1);
    let own = true;
    Added { subject, window, booked, own, exact: 0, parts: 0, role, partner, source, last: None }
}
