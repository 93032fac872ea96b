//! The dimension tables, indexed by location, and the facts they give for each requirement.

use super::Dimensions;
use super::map::Called;
use super::revenue::Qualifications;
use crate::columns;
use crate::error::Result;
use arrow::array::{Array, Date32Array, RecordBatch, StringArray};
use chrono::NaiveDate;
use earnest_core::eligibility::{Fact, Range, cover};
use earnest_core::program::{Condition, ConditionKind, Follow, Program, Term};
use std::collections::{HashMap, HashSet};

/// The status with which an enrollment is complete.
pub const ENROLLED: &str = "Enrolled";
const ACTIVE: &str = "Active";

/// Rows of the dimension tables that have days, by location.
pub struct Index<'a> {
    memberships: HashMap<&'a str, Vec<Membership<'a>>>,
    agreements: HashMap<&'a str, Vec<Agreement<'a>>>,
    competencies: HashMap<&'a str, Vec<Competency<'a>>>,
    designations: HashMap<&'a str, Vec<Designation<'a>>>,
    /// By program and location.
    enrollments: Vec<HashMap<&'a str, Vec<Enrollment<'a>>>>,
}

pub struct Membership<'a> {
    pub fact: Fact,
    /// The company.
    pub global_id: &'a str,
    status: &'a str,
    country: Option<&'a str>,
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

struct Designation<'a> {
    fact: Fact,
    name: &'a str,
    held: bool,
    /// At amount scale.
    points: Option<i128>,
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
            designations: designations(&dimensions.designations)?,
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

    /// Per company, the days on which something of its locations meets the condition: those of the
    /// competency or designation on which its location belongs to the company. Empty for others.
    pub fn of_companies(&self, condition: &Condition) -> HashMap<&'a str, Vec<Fact>> {
        let mut companies: HashMap<&'a str, Vec<Fact>> = HashMap::new();
        let holders: HashSet<&str> =
            self.competencies.keys().chain(self.designations.keys()).copied().collect();
        for location in holders {
            let facts = cover(self.own(condition, location));
            for membership in self.memberships(location) {
                let within = facts.iter().filter_map(|fact| fact.within(membership.fact.days));
                companies.entry(membership.global_id).or_default().extend(within);
            }
        }
        companies.into_iter().map(|(company, facts)| (company, cover(facts))).collect()
    }

    /// The facts of a location's own competencies and designations that meet the condition.
    fn own(&self, condition: &Condition, location: &str) -> Vec<Fact> {
        match &condition.kind {
            ConditionKind::Competency { names, levels } => {
                let rows = self.competencies.get(location).into_iter().flatten();
                let rows = rows.filter(|row| is_among(names, row.name));
                let rows = rows.filter(|row| levels.iter().any(|level| level == row.level));
                rows.map(|row| row.fact).collect()
            }
            ConditionKind::Designation { names, points } => {
                let rows = self.designations.get(location).into_iter().flatten();
                let rows = rows.filter(|row| is_among(names, row.name));
                let rows = rows.filter(|row| match points {
                    None => row.held,
                    Some(least) => row.points.is_some_and(|points| points >= *least),
                });
                rows.map(|row| row.fact).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The facts by which a location meets a condition. `first` is the day of its first transaction.
    pub fn facts(
        &self,
        program: usize,
        ready: &Ready<'a>,
        location: &str,
        first: Option<NaiveDate>,
    ) -> Vec<Fact> {
        let condition = ready.condition;
        let of_company = || {
            self.memberships(location).iter().flat_map(|membership| {
                let facts = ready.companies.get(membership.global_id).into_iter().flatten();
                facts.filter_map(|fact| fact.within(membership.fact.days))
            })
        };
        let facts: Vec<Fact> = match &condition.kind {
            ConditionKind::Agreement { types } => self
                .agreements
                .get(location)
                .into_iter()
                .flatten()
                .filter(|row| row.active && types.iter().any(|name| name == row.agreement_type))
                .map(|row| row.fact)
                .collect(),
            ConditionKind::Membership { statuses } => self
                .memberships(location)
                .iter()
                .filter(|row| statuses.iter().any(|status| status == row.status))
                .map(|row| row.fact)
                .collect(),
            ConditionKind::LocationCountry { countries } => self
                .memberships(location)
                .iter()
                .filter(|row| countries.iter().any(|one| Some(one.as_str()) == row.country))
                .map(|row| row.fact)
                .collect(),
            ConditionKind::FirstTransaction => {
                let known = self.memberships(location).iter();
                let known = known.filter_map(|row| row.first_transaction_on);
                let first = known.chain(first).min();
                first.and_then(|day| Fact::of(Some(day), None)).into_iter().collect()
            }
            ConditionKind::TrailingRevenue(trailing) => {
                let sold = &ready.sold;
                let own = Qualifications::fact(sold.locations.get(location));
                let mut facts: Vec<Fact> = own.into_iter().collect();
                if trailing.follow == Follow::Company {
                    for membership in self.memberships(location) {
                        let company = sold.companies.get(membership.global_id);
                        let company = Qualifications::fact(company);
                        facts.extend(company.and_then(|fact| fact.within(membership.fact.days)));
                    }
                }
                facts
            }
            ConditionKind::Competency { .. } | ConditionKind::Designation { .. } => {
                self.own(condition, location).into_iter().chain(of_company()).collect()
            }
            ConditionKind::Enrollment => self
                .enrollments(program, location)
                .iter()
                .filter(|row| row.status == ENROLLED && row.profiles)
                .map(|row| row.fact)
                .collect(),
        };
        match condition.renewal {
            None => facts,
            Some(renewal) => {
                facts.into_iter().filter_map(|fact| renewal.limit(fact, ready.terms)).collect()
            }
        }
    }
}

/// A condition of a program with what was found out once for all participants.
pub struct Ready<'a> {
    pub condition: &'a Condition,
    pub terms: &'a [Term],
    /// Facts of a company's locations, which count for all of them.
    pub companies: HashMap<&'a str, Vec<Fact>>,
    pub sold: Qualifications,
}

/// No names are all names.
fn is_among(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|one| one == name)
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
    let country = columns::text(rows, "country")?;
    by_location(rows, |row, fact| Membership {
        fact,
        first_transaction_on: columns::day(first, row),
        global_id: global_id.value(row),
        status: status.value(row),
        country: columns::filled(country, row),
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

fn designations(rows: &RecordBatch) -> Result<HashMap<&str, Vec<Designation<'_>>>> {
    let (name, held) = (columns::text(rows, "designation")?, columns::text(rows, "held")?);
    let points = columns::decimal(rows, "points")?;
    by_location(rows, |row, fact| Designation {
        fact,
        name: name.value(row),
        held: held.value(row) == "yes",
        points: points.is_valid(row).then(|| points.value(row)),
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
        for &(program, named) in called.programs(program.value(row)) {
            let Some(fact) = fact.within((named.first(), named.end())) else { continue };
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
