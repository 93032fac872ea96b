//! Fields of a record. In: spans, and where the format's columns stand in the file. Out: the trimmed
//! text of each column that the format declares.

use super::date::DatePatterns;
use super::number::Marks;
use super::splitter::Span;
use earnest_core::reason::RejectReason;

/// The fields of one record.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    /// What plain spans refer to, from byte `base` on.
    pub text: &'a str,
    pub base: u32,
    /// What unescaped spans refer to.
    pub scratch: &'a str,
    pub spans: &'a [Span],
}

impl<'a> Fields<'a> {
    pub(super) fn get(&self, span: Span) -> &'a str {
        if span.unescaped {
            &self.scratch[span.start as usize..span.end as usize]
        } else {
            &self.text[(span.start - self.base) as usize..(span.end - self.base) as usize]
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

/// Where a format's columns stand in a file.
#[derive(Debug)]
pub(super) struct Layout {
    /// Fields of the header.
    pub fields: usize,
    /// Per column of the format its field; `None`: the file lacks it.
    pub positions: Vec<Option<usize>>,
    pub delimiter: u8,
    pub marks: Marks,
    pub dates: DatePatterns,
}

/// Trimmed fields of the current record, in the format's order.
pub(super) struct Texts<'a> {
    layout: &'a Layout,
    spans: Vec<Span>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(layout: &'a Layout) -> Texts<'a> {
        Texts { layout, spans: vec![Span::default(); layout.positions.len()] }
    }

    /// Takes the next record.
    pub(super) fn set(&mut self, fields: Fields) {
        for (span, position) in self.spans.iter_mut().zip(&self.layout.positions) {
            if let Some(position) = position {
                *span = trimmed(fields, fields.spans[*position]);
            }
        }
    }

    /// The text of a column; empty if the file lacks the column.
    pub(super) fn get<'t>(&self, fields: Fields<'t>, column: usize) -> &'t str {
        match self.layout.positions[column] {
            Some(_) => fields.get(self.spans[column]),
            None => "",
        }
    }

    /// How many columns the format declares.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }
}

fn trimmed(fields: Fields, span: Span) -> Span {
    let text = fields.get(span);
    let bytes = text.as_bytes();
    let plain = |byte: Option<&u8>| byte.is_none_or(|byte| byte.is_ascii_graphic());
    if plain(bytes.first()) && plain(bytes.last()) {
        return span;
    }
    let start = span.start as usize + (text.len() - text.trim_start().len());
    let end = start + text.trim().len();
    let offset = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    Span { start: offset(start), end: offset(end), unescaped: span.unescaped }
}
