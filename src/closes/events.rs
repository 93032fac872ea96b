//! The events of closing, as rows of `closes`: read, and added one by one.

use crate::columns::{self, batch, days, integers, texts};
use crate::error::{Error, Result};
use crate::ingest::read_file;
use crate::schema::CLOSES;
use crate::warehouse::{DataFile, Snapshot, Store, TableWriter};
use arrow::array::{ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::{DateTime, NaiveDate, Utc};
use earnest_core::calendar::Period;
use std::sync::Arc;

/// What became of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Closed,
    Voided,
    Approved,
    /// Its orders were; it stays what it was.
    Exported,
}

impl State {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Voided => "voided",
            State::Approved => "approved",
            State::Exported => "exported",
        }
    }

    fn named(name: &str) -> Result<State> {
        let all = [State::Closed, State::Voided, State::Approved, State::Exported];
        all.into_iter().find(|state| state.name() == name).ok_or_else(|| {
            Error::broken(format!(
                "closes: expected `closed`, `voided`, `approved` or `exported`, found `{name}`"
            ))
        })
    }
}

/// One event of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// 1 for the first.
    pub event: i64,
    pub cycle: Period,
    pub state: State,
    /// The latest due day of all programs.
    pub closed_on: NaiveDate,
    /// Whether its orders wait for an approval.
    pub approval_required: bool,
    /// How many payment orders.
    pub orders: i64,
    pub orders_digest: String,
    pub reason: Option<String>,
    /// The snapshot that the event publishes.
    pub snapshot: u64,
    pub as_of: NaiveDate,
    pub by: By,
    /// Of approvals: the file and its owner.
    pub file: Option<(String, String)>,
}

impl Event {
    /// The unit of its file.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("event-{:05}", self.event)
    }
}

/// Who did it, where and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub os_user: String,
    pub host: String,
    pub at: DateTime<Utc>,
}

/// All events of a snapshot, in order.
///
/// # Errors
/// If a file can't be read.
pub fn read(store: &Store, snapshot: &Snapshot) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for path in snapshot.paths(store, CLOSES.name) {
        for rows in read_file(&path, &CLOSES)? {
            let text = |name| columns::text(&rows, name);
            let (event, orders) =
                (columns::integer(&rows, "event")?, columns::integer(&rows, "orders")?);
            let snapshot = columns::integer(&rows, "snapshot")?;
            let (cycle, state, approval) = (text("cycle")?, text("state")?, text("approval")?);
            let (digest, reason) = (text("orders_digest")?, text("reason")?);
            let (user, host) = (text("os_user")?, text("host")?);
            let (file, owner) = (text("file")?, text("file_owner")?);
            let (closed_on, as_of) =
                (columns::date(&rows, "closed_on")?, columns::date(&rows, "as_of")?);
            let at = rows.column(CLOSES.position("done_at"));
            let at = at.as_primitive::<TimestampMicrosecondType>();
            for row in 0..rows.num_rows() {
                let filled = |column| columns::filled(column, row).map(str::to_owned);
                let day = |column| columns::day(column, row).unwrap_or(NaiveDate::MIN);
                events.push(Event {
                    event: event.value(row),
                    cycle: cycle.value(row).parse()?,
                    state: State::named(state.value(row))?,
                    closed_on: day(closed_on),
                    approval_required: approval.value(row) == "required",
                    orders: orders.value(row),
                    orders_digest: digest.value(row).to_owned(),
                    reason: filled(reason),
                    snapshot: snapshot.value(row).unsigned_abs(),
                    as_of: day(as_of),
                    by: By {
                        os_user: user.value(row).to_owned(),
                        host: host.value(row).to_owned(),
                        at: DateTime::from_timestamp_micros(at.value(row)).unwrap_or_default(),
                    },
                    file: filled(file).zip(filled(owner)),
                });
            }
        }
    }
    events.sort_by_key(|event| event.event);
    Ok(events)
}

/// Adds an event to a snapshot to be.
///
/// # Errors
/// If the disk refuses.
pub fn add(store: &Store, next: &mut Snapshot, event: &Event) -> Result<()> {
    let one = |text: &str| texts([text]);
    let optional = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
    let approval = if event.approval_required { "required" } else { "none" };
    let at = TimestampMicrosecondArray::from(vec![event.by.at.timestamp_micros()]);
    let columns: Vec<ArrayRef> = vec![
        integers([event.event]),
        one(&event.cycle.to_string()),
        one(event.state.name()),
        days([Some(event.closed_on)]),
        one(approval),
        integers([event.orders]),
        one(&event.orders_digest),
        optional(event.reason.as_deref()),
        integers([i64::try_from(event.snapshot).unwrap_or(i64::MAX)]),
        days([Some(event.as_of)]),
        one(&event.by.os_user),
        one(&event.by.host),
        Arc::new(at.with_timezone("UTC")),
        optional(event.file.as_ref().map(|(file, _)| file.as_str())),
        optional(event.file.as_ref().map(|(_, owner)| owner.as_str())),
    ];
    let mut writer = TableWriter::new(store, &CLOSES, "", &event.unit())?;
    writer.write(&batch(&CLOSES, columns)?)?;
    let mut files: Vec<DataFile> = next.files(CLOSES.name).to_vec();
    files.extend(writer.finish()?);
    next.set(&CLOSES, files);
    Ok(())
}
