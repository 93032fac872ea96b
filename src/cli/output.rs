//! The only place that prints. stdout is data, stderr is talk.

use super::Log;
use crate::error::{Error, ErrorKind};
use std::io::{IsTerminal, Write};
pub use tracing_subscriber::filter::LevelFilter;

/// Writes data. A reader that closed its end (`| head`) is no fault.
pub fn data(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Writes a line of data.
pub fn line(text: &str) {
    data(format!("{text}\n").as_bytes());
}

/// Writes an error, as text or as one line of JSON.
pub fn error(error: &Error, log: Log) {
    let text = error.to_string();
    let (message, hint) = match text.split_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (text.as_str(), None),
    };
    let written = match log {
        Log::Text => format!("error: {text}\n"),
        Log::Json => {
            let fields = serde_json::json!({
                "level": "ERROR",
                "exit_code": error.kind.exit_code(),
                "message": message,
                "hint": hint,
            });
            format!("{fields}\n")
        }
    };
    let _ = std::io::stderr().lock().write_all(written.as_bytes());
}

/// Prints what clap found: help and version are data, the rest is wrong usage.
pub fn usage(error: &clap::Error) -> u8 {
    let _ = error.print();
    if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 }
}

/// From here on, messages of at least this level go to stderr.
pub fn start_log(log: Log, level: LevelFilter) {
    let to = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false);
    let _ = match log {
        Log::Text => to
            .without_time()
            .with_level(false)
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
        Log::Json => to.json().flatten_event(true).try_init(),
    };
}

/// Rows of cells in columns; those that are `right` hold numbers.
pub fn columns(rows: &[Vec<String>], right: &[bool], indent: usize) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..right.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            let (before, after) =
                if right[column] { (pad, String::new()) } else { (String::new(), pad) };
            line.push_str(&before);
            line.push_str(cell);
            line.push_str(&after);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
