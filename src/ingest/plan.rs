//! What is new. In: the deliveries that lie at a source, and what earlier runs read. Out: deliveries to
//! stage, deliveries that only repeat what came before, and files that are not known yet.

use super::delivery::{Delivery, InputFile, whole_of};
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
    let mut earlier = Earlier::of(known.iter().filter(|known| known.source == source.name));
    let mut plan = Plan { new: Vec::new(), repeats: Vec::new(), later: Vec::new() };
    for delivery in deliveries {
        if delivery.known_on > as_of {
            let files = delivery.files.iter().cloned();
            plan.later.extend(files.map(|file| (delivery.clone(), file)));
            continue;
        }
        sort_in(&mut plan, &delivery, &mut earlier, source);
    }
    plan
}

/// What is known of a source's files.
struct Earlier<'a> {
    states: HashMap<Name<'a>, State>,
    staged: Vec<&'a Known>,
    bytes: Bytes,
}

impl<'a> Earlier<'a> {
    fn of(known: impl Iterator<Item = &'a Known>) -> Earlier<'a> {
        let mut earlier =
            Earlier { states: HashMap::new(), staged: Vec::new(), bytes: Bytes::default() };
        for known in known {
            let rank = (known.known_on, known.sequence);
            let name = (known.name.as_str(), known.digest.as_str(), rank);
            // A repeat that was staged after all has both states.
            if earlier.states.get(&name) != Some(&State::Staged) {
                earlier.states.insert(name, known.state);
            }
            if known.state == State::Staged {
                earlier.staged.push(known);
                earlier.bytes.add(&known.digest, rank);
            }
        }
        earlier
    }

    fn state(&self, file: &InputFile, rank: Rank) -> Option<State> {
        self.states.get(&(file.name.as_str(), file.digest.as_str(), rank)).copied()
    }

    /// The id of what was staged of a delivery, if all of it lies there as it was: then new files are further
    /// parts, else they contradict it.
    fn part_of(&self, delivery: &Delivery) -> Option<&'a str> {
        let here = |known: &&Known| {
            let same =
                |file: &InputFile| (&file.name, &file.digest) == (&known.name, &known.digest);
            delivery.files.iter().any(same)
        };
        let of_rank = |known: &&&Known| (known.known_on, known.sequence) == delivery.rank();
        let ids = self.staged.iter().filter(of_rank).filter(|known| here(known));
        let id = ids.map(|known| whole_of(&known.delivery_id)).min()?;
        let mut parts = self.staged.iter().filter(|known| whole_of(&known.delivery_id) == id);
        parts.all(here).then_some(id)
    }
}

/// Bytes that were staged, with the lowest rank of a delivery that has them: a delivery of a lower
/// rank repeats nothing, it is the one that was there before.
#[derive(Default)]
struct Bytes(HashMap<String, Rank>);

impl Bytes {
    fn add(&mut self, digest: &str, rank: Rank) {
        let lowest = self.0.entry(digest.to_owned()).or_insert(rank);
        *lowest = rank.min(*lowest);
    }

    fn came_before(&self, file: &InputFile, rank: Rank) -> bool {
        self.0.get(&file.digest).is_some_and(|lowest| *lowest <= rank)
    }
}

/// A file's name and bytes, and its delivery's rank.
type Name<'a> = (&'a str, &'a str, Rank);

fn sort_in(plan: &mut Plan, delivery: &Delivery, earlier: &mut Earlier, source: &Source) {
    let rank = delivery.rank();
    let open: Vec<&InputFile> = delivery
        .files
        .iter()
        .filter(|file| earlier.state(file, rank) != Some(State::Staged))
        .collect();
    if open.is_empty() {
        return;
    }
    if open.iter().all(|file| earlier.bytes.came_before(file, rank)) {
        let counts = open.iter().any(|file| earlier.state(file, rank).is_none());
        let files = open.into_iter().cloned().collect();
        let delivery = delivery.with_files(&source.name, files);
        plan.repeats.push(Repeat { delivery, counts });
        return;
    }
    // Bytes twice within a delivery are one part that was handed over twice.
    let mut within = HashSet::new();
    let (first, again): (Vec<&InputFile>, Vec<&InputFile>) =
        open.into_iter().partition(|file| within.insert(file.digest.as_str()));
    for file in &first {
        earlier.bytes.add(&file.digest, rank);
    }
    if !again.is_empty() {
        let counts = again.iter().any(|file| earlier.state(file, rank).is_none());
        let again = again.into_iter().cloned().collect();
        let delivery = delivery.with_files(&source.name, again);
        plan.repeats.push(Repeat { delivery, counts });
    }
    let first = first.into_iter().cloned().collect();
    plan.new.push(match earlier.part_of(delivery) {
        Some(of) => delivery.late_part(&source.name, first, of),
        None => delivery.with_files(&source.name, first),
    });
}
