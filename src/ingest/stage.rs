//! One delivery to staged files. In: the files of a delivery. Out: one file of the staged table per
//! period, the rejects, and counts per file. Blocks are read, parsed and written at the same time; at
//! no moment more than a few of them are held.

use super::assemble::{Assembly, by_month};
use super::blocks::{Blocks, Spares};
use super::delivery::Delivery;
use super::format::Identity;
use super::occurrences::{Keys, Occurrences};
use super::parse::{Idle, Parsed, parse};
use super::read::read_texts;
use super::rejects::Rejects;
use super::rows::period_text;
use crate::error::Result;
use crate::job::Source;
use crate::schema::{REJECTS, Table};
use crate::warehouse::{DataFile, SealedFile, Store, TableWriter};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use rayon::iter::{IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use std::collections::{BTreeMap, HashMap};

/// What staging a delivery gave, and its files: sealed, then published.
pub(super) struct Staged<F = DataFile> {
    pub files: Vec<(&'static Table, F)>,
    /// Per file of the delivery.
    pub counts: Vec<Counts>,
    /// Rows per slice, for `replace_by` formats.
    pub slices: BTreeMap<String, u64>,
    /// Keys, for `key` formats.
    pub keys: Keys,
    /// The first reject in words.
    pub first_reject: Option<String>,
    /// Columns that the format doesn't declare, by file name.
    pub unknown: Vec<(String, Vec<String>)>,
}

impl Staged<SealedFile> {
    /// Publishes the files.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(super) fn publish(self) -> Result<Staged> {
        let Staged { files, counts, slices, keys, first_reject, unknown } = self;
        let files = files.into_iter().map(|(table, file)| Ok((table, file.publish()?)));
        let files = files.collect::<Result<_>>()?;
        Ok(Staged { files, counts, slices, keys, first_reject, unknown })
    }
}

/// Records of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub read: u64,
    pub staged: u64,
    pub rejected: u64,
    pub duplicate: u64,
    /// Sum of base per currency of what was typed.
    pub sums: BTreeMap<String, i128>,
}

/// Stages a delivery; its files are to be published. Of equal lines in files that earlier runs staged of it, `earlier`, it counts on.
pub(super) fn stage(
    store: &Store,
    source: &Source,
    delivery: &Delivery,
    earlier: &[DataFile],
) -> Result<Staged<SealedFile>> {
    let threads = rayon::current_num_threads();
    // A thread alone takes block after block, each while it is in the core's cache.
    let group = if threads == 1 { 1 } else { threads * 4 };
    let spares = Spares::default();
    let idle = Idle::new(&source.format);
    let mut blocks = Blocks::new(source, &delivery.files, &spares);
    let mut sink = Sink::new(store, source, delivery)?;
    if source.format.has_digest_ids() {
        for file in earlier {
            read_texts(&store.path(&file.path), &["transaction_id"], |columns| {
                columns.iter().for_each(|ids| sink.occurrences.resume(ids));
                Ok(())
            })?;
        }
    }
    let mut read = blocks.group(group)?;
    let mut parsed: Vec<Parsed> = Vec::new();
    while !(read.is_empty() && parsed.is_empty()) {
        let (written, (next_parsed, next_read)) = rayon::join(
            || sink.write(parsed),
            || {
                rayon::join(
                    || {
                        let parse = |block| parse(&idle, block, &spares);
                        read.into_par_iter().map(parse).collect()
                    },
                    || blocks.group(group),
                )
            },
        );
        written?;
        parsed = next_parsed;
        read = next_read?;
    }
    let mut staged = sink.finish()?;
    staged.unknown = blocks.unknown;
    Ok(staged)
}

/// What is written of a delivery.
struct Sink<'a> {
    store: &'a Store,
    source: &'a Source,
    delivery: &'a Delivery,
    assembly: Assembly,
    /// By month; tables without periods have one.
    writers: BTreeMap<i32, Output>,
    rejects: Rejects<'a>,
    counts: Vec<Counts>,
    occurrences: Occurrences,
    keys: Keys,
    slices: HashMap<String, u64, foldhash::fast::RandomState>,
}

struct Output {
    writer: TableWriter,
    pending: Vec<RecordBatch>,
}

impl<'a> Sink<'a> {
    fn new(store: &'a Store, source: &'a Source, delivery: &'a Delivery) -> Result<Sink<'a>> {
        let known_on = super::delivery::days_since_epoch(delivery.known_on);
        let mut slices = HashMap::default();
        if source.format.identity == Identity::ReplaceBy(Vec::new()) {
            // The whole export is one slice, and an empty one is a delivery of it too.
            slices.insert(String::new(), 0);
        }
        Ok(Sink {
            store,
            source,
            delivery,
            assembly: Assembly::new(source, delivery, known_on),
            writers: BTreeMap::new(),
            rejects: Rejects::new(store, source, delivery, known_on)?,
            counts: vec![Counts::default(); delivery.files.len()],
            occurrences: Occurrences::default(),
            keys: Keys::default(),
            slices,
        })
    }

    /// Writes blocks in their order.
    fn write(&mut self, parsed: Vec<Parsed>) -> Result<()> {
        for block in parsed {
            self.take(block)?;
        }
        let mut outputs: Vec<&mut Output> =
            self.writers.values_mut().filter(|output| !output.pending.is_empty()).collect();
        outputs.par_iter_mut().try_for_each(|output| {
            for batch in std::mem::take(&mut output.pending) {
                output.writer.write(&batch)?;
            }
            Ok(())
        })
    }

    fn take(&mut self, mut parsed: Parsed) -> Result<()> {
        let counts = &mut self.counts[parsed.file];
        let base = counts.read.cast_signed();
        counts.read += u64::from(parsed.records);
        counts.rejected += parsed.rejects.len() as u64;
        for (currency, sum) in &parsed.typed.sums {
            *counts.sums.entry(currency.clone()).or_default() += sum;
        }
        for rejected in std::mem::take(&mut parsed.rejects) {
            let number = base + i64::from(rejected.record) + 1;
            self.rejects.push(parsed.file, number, rejected)?;
        }
        if parsed.typed.rows == 0 {
            return Ok(());
        }
        let mut batch = self.assembly.batch(&parsed, base)?;
        let ids = &parsed.typed.identified;
        if let Some(keys) = &ids.keys {
            let kept = self.keys.take(&ids.key_hashes, &ids.digests, keys.as_string());
            if let Some(kept) = kept {
                let before = batch.num_rows();
                batch = arrow::compute::filter_record_batch(&batch, &kept)?;
                let dropped = (before - batch.num_rows()) as u64;
                self.counts[parsed.file].duplicate += dropped;
                self.keep(&mut parsed, &kept);
            }
        }
        if self.source.format.has_digest_ids()
            && let Some(ids) = self.occurrences.ids(&parsed.typed.identified.digests)
        {
            batch = self.assembly.with_ids(&batch, ids)?;
        }
        self.count_slices(&parsed);
        self.counts[parsed.file].staged += batch.num_rows() as u64;
        self.send(batch, &parsed.typed.months)
    }

    /// Leaves out, beside the batch, what the mask leaves out.
    #[expect(clippy::unused_self, reason = "reads as a step of the sink")]
    fn keep(&self, parsed: &mut Parsed, kept: &arrow::array::BooleanArray) {
        let mut row = 0;
        parsed.typed.months.retain(|_| {
            row += 1;
            kept.value(row - 1)
        });
        let mut row = 0;
        parsed.typed.identified.digests.retain(|_| {
            row += 1;
            kept.value(row - 1)
        });
    }

    fn count_slices(&mut self, parsed: &Parsed) {
        let Some(slices) = &parsed.typed.identified.slices else { return };
        let slices = slices.as_dictionary::<Int32Type>();
        let mut rows = vec![0; slices.values().len()];
        for key in slices.keys().values() {
            rows[key.cast_unsigned() as usize] += 1;
        }
        let names = slices.values().as_string::<i32>();
        for (slice, rows) in names.iter().flatten().zip(rows).filter(|(_, rows)| *rows > 0) {
            match self.slices.get_mut(slice) {
                Some(counted) => *counted += rows,
                None => {
                    self.slices.insert(slice.to_owned(), rows);
                }
            }
        }
    }

    /// Hands rows to the writers of their months.
    fn send(&mut self, batch: RecordBatch, months: &[i32]) -> Result<()> {
        let parts = if months.is_empty() { vec![(0, batch)] } else { by_month(batch, months)? };
        for (month, part) in parts {
            if part.num_rows() == 0 {
                continue;
            }
            if !self.writers.contains_key(&month) {
                let writer = self.writer(month, !months.is_empty())?;
                self.writers.insert(month, Output { writer, pending: Vec::new() });
            }
            if let Some(output) = self.writers.get_mut(&month) {
                output.pending.push(part);
            }
        }
        Ok(())
    }

    fn writer(&self, month: i32, by_month: bool) -> Result<TableWriter> {
        let source = &self.source.name;
        let partition =
            if by_month { format!("{source}/{}", period_text(month)) } else { source.clone() };
        TableWriter::new(self.store, self.source.format.table, &partition, &self.delivery.id)
    }

    fn finish(mut self) -> Result<Staged<SealedFile>> {
        self.keys.forget();
        let table = self.source.format.table;
        let mut files = Vec::new();
        for output in self.writers.into_values() {
            files.extend(output.writer.seal()?.map(|file| (table, file)));
        }
        let first_reject = self.rejects.first.clone();
        files.extend(self.rejects.seal()?.map(|file| (&REJECTS, file)));
        Ok(Staged {
            files,
            counts: self.counts,
            slices: self.slices.into_iter().collect(),
            keys: self.keys,
            first_reject,
            unknown: Vec::new(),
        })
    }
}
