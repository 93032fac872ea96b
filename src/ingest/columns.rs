//! Columns that grow row by row. In: checked values of one row after the other. Out: arrow arrays. A row
//! that turns out to be faulty is taken back by truncating.

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Int32Array,
    Int64Array, StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Key of a null.
pub(super) const NULL_KEY: i32 = -1;

/// Distinct texts, numbered in the order in which they came.
#[derive(Default)]
pub(super) struct Interner {
    /// Number of the text plus one, or 0; the length is a power of two.
    slots: Vec<u32>,
    hashes: Vec<u64>,
    ends: Vec<u32>,
    text: String,
    last: u32,
}

impl Interner {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, number: usize) -> &str {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.text[start..self.ends[number] as usize]
    }

    /// The number of a text.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        // Exports are sorted by something, so that the same text often comes again at once.
        if let Some(last) = self.ends.get(self.last as usize)
            && self.get(self.last as usize) == text
        {
            debug_assert!(*last as usize <= self.text.len());
            return self.last;
        }
        if self.slots.len() < (self.len() + 1) * 2 {
            self.grow();
        }
        let hash = xxh3_64(text.as_bytes());
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let number = self.slots[slot];
            if number == 0 {
                break;
            }
            let known = (number - 1) as usize;
            if self.hashes[known] == hash && self.get(known) == text {
                self.last = number - 1;
                return self.last;
            }
            slot = (slot + 1) & mask;
        }
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.hashes.push(hash);
        self.last = u32::try_from(self.len() - 1).unwrap_or(u32::MAX);
        self.slots[slot] = self.last + 1;
        self.last
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(64);
        self.slots = vec![0; length];
        for (number, hash) in self.hashes.iter().enumerate() {
            let mut slot = *hash as usize & (length - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (length - 1);
            }
            self.slots[slot] = u32::try_from(number + 1).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn array(&self) -> StringArray {
        let offsets = std::iter::once(0).chain(self.ends.iter().map(|&end| end.cast_signed()));
        StringArray::new(
            OffsetBuffer::new(offsets.collect::<ScalarBuffer<i32>>()),
            arrow::buffer::Buffer::from(self.text.as_bytes()),
            None,
        )
    }
}

/// A text column as numbers of distinct texts.
#[derive(Default)]
pub(super) struct DictColumn {
    pub keys: Vec<i32>,
    pub texts: Interner,
}

impl DictColumn {
    pub(super) fn push(&mut self, text: &str) {
        let key = self.texts.intern(text).cast_signed();
        self.keys.push(key);
    }

    pub(super) fn push_optional(&mut self, text: &str) {
        if text.is_empty() {
            self.keys.push(NULL_KEY);
        } else {
            self.push(text);
        }
    }

    pub(super) fn finish(self) -> ArrayRef {
        dictionary(self.keys, Arc::new(self.texts.array()))
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

    pub(super) fn finish(self) -> ArrayRef {
        let offsets: ScalarBuffer<i32> = std::iter::once(0).chain(self.ends).collect();
        Arc::new(StringArray::new(OffsetBuffer::new(offsets), self.text.into(), None))
    }
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
        let mut texts = TextColumn::default();
        texts.push(&[b"a", b"b"]);
        texts.push(&[b"c"]);
        assert_eq!(texts.finish().as_string::<i32>().value(0), "ab");
    }
}
