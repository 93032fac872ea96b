//! `--deep`: every file of a snapshot is read again and compared with what the snapshot says of it.

use super::{Finding, Status};
use crate::error::Result;
use crate::schema::{self, Table};
use crate::warehouse::{DataFile, Digest, Snapshot, Store, sha256_of};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;
use std::path::Path;

/// Compares bytes, rows and digests of all files.
///
/// # Errors
/// Never for a file that is missing or damaged: that is a finding.
pub fn files(store: &Store, snapshot: &Snapshot) -> Result<Finding> {
    let mut listed: Vec<(&str, &DataFile)> = Vec::new();
    for (table, state) in &snapshot.tables {
        listed.extend(state.files.iter().map(|file| (table.as_str(), file)));
    }
    let mut faults: Vec<String> = listed
        .par_iter()
        .filter_map(|(table, file)| {
            fault(store, table, file).map(|fault| format!("{}: {fault}", file.path))
        })
        .collect();
    for (name, state) in &snapshot.tables {
        let mut digest = Digest::default();
        for file in &state.files {
            digest.merge(file.digest.parse().unwrap_or_default());
        }
        if digest.to_string() != state.digest {
            faults.push(format!("{name}: expected digest {}, found {digest}", state.digest));
        }
    }
    let status = match (listed.is_empty(), faults.is_empty()) {
        (true, true) => Status::NotApplicable,
        (_, true) => Status::Ok,
        _ => Status::Failed,
    };
    faults.truncate(super::SHOWN);
    Ok(Finding { check: "files", global: true, status, detail: faults.join("\n") })
}

/// What differs; bytes first, because what they hold means nothing once they differ.
fn fault(store: &Store, table: &str, file: &DataFile) -> Option<String> {
    let path = store.path(&file.path);
    match sha256_of(&path) {
        Err(error) => return Some(format!("expected a file, found {error}")),
        Ok(found) if found != file.sha256 => {
            return Some(format!("expected SHA-256 {}, found {found}", file.sha256));
        }
        Ok(_) => {}
    }
    let Some(table) = schema::table(table) else {
        return Some("expected a known table, found another".to_owned());
    };
    match digest_of(&path, table) {
        Err(error) => Some(format!("expected a Parquet file, found {error}")),
        Ok(digest) if digest.to_string() != file.digest => {
            Some(format!("expected digest {}, found {digest}", file.digest))
        }
        Ok(digest) if digest.rows != file.rows => {
            Some(format!("expected {} rows, found {}", file.rows, digest.rows))
        }
        Ok(_) => None,
    }
}

fn digest_of(path: &Path, table: &'static Table) -> Result<Digest> {
    let file = std::fs::File::open(path).map_err(|error| crate::Error::io(path, &error))?;
    let mut digest = Digest::default();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
        digest.add(table, &batch?);
    }
    Ok(digest)
}
