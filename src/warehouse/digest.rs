//! A table's digest: row count and order-free sum of 128-bit hashes of its content columns, so that
//! it says nothing of the order of rows, of files or of threads.

use crate::columns;
use crate::schema::Table;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use xxhash_rust::xxh3::xxh3_128;

/// Rows hashed at a time.
const CHUNK: usize = 1024;

/// The digest so far. Digests of files add up to the digest of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    pub sum: u128,
}

impl Digest {
    /// Adds the rows of one batch of a table.
    pub fn add(&mut self, table: &'static Table, batch: &RecordBatch) {
        let mut added = TableDigest::new(table);
        added.add(batch);
        self.merge(added.digest);
    }

    pub fn merge(&mut self, other: Digest) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// The digest of a table whose rows come batch by batch.
pub struct TableDigest {
    table: &'static Table,
    digest: Digest,
    /// Hashes of the values of dictionaries, by column: batches mostly share their dictionaries, or have
    /// some texts more.
    dictionaries: Vec<Option<(ArrayRef, Vec<u128>)>>,
}

impl TableDigest {
    #[must_use]
    pub fn new(table: &'static Table) -> TableDigest {
        let dictionaries = vec![None; table.columns.len()];
        TableDigest { table, digest: Digest::default(), dictionaries }
    }

    /// The digest so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Adds the rows of a batch, some at a time: their hashes stay in the fastest cache.
    pub fn add(&mut self, batch: &RecordBatch) {
        for (known, array) in self.dictionaries.iter_mut().zip(batch.columns()) {
            let Some(dictionary) = array.as_any_dictionary_opt() else { continue };
            let values = dictionary.values();
            let hashed = known.take().filter(|(known, _)| columns::grew_from(values, known));
            let mut hashes = hashed.map(|(_, hashes)| hashes).unwrap_or_default();
            hash_texts(values, &mut hashes);
            *known = Some((values.clone(), hashes));
        }
        let mut hashes = [SEED; CHUNK];
        let mut start = 0;
        while start < batch.num_rows() {
            let hashes = &mut hashes[..CHUNK.min(batch.num_rows() - start)];
            hashes.fill(SEED);
            for (position, column) in self.table.columns.iter().enumerate() {
                if column.content {
                    let dictionary = self.dictionaries[position].as_ref();
                    let dictionary = dictionary.map_or([].as_slice(), |(_, hashes)| hashes);
                    mix_column(hashes, batch.column(position), dictionary, start);
                }
            }
            let sum = hashes.iter().fold(0_u128, |sum, &hash| sum.wrapping_add(finish(hash)));
            self.digest.sum = self.digest.sum.wrapping_add(sum);
            start += hashes.len();
        }
        self.digest.rows += batch.num_rows() as u64;
    }
}

/// Hashes the texts that follow those which are hashed already.
fn hash_texts(texts: &ArrayRef, hashes: &mut Vec<u128>) {
    let hash = |text: Option<&str>| text.map_or(NULL, |text| xxh3_128(text.as_bytes()));
    hashes.extend(texts.as_string::<i32>().iter().skip(hashes.len()).map(hash));
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

const SEED: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
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

/// Mixes a chunk of a column into the hashes of its rows, from row `start` on.
fn mix_column(hashes: &mut [u128], array: &ArrayRef, dictionary: &[u128], start: usize) {
    let nulls = array.nulls();
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            mix_each(hashes, nulls, start, |row| xxh3_128(texts.value(row).as_bytes()));
        }
        DataType::Dictionary(_, _) => {
            let keys = array.as_dictionary::<Int32Type>().keys().values();
            mix_each(hashes, nulls, start, |row| dictionary[keys[row].cast_unsigned() as usize]);
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().values();
            mix_each(hashes, nulls, start, |row| u128::from(days[row].cast_unsigned()));
        }
        DataType::Int64 => {
            let numbers = array.as_primitive::<Int64Type>().values();
            mix_each(hashes, nulls, start, |row| u128::from(numbers[row].cast_unsigned()));
        }
        DataType::Timestamp(_, _) => {
            let instants = array.as_primitive::<TimestampMicrosecondType>().values();
            mix_each(hashes, nulls, start, |row| u128::from(instants[row].cast_unsigned()));
        }
        DataType::Decimal128(_, _) => {
            let amounts = array.as_primitive::<Decimal128Type>().values();
            mix_each(hashes, nulls, start, |row| amounts[row].cast_unsigned());
        }
        DataType::Boolean => {
            let truths = array.as_boolean();
            mix_each(hashes, nulls, start, |row| u128::from(truths.value(row)));
        }
        DataType::FixedSizeBinary(16) => {
            let digests = array.as_fixed_size_binary().value_data().as_chunks::<16>().0;
            mix_each(hashes, nulls, start, |row| u128::from_be_bytes(digests[row]));
        }
        other => unreachable!("no schema declares a column of type {other}"),
    }
}

fn mix_each(
    hashes: &mut [u128],
    nulls: Option<&NullBuffer>,
    start: usize,
    value: impl Fn(usize) -> u128,
) {
    for (row, hash) in (start..).zip(hashes) {
        let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
        mix(hash, if valid { value(row) } else { NULL });
    }
}
