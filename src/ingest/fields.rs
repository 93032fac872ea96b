//! Fields of a record. In: spans, and where the format's columns stand in the file. Out: the trimmed
//! text of each column that the format declares.

use super::date::DatePatterns;
use super::number::Marks;
use super::splitter::Span;
use earnest_core::reason::RejectReason;
use std::sync::Arc;

/// The fields of one record.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// What plain spans refer to, from byte `base` on.
    pub text: &'a str,
    pub base: u32,
    /// What unescaped spans refer to.
    pub scratch: &'a str,
    pub spans: &'a [Span],
    /// The record, if it has no quotes and is separated by commas.
    pub plain: Option<&'a str>,
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

/// Trimmed fields of the current record, by the format's columns.
pub(super) struct Texts {
    layout: Arc<Layout>,
    /// Whether a file's records have exactly the format's columns in their order.
    as_declared: bool,
    /// Whether a field of the current record has blanks around it.
    trims: bool,
    /// Trimmed fields of the current record, if there is something to trim.
    trimmed: Vec<Span>,
}

impl Texts {
    pub(super) fn new(layout: Arc<Layout>) -> Texts {
        let in_order =
            layout.positions.iter().enumerate().all(|(place, position)| *position == place);
        Texts {
            as_declared: in_order && layout.fields == layout.positions.len(),
            layout,
            trims: false,
            trimmed: Vec::new(),
        }
    }

    /// Takes the next record.
    #[inline]
    pub(super) fn set(&mut self, fields: Fields) {
        self.trims = fields.spans.iter().any(|span| has_blanks(fields.bytes(*span)));
        if self.trims {
            self.trimmed.clear();
            self.trimmed.extend(fields.spans.iter().map(|span| trimmed(fields, *span)));
        }
    }

    /// The declared columns of the current record as a line of CSV: fields joined by commas, quoted
    /// only if they must be. `line` is scratch; mostly the record is such a line already.
    pub(super) fn canonical<'t>(&self, fields: Fields<'t>, line: &'t mut String) -> &'t str {
        if let Some(plain) = fields.plain
            && self.as_declared
            && !self.trims
        {
            return plain;
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

    /// The text of a column; empty if the file lacks the column.
    #[inline]
    pub(super) fn get<'t>(&self, fields: Fields<'t>, column: usize) -> &'t str {
        let spans = if self.trims { &self.trimmed } else { fields.spans };
        spans.get(self.layout.positions[column]).map_or("", |span| fields.get(*span))
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
