//! Closed cycles. In: a snapshot's events of closing and what it keeps of closed cycles. Out: up to
//! which cycle all is closed; how each account's balance moved in them, as recorded; and what changed
//! since in earnings that they settled, as postings of the oldest open cycle.
//!
//! Nothing of a closed cycle is calculated again. Its files stay in the snapshot as they are, and later
//! cycles go on from what they say.

mod adjusted;
mod attributes;
mod by_month;
mod calendars;
mod capped;
mod changes;
mod claimed;
mod corrected;
mod due;
mod entered;
pub mod events;
pub mod kept;
mod known;
mod mapping;
mod offsets;
mod outcomes;
mod paid;
mod published;
pub mod rates;
mod returned;
mod table;

pub use adjusted::Adjusted;
pub use changes::{Change, SettledFile};
pub use claimed::Claimed;
pub use due::dated;
pub use events::{By, Event, State};
pub use known::Known;
pub use offsets::Offset;
pub use outcomes::{Forfeited, Outcome};
pub use paid::Paid;
pub use returned::Returned;

use crate::earnings::{FrozenAddition, FrozenBaselines, FrozenRoom, SettledFirst};
use crate::eligibility::{Corrected, Frozen, ParticipantMap};
use crate::error::Result;
use crate::ingest::read_table_at;
use crate::schema::{EARNINGS, PARTICIPANT_MAP, SETTLED_EARNINGS};
use crate::warehouse::{DataFile, Snapshot, Store};
use arrow::array::RecordBatch;
use changes::Compared;
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use published::Published;
use std::collections::{BTreeMap, HashMap};

/// Whose balance it is: a program's position in the job, an earning type and a participant.
type Account = (usize, EarningType, String);

/// Everything that later cycles need of closed ones.
#[derive(Default)]
pub struct Closed {
    /// Cycles up to and with it are closed; `None`: none is.
    pub last: Option<Period>,
    settled: Vec<SettledFile>,
    /// Changes that closed cycles settled.
    changes: Vec<Change>,
    outcomes: HashMap<Account, BTreeMap<Period, Outcome>>,
    payments: HashMap<Account, Vec<Paid>>,
    offsets: HashMap<Account, Vec<Offset>>,
    /// Manual adjustments that closed cycles posted, or refused, by id and program.
    adjusted: HashMap<(String, String), Adjusted>,
    /// Claims that the snapshot before published.
    pub published: Published,
    /// Orders of claims that the snapshot before published, by payment id.
    claimed: HashMap<String, Claimed>,
    /// Payments that came back into closed cycles, by program, participant and payment id.
    returned: HashMap<(usize, String, String), Returned>,
    thresholds: HashMap<(usize, String, FiscalHalf), Threshold>,
    /// The as-of date of each close.
    as_of: BTreeMap<Period, NaiveDate>,
    /// Trailing revenue that was reached, for good.
    pub revenue: Vec<Frozen>,
    /// What was corrected since of the lines that decided.
    pub corrected: Vec<Corrected>,
    /// Who added which customer, as closes froze it.
    pub added: Vec<FrozenAddition>,
    /// The room of shared caps, as closes froze it.
    pub rooms: Vec<FrozenRoom>,
    /// What windows are compared with, as closes froze it.
    pub baselines: FrozenBaselines,
}

/// What was decided for good of a half's co-op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    pub cycle: Period,
    pub qualified: bool,
    pub measured: i128,
    pub threshold: i128,
    /// Its row is a closed cycle's, which stays; else it is published again.
    pub kept: bool,
}

impl Closed {
    /// Reads what a snapshot keeps, and what the `previous` one published that stays: decisions that are never
    /// made again, claims and their orders, payments that came back.
    /// `programs` are those of the job.
    ///
    /// # Errors
    /// If a file of a closed cycle is damaged, names a program that the job lacks, or accrued co-op that is due in
    /// another cycle now.
    pub fn read(
        store: &Store,
        kept: &Snapshot,
        previous: Option<&Snapshot>,
        programs: &[Program],
    ) -> Result<Closed> {
        let events = events::read(store, kept)?;
        let mut closed = Closed::default();
        let in_force = kept::in_force(&events);
        if let Some((last, _)) = in_force.last_key_value() {
            closed = Closed::through(*last, store, kept, programs)?;
            closed.as_of = in_force.iter().map(|(cycle, event)| (*cycle, event.as_of)).collect();
            calendars::hold(store, kept, programs)?;
        }
        if let Some(previous) = previous {
            outcomes::decided_before(store, previous, programs, &mut closed)?;
            claimed::read(store, previous, &mut closed)?;
            published::read(store, previous, programs, &mut closed)?;
            returned::read(store, previous, programs, &mut closed)?;
        }
        Ok(closed)
    }

    fn through(
        last: Period,
        store: &Store,
        kept: &Snapshot,
        programs: &[Program],
    ) -> Result<Closed> {
        kept::verify(store, kept)?;
        let mut closed = Closed {
            last: Some(last),
            settled: settled_files(kept)?,
            changes: table::read(store, kept)?,
            ..Closed::default()
        };
        outcomes::read(store, kept, programs, &mut closed)?;
        paid::read(store, kept, programs, &mut closed)?;
        adjusted::read(store, kept, &mut closed)?;
        offsets::read(store, kept, programs, &mut closed)?;
        Ok(closed)
    }

    /// True if a cycle is closed.
    #[must_use]
    pub fn is_closed(&self, cycle: Period) -> bool {
        self.last.is_some_and(|last| cycle <= last)
    }

    /// The day as of which a cycle was closed: what became known later wasn't known to it.
    #[must_use]
    pub fn known_by(&self, cycle: Period) -> Option<NaiveDate> {
        self.as_of.get(&cycle).copied()
    }

    /// Which closed cycle settled an earning of a capped lever first.
    ///
    /// # Errors
    /// If a settled file can't be read.
    pub fn settled_first(&self, store: &Store, programs: &[Program]) -> Result<SettledFirst> {
        capped::read(store, programs, &self.settled, &self.changes)
    }

    /// How an account's balance moved in closed cycles, and what it forfeited.
    #[must_use]
    pub fn outcomes(
        &self,
        program: usize,
        earning_type: EarningType,
        participant: &str,
    ) -> Option<&BTreeMap<Period, Outcome>> {
        self.outcomes.get(&(program, earning_type, participant.to_owned()))
    }

    /// What closed cycles ordered of an account, sorted by cycle and id.
    #[must_use]
    pub fn payments(
        &self,
        program: usize,
        earning_type: EarningType,
        participant: &str,
    ) -> &[Paid] {
        of_account(&self.payments, (program, earning_type, participant))
    }

    /// What closed cycles offset of an account, sorted by cycle and counterpart.
    #[must_use]
    pub fn offsets(
        &self,
        program: usize,
        earning_type: EarningType,
        participant: &str,
    ) -> &[Offset] {
        of_account(&self.offsets, (program, earning_type, participant))
    }

    /// What a closed cycle made of a manual adjustment.
    #[must_use]
    pub fn adjusted(&self, adjustment_id: &str, program: &str) -> Option<&Adjusted> {
        if self.adjusted.is_empty() {
            return None;
        }
        self.adjusted.get(&(adjustment_id.to_owned(), program.to_owned()))
    }

    /// The manual adjustments that closed cycles posted, with their id and program.
    pub fn posted(&self) -> impl Iterator<Item = (&str, &str, &Adjusted)> {
        let posted = self.adjusted.iter().filter(|(_, adjusted)| adjusted.posted);
        posted.map(|((id, program), adjusted)| (id.as_str(), program.as_str(), adjusted))
    }

    /// The order of a claim that the snapshot before published.
    #[must_use]
    pub fn claimed(&self, payment_id: &str) -> Option<&Claimed> {
        self.claimed.get(payment_id)
    }

    /// What closed cycles recorded of payments that came back: a program's position, participant, payment.
    pub fn returned(&self) -> impl Iterator<Item = (&(usize, String, String), &Returned)> {
        self.returned.iter()
    }

    /// The closed cycle that recorded that a payment came back.
    #[must_use]
    pub fn returned_in(
        &self,
        program: usize,
        participant: &str,
        payment_id: &str,
    ) -> Option<Period> {
        if self.returned.is_empty() {
            return None;
        }
        let key = (program, participant.to_owned(), payment_id.to_owned());
        self.returned.get(&key).map(|returned| returned.cycle)
    }

    /// What was decided of a half's co-op for good.
    #[must_use]
    pub fn threshold(
        &self,
        program: usize,
        participant: &str,
        half: FiscalHalf,
    ) -> Option<Threshold> {
        if self.thresholds.is_empty() {
            return None;
        }
        self.thresholds.get(&(program, participant.to_owned(), half)).copied()
    }

    /// What changed since in earnings that closed cycles settled. `files` are those of earnings now, as the
    /// participant map is `map` now.
    ///
    /// # Errors
    /// If a file can't be read.
    pub fn changes(
        &self,
        (store, snapshot): (&Store, &Snapshot),
        programs: &[Program],
        files: &[(&'static str, DataFile)],
        map: &ParticipantMap,
    ) -> Result<Vec<Change>> {
        let Some(last_closed) = self.last else { return Ok(Vec::new()) };
        let mut now: BTreeMap<Period, Vec<&DataFile>> = BTreeMap::new();
        for (_, file) in files.iter().filter(|(table, _)| *table == EARNINGS.name) {
            now.entry(file.partition.parse()?).or_default().push(file);
        }
        let mut changes = changes::find(&Compared {
            programs,
            store,
            settled: &self.settled,
            changes: &self.changes,
            now: &now,
            last_closed,
        })?;
        if mapping::may_pair_sums(&changes)
            && let Some(close) = events::closed(&events::read(store, snapshot)?, last_closed)
        {
            let rows = read_table_at(store, snapshot, &PARTICIPANT_MAP, close)?;
            let then = ParticipantMap::build(programs, &rows)?;
            mapping::pair_sums(&mut changes, programs, (&then, map));
        }
        Ok(changes)
    }
}

/// Open changes as a table.
///
/// # Errors
/// If an amount is too large.
pub fn table_of(changes: &[Change]) -> Result<RecordBatch> {
    table::write(changes)
}

/// What closed cycles did to an account; most jobs ask for each of their accounts and have closed nothing.
fn of_account<'a, T>(
    all: &'a HashMap<Account, Vec<T>>,
    (program, earning_type, participant): (usize, EarningType, &str),
) -> &'a [T] {
    if all.is_empty() {
        return &[];
    }
    all.get(&(program, earning_type, participant.to_owned())).map_or(&[], Vec::as_slice)
}

fn settled_files(kept: &Snapshot) -> Result<Vec<SettledFile>> {
    let files = kept.files(SETTLED_EARNINGS.name).iter();
    files
        .map(|file| {
            let (cycle, period) = (file.partition.parse()?, file.unit.parse()?);
            Ok(SettledFile { cycle, period, file: file.clone() })
        })
        .collect()
}
