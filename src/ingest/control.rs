//! Control totals: what a source says it sent. In: the job file, or `<file>.control.csv` beside a file
//! with the header `rows,currency,sum`. Out: totals, and whether what was read agrees with them.

use super::Control;
use super::delivery::InputFile;
use super::stage::Counts;
use crate::error::{Error, Result};
use crate::job::Source;
use earnest_core::decimal::{self, AMOUNT_SCALE};
use std::path::{Path, PathBuf};

/// The control totals of a file; `None`: the source says nothing.
pub(super) fn control_of(source: &Source, path: &Path, name: &str) -> Result<Option<Control>> {
    if let Some(control) = source.control.get(name) {
        return Ok(Some(control.clone()));
    }
    control_names(path)
        .into_iter()
        .find(|sidecar| sidecar.is_file())
        .map(|sidecar| read_sidecar(&sidecar))
        .transpose()
}

/// Where the control totals of a file may lie.
pub(super) fn control_names(path: &Path) -> [PathBuf; 2] {
    let base = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let stem = base.split('.').next().unwrap_or_default();
    [&*base, stem].map(|name| path.with_file_name(format!("{name}.control.csv")))
}

/// One line per currency: its rows and its sum.
fn read_sidecar(path: &PathBuf) -> Result<Control> {
    let place = path.display();
    let bad = |line: usize, expected: &str, found: &str| {
        Error::check(format!("{place}: record {line}: expected {expected}, found `{found}`"))
            .hint("a control file has the header `rows,currency,sum` and one line per currency")
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::check(format!("{place}: expected control totals, found {error}"))
    })?;
    let mut lines = text.trim_start_matches('\u{FEFF}').lines();
    let header = lines.next().unwrap_or_default().trim();
    if header != "rows,currency,sum" {
        return Err(Error::check(format!(
            "{place}: expected the header `rows,currency,sum`, found `{header}`"
        )));
    }
    let mut control = Control { rows: Some(0), ..Control::default() };
    for (line, record) in (1..).zip(lines.filter(|line| !line.trim().is_empty())) {
        let fields: Vec<&str> = record.split(',').map(str::trim).collect();
        let [rows, currency, sum] = fields[..] else {
            return Err(bad(line, "three fields", record));
        };
        let rows: u64 = rows.parse().map_err(|_| bad(line, "a number of rows", rows))?;
        control.rows = control.rows.map(|before| before + rows);
        if currency.is_empty() && sum.is_empty() {
            continue;
        }
        if earnest_core::currency::minor_units(currency).is_none() {
            return Err(bad(line, "an ISO 4217 currency", currency));
        }
        let sum = decimal::parse(sum, AMOUNT_SCALE).map_err(|_| bad(line, "a decimal sum", sum))?;
        if control.sums.insert(currency.to_owned(), sum).is_some() {
            return Err(bad(line, "each currency once", currency));
        }
    }
    Ok(control)
}

/// Ties what was read to what the source says it sent. A text is for attention: sums can't be tied
/// where records were rejected.
pub(super) fn tie(file: &InputFile, counts: &Counts) -> Result<Option<String>> {
    let Some(control) = &file.control else { return Ok(None) };
    let place = file.path.display();
    let hint =
        "the file is not what the source sent: deliver it again, or correct the control totals";
    if let Some(rows) = control.rows
        && rows != counts.read
    {
        let message =
            format!("{place}: control total: expected {rows} records, found {}", counts.read);
        return Err(Error::check(message).hint(hint));
    }
    if control.sums.is_empty() {
        return Ok(None);
    }
    if counts.rejected > 0 {
        return Ok(Some(format!(
            "{}: control sums not tied, because {} of its records were rejected",
            file.name, counts.rejected
        )));
    }
    let currencies = control.sums.keys().chain(counts.sums.keys());
    for currency in currencies {
        let expected = control.sums.get(currency).copied().unwrap_or_default();
        let found = counts.sums.get(currency).copied().unwrap_or_default();
        if expected != found {
            return Err(Error::check(format!(
                "{place}: control total: expected {currency} {}, found {currency} {}",
                decimal::format(expected, AMOUNT_SCALE, 2),
                decimal::format(found, AMOUNT_SCALE, 2)
            ))
            .hint(hint));
        }
    }
    Ok(None)
}

/// Sums as `CUR=amount;…`; `None` if the source states none.
pub(super) fn sums_text(control: &Control) -> Option<String> {
    if control.sums.is_empty() {
        return None;
    }
    let sum = |(currency, sum): (&String, &i128)| {
        format!("{currency}={}", decimal::format(*sum, AMOUNT_SCALE, 2))
    };
    Some(control.sums.iter().map(sum).collect::<Vec<_>>().join(";"))
}
