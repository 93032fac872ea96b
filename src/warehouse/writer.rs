//! The one Parquet writer. Files of equal content are equal bytes: fixed row-group size, codec and
//! level, no clock and no arrow schema in the metadata; what a file is stands in its own metadata.

mod column;
mod distinct;
mod encode;

use super::digest::TableDigest;
use super::store::Store;
use crate::error::{Error, Result};
use crate::schema::Table;
use arrow::array::RecordBatch;
use encode::Encoder;
use polars_parquet::parquet::error::ParquetError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;

/// Rows of one row group.
pub const ROW_GROUP_ROWS: usize = 262_144;

/// A file of a table, as snapshots name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Path below the warehouse's root.
    pub path: String,
    pub partition: String,
    pub unit: String,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
    /// Digest of the content columns, see [`super::Digest`].
    pub digest: String,
}

/// Writes one file of a table.
pub struct TableWriter {
    table: &'static Table,
    partition: String,
    unit: String,
    store: Store,
    scratch: PathBuf,
    digest: TableDigest,
    encoder: Option<Encoder<HashingFile>>,
}

impl TableWriter {
    /// `partition` is a relative folder (`2026-01`), `unit` the stem of the file's name.
    ///
    /// # Errors
    /// If the scratch file can't be made.
    pub fn new(
        store: &Store,
        table: &'static Table,
        partition: &str,
        unit: &str,
    ) -> Result<TableWriter> {
        Ok(TableWriter {
            table,
            partition: partition.to_owned(),
            unit: unit.to_owned(),
            store: store.clone(),
            scratch: store.scratch()?,
            digest: TableDigest::new(table),
            encoder: None,
        })
    }

    /// Appends rows. Text columns may come as dictionaries with `Int32` keys, the others as declared.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        assert_eq!(
            batch.num_columns(),
            self.table.columns.len(),
            "columns of `{}`",
            self.table.name
        );
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.digest.add(batch);
        if self.encoder.is_none() {
            let file = self.store.operation(&self.scratch, || File::create(&self.scratch))?;
            let encoder = Encoder::new(HashingFile::new(file), self.table);
            self.encoder = Some(encoder.map_err(|error| self.broken(&error))?);
        }
        if let Some(encoder) = &mut self.encoder {
            encoder.write(batch, ROW_GROUP_ROWS).map_err(|error| self.broken(&error))?;
        }
        Ok(())
    }

    /// Publishes the file under its content's name; `None` if it has no rows.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(self) -> Result<Option<DataFile>> {
        self.seal()?.map(SealedFile::publish).transpose()
    }

    /// Writes what is left, for the file to be published later; `None` if it has no rows.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn seal(mut self) -> Result<Option<SealedFile>> {
        let Some(encoder) = self.encoder.take() else { return Ok(None) };
        let file = encoder.finish().map_err(|error| self.broken(&error))?;
        let (bytes, sha256) = file.finish().map_err(|error| Error::io(&self.scratch, &error))?;
        let folder =
            if self.partition.is_empty() { String::new() } else { format!("{}/", self.partition) };
        let path =
            format!("tables/{}/{folder}{}-{}.parquet", self.table.name, self.unit, &sha256[..16]);
        let digest = self.digest.digest();
        let file = DataFile {
            path,
            partition: self.partition,
            unit: self.unit,
            rows: digest.rows,
            bytes,
            sha256,
            digest: digest.to_string(),
        };
        Ok(Some(SealedFile { file, store: self.store, scratch: self.scratch }))
    }

    fn broken(&self, error: &ParquetError) -> Error {
        let message = match error {
            ParquetError::OutOfSpec(message) => message.clone(),
            other => other.to_string(),
        };
        Error::broken(format!("{}: {message}", self.scratch.display()))
            .hint("see that the disk has space and run again; the last snapshot is untouched")
    }
}

/// A file that is written whole and that nobody sees yet.
pub struct SealedFile {
    file: DataFile,
    store: Store,
    scratch: PathBuf,
}

impl SealedFile {
    /// What it is once it is published.
    #[must_use]
    pub fn file(&self) -> &DataFile {
        &self.file
    }

    /// Puts the file under its content's name, on the disk for good: the caller waits for the disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn publish(self) -> Result<DataFile> {
        if !self.store.create_from(&self.file.path, &self.scratch)? {
            self.verify_existing()?;
        }
        Ok(self.file)
    }

    /// A file of that name may be left from a run that died: its bytes are compared, not trusted.
    fn verify_existing(&self) -> Result<()> {
        let path = self.store.path(&self.file.path);
        let (expected, existing) = (&self.file.sha256, sha256_of(&path)?);
        if existing == *expected {
            return Ok(());
        }
        Err(Error::broken(format!(
            "{}: expected content {expected}, found {existing}",
            path.display()
        ))
        .hint("no snapshot names this file; remove it and run again"))
    }
}

/// Bytes that a core's own cache holds.
const HASHED_AT_ONCE: usize = 256 << 10;

/// SHA-256 of a file's bytes, lower-case hex.
///
/// # Errors
/// If it can't be read.
pub fn sha256_of(path: &std::path::Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let file = File::open(path).map_err(|error| Error::io(path, &error))?;
    let mut file = BufReader::with_capacity(HASHED_AT_ONCE, file);
    std::io::copy(&mut file, &mut hasher).map_err(|error| Error::io(path, &error))?;
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hex of bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file that hashes what is written to it.
struct HashingFile {
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl HashingFile {
    fn new(file: File) -> HashingFile {
        HashingFile {
            file: BufWriter::with_capacity(1 << 20, file),
            hasher: Sha256::new(),
            bytes: 0,
        }
    }

    fn finish(mut self) -> std::io::Result<(u64, String)> {
        self.file.flush()?;
        Ok((self.bytes, hex(&self.hasher.finalize())))
    }
}

impl Write for HashingFile {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
