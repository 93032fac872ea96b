//! An export format, as data. In: one TOML file of `pipelines/sources/`. Out: which column of the
//! export becomes which column of a staged table, how it is typed, and what identifies a row.

mod check;
mod load;
pub mod plausible;
mod raw;

use crate::ingest::date::DatePatterns;
use crate::ingest::number::Marks;
use crate::schema::Table;

/// One export format, checked.
pub struct Format {
    pub name: String,
    pub title: String,
    /// Where the columns are published.
    pub document: String,
    pub table: &'static Table,
    /// `billing` or `detail`; `None` for tables other than `transactions`.
    pub data_role: Option<String>,
    /// Between fields; files named `.tsv` are tab-separated whatever stands here.
    pub delimiter: u8,
    pub encoding: Encoding,
    pub marks: Marks,
    pub dates: DatePatterns,
    pub identity: Identity,
    /// Recognizes a delivery by a file's name; `None`: manifests only.
    pub file_name: Option<regex::Regex>,
    /// The columns of the export, in declared order.
    pub columns: Vec<FormatColumn>,
    /// What is staged, in the order in which it is typed.
    pub targets: Vec<Target>,
    /// Position in `columns` of the source's own line id.
    pub line_id: Option<usize>,
    /// Partner ids that mean "nobody".
    pub absent: Vec<String>,
    /// Positions in `columns` that link a refund to its original when there is no reference.
    pub link: Vec<usize>,
    /// How the vendor computes columns.
    pub plausible: Vec<plausible::Plausible>,
}

/// The encoding of a text file. A byte order mark overrules UTF-8 and UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
    Windows1252,
}

/// What a newer delivery replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Row by row: positions in `columns` of the key.
    Key(Vec<usize>),
    /// Slice by slice: positions in `columns` of the slice's name; none: the export is one slice.
    ReplaceBy(Vec<usize>),
}

/// A column of the export.
pub struct FormatColumn {
    /// As the header spells it.
    pub name: String,
    /// Other spellings of the header.
    pub aliases: Vec<String>,
    /// The header must have it.
    pub required: bool,
    /// The value must not be blank.
    pub filled: bool,
    /// Values that may stand here; empty: any.
    pub allowed: Vec<String>,
}

/// A column of the staged table that is fed from a column of the export.
pub struct Target {
    /// Position in the staged table.
    pub staged: usize,
    /// Position in [`Format::columns`].
    pub column: usize,
    pub convert: Convert,
}

/// How a text becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convert {
    /// Blank is null.
    Text,
    /// A partner id; those of `absent` are null.
    Partner,
    /// `inclusive_end`: the last day becomes the first day after.
    Date {
        inclusive_end: bool,
    },
    Decimal {
        decimals: Decimals,
        scale: u32,
        digits: u32,
        positive: bool,
    },
    /// A whole number in a decimal column of that scale; scale 0 is an integer column.
    Integer {
        scale: u32,
    },
    Period,
    Currency,
    YesNo,
}

/// How many decimals a number may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimals {
    Fixed(u32),
    /// As many as the row's currency has.
    Currency,
}

impl Format {
    /// Whether rows get their id from a digest of all columns.
    #[must_use]
    pub fn has_digest_ids(&self) -> bool {
        self.table.name == "transactions" && self.line_id.is_none()
    }

    /// The target that feeds a staged column.
    #[must_use]
    pub fn target(&self, staged: &str) -> Option<&Target> {
        self.targets.iter().find(|target| self.table.columns[target.staged].name == staged)
    }
}
