//! Exports as they lie there, read again without staging. In: a source. Out: every record that can be
//! read, one after the other, each file's bytes once.

use super::blocks::{Blocks, Spares};
use super::delivery::deliveries;
use super::fields::{Columns, Fields, LACKING, Layout, Trimmed};
use super::number::decimal;
use super::parse::records;
use crate::error::Result;
use crate::job::Source;
use std::collections::HashSet;
use std::sync::Arc;

/// Decimals and digits that 128 bits hold.
const DIGITS: u32 = 38;

/// A record of an export.
pub struct Record<'a> {
    /// As the source names it.
    pub file: &'a str,
    /// 1 is the first after the header.
    pub number: u64,
    columns: &'a Columns,
    fields: Fields<'a>,
    layout: &'a Layout,
}

impl Record<'_> {
    /// The text of a column of the format, trimmed; empty if the file lacks it.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        self.columns.get(self.fields, column)
    }

    /// The number in a column, at `scale`; `None` if there is none, or one with more than `decimals`.
    #[must_use]
    pub fn number(&self, column: usize, decimals: u32, scale: u32) -> Option<i128> {
        decimal(self.text(column), self.layout.marks, decimals, scale, DIGITS).ok()
    }

    /// True if the file has the column.
    #[must_use]
    pub fn has(&self, column: usize) -> bool {
        self.layout.positions[column] != LACKING
    }
}

/// Hands every record of a source's files to `each`, but those of bytes that came before, and those that
/// staging rejects for their structure.
///
/// # Errors
/// If a file can't be read or is not as agreed.
pub fn reread(source: &Source, mut each: impl FnMut(&Record)) -> Result<()> {
    let mut seen = HashSet::new();
    for delivery in deliveries(source)? {
        let files: Vec<_> =
            delivery.files.into_iter().filter(|file| seen.insert(file.digest.clone())).collect();
        let spares = Spares::default();
        let mut blocks = Blocks::new(source, &files, &spares);
        let mut before = (usize::MAX, 0);
        loop {
            let group = blocks.group(1)?;
            if group.is_empty() {
                break;
            }
            for block in group {
                if before.0 != block.file {
                    before = (block.file, 0);
                }
                let columns = Columns::new(Arc::clone(&block.layout));
                let mut trimmed = Trimmed::default();
                before.1 += u64::from(records(&block, &mut |record, fields| {
                    if fields.spans.len() == block.layout.fields {
                        each(&Record {
                            file: &files[block.file].name,
                            number: before.1 + u64::from(record) + 1,
                            columns: &columns,
                            fields: trimmed.of(fields),
                            layout: &block.layout,
                        });
                    }
                    Ok(())
                }));
            }
        }
    }
    Ok(())
}
