//! A table's digest: row count and order-free sum of 128-bit hashes of its content columns, so that
//! it says nothing of the order of rows, of files or of threads.

use crate::schema::Table;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use xxhash_rust::xxh3::xxh3_128;

/// The digest so far. Digests of files add up to the digest of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    pub sum: u128,
}

impl Digest {
    /// Adds the rows of a batch of the table.
    pub fn add(&mut self, table: &Table, batch: &RecordBatch) {
        let mut hashes = vec![0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835_u128; batch.num_rows()];
        for (position, column) in table.columns.iter().enumerate() {
            if column.content {
                mix_column(&mut hashes, batch.column(position));
            }
        }
        self.rows += batch.num_rows() as u64;
        self.sum = hashes.into_iter().fold(self.sum, |sum, hash| sum.wrapping_add(finish(hash)));
    }

    pub fn merge(&mut self, other: Digest) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:032x}", self.rows, self.sum)
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Digest, String> {
        let bad = || format!("expected a digest `rows-hex`, found `{text}`");
        let (rows, sum) = text.split_once('-').ok_or_else(bad)?;
        Ok(Digest {
            rows: rows.parse().map_err(|_| bad())?,
            sum: u128::from_str_radix(sum, 16).map_err(|_| bad())?,
        })
    }
}

const NULL: u128 = 0xA5A5_0F0F_1234_5678_9ABC_DEF0_0F1E_2D3C;

fn mix(state: &mut u128, value: u128) {
    const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
    let mixed = (*state ^ value).wrapping_mul(MULTIPLIER);
    *state = mixed ^ (mixed >> 61);
}

fn finish(mut state: u128) -> u128 {
    mix(&mut state, 0x5851_F42D_4C95_7F2D);
    mix(&mut state, 0x1405_7B7E_F767_814F);
    state
}

fn mix_column(hashes: &mut [u128], column: &dyn Array) {
    match column.data_type() {
        DataType::Utf8 => {
            mix_each(
                hashes,
                column
                    .as_string::<i32>()
                    .iter()
                    .map(|text| text.map(|text| xxh3_128(text.as_bytes()))),
            );
        }
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_dictionary::<Int32Type>();
            let values: Vec<u128> = dictionary
                .values()
                .as_string::<i32>()
                .iter()
                .map(|text| text.map_or(NULL, |text| xxh3_128(text.as_bytes())))
                .collect();
            mix_each(
                hashes,
                dictionary
                    .keys()
                    .iter()
                    .map(|key| key.map(|key| values[key.cast_unsigned() as usize])),
            );
        }
        DataType::Date32 => {
            mix_each(
                hashes,
                column
                    .as_primitive::<Date32Type>()
                    .iter()
                    .map(|day| day.map(|day| u128::from(day.cast_unsigned()))),
            );
        }
        DataType::Int64 => {
            mix_each(
                hashes,
                column
                    .as_primitive::<Int64Type>()
                    .iter()
                    .map(|number| number.map(|number| u128::from(number.cast_unsigned()))),
            );
        }
        DataType::Timestamp(_, _) => {
            mix_each(
                hashes,
                column
                    .as_primitive::<TimestampMicrosecondType>()
                    .iter()
                    .map(|instant| instant.map(|instant| u128::from(instant.cast_unsigned()))),
            );
        }
        DataType::Decimal128(_, _) => {
            mix_each(
                hashes,
                column
                    .as_primitive::<Decimal128Type>()
                    .iter()
                    .map(|amount| amount.map(i128::cast_unsigned)),
            );
        }
        DataType::Boolean => {
            mix_each(hashes, column.as_boolean().iter().map(|truth| truth.map(u128::from)));
        }
        DataType::FixedSizeBinary(16) => {
            mix_each(
                hashes,
                column.as_fixed_size_binary().iter().map(|bytes| {
                    bytes.and_then(|bytes| bytes.try_into().ok()).map(u128::from_be_bytes)
                }),
            );
        }
        other => unreachable!("no schema declares a column of type {other}"),
    }
}

fn mix_each(hashes: &mut [u128], values: impl Iterator<Item = Option<u128>>) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        mix(hash, value.unwrap_or(NULL));
    }
}
