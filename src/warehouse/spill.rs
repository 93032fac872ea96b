//! Records that wait on disk until all of their part are known, so that memory is bounded by a part and
//! not by the rows. Any thread adds records, in any order; each part is read at once. What is small
//! never touches the disk. No snapshot names the file, and it goes with the process.

use super::Store;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a part that a writer gathers: those of all parts stay in a core's cache.
const EXTENT: usize = 16 * 1024;

/// Bytes that stay in memory.
const IN_MEMORY: usize = 16 * 1024 * 1024;

/// Records by part.
pub struct Spill<K> {
    store: Store,
    kept: Mutex<Kept<K>>,
}

struct Kept<K> {
    parts: BTreeMap<K, Vec<Extent>>,
    in_memory: usize,
    on_disk: u64,
    file: Option<Arc<Scratch>>,
}

/// A file without a name.
struct Scratch {
    file: File,
    path: PathBuf,
}

/// Whole records of a part.
#[derive(Clone)]
struct Extent {
    records: usize,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Memory(Arc<[u8]>),
    Disk { at: u64, count: usize },
}

impl<K: Copy + Ord> Spill<K> {
    #[must_use]
    pub fn new(store: &Store) -> Spill<K> {
        let kept = Kept { parts: BTreeMap::new(), in_memory: 0, on_disk: 0, file: None };
        Spill { store: store.clone(), kept: Mutex::new(kept) }
    }

    /// Writers gather what they add; it counts once they are finished.
    #[must_use]
    pub fn writer(&self) -> SpillWriter<'_, K> {
        SpillWriter { spill: self, gathered: BTreeMap::new() }
    }

    /// The parts that have records, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<K> {
        self.kept().parts.keys().copied().collect()
    }

    /// Reads the records of a part, which are in no order.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn read(&self, part: K) -> Result<Records> {
        let (extents, file) = {
            let kept = self.kept();
            (kept.parts.get(&part).cloned().unwrap_or_default(), kept.file.clone())
        };
        let size = extents.iter().map(|extent| extent.bytes.count()).sum();
        let mut bytes = Vec::with_capacity(size);
        for extent in &extents {
            match (&extent.bytes, &file) {
                (Bytes::Memory(kept), _) => bytes.extend_from_slice(kept),
                (&Bytes::Disk { at, count }, Some(scratch)) => {
                    let mut reader = ReadAt { file: &scratch.file, at }.take(count as u64);
                    let read = reader.read_to_end(&mut bytes);
                    read.map_err(|error| Error::io(&scratch.path, &error))?;
                }
                (Bytes::Disk { .. }, None) => return Err(Error::broken("no scratch file")),
            }
        }
        Ok(Records { bytes, count: extents.iter().map(|extent| extent.records).sum() })
    }

    fn keep(&self, part: K, Gathered { bytes, records }: &Gathered) -> Result<()> {
        let (records, count) = (*records, bytes.len());
        let mut kept = self.kept();
        if kept.in_memory + count <= IN_MEMORY {
            kept.in_memory += count;
            let bytes = Bytes::Memory(bytes.as_slice().into());
            kept.parts.entry(part).or_default().push(Extent { records, bytes });
            return Ok(());
        }
        let scratch = match &kept.file {
            Some(scratch) => Arc::clone(scratch),
            None => Arc::clone(kept.file.insert(Arc::new(self.scratch()?))),
        };
        let at = kept.on_disk;
        kept.on_disk += count as u64;
        drop(kept);
        self.store.operation(&scratch.path, || scratch.file.write_all_at(bytes, at))?;
        let bytes = Bytes::Disk { at, count };
        self.kept().parts.entry(part).or_default().push(Extent { records, bytes });
        Ok(())
    }

    fn scratch(&self) -> Result<Scratch> {
        let path = self.store.scratch()?;
        let file = self.store.operation(&path, || {
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        })?;
        Ok(Scratch { file, path })
    }

    fn kept(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bytes {
    fn count(&self) -> usize {
        match self {
            Bytes::Memory(bytes) => bytes.len(),
            Bytes::Disk { count, .. } => *count,
        }
    }
}

/// Reads a file from a place on, wherever others read it.
struct ReadAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Adds records.
pub struct SpillWriter<'a, K> {
    spill: &'a Spill<K>,
    gathered: BTreeMap<K, Gathered>,
}

#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    records: usize,
}

impl<K: Copy + Ord> SpillWriter<'_, K> {
    /// Adds a record to a part.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn add(&mut self, part: K, record: &impl Serialize) -> Result<()> {
        let gathered = self.gathered.entry(part).or_default();
        let bytes = postcard::to_extend(record, std::mem::take(&mut gathered.bytes));
        gathered.bytes = bytes.map_err(|error| broken(&error))?;
        gathered.records += 1;
        if gathered.bytes.len() >= EXTENT {
            self.spill.keep(part, gathered)?;
            gathered.bytes.clear();
            gathered.records = 0;
        }
        Ok(())
    }

    /// Hands over what is gathered.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(self) -> Result<()> {
        let left = self.gathered.iter().filter(|(_, gathered)| gathered.records > 0);
        left.into_iter().try_for_each(|(part, gathered)| self.spill.keep(*part, gathered))
    }
}

/// The records of a part.
pub struct Records {
    bytes: Vec<u8>,
    count: usize,
}

impl Records {
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Decodes them one by one; texts may be borrowed.
    pub fn iter<'a, T: Deserialize<'a>>(&'a self) -> impl Iterator<Item = Result<T>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let decoded = postcard::take_from_bytes(rest).map_err(|error| broken(&error));
            Some(decoded.map(|(record, after)| {
                rest = after;
                record
            }))
        })
    }
}

fn broken(error: &postcard::Error) -> Error {
    Error::broken(format!("a scratch file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::Fault;

    fn store(fault: Option<Fault>) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().to_str().expect("a path"), fault).expect("a store");
        (folder, store)
    }

    fn read(spill: &Spill<u32>, part: u32) -> Vec<(u64, String)> {
        let records = spill.read(part).expect("reads");
        let mut records: Vec<(u64, String)> = records.iter().map(|r| r.expect("decodes")).collect();
        records.sort();
        records
    }

    #[test]
    fn parts_are_given_back_whole_from_memory_and_disk() {
        let (folder, store) = store(None);
        let spill = Spill::new(&store);
        let text = "x".repeat(1_000);
        std::thread::scope(|scope| {
            for first in [0, 20_000] {
                let (spill, text) = (&spill, &text);
                scope.spawn(move || {
                    let mut writer = spill.writer();
                    for number in first..first + 20_000u64 {
                        let part = u32::try_from(number % 3).expect("small");
                        writer.add(part, &(number, text)).expect("is added");
                    }
                    writer.finish().expect("is finished");
                });
            }
        });
        assert_eq!(spill.parts(), [0, 1, 2]);
        for part in 0..3 {
            let expected: Vec<_> = (0..40_000)
                .filter(|n| n % 3 == u64::from(part))
                .map(|n| (n, text.clone()))
                .collect();
            assert!(read(&spill, part) == expected, "part {part}");
        }
        assert!(read(&spill, 3).is_empty());
        let left = folder.path().join("scratch").read_dir().expect("a folder").count();
        assert_eq!(left, 0, "the file has no name");
    }

    #[test]
    fn a_full_disk_is_an_error_and_little_needs_no_disk() {
        let (_folder, store) = store(Some(Fault::Full(1)));
        let spill = Spill::new(&store);
        let mut writer = spill.writer();
        writer.add(1, &(7u64, "little")).expect("is added");
        writer.finish().expect("is finished");
        assert_eq!(read(&spill, 1), [(7, "little".to_owned())]);
        let mut writer = spill.writer();
        let text = "x".repeat(1_000);
        let error = (0..40_000u64).find_map(|number| writer.add(1, &(number, &text)).err());
        assert!(error.expect("an error").to_string().contains("scratch"));
    }
}
