//! Broken exports: folders that a finance colleague can read, each with one thing wrong and what must
//! come of it; see `tests/broken/README.md`. `BLESS=1` rewrites what is expected; its diff is reviewed
//! like code.

use crate::golden::difference;
use crate::support::{project, rows, side_by_side};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use earnest::warehouse::{Snapshot, Store};
use earnest_core::reason::RejectReason;
use parquet::arrow::ArrowWriter;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Every broken export is run as of this day.
const AS_OF: &str = "2021-06-20";

/// Makes the bytes of a file from a text.
type Recipe = fn(&[u8]) -> Vec<u8>;

/// What a file with this ending is made from the text in it: the ending it gets instead, and how.
const RECIPES: &[(&str, &str, Recipe)] = &[
    (".csv.gz-truncated", ".csv.gz", |text| {
        let whole = gzip(text);
        whole[..whole.len() / 2].to_vec()
    }),
    (".csv.gz-without-its-ending", ".csv", gzip),
    (".csv.zst-damaged", ".csv.zst", damaged_zstd),
    (".csv.utf-16", ".csv", utf_16),
    (".csv.parquet-float", ".parquet", parquet_with_float_amounts),
];

#[test]
fn broken_exports() {
    let cases = cases();
    assert!(cases.len() >= 25, "expected the broken exports, found {}", cases.len());
    let differences: Vec<String> =
        side_by_side(&cases, |case| check(case)).into_iter().flatten().collect();
    assert!(differences.is_empty(), "{}\n", differences.join("\n"));
}

/// Every reason for which a record can be rejected comes from exports, so each has a case.
#[test]
fn every_reject_reason_has_a_broken_export() {
    let mut lacking: BTreeSet<&str> =
        RejectReason::ALL.iter().map(|reason| reason.code()).collect();
    for case in cases() {
        let Ok(mut rejects) = csv::Reader::from_path(case.join("expected-rejects.csv")) else {
            continue;
        };
        let header = rejects.headers().expect("a header").clone();
        let column = header.iter().position(|name| name == "reason").expect("a reason");
        for record in rejects.records() {
            lacking.remove(&record.expect("a record")[column]);
        }
    }
    assert!(lacking.is_empty(), "expected a broken export for each reason, none for {lacking:?}");
}

fn cases() -> Vec<PathBuf> {
    let mut cases = files(&project().join("tests/broken"));
    cases.retain(|path| path.join("why.txt").is_file());
    cases
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Differences between what a case expects and what a run said and published.
fn check(case: &Path) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let exports = lay_out(case, folder.path());
    let warehouse = folder.path().join("warehouse");
    let output = Command::new(env!("CARGO_BIN_EXE_earnest"))
        .args(["run", "--as-of", AS_OF, "--threads", "1", "--pipeline"])
        .arg(folder.path().join("daily.toml"))
        .output()
        .expect("the binary runs");
    let stderr =
        String::from_utf8_lossy(&output.stderr).replace(&*folder.path().to_string_lossy(), "…");
    let code = output.status.code();
    let talk = stderr.lines().filter(|line| !line.starts_with("done stage="));
    let said: String = std::iter::once(format!("exit {}", code.unwrap_or(-1)))
        .chain(talk.map(str::to_owned))
        .map(|line| line + "\n")
        .collect();
    let case_name = name(case);
    let mut differences = Vec::new();
    if said.contains("panicked") || !matches!(code, Some(0..=5)) {
        differences.push(format!("{case_name}: {said}"));
    }
    let message = case.join("expected-message.txt");
    let expected = fs::read_to_string(&message).unwrap_or_default();
    if said != expected && std::env::var_os("BLESS").is_some() {
        fs::write(&message, &said).expect("a writable case");
    } else if said != expected {
        differences.push(format!("{case_name}: expected\n{expected}  found\n{said}"));
    }
    if matches!(code, Some(0 | 1)) {
        differences.extend(published(case, &warehouse, &exports));
    } else {
        differences.extend(not_published(case, &warehouse));
    }
    differences
}

/// Puts the shared files and then the case's into a folder as a job finds them. Returns the names of
/// the case's exports.
fn lay_out(case: &Path, folder: &Path) -> Vec<String> {
    let make = |name: &str| fs::create_dir_all(folder.join(name)).expect("a folder");
    make("in");
    make("formats");
    let copy = |from: &Path, to: PathBuf| {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    };
    for format in files(&project().join("pipelines/sources")) {
        if format.extension().is_some_and(|ending| ending == "toml") {
            copy(&format, folder.join("formats").join(name(&format)));
        }
    }
    let reports = project().join("pipelines/reports");
    std::os::unix::fs::symlink(reports, folder.join("reports")).expect("a link");
    let mut exports = Vec::new();
    for file in files(&case.with_file_name("shared")).into_iter().chain(files(case)) {
        let own = file.starts_with(case);
        let name = name(&file);
        if name == "why.txt" || name.starts_with("expected-") {
            continue;
        }
        if name == "daily.toml" || name == "program.toml" {
            copy(&file, folder.join(name));
        } else if name.ends_with("-format.toml") {
            copy(&file, folder.join("formats").join(name));
        } else {
            let bytes = fs::read(&file).expect("readable");
            let (name, bytes) = made(name, bytes);
            fs::write(folder.join("in").join(&name), bytes).expect("written");
            if own {
                exports.push(name);
            }
        }
    }
    exports
}

/// A file as its recipe makes it.
fn made(name: String, bytes: Vec<u8>) -> (String, Vec<u8>) {
    for (ending, becomes, make) in RECIPES {
        if let Some(stem) = name.strip_suffix(ending) {
            return (format!("{stem}{becomes}"), make(&bytes));
        }
    }
    (name, bytes)
}

/// Nothing of a run that stopped is visible, and none of the expected tables can be.
fn not_published(case: &Path, warehouse: &Path) -> Vec<String> {
    let visible = ["current.json", "snapshots/00000001.json", "reports/00000001"]
        .into_iter()
        .filter(|file| warehouse.join(file).exists())
        .map(|file| format!("{}: stopped, but `{file}` is there", name(case)));
    let tables = expected_tables(case)
        .into_iter()
        .map(|(file, _)| format!("{}: expected to be published, it stopped", file.display()));
    visible.chain(tables).collect()
}

/// The files `expected-<table>.csv` of a case with their tables.
fn expected_tables(case: &Path) -> Vec<(PathBuf, String)> {
    let tables = files(case).into_iter().filter_map(|file| {
        let name = name(&file);
        let table = name.strip_prefix("expected-")?.strip_suffix(".csv")?.to_owned();
        Some((file, table))
    });
    tables.collect()
}

fn published(case: &Path, warehouse: &Path, exports: &[String]) -> Vec<String> {
    let case_name = name(case);
    let store = Store::open(&warehouse.to_string_lossy(), None).expect("a warehouse");
    let newest = Snapshot::newest(&store).expect("a readable snapshot");
    let (Some(snapshot), true) = (newest, warehouse.join("current.json").is_file()) else {
        return vec![format!("{case_name}: expected it to publish, it did not")];
    };
    let mut differences = Vec::new();
    let lost = "select source_file from run_inputs \
                where rows_read <> rows_staged + rows_rejected + rows_duplicate";
    for row in rows(&store, &snapshot, lost) {
        differences.push(format!("{case_name}: {row:?}: rows lost"));
    }
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "/=._-".contains(letter);
    for file in snapshot.tables.values().flat_map(|table| &table.files) {
        let inside = file.path.starts_with("tables/") && !file.path.contains("..");
        if !inside || !file.path.chars().all(safe) {
            differences.push(format!("{case_name}: `{}` is no safe name", file.path));
        }
    }
    let tables = expected_tables(case);
    let has = |name: &str| tables.iter().any(|(_, table)| table == name);
    if !has("run_inputs") {
        differences.push(format!("{case_name}: expected an expected-run_inputs.csv, found none"));
    }
    let rejects = rows(&store, &snapshot, "select source_file, reason from rejects");
    if !has("rejects") && !rejects.is_empty() {
        differences.push(format!("{case_name}: expected no rejects, found {rejects:?}"));
    }
    let own: Vec<String> = exports.iter().map(|name| format!("'{name}'")).collect();
    for (file, table) in tables {
        // What was read of the shared exports is the same in every case.
        let only = match table.as_str() {
            "run_inputs" => format!(" where source_file in ({})", own.join(", ")),
            _ => String::new(),
        };
        differences.extend(difference(&case_name, &file, &table, &only, &store, &snapshot));
    }
    differences
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text).expect("written");
    writer.finish().expect("a gz")
}

/// With a checksum, as the `zstd` command writes it, and one bit flipped.
fn damaged_zstd(text: &[u8]) -> Vec<u8> {
    let mut writer = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    writer.include_checksum(true).expect("a checksum");
    writer.write_all(text).expect("written");
    let mut bytes = writer.finish().expect("a zst");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

/// Low byte first, without a byte order mark.
fn utf_16(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).expect("UTF-8");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Columns of text, but `Amount` of floats.
fn parquet_with_float_amounts(text: &[u8]) -> Vec<u8> {
    let mut reader = csv::Reader::from_reader(text);
    let header = reader.headers().expect("a header").clone();
    let records: Vec<csv::StringRecord> =
        reader.records().map(|record| record.expect("a record")).collect();
    let columns = header.iter().enumerate().map(|(place, name)| {
        let values = records.iter().map(|record| &record[place]);
        let column: ArrayRef = if name == "Amount" {
            let amounts = values.map(|value| value.parse::<f64>().expect("a number"));
            Arc::new(Float64Array::from_iter_values(amounts))
        } else {
            Arc::new(StringArray::from_iter_values(values))
        };
        (name, column)
    });
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}
