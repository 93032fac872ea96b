//! Records that wait on disk until all of their part are known, so that memory is bounded by a part and
//! not by the rows. Any thread adds records, in any order; each part is read at once. What is small
//! never touches the disk. No snapshot names the file, and it goes with the process.

use super::Store;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a part that a writer gathers.
const EXTENT: usize = 64 * 1024;

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
enum Extent {
    Memory(Arc<[u8]>),
    Disk { at: u64, bytes: usize },
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
        let size = extents.iter().map(Extent::bytes).sum();
        let mut all = vec![0; size];
        let mut rest = all.as_mut_slice();
        for extent in &extents {
            let (bytes, after) = rest.split_at_mut(extent.bytes());
            match (extent, &file) {
                (Extent::Memory(kept), _) => bytes.copy_from_slice(kept),
                (Extent::Disk { at, .. }, Some(scratch)) => {
                    let read = scratch.file.read_exact_at(bytes, *at);
                    read.map_err(|error| Error::io(&scratch.path, &error))?;
                }
                (Extent::Disk { .. }, None) => return Err(Error::broken("no scratch file")),
            }
            rest = after;
        }
        Ok(Records(all))
    }

    fn keep(&self, part: K, bytes: &[u8]) -> Result<()> {
        let mut kept = self.kept();
        if kept.in_memory + bytes.len() <= IN_MEMORY {
            kept.in_memory += bytes.len();
            kept.parts.entry(part).or_default().push(Extent::Memory(bytes.into()));
            return Ok(());
        }
        let scratch = match &kept.file {
            Some(scratch) => Arc::clone(scratch),
            None => Arc::clone(kept.file.insert(Arc::new(self.scratch()?))),
        };
        let at = kept.on_disk;
        kept.on_disk += bytes.len() as u64;
        drop(kept);
        self.store.operation(&scratch.path, || scratch.file.write_all_at(bytes, at))?;
        let extent = Extent::Disk { at, bytes: bytes.len() };
        self.kept().parts.entry(part).or_default().push(extent);
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

impl Extent {
    fn bytes(&self) -> usize {
        match self {
            Extent::Memory(bytes) => bytes.len(),
            Extent::Disk { bytes, .. } => *bytes,
        }
    }
}

/// Adds records.
pub struct SpillWriter<'a, K> {
    spill: &'a Spill<K>,
    gathered: BTreeMap<K, Vec<u8>>,
}

impl<K: Copy + Ord> SpillWriter<'_, K> {
    /// Adds a record to a part.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn add(&mut self, part: K, record: &impl Serialize) -> Result<()> {
        let gathered = self.gathered.entry(part).or_insert_with(|| Vec::with_capacity(EXTENT));
        postcard::to_io(record, &mut *gathered).map_err(|error| broken(&error))?;
        if gathered.len() >= EXTENT {
            self.spill.keep(part, gathered)?;
            gathered.clear();
        }
        Ok(())
    }

    /// Hands over what is gathered.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(self) -> Result<()> {
        let left = self.gathered.into_iter().filter(|(_, bytes)| !bytes.is_empty());
        left.into_iter().try_for_each(|(part, bytes)| self.spill.keep(part, &bytes))
    }
}

/// The records of a part.
pub struct Records(Vec<u8>);

impl Records {
    /// Decodes them one by one; texts may be borrowed.
    pub fn iter<'a, T: Deserialize<'a>>(&'a self) -> impl Iterator<Item = Result<T>> {
        let mut rest = self.0.as_slice();
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
