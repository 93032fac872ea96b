//! The participant map. In: its rows in force. Out: per program and partner id on transactions, the
//! participant it earns for on each day; rows that overlap are rejected on all their days.

use crate::columns;
use crate::error::Result;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::calendar::DayRanges;
use earnest_core::eligibility::Range;
use earnest_core::program::{Days, Program, Unmapped};
use earnest_core::reason::Reason;
use std::collections::{BTreeSet, HashMap};

/// Who a partner id earns for, on half-open days; [`NaiveDate::MIN`] and [`NaiveDate::MAX`] are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub from: NaiveDate,
    pub until: NaiveDate,
    /// The participant, or [`Reason::MapDup`] where rows overlap.
    pub participant: Result<String, Reason>,
}

/// Which participant each partner id earns for.
pub struct ParticipantMap {
    programs: Vec<ProgramMap>,
}

struct ProgramMap {
    unmapped: Unmapped,
    /// Sorted by day, apart from each other.
    partners: HashMap<String, Vec<Mapping>>,
}

impl ParticipantMap {
    /// Reads the rows of `participant_map`; those of programs that no file describes are left out.
    ///
    /// # Errors
    /// If the batch lacks a column.
    pub fn build(programs: &[Program], rows: &RecordBatch) -> Result<ParticipantMap> {
        let (partner, program) =
            (columns::text(rows, "partner_id")?, columns::text(rows, "program")?);
        let participant = columns::text(rows, "participant_id")?;
        let (from, until) = (columns::date(rows, "from_on")?, columns::date(rows, "until_on")?);
        let mut called = Called::new(programs);
        let mut written: Vec<HashMap<&str, Vec<(Range, &str)>>> =
            programs.iter().map(|_| HashMap::new()).collect();
        for row in 0..rows.num_rows() {
            let days = (
                columns::day(from, row).unwrap_or(NaiveDate::MIN),
                columns::day(until, row).unwrap_or(NaiveDate::MAX),
            );
            for &(program, named) in called.programs(program.value(row)) {
                let days = (days.0.max(named.first()), days.1.min(named.end()));
                if days.0 < days.1 {
                    let partner = written[program].entry(partner.value(row)).or_default();
                    partner.push((days, participant.value(row)));
                }
            }
        }
        let programs = programs
            .iter()
            .zip(written)
            .map(|(program, partners)| ProgramMap {
                unmapped: program.unmapped,
                partners: partners
                    .into_iter()
                    .map(|(partner, rows)| (partner.to_owned(), resolve(rows)))
                    .collect(),
            })
            .collect();
        Ok(ParticipantMap { programs })
    }

    /// What the map says of a partner id, sorted by day; days that it doesn't have are unmapped.
    /// See [`ParticipantMap::on`] for what becomes of them.
    #[must_use]
    pub fn segments(&self, program: usize, partner: &str) -> &[Mapping] {
        self.programs[program].partners.get(partner).map_or(&[], Vec::as_slice)
    }

    /// The participant that a partner id earns for on a day.
    ///
    /// # Errors
    /// The reason why it earns for none: [`Reason::Unmapped`] or [`Reason::MapDup`].
    pub fn on<'a>(
        &'a self,
        program: usize,
        partner: &'a str,
        day: NaiveDate,
    ) -> Result<&'a str, Reason> {
        let segments = self.segments(program, partner);
        let begun = segments.partition_point(|segment| segment.from <= day);
        match segments[..begun].last().filter(|segment| day < segment.until) {
            Some(Mapping { participant: Ok(participant), .. }) => Ok(participant),
            Some(Mapping { participant: Err(reason), .. }) => Err(*reason),
            None if self.programs[program].unmapped == Unmapped::Itself => Ok(partner),
            None => Err(Reason::Unmapped),
        }
    }

    /// Every participant that a partner id earns for, with the days; itself where it is unmapped and
    /// the program says so.
    pub(super) fn participants<'a>(
        &'a self,
        program: usize,
        partner: &'a str,
    ) -> Vec<(Range, &'a str)> {
        let segments = self.segments(program, partner);
        let mut found: Vec<(Range, &str)> = segments
            .iter()
            .filter_map(|segment| {
                let participant = segment.participant.as_ref().ok()?;
                Some(((segment.from, segment.until), participant.as_str()))
            })
            .collect();
        if self.programs[program].unmapped == Unmapped::Itself {
            let mut reached = NaiveDate::MIN;
            for segment in segments {
                if reached < segment.from {
                    found.push(((reached, segment.from), partner));
                }
                reached = segment.until;
            }
            if reached < NaiveDate::MAX {
                found.push(((reached, NaiveDate::MAX), partner));
            }
        }
        found
    }
}

/// Days on which what partner ids earn moved from one participant of a program to another.
pub struct Moved<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub days: Range,
}

impl ParticipantMap {
    /// What earns for somebody else of a program (by position) than it did by an earlier map.
    pub fn moved<'a>(&'a self, earlier: &'a ParticipantMap, program: usize) -> Vec<Moved<'a>> {
        let partners = |map: &'a ParticipantMap| map.programs[program].partners.keys();
        let partners: BTreeSet<&String> = partners(earlier).chain(partners(self)).collect();
        let mut moved = Vec::new();
        for partner in partners {
            let now = self.participants(program, partner);
            for (before, from) in earlier.participants(program, partner) {
                for &(after, to) in now.iter().filter(|(_, to)| *to != from) {
                    let days = (before.0.max(after.0), before.1.min(after.1));
                    if days.0 < days.1 {
                        moved.push(Moved { from, to, days });
                    }
                }
            }
        }
        moved
    }
}

/// Which programs exports mean by a name, and on which days; each name is looked up once.
pub(crate) struct Called<'a> {
    programs: &'a [Program],
    known: HashMap<String, Vec<(usize, Days)>>,
}

impl Called<'_> {
    pub(crate) fn new(programs: &[Program]) -> Called<'_> {
        Called { programs, known: HashMap::new() }
    }

    pub(crate) fn programs(&mut self, name: &str) -> &[(usize, Days)] {
        if !self.known.contains_key(name) {
            let called = self.programs.iter().enumerate();
            let called = called
                .flat_map(|(index, program)| program.called(name).map(move |days| (index, days)));
            self.known.insert(name.to_owned(), called.collect());
        }
        &self.known[name]
    }
}

/// One partner id's rows, sorted and apart from each other: those that share a day with another row
/// are rejected on all their days.
fn resolve(mut rows: Vec<(Range, &str)>) -> Vec<Mapping> {
    rows.sort_unstable();
    let mut rejected = Vec::new();
    let mut segments = Vec::with_capacity(rows.len());
    let mut reached = NaiveDate::MIN;
    for (position, &((from, until), participant)) in rows.iter().enumerate() {
        let next = rows.get(position + 1).map_or(NaiveDate::MAX, |next| next.0.0);
        if (position > 0 && from < reached) || next < until {
            rejected.push((Some(from), Some(until)));
        } else {
            segments.push(Mapping { from, until, participant: Ok(participant.to_owned()) });
        }
        reached = reached.max(until);
    }
    let rejected = DayRanges::union_of(rejected);
    segments.extend(rejected.within(NaiveDate::MIN, NaiveDate::MAX).map(|(from, until)| Mapping {
        from,
        until,
        participant: Err(Reason::MapDup),
    }));
    segments.sort_by_key(|segment| segment.from);
    segments
}
