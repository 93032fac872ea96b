//! The rows of one column until their row group is written. Repeating texts and rates stay keys into
//! a dictionary from the caller to the page, so that no value is hashed twice.

use super::distinct::{Distinct, dictionary, numbers, worthless};
use crate::columns;
use crate::schema::{Column, Kind};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use polars_arrow::array::{
    Array as Encodable, BinaryArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray,
    PrimitiveArray,
};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::offset::OffsetsBuffer;
use polars_error::PolarsResult;
use polars_parquet::write::Encoding;
use std::collections::HashMap;

/// The rows of a column that wait for their row group to fill.
pub struct ColumnRows {
    column: &'static Column,
    values: Values,
    /// Only of columns that may be null.
    valid: Option<MutableBitmap>,
}

enum Values {
    Keys(Keys),
    Texts(Texts),
    Truths(MutableBitmap),
    Days(Vec<i32>),
    /// Numbers that repeat.
    Numbers(Vec<i64>),
    /// Values as plain pages hold them: eight bytes, little-endian, or sixteen, big-endian.
    Plain(Vec<u8>, usize),
}

impl ColumnRows {
    pub fn new(column: &'static Column) -> ColumnRows {
        let values = match column.kind {
            Kind::Text | Kind::Codes => Values::Texts(Texts::default()),
            Kind::Boolean => Values::Truths(MutableBitmap::new()),
            Kind::Date => Values::Days(Vec::new()),
            Kind::Instant | Kind::Rate => Values::Numbers(Vec::new()),
            Kind::Integer | Kind::Money => Values::Plain(Vec::new(), 8),
            Kind::Amount | Kind::Uuid => Values::Plain(Vec::new(), 16),
        };
        ColumnRows { column, values, valid: column.nullable.then(MutableBitmap::new) }
    }

    /// Makes room for `rows` in all, like those that are here, so that no buffer is copied while it grows.
    pub fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Keys(keys) => keys.keys.reserve(rows),
            Values::Texts(texts) => {
                let known = texts.offsets.len().max(1);
                // The last one's end comes on top.
                texts.offsets.reserve(rows + 1);
                texts.bytes.reserve(texts.bytes.len() * (rows + rows / 16) / known);
            }
            Values::Truths(_) => {}
            Values::Days(days) => days.reserve(rows),
            Values::Numbers(numbers) => numbers.reserve(rows),
            Values::Plain(bytes, width) => bytes.reserve(rows * *width),
        }
    }

    /// Appends rows of the column's type; texts may come as a dictionary with `Int32` keys.
    pub fn append(&mut self, array: &ArrayRef) {
        if let Some(valid) = &mut self.valid {
            extend_validity(valid, array.nulls(), array.len());
        }
        // The first rows of a row group decide how its texts are kept.
        match (&self.values, array.as_any_dictionary_opt().is_some()) {
            (Values::Texts(texts), true) if texts.offsets.is_empty() => {
                self.values = Values::Keys(Keys::default());
            }
            (Values::Keys(keys), false) if keys.keys.is_empty() => {
                self.values = Values::Texts(Texts::default());
            }
            _ => {}
        }
        match (&mut self.values, self.column.kind) {
            (Values::Keys(keys), _) => keys.append(array),
            (Values::Texts(texts), _) => texts.append(array),
            (Values::Truths(truths), _) => {
                array.as_boolean().values().iter().for_each(|truth| truths.push(truth));
            }
            (Values::Days(days), _) => {
                days.extend_from_slice(array.as_primitive::<Date32Type>().values());
            }
            (Values::Numbers(numbers), Kind::Instant) => {
                numbers
                    .extend_from_slice(array.as_primitive::<TimestampMicrosecondType>().values());
            }
            (Values::Numbers(numbers), _) => {
                let decimals = array.as_primitive::<Decimal128Type>().values();
                numbers.extend(decimals.iter().map(|&decimal| small(decimal)));
            }
            (Values::Plain(bytes, _), Kind::Integer) => {
                let numbers = array.as_primitive::<Int64Type>().values();
                extend(bytes, numbers, |number| number.to_le_bytes());
            }
            (Values::Plain(bytes, _), Kind::Money) => {
                let decimals = array.as_primitive::<Decimal128Type>().values();
                extend(bytes, decimals, |&decimal| small(decimal).to_le_bytes());
            }
            (Values::Plain(bytes, _), Kind::Amount) => {
                let decimals = array.as_primitive::<Decimal128Type>().values();
                extend(bytes, decimals, |decimal| decimal.to_be_bytes());
            }
            (Values::Plain(bytes, _), _) => {
                bytes.extend_from_slice(array.as_fixed_size_binary().value_data());
            }
        }
    }

    /// The rows as an array for the encoder, and how to encode it. What the array doesn't take is empty then,
    /// with its room kept for the next row group.
    ///
    /// # Errors
    /// Never, unless rows were appended of another type.
    pub fn array(&mut self, unique: bool) -> PolarsResult<(Box<dyn Encodable>, Encoding)> {
        let valid = self.valid.as_mut().map(|valid| std::mem::take(valid).freeze());
        let valid = valid.filter(|valid| valid.unset_bits() > 0);
        match &mut self.values {
            Values::Keys(keys) => std::mem::take(keys).into_array(valid),
            Values::Texts(texts) => {
                let keys = if unique { None } else { texts.dictionary(valid.as_ref()) };
                match keys {
                    Some(keys) => {
                        texts.clear();
                        keys.into_array(valid)
                    }
                    None => std::mem::take(texts).into_array(valid),
                }
            }
            Values::Truths(truths) => {
                let truths = std::mem::take(truths).freeze();
                let array = BooleanArray::try_new(ArrowDataType::Boolean, truths, valid)?;
                Ok((array.boxed(), Encoding::Plain))
            }
            Values::Days(days) => numbers(ArrowDataType::Int32, days, valid),
            Values::Numbers(all) => numbers(ArrowDataType::Int64, all, valid),
            Values::Plain(bytes, width) => {
                let amounts = (self.column.kind == Kind::Amount).then(|| bytes.as_chunks::<16>().0);
                match amounts.and_then(|amounts| Distinct::of(amounts, valid.as_ref())) {
                    Some(distinct) => {
                        bytes.clear();
                        let values = distinct.values.as_flattened().to_vec();
                        dictionary(distinct.keys, fixed(values, *width, None)?.boxed(), valid)
                    }
                    None => {
                        let bytes = std::mem::take(bytes);
                        Ok((fixed(bytes, *width, valid)?.boxed(), Encoding::Plain))
                    }
                }
            }
        }
    }

    /// Takes back the buffers of an array that was written and that nobody else holds: the system clears
    /// fresh ones first, which costs as much as to fill them.
    pub fn take_back(&mut self, array: Box<dyn Encodable>) {
        match &mut self.values {
            Values::Keys(keys) => {
                let written = array.as_any().downcast_ref::<DictionaryArray<u32>>();
                let written = written.map(|array| array.keys().clone());
                drop(array);
                if let Some(written) = written {
                    keys.keys = emptied(written.into_inner().1.into_mut().right_or_default());
                }
            }
            Values::Texts(texts) => {
                if let Some((_, offsets, bytes, _)) = owned(array, BinaryArray::<i64>::into_inner) {
                    let offsets = emptied(offsets.into_inner().into_mut().right_or_default());
                    *texts = Texts { bytes: emptied(bytes.into_mut().right_or_default()), offsets };
                }
            }
            Values::Truths(_) => {}
            Values::Days(days) => {
                if let Some((_, written, _)) = owned(array, PrimitiveArray::into_inner) {
                    *days = emptied(written.into_mut().right_or_default());
                }
            }
            Values::Numbers(numbers) => {
                if let Some((_, written, _)) = owned(array, PrimitiveArray::into_inner) {
                    *numbers = emptied(written.into_mut().right_or_default());
                }
            }
            Values::Plain(bytes, _) => {
                if let Some((_, written, _)) = owned(array, FixedSizeBinaryArray::into_inner) {
                    *bytes = emptied(written.into_mut().right_or_default());
                }
            }
        }
    }
}

/// The parts of an array, if it is of that type: of numbers, dictionaries have been written too.
fn owned<A: Encodable + Clone, P>(array: Box<dyn Encodable>, parts: impl Fn(A) -> P) -> Option<P> {
    let typed = array.as_any().downcast_ref::<A>().cloned();
    drop(array);
    typed.map(parts)
}

/// The room of values without them.
fn emptied<T>(mut values: Vec<T>) -> Vec<T> {
    values.clear();
    values
}

fn fixed(
    bytes: Vec<u8>,
    width: usize,
    valid: Option<Bitmap>,
) -> PolarsResult<FixedSizeBinaryArray> {
    FixedSizeBinaryArray::try_new(ArrowDataType::FixedSizeBinary(width), bytes.into(), valid)
}

/// A decimal of at most 18 digits, which 64 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "18 digits fit 64 bits")]
fn small(decimal: i128) -> i64 {
    decimal as i64
}

/// Appends the bytes of values, all at once.
fn extend<T, const N: usize>(bytes: &mut Vec<u8>, values: &[T], encode: impl Fn(&T) -> [u8; N]) {
    let start = bytes.len();
    bytes.resize(start + N * values.len(), 0);
    for (place, value) in bytes[start..].as_chunks_mut::<N>().0.iter_mut().zip(values) {
        *place = encode(value);
    }
}

fn extend_validity(valid: &mut MutableBitmap, nulls: Option<&NullBuffer>, rows: usize) {
    match nulls {
        None => valid.extend_constant(rows, true),
        Some(nulls) => valid.extend_from_slice(nulls.validity(), nulls.offset(), rows),
    }
}

/// Texts one after the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    /// Where each text begins; the end of the last one is the length of `bytes`.
    offsets: Vec<i64>,
}

impl Texts {
    fn append(&mut self, array: &ArrayRef) {
        if let Some(texts) = array.as_string_opt::<i32>() {
            let offsets = texts.value_offsets();
            let (first, rows) = (offsets[0], texts.len());
            let begin = self.bytes.len().cast_signed() as i64 - i64::from(first);
            self.offsets.extend(offsets[..rows].iter().map(|&offset| begin + i64::from(offset)));
            let used = position(first.into())..position(offsets[rows].into());
            self.bytes.extend_from_slice(&texts.value_data()[used]);
        } else {
            let dictionary = array.as_dictionary::<Int32Type>();
            let texts = dictionary.values().as_string::<i32>();
            for row in 0..dictionary.len() {
                self.push(dictionary.key(row).map_or("", |key| texts.value(key)));
            }
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.offsets.clear();
    }

    fn push(&mut self, text: &str) {
        self.offsets.push(self.bytes.len().cast_signed() as i64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn value(&self, row: usize) -> &[u8] {
        let end = self.offsets.get(row + 1).map_or(self.bytes.len(), |&end| position(end));
        &self.bytes[position(self.offsets[row])..end]
    }

    /// The texts as keys, if they repeat.
    fn dictionary(&self, valid: Option<&Bitmap>) -> Option<Keys> {
        let rows = self.offsets.len();
        let mut index: HashMap<&[u8], u32, foldhash::fast::RandomState> = HashMap::default();
        let mut keys = Keys { keys: Vec::with_capacity(rows), ..Keys::default() };
        let mut before: Option<(&[u8], u32)> = None;
        let mut sought = 0;
        for row in 0..rows {
            if !valid.is_none_or(|valid| valid.get_bit(row)) {
                keys.keys.push(0);
                continue;
            }
            let text = self.value(row);
            let key = match before {
                Some((same, key)) if same == text => key,
                _ => {
                    sought += 1;
                    *index.entry(text).or_insert_with(|| keys.texts.add(text))
                }
            };
            before = Some((text, key));
            keys.keys.push(key);
            let hardly_any_found = sought == TEXTS_SAMPLE && index.len() > TEXTS_SAMPLE / 32 * 31;
            if hardly_any_found || worthless(index.len(), rows) {
                return None;
            }
        }
        Some(keys)
    }

    fn into_binary(mut self, valid: Option<Bitmap>) -> PolarsResult<BinaryArray<i64>> {
        self.offsets.push(self.bytes.len().cast_signed() as i64);
        let offsets = OffsetsBuffer::try_from(self.offsets)?;
        BinaryArray::try_new(ArrowDataType::LargeBinary, offsets, self.bytes.into(), valid)
    }

    /// Lengths first, then the texts: they compress faster, and better, without lengths in between.
    /// Nulls stay out of both, though bytes may lie where one is; the plain encoding passes over them.
    fn into_array(self, valid: Option<Bitmap>) -> PolarsResult<(Box<dyn Encodable>, Encoding)> {
        let nulls = valid.is_some();
        let encoding = if nulls { Encoding::Plain } else { Encoding::DeltaLengthByteArray };
        Ok((self.into_binary(valid)?.boxed(), encoding))
    }

    /// Adds a text; gives its position.
    fn add(&mut self, text: &[u8]) -> u32 {
        self.offsets.push(self.bytes.len().cast_signed() as i64);
        self.bytes.extend_from_slice(text);
        u32::try_from(self.offsets.len() - 1).unwrap_or(u32::MAX)
    }
}

/// Texts that were sought, runs of equal ones once, after which it shows whether they repeat. Of so many
/// texts that a dictionary of a whole row group pays, one in twenty has come again by then.
const TEXTS_SAMPLE: usize = 16_384;

fn position(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or_default()
}

/// Texts as keys into those that the row group uses, in order of first use.
#[derive(Default)]
struct Keys {
    keys: Vec<u32>,
    texts: Texts,
    index: HashMap<Vec<u8>, u32, foldhash::fast::RandomState>,
    /// The caller's dictionary, and what its keys are here; `u32::MAX` where not used yet.
    known: Option<(ArrayRef, Vec<u32>)>,
}

impl Keys {
    fn append(&mut self, array: &ArrayRef) {
        let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() else {
            let texts = array.as_string::<i32>();
            for row in 0..texts.len() {
                let key = self.key(texts.value(row).as_bytes());
                self.keys.push(key);
            }
            return;
        };
        let values = dictionary.values();
        let mut mapped = match self.known.take() {
            Some((known, mapped)) if columns::grew_from(values, &known) => mapped,
            _ => Vec::new(),
        };
        mapped.resize(values.len(), u32::MAX);
        let texts = values.as_string::<i32>();
        for row in 0..dictionary.len() {
            let Some(key) = dictionary.key(row) else {
                self.keys.push(0);
                continue;
            };
            if mapped[key] == u32::MAX {
                mapped[key] = self.key(texts.value(key).as_bytes());
            }
            self.keys.push(mapped[key]);
        }
        self.known = Some((values.clone(), mapped));
    }

    fn key(&mut self, text: &[u8]) -> u32 {
        if let Some(&key) = self.index.get(text) {
            return key;
        }
        let key = self.texts.add(text);
        self.index.insert(text.to_vec(), key);
        key
    }

    fn into_array(self, valid: Option<Bitmap>) -> PolarsResult<(Box<dyn Encodable>, Encoding)> {
        if self.texts.offsets.is_empty() {
            // Nulls only: a dictionary without entries is a page that readers stumble over.
            let nulls = Texts { bytes: Vec::new(), offsets: vec![0; self.keys.len()] };
            return nulls.into_array(valid);
        }
        let values = self.texts.into_binary(None)?.boxed();
        dictionary(self.keys, values, valid)
    }
}
