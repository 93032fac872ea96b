//! Properties on generated exports: any order, any split, any number of buckets and threads, run
//! again: the same digests. The seed is printed with every failure.

use crate::support::{digests, must_run, options, project};
use earnest::run::RunOptions;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

const SEED: u64 = 20_260_101;
pub const AS_OF: &str = "2025-12-31";

/// A folder of generated exports with its job file.
pub fn exports(rows: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let request = earnest::generate::Request {
        rows,
        months: 6,
        seed: SEED,
        out: folder.path(),
        pipelines: &project().join("pipelines"),
    };
    earnest::generate::generate(&request).unwrap_or_else(|error| panic!("seed {SEED}: {error}"));
    folder
}

fn run_digests(exports: &Path, change: impl FnOnce(&mut RunOptions)) -> BTreeMap<String, String> {
    let warehouse = tempfile::tempdir().expect("a folder");
    let mut options = options(&exports.join("daily.toml"), warehouse.path(), AS_OF);
    change(&mut options);
    digests(&must_run(&options).snapshot)
}

#[test]
fn buckets_and_threads_change_nothing() {
    let exports = exports(4_000);
    let one = run_digests(exports.path(), |_| {});
    assert!(one.len() > 15, "tables: {one:?}");
    for buckets in [1, 2, 8, 97] {
        for threads in [1, 3] {
            let other = run_digests(exports.path(), |options| {
                options.buckets = Some(buckets);
                options.threads = Some(threads);
            });
            assert_eq!(one, other, "seed {SEED}, {buckets} buckets, {threads} threads");
        }
    }
}

#[test]
fn running_again_changes_nothing() {
    let exports = exports(2_000);
    let warehouse = tempfile::tempdir().expect("a folder");
    let options = options(&exports.path().join("daily.toml"), warehouse.path(), AS_OF);
    let first = must_run(&options);
    let second = must_run(&options);
    assert_eq!(digests(&first.snapshot), digests(&second.snapshot), "seed {SEED}");
    assert_eq!(second.ingested.read, 0, "nothing is read twice");
    assert_eq!(second.snapshot.snapshot, first.snapshot.snapshot + 1);
    for table in ["earnings", "unearned", "out_of_scope", "payments", "journal"] {
        assert_eq!(
            first.snapshot.files(table),
            second.snapshot.files(table),
            "`{table}`: same bytes"
        );
    }
}

#[test]
fn shuffled_rows_and_split_files_change_nothing() {
    let original = exports(3_000);
    let one = run_digests(original.path(), |_| {});
    let shuffled = exports(3_000);
    let mut random = fastrand::Rng::with_seed(SEED);
    for file in csv_files(&shuffled.path().join("nce")) {
        let text = fs::read_to_string(&file).expect("an export");
        let mut lines: Vec<&str> = text.lines().collect();
        let header = lines.remove(0);
        random.shuffle(&mut lines);
        let (first, second) = lines.split_at(lines.len() / 3);
        let part = |number: u32| {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            file.with_file_name(format!("{stem}_part{number}.csv"))
        };
        for (number, lines) in [(1, first), (2, second)] {
            let body = format!("{header}\n{}\n", lines.join("\n"));
            fs::write(part(number), body).expect("written");
        }
        fs::remove_file(&file).expect("removed");
    }
    assert_eq!(one, run_digests(shuffled.path(), |_| {}), "seed {SEED}");
}

/// One file of all months, plain and compressed. `./just prove` asks for a `.gz` of 1 GB.
#[test]
fn a_compressed_export_is_read_like_a_plain_one() {
    let asked = std::env::var("EARNEST_GZ_MEGABYTES").ok();
    let megabytes = asked.map_or(0, |megabytes| megabytes.parse().expect("a number"));
    // A row of the export is about 160 bytes when compressed.
    let exports = exports(2_000.max(megabytes * 1_000_000 / 150));
    let folder = exports.path().join("nce");
    let plain = folder.join("nce_2025-12-08.csv");
    let compressed = folder.join("nce_2025-12-08.csv.gz");
    let mut all = File::create(folder.join("all")).expect("a file");
    for (number, file) in csv_files(&folder).iter().enumerate() {
        let mut lines = BufReader::new(File::open(file).expect("an export"));
        let mut header = String::new();
        lines.read_line(&mut header).expect("a header");
        if number == 0 {
            all.write_all(header.as_bytes()).expect("written");
        }
        std::io::copy(&mut lines, &mut all).expect("written");
        fs::remove_file(file).expect("removed");
    }
    fs::rename(folder.join("all"), &plain).expect("renamed");
    let job = exports.path().join("daily.toml");
    let any = fs::read_to_string(&job).expect("a job").replace("nce_*.csv", "nce_*");
    fs::write(&job, any).expect("written");
    let expected = run_digests(exports.path(), |_| {});

    let file = File::create(&compressed).expect("a file");
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    std::io::copy(&mut File::open(&plain).expect("an export"), &mut encoder).expect("compressed");
    let size = encoder.finish().and_then(|file| file.metadata()).expect("compressed").len();
    assert!(size >= megabytes * 1_000_000, "expected {megabytes} MB, compressed to {size} bytes");
    fs::remove_file(&plain).expect("removed");
    assert_eq!(expected, run_digests(exports.path(), |_| {}), "seed {SEED}");
}

fn csv_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "exports in {}", folder.display());
    files
}
