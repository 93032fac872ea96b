//! Staged transactions and decisions in; `earnings`, `earning_sources`, `unearned` and `out_of_scope`
//! out, one set of files per period, with the sums that payments need. Every transaction in force
//! ends, per lever that covers it, in exactly one of them.

mod additions;
mod aggregate;
mod baselines;
mod cap_balances;
mod cap_rooms;
mod context;
mod countries;
mod credits;
mod evaluate;
pub mod facts;
mod first_known;
mod first_look;
mod holders;
mod ineligible;
mod lines;
mod link_lines;
mod links;
mod measures;
mod meet;
mod names;
mod originals;
mod read;
mod reversal;
mod rows;
mod rules;
mod seen;
mod segments;
mod settled_first;
mod shares;
mod sink;
mod tier_detail;
mod unit;
mod windows;

use crate::eligibility::{Decisions, ParticipantMap};
use crate::error::Result;
use crate::exchange_rates::ExchangeRates;
use crate::ingest::InForceFile;
use crate::schema;
use crate::warehouse::{DataFile, Publisher, Store};
pub use additions::FrozenAddition;
use aggregate::TakenBack;
use arrow::array::RecordBatch;
use baselines::Baselines;
pub use baselines::{CorrectedLines, FrozenBaseline, FrozenBaselines, Gone};
pub use cap_rooms::FrozenRoom;
use chrono::NaiveDate;
use context::Context;
use countries::Countries;
use credits::CapsClosed;
use earnest_core::calendar::Period;
use earnest_core::earning::{EarningType, EntryKind, Posting};
use earnest_core::program::{Program, Role};
use facts::Partners;
use first_known::FirstKnown;
use ineligible::Ineligible;
use names::Names;
use originals::Originals;
use rayon::prelude::*;
use rules::ProductGroups;
pub use settled_first::{Settled, SettledFirst};
use sink::{PostingKey, PostingSum, Written};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What the earnings stage is given.
pub struct Request<'a> {
    pub programs: &'a [Program],
    pub store: &'a Store,
    /// Staged transactions in force.
    pub files: &'a [InForceFile],
    pub partners: &'a [Partners],
    pub map: &'a ParticipantMap,
    pub decisions: &'a Decisions,
    pub product_groups: &'a RecordBatch,
    pub exchange_rates: &'a RecordBatch,
    pub ineligibilities: &'a RecordBatch,
    pub memberships: &'a RecordBatch,
    /// Who added which customer, as closes froze it.
    pub added: &'a [FrozenAddition],
    /// The oldest open cycle; `None`: none is closed.
    pub open: Option<Period>,
    /// What closed cycles settled under caps.
    pub settled_first: &'a SettledFirst,
    /// The room of shared caps, as closes froze it.
    pub rooms: &'a [FrozenRoom],
    /// What windows are compared with, as closes froze it.
    pub baselines: &'a FrozenBaselines,
    /// In how many portions ordered work is done; the result doesn't depend on it.
    pub buckets: usize,
}

/// What the earnings stage leaves behind.
pub struct Earned {
    pub files: Vec<(&'static str, DataFile)>,
    pub postings: Vec<Posting>,
    pub cap_balances: RecordBatch,
    /// Rows of `determinations`: who added which customer, what is taken of shared caps.
    pub determinations: Vec<RecordBatch>,
    /// Rows of `determinations`: what windows are compared with.
    pub baselines: baselines::Rows,
}

/// The first day of each partner in each role. Source: RULES, an indirect reseller's first
/// transaction is its earliest line in force.
#[must_use]
pub fn first_transactions(partners: &[Partners]) -> HashMap<(Role, String), NaiveDate> {
    let mut first: HashMap<(Role, String), NaiveDate> = HashMap::new();
    for line in partners {
        let billed_as = if line.reseller.is_some() { Role::Provider } else { Role::Direct };
        let roles = [(Role::Reseller, &line.reseller), (billed_as, &line.billed)];
        for (role, partner) in roles {
            if let Some(partner) = partner {
                let day = first.entry((role, partner.clone())).or_insert(line.first_on);
                *day = line.first_on.min(*day);
            }
        }
    }
    first
}

/// A period with its files and their positions among all files.
pub type PeriodFiles<'a> = (Period, Vec<(usize, &'a InForceFile)>);

/// The periods of the files, in order.
#[must_use]
pub fn periods(files: &[InForceFile]) -> Vec<PeriodFiles<'_>> {
    let mut periods: BTreeMap<Period, Vec<(usize, &InForceFile)>> = BTreeMap::new();
    for (position, file) in files.iter().enumerate().filter(|(_, file)| !file.all_excluded) {
        let month = file.file.partition.rsplit('/').next().unwrap_or_default();
        if let Ok(period) = month.parse() {
            periods.entry(period).or_default().push((position, file));
        }
    }
    periods.into_iter().collect()
}

/// Calculates all periods.
///
/// # Errors
/// If a file can't be read or written, or a product exceeds 128 bits.
pub fn earn(request: &Request) -> Result<Earned> {
    let periods = periods(request.files);
    let (Some((first, _)), Some((last, _))) = (periods.first(), periods.last()) else {
        let cap_balances = RecordBatch::new_empty(schema::CAP_BALANCES.arrow());
        return Ok(Earned {
            files: Vec::new(),
            postings: Vec::new(),
            cap_balances,
            determinations: Vec::new(),
            baselines: baselines::Rows::new(request.store),
        });
    };
    let mut context = context(request, *first, *last)?;
    context.additions = Some(additions::find(&context, &periods, request.added)?);
    let (settled_first, open) = (request.settled_first, request.open);
    let frozen = (request.baselines, open);
    context.baselines = Some(Baselines::new(&context, frozen, request.map, request.files));
    let closed = CapsClosed { settled_first, open, rooms: request.rooms };
    let first_look = first_look::look(&context, &periods, closed)?;
    // Measures may earn in months without a line.
    let with_lines: HashSet<Period> = periods.iter().map(|(period, _)| *period).collect();
    let others = first_look.measures.periods().into_iter();
    let others = others.filter(|period| !with_lines.contains(period));
    let periods: Vec<PeriodFiles> =
        periods.into_iter().chain(others.map(|period| (period, Vec::new()))).collect();
    let publisher = Publisher::start();
    let mut units: Vec<_> = largest_first(&periods)
        .into_iter()
        .par_bridge()
        .map(|unit| lines::calculate(&context, &first_look, &publisher, unit))
        .collect::<Result<_>>()?;
    units.sort_by_key(|unit| unit.written.period);
    let mut written = Vec::new();
    let mut waiting = Vec::new();
    let mut originals = Originals::default();
    for unit in units {
        waiting.push((unit.written.period, unit.aside.refunds));
        written.push(unit.written);
        originals.extend(unit.aside.originals);
    }
    waiting.retain(|(_, refunds)| !refunds.is_empty());
    let taken_back = TakenBack::of(&context, &waiting, &originals)?;
    let refunded = (&originals, &taken_back);
    let reversals: Vec<Written> = waiting
        .into_par_iter()
        .map(|refunds| lines::reversed(&context, &first_look, &publisher, refunded, refunds))
        .collect::<Result<_>>()?;
    written.extend(reversals);
    let added = context.additions.as_ref();
    let added = added.map(|additions| additions.determinations(&context, open)).transpose()?;
    let rooms = cap_rooms::determinations(&context, &first_look.capped.rooms, closed)?;
    let earned = Earned {
        determinations: added.into_iter().chain([rooms]).collect(),
        cap_balances: cap_balances::table(&context, &first_look.capped.balances)?,
        postings: postings(&context, &written),
        files: files(written),
        baselines: first_look.measures.baselines,
    };
    publisher.finish()?;
    Ok(earned)
}

/// Periods by rows, so that no thread is left with a large one at the end.
fn largest_first<'a, 'f>(periods: &'a [PeriodFiles<'f>]) -> Vec<&'a PeriodFiles<'f>> {
    let mut ordered: Vec<_> = periods.iter().collect();
    ordered.sort_by_key(|(_, files)| {
        std::cmp::Reverse(files.iter().map(|(_, file)| file.file.rows).sum::<u64>())
    });
    ordered
}

fn context<'a>(request: &Request<'a>, first: Period, last: Period) -> Result<Context<'a>> {
    let refunds = link_lines::refunds(request.files)?;
    let candidates = link_lines::candidates(request.files, &refunds)?;
    let links = links::link_all(&refunds, &candidates, request.buckets);
    drop((refunds, candidates));
    let names = Names::collect(
        request.programs,
        request.partners,
        (request.map, request.decisions),
        request.product_groups,
        first,
        last,
    );
    let products = ProductGroups::build(request.product_groups, &names);
    products.drawn_once(request.programs, &names)?;
    let rates = ExchangeRates::read(request.exchange_rates, "earning")?;
    let decided = (request.decisions, request.map);
    let ineligible = Ineligible::read(request.programs, request.ineligibilities)?;
    let countries = Countries::read(request.programs, request.memberships, &names)?;
    let kept = (request.store, request.buckets);
    let known = (ineligible, countries, FirstKnown::read(request.files, &names)?);
    Ok(Context::new(request.programs, kept, names, (products, rates), decided, links, known))
}

/// Sums of earnings by program, lever, type, participant, period, fund, term, currency and, of co-op that
/// takes away, day.
fn postings(context: &Context, written: &[Written]) -> Vec<Posting> {
    let mut sums: BTreeMap<_, PostingSum> = BTreeMap::new();
    for unit in written {
        for &(of, by_type) in &unit.postings {
            for (earning_type, one) in EarningType::ALL.into_iter().zip(by_type) {
                if one.earnings > 0 {
                    let sum = sums.entry((unit.period, of, earning_type)).or_default();
                    sum.amount += one.amount;
                    sum.own_amount += one.own_amount;
                    sum.earnings += one.earnings;
                }
            }
        }
    }
    let names = &context.names;
    let posting = |((period, of, earning_type), sum): ((_, PostingKey, _), PostingSum)| {
        let (program, lever, participant, fund, term, currency, known_on) = of;
        let rules = &context.programs[program];
        Posting {
            program,
            lever: Arc::from(rules.levers[lever].lever.as_str()),
            term: Arc::from(names.terms.text(term)),
            earning_type,
            participant: Arc::from(names.participants.text(participant)),
            period,
            fund_half: (earning_type == EarningType::Coop).then(|| rules.fund_half(fund)),
            converted_in: None,
            kind: EntryKind::Regular,
            entered: None,
            known_on: known_on.map(facts::day),
            amount: sum.amount,
            currency: Arc::from(names.currencies.text(currency)),
            own_amount: sum.own_amount,
            earnings: sum.earnings,
        }
    };
    sums.into_iter().map(posting).collect()
}

fn files(written: Vec<Written>) -> Vec<(&'static str, DataFile)> {
    written.into_iter().flat_map(|unit| unit.files).collect()
}
