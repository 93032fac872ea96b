//! Files to blocks. In: the files of a delivery. Out: blocks of whole records, about half a megabyte each, with
//! where the format's columns stand in their file. A file is read once and never held whole.

use super::delivery::InputFile;
use super::fields::{LACKING, Layout};
use super::format::{Convert, Format, FormatColumn, Identity};
use super::open::{open_text, unreadable};
use super::splitter::{Found, Splitter};
use crate::error::{Error, Result};
use crate::job::Source;
use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::util::display::FormatOptions;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Bytes of a block, about: few enough to stay in a cache, enough rows for columns.
const BLOCK: usize = 1 << 19;
/// Bytes in which a header must end.
const HEADER: usize = 256 << 10;
/// Bytes of the longest record.
const LONGEST_RECORD: usize = 64 << 20;

/// Buffers of blocks that were parsed, to be filled again.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    fn take(&self) -> Vec<u8> {
        let spare = self.0.lock().ok().and_then(|mut spares| spares.pop());
        spare.unwrap_or_else(|| Vec::with_capacity(BLOCK + BLOCK / 8))
    }

    pub(super) fn give(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        if let Ok(mut spares) = self.0.lock() {
            spares.push(bytes);
        }
    }
}

/// Some whole records of a file.
pub(super) struct Block {
    /// Position of the file in the delivery.
    pub file: usize,
    pub layout: Arc<Layout>,
    pub data: Data,
}

pub(super) enum Data {
    /// UTF-8, unless the file has bytes that its encoding doesn't have.
    Text(Vec<u8>),
    /// Rows of a Parquet file as texts.
    Rows(RecordBatch),
}

impl Block {
    fn size(&self) -> usize {
        match &self.data {
            Data::Text(bytes) => bytes.len(),
            Data::Rows(_) => BLOCK,
        }
    }
}

/// Reads the files of a delivery, one after the other.
pub(super) struct Blocks<'a> {
    source: &'a Source,
    files: &'a [InputFile],
    spares: &'a Spares,
    next: usize,
    open: Option<Open>,
    /// Columns that the format doesn't declare, by file name.
    pub unknown: Vec<(String, Vec<String>)>,
}

struct Open {
    file: usize,
    layout: Arc<Layout>,
    stream: Stream,
}

enum Stream {
    Text { stream: Box<dyn Read + Send>, rest: Vec<u8> },
    Rows(ParquetRecordBatchReader),
}

impl<'a> Blocks<'a> {
    pub(super) fn new(
        source: &'a Source,
        files: &'a [InputFile],
        spares: &'a Spares,
    ) -> Blocks<'a> {
        Blocks { source, files, spares, next: 0, open: None, unknown: Vec::new() }
    }

    /// The next blocks, about `count` times a full one; empty at the end.
    pub(super) fn group(&mut self, count: usize) -> Result<Vec<Block>> {
        let mut group = Vec::with_capacity(count);
        let mut size = 0;
        while size < count * BLOCK && group.len() < count * 16 {
            let Some(block) = self.block()? else { break };
            size += block.size();
            group.push(block);
        }
        Ok(group)
    }

    fn block(&mut self) -> Result<Option<Block>> {
        loop {
            if self.open.is_none() {
                let Some(file) = self.files.get(self.next) else { return Ok(None) };
                self.open = Some(self.open_file(self.next, file)?);
                self.next += 1;
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let path = &self.files[open.file].path;
            let data = match &mut open.stream {
                Stream::Text { stream, rest } => {
                    let bytes = self.spares.take();
                    next_text(path, &mut **stream, bytes, rest, &open.layout)?.map(Data::Text)
                }
                Stream::Rows(reader) => next_rows(path, reader)?.map(Data::Rows),
            };
            match data {
                Some(data) => {
                    let layout = Arc::clone(&open.layout);
                    return Ok(Some(Block { file: open.file, layout, data }));
                }
                None => self.open = None,
            }
        }
    }

    fn open_file(&mut self, position: usize, file: &InputFile) -> Result<Open> {
        let format = &*self.source.format;
        let (header, stream, delimiter) = if file.name.ends_with(".parquet") {
            let (header, reader) = open_parquet(&file.path, format)?;
            (header, Stream::Rows(reader), format.delimiter)
        } else {
            let tabs = [".tsv", ".tsv.gz", ".tsv.zst"].iter().any(|end| file.name.ends_with(end));
            let delimiter = if tabs { b'\t' } else { format.delimiter };
            let (header, stream) = open_csv(&file.path, format, delimiter)?;
            (header, stream, delimiter)
        };
        let (mut layout, unknown) = layout_of(&file.path, format, &header, delimiter)?;
        if matches!(stream, Stream::Rows(_)) {
            // Typed columns come as ISO texts, whatever the format's text files have.
            layout.marks = super::number::Marks { decimal: b'.', thousands: None };
            for pattern in ["%FT%T%.fZ", "%FT%T%.f", "%F"] {
                layout.dates.add(pattern).map_err(Error::broken)?;
            }
        }
        if !unknown.is_empty() && self.source.fail_on_drift {
            return Err(Error::check(format!(
                "{}: expected the columns of format `{}`, found `{}` too",
                file.path.display(),
                format.name,
                unknown.join("`, `")
            ))
            .hint("declare the column in the format, or set `drift = \"warn\"` for the source"));
        }
        if !unknown.is_empty() {
            self.unknown.push((file.name.clone(), unknown));
        }
        Ok(Open { file: position, layout: Arc::new(layout), stream })
    }
}

/// The header of a text file, and what follows it.
fn open_csv(path: &Path, format: &Format, delimiter: u8) -> Result<(Vec<String>, Stream)> {
    let mut stream = open_text(path, format.encoding)?;
    let mut first = Vec::with_capacity(HEADER);
    let read = stream.by_ref().take(HEADER as u64).read_to_end(&mut first);
    let ended = read.map_err(|error| unreadable(path, &error))? < HEADER;
    let place = path.display();
    let mut splitter = Splitter::new(&first, delimiter, 0, ended);
    let (start, end) = match splitter.next() {
        Found::Record { start, end } => (start, end),
        Found::End => {
            return Err(Error::check(format!("{place}: expected a header, found an empty file"))
                .hint("deliver the file again; an export without rows still has its header"));
        }
        Found::OpenQuote { .. } | Found::Partial => {
            let message = format!("{place}: expected a header in the first line, found none");
            return Err(Error::check(message).hint("check the file's encoding and delimiter"));
        }
    };
    let Ok(text) = std::str::from_utf8(&first[start..end]) else {
        let message = format!("{place}: expected a header in UTF-8, found other bytes");
        return Err(Error::check(message).hint("declare the file's true `encoding` in the format"));
    };
    if text.contains('\r') {
        let message = format!(
            "{place}: expected lines that end with a line feed, found only carriage returns"
        );
        return Err(Error::check(message).hint("export the file with line ends of Windows or Unix"));
    }
    if text.contains('\0') {
        let message =
            format!("{place}: expected a header in UTF-8, found zero bytes, as UTF-16 has");
        return Err(Error::check(message).hint("declare the file's true `encoding` in the format"));
    }
    let fields = super::fields::Fields {
        text,
        base: u32::try_from(start).unwrap_or(u32::MAX),
        scratch: std::str::from_utf8(&splitter.scratch).unwrap_or_default(),
        spans: &splitter.spans,
        ..super::fields::Fields::default()
    };
    let header = splitter.spans.iter().map(|span| fields.get(*span).trim().to_owned()).collect();
    let rest = first[splitter.position()..].to_vec();
    Ok((header, Stream::Text { stream, rest }))
}

/// Where the format's columns stand, and which columns it doesn't declare.
fn layout_of(
    path: &Path,
    format: &Format,
    header: &[String],
    delimiter: u8,
) -> Result<(Layout, Vec<String>)> {
    let place = path.display();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    for (column, declared) in format.columns.iter().enumerate() {
        for name in std::iter::once(&declared.name).chain(&declared.aliases) {
            by_name.insert(name, column);
        }
    }
    let mut positions = vec![LACKING; format.columns.len()];
    let mut unknown = Vec::new();
    for (position, name) in header.iter().enumerate() {
        match by_name.get(name.as_str()) {
            Some(&column) if positions[column] != LACKING => {
                let message = format!("{place}: header: expected `{name}` once, found it again");
                return Err(Error::check(message).hint("ask the source which of the two is meant"));
            }
            Some(&column) => positions[column] = position,
            None => unknown.push(name.clone()),
        }
    }
    let missing: Vec<&str> = format
        .columns
        .iter()
        .zip(&positions)
        .filter(|(declared, position)| declared.required && **position == LACKING)
        .map(|(declared, _)| declared.name.as_str())
        .collect();
    if !missing.is_empty() {
        let found = if header.len() > 8 {
            format!("{}`, … ({} columns)", header[..8].join("`, `"), header.len())
        } else {
            format!("{}`", header.join("`, `"))
        };
        return Err(Error::check(format!(
            "{place}: header: expected the columns `{}`, found `{found}",
            missing.join("`, `")
        ))
        .hint(format!(
            "check delimiter and encoding; if the column was renamed, add the new name to its `aliases` in format `{}`",
            format.name
        )));
    }
    let layout = Layout {
        fields: header.len(),
        positions,
        delimiter,
        marks: format.marks,
        dates: format.dates.clone(),
    };
    Ok((layout, unknown))
}

/// The next whole records; `None` at the end.
fn next_text(
    path: &Path,
    stream: &mut dyn Read,
    mut bytes: Vec<u8>,
    rest: &mut Vec<u8>,
    layout: &Layout,
) -> Result<Option<Vec<u8>>> {
    bytes.append(rest);
    loop {
        let want = BLOCK.saturating_sub(bytes.len()).max(BLOCK / 2);
        let read = Read::take(&mut *stream, want as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(path, &error))?;
        let ended = read < want;
        let end = if ended { bytes.len() } else { last_record_end(&bytes, layout) };
        if end > 0 {
            rest.extend_from_slice(&bytes[end..]);
            bytes.truncate(end);
            return Ok(Some(bytes));
        }
        if ended {
            return Ok(None);
        }
        if bytes.len() > LONGEST_RECORD {
            return Err(Error::check(format!(
                "{}: expected records of less than {} MiB, found a longer one",
                path.display(),
                LONGEST_RECORD >> 20
            ))
            .hint("check that lines end with a line feed"));
        }
    }
}

/// Where the last whole record ends; 0 if there is none.
fn last_record_end(bytes: &[u8], layout: &Layout) -> usize {
    if !bytes.contains(&b'"') {
        return bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
    }
    let mut splitter = Splitter::new(bytes, layout.delimiter, layout.fields, false);
    while !matches!(splitter.next(), Found::Partial | Found::End) {}
    splitter.position()
}

fn open_parquet(path: &Path, format: &Format) -> Result<(Vec<String>, ParquetRecordBatchReader)> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let damaged = |error: String| {
        Error::check(format!("{}: expected a Parquet file, found damage ({error})", path.display()))
            .hint("deliver the file again; nothing of it was published")
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| damaged(error.to_string()))?;
    let mut header = Vec::new();
    for field in builder.schema().fields() {
        refuse_type(path, format, field.name(), field.data_type())?;
        header.push(field.name().clone());
    }
    let reader =
        builder.with_batch_size(8_192).build().map_err(|error| damaged(error.to_string()))?;
    Ok((header, reader))
}

/// Floats are no money, and nested columns have no text.
fn refuse_type(path: &Path, format: &Format, name: &str, found: &DataType) -> Result<()> {
    let named = |column: &FormatColumn| {
        column.name == name || column.aliases.iter().any(|alias| alias == name)
    };
    let Some(column) = format.columns.iter().position(named) else { return Ok(()) };
    let number = format.targets.iter().any(|target| {
        let number = matches!(target.convert, Convert::Decimal { .. } | Convert::Integer { .. });
        target.column == column && number
    });
    let (Identity::Key(identifying) | Identity::ReplaceBy(identifying)) = &format.identity;
    if found.is_floating() && (number || identifying.contains(&column)) {
        let message = format!(
            "{}: column `{name}`: expected decimals or text, found {found}",
            path.display()
        );
        return Err(Error::check(message)
            .hint("export the column as DECIMAL or text; floats round silently"));
    }
    if found.is_nested() {
        let message =
            format!("{}: column `{name}`: expected plain values, found {found}", path.display());
        return Err(Error::check(message).hint("export the column as text"));
    }
    Ok(())
}

/// The next rows, each column cast to text exactly; `None` at the end.
fn next_rows(path: &Path, reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>> {
    let damaged = |error: arrow::error::ArrowError| {
        Error::check(format!("{}: expected a Parquet file, found damage ({error})", path.display()))
            .hint("deliver the file again; nothing of it was published")
    };
    let Some(batch) = reader.next() else { return Ok(None) };
    let batch = batch.map_err(damaged)?;
    let options = CastOptions {
        safe: false,
        format_options: FormatOptions::new()
            .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
            .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ")),
    };
    let columns = batch
        .columns()
        .iter()
        .map(|column| {
            let column = match column.data_type() {
                // In UTC, whatever zone the file shows.
                DataType::Timestamp(unit, Some(_)) => &cast_with_options(
                    column,
                    &DataType::Timestamp(*unit, Some("UTC".into())),
                    &options,
                )?,
                nested if nested.is_nested() => {
                    &arrow::array::new_null_array(&DataType::Utf8, batch.num_rows())
                }
                _ => column,
            };
            cast_with_options(column, &DataType::Utf8, &options)
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged)?;
    let names = batch.schema();
    let named = names.fields().iter().map(|field| field.name().as_str()).zip(columns);
    RecordBatch::try_from_iter_with_nullable(named.map(|(name, column)| (name, column, true)))
        .map(Some)
        .map_err(damaged)
}
