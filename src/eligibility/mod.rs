//! Eligibility. In: who the partners are, day by day, and when each partner id first transacted.
//! Out: one decision per participant × program × period, with each requirement's verdict.
//!
//! Closure key: participant, where a company's competencies count for each of its locations.
//!
//! A participant has decisions if it has an enrollment in the program, or if a partner id that has
//! transacted in one of the program's roles is mapped to it on some day since. A first transaction
//! holds from the day of the partner id's first line on; for a participant to whom the id is mapped
//! only later, from the first day of that mapping on: the id brings its history along. A location's
//! own competency counts even on days on which no company is known for it.
//!
//! Of a group of requirements one suffices: its members have verdicts of their own, but only the
//! group's counts.

mod index;
mod map;
mod revenue;
mod rows;
#[cfg(test)]
mod tests;

pub use map::{Mapping, Moved, ParticipantMap};
pub use revenue::{Corrected, Frozen, Revenue, Sold, revenue_asked};

pub(crate) use map::Called;

use crate::error::Result;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::calendar::{DayRanges, Period};
use earnest_core::eligibility::{Holding, Range, month_of, together};
use earnest_core::program::{ConditionKind, Days, Program, Role};
use earnest_core::reason::Reason;
use earnest_core::trailing::assessed;
use index::{ENROLLED, Index, Ready, last_within};
use rayon::prelude::*;
use revenue::{Asked as Trailing, Determined, Measured, Qualifications};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The partner side: rows in force, columns as the staged tables declare them, text as plain strings.
pub struct Dimensions {
    pub memberships: RecordBatch,
    pub agreements: RecordBatch,
    pub competencies: RecordBatch,
    pub designations: RecordBatch,
    pub enrollments: RecordBatch,
    pub participant_map: RecordBatch,
}

/// Whether a participant may earn in a program in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub eligible: bool,
    /// Why not, in order of precedence; [`Reason::NotTogether`] if each requirement held on some
    /// day, but never all on one.
    pub reasons: Vec<Reason>,
}

/// All decisions of a run.
pub struct Decisions {
    first: Period,
    last: Period,
    rosters: Vec<Roster>,
}

/// One program's decisions.
struct Roster {
    program: String,
    asked: Vec<Asked>,
    /// Sorted by id.
    participants: Vec<Participant>,
    positions: HashMap<Arc<str>, usize>,
    verdicts: HashMap<Unmet, Verdict>,
    determined: Vec<Determined>,
}

/// A requirement as the table names it, which may be worded differently on different days.
struct Asked {
    name: String,
    reason: Reason,
    /// Place in the program file, from 1; a group's members have its own.
    order: i64,
    /// The group of which it is a member, so that it need not hold itself.
    member_of: Option<String>,
    /// It is the enrollment, or may be.
    enrolls: bool,
}

/// One participant of a program.
struct Participant {
    id: Arc<str>,
    /// One per requirement asked.
    holdings: Vec<Holding>,
    /// Days on which all of them hold together, and all but the enrollment.
    together: DayRanges,
    invited: DayRanges,
    enrollments: Vec<(Range, Enrolled)>,
    companies: Vec<(Range, String)>,
    /// One per period.
    unmet: Vec<Unmet>,
}

/// An enrollment row, ordered so that of several the most complete one comes last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Enrolled {
    complete: bool,
    profiles: bool,
    status: String,
}

/// Which requirements a month leaves unmet: one bit each, in order; the highest if it is only that
/// they never hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Unmet(u64);

const NOT_TOGETHER: u64 = 1 << 63;

/// Decides every participant × program × period from `first_period` through `last_period`. `first`
/// is the day of the earliest line in force of each partner id in each role, `revenue` what was sold.
///
/// # Errors
/// If a dimension table lacks a column, or on overflow of somebody's revenue.
pub fn decide(
    programs: &[Program],
    dimensions: &Dimensions,
    first: &HashMap<(Role, String), NaiveDate>,
    revenue: &Revenue,
    first_period: Period,
    last_period: Period,
) -> Result<Decisions> {
    let index = Index::new(programs, dimensions)?;
    let map = ParticipantMap::build(programs, &dimensions.participant_map)?;
    let periods: Vec<Period> = first_period.through(last_period).collect();
    let measured = Measured::new(revenue, assessed(first_period, last_period, revenue.as_of))?;
    let rosters = programs
        .iter()
        .enumerate()
        .map(|(position, program)| {
            let asking = Asking::of((position, program), &index, &map, &measured)?;
            let firsts = first_transactions(position, program, &map, first, last_period.end());
            let mut roster: BTreeMap<&str, Option<NaiveDate>> =
                index.enrolled(position).map(|location| (location, None)).collect();
            roster.extend(firsts.into_iter().map(|(participant, day)| (participant, Some(day))));
            Ok(Roster::decide(position, program, &index, asking, roster, &periods))
        })
        .collect::<Result<_>>()?;
    Ok(Decisions { first: first_period, last: last_period, rosters })
}

/// The first day on which each participant's first transaction counts.
fn first_transactions<'a>(
    position: usize,
    program: &Program,
    map: &'a ParticipantMap,
    first: &'a HashMap<(Role, String), NaiveDate>,
    end: NaiveDate,
) -> HashMap<&'a str, NaiveDate> {
    let mut found: HashMap<&str, NaiveDate> = HashMap::new();
    for ((role, partner), &day) in first {
        if !program.pays.contains(role) {
            continue;
        }
        for ((from, until), participant) in map.participants(position, partner) {
            if day < until && from < end {
                let day = day.max(from);
                found
                    .entry(participant)
                    .and_modify(|known| *known = day.min(*known))
                    .or_insert(day);
            }
        }
    }
    found
}

impl Roster {
    fn decide(
        position: usize,
        program: &Program,
        index: &Index,
        asking: Asking,
        roster: BTreeMap<&str, Option<NaiveDate>>,
        periods: &[Period],
    ) -> Roster {
        let Asking { asked, wordings, ready, determined } = asking;
        let roster: Vec<(&str, Option<NaiveDate>)> = roster.into_iter().collect();
        let participants: Vec<Participant> = roster
            .into_par_iter()
            .map(|(location, first)| {
                let holdings = wordings.iter().map(|wordings| {
                    Holding::of(wordings.iter().map(|Wording { days, conditions }| {
                        let facts = conditions.iter().flat_map(|&condition| {
                            index.facts(position, &ready[condition], location, first)
                        });
                        (*days, facts.collect())
                    }))
                });
                let holdings: Vec<Holding> = holdings.collect();
                Participant::new(position, index, location, (holdings, &asked), periods)
            })
            .collect();
        let positions = participants.iter().enumerate();
        let positions = positions.map(|(position, one)| (one.id.clone(), position)).collect();
        let mut verdicts = HashMap::new();
        for unmet in participants.iter().flat_map(|participant| &participant.unmet) {
            verdicts.entry(*unmet).or_insert_with(|| unmet.verdict(&asked));
        }
        let program = program.program.clone();
        Roster { program, asked, participants, positions, verdicts, determined }
    }
}

/// One of a requirement's dated wordings: one of its conditions suffices.
struct Wording<'a> {
    days: &'a Days,
    /// Positions among those that are ready.
    conditions: Vec<usize>,
}

/// What a program asks for: its requirements by name, groups before their members.
#[derive(Default)]
struct Asking<'a> {
    asked: Vec<Asked>,
    /// One list per requirement asked.
    wordings: Vec<Vec<Wording<'a>>>,
    ready: Vec<Ready<'a>>,
    determined: Vec<Determined>,
}

impl<'a> Asking<'a> {
    fn of(
        (position, program): (usize, &'a Program),
        index: &Index<'a>,
        map: &ParticipantMap,
        measured: &Measured,
    ) -> Result<Asking<'a>> {
        let mut asking = Asking::default();
        for (order, requirement) in (1..).zip(&program.requirements) {
            let days = &requirement.days;
            let before = asking.ready.len();
            for condition in &requirement.conditions {
                let sold = match &condition.kind {
                    ConditionKind::TrailingRevenue(trailing) => {
                        let name = &condition.name;
                        let asked =
                            Trailing { position, program, name, trailing, days, map, index };
                        let sold = measured.assess(&asked)?;
                        asking.determined.extend(sold.determined(&asked, measured.open()));
                        sold
                    }
                    _ => Qualifications::default(),
                };
                let (terms, companies) = (&program.terms[..], index.of_companies(condition));
                asking.ready.push(Ready { condition, terms, companies, sold });
            }
            let all: Vec<usize> = (before..asking.ready.len()).collect();
            let enrolls = |conditions: &[usize]| {
                let kind = |&one: &usize| &asking.ready[one].condition.kind;
                conditions.iter().map(kind).any(|kind| *kind == ConditionKind::Enrollment)
            };
            let mut named = vec![Asked {
                name: requirement.name.clone(),
                reason: requirement.reason,
                order,
                member_of: None,
                enrolls: enrolls(&all),
            }];
            let mut worded = vec![all.clone()];
            for &member in all.iter().filter(|_| requirement.is_group()) {
                let condition = asking.ready[member].condition;
                named.push(Asked {
                    name: condition.name.clone(),
                    reason: condition.reason,
                    order,
                    member_of: Some(requirement.name.clone()),
                    enrolls: enrolls(&[member]),
                });
                worded.push(vec![member]);
            }
            for (asked, conditions) in named.into_iter().zip(worded) {
                asking.add(asked, Wording { days, conditions });
            }
        }
        Ok(asking)
    }

    fn add(&mut self, asked: Asked, wording: Wording<'a>) {
        match self.asked.iter_mut().zip(&mut self.wordings).find(|(one, _)| one.name == asked.name)
        {
            Some((known, wordings)) => {
                known.enrolls |= asked.enrolls;
                wordings.push(wording);
            }
            None => {
                self.asked.push(asked);
                self.wordings.push(vec![wording]);
            }
        }
    }
}

impl Participant {
    fn new(
        program: usize,
        index: &Index,
        location: &str,
        (holdings, asked): (Vec<Holding>, &[Asked]),
        periods: &[Period],
    ) -> Participant {
        let own = holdings.iter().zip(asked).enumerate();
        let own = own.filter(|(_, (_, asked))| asked.member_of.is_none());
        let invited = together(
            own.clone().filter(|(_, (_, asked))| !asked.enrolls).map(|(_, (holding, _))| holding),
        );
        let own: Vec<(usize, &Holding)> =
            own.map(|(position, (holding, _))| (position, holding)).collect();
        let together = together(own.iter().map(|(_, holding)| *holding));
        let unmet = periods
            .iter()
            .map(|&period| {
                let (from, until) = (period.first_day(), period.end());
                if together.within(from, until).next().is_some() {
                    return Unmet(0);
                }
                let missing =
                    |holding: &Holding| holding.days().within(from, until).next().is_none();
                let missing = own.iter().filter(|(_, holding)| missing(holding));
                match missing.fold(0, |bits, (position, _)| bits | 1 << position) {
                    0 => Unmet(NOT_TOGETHER),
                    bits => Unmet(bits),
                }
            })
            .collect();
        let enrolled = index.enrollments(program, location).iter().map(|row| {
            let complete = row.status == ENROLLED;
            let status = row.status.to_owned();
            (row.fact.days, Enrolled { complete, profiles: row.profiles, status })
        });
        let companies = index.memberships(location).iter();
        let companies = companies.map(|row| (row.fact.days, row.global_id.to_owned()));
        Participant {
            id: location.into(),
            holdings,
            together,
            invited,
            enrollments: enrolled.collect(),
            companies: companies.collect(),
            unmet,
        }
    }

    /// The company to which the location belongs last in the period; `None`: to none.
    fn company(&self, period: Period) -> Option<&str> {
        let rows = self.companies.iter().map(|(days, company)| (*days, company));
        last_within(rows, (period.first_day(), period.end())).map(String::as_str)
    }

    /// The enrollment's status as published. Source: Partner Center docs, enrollment statuses.
    fn status(&self, period: Period) -> &str {
        let rows = self.enrollments.iter().map(|(days, enrolled)| (*days, enrolled));
        let enrolled = last_within(rows, (period.first_day(), period.end()));
        let accepted = [ENROLLED, "Enrolling", "Validating enrollment"];
        if month_of(&self.invited, period).held.is_none() {
            return "Inactive / Ineligible";
        }
        match enrolled {
            None => "Invited",
            Some(row) if !row.profiles && accepted.contains(&row.status.as_str()) => {
                "Action required"
            }
            Some(row) => &row.status,
        }
    }
}

impl Unmet {
    fn verdict(self, asked: &[Asked]) -> Verdict {
        let reasons = if self.0 == NOT_TOGETHER {
            vec![Reason::NotTogether]
        } else {
            let unmet = asked.iter().enumerate();
            let unmet = unmet.filter(|(position, _)| self.0 & (1 << position) != 0);
            unmet.map(|(_, asked)| asked.reason).collect()
        };
        Verdict { eligible: self.0 == 0, reasons }
    }
}

impl Decisions {
    /// Rows of the `eligibility` table, sorted by its key, in batches of bounded size.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        rows::batches(self)
    }

    /// Rows of the `determinations` table: who reached trailing revenue, and with how much.
    ///
    /// # Errors
    /// If an amount has more digits than the column.
    pub fn determinations(&self) -> Result<RecordBatch> {
        let mut rows: Vec<&Determined> =
            self.rosters.iter().flat_map(|roster| &roster.determined).collect();
        rows.sort_unstable();
        rows::determinations(&rows)
    }

    /// The participants of a program (by position) about which is decided, in order.
    pub fn participants(&self, program: usize) -> impl Iterator<Item = &str> {
        self.rosters[program].participants.iter().map(|participant| &*participant.id)
    }

    /// All periods about which is decided.
    pub fn periods(&self) -> impl Iterator<Item = Period> {
        self.first.through(self.last)
    }

    /// The company to which a participant of a program (by position) belongs last in a period.
    #[must_use]
    pub fn company(&self, program: usize, participant: &str, period: Period) -> Option<&str> {
        let roster = &self.rosters[program];
        roster.participants[*roster.positions.get(participant)?].company(period)
    }

    /// The verdict on a participant of a program (by position) in a period. `None`: it has neither
    /// an enrollment nor a mapped transaction there, or the period lies outside those decided.
    #[must_use]
    pub fn verdict(&self, program: usize, participant: &str, period: Period) -> Option<&Verdict> {
        let roster = &self.rosters[program];
        let participant = &roster.participants[*roster.positions.get(participant)?];
        let position = self.first.through(self.last).position(|decided| decided == period)?;
        roster.verdicts.get(&participant.unmet[position])
    }
}
