//! The dictionaries of the output's repeating texts. Rows carry 32-bit keys into them.

use super::facts::Partners;
use crate::eligibility::{Decisions, ParticipantMap};
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::currency;
use earnest_core::program::{Program, Unmapped};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Texts that rows refer to by key.
#[derive(Clone)]
pub struct Dictionary {
    pub values: Arc<StringArray>,
    index: Arc<HashMap<String, i32>>,
}

impl Dictionary {
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Dictionary {
        let mut values: Vec<&str> = Vec::new();
        let mut index = HashMap::new();
        for text in texts {
            index.entry(text.to_owned()).or_insert_with(|| {
                values.push(text);
                i32::try_from(values.len() - 1).unwrap_or(i32::MAX)
            });
        }
        Dictionary { values: Arc::new(StringArray::from(values)), index: Arc::new(index) }
    }

    /// The key of a text.
    #[must_use]
    pub fn key(&self, text: &str) -> Option<i32> {
        self.index.get(text).copied()
    }

    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: i32) -> &str {
        self.values.value(usize::try_from(key).unwrap_or_default())
    }
}

/// Every dictionary of a run.
pub struct Names {
    pub programs: Dictionary,
    pub terms: Dictionary,
    pub levers: Dictionary,
    pub partners: Dictionary,
    pub participants: Dictionary,
    pub sources: Dictionary,
    pub groups: Dictionary,
    pub currencies: Dictionary,
    pub periods: Dictionary,
    /// The period of key 0; others follow month by month.
    first: Period,
    pub halves: Dictionary,
    pub roles: Dictionary,
    pub earning_types: Dictionary,
}

impl Names {
    /// Collects what can occur in rows of the periods `first` to `last`.
    pub fn collect(
        programs: &[Program],
        partners: &[Partners],
        (map, decisions): (&ParticipantMap, &Decisions),
        product_groups: &RecordBatch,
        first: Period,
        last: Period,
    ) -> Names {
        let partner_ids: BTreeSet<&str> = partners
            .iter()
            .flat_map(|line| [line.billed.as_deref(), line.reseller.as_deref()])
            .flatten()
            .collect();
        let mut participants: BTreeSet<&str> = BTreeSet::new();
        for (number, program) in programs.iter().enumerate() {
            for &partner in &partner_ids {
                let mappings = map.segments(number, partner);
                participants.extend(
                    mappings.iter().flat_map(|mapping| mapping.participant.as_deref().ok()),
                );
                if program.unmapped == Unmapped::Itself {
                    participants.insert(partner);
                }
            }
            // Measures may pay those who sold nothing.
            let measures = program.levers.iter().filter_map(|lever| lever.measured.as_ref());
            for measured in measures {
                participants.extend(measured.payees.values().map(String::as_str));
                if measured.flat_on_zero {
                    participants.extend(decisions.participants(number));
                }
            }
        }
        let sources: BTreeSet<&str> = partners.iter().map(|line| line.source.as_str()).collect();
        // Aggregates of several groups are named by all of them.
        let joined: Vec<String> = programs
            .iter()
            .flat_map(|program| &program.levers)
            .map(|lever| lever.product_groups().join(","))
            .collect();
        let groups: BTreeSet<&str> = product_groups
            .column(0)
            .as_string::<i32>()
            .iter()
            .flatten()
            .chain(
                programs
                    .iter()
                    .flat_map(|program| &program.levers)
                    .flat_map(|lever| lever.product_groups()),
            )
            .chain(joined.iter().map(String::as_str))
            .collect();
        let longest = programs.iter().map(Program::longest_wait).max().unwrap_or(0);
        let periods: Vec<String> =
            first.through(last.plus(longest)).map(|period| period.to_string()).collect();
        let halves: BTreeSet<String> = programs
            .iter()
            .flat_map(|program| {
                first.through(last).map(|period| program.fund_half(period).to_string())
            })
            .collect();
        let terms =
            programs.iter().flat_map(|program| &program.terms).map(|term| term.term.as_str());
        let levers =
            programs.iter().flat_map(|program| &program.levers).map(|lever| lever.lever.as_str());
        Names {
            programs: Dictionary::new(programs.iter().map(|program| program.program.as_str())),
            terms: Dictionary::new(terms),
            levers: Dictionary::new(levers),
            partners: Dictionary::new(partner_ids),
            participants: Dictionary::new(participants),
            sources: Dictionary::new(sources),
            groups: Dictionary::new(groups),
            currencies: Dictionary::new(currency::codes()),
            first,
            periods: Dictionary::new(periods.iter().map(String::as_str)),
            halves: Dictionary::new(halves.iter().map(String::as_str)),
            roles: Dictionary::new(["direct", "provider", "reseller", "none"]),
            earning_types: Dictionary::new(["rebate", "coop", "fee"]),
        }
    }

    /// The key of a fiscal half.
    pub fn half(&self, half: FiscalHalf) -> i32 {
        self.halves.key(&half.to_string()).unwrap_or_default()
    }

    /// The key of a period.
    pub fn period(&self, period: Period) -> i32 {
        let key = period.months_since(self.first);
        let known = usize::try_from(key).is_ok_and(|key| key < self.periods.values.len());
        if known { key } else { 0 }
    }
}
