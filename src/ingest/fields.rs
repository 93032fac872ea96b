//! Fields of records. In: spans, and where the format's columns stand in the file. Out: the trimmed
//! text of each column that the format declares.

use super::date::DatePatterns;
use super::number::Marks;
use super::splitter::Span;
use earnest_core::reason::RejectReason;
use std::sync::Arc;

/// The fields of one record, or of several one after the other.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields<'a> {
    /// What plain spans refer to, from byte `base` on.
    pub text: &'a str,
    pub base: u32,
    /// What unescaped spans refer to.
    pub scratch: &'a str,
    pub spans: &'a [Span],
    /// Where the record lies.
    pub line: Span,
    /// Whether the record has no quotes and no blanks around fields, and is separated by commas.
    pub plain: bool,
    /// Whether the records of the whole block refer to the same text.
    pub shared: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn get(&self, span: Span) -> &'a str {
        if span.unescaped {
            &self.scratch[span.start as usize..span.end as usize]
        } else {
            &self.text[(span.start - self.base) as usize..(span.end - self.base) as usize]
        }
    }

    #[inline]
    fn bytes(&self, span: Span) -> &'a [u8] {
        if span.unescaped {
            &self.scratch.as_bytes()[span.start as usize..span.end as usize]
        } else {
            let text = self.text.as_bytes();
            &text[(span.start - self.base) as usize..(span.end - self.base) as usize]
        }
    }
}

/// Why a record can't be staged.
#[derive(Debug)]
pub(super) struct Fault {
    /// Position of the column in the format; `None` for faults of the structure.
    pub column: Option<usize>,
    pub reason: RejectReason,
    pub found: Option<String>,
    pub expected: String,
}

/// The position of a column that the file lacks.
pub(super) const LACKING: usize = usize::MAX;

/// Where a format's columns stand in a file.
#[derive(Debug)]
pub(super) struct Layout {
    /// Fields of the header.
    pub fields: usize,
    /// Per column of the format its field, or [`LACKING`].
    pub positions: Vec<usize>,
    pub delimiter: u8,
    pub marks: Marks,
    pub dates: DatePatterns,
}

/// Reads fields by the format's columns.
pub(super) struct Columns {
    layout: Arc<Layout>,
    /// Whether a file's records have exactly the format's columns in their order.
    as_declared: bool,
}

impl Columns {
    pub(super) fn new(layout: Arc<Layout>) -> Columns {
        let in_order =
            layout.positions.iter().enumerate().all(|(place, position)| *position == place);
        let as_declared = in_order && layout.fields == layout.positions.len();
        Columns { layout, as_declared }
    }

    /// The declared columns of a record as a line of CSV: fields joined by commas, quoted only if they
    /// must be. `line` is scratch; mostly the record is such a line already.
    pub(super) fn canonical<'t>(&self, fields: Fields<'t>, line: &'t mut String) -> &'t str {
        if fields.plain && self.as_declared {
            return fields.get(fields.line);
        }
        line.clear();
        for column in 0..self.layout.positions.len() {
            if column > 0 {
                line.push(',');
            }
            let text = self.get(fields, column);
            if text.contains([',', '"', '\n']) {
                line.push('"');
                line.push_str(&text.replace('"', "\"\""));
                line.push('"');
            } else {
                line.push_str(text);
            }
        }
        line
    }

    /// The text of a column of one record; empty if the file lacks the column.
    #[inline]
    pub(super) fn get<'t>(&self, fields: Fields<'t>, column: usize) -> &'t str {
        fields.spans.get(self.layout.positions[column]).map_or("", |span| fields.get(*span))
    }

    /// The texts of a column of several records.
    #[inline]
    pub(super) fn each<'t>(
        &self,
        fields: Fields<'t>,
        column: usize,
    ) -> impl Iterator<Item = &'t str> + use<'t> {
        let position = self.layout.positions[column];
        let records = fields.spans.chunks_exact(self.layout.fields.max(1));
        records.map(move |record| record.get(position).map_or("", |span| fields.get(*span)))
    }
}

/// Where the trimmed fields of the current record lie, if there is something to trim.
#[derive(Default)]
pub(super) struct Trimmed(Vec<Span>);

impl Trimmed {
    /// The record without blanks around its fields.
    #[inline]
    pub(super) fn of<'t>(&'t mut self, fields: Fields<'t>) -> Fields<'t> {
        if !fields.spans.iter().any(|span| has_blanks(fields.bytes(*span))) {
            return fields;
        }
        self.0.clear();
        self.0.extend(fields.spans.iter().map(|span| trimmed(fields, *span)));
        Fields { spans: &self.0, plain: false, ..fields }
    }
}

/// Whether the first or last byte is, or may begin or end, a blank.
#[inline]
fn has_blanks(bytes: &[u8]) -> bool {
    let blank = |byte: &u8| !byte.is_ascii_graphic();
    bytes.first().is_some_and(blank) || bytes.last().is_some_and(blank)
}

fn trimmed(fields: Fields, span: Span) -> Span {
    let text = fields.get(span);
    let start = span.start as usize + (text.len() - text.trim_start().len());
    let end = start + text.trim().len();
    let offset = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    Span { start: offset(start), end: offset(end), unescaped: span.unescaped }
}
