//! Records that wait to be typed together, column by column: the texts that a column knows stay in the
//! core's cache from one record to the next.

use super::fields::Fields;
use super::splitter::Span;

/// Records that are typed at once: their spans fit the cache beside a column's texts.
const AT_ONCE: usize = 64;

/// Records of one block, whose fields all lie in the block's text.
#[derive(Default)]
pub(super) struct Waiting {
    records: Vec<Waited>,
    /// Fields of all records, one record after the other.
    spans: Vec<Span>,
}

/// A record without its fields.
#[derive(Clone, Copy)]
struct Waited {
    /// Within the block, the first is 0.
    record: u32,
    line: Span,
    plain: bool,
}

impl Waiting {
    /// Takes a record; true if enough are waiting.
    #[inline]
    pub(super) fn add(&mut self, record: u32, fields: Fields) -> bool {
        self.records.push(Waited { record, line: fields.line, plain: fields.plain });
        self.spans.extend_from_slice(fields.spans);
        self.records.len() == AT_ONCE
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.spans.clear();
    }

    /// All records at once; `text` is their block's.
    pub(super) fn all<'a>(&'a self, text: &'a str) -> Fields<'a> {
        Fields { text, spans: &self.spans, shared: true, ..Fields::default() }
    }

    /// One record after the other, with its number.
    pub(super) fn each<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (u32, Fields<'a>)> {
        let width = self.spans.len() / self.records.len().max(1);
        self.records.iter().zip(self.spans.chunks_exact(width.max(1))).map(
            move |(waited, spans)| {
                let Waited { record, line, plain } = *waited;
                (record, Fields { spans, line, plain, ..self.all(text) })
            },
        )
    }
}
