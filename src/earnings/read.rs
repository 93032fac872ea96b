//! Reads staged transactions batch by batch, with repeating texts as dictionaries, so that each
//! distinct text is looked up once per batch and not once per row.

use super::names::Dictionary;
use crate::columns;
use crate::error::{Error, Result};
use crate::ingest::InForceFile;
use crate::schema::{Kind, TRANSACTIONS};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int32Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Field, Int32Type, Schema};
use earnest_core::program::measured::Quantity;
use earnest_core::program::{Filter, Lever, Program};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

/// So few that their columns stay in a core's cache.
const BATCH_ROWS: usize = 8_192;

/// Texts that rarely differ from row to row.
const DICTIONARIES: &[&str] = &[
    "source",
    "format",
    "data_role",
    "billed_partner_id",
    "reseller_partner_id",
    "customer_country",
    "product_id",
    "sku_id",
    "charge_type",
    "term_and_billing_cycle",
    "publisher_name",
    "workload",
    "transaction_currency",
];

/// Columns that every program needs.
const NEEDED: &[&str] = &[
    "transaction_id",
    "source",
    "data_role",
    "transaction_on",
    "billed_partner_id",
    "reseller_partner_id",
    "customer_id",
    "product_id",
    "sku_id",
    "base",
    "transaction_currency",
];

/// Opens a staged file for calculation. Columns that only filters or exclusions need are read where
/// asked.
///
/// # Errors
/// If the file can't be read.
pub fn open(file: &InForceFile, programs: &[Program]) -> Result<ParquetRecordBatchReader> {
    let mut columns: Vec<&str> = NEEDED.iter().copied().chain(excluding(file)).collect();
    for (_, _, filter) in filters(programs) {
        columns.extend(filter_columns(filter));
    }
    let mut levers = programs.iter().flat_map(|program| &program.levers);
    let measured = |lever: &Lever| lever.measured.as_ref().map(|measured| measured.of);
    if levers.any(|lever| measured(lever) == Some(Quantity::Quantity)) {
        columns.push("quantity");
    }
    if programs.iter().any(Program::asks_for_customer_countries) {
        columns.push("customer_country");
    }
    reader(file, &columns, DICTIONARIES, None)
}

/// Columns that tell which rows of a file are out of force.
pub fn excluding(file: &InForceFile) -> impl Iterator<Item = &'static str> {
    let slices = (!file.slices.is_empty()).then_some("slice_key");
    slices.into_iter().chain((!file.keys.is_empty()).then_some("row_key"))
}

/// Opens a staged file for reading some columns, of some rows if asked, with some texts as
/// dictionaries.
///
/// # Errors
/// If the file can't be read.
pub fn reader(
    file: &InForceFile,
    columns: &[&str],
    dictionaries: &[&str],
    selection: Option<RowSelection>,
) -> Result<ParquetRecordBatchReader> {
    let fields: Vec<Field> =
        TRANSACTIONS.columns.iter().map(|column| field(column, dictionaries)).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    let opened = File::open(&file.path).map_err(|error| Error::io(&file.path, &error))?;
    let place = |error: parquet::errors::ParquetError| {
        Error::broken(format!("{}: {error}", file.path.display()))
            .hint("`earnest check --deep` tells which published files are damaged")
    };
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options).map_err(place)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let mut builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    if let Some(selection) = selection {
        builder = builder.with_row_selection(selection);
    }
    builder.build().map_err(place)
}

fn field(column: &crate::schema::Column, dictionaries: &[&str]) -> Field {
    let data_type = if column.kind == Kind::Text && dictionaries.contains(&column.name) {
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    } else {
        column.kind.data_type()
    };
    Field::new(column.name, data_type, column.nullable)
}

/// Program, lever and filter of every lever that has one.
pub fn filters(programs: &[Program]) -> impl Iterator<Item = (usize, usize, &Filter)> {
    programs.iter().enumerate().flat_map(|(program, rules)| {
        let filtered = rules.levers.iter().enumerate();
        filtered.filter_map(move |(lever, rule)| Some((program, lever, rule.filter.as_ref()?)))
    })
}

fn filter_columns(filter: &Filter) -> Vec<&str> {
    match filter {
        Filter::AllOf(filters) | Filter::AnyOf(filters) => {
            filters.iter().flat_map(filter_columns).collect()
        }
        Filter::Not(filter) => filter_columns(filter),
        Filter::In { column, .. } | Filter::Range { column, .. } => vec![column],
    }
}

/// A text column as keys into one of the run's dictionaries, or as positions of its own values.
pub struct Keyed {
    keys: Int32Array,
    values: ArrayRef,
    /// Run-wide key of each of the column's values.
    mapped: Arc<[i32]>,
}

impl Keyed {
    fn new(batch: &RecordBatch, name: &str) -> Result<Keyed> {
        let column = batch
            .column_by_name(name)
            .ok_or_else(|| Error::broken(format!("transactions: no column `{name}`")))?;
        let column = column.as_dictionary::<Int32Type>();
        let (keys, values) = (column.keys().clone(), column.values().clone());
        Ok(Keyed { keys, values, mapped: Arc::new([]) })
    }

    /// Looks up the values' keys, unless the batch before had the same values.
    fn mapped(mut self, dictionary: &Dictionary, before: Option<&Keyed>) -> Keyed {
        self.mapped = match before.filter(|before| before.shares_values(&self)) {
            Some(before) => before.mapped.clone(),
            None => self
                .values
                .as_string::<i32>()
                .iter()
                .map(|text| text.and_then(|text| dictionary.key(text)).unwrap_or_default())
                .collect(),
        };
        self
    }

    /// True if places mean the same texts in both.
    pub fn shares_values(&self, other: &Keyed) -> bool {
        columns::same_texts(&self.values, &other.values)
    }

    /// The run-wide key of a row's text.
    pub fn key(&self, row: usize) -> Option<i32> {
        usize::try_from(self.place(row)).ok().map(|place| self.mapped[place])
    }

    /// Where a row's text stands among the column's values; negative if it has none.
    pub fn place(&self, row: usize) -> i32 {
        if self.keys.is_valid(row) { self.keys.value(row) } else { -1 }
    }

    pub fn text(&self, row: usize) -> Option<&str> {
        let place = usize::try_from(self.place(row)).ok()?;
        Some(self.values.as_string::<i32>().value(place))
    }
}

/// The columns of a batch, ready to be asked row by row.
pub struct Columns {
    pub rows: usize,
    pub transaction_id: StringArray,
    pub source: Keyed,
    pub data_role: Keyed,
    pub transaction_on: Date32Array,
    pub billed: Keyed,
    pub reseller: Keyed,
    pub customer_id: StringArray,
    pub product: Keyed,
    pub sku: Keyed,
    pub base: Decimal128Array,
    pub currency: Keyed,
    quantity: Option<Decimal128Array>,
    /// `None`: no program asks for it.
    customer_country: Option<Keyed>,
    /// Rows that a lever's filter lets through, by program and lever.
    pub passing: HashMap<(usize, usize), BooleanArray>,
    excluded: Option<BooleanArray>,
}

impl Columns {
    /// # Errors
    /// If a column is missing, which would be a damaged file.
    pub fn new(
        batch: &RecordBatch,
        names: &super::names::Names,
        programs: &[Program],
        file: &InForceFile,
        before: Option<&Columns>,
    ) -> Result<Columns> {
        let missing = |name: &str| Error::broken(format!("transactions: no column `{name}`"));
        let array = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
        let keyed = |name: &str, dictionary, column: fn(&Columns) -> &Keyed| {
            Ok::<_, Error>(Keyed::new(batch, name)?.mapped(dictionary, before.map(column)))
        };
        let mut passing = HashMap::new();
        for (program, lever, filter) in filters(programs) {
            passing.insert((program, lever), passes(batch, filter)?);
        }
        Ok(Columns {
            rows: batch.num_rows(),
            transaction_id: array("transaction_id")?.as_string().clone(),
            source: keyed("source", &names.sources, |columns| &columns.source)?,
            data_role: Keyed::new(batch, "data_role")?,
            transaction_on: array("transaction_on")?.as_primitive::<Date32Type>().clone(),
            billed: keyed("billed_partner_id", &names.partners, |columns| &columns.billed)?,
            reseller: keyed("reseller_partner_id", &names.partners, |columns| &columns.reseller)?,
            customer_id: array("customer_id")?.as_string().clone(),
            product: Keyed::new(batch, "product_id")?,
            sku: Keyed::new(batch, "sku_id")?,
            base: array("base")?.as_primitive::<Decimal128Type>().clone(),
            currency: keyed("transaction_currency", &names.currencies, |columns| {
                &columns.currency
            })?,
            quantity: batch
                .column_by_name("quantity")
                .map(|column| column.as_primitive::<Decimal128Type>().clone()),
            customer_country: match programs.iter().any(Program::asks_for_customer_countries) {
                true => Some(Keyed::new(batch, "customer_country")?),
                false => None,
            },
            passing,
            excluded: excluded(batch, file),
        })
    }

    /// Units of a row at amount scale; 0 where none is given, or nobody asked for them.
    pub fn quantity(&self, row: usize) -> i128 {
        let given = self.quantity.as_ref().filter(|quantity| quantity.is_valid(row));
        given.map_or(0, |quantity| quantity.value(row))
    }

    /// The country of a row's customer; `None` where it isn't known, or nobody asked.
    pub fn customer_country(&self, row: usize) -> Option<&str> {
        let text = self.customer_country.as_ref().and_then(|country| country.text(row));
        text.filter(|country| !country.is_empty())
    }

    /// True if a later delivery replaced the row.
    pub fn is_excluded(&self, row: usize) -> bool {
        self.excluded.as_ref().is_some_and(|excluded| excluded.value(row))
    }
}

/// Which rows a later delivery replaced, if any can be.
pub fn excluded(batch: &RecordBatch, file: &InForceFile) -> Option<BooleanArray> {
    if file.slices.is_empty() && file.keys.is_empty() {
        return None;
    }
    let holds = |name: &str, keys: &std::collections::HashSet<String>, row: usize| {
        batch.column_by_name(name).is_some_and(|column| {
            let column = column.as_string::<i32>();
            column.is_valid(row) && keys.contains(column.value(row))
        })
    };
    let rows = (0..batch.num_rows()).map(|row| {
        Some(holds("slice_key", &file.slices, row) || holds("row_key", &file.keys, row))
    });
    Some(rows.collect())
}

/// Which rows a filter lets through. A missing value is in no list and in no range.
fn passes(batch: &RecordBatch, filter: &Filter) -> Result<BooleanArray> {
    let rows = batch.num_rows();
    let fold = |filters: &[Filter], all: bool| -> Result<BooleanArray> {
        let masks =
            filters.iter().map(|filter| passes(batch, filter)).collect::<Result<Vec<_>>>()?;
        let truth = |row: usize| {
            if all {
                masks.iter().all(|mask| mask.value(row))
            } else {
                masks.iter().any(|mask| mask.value(row))
            }
        };
        Ok((0..rows).map(|row| Some(truth(row))).collect())
    };
    match filter {
        Filter::AllOf(filters) => fold(filters, true),
        Filter::AnyOf(filters) => fold(filters, false),
        Filter::Not(filter) => {
            let mask = passes(batch, filter)?;
            Ok((0..rows).map(|row| Some(!mask.value(row))).collect())
        }
        Filter::In { column, values } => {
            let allowed = |text: Option<&str>| {
                Some(text.is_some_and(|text| values.iter().any(|value| value == text)))
            };
            if column == "customer_id" {
                let texts = batch.column_by_name(column).map(|texts| texts.as_string::<i32>());
                return Ok(texts.into_iter().flatten().map(allowed).collect());
            }
            let texts = Keyed::new(batch, column)?;
            Ok((0..rows).map(|row| allowed(texts.text(row))).collect())
        }
        Filter::Range { column, at_least, at_most } => {
            let amounts = batch
                .column_by_name(column)
                .ok_or_else(|| Error::broken(format!("transactions: no column `{column}`")))?
                .as_primitive::<Decimal128Type>();
            let within = |amount: i128| {
                at_least.is_none_or(|least| least <= amount)
                    && at_most.is_none_or(|most| amount <= most)
            };
            Ok(amounts.iter().map(|amount| Some(amount.is_some_and(within))).collect())
        }
    }
}
