//! Every table that crosses a stage: columns, types, grain, key, partition. `docs/tables.md`, the
//! metadata inside the files and the checks are made from these declarations, which are data.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;

mod closes;
mod decisions;
pub mod docs;
mod fund;
mod life;
mod results;
mod runs;
mod staged;

pub use closes::*;
pub use decisions::*;
pub use fund::*;
pub use life::*;
pub use results::*;
pub use runs::*;
pub use staged::*;

/// One published or staged table.
pub struct Table {
    pub name: &'static str,
    /// Raised when columns are added; columns are never removed or retyped.
    pub version: u32,
    pub description: &'static str,
    /// One row per what.
    pub grain: &'static str,
    /// Columns that identify a row among all rows in force; empty where equal rows are legitimate.
    pub key: &'static [&'static str],
    /// How files are partitioned, e.g. `period`; empty for one partition.
    pub partition: &'static str,
    pub columns: &'static [Column],
}

/// One column of a table.
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    /// False for provenance (file, record, delivery, run), which stays outside the table's digest.
    pub content: bool,
    pub doc: &'static str,
}

/// The types that columns have. There is no float among them, by design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A calendar day.
    Date,
    /// An instant in UTC, microseconds.
    Instant,
    Integer,
    Boolean,
    /// Posted money, `DECIMAL(18,3)`, with no more digits than its currency has.
    Money,
    /// Base amounts, quantities, prices and finer earnings, `DECIMAL(38,12)`.
    Amount,
    /// Rates, shares and exchange rates, `DECIMAL(18,9)`.
    Rate,
    /// A 128-bit digest, Parquet's UUID.
    Uuid,
    /// A list of short texts, e.g. reason codes, joined by `,`.
    Codes,
}

impl Kind {
    /// The arrow type that the one Parquet writer writes.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Text | Kind::Codes => DataType::Utf8,
            Kind::Date => DataType::Date32,
            Kind::Instant => {
                DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()))
            }
            Kind::Integer => DataType::Int64,
            Kind::Boolean => DataType::Boolean,
            Kind::Money => DataType::Decimal128(18, 3),
            Kind::Amount => DataType::Decimal128(38, 12),
            Kind::Rate => DataType::Decimal128(18, 9),
            Kind::Uuid => DataType::FixedSizeBinary(16),
        }
    }

    /// The name that DuckDB and the documents use.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Kind::Text | Kind::Codes => "VARCHAR",
            Kind::Date => "DATE",
            Kind::Instant => "TIMESTAMPTZ",
            Kind::Integer => "BIGINT",
            Kind::Boolean => "BOOLEAN",
            Kind::Money => "DECIMAL(18,3)",
            Kind::Amount => "DECIMAL(38,12)",
            Kind::Rate => "DECIMAL(18,9)",
            Kind::Uuid => "UUID",
        }
    }
}

impl Table {
    /// The arrow schema of the table, in declared column order, with each column's doc as metadata.
    #[must_use]
    pub fn arrow(&self) -> SchemaRef {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| {
                let mut metadata = HashMap::from([("doc".to_owned(), column.doc.to_owned())]);
                if column.kind == Kind::Uuid {
                    metadata.insert("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned());
                }
                Field::new(column.name, column.kind.data_type(), column.nullable)
                    .with_metadata(metadata)
            })
            .collect();
        Arc::new(Schema::new(fields))
    }

    /// The position of a column.
    ///
    /// # Panics
    /// If the table has no such column: names are written in code, so that is a bug.
    #[must_use]
    pub fn position(&self, name: &str) -> usize {
        self.columns
            .iter()
            .position(|column| column.name == name)
            .unwrap_or_else(|| panic!("table `{}` has no column `{name}`", self.name))
    }
}

/// Every table, staged ones first, in data-flow order.
pub const TABLES: &[&Table] = &[
    &TRANSACTIONS,
    &MEMBERSHIPS,
    &AGREEMENTS,
    &COMPETENCIES,
    &DESIGNATIONS,
    &ENROLLMENTS,
    &PARTICIPANT_MAP,
    &USERS,
    &PRODUCT_GROUPS,
    &CUSTOMERS,
    &EXCHANGE_RATES,
    &INELIGIBILITIES,
    &CLAIMS,
    &PAYMENT_STATUSES,
    &MANUAL_ADJUSTMENTS,
    &REJECTS,
    &SUPERSESSIONS,
    &ELIGIBILITY,
    &DETERMINATIONS,
    &EARNINGS,
    &EARNING_SOURCES,
    &CAP_BALANCES,
    &UNEARNED,
    &OUT_OF_SCOPE,
    &PAYMENTS,
    &PAYMENT_ITEMS,
    &PAYMENT_HISTORY,
    &ADJUSTMENTS,
    &OFFSETS,
    &BALANCES,
    &BALANCE_LOTS,
    &COOP_FUND,
    &CLAIM_ITEMS,
    &JOURNAL,
    &CLOSES,
    &CLOSED_RATES,
    &SETTLED_EARNINGS,
    &SETTLEMENT_CHANGES,
    &SETTLEMENTS,
    &RUNS,
    &RUN_INPUTS,
];

/// True for tables that are staged per delivery and only ever appended to.
#[must_use]
pub fn is_staged(name: &str) -> bool {
    let first_result = ELIGIBILITY.name;
    TABLES.iter().take_while(|table| table.name != first_result).any(|table| table.name == name)
}

/// The table of that name.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().copied().find(|table| table.name == name)
}

const fn content(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, nullable: false, content: true, doc }
}

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, content: true, doc }
}

const fn provenance(name: &'static str, kind: Kind, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, content: false, doc }
}
