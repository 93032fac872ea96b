//! What changed in earnings whose cycle is closed. In: the files that the closes settled, what was
//! changed since, and the files of earnings now. Out: differences, earning by earning; each enters the
//! oldest open cycle. Files that are the same cost nothing.

use super::attributes::{self, Attributes, MEASURED};
use super::mapping;
use super::outcomes::{earning_type, position};
use crate::columns;
use crate::error::{Error, Result};
use crate::ingest::read_columns;
use crate::schema::EARNINGS;
use crate::warehouse::{DataFile, Store};
use arrow::array::RecordBatch;
use earnest_core::calendar::Period;
use earnest_core::earning::{EarningType, EntryKind};
use earnest_core::program::Program;
use earnest_core::reason::AdjustmentReason;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A difference to what was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub earning_id: u128,
    pub attributes: Attributes,
    pub period: Period,
    /// The cycle that it enters.
    pub cycle: Period,
    pub kind: EntryKind,
    pub cause: AdjustmentReason,
    /// The cycle that settled the earning first.
    pub corrects: Option<Period>,
    /// In program currency, at money scale; `None`: it never was settled.
    pub settled_before: Option<i128>,
    /// `None`: it is gone.
    pub earned_now: Option<i128>,
    /// What enters the cycle in transaction currency; `None`: the program doesn't pay in it.
    pub own_amount: Option<i128>,
}

impl Change {
    /// What enters the cycle.
    #[must_use]
    pub fn amount(&self) -> i128 {
        self.earned_now.unwrap_or_default() - self.settled_before.unwrap_or_default()
    }
}

/// A file of earnings that the close of a cycle settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledFile {
    pub cycle: Period,
    pub period: Period,
    pub file: DataFile,
}

/// What is compared.
pub struct Compared<'a> {
    pub programs: &'a [Program],
    pub store: &'a Store,
    pub settled: &'a [SettledFile],
    /// Changes that closed cycles settled.
    pub changes: &'a [Change],
    /// Files of earnings now, by period.
    pub now: &'a BTreeMap<Period, Vec<&'a DataFile>>,
    pub last_closed: Period,
}

/// Every difference, by period and earning.
///
/// # Errors
/// If a file can't be read, or settled earnings belong to no program of the job.
pub fn find(compared: &Compared) -> Result<Vec<Change>> {
    let mut periods: BTreeSet<Period> = compared.now.keys().copied().collect();
    periods.extend(compared.settled.iter().map(|settled| settled.period));
    periods.extend(compared.changes.iter().map(|change| change.period));
    let periods: Vec<Period> = periods.into_iter().collect();
    let found = periods
        .into_par_iter()
        .map(|period| Unit::of(compared, period).differences())
        .collect::<Result<Vec<_>>>()?;
    let mut found: Vec<Change> = found.into_iter().flatten().collect();
    mapping::pair(&mut found);
    Ok(found)
}

/// One period.
struct Unit<'a> {
    compared: &'a Compared<'a>,
    period: Period,
    settled: Vec<&'a SettledFile>,
    changes: Vec<&'a Change>,
    now: &'a [&'a DataFile],
}

/// How much an earning is. Of programs that don't pay in transaction currency, the latter is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Measured {
    amount: i128,
    own_amount: i128,
    /// ISO 4217.
    currency: [u8; 3],
}

impl Measured {
    const NOTHING: Measured = Measured { amount: 0, own_amount: 0, currency: [0; 3] };

    fn is_nothing(&self) -> bool {
        self.amount == 0 && self.own_amount == 0
    }

    fn equals(&self, other: &Measured) -> bool {
        (self.amount, self.own_amount) == (other.amount, other.own_amount)
    }
}

/// How much of an earning is settled, and by which cycle first.
#[derive(Clone, Copy)]
struct Settled {
    settled: Measured,
    first: Period,
}

impl<'a> Unit<'a> {
    fn of(compared: &'a Compared<'a>, period: Period) -> Unit<'a> {
        Unit {
            compared,
            period,
            settled: compared.settled.iter().filter(|file| file.period == period).collect(),
            changes: compared.changes.iter().filter(|change| change.period == period).collect(),
            now: compared.now.get(&period).map_or(&[], Vec::as_slice),
        }
    }

    /// The closed cycles in which the period is due, by program and earning type.
    fn due(&self) -> HashMap<(&'a str, EarningType), Period> {
        let programs = self.compared.programs.iter();
        let due = programs.flat_map(|program| {
            let cycle = |of| program.due_cycle(self.period, of);
            EarningType::ALL.map(|of| ((&*program.program, of), cycle(of)))
        });
        due.filter(|(_, cycle)| *cycle <= self.compared.last_closed).collect()
    }

    /// True if the files now are those that were settled, and nothing changed since.
    fn is_unchanged(&self, due: &HashMap<(&str, EarningType), Period>) -> bool {
        let paths = |cycle: Option<Period>| -> BTreeSet<&str> {
            let settled = self.settled.iter().filter(|file| cycle == Some(file.cycle));
            match cycle {
                Some(_) => settled.map(|file| &*file.file.path).collect(),
                None => self.now.iter().map(|file| &*file.path).collect(),
            }
        };
        let now = paths(None);
        let mut cycles: BTreeSet<Period> = due.values().copied().collect();
        cycles.extend(self.settled.iter().map(|file| file.cycle));
        self.changes.is_empty() && cycles.into_iter().all(|cycle| paths(Some(cycle)) == now)
    }

    fn differences(&self) -> Result<Vec<Change>> {
        let due = self.due();
        if self.is_unchanged(&due) {
            return Ok(Vec::new());
        }
        let mut settled = self.settled()?;
        let mut found: HashMap<u128, (Option<Settled>, Measured)> = HashMap::new();
        for file in self.now {
            self.measure(file, |of, id, now| {
                if due.contains_key(&of) {
                    let before = settled.remove(&id);
                    // What was never settled is late even if a cap leaves nothing of it: it has its place
                    // under the cap from then on.
                    if before.is_none_or(|before| !before.settled.equals(&now)) {
                        found.insert(id, (before, now));
                    }
                }
                Ok(())
            })?;
        }
        settled.retain(|_, before| !before.settled.is_nothing());
        let mut changes = self.changed(&found)?;
        changes.extend(self.gone(settled)?);
        changes.sort_by_key(|change| change.earning_id);
        Ok(changes)
    }

    /// What is settled of every earning.
    fn settled(&self) -> Result<HashMap<u128, Settled>> {
        let mut settled: HashMap<u128, Settled> = HashMap::new();
        for file in &self.settled {
            self.measure(&file.file, |(program, of), id, amount| {
                if self.program(program)?.due_cycle(self.period, of) == file.cycle {
                    settled.insert(id, Settled { settled: amount, first: file.cycle });
                }
                Ok(())
            })?;
        }
        for change in &self.changes {
            let first = change.cycle;
            let of = &change.attributes;
            let mut nothing = Settled { settled: Measured::NOTHING, first };
            if self.pays_as_earned(of.text("program")) {
                nothing.settled.currency = code(of.text("transaction_currency"));
            }
            let one = &mut settled.entry(change.earning_id).or_insert(nothing).settled;
            one.amount += change.amount();
            one.own_amount += change.own_amount.unwrap_or_default();
        }
        Ok(settled)
    }

    /// Reads what earnings are: program and earning type, id, amounts.
    fn measure(
        &self,
        file: &DataFile,
        mut each: impl FnMut((&str, EarningType), u128, Measured) -> Result<()>,
    ) -> Result<()> {
        self.read(file, MEASURED, |rows| {
            let text = |name| columns::text(rows, name);
            let (programs, currencies) = (text("program")?, text("transaction_currency")?);
            let types = text("earning_type")?;
            let (ids, amounts) = (attributes::ids(rows)?, attributes::amounts(rows)?);
            let own = columns::decimal(rows, "earning_amount")?;
            for row in 0..rows.num_rows() {
                let program = programs.value(row);
                let mut measured = Measured { amount: amounts.value(row), ..Measured::NOTHING };
                if self.pays_as_earned(program) {
                    measured.own_amount = own.value(row);
                    measured.currency = code(currencies.value(row));
                }
                let of = (program, earning_type(types.value(row))?);
                each(of, attributes::id(ids, row), measured)?;
            }
            Ok(())
        })
    }

    fn pays_as_earned(&self, program: &str) -> bool {
        let mut programs = self.compared.programs.iter();
        programs.any(|ours| ours.program == program && ours.pays_as_earned())
    }

    fn program(&self, program: &str) -> Result<&'a Program> {
        Ok(&self.compared.programs[position(self.compared.programs, program)?])
    }

    /// Earnings that are there, with another amount than was settled.
    fn changed(&self, found: &HashMap<u128, (Option<Settled>, Measured)>) -> Result<Vec<Change>> {
        let mut changes = Vec::with_capacity(found.len());
        let files = self.now.iter().filter(|_| !found.is_empty());
        for file in files {
            self.read(file, &attributes::NAMES, |rows| {
                let ids = attributes::ids(rows)?;
                for row in 0..rows.num_rows() {
                    let id = attributes::id(ids, row);
                    if let Some((before, now)) = found.get(&id) {
                        let attributes = Attributes::read(rows, row)?;
                        changes.push(self.change(id, attributes, *before, Some(*now))?);
                    }
                }
                Ok(())
            })?;
        }
        Ok(changes)
    }

    /// Earnings that were settled and are no more.
    fn gone(&self, mut settled: HashMap<u128, Settled>) -> Result<Vec<Change>> {
        let mut changes = Vec::with_capacity(settled.len());
        // What came after the close stands among the changes.
        for change in self.changes.iter().rev() {
            if let Some(before) = settled.remove(&change.earning_id) {
                let attributes = change.attributes.clone();
                changes.push(self.change(change.earning_id, attributes, Some(before), None)?);
            }
        }
        for file in &self.settled {
            if settled.is_empty() {
                break;
            }
            self.read(&file.file, &attributes::NAMES, |rows| {
                let ids = attributes::ids(rows)?;
                for row in 0..rows.num_rows() {
                    let id = attributes::id(ids, row);
                    let Some(before) = settled.get(&id).copied() else { continue };
                    if before.first == file.cycle {
                        settled.remove(&id);
                        let attributes = Attributes::read(rows, row)?;
                        changes.push(self.change(id, attributes, Some(before), None)?);
                    }
                }
                Ok(())
            })?;
        }
        Ok(changes)
    }

    fn change(
        &self,
        earning_id: u128,
        attributes: Attributes,
        before: Option<Settled>,
        now: Option<Measured>,
    ) -> Result<Change> {
        if let (Some(Settled { settled, .. }), Some(now)) = (before, now)
            && settled.currency != now.currency
        {
            return Err(currency_changed(&attributes, settled));
        }
        let own = |measured: Option<Measured>| measured.map_or(0, |measured| measured.own_amount);
        let settled = before.map(|before| before.settled);
        let pays_as_earned = self.pays_as_earned(attributes.text("program"));
        let (kind, cause) = match before {
            None => (EntryKind::Late, AdjustmentReason::PreviousPeriod),
            Some(_) => (EntryKind::Adjustment, AdjustmentReason::OpsAdjustment),
        };
        Ok(Change {
            earning_id,
            attributes,
            period: self.period,
            cycle: self.compared.last_closed.plus(1),
            kind,
            cause,
            corrects: before.map(|before| before.first),
            settled_before: settled.map(|settled| settled.amount),
            earned_now: now.map(|now| now.amount),
            own_amount: pays_as_earned.then(|| own(now) - own(settled)),
        })
    }

    fn read(
        &self,
        file: &DataFile,
        names: &[&str],
        each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        read_columns(&self.compared.store.path(&file.path), &EARNINGS, names, each)
    }
}

/// A currency as it is compared.
fn code(currency: &str) -> [u8; 3] {
    currency.as_bytes().try_into().unwrap_or_default()
}

/// What was settled in one currency can't be paid in another.
fn currency_changed(attributes: &Attributes, settled: Measured) -> Error {
    let line = attributes.get("transaction_id").or(attributes.get("aggregate_key"));
    let (line, found) = (line.unwrap_or_default(), attributes.text("transaction_currency"));
    let expected = String::from_utf8_lossy(&settled.currency);
    Error::check(format!(
        "transaction {line}: expected {expected}, in which a closed cycle settled it, found {found}"
    ))
    .hint("withdraw the line and send it under an id of its own; its program pays as earned")
}
