//! The room of caps that several participants share, as rows of `determinations`: what the cycles up to
//! one take of it. Closes freeze it; what becomes known later gets what they left.

use super::context::Context;
use super::credits::{CapsClosed, Room, Scope};
use super::facts::day;
use crate::columns;
use crate::error::Result;
use crate::schema::{DETERMINATIONS, Kind};
use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A row that a close froze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenRoom {
    /// Position of the program.
    pub program: usize,
    pub subject: String,
    pub window: String,
    pub cycle: Period,
    /// What was taken, and the limit, in program currency at money scale.
    pub taken: i128,
    pub limit: i128,
    /// The row that took room last, and its day.
    pub on: NaiveDate,
    pub source: Option<String>,
    pub transaction_id: String,
}

/// Program, subject and window of scopes.
pub type Keys<'a> = HashSet<(usize, &'a str, &'a str)>;

/// The scopes of frozen rows.
pub fn keys(rooms: &[FrozenRoom]) -> Keys<'_> {
    rooms.iter().map(|room| (room.program, room.subject.as_str(), room.window.as_str())).collect()
}

/// True if a scope is among them.
pub fn is_in(keys: &Keys, context: &Context, scope: &Scope) -> bool {
    !keys.is_empty()
        && keys.contains(&(
            scope.program,
            subject(context, scope).as_str(),
            window(context, scope).as_str(),
        ))
}

/// The cap, and the company and the customer that it is per.
fn subject(context: &Context, scope: &Scope) -> String {
    let cap = &context.programs[scope.program].caps[scope.cap].cap;
    let company = scope.company.iter().map(|company| format!(", company {company}"));
    let customer = scope.customer.iter().map(|customer| format!(", customer {customer}"));
    std::iter::once(cap.clone()).chain(company).chain(customer).collect()
}

/// Its first and last month.
fn window(context: &Context, scope: &Scope) -> String {
    let cap = &context.programs[scope.program].caps[scope.cap];
    format!("{}..{}", scope.window, cap.window.last(scope.window))
}

/// Rows of `determinations`, of open cycles: those of closed ones are kept elsewhere. If a correction of
/// what closed cycles settled changed what they take, the oldest open cycle says so.
///
/// # Errors
/// Never, but for a bug.
pub fn determinations(
    context: &Context,
    rooms: &[Room],
    closed: CapsClosed,
) -> Result<RecordBatch> {
    let is_open = |cycle: Period| closed.open.is_none_or(|open| open <= cycle);
    let named = rooms.iter().map(|room| named(context, room));
    let (open, settled): (Vec<_>, Vec<_>) = named.partition(|room| is_open(room.cycle));
    let mut rows = open;
    if let Some(open) = closed.open {
        rows.extend(corrected(&rows, &settled, closed.rooms, open));
    }
    rows.sort_by(|a, b| {
        (a.program, &a.subject, &a.window, a.cycle)
            .cmp(&(b.program, &b.subject, &b.window, b.cycle))
    });
    table(context, &rows)
}

/// A room as a row.
fn named(context: &Context, room: &Room) -> FrozenRoom {
    let source = (room.last.source >= 0).then(|| context.names.sources.text(room.last.source));
    FrozenRoom {
        program: room.scope.program,
        subject: subject(context, &room.scope),
        window: window(context, &room.scope),
        cycle: room.cycle,
        taken: room.taken,
        limit: context.programs[room.scope.program].caps[room.scope.cap].limit,
        on: day(room.last.on),
        source: source.map(str::to_owned),
        transaction_id: room.last.id.clone(),
    }
}

/// The newest frozen rows whose room isn't taken any longer as they say, in the oldest open cycle, unless
/// something enters them then anyway.
fn corrected(
    rows: &[FrozenRoom],
    settled: &[FrozenRoom],
    frozen: &[FrozenRoom],
    open: Period,
) -> Vec<FrozenRoom> {
    let newest = |rooms: &[FrozenRoom]| {
        let mut newest: HashMap<(usize, String, String), FrozenRoom> = HashMap::new();
        for room in rooms {
            let key = (room.program, room.subject.clone(), room.window.clone());
            let known = newest.entry(key).or_insert_with(|| room.clone());
            if known.cycle < room.cycle {
                *known = room.clone();
            }
        }
        newest
    };
    let now = newest(settled);
    let entering = rows.iter().filter(|room| room.cycle == open);
    let enters: Keys = entering.map(|room| (room.program, &*room.subject, &*room.window)).collect();
    let corrected = newest(frozen).into_iter().filter_map(|(key, room)| {
        let taken = now.get(&key).map_or(0, |room| room.taken);
        let (program, subject, window) = (key.0, key.1.as_str(), key.2.as_str());
        let stays = taken == room.taken || enters.contains(&(program, subject, window));
        (!stays).then_some(FrozenRoom { cycle: open, taken, ..room })
    });
    corrected.collect()
}

fn table(context: &Context, rows: &[FrozenRoom]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&FrozenRoom) -> String| columns::texts(rows.iter().map(of));
    let program = |row: &FrozenRoom| &context.programs[row.program];
    let column = |name: &str, kind: Kind| -> Result<ArrayRef> {
        Ok(match name {
            "program" => text(&|row| program(row).program.clone()),
            "kind" => text(&|_| "cap_room".to_owned()),
            "subject" => text(&|row| row.subject.clone()),
            "window" => text(&|row| row.window.clone()),
            "cycle" => text(&|row| row.cycle.to_string()),
            "outcome" => text(&|row| {
                if row.taken < row.limit { "left".to_owned() } else { "exhausted".to_owned() }
            }),
            "program_currency" => text(&|row| program(row).currency.clone()),
            "measured" => columns::decimals(kind, rows.iter().map(|row| row.taken))?,
            "threshold" => columns::decimals(kind, rows.iter().map(|row| row.limit))?,
            "decided_on" => columns::days(rows.iter().map(|row| Some(row.on))),
            "source" => {
                Arc::new(rows.iter().map(|row| row.source.as_deref()).collect::<StringArray>())
            }
            "transaction_id" => text(&|row| row.transaction_id.clone()),
            _ => new_null_array(&kind.data_type(), rows.len()),
        })
    };
    let all = DETERMINATIONS.columns.iter().map(|one| column(one.name, one.kind));
    columns::batch(&DETERMINATIONS, all.collect::<Result<_>>()?)
}
