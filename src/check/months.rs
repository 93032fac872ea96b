//! Checks month by month, so that their memory doesn't grow with the years. In: a SELECT of faults, or statements,
//! over the months for which `checked(period)` holds. Out: the faults of all months, or what statements left.

use super::{SHOWN, faults as faults_of};
use crate::error::Result;
use crate::query::literal;
use duckdb::Connection;
use std::cell::OnceCell;

/// Rows of results at a time, unless a month alone has more; planning a statement costs as much as some
/// hundred thousand of them.
const ROWS_AT_A_TIME: u64 = 4_000_000;

/// The months of a snapshot, counted when a check first asks for them.
pub struct Months<'a> {
    pub connection: &'a Connection,
    batches: OnceCell<Vec<(String, String)>>,
}

impl<'a> Months<'a> {
    pub fn of(connection: &'a Connection) -> Months<'a> {
        Months { connection, batches: OnceCell::new() }
    }

    /// Something for all months, some months at a time, while it says that there is more to do.
    ///
    /// # Errors
    /// If DuckDB breaks.
    fn each(&self, mut something: impl FnMut() -> Result<bool>) -> Result<()> {
        for (first, last) in self.batches()? {
            self.connection.execute_batch(&format!(
                "CREATE OR REPLACE TEMP MACRO checked(period) AS period BETWEEN {} AND {}",
                literal(first),
                literal(last)
            ))?;
            if !something()? {
                break;
            }
        }
        Ok(())
    }

    /// Statements, over all months.
    ///
    /// # Errors
    /// If DuckDB breaks.
    pub fn execute(&self, sql: &str) -> Result<()> {
        self.each(|| {
            self.connection.execute_batch(sql)?;
            Ok(true)
        })
    }

    /// The first faults of all months.
    ///
    /// # Errors
    /// If DuckDB breaks.
    pub fn faults(&self, sql: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        self.each(|| {
            found.extend(faults_of(self.connection, sql)?);
            Ok(found.len() < SHOWN)
        })?;
        found.truncate(SHOWN);
        Ok(found)
    }

    fn batches(&self) -> Result<&[(String, String)]> {
        if let Some(batches) = self.batches.get() {
            return Ok(batches);
        }
        let counted = batches(rows_by_month(self.connection)?, ROWS_AT_A_TIME);
        Ok(self.batches.get_or_init(|| counted))
    }
}

/// Every month that has a transaction or an outcome, and how many of both, in order.
fn rows_by_month(connection: &Connection) -> Result<Vec<(String, u64)>> {
    let mut statement = connection.prepare(
        "SELECT period, count(*)::UBIGINT
        FROM (
            SELECT period FROM transactions_in_force
            UNION ALL SELECT period FROM earnings
            UNION ALL SELECT period FROM earning_sources
            UNION ALL SELECT period FROM unearned
            UNION ALL SELECT period FROM out_of_scope
        )
        GROUP BY ALL ORDER BY ALL",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<duckdb::Result<_>>()?)
}

/// First and last months of batches of at most so many rows, or of one month that has more.
fn batches(months: Vec<(String, u64)>, at_most: u64) -> Vec<(String, String)> {
    let mut batches: Vec<(String, String)> = Vec::new();
    let mut room = 0;
    for (month, rows) in months {
        match batches.last_mut() {
            Some((_, last)) if rows <= room => {
                *last = month;
                room -= rows;
            }
            _ => {
                batches.push((month.clone(), month));
                room = at_most.saturating_sub(rows);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_checked_together_up_to_a_number_of_rows() {
        let months =
            [("2025-01", 3), ("2025-02", 7), ("2025-04", 1), ("2025-05", 20), ("2025-06", 1)];
        let months = months.map(|(month, rows)| (month.to_owned(), rows));
        let found = batches(months.to_vec(), 10);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(first, last)| (first.as_str(), last.as_str())).collect();
        let expected = [
            ("2025-01", "2025-02"),
            ("2025-04", "2025-04"),
            ("2025-05", "2025-05"),
            ("2025-06", "2025-06"),
        ];
        assert_eq!(found, expected);
        assert!(batches(Vec::new(), 10).is_empty());
    }
}
