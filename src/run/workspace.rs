//! Where a run works: in the warehouse, or, for a dry run or an earlier date, in a folder of its own
//! that starts with what the warehouse has staged, and what it published that later runs read.

use super::RunOptions;
use crate::closes;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::schema::{CLAIM_ITEMS, DETERMINATIONS, PAYMENT_HISTORY, PAYMENTS};
use crate::warehouse::{Snapshot, Store};
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};

/// A run's folder.
#[derive(Debug)]
pub struct Workspace {
    pub store: Store,
    /// The newest snapshot there.
    pub previous: Option<Snapshot>,
    pub publishes: bool,
    /// Removed when the workspace goes: a dry run leaves nothing behind.
    temporary: Option<PathBuf>,
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary {
            Store::remove(folder);
        }
    }
}

/// Opens the folder that the options ask for.
///
/// # Errors
/// If the as-of date is earlier than the newest snapshot's and no other folder is given.
pub fn open(options: &RunOptions, job: &Job) -> Result<Workspace> {
    let configured = job.warehouse.to_string_lossy().into_owned();
    let location = options.warehouse.clone().unwrap_or(configured);
    let store = Store::open(&location, options.fault)?;
    let newest = Snapshot::newest(&store)?;
    let as_of = options.as_of.to_string();
    if let Some(newest) = &newest
        && as_of < newest.as_of
        && options.out.is_none()
        && !options.dry_run
    {
        return Err(Error::usage(format!(
            "--as-of {as_of}: expected {} or later, the date of snapshot {}",
            newest.as_of, newest.snapshot
        ))
        .hint("a run as of an earlier date takes `--out DIR` and leaves the warehouse as it is"));
    }
    if let Some(folder) = &options.out {
        return aside(options, folder, &store, newest.as_ref(), None);
    }
    if options.dry_run {
        let stamp = options.started_at.timestamp_micros();
        let name = format!("earnest-dry-run-{}-{stamp}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        return aside(options, &folder, &store, newest.as_ref(), Some(folder.clone()));
    }
    if let Some(newest) = &newest {
        newest.repair_current(&store)?;
    }
    Ok(Workspace { store, previous: newest, publishes: true, temporary: None })
}

/// A folder beside the warehouse, with the warehouse's staged files in it, and what it published of payments and claims, of
/// which those stay that were sent or came back into closed cycles, and, for a day that isn't earlier, what it
/// decided for good.
fn aside(
    options: &RunOptions,
    folder: &Path,
    warehouse: &Store,
    newest: Option<&Snapshot>,
    temporary: Option<PathBuf>,
) -> Result<Workspace> {
    let store = Store::open(&folder.to_string_lossy(), options.fault)?;
    let publishes = temporary.is_none();
    let guard = Workspace { store: store.clone(), previous: None, publishes, temporary };
    if Snapshot::newest(&store)?.is_some() {
        return Err(Error::usage(format!(
            "{}: expected a new folder, found a warehouse",
            folder.display()
        ))
        .hint("give `--out` a folder that doesn't exist yet"));
    }
    let Some(newest) = newest else { return Ok(guard) };
    let mut staged = closes::kept::keep(warehouse, newest, options.as_of)?;
    staged.snapshot = 0;
    let mut lasting = vec![&PAYMENTS, &PAYMENT_HISTORY, &CLAIM_ITEMS];
    if options.as_of.to_string() >= newest.as_of {
        lasting.push(&DETERMINATIONS);
    }
    for table in lasting {
        staged.set(table, newest.files(table.name).to_vec());
    }
    for file in staged.tables.values().flat_map(|table| &table.files) {
        store.adopt(warehouse, &file.path)?;
    }
    let mut guard = guard;
    guard.previous = Some(staged);
    Ok(guard)
}

impl Workspace {
    /// The snapshot to be: what is kept of the previous one, under the next number.
    ///
    /// # Errors
    /// If what is closed can't be read.
    pub fn next_snapshot(&self, options: &RunOptions) -> Result<Snapshot> {
        let previous = self.previous.as_ref();
        let kept =
            previous.map(|previous| closes::kept::keep(&self.store, previous, options.as_of));
        let number = previous.map_or(0, |snapshot| snapshot.snapshot) + 1;
        Ok(Snapshot {
            format: 1,
            snapshot: number,
            run_id: run_id(options.started_at, number),
            as_of: options.as_of.to_string(),
            earnest_version: env!("CARGO_PKG_VERSION").to_owned(),
            tables: kept.transpose()?.map(|kept| kept.tables).unwrap_or_default(),
        })
    }
}

/// The id of a run that started at an instant and publishes a snapshot.
pub fn run_id(started_at: DateTime<Utc>, number: u64) -> String {
    format!("{}-{number:08}", started_at.format("%Y%m%dT%H%M%SZ"))
}
