//! What closed cycles made of balances and of co-op, as their files record it.

use super::{Account, Closed, Threshold, kept};
use crate::columns;
use crate::earnings::{FrozenAddition, FrozenBaseline, FrozenRoom};
use crate::eligibility::Frozen;
use crate::error::{Error, Result};
use crate::ingest::{read_columns, read_file};
use crate::schema::{BALANCE_LOTS, BALANCES, DETERMINATIONS};
use crate::warehouse::{DataFile, Snapshot, Store};
use arrow::array::Array;
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::earning::EarningType;
use earnest_core::lots::Lot;
use earnest_core::program::{Program, Redecide};
use earnest_core::waterfall::Movements;
use std::collections::BTreeMap;

/// What a closed cycle made of a balance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub movements: Movements,
    /// What year ends took or gave back, in order of terms.
    pub forfeited: Vec<Forfeited>,
    /// What it left of each cycle's entries, oldest first; of closes that didn't record it none.
    pub lots: Vec<Lot>,
}

/// What a year's end took from a balance, negative if it came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forfeited {
    pub term: String,
    /// In program currency, at money scale.
    pub amount: i128,
}

/// The position of a program.
///
/// # Errors
/// If the job lacks it.
pub fn position(programs: &[Program], name: &str) -> Result<usize> {
    programs.iter().position(|program| program.program == name).ok_or_else(|| {
        Error::usage(format!("program `{name}`: expected it in the job, it has closed cycles"))
            .hint("bring its program file back; a closed cycle stays")
    })
}

/// The earning type of that name.
pub fn earning_type(name: &str) -> Result<EarningType> {
    EarningType::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| Error::broken(format!("expected `rebate`, `coop` or `fee`, found `{name}`")))
}

/// The account of a row's program, earning type and participant.
pub fn account(
    programs: &[Program],
    (program, kind, participant): (&str, &str, &str),
) -> Result<Account> {
    Ok((position(programs, program)?, earning_type(kind)?, participant.to_owned()))
}

/// Reads the movements of balances, their lots, and what was decided for good.
///
/// # Errors
/// If a file can't be read, or names a program that the job lacks.
pub fn read(
    store: &Store,
    snapshot: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    for path in snapshot.paths(store, BALANCES.name) {
        for rows in read_file(&path, &BALANCES)? {
            let text = |name| columns::text(&rows, name);
            let (program, kind) = (text("program")?, text("earning_type")?);
            let (participant, cycle) = (text("participant_id")?, text("cycle")?);
            let money = |name| columns::decimal(&rows, name);
            let (opening, earned, adjusted) =
                (money("opening")?, money("earned")?, money("adjusted")?);
            let (returned, transferred_in) = (money("returned")?, money("transferred_in")?);
            let (converted_in, ordered) = (money("converted_in")?, money("ordered")?);
            let (forfeited, escheated) = (money("forfeited")?, money("escheated")?);
            let (written_off, recovered) = (money("written_off")?, money("recovered_outside")?);
            let transferred_out = money("transferred_out")?;
            for row in 0..rows.num_rows() {
                let of = (program.value(row), kind.value(row), participant.value(row));
                let key = account(programs, of)?;
                let of = closed.outcomes.entry(key).or_default();
                of.entry(cycle.value(row).parse()?).or_default().movements = Movements {
                    opening: opening.value(row),
                    earned: earned.value(row),
                    adjusted: adjusted.value(row),
                    returned: returned.value(row),
                    transferred_in: transferred_in.value(row),
                    converted_in: converted_in.value(row),
                    ordered: ordered.value(row),
                    forfeited: forfeited.value(row),
                    escheated: escheated.value(row),
                    written_off: written_off.value(row),
                    recovered_outside: recovered.value(row),
                    transferred_out: transferred_out.value(row),
                };
            }
        }
    }
    lots(store, snapshot, programs, closed)?;
    let files: Vec<&DataFile> = snapshot.files(DETERMINATIONS.name).iter().collect();
    let all = |_: &Program, _: &str, _: &str| true;
    determinations((store, &files, true), all, programs, closed)
}

/// Reads what closed cycles left of balances.
fn lots(
    store: &Store,
    snapshot: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    for path in snapshot.paths(store, BALANCE_LOTS.name) {
        for rows in read_file(&path, &BALANCE_LOTS)? {
            let text = |name| columns::text(&rows, name);
            let (program, kind) = (text("program")?, text("earning_type")?);
            let (participant, cycle) = (text("participant_id")?, text("cycle")?);
            let (origin, left) = (text("origin_cycle")?, columns::decimal(&rows, "amount_left")?);
            let missing_since = columns::date(&rows, "missing_since")?;
            for row in 0..rows.num_rows() {
                let of = (program.value(row), kind.value(row), participant.value(row));
                let of = closed.outcomes.entry(account(programs, of)?).or_default();
                of.entry(cycle.value(row).parse()?).or_default().lots.push(Lot {
                    origin: origin.value(row).parse()?,
                    left: left.value(row),
                    missing_since: columns::day(missing_since, row),
                });
            }
        }
    }
    let outcomes = closed.outcomes.values_mut().flat_map(BTreeMap::values_mut);
    outcomes.for_each(|outcome| outcome.lots.sort_by_key(|lot| lot.origin));
    Ok(())
}

/// Reads what the snapshot before decided under rules that never decide again.
///
/// # Errors
/// If a file can't be read.
pub fn decided_before(
    store: &Store,
    previous: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    let files = previous.files(DETERMINATIONS.name).iter();
    // A cycle whose close was voided is open again, what it decided for good stays.
    let last = closed.last;
    let is_open = |cycle: Period| last.is_none_or(|last| last < cycle);
    let open: Vec<&DataFile> =
        files.filter(|file| kept::cycle_of(file).is_none_or(is_open)).collect();
    let never = |program: &Program, kind: &str, window: &str| {
        program.redecides(kind, window) == Redecide::Never
    };
    determinations((store, &open, false), never, programs, closed)
}

/// Rows of files, those of closed cycles or others, that count.
fn determinations(
    (store, files, kept): (&Store, &[&DataFile], bool),
    counts: impl Fn(&Program, &str, &str) -> bool,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    let all: Vec<&str> = DETERMINATIONS.columns.iter().map(|column| column.name).collect();
    for file in files {
        read_columns(&store.path(&file.path), &DETERMINATIONS, &all, |rows| {
            let text = |name| columns::text(rows, name);
            let (names, kind, subject) = (text("program")?, text("kind")?, text("subject")?);
            let (window, cycle, outcome) = (text("window")?, text("cycle")?, text("outcome")?);
            let measured = columns::decimal(rows, "measured")?;
            let threshold = columns::decimal(rows, "threshold")?;
            let baseline = columns::decimal(rows, "baseline")?;
            let decided_on = columns::date(rows, "decided_on")?;
            let awarded_to = text("awarded_to")?;
            let (source, transaction_id) = (text("source")?, text("transaction_id")?);
            let (role, transactions) = (text("role")?, columns::integer(rows, "transactions")?);
            for row in 0..rows.num_rows() {
                let program = match position(programs, names.value(row)) {
                    Ok(program) => program,
                    Err(error) if kept => return Err(error),
                    Err(_) => continue,
                };
                let (kind, window) = (kind.value(row), window.value(row));
                if !counts(&programs[program], kind, window) {
                    continue;
                }
                let decided = Decided {
                    program,
                    kind,
                    subject: subject.value(row).to_owned(),
                    window,
                    cycle: cycle.value(row).parse()?,
                    outcome: outcome.value(row),
                    measured: measured.value(row),
                    threshold: threshold.value(row),
                    baseline: baseline.is_valid(row).then(|| baseline.value(row)),
                    awarded_to: columns::filled(awarded_to, row),
                    source: columns::filled(source, row).unwrap_or_default(),
                    transaction_id: columns::filled(transaction_id, row).unwrap_or_default(),
                    role: columns::filled(role, row),
                    transactions: transactions.is_valid(row).then(|| transactions.value(row)),
                    on: columns::day(decided_on, row).unwrap_or(NaiveDate::MIN),
                    closed_by: kept::cycle_of(file).filter(|_| kept),
                };
                decided.add(programs, closed)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// A row of `determinations`.
struct Decided<'a> {
    program: usize,
    kind: &'a str,
    subject: String,
    window: &'a str,
    cycle: Period,
    outcome: &'a str,
    measured: i128,
    threshold: i128,
    /// At amount scale.
    baseline: Option<i128>,
    awarded_to: Option<&'a str>,
    source: &'a str,
    transaction_id: &'a str,
    role: Option<&'a str>,
    transactions: Option<i64>,
    on: NaiveDate,
    /// `None`: it isn't a closed cycle's row.
    closed_by: Option<Period>,
}

impl Decided<'_> {
    fn add(self, programs: &[Program], closed: &mut Closed) -> Result<()> {
        let (cycle, kept) = (self.cycle, self.closed_by.is_some());
        let qualified = self.outcome == "qualified";
        let (measured, program) = (self.measured, self.program);
        let never = programs[program].redecides(self.kind, self.window) == Redecide::Never;
        match self.kind {
            "coop_threshold" => {
                let half = FiscalHalf::named(self.window, programs[program].fiscal_year_start)?;
                let threshold = self.threshold;
                let threshold = Threshold { cycle, qualified, measured, threshold, kept };
                closed.thresholds.insert((program, self.subject, half), threshold);
            }
            "forfeiture" => {
                let (term, kind) = forfeiture(self.window)?;
                let forfeited = Forfeited { term: term.to_owned(), amount: measured };
                let of = closed.outcomes.entry((program, kind, self.subject)).or_default();
                of.entry(cycle).or_default().forfeited.push(forfeited);
            }
            "customer_add" => closed.added.push(FrozenAddition {
                program,
                customer: self.subject,
                window: self.window.to_owned(),
                cycle,
                participant: self.awarded_to.map(str::to_owned),
                transaction_id: self.transaction_id.to_owned(),
                source: self.source.to_owned(),
                role: self.role.map(str::to_owned),
                on: self.on,
                measured,
                threshold: self.threshold,
                closed_by: self.closed_by.filter(|_| !never),
                kept,
                corrected: false,
                resold: false,
            }),
            "baseline" => {
                let row = FrozenBaseline {
                    cycle,
                    amount: self.baseline.unwrap_or_default(),
                    closed_by: self.closed_by.filter(|_| !never),
                    kept,
                };
                let program = &programs[program].program;
                closed.baselines.add((program, &self.subject, self.window), row);
            }
            "cap_room" => closed.rooms.push(FrozenRoom {
                program,
                subject: self.subject,
                window: self.window.to_owned(),
                cycle,
                taken: measured,
                limit: self.threshold,
                on: self.on,
                source: Some(self.source).filter(|source| !source.is_empty()).map(str::to_owned),
                transaction_id: self.transaction_id.to_owned(),
            }),
            _ => closed.revenue.push(Frozen {
                program: programs[program].program.clone(),
                subject: self.subject,
                window: self.window.to_owned(),
                cycle,
                on: self.on,
                measured,
                threshold: self.threshold,
                transactions: self.transactions,
                qualified,
                kept,
                closed_by: self.closed_by.filter(|_| !never),
            }),
        }
        Ok(())
    }
}

/// Term and earning type of a forfeiture's window, `term/earning type/cycle`.
///
/// # Errors
/// If it is none.
pub fn forfeiture(window: &str) -> Result<(&str, EarningType)> {
    let mut parts = window.rsplitn(3, '/');
    let (_, kind, term) = (parts.next(), parts.next(), parts.next());
    let (Some(kind), Some(term)) = (kind, term) else {
        let rule = "expected `term/earning type/cycle` of a forfeiture";
        return Err(Error::broken(format!("{rule}, found `{window}`")));
    };
    Ok((term, earning_type(kind)?))
}
