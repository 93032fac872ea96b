//! What identifies a row. In: the trimmed fields of a record. Out: its slice or key, its id, and what
//! links a refund to its original. All of them come from content, never from a position.

use super::columns::{DictColumn, TextColumn, integers};
use super::fields::{Columns, Fields};
use super::format::{Format, Identity};
use arrow::array::ArrayRef;
use earnest_core::id;
use xxhash_rust::xxh3::xxh3_128;

/// Identities of the rows of a block.
pub(super) struct Ids<'a> {
    format: &'a Format,
    has_digest_ids: bool,
    by_key: bool,
    digests: Vec<u128>,
    ids: TextColumn,
    slices: DictColumn,
    keys: TextColumn,
    key_hashes: Vec<u128>,
    links: Vec<i64>,
    linked: Vec<bool>,
    /// Digest of the format's name.
    salt: u128,
    bytes: Vec<u8>,
    joined: String,
    line: String,
}

/// Identities of all rows of a block, as columns.
pub(super) struct Identified {
    /// Digest of each row's declared columns; empty for `replace_by` formats with line ids, and for
    /// those without transactions.
    pub digests: Vec<u128>,
    /// 128-bit hash of each row's key; empty for `replace_by` formats.
    pub key_hashes: Vec<u128>,
    /// Transaction ids, as if no line came twice.
    pub ids: Option<ArrayRef>,
    pub slices: Option<ArrayRef>,
    pub keys: Option<ArrayRef>,
    pub links: Option<ArrayRef>,
}

impl<'a> Ids<'a> {
    pub(super) fn new(format: &'a Format) -> Ids<'a> {
        Ids {
            format,
            has_digest_ids: format.has_digest_ids(),
            by_key: matches!(format.identity, Identity::Key(_)),
            digests: Vec::new(),
            ids: TextColumn::default(),
            slices: DictColumn::default(),
            keys: TextColumn::default(),
            key_hashes: Vec::new(),
            links: Vec::new(),
            linked: Vec::new(),
            salt: id::digest([format.name.as_bytes()]),
            bytes: Vec::new(),
            joined: String::new(),
            line: String::new(),
        }
    }

    /// Begins a block of about so many rows.
    pub(super) fn begin(&mut self, expected: usize) {
        self.digests.reserve(expected);
        self.slices.begin(expected);
        self.links.reserve(expected);
        self.linked.reserve(expected);
    }

    /// Takes a record's.
    pub(super) fn push(&mut self, names: &Columns, fields: Fields) {
        let (Identity::Key(columns) | Identity::ReplaceBy(columns)) = &self.format.identity;
        join(&mut self.joined, names, fields, columns);
        if self.by_key {
            self.keys.push(&[self.joined.as_bytes()]);
            self.key_hashes.push(xxh3_128(self.joined.as_bytes()));
        } else {
            self.slices.push(&self.joined);
        }
        if self.by_key || self.has_digest_ids {
            let digest = self.digest(names, fields);
            self.digests.push(digest);
            if self.has_digest_ids {
                self.ids.push(&[&id::characters(digest), b"-1"]);
            }
        }
        if let (false, Some(line_id)) = (self.has_digest_ids, self.format.line_id) {
            self.ids.push(&[names.get(fields, line_id).as_bytes()]);
        }
        if !self.format.link.is_empty() {
            self.link(names, fields);
        }
    }

    /// Digest of format and every declared column, whatever way the record was written. The columns of
    /// the slice are among them.
    fn digest(&mut self, names: &Columns, fields: Fields) -> u128 {
        let line = names.canonical(fields, &mut self.line);
        xxh3_128(line.as_bytes()).wrapping_add(self.salt)
    }

    /// A blank first column, the order, links nothing; blanks of the others are the same: what is bought once
    /// has no subscription.
    fn link(&mut self, names: &Columns, fields: Fields) {
        self.bytes.clear();
        let first = self.format.link.first();
        let linked = first.is_some_and(|&order| !names.get(fields, order).is_empty());
        for &column in &self.format.link {
            add_part(&mut self.bytes, names.get(fields, column));
        }
        let first = (xxh3_128(&self.bytes) >> 64) as u64;
        self.links.push(if linked { first.cast_signed() } else { 0 });
        self.linked.push(linked);
    }

    /// Ends a block.
    pub(super) fn finish(&mut self) -> Identified {
        let has_ids = self.format.table.name == "transactions";
        let linked = std::mem::take(&mut self.linked);
        let links = std::mem::take(&mut self.links);
        Identified {
            digests: std::mem::take(&mut self.digests),
            key_hashes: std::mem::take(&mut self.key_hashes),
            ids: has_ids.then(|| self.ids.finish()),
            slices: (!self.by_key).then(|| self.slices.finish()),
            keys: self.by_key.then(|| self.keys.finish()),
            links: (!self.format.link.is_empty()).then(|| integers(links, &linked)),
        }
    }
}

/// The values of several columns as one text; a `/` within a value doesn't separate.
fn join(joined: &mut String, names: &Columns, fields: Fields, columns: &[usize]) {
    joined.clear();
    for (place, &column) in columns.iter().enumerate() {
        let text = names.get(fields, column);
        if place > 0 {
            joined.push('/');
        }
        if columns.len() > 1 && text.contains(['/', '%']) {
            joined.push_str(&text.replace('%', "%25").replace('/', "%2F"));
        } else {
            joined.push_str(text);
        }
    }
}

/// The same bytes that [`id::digest`] hashes.
#[inline]
fn add_part(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
