//! Closing a cycle, voiding a close, approving one. In: the newest snapshot. Out: a new snapshot, put
//! create-only like a run's. A close moves rows of the cycle into files that later runs keep and
//! calculates nothing; a void forgets those files and calculates again what is open then.

mod export;
mod split;

pub use export::{Exported, export};

use crate::closes::{self, By, Event, State, kept};
use crate::error::{Error, Result};
use crate::job::{ApprovalBy, Job, thread_pool};
use crate::run::{Clock, RunOptions, calculate, finish, load_programs, run_id};
use crate::schema::{BALANCES, CLOSED_RATES, EARNINGS, SETTLED_EARNINGS};
use crate::warehouse::{DataFile, Snapshot, Store};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::Program;
use std::path::PathBuf;

/// What to do with which cycle. The as-of date of `run` is the day on which it is done.
#[derive(Clone, Debug)]
pub struct Request {
    pub run: RunOptions,
    pub cycle: Period,
    pub act: Act,
    pub by: By,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Act {
    Close,
    Void {
        reason: String,
    },
    /// By a file that names the digest of the orders, and whose it is.
    Approve {
        file: PathBuf,
        text: String,
        owner: String,
    },
}

/// What was done.
pub struct Done {
    pub event: Event,
    pub snapshot: Snapshot,
    pub store: Store,
    pub attention: Vec<String>,
}

/// The newest snapshot and what is closed in it.
struct Ground {
    job: Job,
    programs: Vec<Program>,
    store: Store,
    newest: Snapshot,
    as_of: NaiveDate,
    events: Vec<Event>,
}

/// Closes, voids or approves.
///
/// # Errors
/// If the cycle isn't the one whose turn it is (exit 2), a check fails (3), another run was faster (4),
/// or the machine refuses (5). Nothing is published then.
pub fn execute(request: &Request) -> Result<Done> {
    let ground = Ground::open(&request.run)?;
    let pool = thread_pool(request.run.threads.unwrap_or(ground.job.limits.threads))?;
    pool.install(|| {
        let (event, mut next) = match &request.act {
            Act::Close => ground.close(request)?,
            Act::Void { reason } => ground.void(request, reason)?,
            Act::Approve { file, text, owner } => {
                let file = file.display().to_string();
                ground.approve(request, &file, text, owner)?
            }
        };
        let mut clock = Clock::default();
        if event.state == State::Voided {
            let (limits, programs) = (&ground.job.limits, &ground.programs);
            let options = RunOptions { as_of: ground.as_of, ..request.run.clone() };
            let ours = (&ground.store, Some(&ground.newest));
            calculate(&options, limits, programs, ours, &mut next, &mut clock)?;
        }
        let (job, programs) = (&ground.job, &ground.programs);
        let (attention, _) = finish(job, programs, &ground.store, &next, true, &mut clock)?;
        Ok(Done { event, snapshot: next, store: ground.store.clone(), attention })
    })
}

impl Ground {
    fn open(options: &RunOptions) -> Result<Ground> {
        let job = Job::load(&options.pipeline)?;
        let programs = load_programs(&job)?;
        let configured = job.warehouse.to_string_lossy().into_owned();
        let location = options.warehouse.clone().unwrap_or(configured);
        let store = Store::open(&location, options.fault)?;
        let newest = Snapshot::newest(&store)?.ok_or_else(|| {
            let root = store.root().display();
            Error::usage(format!("warehouse `{root}`: expected a snapshot, found none"))
                .hint("`earnest run` publishes the first one")
        })?;
        newest.repair_current(&store)?;
        let as_of = newest.as_of.parse().map_err(|_| {
            let found = &newest.as_of;
            Error::broken(format!("snapshot {}: expected a day, found `{found}`", newest.snapshot))
        })?;
        let events = closes::events::read(&store, &newest)?;
        Ok(Ground { job, programs, store, newest, as_of, events })
    }

    /// The last closed cycle.
    fn last(&self) -> Option<Period> {
        kept::in_force(&self.events).into_keys().next_back()
    }

    /// The event that closed a cycle, if that counts.
    fn closed(&self, cycle: Period) -> Option<&Event> {
        kept::in_force(&self.events).remove(&cycle)
    }

    /// True if the orders of a close were exported.
    fn exported(&self, cycle: Period, orders_digest: &str) -> bool {
        self.events.iter().any(|event| {
            event.state == State::Exported
                && event.cycle == cycle
                && event.orders_digest == orders_digest
        })
    }

    /// The oldest cycle that isn't closed: the one after the last closed one; before the first close the
    /// first in which anything is due.
    fn oldest_open(&self) -> Result<Period> {
        if let Some(last) = self.last() {
            return Ok(last.plus(1));
        }
        let mut cycles = self.balanced_cycles()?;
        for file in self.newest.files(EARNINGS.name) {
            let period: Period = file.partition.parse()?;
            cycles.extend(self.programs.iter().map(|program| program.first_due_cycle(period)));
        }
        cycles.into_iter().min().ok_or_else(|| {
            let number = self.newest.snapshot;
            Error::usage(format!("snapshot {number}: expected earnings or balances, found none"))
                .hint("there is nothing to close yet")
        })
    }

    fn balanced_cycles(&self) -> Result<Vec<Period>> {
        let mut cycles = Vec::new();
        for path in self.newest.paths(&self.store, BALANCES.name) {
            crate::ingest::read_columns(&path, &BALANCES, &["cycle"], |rows| {
                let texts = crate::columns::text(rows, "cycle")?;
                for text in texts.iter().flatten() {
                    cycles.push(text.parse()?);
                }
                Ok(())
            })?;
        }
        Ok(cycles)
    }

    /// The day on which all orders of a cycle are due, of whichever program and earning type.
    fn due_day(&self, cycle: Period) -> NaiveDate {
        let days = self.programs.iter().map(|program| program.last_due_day(cycle));
        days.max().unwrap_or(cycle.last_day())
    }

    /// The snapshot to be, with all tables of the newest.
    fn next(&self, request: &Request) -> Snapshot {
        let number = self.newest.snapshot + 1;
        Snapshot {
            snapshot: number,
            run_id: run_id(request.by.at, number),
            earnest_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..self.newest.clone()
        }
    }

    /// The next event of a cycle; of closes, orders and their digest are set when they are written.
    fn event(&self, request: &Request, state: State, before: Option<&Event>) -> Event {
        let required = before.map_or(self.job.approval_required, |event| event.approval_required);
        Event {
            event: self.events.last().map_or(1, |event| event.event + 1),
            cycle: request.cycle,
            state,
            closed_on: before.map_or_else(|| self.due_day(request.cycle), |event| event.closed_on),
            approval_required: required,
            orders: before.map_or(0, |event| event.orders),
            orders_digest: before.map_or_else(String::new, |event| event.orders_digest.clone()),
            reason: None,
            snapshot: self.newest.snapshot + 1,
            as_of: self.as_of,
            by: request.by.clone(),
            file: None,
        }
    }

    fn refuse_close(&self, request: &Request) -> Result<()> {
        let cycle = request.cycle;
        if let Some(event) = self.closed(cycle) {
            let (on, by) = (event.closed_on, event.snapshot);
            let message = format!(
                "cycle {cycle}: expected an open cycle, found it {} as of {on} in snapshot {by}",
                event.state.name()
            );
            return Err(Error::usage(message).hint(
                "until it is approved, the newest closed cycle opens again by `earnest close --void`",
            ));
        }
        let oldest = self.oldest_open()?;
        if cycle != oldest {
            let message =
                format!("cycle {cycle}: expected {oldest}, the oldest open cycle, found {cycle}");
            return Err(Error::usage(message)
                .hint(format!("cycles close in order: `earnest close {oldest}` comes first")));
        }
        let (due, today) = (self.due_day(cycle), request.run.as_of);
        if today < due {
            let message =
                format!("cycle {cycle}: expected {due} or later, its due day, found {today}");
            return Err(Error::usage(message).hint("it closes when its due day has come"));
        }
        if self.as_of < due {
            let (number, found) = (self.newest.snapshot, self.as_of);
            let message = format!(
                "cycle {cycle}: expected a run as of {due} or later, its due day, found snapshot \
                 {number} as of {found}"
            );
            return Err(Error::usage(message).hint(format!("`earnest run --as-of {due}` first")));
        }
        Ok(())
    }

    fn close(&self, request: &Request) -> Result<(Event, Snapshot)> {
        self.refuse_close(request)?;
        let mut event = self.event(request, State::Closed, None);
        let mut next = self.next(request);
        let cycle = request.cycle;
        let mut lines = Vec::new();
        for table in kept::TABLES {
            let split = split::Split { programs: &self.programs, event: &event };
            let (orders, files) = split.table(&self.store, &self.newest, table)?;
            event.orders += orders;
            let ours = files.iter().filter(|file| kept::cycle_of(file) == Some(cycle));
            lines.extend(ours.map(|file| format!("{} {}", table.name, file.digest)));
            next.set(table, files);
        }
        let settled = self.settled_files(cycle);
        let rates =
            closes::rates::close(&self.store, &self.newest, &self.programs, cycle, self.as_of)?;
        for (table, files) in [(&SETTLED_EARNINGS, &settled), (&CLOSED_RATES, &rates)] {
            lines.extend(files.iter().map(|file| format!("{} {}", table.name, file.digest)));
        }
        lines.sort();
        event.orders_digest = digest_of(&lines);
        for (table, new) in [(&SETTLED_EARNINGS, settled), (&CLOSED_RATES, rates)] {
            let files: Vec<_> = next.files(table.name).iter().cloned().chain(new).collect();
            if !files.is_empty() {
                next.set(table, files);
            }
        }
        closes::events::add(&self.store, &mut next, &event)?;
        Ok((event, next))
    }

    /// The files of earnings of months of which something is due in a cycle, by any program.
    fn settled_files(&self, cycle: Period) -> Vec<DataFile> {
        let files = self.newest.files(EARNINGS.name).iter();
        let due = |file: &&DataFile| {
            let period: Result<Period, _> = file.partition.parse();
            period.is_ok_and(|period| {
                self.programs.iter().any(|program| program.due_cycles(period).contains(&cycle))
            })
        };
        files
            .filter(due)
            .map(|file| DataFile {
                partition: cycle.to_string(),
                unit: file.partition.clone(),
                ..file.clone()
            })
            .collect()
    }

    fn void(&self, request: &Request, reason: &str) -> Result<(Event, Snapshot)> {
        let cycle = request.cycle;
        let Some(last) = self.last() else {
            let message = format!("cycle {cycle}: expected a closed cycle, found none closed");
            return Err(Error::usage(message).hint("there is nothing to void"));
        };
        if cycle != last {
            let message =
                format!("cycle {cycle}: expected {last}, the newest closed cycle, found {cycle}");
            return Err(Error::usage(message).hint("closes are voided in reverse order"));
        }
        let before = self.closed(cycle);
        if before.is_some_and(|event| event.state == State::Approved) {
            let message =
                format!("cycle {cycle}: expected a close without approval, found it approved");
            return Err(Error::usage(message)
                .hint("what is approved stays; correct it by an adjustment in a later cycle"));
        }
        if before.is_some_and(|event| self.exported(cycle, &event.orders_digest)) {
            let message =
                format!("cycle {cycle}: expected orders that stayed here, found them exported");
            return Err(Error::usage(message).hint(
                "what the bank may have stays; correct it by an adjustment in a later cycle",
            ));
        }
        if reason.trim().is_empty() {
            let message = format!("cycle {cycle}: expected a reason, found a blank one");
            return Err(Error::usage(message).hint("say why by `--reason TEXT`"));
        }
        let mut event = self.event(request, State::Voided, before);
        event.reason = Some(reason.trim().to_owned());
        let mut next = self.next(request);
        closes::events::add(&self.store, &mut next, &event)?;
        Ok((event, kept::keep(&self.store, &next, self.as_of)?))
    }

    fn approve(
        &self,
        request: &Request,
        file: &str,
        text: &str,
        owner: &str,
    ) -> Result<(Event, Snapshot)> {
        let cycle = request.cycle;
        let Some(before) = self.closed(cycle) else {
            let message = format!("cycle {cycle}: expected a closed cycle, found an open one");
            return Err(Error::usage(message).hint(format!("`earnest close {cycle}` comes first")));
        };
        if before.state == State::Approved {
            let by = before.snapshot;
            let message = format!(
                "cycle {cycle}: expected orders that wait, found them approved in snapshot {by}"
            );
            return Err(Error::usage(message).hint("nothing is left to do"));
        }
        if !before.approval_required {
            let message = format!(
                "cycle {cycle}: expected orders that wait for approval, found a close without"
            );
            return Err(Error::usage(message).hint(
                "`approval = \"required\"` in the job makes the orders of later closes wait",
            ));
        }
        if !text.split_whitespace().any(|word| word == before.orders_digest) {
            let message = format!(
                "{file}: expected the digest {} of cycle {cycle}, found none such",
                before.orders_digest
            );
            return Err(Error::usage(message)
                .hint("approve what was closed: `earnest status` shows the digest"));
        }
        let closer = &before.by.os_user;
        if self.job.approval_by == ApprovalBy::Owner && owner == closer {
            let message = format!(
                "{file}: expected a file of somebody else than `{closer}`, who closed cycle {cycle}, found \
                 one of theirs"
            );
            return Err(Error::usage(message).hint(
                "let who approves write it as a user of their own; where files don't belong to people \
                 (object stores, checkouts of CI), `approval_by = \"file\"` in the job leaves it to \
                 whoever may write the path",
            ));
        }
        let mut event = self.event(request, State::Approved, Some(before));
        event.file = Some((file.to_owned(), owner.to_owned()));
        let mut next = self.next(request);
        closes::events::add(&self.store, &mut next, &event)?;
        Ok((event, next))
    }
}

/// SHA-256 over lines.
fn digest_of(lines: &[String]) -> String {
    use sha2::Digest as _;
    crate::warehouse::hex(&sha2::Sha256::digest(lines.join("\n").as_bytes()))
}
