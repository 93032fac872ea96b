//! A snapshot: one small file that makes a whole run visible at once.

use super::digest::Digest;
use super::store::Store;
use super::writer::{DataFile, hex};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One published state of all tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of this file's layout.
    pub format: u32,
    pub snapshot: u64,
    pub run_id: String,
    /// Export rows known on or before that day counted, YYYY-MM-DD.
    pub as_of: String,
    pub earnest_version: String,
    pub tables: BTreeMap<String, TableState>,
}

/// The files of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    pub schema_version: u32,
    pub rows: u64,
    pub digest: String,
    pub files: Vec<DataFile>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    snapshot: Snapshot,
    /// SHA-256 of the snapshot's JSON without this field.
    checksum: String,
}

impl Snapshot {
    /// The files of a table; none if the snapshot has no such table.
    #[must_use]
    pub fn files(&self, table: &str) -> &[DataFile] {
        self.tables.get(table).map_or(&[], |state| &state.files)
    }

    /// Local paths of a table's files.
    #[must_use]
    pub fn paths(&self, store: &Store, table: &str) -> Vec<PathBuf> {
        self.files(table).iter().map(|file| store.path(&file.path)).collect()
    }

    /// Sets the files of a table, sorted, with their totals.
    pub fn set(&mut self, table: &crate::schema::Table, mut files: Vec<DataFile>) {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut digest = Digest::default();
        for file in &files {
            digest.merge(file.digest.parse().unwrap_or_default());
        }
        let state = TableState {
            schema_version: table.version,
            rows: digest.rows,
            digest: digest.to_string(),
            files,
        };
        self.tables.insert(table.name.to_owned(), state);
    }

    /// The newest snapshot; `None` in a new warehouse.
    ///
    /// # Errors
    /// If the newest can't be read or its checksum is wrong; it is never skipped silently.
    pub fn newest(store: &Store) -> Result<Option<Snapshot>> {
        let names = store.list("snapshots")?;
        let Some(newest) = names.iter().rfind(|name| number_of(name).is_some()) else {
            return Ok(None);
        };
        let read = Snapshot::read(store, newest);
        read.map(Some).map_err(|error| match names.iter().rev().nth(1) {
            Some(before) => error.hint(format!("the snapshot before it is `{before}`; restore the newest from a backup or remove it to go back")),
            None => error.hint("restore it from a backup"),
        })
    }

    /// The snapshot of that number.
    ///
    /// # Errors
    /// If there is none or it can't be read.
    pub fn numbered(store: &Store, number: u64) -> Result<Snapshot> {
        Snapshot::read(store, &object_of(number))
    }

    fn read(store: &Store, object: &str) -> Result<Snapshot> {
        let place = store.path(object).display().to_string();
        let bytes = store
            .get(object)?
            .ok_or_else(|| Error::usage(format!("{place}: expected a snapshot, found nothing")))?;
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|error| {
            Error::broken(format!("{place}: expected a snapshot, found damaged JSON ({error})"))
        })?;
        let (_, checksum) = seal(&sealed.snapshot)?;
        if checksum != sealed.checksum {
            return Err(Error::broken(format!(
                "{place}: expected checksum {checksum}, found {}",
                sealed.checksum
            )));
        }
        Ok(sealed.snapshot)
    }

    /// Publishes: one create-only put makes everything visible; then `current.json` is moved forward.
    ///
    /// # Errors
    /// If another run took the number first, or the disk refuses.
    pub fn publish(&self, store: &Store) -> Result<()> {
        let (bytes, _) = seal(self)?;
        if !store.create(&object_of(self.snapshot), &bytes)? {
            return Err(Error::new(
                crate::error::ErrorKind::Locked,
                format!("snapshot {}: another run published it first", self.snapshot),
            )
            .hint("run again; the next run starts from the newest snapshot"));
        }
        store.replace("current.json", &bytes)
    }

    /// Moves `current.json` to this snapshot if a run died before it could.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn repair_current(&self, store: &Store) -> Result<()> {
        let (bytes, _) = seal(self)?;
        match store.get("current.json")? {
            Some(current) if current == bytes => Ok(()),
            _ => store.replace("current.json", &bytes),
        }
    }
}

fn object_of(number: u64) -> String {
    format!("snapshots/{number:08}.json")
}

fn number_of(object: &str) -> Option<u64> {
    object.strip_prefix("snapshots/")?.strip_suffix(".json")?.parse().ok()
}

fn seal(snapshot: &Snapshot) -> Result<(Vec<u8>, String)> {
    let broken = |error: serde_json::Error| Error::broken(format!("snapshot: {error}"));
    let body = serde_json::to_vec(snapshot).map_err(broken)?;
    let checksum = hex(&Sha256::digest(&body));
    let sealed = Sealed { snapshot: snapshot.clone(), checksum: checksum.clone() };
    Ok((serde_json::to_vec_pretty(&sealed).map_err(broken)?, checksum))
}
