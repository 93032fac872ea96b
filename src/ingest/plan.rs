//! What is new. In: the deliveries that lie at a source, and what earlier runs read. Out: deliveries to
//! stage, deliveries that only repeat what came before, and files that are not known yet.

use super::delivery::{Delivery, InputFile};
use super::inputs::{Known, State};
use super::supersede::Rank;
use crate::job::Source;
use chrono::NaiveDate;
use std::collections::{HashMap, HashSet};

/// What to do with the deliveries of a source.
pub(super) struct Plan {
    /// By rank.
    pub new: Vec<Delivery>,
    /// By rank.
    pub repeats: Vec<Repeat>,
    /// Files of deliveries that become known after the as-of date.
    pub later: Vec<(Delivery, InputFile)>,
}

/// A delivery whose files' bytes all came before.
pub(super) struct Repeat {
    pub delivery: Delivery,
    /// Whether its records are counted as duplicates now; they are once.
    pub counts: bool,
}

/// Sorts the deliveries of a source.
pub(super) fn plan(
    deliveries: Vec<Delivery>,
    source: &Source,
    known: &[Known],
    as_of: NaiveDate,
) -> Plan {
    let of_source: Vec<&Known> = known.iter().filter(|known| known.source == source.name).collect();
    let mut states: HashMap<Name, State> = HashMap::new();
    for known in &of_source {
        let name = (known.name.as_str(), known.sha256.as_str(), (known.known_on, known.sequence));
        // A repeat that was staged after all has both states.
        if states.get(&name) != Some(&State::Staged) {
            states.insert(name, known.state);
        }
    }
    let mut bytes = Bytes::default();
    for known in of_source.iter().filter(|known| known.state == State::Staged) {
        bytes.add(&known.sha256, (known.known_on, known.sequence));
    }
    let mut plan = Plan { new: Vec::new(), repeats: Vec::new(), later: Vec::new() };
    for delivery in deliveries {
        if delivery.known_on > as_of {
            let files = delivery.files.iter().cloned();
            plan.later.extend(files.map(|file| (delivery.clone(), file)));
            continue;
        }
        sort_in(&mut plan, &delivery, &states, &mut bytes, source);
    }
    plan
}

/// Bytes that were staged, with the lowest rank of a delivery that has them: a delivery of a lower
/// rank repeats nothing, it is the one that was there before.
#[derive(Default)]
struct Bytes(HashMap<String, Rank>);

impl Bytes {
    fn add(&mut self, sha256: &str, rank: Rank) {
        let lowest = self.0.entry(sha256.to_owned()).or_insert(rank);
        *lowest = rank.min(*lowest);
    }

    fn came_before(&self, file: &InputFile, rank: Rank) -> bool {
        self.0.get(&file.sha256).is_some_and(|lowest| *lowest <= rank)
    }
}

/// A file's name and bytes, and its delivery's rank.
type Name<'a> = (&'a str, &'a str, Rank);

fn sort_in(
    plan: &mut Plan,
    delivery: &Delivery,
    states: &HashMap<Name, State>,
    bytes: &mut Bytes,
    source: &Source,
) {
    let state = |file: &InputFile| {
        states.get(&(file.name.as_str(), file.sha256.as_str(), delivery.rank())).copied()
    };
    let open: Vec<&InputFile> =
        delivery.files.iter().filter(|file| state(file) != Some(State::Staged)).collect();
    if open.is_empty() {
        return;
    }
    if open.iter().all(|file| bytes.came_before(file, delivery.rank())) {
        let counts = open.iter().any(|file| state(file).is_none());
        let files = open.into_iter().cloned().collect();
        let delivery = delivery.with_files(&source.name, files);
        plan.repeats.push(Repeat { delivery, counts });
        return;
    }
    // Bytes twice within a delivery are one part that was handed over twice.
    let mut within = HashSet::new();
    let (first, again): (Vec<&InputFile>, Vec<&InputFile>) =
        open.into_iter().partition(|file| within.insert(file.sha256.as_str()));
    for file in &first {
        bytes.add(&file.sha256, delivery.rank());
    }
    if !again.is_empty() {
        let counts = again.iter().any(|file| state(file).is_none());
        let again = again.into_iter().cloned().collect();
        let delivery = delivery.with_files(&source.name, again);
        plan.repeats.push(Repeat { delivery, counts });
    }
    plan.new.push(delivery.with_files(&source.name, first.into_iter().cloned().collect()));
}
