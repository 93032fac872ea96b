//! The days on which closed cycles were due. In: what closed cycles ordered and decided, as their files record it.
//! Out: the programs, which keep these days whatever their calendars say since; a holiday that is declared later
//! moves no day that is over, nor what was claimed by it. A day that was recorded of one earning type is also that
//! of those that are due on the same days.

use super::kept;
use super::outcomes::{earning_type, forfeiture};
use crate::columns;
use crate::error::Result;
use crate::ingest::read_columns;
use crate::schema::{DETERMINATIONS, PAYMENTS};
use crate::warehouse::{Snapshot, Store};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use std::collections::{BTreeMap, HashMap};

/// The days that were recorded, by earning type and cycle.
type Recorded = BTreeMap<(EarningType, Period), NaiveDate>;

/// The programs with the days on which the closed cycles of a snapshot were due.
///
/// # Errors
/// If a file of a closed cycle can't be read.
pub fn dated(store: &Store, snapshot: &Snapshot, programs: &[Program]) -> Result<Vec<Program>> {
    let mut days: HashMap<String, Recorded> = HashMap::new();
    for (table, kind, day, of) in [
        (&DETERMINATIONS, "kind", "decided_on", "window"),
        (&PAYMENTS, "order_kind", "due_on", "earning_type"),
    ] {
        let names = ["program", "cycle", kind, day, of];
        for file in snapshot.files(table.name).iter().filter(|file| kept::cycle_of(file).is_some())
        {
            read_columns(&store.path(&file.path), table, &names, |rows| {
                let text = |name| columns::text(rows, name);
                let (program, cycle, kind) = (text("program")?, text("cycle")?, text(kind)?);
                let (on, of) = (columns::date(rows, day)?, text(of)?);
                for row in 0..rows.num_rows() {
                    let earning_type = match kind.value(row) {
                        "coop_threshold" => EarningType::Coop,
                        "forfeiture" => forfeiture(of.value(row))?.1,
                        "cycle" | "reissue" => earning_type(of.value(row))?,
                        _ => continue,
                    };
                    if let Some(day) = columns::day(on, row) {
                        let days = days.entry(program.value(row).to_owned()).or_default();
                        days.insert((earning_type, cycle.value(row).parse()?), day);
                    }
                }
                Ok(())
            })?;
        }
    }
    let dated = |program: &Program| Program {
        closed_due: days
            .get(&program.program)
            .map(|days| shared(program, days))
            .unwrap_or_default(),
        ..program.clone()
    };
    Ok(programs.iter().map(dated).collect())
}

/// What was recorded, each day also for the earning types that are due on the same days and have none.
fn shared(program: &Program, recorded: &Recorded) -> Recorded {
    let mut days = recorded.clone();
    for (&(of, cycle), &day) in recorded {
        let alike =
            |other: &EarningType| program.calendar(*other).has_days_of(program.calendar(of));
        for other in EarningType::ALL.into_iter().filter(alike) {
            days.entry((other, cycle)).or_insert(day);
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "all"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
[[split]]
rebate = "0.5"
coop = "0.25"
fee = "0.25"
[payment]
minimum = "0"
"#;

    #[test]
    fn a_recorded_day_is_that_of_types_that_are_due_on_the_same_days() {
        let (cycle, day) = (Period::of(NaiveDate::MIN), NaiveDate::MIN);
        let recorded = Recorded::from([((EarningType::Rebate, cycle), day)]);
        let shared = |payment: &str| -> Vec<EarningType> {
            let text = format!("{PROGRAM}{payment}");
            let program = Program::parse("p.toml", &text).expect("a program");
            shared(&program, &recorded).into_keys().map(|(of, _)| of).collect()
        };
        let [rebate, coop, fee] = EarningType::ALL;
        assert_eq!(shared("[payment.fee]\nmonths_after = 1"), [rebate, coop, fee]);
        assert_eq!(shared("[payment.fee]\nday = 28"), [rebate, coop]);
    }
}
