//! The one error type. Bad data never becomes an `Error`, it becomes rows; an `Error` stops the run
//! and nothing is published. Its kind decides the exit code, its text says place, expected, found,
//! and then, on a line of its own, what to do.

use std::fmt;
use std::path::Path;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What broke the run.
#[derive(Debug, Clone)]
pub struct Error {
    pub kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

/// Why a run stopped; each kind has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Wrong usage or configuration: exit 2.
    Usage,
    /// A check failed or a source is not as agreed; nothing was published: exit 3.
    Check,
    /// Another run holds the warehouse: exit 4.
    Locked,
    /// The run broke (IO, memory); nothing was published: exit 5.
    Broken,
}

impl ErrorKind {
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Usage => 2,
            ErrorKind::Check => 3,
            ErrorKind::Locked => 4,
            ErrorKind::Broken => 5,
        }
    }
}

impl Error {
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message)
    }

    pub fn check(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Check, message)
    }

    pub fn broken(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Broken, message)
    }

    /// An IO error, always with the path it concerns.
    pub fn io(path: &Path, error: &std::io::Error) -> Error {
        Error::broken(format!("{}: {error}", path.display()))
    }

    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), hint: None }
    }

    /// The same error with other words for the same things.
    #[must_use]
    pub fn reworded(self, words: impl Fn(&str) -> String) -> Error {
        let hint = self.hint.as_deref().map(&words);
        Error { message: words(&self.message), hint, ..self }
    }

    /// Says whose amount it is that is too large to calculate with; other errors stay as they are.
    #[must_use]
    pub fn too_large(self, source: &str, transaction_id: &str) -> Error {
        if !self.message.starts_with("overflow") {
            return self;
        }
        let message =
            format!("source `{source}`: transaction `{transaction_id}`: {}", self.message);
        Error::check(message).hint("an amount or rate is far too large: correct it, and run again")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Error {
        Error::broken(format!("arrow: {error}"))
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Error {
        Error::broken(format!("parquet: {error}"))
    }
}

impl From<polars::error::PolarsError> for Error {
    fn from(error: polars::error::PolarsError) -> Error {
        Error::broken(format!("polars: {error}"))
    }
}

impl From<duckdb::Error> for Error {
    fn from(error: duckdb::Error) -> Error {
        let message = format!("duckdb: {error}");
        if !message.contains("Out of Memory") {
            return Error::broken(message);
        }
        // What DuckDB says to do after it are settings that nobody can reach.
        Error::broken(message.lines().next().unwrap_or_default())
            .hint("raise `memory` of `[limits]` in the job file: DuckDB gets half of it")
    }
}

impl Error {
    /// True if DuckDB lacked memory.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.message.contains("duckdb: Out of Memory")
    }
}

impl From<earnest_core::Error> for Error {
    fn from(error: earnest_core::Error) -> Error {
        Error::broken(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_duckdb_lacks_is_a_limit_of_the_job() {
        let connection = duckdb::Connection::open_in_memory().expect("DuckDB");
        let sql = "SET memory_limit = '1MB'; SET temp_directory = '';
            CREATE TABLE numbers AS SELECT range::VARCHAR || range AS number FROM range(10000000)";
        let error = Error::from(connection.execute_batch(sql).expect_err("too much"));
        assert!(error.is_out_of_memory() && !Error::broken("duckdb: no").is_out_of_memory());
        let error = error.to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(lines[0].starts_with("duckdb: Out of Memory Error"), "{error}");
        let hint = "hint: raise `memory` of `[limits]` in the job file: DuckDB gets half of it";
        assert_eq!(lines[1..], [hint]);
    }
}
