//! What every unit of a run shares, read-only: programs, look-ups, decisions, links.

use super::additions::Additions;
use super::baselines::Baselines;
use super::countries::Countries;
use super::first_known::FirstKnown;
use super::ineligible::Ineligible;
use super::links::LinkIndex;
use super::names::Names;
use super::rules::ProductGroups;
use crate::eligibility::{Decisions, ParticipantMap};
use crate::exchange_rates::ExchangeRates;
use crate::warehouse::Store;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{MONEY_SCALE, Unit};
use earnest_core::program::{Lever, Program, Unmapped};
use earnest_core::reason::Reason;

pub struct Context<'a> {
    pub programs: &'a [Program],
    /// Where what waits is kept, and in how many buckets.
    pub store: &'a Store,
    buckets: usize,
    pub names: Names,
    pub products: ProductGroups,
    pub rates: ExchangeRates,
    pub decisions: &'a Decisions,
    pub links: LinkIndex,
    pub ineligible: Ineligible,
    pub countries: Countries,
    pub first_known: FirstKnown,
    /// `None` until it is known who added which customer: until then, no lever meets another.
    pub additions: Option<Additions>,
    /// `None` until names are known.
    pub baselines: Option<Baselines<'a>>,
    /// Program → partner key → participant by date.
    mappings: Vec<Vec<PartnerMapping>>,
    pub facts: Vec<ProgramFacts>,
    /// Some lever sums lines before it rounds.
    pub sums: bool,
    /// Decimals of currencies, by their keys.
    minor_units: Vec<u32>,
}

/// What rows need of a program, as keys.
pub struct ProgramFacts {
    pub key: i32,
    pub currency: i32,
    /// Of its currency.
    pub unit: Unit,
    /// Some lever earns on what another leaves.
    pub stacks: bool,
    /// Key of each lever.
    pub levers: Vec<i32>,
    /// Key of all product groups of each lever together.
    pub groups: Vec<i32>,
}

struct PartnerMapping {
    segments: Vec<(NaiveDate, NaiveDate, Result<i32, Reason>)>,
    otherwise: Result<i32, Reason>,
}

impl<'a> Context<'a> {
    pub fn new(
        programs: &'a [Program],
        (store, buckets): (&'a Store, usize),
        names: Names,
        (products, rates): (ProductGroups, ExchangeRates),
        decided: (&'a Decisions, &ParticipantMap),
        links: LinkIndex,
        (ineligible, countries, first_known): (Ineligible, Countries, FirstKnown),
    ) -> Context<'a> {
        let (decisions, map) = decided;
        let mappings = (0..programs.len())
            .map(|program| partner_mappings(program, programs, &names, map))
            .collect();
        let facts = programs
            .iter()
            .map(|program| ProgramFacts {
                key: names.programs.key(&program.program).unwrap_or_default(),
                levers: program
                    .levers
                    .iter()
                    .map(|lever| names.levers.key(&lever.lever).unwrap_or_default())
                    .collect(),
                groups: program
                    .levers
                    .iter()
                    .map(|lever| {
                        let groups = lever.product_groups().join(",");
                        names.groups.key(&groups).unwrap_or_default()
                    })
                    .collect(),
                currency: names.currencies.key(&program.currency).unwrap_or_default(),
                unit: program.unit(),
                stacks: program.levers.iter().any(|lever| lever.after.is_some()),
            })
            .collect();
        let minor_units = names.currencies.values.iter().flatten().map(minor_units).collect();
        Context {
            programs,
            store,
            buckets: buckets.max(1),
            names,
            products,
            rates,
            decisions,
            links,
            ineligible,
            countries,
            first_known,
            additions: None,
            baselines: None,
            mappings,
            facts,
            sums: programs.iter().flat_map(|program| &program.levers).any(Lever::sums),
            minor_units,
        }
    }

    /// The bucket in which what has a key is worked on.
    pub fn bucket(&self, key: u128) -> usize {
        usize::try_from(key % self.buckets as u128).unwrap_or_default()
    }

    /// One, as a rate.
    pub fn one(&self) -> i128 {
        earnest_core::decimal::power_of_ten(earnest_core::decimal::RATE_SCALE)
    }

    /// Program units per unit of a currency (by its key) in a period, at rate scale.
    pub fn exchange_rate(&self, program: usize, currency: i32, period: Period) -> Option<i128> {
        let from = self.names.currencies.text(currency);
        self.rates.rate(from, &self.programs[program].currency, period)
    }

    /// To what a program rounds amounts of a currency, which is given by its key.
    pub fn unit(&self, program: usize, currency: i32) -> Unit {
        let decimals = self.minor_units[usize::try_from(currency).unwrap_or_default()];
        Unit { decimals, ..self.facts[program].unit }
    }

    /// The participant that a partner earns for in a program on a day.
    pub fn participant(&self, program: usize, partner: i32, day: NaiveDate) -> Result<i32, Reason> {
        let mapping = self.mapping(program, partner);
        mapping
            .segments
            .iter()
            .find(|(from, until, _)| *from <= day && day < *until)
            .map_or(mapping.otherwise, |(_, _, participant)| *participant)
    }

    /// The days on which a partner begins or ceases to earn for someone, in any program.
    pub fn mapping_days(&self, partner: i32) -> impl Iterator<Item = NaiveDate> {
        let programs = 0..self.programs.len();
        let segments = programs.flat_map(move |program| &self.mapping(program, partner).segments);
        segments.flat_map(|(from, until, _)| [*from, *until])
    }

    /// The days on which the countries of those change whom a partner earns for, in any program.
    pub fn country_days(&self, partner: i32) -> impl Iterator<Item = NaiveDate> {
        let mappings = (0..self.programs.len()).map(move |program| self.mapping(program, partner));
        let participants = mappings.flat_map(|mapping| {
            let mapped = mapping.segments.iter().map(|(_, _, participant)| *participant);
            mapped.chain([mapping.otherwise])
        });
        participants.flatten().flat_map(|participant| self.countries.days(participant))
    }

    fn mapping(&self, program: usize, partner: i32) -> &PartnerMapping {
        &self.mappings[program][usize::try_from(partner).unwrap_or_default()]
    }
}

fn partner_mappings(
    program: usize,
    programs: &[Program],
    names: &Names,
    map: &ParticipantMap,
) -> Vec<PartnerMapping> {
    let itself = programs[program].unmapped == Unmapped::Itself;
    names
        .partners
        .values
        .iter()
        .flatten()
        .map(|partner| PartnerMapping {
            segments: map
                .segments(program, partner)
                .iter()
                .map(|mapping| {
                    let participant = match &mapping.participant {
                        Ok(participant) => {
                            names.participants.key(participant).ok_or(Reason::Unmapped)
                        }
                        Err(reason) => Err(*reason),
                    };
                    (mapping.from, mapping.until, participant)
                })
                .collect(),
            otherwise: itself
                .then(|| names.participants.key(partner))
                .flatten()
                .ok_or(Reason::Unmapped),
        })
        .collect()
}

/// Minor units of a currency that staging or loading has checked.
fn minor_units(currency: &str) -> u32 {
    earnest_core::currency::minor_units(currency).unwrap_or(MONEY_SCALE)
}
