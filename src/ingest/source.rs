//! One source. In: its deliveries, and what earlier runs staged of it. Out: staged files, rejects, what
//! was replaced, and a row per file that was read.

use super::Request;
use super::control::tie;
use super::delivery::{Delivery, deliveries};
use super::format::Identity;
use super::inputs::{Input, Known, State};
use super::keys::{NewKeys, supersede_keys};
use super::plan::{Plan, Repeat, plan};
use super::slices::supersede_slices;
use super::stage::{Counts, Staged, stage};
use super::supersede::{Kind, Supersession, Version, Versions};
use crate::error::{Error, Result};
use crate::job::{Source, thread_pool};
use crate::schema::Table;
use crate::warehouse::{DataFile, SealedFile};
use earnest_core::decimal::{self, RATE_SCALE};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// What a source gave.
#[derive(Default)]
pub(super) struct Outcome {
    pub files: Vec<(&'static Table, DataFile)>,
    pub inputs: Vec<Input>,
    pub supersessions: Vec<Supersession>,
    pub attention: Vec<String>,
}

/// Deliveries that are staged at the same time, at most: each holds its writers.
const SIDE_BY_SIDE: usize = 4;

/// Stages what is new of a source.
pub(super) fn ingest_source(
    request: &Request,
    source: &Source,
    known: &[Known],
    recorded: Vec<Supersession>,
) -> Result<Outcome> {
    let Plan { new, repeats, later } = plan(deliveries(source)?, source, known, request.as_of);
    let mut run = Run {
        request,
        source,
        versions: old_versions(request, source, known, recorded),
        keys: NewKeys::default(),
        first_reject: None,
        outcome: Outcome::default(),
    };
    for (delivery, file) in later {
        let counts = Counts::default();
        run.outcome.inputs.push(Input::new(source, &delivery, &file, counts, State::NotYetKnown));
    }
    run.stage_all(&new)?;
    run.supersede()?;
    run.repeats(repeats, known)?;
    run.check_rejects()?;
    Ok(run.outcome)
}

struct Run<'a> {
    request: &'a Request<'a>,
    source: &'a Source,
    versions: Versions<'a>,
    keys: NewKeys,
    first_reject: Option<String>,
    outcome: Outcome,
}

impl Run<'_> {
    /// Stages deliveries, several side by side, and takes the results in their order. Each has threads
    /// of its own: a thread that waits for a delivery must not begin another. While the disk takes the
    /// files of one, the next is staged.
    fn stage_all(&mut self, new: &[Delivery]) -> Result<()> {
        let (store, source) = (self.request.store, self.source);
        let threads = rayon::current_num_threads();
        let workers = SIDE_BY_SIDE.min(threads).min(new.len());
        let pools = (0..workers)
            .map(|_| thread_pool(threads / workers))
            .collect::<Result<Vec<rayon::ThreadPool>>>()?;
        let earlier: Vec<Vec<DataFile>> =
            new.iter().map(|delivery| self.versions.earlier_parts(&delivery.id)).collect();
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let work = |pool: rayon::ThreadPool, sealed: SyncSender<(usize, _)>| {
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(delivery) = new.get(place) else { return };
                let staged = pool.install(|| stage(store, source, delivery, &earlier[place]));
                failed.fetch_or(staged.is_err(), Ordering::Relaxed);
                if sealed.send((place, staged)).is_err() {
                    return;
                }
            }
        };
        let results: Mutex<BTreeMap<usize, Result<Staged>>> = Mutex::default();
        let publish = |sealed: Receiver<(usize, Result<Staged<SealedFile>>)>| {
            for (place, staged) in sealed {
                let staged = staged.and_then(Staged::publish);
                failed.fetch_or(staged.is_err(), Ordering::Relaxed);
                if let Ok(mut results) = results.lock() {
                    results.insert(place, staged);
                }
            }
        };
        let (work, publish) = (&work, &publish);
        std::thread::scope(|scope| {
            for pool in pools {
                let (give, take) = sync_channel(0);
                scope.spawn(move || work(pool, give));
                scope.spawn(move || publish(take));
            }
        });
        let results = results.into_inner().unwrap_or_default();
        for (place, staged) in results {
            self.take(&new[place], staged?)?;
        }
        Ok(())
    }

    fn take(&mut self, delivery: &Delivery, staged: Staged) -> Result<()> {
        for (file, counts) in delivery.files.iter().zip(&staged.counts) {
            self.outcome
                .attention
                .extend(tie(file, counts)?.map(|text| format!("{}: {text}", self.source.name)));
            let input = Input::new(self.source, delivery, file, counts.clone(), State::Staged);
            self.outcome.inputs.push(input);
        }
        for (file, columns) in &staged.unknown {
            self.outcome.attention.push(format!(
                "{}: {file} has columns that format `{}` doesn't declare: `{}`",
                self.source.name,
                self.source.format.name,
                columns.join("`, `")
            ));
        }
        if self.first_reject.is_none() {
            self.first_reject = staged.first_reject;
        }
        let by_slice = matches!(self.source.format.identity, Identity::ReplaceBy(_));
        let table = self.source.format.table;
        let data = staged.files.iter().filter(|(of, _)| of.name == table.name);
        self.versions.versions.insert(
            delivery.id.clone(),
            Version {
                id: delivery.id.clone(),
                file: delivery.files.first().map_or(&delivery.name, |file| &file.name).clone(),
                rank: delivery.rank(),
                new: true,
                slices: by_slice.then_some(staged.slices),
                reads_slices: false,
                complete_for: delivery.complete_for.clone(),
                files: data.map(|(_, file)| file.clone()).collect(),
            },
        );
        self.outcome.files.extend(staged.files);
        self.keys.hashes.extend_from_slice(&staged.keys.hashes);
        for (key, rows) in staged.keys.conflicts {
            self.keys.conflicts.push((delivery.id.clone(), key, rows));
        }
        Ok(())
    }

    /// Finds what the new deliveries replace.
    fn supersede(&mut self) -> Result<()> {
        if !self.versions.versions.values().any(|version| version.new) {
            return Ok(());
        }
        let found = match &self.source.format.identity {
            Identity::ReplaceBy(_) => supersede_slices(&mut self.versions),
            Identity::Key(_) => supersede_keys(&self.versions, &self.keys),
        }?;
        let conflicts = found.iter().filter(|row| row.kind == Kind::ConflictingVersions);
        let keys: BTreeSet<&str> = conflicts.filter_map(|row| row.key.as_deref()).collect();
        if let Some(first) = keys.first() {
            self.outcome.attention.push(format!(
                "{}: {} keys with versions that contradict each other: none counts until a newer one comes; the first: `{first}`",
                self.source.name,
                keys.len()
            ));
        }
        self.versions.recorded.extend(found.iter().cloned());
        self.outcome.supersessions.extend(found);
        Ok(())
    }

    /// Deliveries whose files all came before. They are duplicates, unless something of what they
    /// repeat was replaced in between: then they bring it back, and are staged.
    fn repeats(&mut self, repeats: Vec<Repeat>, known: &[Known]) -> Result<()> {
        for repeat in repeats {
            let delivery = &repeat.delivery;
            let rank = delivery.rank();
            let before: Vec<Option<(String, u64)>> = delivery
                .files
                .iter()
                .map(|file| self.staged_before(&file.digest, rank, known))
                .collect();
            let replaced =
                before.iter().flatten().any(|(id, _)| self.versions.replaced_before(id, rank));
            if replaced {
                self.stage_all(std::slice::from_ref(delivery))?;
                self.supersede()?;
            } else if repeat.counts {
                for (file, before) in delivery.files.iter().zip(before) {
                    let rows = before.map_or(0, |(_, rows)| rows);
                    let input = Input::duplicate(self.source, delivery, file, rows);
                    self.outcome.inputs.push(input);
                }
            }
        }
        Ok(())
    }

    /// The newest delivery up to a rank that has a file with these bytes, and the file's records.
    fn staged_before(
        &self,
        digest: &str,
        rank: super::supersede::Rank,
        known: &[Known],
    ) -> Option<(String, u64)> {
        let old = known
            .iter()
            .filter(|known| known.source == self.source.name && known.state == State::Staged)
            .filter(|known| known.digest == digest)
            .map(|known| ((known.known_on, known.sequence), &known.delivery_id, known.rows_read));
        let new = self
            .outcome
            .inputs
            .iter()
            .filter(|input| input.state == State::Staged && input.file.digest == digest)
            .map(|input| ((input.known_on, input.sequence), &input.delivery_id, input.counts.read));
        let all: Vec<_> = old.chain(new).collect();
        let newest = all.iter().filter(|found| found.0 <= rank).max().or_else(|| all.iter().min());
        newest.map(|(_, id, rows)| ((*id).clone(), *rows))
    }

    /// Rejects beyond the source's limits.
    fn check_rejects(&mut self) -> Result<()> {
        let staged = self.outcome.inputs.iter().filter(|input| input.state == State::Staged);
        let (read, rejected) = staged.fold((0, 0), |(read, rejected), input| {
            (read + input.counts.read, rejected + input.counts.rejected)
        });
        let one = decimal::power_of_ten(RATE_SCALE);
        let above = |limit: i128| i128::from(rejected) * one > limit * i128::from(read);
        let shown = |limit: i128| decimal::format(limit, RATE_SCALE, 0);
        let first = self.first_reject.as_deref().unwrap_or_default();
        let name = &self.source.name;
        if above(self.source.reject_fail) {
            let limit = shown(self.source.reject_fail);
            return Err(Error::check(format!(
                "source `{name}`: expected at most {limit} of its records to be rejected, found {rejected} of {read}; the first: {first}"
            ))
            .hint("correct the export or the format, or raise `reject_fail` for the source"));
        }
        if rejected > 0 && above(self.source.reject_warn) {
            let text = format!("{name}: {rejected} of {read} records rejected; the first: {first}");
            self.outcome.attention.push(text);
        }
        Ok(())
    }
}

/// The deliveries that earlier runs staged.
fn old_versions<'a>(
    request: &'a Request,
    source: &'a Source,
    known: &[Known],
    recorded: Vec<Supersession>,
) -> Versions<'a> {
    let table = source.format.table;
    let mut files: HashMap<&str, Vec<DataFile>> = HashMap::new();
    for file in request.previous.map_or(&[][..], |previous| previous.files(table.name)) {
        files.entry(file.unit.as_str()).or_default().push(file.clone());
    }
    let mut complete_for: HashMap<&str, Vec<String>> = HashMap::new();
    for row in recorded.iter().filter(|row| row.kind == Kind::Withdrawn) {
        complete_for.entry(row.by.as_str()).or_default().extend(row.slice.clone());
    }
    let by_slice = matches!(source.format.identity, Identity::ReplaceBy(_));
    let one_slice = source.format.identity == Identity::ReplaceBy(Vec::new());
    let mut versions = BTreeMap::new();
    for known in
        known.iter().filter(|known| known.source == source.name && known.state == State::Staged)
    {
        versions.entry(known.delivery_id.clone()).or_insert_with(|| {
            let id = known.delivery_id.as_str();
            let files = files.get(id).cloned().unwrap_or_default();
            let rows = files.iter().map(|file| file.rows).sum();
            Version {
                id: id.to_owned(),
                file: known.name.clone(),
                rank: (known.known_on, known.sequence),
                new: false,
                slices: one_slice.then(|| BTreeMap::from([(String::new(), rows)])),
                reads_slices: by_slice && !one_slice,
                complete_for: complete_for.get(id).cloned().unwrap_or_default(),
                files,
            }
        });
    }
    Versions { store: request.store, table, source: &source.name, versions, recorded }
}
