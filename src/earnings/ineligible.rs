//! What may not earn whoever sells it. In: the rows of `ineligibilities` in force. Out: for a line, the
//! published reasons against its product, its customer and itself, in this order, with the program.
//! Without any row nothing is looked up.

use super::facts::day;
use crate::columns;
use crate::eligibility::Called;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::program::Program;
use earnest_core::reason::Reason;
use std::collections::HashMap;

/// What rows can be about, in order of precedence.
const KINDS: [&str; 3] = ["product", "customer", "transaction"];

/// A reason against a line, in one program or in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    program: Option<usize>,
    pub reason: Reason,
    /// It is about the line itself, not about its product or customer.
    pub of_line: bool,
}

impl Bar {
    pub fn concerns(&self, program: usize) -> bool {
        self.program.is_none_or(|concerned| concerned == program)
    }
}

/// Rows by kind and id.
#[derive(Default)]
pub struct Ineligible {
    kinds: [HashMap<String, Vec<Row>>; 3],
}

struct Row {
    bar: Bar,
    /// Half-open.
    days: (NaiveDate, NaiveDate),
}

impl Ineligible {
    /// Rows that name a program no file describes are left out; those that name none are about all.
    ///
    /// # Errors
    /// If a row has a kind or a reason that the shipped format doesn't allow.
    pub fn read(programs: &[Program], rows: &RecordBatch) -> Result<Ineligible> {
        let text = |name| columns::text(rows, name);
        let (kind, id, reason) = (text("kind")?, text("id")?, text("reason")?);
        let program = text("program")?;
        let (from, until) = (columns::date(rows, "from_on")?, columns::date(rows, "until_on")?);
        let mut called = Called::new(programs);
        let mut found = Ineligible::default();
        for row in 0..rows.num_rows() {
            let place = KINDS.iter().position(|known| *known == kind.value(row));
            let place = place.ok_or_else(|| refused("kind", kind.value(row)))?;
            let reason = Reason::published(reason.value(row))
                .ok_or_else(|| refused("reason", reason.value(row)))?;
            let of_line = KINDS[place] == "transaction";
            let days = (
                columns::day(from, row).unwrap_or(NaiveDate::MIN),
                columns::day(until, row).unwrap_or(NaiveDate::MAX),
            );
            let listed = found.kinds[place].entry(id.value(row).to_owned()).or_default();
            match columns::filled(program, row) {
                None => listed.push(Row { bar: Bar { program: None, reason, of_line }, days }),
                Some(name) => {
                    listed.extend(called.programs(name).iter().map(|&(program, named)| {
                        let bar = Bar { program: Some(program), reason, of_line };
                        Row { bar, days: (days.0.max(named.first()), days.1.min(named.end())) }
                    }))
                }
            }
        }
        for listed in found.kinds.iter_mut().flat_map(HashMap::values_mut) {
            listed.sort_by_key(|row| row.bar.reason);
        }
        Ok(found)
    }

    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(HashMap::is_empty)
    }

    /// Sets `bars` to what is against a line, by precedence. `ids` are its product, customer and
    /// transaction id, `on` its day since 1970.
    pub fn bars(&self, ids: [Option<&str>; 3], on: i32, bars: &mut Vec<Bar>) {
        bars.clear();
        for (listed, id) in self.kinds.iter().zip(ids) {
            let rows = id.and_then(|id| listed.get(id)).into_iter().flatten();
            let on = day(on);
            bars.extend(rows.filter(|row| row.days.0 <= on && on < row.days.1).map(|row| row.bar));
        }
    }
}

fn refused(column: &str, found: &str) -> Error {
    Error::check(format!("ineligibilities: expected a {column} that is known, found `{found}`"))
        .hint(format!("the shipped format lists them in `allowed` of the column `{column}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::fixtures::table;
    use crate::schema::INELIGIBILITIES;

    fn programs() -> Vec<Program> {
        let text = |key: &str| {
            format!(
                "program = \"{key}\"\nname = \"The {key}\"\ncurrency = \"USD\"\npays = [\"direct\"]\n\
                 [[term]]\nterm = \"all\"\n[[lever]]\nlever = \"core\"\nname = \"Core\"\n\
                 draws = \"billing\"\nproduct_groups = [\"*\"]\n[[lever.rate]]\nrate = \"0.04\"\n\
                 [payment]\nminimum = \"200\"\n"
            )
        };
        ["a", "b"].map(|key| Program::parse("p.toml", &text(key)).expect("a program")).into()
    }

    fn read(rows: &[&str]) -> Result<Ineligible> {
        Ineligible::read(&programs(), &table(&INELIGIBILITIES, rows))
    }

    /// The codes against a line of product P, customer C and id T on a day, in a program.
    fn codes(ineligible: &Ineligible, on: &str, program: usize) -> Vec<&'static str> {
        let on: NaiveDate = on.parse().expect("a day");
        let mut bars = Vec::new();
        ineligible.bars([Some("P"), Some("C"), Some("T")], on.to_epoch_days(), &mut bars);
        let concerning = bars.iter().filter(|bar| bar.concerns(program));
        concerning.map(|bar| bar.reason.code()).collect()
    }

    #[test]
    fn product_comes_before_customer_before_transaction() {
        let ineligible = read(&[
            "kind=transaction|id=T|reason=INVTNXACO",
            "kind=customer|id=C|reason=CUSNOTNEW|from_on=2021-02-01|until_on=2021-03-01",
            "kind=customer|id=C|reason=CUSPUBSEC|program=The b",
            "kind=product|id=P|reason=IVDCLD|until_on=2021-02-01",
            "kind=product|id=C|reason=IVDGEO",
            "kind=product|id=P|reason=IVDGEO|program=other",
        ])
        .expect("rows");
        assert_eq!(codes(&ineligible, "2021-01-31", 0), ["IVDCLD", "INVTNXACO"]);
        assert_eq!(codes(&ineligible, "2021-01-31", 1), ["IVDCLD", "CUSPUBSEC", "INVTNXACO"]);
        assert_eq!(codes(&ineligible, "2021-02-28", 1), ["CUSPUBSEC", "CUSNOTNEW", "INVTNXACO"]);
        assert_eq!(codes(&ineligible, "2021-03-01", 0), ["INVTNXACO"]);
        assert!(!ineligible.is_empty());
        assert!(read(&[]).expect("no rows").is_empty());
    }

    #[test]
    fn what_the_format_allows_is_what_is_known() {
        for (row, expected) in [
            ("kind=planet|id=P|reason=IVDCLD", "found `planet`"),
            ("kind=product|id=P|reason=NORATE", "found `NORATE`"),
        ] {
            let error = read(&[row]).err().expect(row).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let format: toml::Table =
            include_str!("../../pipelines/sources/ineligibilities.toml").parse().expect("TOML");
        let allowed = |name: &str| -> Vec<String> {
            let columns = format["column"].as_array().expect("columns").iter();
            let mut columns = columns.filter(|column| column["name"].as_str() == Some(name));
            let allowed = columns.next().expect("the column")["allowed"].as_array().cloned();
            let allowed = allowed.expect("a list").into_iter();
            allowed.map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(allowed("kind"), KINDS);
        assert_eq!(allowed("reason"), Reason::PUBLISHED.map(Reason::code));
    }
}
