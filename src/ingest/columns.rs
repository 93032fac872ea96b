//! Columns that grow row by row. In: checked values of one row after the other. Out: arrow arrays. A row
//! that turns out to be faulty is taken back by truncating. A column is used for block after block, so
//! that the texts which come in all of them are numbered once.

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int32Array,
    Int64Array, StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
use std::sync::Arc;

/// Key of a null.
pub(super) const NULL_KEY: i32 = -1;

/// Distinct texts that are kept from block to block: whoever gets a block may read them all.
const MOST_KEPT: usize = 1_024;

/// Distinct texts, numbered in the order in which they came.
#[derive(Default)]
pub(super) struct Interner {
    /// The length is a power of two.
    slots: Vec<Slot>,
    hashes: Vec<u64>,
    ends: Vec<u32>,
    text: String,
}

/// Where a text is sought by its hash.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The hash's upper half.
    tag: u32,
    /// Number of the text plus one; 0: free.
    number: u32,
}

impl Slot {
    fn new(hash: u64, number: usize) -> Slot {
        Slot { tag: tag(hash), number: u32::try_from(number + 1).unwrap_or(u32::MAX) }
    }
}

/// The upper half of a hash; the lower one tells the slot.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl Interner {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there are so many texts that the next block begins better without them.
    pub(super) fn is_full(&self) -> bool {
        self.len() > MOST_KEPT
    }

    /// Forgets all texts.
    pub(super) fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.hashes.clear();
        self.ends.clear();
        self.text.clear();
    }

    #[inline]
    fn range(&self, number: usize) -> std::ops::Range<usize> {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        start..self.ends[number] as usize
    }

    pub(super) fn get(&self, number: usize) -> &str {
        &self.text[self.range(number)]
    }

    /// The number of a text.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if self.slots.len() < (self.len() + 1) * 2 {
            self.grow();
        }
        let hash = quick_hash(text.as_bytes());
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot.number == 0 {
                return self.add(place, hash, text);
            }
            let known = (slot.number - 1) as usize;
            if slot.tag == tag(hash)
                && same(&self.text.as_bytes()[self.range(known)], text.as_bytes())
            {
                return slot.number - 1;
            }
            place = (place + 1) & mask;
        }
    }

    /// Takes a new text into a free slot.
    #[cold]
    fn add(&mut self, place: usize, hash: u64, text: &str) -> u32 {
        let slot = Slot::new(hash, self.len());
        self.slots[place] = slot;
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.hashes.push(hash);
        slot.number - 1
    }

    #[cold]
    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(64);
        self.slots = vec![Slot::default(); length];
        for (number, hash) in self.hashes.iter().enumerate() {
            let mut place = *hash as usize & (length - 1);
            while self.slots[place].number != 0 {
                place = (place + 1) & (length - 1);
            }
            self.slots[place] = Slot::new(*hash, number);
        }
    }

    fn array(&self) -> StringArray {
        let offsets = std::iter::once(0).chain(self.ends.iter().map(|&end| end.cast_signed()));
        StringArray::new(
            OffsetBuffer::new(offsets.collect::<ScalarBuffer<i32>>()),
            arrow::buffer::Buffer::from(self.text.as_bytes()),
            None,
        )
    }
}

/// Each text, and whether it equals the one before: in an export that is in some order, most texts of most
/// columns do, and need not be sought again.
#[inline]
pub(super) fn runs<'t>(
    texts: impl Iterator<Item = &'t str>,
) -> impl Iterator<Item = (&'t str, bool)> {
    let mut before: Option<&str> = None;
    texts.map(move |text| {
        let again = before.is_some_and(|before| same(before.as_bytes(), text.as_bytes()));
        before = Some(text);
        (text, again)
    })
}

/// Whether two texts are equal, word by word, the last of which may overlap: most are short, and a call
/// costs more.
#[inline]
fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if left.len() >= 8 {
        let (words, _) = left.as_chunks::<8>();
        let (other_words, _) = right.as_chunks::<8>();
        return left.last_chunk::<8>() == right.last_chunk()
            && words.iter().zip(other_words).all(|(left, right)| left == right);
    }
    if left.len() >= 4 {
        return left.first_chunk::<4>() == right.first_chunk()
            && left.last_chunk::<4>() == right.last_chunk();
    }
    left.iter().zip(right).all(|(left, right)| left == right)
}

/// A hash of a text's begin, middle, end and length: most texts of a column differ there. Those that
/// don't only make the search longer.
#[inline]
fn quick_hash(text: &[u8]) -> u64 {
    const MULTIPLIERS: [u64; 3] =
        [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0xD6E8_FEB8_6659_FD93];
    let middle = text.get((text.len() / 2).saturating_sub(4)..).unwrap_or_default();
    let words = [text.first_chunk::<8>(), middle.first_chunk(), text.last_chunk()];
    let mixed = if let [Some(first), Some(middle), Some(last)] = words {
        let of = |word: &[u8; 8], place: usize| {
            u64::from_le_bytes(*word).wrapping_mul(MULTIPLIERS[place])
        };
        of(first, 0) ^ of(middle, 1).rotate_left(21) ^ of(last, 2).rotate_left(42)
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
    } else {
        text.iter().fold(0, |packed, byte| packed << 8 | u64::from(*byte))
    };
    let hash = (mixed ^ mixed >> 32 ^ text.len() as u64).wrapping_mul(MULTIPLIERS[0]);
    hash ^ hash >> 29
}

/// A text column as numbers of distinct texts; as plain texts once most of them turn out to differ.
#[derive(Default)]
pub(super) struct DictColumn {
    pub keys: Vec<i32>,
    pub texts: Interner,
    /// The texts as of the last block: while none is added, blocks share their dictionary.
    array: Option<ArrayRef>,
    /// Texts when this block began.
    known: usize,
    plain: Option<PlainTexts>,
}

/// Texts one after the other.
#[derive(Default)]
struct PlainTexts {
    text: Vec<u8>,
    ends: Vec<i32>,
    nulls: Vec<usize>,
}

/// Rows after which a column decides how to go on, and new texts from which on it is plain.
const SAMPLE: usize = 256;
const MOSTLY_DISTINCT: usize = SAMPLE / 4 * 3;

impl DictColumn {
    /// Begins a block of about so many rows.
    pub(super) fn begin(&mut self, expected: usize) {
        match &mut self.plain {
            Some(plain) => plain.ends.reserve(expected),
            None => self.keys.reserve(expected),
        }
        self.known = self.texts.len();
    }

    #[inline]
    pub(super) fn push(&mut self, text: &str) {
        let key = self.texts.intern(text).cast_signed();
        self.keys.push(key);
    }

    /// Appends a text that may be null, in whichever way the column is kept.
    #[inline]
    pub(super) fn push_optional(&mut self, text: &str) {
        if let Some(plain) = &mut self.plain {
            plain.push(text);
        } else if text.is_empty() {
            self.keys.push(NULL_KEY);
        } else {
            self.push(text);
            if self.keys.len() == SAMPLE && self.texts.len() - self.known > MOSTLY_DISTINCT {
                self.plain = Some(self.expand());
            }
        }
    }

    /// Appends the text of the row before once more. False if there is no key to repeat.
    #[inline]
    pub(super) fn repeat(&mut self) -> bool {
        let last = self.keys.last().copied();
        self.keys.extend(last);
        last.is_some()
    }

    /// Appends a text of which there are few, so that the column never becomes plain; blank is null.
    #[inline]
    pub(super) fn push_code(&mut self, text: &str) {
        if text.is_empty() {
            self.keys.push(NULL_KEY);
        } else {
            self.push(text);
        }
    }

    fn expand(&mut self) -> PlainTexts {
        let mut plain = PlainTexts::default();
        for key in std::mem::take(&mut self.keys) {
            let known = (key != NULL_KEY).then(|| self.texts.get(key.cast_unsigned() as usize));
            plain.push(known.unwrap_or_default());
        }
        plain
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.keys.truncate(rows);
        if let Some(plain) = &mut self.plain {
            plain.truncate(rows);
        }
    }

    /// Ends a block.
    pub(super) fn finish(&mut self) -> ArrayRef {
        if let Some(plain) = &mut self.plain {
            return plain.finish();
        }
        let known = self.array.take().filter(|array| array.len() == self.texts.len());
        let texts = known.unwrap_or_else(|| Arc::new(self.texts.array()));
        if self.texts.is_full() {
            self.texts.clear();
        } else {
            self.array = Some(Arc::clone(&texts));
        }
        dictionary(std::mem::take(&mut self.keys), texts)
    }
}

impl PlainTexts {
    /// Appends a text; blank is null.
    #[inline]
    fn push(&mut self, text: &str) {
        if text.is_empty() {
            self.nulls.push(self.ends.len());
        }
        self.text.extend_from_slice(text.as_bytes());
        self.ends.push(i32::try_from(self.text.len()).unwrap_or(i32::MAX));
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.text.truncate(self.ends.last().map_or(0, |end| end.cast_unsigned() as usize));
        self.nulls.retain(|row| *row < rows);
    }

    /// The texts so far; the next ones will be about as long.
    fn finish(&mut self) -> ArrayRef {
        let mut valid = vec![true; self.ends.len()];
        for row in self.nulls.drain(..) {
            valid[row] = false;
        }
        strings(&mut self.text, &mut self.ends, nulls(valid.iter().copied()))
    }
}

/// A dictionary array of keys, in which [`NULL_KEY`] is null.
pub(super) fn dictionary(mut keys: Vec<i32>, values: ArrayRef) -> ArrayRef {
    let nulls = nulls(keys.iter().map(|&key| key != NULL_KEY));
    if nulls.is_some() {
        for key in &mut keys {
            *key = (*key).max(0);
        }
    }
    let keys = Int32Array::new(keys.into(), nulls);
    // Without values, a key of a null row would point nowhere.
    let values =
        if values.is_empty() { Arc::new(StringArray::from(vec![""])) as ArrayRef } else { values };
    Arc::new(DictionaryArray::<Int32Type>::new(keys, values))
}

/// A text column of distinct texts.
#[derive(Default)]
pub(super) struct TextColumn {
    text: Vec<u8>,
    ends: Vec<i32>,
}

impl TextColumn {
    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.text.extend_from_slice(part);
        }
        self.ends.push(i32::try_from(self.text.len()).unwrap_or(i32::MAX));
    }

    /// The texts so far; the next ones will be about as long.
    pub(super) fn finish(&mut self) -> ArrayRef {
        strings(&mut self.text, &mut self.ends, None)
    }
}

/// Texts one after the other as an array; leaves room for as many.
fn strings(text: &mut Vec<u8>, ends: &mut Vec<i32>, nulls: Option<NullBuffer>) -> ArrayRef {
    let offsets: ScalarBuffer<i32> = std::iter::once(0).chain(ends.iter().copied()).collect();
    ends.clear();
    let room = Vec::with_capacity(text.len() + text.len() / 8);
    let text = std::mem::replace(text, room);
    Arc::new(StringArray::new(OffsetBuffer::new(offsets), text.into(), nulls))
}

/// Dates as days since 1970-01-01; `i32::MIN` is null.
pub(super) fn dates(days: Vec<i32>) -> ArrayRef {
    let nulls = nulls(days.iter().map(|&day| day != i32::MIN));
    Arc::new(Date32Array::new(days.into(), nulls))
}

/// Decimals; `i128::MIN` is null.
pub(super) fn decimals(values: Vec<i128>, precision: u8, scale: i8) -> ArrayRef {
    let nulls = nulls(values.iter().map(|&value| value != i128::MIN));
    let array = Decimal128Array::new(values.into(), nulls);
    Arc::new(array.with_data_type(arrow::datatypes::DataType::Decimal128(precision, scale)))
}

/// Whole numbers with a flag for each that is not null.
pub(super) fn integers(values: Vec<i64>, valid: &[bool]) -> ArrayRef {
    let nulls = nulls(valid.iter().copied());
    Arc::new(Int64Array::new(values.into(), nulls))
}

fn nulls(valid: impl Iterator<Item = bool> + Clone) -> Option<NullBuffer> {
    if valid.clone().all(|valid| valid) {
        return None;
    }
    let (buffer, _) = valid.map(Some).collect::<BooleanArray>().into_parts();
    Some(NullBuffer::new(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn texts_are_numbered_once() {
        let mut column = DictColumn::default();
        for text in (0..1_000).map(|number| format!("text {}", number % 300)) {
            column.push(&text);
        }
        column.push_optional("");
        assert_eq!(column.texts.len(), 300);
        let array = column.finish();
        let texts = array.as_dictionary::<Int32Type>().downcast_dict::<StringArray>();
        let texts: Vec<_> = texts.expect("texts").into_iter().collect();
        assert_eq!(texts[999], Some("text 99"));
        assert_eq!(texts[1_000], None);
    }

    #[test]
    fn nulls_are_kept() {
        let mut column = DictColumn::default();
        column.push_optional("");
        assert_eq!(column.finish().null_count(), 1);
        assert_eq!(dates(vec![1, i32::MIN]).null_count(), 1);
        assert_eq!(decimals(vec![1, i128::MIN, 2], 38, 12).null_count(), 1);
        assert_eq!(integers(vec![1, 2], &[true, false]).null_count(), 1);
        let mut column = DictColumn::default();
        for row in 0..3_000 {
            column.push_optional(&if row % 10 == 0 { String::new() } else { row.to_string() });
        }
        column.truncate(2_999);
        let array = column.finish();
        assert_eq!((array.len(), array.null_count()), (2_999, 300));
        assert_eq!(array.as_string::<i32>().value(2_998), "2998");
        let mut texts = TextColumn::default();
        texts.push(&[b"a", b"b"]);
        texts.push(&[b"c"]);
        assert_eq!(texts.finish().as_string::<i32>().value(0), "ab");
    }
}
