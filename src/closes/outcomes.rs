//! What closed cycles made of balances and of co-op, as their files record it.

use super::{Closed, Threshold};
use crate::columns;
use crate::earnings::FrozenAddition;
use crate::eligibility::Frozen;
use crate::error::{Error, Result};
use crate::ingest::read_file;
use crate::schema::{BALANCES, DETERMINATIONS};
use crate::warehouse::{Snapshot, Store};
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use earnest_core::waterfall::Movements;

/// What a closed cycle made of a balance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub movements: Movements,
    /// What year ends took or gave back, in order of terms.
    pub forfeited: Vec<Forfeited>,
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
fn earning_type(name: &str) -> Result<EarningType> {
    EarningType::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| Error::broken(format!("expected `rebate`, `coop` or `fee`, found `{name}`")))
}

/// Reads the movements of balances, and what was decided for good.
///
/// # Errors
/// If a file can't be read, or names a program that the job lacks.
pub fn read(
    store: &Store,
    kept: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    for path in kept.paths(store, BALANCES.name) {
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
                let key = (
                    position(programs, program.value(row))?,
                    earning_type(kind.value(row))?,
                    participant.value(row).to_owned(),
                );
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
    determinations(store, kept, programs, closed)
}

fn determinations(
    store: &Store,
    kept: &Snapshot,
    programs: &[Program],
    closed: &mut Closed,
) -> Result<()> {
    for path in kept.paths(store, DETERMINATIONS.name) {
        for rows in read_file(&path, &DETERMINATIONS)? {
            let text = |name| columns::text(&rows, name);
            let (program, kind, subject) = (text("program")?, text("kind")?, text("subject")?);
            let (window, cycle, outcome) = (text("window")?, text("cycle")?, text("outcome")?);
            let measured = columns::decimal(&rows, "measured")?;
            let decided_on = columns::date(&rows, "decided_on")?;
            let awarded_to = text("awarded_to")?;
            for row in 0..rows.num_rows() {
                let program = position(programs, program.value(row))?;
                let subject = subject.value(row).to_owned();
                let cycle: Period = cycle.value(row).parse()?;
                match kind.value(row) {
                    "coop_threshold" => {
                        let start = programs[program].fiscal_year_start;
                        let half = FiscalHalf::named(window.value(row), start)?;
                        let qualified = outcome.value(row) == "qualified";
                        let threshold = Threshold { cycle, qualified };
                        closed.thresholds.insert((program, subject, half), threshold);
                    }
                    "forfeiture" => {
                        let (term, kind) = forfeiture(window.value(row))?;
                        let term = term.to_owned();
                        let forfeited = Forfeited { term, amount: measured.value(row) };
                        let of = closed.outcomes.entry((program, kind, subject)).or_default();
                        of.entry(cycle).or_default().forfeited.push(forfeited);
                    }
                    "customer_add" => closed.added.push(FrozenAddition {
                        program,
                        customer: subject,
                        window: window.value(row).to_owned(),
                        participant: awarded_to.value(row).to_owned(),
                    }),
                    _ => closed.revenue.push(Frozen {
                        program: programs[program].program.clone(),
                        subject,
                        window: window.value(row).to_owned(),
                        on: columns::day(decided_on, row).unwrap_or(NaiveDate::MIN),
                        measured: measured.value(row),
                    }),
                }
            }
        }
    }
    Ok(())
}

/// Term and earning type of a forfeiture's window, `term/earning type/cycle`.
fn forfeiture(window: &str) -> Result<(&str, EarningType)> {
    let mut parts = window.rsplitn(3, '/');
    let (_, kind, term) = (parts.next(), parts.next(), parts.next());
    let (Some(kind), Some(term)) = (kind, term) else {
        let rule = "expected `term/earning type/cycle` of a forfeiture";
        return Err(Error::broken(format!("{rule}, found `{window}`")));
    };
    Ok((term, earning_type(kind)?))
}
