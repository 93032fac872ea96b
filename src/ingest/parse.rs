//! Blocks to rows. In: a block of whole records. Out: typed columns, and the records that can't be
//! staged with the reason. Blocks know nothing of each other, so that they are parsed side by side.

use super::blocks::{Block, Data, Spares};
use super::fields::{Fault, Fields, Layout};
use super::format::Format;
use super::rows::{Faulty, Rows, Typed};
use super::splitter::{Found, Span, Splitter};
use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use earnest_core::reason::RejectReason;
use std::sync::{Arc, Mutex};

/// What a block held.
pub(super) struct Parsed {
    /// Position of the file in the delivery.
    pub file: usize,
    /// Records read, blank lines not counted.
    pub records: u32,
    pub typed: Typed,
    pub rejects: Vec<Rejected>,
}

/// A record that can't be staged.
pub(super) struct Rejected {
    /// Within the block, the first is 0.
    pub record: u32,
    pub fault: Fault,
    pub raw: String,
}

/// The rows of blocks that were parsed, one for each thread: their columns know most texts already.
pub(super) struct Idle<'a> {
    format: &'a Format,
    rows: Mutex<Vec<Rows<'a>>>,
}

impl<'a> Idle<'a> {
    pub(super) fn new(format: &'a Format) -> Idle<'a> {
        Idle { format, rows: Mutex::default() }
    }

    /// Rows of the layout, empty.
    fn take(&self, layout: &Arc<Layout>) -> Rows<'a> {
        let idle = self.rows.lock().ok().and_then(|mut rows| rows.pop());
        idle.filter(|rows| Arc::ptr_eq(&rows.layout, layout))
            .unwrap_or_else(|| Rows::new(self.format, Arc::clone(layout)))
    }

    fn give(&self, rows: Rows<'a>) {
        if let Ok(mut idle) = self.rows.lock() {
            idle.push(rows);
        }
    }
}

/// Types every record of a block.
pub(super) fn parse(idle: &Idle, block: Block, spares: &Spares) -> Parsed {
    let mut rows = idle.take(&block.layout);
    rows.begin(expected_rows(&block.data));
    let mut rejects = Vec::new();
    let mut push = |record: u32, fields: Fields| rows.push(record, fields);
    let records = match &block.data {
        Data::Text(bytes) => {
            let text = std::str::from_utf8(bytes).ok();
            let records = text_records(bytes, text, &block, &mut push, &mut rejects);
            rows.flush(text.unwrap_or_default());
            records
        }
        Data::Rows(batch) => table_records(batch, &block, &mut push, &mut rejects),
    };
    if let (Data::Text(bytes), false) = (&block.data, rows.faulty.is_empty()) {
        for Faulty { record, line, fault } in rows.faulty.drain(..) {
            let raw = &bytes[line.start as usize..line.end as usize];
            let raw = String::from_utf8_lossy(raw).into_owned();
            rejects.push(Rejected { record, fault, raw });
        }
        rejects.sort_by_key(|rejected| rejected.record);
    }
    let typed = rows.finish();
    idle.give(rows);
    if let Data::Text(bytes) = block.data {
        spares.give(bytes);
    }
    Parsed { file: block.file, records, typed, rejects }
}

/// About as many rows as there are, by the length of the first.
fn expected_rows(data: &Data) -> usize {
    match data {
        Data::Text(bytes) => {
            let first = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
            bytes.len() / (first + 1) + 1
        }
        Data::Rows(batch) => batch.num_rows(),
    }
}

/// Hands every record of a block that can be read to `push`; how many there were.
pub(super) fn records(
    block: &Block,
    push: &mut impl FnMut(u32, Fields) -> Result<(), Fault>,
) -> u32 {
    let mut rejects = Vec::new();
    match &block.data {
        Data::Text(bytes) => {
            text_records(bytes, std::str::from_utf8(bytes).ok(), block, push, &mut rejects)
        }
        Data::Rows(batch) => table_records(batch, block, push, &mut rejects),
    }
}

/// `all`: the bytes, if all of them are text.
fn text_records(
    bytes: &[u8],
    all: Option<&str>,
    block: &Block,
    push: &mut impl FnMut(u32, Fields) -> Result<(), Fault>,
    rejects: &mut Vec<Rejected>,
) -> u32 {
    let layout = &block.layout;
    let mut splitter = Splitter::new(bytes, layout.delimiter, layout.fields, true);
    let mut record = 0;
    loop {
        let (start, end, pushed) = match splitter.next() {
            Found::End | Found::Partial => return record,
            Found::OpenQuote { start, end } => (start, end, Err(open_quote())),
            Found::Record { start, end } => {
                let base = if all.is_some() { 0 } else { start };
                let text = all.or_else(|| std::str::from_utf8(&bytes[start..end]).ok());
                let pushed = match text {
                    Some(text) => push(
                        record,
                        Fields {
                            text,
                            base: u32::try_from(base).unwrap_or(u32::MAX),
                            scratch: std::str::from_utf8(&splitter.scratch).unwrap_or_default(),
                            spans: &splitter.spans,
                            line: Span::plain(start, end),
                            plain: layout.delimiter == b',' && !splitter.quotes,
                            shared: all.is_some(),
                        },
                    ),
                    None => Err(bad_encoding(bytes, &splitter, block)),
                };
                (start, end, pushed)
            }
        };
        if let Err(fault) = pushed {
            let raw = String::from_utf8_lossy(&bytes[start..end]).into_owned();
            rejects.push(Rejected { record, fault, raw });
        }
        record += 1;
    }
}

fn open_quote() -> Fault {
    Fault {
        column: None,
        reason: RejectReason::OpenQuote,
        found: None,
        expected: "a closing quote before the end of the record".to_owned(),
    }
}

/// The fault of a record with bytes that its encoding doesn't have, in the first such column.
fn bad_encoding(bytes: &[u8], splitter: &Splitter, block: &Block) -> Fault {
    let of = |span: &Span| {
        let from = if span.unescaped { splitter.scratch.as_slice() } else { bytes };
        &from[span.start as usize..span.end as usize]
    };
    let field = splitter.spans.iter().position(|span| std::str::from_utf8(of(span)).is_err());
    let column = field
        .and_then(|field| block.layout.positions.iter().position(|position| *position == field));
    let found = field.map(|field| String::from_utf8_lossy(of(&splitter.spans[field])).into_owned());
    Fault {
        column,
        reason: RejectReason::BadEncoding,
        found,
        expected: "text in the format's encoding".to_owned(),
    }
}

/// Rows of a Parquet file, each laid out like a record of text.
fn table_records(
    batch: &RecordBatch,
    block: &Block,
    push: &mut impl FnMut(u32, Fields) -> Result<(), Fault>,
    rejects: &mut Vec<Rejected>,
) -> u32 {
    let columns: Vec<&StringArray> =
        batch.columns().iter().map(|column| column.as_string()).collect();
    let delimiter = char::from(block.layout.delimiter);
    let offset = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    let mut text = String::new();
    let mut spans = Vec::with_capacity(columns.len());
    let count = offset(batch.num_rows());
    for record in 0..count {
        text.clear();
        spans.clear();
        for column in &columns {
            let start = text.len();
            if column.is_valid(record as usize) {
                text.push_str(column.value(record as usize));
            }
            spans.push(Span::plain(start, text.len()));
            text.push(delimiter);
        }
        text.pop();
        let fields = Fields { text: &text, spans: &spans, ..Fields::default() };
        if let Err(fault) = push(record, fields) {
            rejects.push(Rejected { record, fault, raw: text.clone() });
        }
    }
    count
}
