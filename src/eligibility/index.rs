//! The dimension tables, indexed by location, and the facts they give for each requirement.

use super::Dimensions;
use super::map::Called;
use crate::columns;
use crate::error::Result;
use arrow::array::{Date32Array, RecordBatch, StringArray};
use chrono::NaiveDate;
use earnest_core::eligibility::{Fact, Range, cover};
use earnest_core::program::{Program, Requirement, RequirementKind};
use std::collections::HashMap;

/// The status with which an enrollment is complete.
pub const ENROLLED: &str = "Enrolled";
const ACTIVE: &str = "Active";

/// Rows of the dimension tables that have days, by location.
pub struct Index<'a> {
    memberships: HashMap<&'a str, Vec<Membership<'a>>>,
    agreements: HashMap<&'a str, Vec<Agreement<'a>>>,
    competencies: HashMap<&'a str, Vec<Competency<'a>>>,
    /// By program and location.
    enrollments: Vec<HashMap<&'a str, Vec<Enrollment<'a>>>>,
}

pub struct Membership<'a> {
    pub fact: Fact,
    /// The company.
    pub global_id: &'a str,
    status: &'a str,
    /// What the export says of the location, whatever the row's days.
    first_transaction_on: Option<NaiveDate>,
}

struct Agreement<'a> {
    fact: Fact,
    agreement_type: &'a str,
    active: bool,
}

struct Competency<'a> {
    fact: Fact,
    name: &'a str,
    level: &'a str,
}

pub struct Enrollment<'a> {
    pub fact: Fact,
    pub status: &'a str,
    /// Both payout and tax profile are validated.
    pub profiles: bool,
}

impl<'a> Index<'a> {
    pub fn new(programs: &[Program], dimensions: &'a Dimensions) -> Result<Index<'a>> {
        Ok(Index {
            memberships: memberships(&dimensions.memberships)?,
            agreements: agreements(&dimensions.agreements)?,
            competencies: competencies(&dimensions.competencies)?,
            enrollments: enrollments(programs, &dimensions.enrollments)?,
        })
    }

    pub fn memberships(&self, location: &str) -> &[Membership<'a>] {
        self.memberships.get(location).map_or(&[], Vec::as_slice)
    }

    pub fn enrollments(&self, program: usize, location: &str) -> &[Enrollment<'a>] {
        self.enrollments[program].get(location).map_or(&[], Vec::as_slice)
    }

    /// Locations with an enrollment in the program.
    pub fn enrolled(&self, program: usize) -> impl Iterator<Item = &'a str> + '_ {
        self.enrollments[program].keys().copied()
    }

    /// Per company, the days on which a competency that meets the requirement counts for it: those
    /// of the competency on which its location belongs to the company. Empty for other requirements.
    pub fn of_companies(&self, requirement: &Requirement) -> HashMap<&'a str, Vec<Fact>> {
        let mut companies: HashMap<&'a str, Vec<Fact>> = HashMap::new();
        for (location, rows) in &self.competencies {
            let facts = rows.iter().filter(|row| row.meets(requirement)).map(|row| row.fact);
            let facts = cover(facts.collect());
            for membership in self.memberships(location) {
                let within = facts.iter().filter_map(|fact| fact.within(membership.fact.days));
                companies.entry(membership.global_id).or_default().extend(within);
            }
        }
        companies.into_iter().map(|(company, facts)| (company, cover(facts))).collect()
    }

    /// The facts by which a location meets a requirement. `companies` is what
    /// [`Index::of_companies`] gave for it, `first` the day of its first transaction.
    pub fn facts(
        &self,
        program: usize,
        requirement: &Requirement,
        companies: &HashMap<&'a str, Vec<Fact>>,
        location: &str,
        first: Option<NaiveDate>,
    ) -> Vec<Fact> {
        match &requirement.kind {
            RequirementKind::Agreement { types, .. } => self
                .agreements
                .get(location)
                .into_iter()
                .flatten()
                .filter(|row| row.active && types.iter().any(|name| name == row.agreement_type))
                .map(|row| row.fact)
                .collect(),
            RequirementKind::Membership { statuses } => self
                .memberships(location)
                .iter()
                .filter(|row| statuses.iter().any(|status| status == row.status))
                .map(|row| row.fact)
                .collect(),
            RequirementKind::FirstTransaction => {
                let known = self.memberships(location).iter();
                let known = known.filter_map(|row| row.first_transaction_on);
                let first = known.chain(first).min();
                first.and_then(|day| Fact::of(Some(day), None)).into_iter().collect()
            }
            RequirementKind::Competency { .. } => {
                let own = self.competencies.get(location).into_iter().flatten();
                let own = own.filter(|row| row.meets(requirement)).map(|row| row.fact);
                let company = self.memberships(location).iter().flat_map(|membership| {
                    let facts = companies.get(membership.global_id).into_iter().flatten();
                    facts.filter_map(|fact| fact.within(membership.fact.days))
                });
                own.chain(company).collect()
            }
            RequirementKind::Enrollment => self
                .enrollments(program, location)
                .iter()
                .filter(|row| row.status == ENROLLED && row.profiles)
                .map(|row| row.fact)
                .collect(),
        }
    }
}

impl Competency<'_> {
    fn meets(&self, requirement: &Requirement) -> bool {
        let RequirementKind::Competency { names, levels } = &requirement.kind else { return false };
        (names.is_empty() || names.iter().any(|name| name == self.name))
            && levels.iter().any(|level| level == self.level)
    }
}

/// The dates of a table's rows.
struct Dates<'a> {
    from: &'a Date32Array,
    until: &'a Date32Array,
}

impl<'a> Dates<'a> {
    fn of(rows: &'a RecordBatch) -> Result<Dates<'a>> {
        let (from, until) = (columns::date(rows, "from_on")?, columns::date(rows, "until_on")?);
        Ok(Dates { from, until })
    }

    /// `None` for a row without a day.
    fn fact(&self, row: usize) -> Option<Fact> {
        Fact::of(columns::day(self.from, row), columns::day(self.until, row))
    }
}

/// Groups the rows that have days by location.
fn by_location<T>(
    rows: &RecordBatch,
    mut read: impl FnMut(usize, Fact) -> T,
) -> Result<HashMap<&str, Vec<T>>> {
    let (location, dates) = (columns::text(rows, "location_id")?, Dates::of(rows)?);
    let mut grouped: HashMap<&str, Vec<T>> = HashMap::new();
    for row in 0..rows.num_rows() {
        if let Some(fact) = dates.fact(row) {
            grouped.entry(location.value(row)).or_default().push(read(row, fact));
        }
    }
    Ok(grouped)
}

fn memberships(rows: &RecordBatch) -> Result<HashMap<&str, Vec<Membership<'_>>>> {
    let (global_id, status) = (columns::text(rows, "global_id")?, columns::text(rows, "status")?);
    let first = columns::date(rows, "first_transaction_on")?;
    by_location(rows, |row, fact| Membership {
        fact,
        first_transaction_on: columns::day(first, row),
        global_id: global_id.value(row),
        status: status.value(row),
    })
}

fn agreements(rows: &RecordBatch) -> Result<HashMap<&str, Vec<Agreement<'_>>>> {
    let (kind, status) = (columns::text(rows, "agreement_type")?, columns::text(rows, "status")?);
    by_location(rows, |row, fact| Agreement {
        fact,
        agreement_type: kind.value(row),
        active: columns::filled(status, row).is_none_or(|status| status == ACTIVE),
    })
}

fn competencies(rows: &RecordBatch) -> Result<HashMap<&str, Vec<Competency<'_>>>> {
    let (name, level) = (columns::text(rows, "competency")?, columns::text(rows, "level")?);
    by_location(rows, |row, fact| Competency {
        fact,
        name: name.value(row),
        level: level.value(row),
    })
}

fn enrollments<'a>(
    programs: &[Program],
    rows: &'a RecordBatch,
) -> Result<Vec<HashMap<&'a str, Vec<Enrollment<'a>>>>> {
    let text = |name| -> Result<&'a StringArray> { columns::text(rows, name) };
    let (location, program, status) = (text("location_id")?, text("program")?, text("status")?);
    let (payout, tax) = (text("payout_profile")?, text("tax_profile")?);
    let (dates, mut called) = (Dates::of(rows)?, Called::new(programs));
    let mut grouped: Vec<HashMap<&str, Vec<Enrollment<'_>>>> =
        programs.iter().map(|_| HashMap::new()).collect();
    for row in 0..rows.num_rows() {
        let Some(fact) = dates.fact(row) else { continue };
        let profiles = [payout, tax].iter().all(|column| columns::filled(column, row).is_some());
        for &program in called.programs(program.value(row)) {
            let enrollment = Enrollment { fact, status: status.value(row), profiles };
            grouped[program].entry(location.value(row)).or_default().push(enrollment);
        }
    }
    Ok(grouped)
}

/// Of dated values, the last one in force within a range of days: the one that goes on longest
/// within it, then the one that began last, then the greatest.
pub fn last_within<'a, T: Ord>(
    rows: impl IntoIterator<Item = (Range, &'a T)>,
    range: Range,
) -> Option<&'a T> {
    rows.into_iter()
        .filter(|(days, _)| days.0 < range.1 && range.0 < days.1)
        .max_by_key(|(days, value)| (days.1.min(range.1), days.0, *value))
        .map(|(_, value)| value)
}
