//! The only place that prints. stdout is data, stderr is talk.

use super::{Log, progress};
use crate::error::{Error, ErrorKind};
use std::io::{IsTerminal, Write};
use tracing_subscriber::Layer;
pub use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Writes data. A reader that closed its end (`| head`) is no fault.
pub fn data(bytes: &[u8]) {
    progress::end();
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
    progress::end();
    let _ = std::io::stderr().lock().write_all(written.as_bytes());
}

/// Prints what clap found: help and version are data, the rest is wrong usage.
pub fn usage(error: &clap::Error) -> u8 {
    let _ = error.print();
    if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 }
}

/// From here on, messages of at least this level go to stderr. On a terminal a bar shows the stages that
/// are done, instead of a line for each.
pub fn start_log(log: Log, level: LevelFilter) {
    let terminal = std::io::stderr().is_terminal();
    let to = tracing_subscriber::fmt::layer().with_writer(|| progress::Beside).with_target(false);
    match log {
        Log::Text => {
            let follows = terminal && level == LevelFilter::INFO;
            let level = if follows { LevelFilter::WARN } else { level };
            let to = to.without_time().with_level(false).with_ansi(terminal).with_filter(level);
            let bar = follows.then_some(progress::Follow).with_filter(LevelFilter::DEBUG);
            _ = tracing_subscriber::registry().with(to).with(bar).try_init();
        }
        Log::Json => {
            let to = to.json().flatten_event(true).with_filter(level);
            _ = tracing_subscriber::registry().with(to).try_init();
        }
    }
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
