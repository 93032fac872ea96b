//! The countries of participants, by date, as their memberships say: what rates by market ask for.

use super::names::Names;
use crate::columns;
use crate::error::Result;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::program::{Days, Program};
use std::collections::HashMap;

/// Participant key → its countries, by date. Empty if no program asks for them.
#[derive(Default)]
pub struct Countries(HashMap<i32, Vec<(Days, String)>>);

impl Countries {
    /// # Errors
    /// If a column is missing.
    pub fn read(
        programs: &[Program],
        memberships: &RecordBatch,
        names: &Names,
    ) -> Result<Countries> {
        let mut found: HashMap<i32, Vec<(Days, String)>> = HashMap::new();
        if !programs.iter().any(Program::asks_for_partner_countries) {
            return Ok(Countries(found));
        }
        let location = columns::text(memberships, "location_id")?;
        let country = columns::text(memberships, "country")?;
        let from = columns::date(memberships, "from_on")?;
        let until = columns::date(memberships, "until_on")?;
        for row in 0..memberships.num_rows() {
            let days = Days { from: columns::day(from, row), until: columns::day(until, row) };
            let participant = names.participants.key(location.value(row));
            let country = columns::filled(country, row);
            if let (Some(participant), Some(country)) = (participant, country) {
                found.entry(participant).or_default().push((days, country.to_owned()));
            }
        }
        Ok(Countries(found))
    }

    /// The countries of a participant on a day, in order.
    pub fn on(&self, participant: i32, day: NaiveDate) -> Vec<String> {
        let rows = self.0.get(&participant).into_iter().flatten();
        let mut countries: Vec<String> = rows
            .filter(|(days, _)| days.contain(day))
            .map(|(_, country)| country.clone())
            .collect();
        countries.sort_unstable();
        countries.dedup();
        countries
    }

    /// The days on which a participant's countries may change.
    pub fn days(&self, participant: i32) -> impl Iterator<Item = NaiveDate> {
        let rows = self.0.get(&participant).into_iter().flatten();
        rows.flat_map(|(days, _)| [days.from, days.until]).flatten()
    }
}
