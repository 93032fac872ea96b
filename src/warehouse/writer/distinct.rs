//! Values as keys into those that are distinct, where they repeat often enough.

use polars_arrow::array::{Array as Encodable, DictionaryArray, PrimitiveArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::types::NativeType;
use polars_error::PolarsResult;
use polars_parquet::write::Encoding;
use std::collections::HashMap;
use std::hash::Hash;

/// A dictionary pays as long as values repeat this often.
const REPEATS: usize = 2;

/// More distinct values than a dictionary is good for.
pub fn worthless(distinct: usize, rows: usize) -> bool {
    distinct > 256 && distinct > rows / REPEATS
}

/// An array of keys into values.
///
/// # Errors
/// If a key has no value.
pub fn dictionary(
    keys: Vec<u32>,
    values: Box<dyn Encodable>,
    valid: Option<Bitmap>,
) -> PolarsResult<(Box<dyn Encodable>, Encoding)> {
    let keys = PrimitiveArray::try_new(ArrowDataType::UInt32, keys.into(), valid)?;
    let array = DictionaryArray::try_from_keys(keys, values, false)?;
    Ok((array.boxed(), Encoding::RleDictionary))
}

/// Numbers as an array: keys of a dictionary, if they repeat. They are taken, or at least emptied.
///
/// # Errors
/// Never.
pub fn numbers<T: NativeType + Eq + Hash>(
    dtype: ArrowDataType,
    numbers: &mut Vec<T>,
    valid: Option<Bitmap>,
) -> PolarsResult<(Box<dyn Encodable>, Encoding)> {
    if let Some(distinct) = Distinct::of(numbers, valid.as_ref()) {
        numbers.clear();
        return distinct.into_array(dtype, valid);
    }
    let numbers = std::mem::take(numbers).into();
    Ok((PrimitiveArray::try_new(dtype, numbers, valid)?.boxed(), Encoding::Plain))
}

/// Numbers as keys into their distinct values, in order of first use.
pub struct Distinct<T> {
    pub keys: Vec<u32>,
    pub values: Vec<T>,
}

/// Rows after which it shows whether values repeat.
const SAMPLE: usize = 8_192;

impl<T: Copy + Eq + Hash> Distinct<T> {
    /// `None` if they don't repeat.
    pub fn of(numbers: &[T], valid: Option<&Bitmap>) -> Option<Distinct<T>> {
        let mut index: HashMap<T, u32, foldhash::fast::RandomState> = HashMap::default();
        let mut distinct = Distinct { keys: Vec::with_capacity(numbers.len()), values: Vec::new() };
        let mut before: Option<(T, u32)> = None;
        for (row, &number) in numbers.iter().enumerate() {
            if !valid.is_none_or(|valid| valid.get_bit(row)) {
                distinct.keys.push(0);
                continue;
            }
            let key = match before {
                Some((same, key)) if same == number => key,
                _ => *index.entry(number).or_insert_with(|| {
                    distinct.values.push(number);
                    u32::try_from(distinct.values.len() - 1).unwrap_or(u32::MAX)
                }),
            };
            before = Some((number, key));
            distinct.keys.push(key);
            let seen = if row + 1 == SAMPLE { SAMPLE } else { numbers.len() };
            if worthless(index.len(), seen) {
                return None;
            }
        }
        (!distinct.values.is_empty()).then_some(distinct)
    }
}

impl<T: NativeType + Eq + Hash> Distinct<T> {
    fn into_array(
        self,
        dtype: ArrowDataType,
        valid: Option<Bitmap>,
    ) -> PolarsResult<(Box<dyn Encodable>, Encoding)> {
        let values = PrimitiveArray::try_new(dtype, self.values.into(), None)?.boxed();
        dictionary(self.keys, values, valid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_keys_only_if_they_repeat() {
        let amounts = |every: usize| -> Vec<[u8; 16]> {
            (0..20_000).map(|row| ((row / every) as i128).to_be_bytes()).collect()
        };
        let distinct = Distinct::of(&amounts(4), None).expect("each comes four times");
        assert_eq!((distinct.keys[7], distinct.values.len()), (1, 5_000));
        assert!(Distinct::of(&amounts(1), None).is_none(), "each comes once");
        // What repeats only after the sample is written as it is.
        let late: Vec<i64> = (0..20_000).map(|row| row.min(9_000)).collect();
        assert!(Distinct::of(&late, None).is_none());
    }
}
