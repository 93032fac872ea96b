//! What `earnest check programs`, `sources` and `controls` find: doubts with place, words and remedy.

use earnest_core::program::review::{Finding, Severity};
use serde_json::{Value, json};

/// Something that is wrong, or may be, outside the published tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Doubt {
    /// The file or folder that it is about.
    pub file: String,
    /// The line of a program file, counted from 1.
    pub line: Option<usize>,
    /// The record of an export, 1 is the first after the header.
    pub record: Option<u64>,
    pub severity: Severity,
    /// Expected, found.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Doubt {
    pub fn warning(
        file: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Doubt {
        Doubt {
            file: file.into(),
            line: None,
            record: None,
            severity: Severity::Warning,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A finding of the review of a program file.
    #[must_use]
    pub fn of_program(file: &str, finding: Finding) -> Doubt {
        let Finding { line, severity, message, remedy } = finding;
        Doubt { line: Some(line), severity, ..Doubt::warning(file, message, remedy) }
    }

    /// An error of a file that can't be used; a line is taken from the message if it begins with one.
    #[must_use]
    pub fn of_error(file: &str, message: &str) -> Doubt {
        let (message, remedy) = message.split_once("\nhint: ").unwrap_or((message, ""));
        let rest = message.strip_prefix(file).unwrap_or(message);
        let (line, rest) = match rest.strip_prefix(':').and_then(|rest| rest.split_once(": ")) {
            Some((line, rest)) if line.parse::<usize>().is_ok() => (line.parse().ok(), rest),
            _ => (parse_error_line(rest), rest.trim_start_matches([':', ' '])),
        };
        let remedy = if remedy.is_empty() {
            "correct the file; every key is described in `pipelines/programs/README.md`"
        } else {
            remedy
        };
        Doubt { line, severity: Severity::Error, ..Doubt::warning(file, rest, remedy) }
    }

    /// Place, severity and message on the first line, the hint on the next.
    #[must_use]
    pub fn text(&self) -> String {
        let place = match (self.line, self.record) {
            (Some(line), _) => format!("{}:{line}", self.file),
            (None, Some(record)) => format!("{}, record {record}", self.file),
            (None, None) => self.file.clone(),
        };
        format!("{place}: {}: {}\n  hint: {}", self.severity.name(), self.message, self.remedy)
    }

    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.line,
            "record": self.record,
            "severity": self.severity.name(),
            "message": self.message,
            "remedy": self.remedy,
        })
    }
}

/// The line that a TOML parser names: `TOML parse error at line 18, column 9`.
fn parse_error_line(message: &str) -> Option<usize> {
    let after = message.split_once("TOML parse error at line ")?.1;
    after.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_files_keep_their_line() {
        let doubt = Doubt::of_error("a.toml", "a.toml:18: expected one: two\nhint: do it");
        assert_eq!((doubt.line, doubt.message.as_str()), (Some(18), "expected one: two"));
        assert_eq!(doubt.text(), "a.toml:18: error: expected one: two\n  hint: do it");
        let doubt = Doubt::of_error("a.toml", "a.toml: TOML parse error at line 3, column 1\n  |");
        assert_eq!(doubt.line, Some(3));
        assert!(doubt.message.starts_with("TOML parse error"), "{}", doubt.message);
        let doubt = Doubt::of_error("a.toml", "a.toml: expected a name of its own");
        assert_eq!((doubt.line, doubt.message.as_str()), (None, "expected a name of its own"));
        assert!(doubt.remedy.contains("README.md"));
    }
}
