//! Synthetic exports in the true formats, for trials and benchmarks. In: how many rows, how many
//! months, a seed. Out: a folder with invoice files, partner-side exports and a ready `daily.toml`;
//! equal seeds give equal bytes.

mod lines;
mod nce;
mod partners;
mod random;
mod text;
mod world;

use crate::error::{Error, Result};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use rayon::prelude::*;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use world::World;

/// Rows of one file; a delivery with more comes in parts.
const FILE_ROWS: u64 = 500_000;
/// Bytes gathered before they are written.
const BUFFER: usize = 4 << 20;
/// The first month that is invoiced.
const FIRST_PERIOD: &str = "2025-01";

/// What to generate.
pub struct Request<'a> {
    /// Transactions in all.
    pub rows: u64,
    /// Months they spread over, from January 2025 on.
    pub months: u32,
    pub seed: u64,
    /// The folder to write to; made if it is missing.
    pub out: &'a Path,
    /// The folder with `sources/`, `programs/csp-*.toml` and `reports/` that the job file refers to.
    pub pipelines: &'a Path,
}

/// What was generated.
#[derive(Debug)]
pub struct Generated {
    /// The job file.
    pub pipeline: PathBuf,
    /// The day on which the last delivery became known.
    pub last_known_on: NaiveDate,
    pub files: u64,
    pub bytes: u64,
}

/// Writes the exports.
///
/// # Errors
/// If `months` or `rows` is out of range, the folder already holds generated exports, or the disk
/// refuses.
pub fn generate(request: &Request) -> Result<Generated> {
    if request.months == 0 || request.months > 120 {
        return Err(Error::usage(format!(
            "`--months`: expected 1 to 120, found {}",
            request.months
        )));
    }
    if request.rows == 0 || request.rows > 1 << 36 {
        return Err(Error::usage(format!("`--rows`: expected 1 to 2^36, found {}", request.rows)));
    }
    let first: Period = FIRST_PERIOD.parse()?;
    let world = World::new(request.seed, request.rows, first, request.months);
    let invoices = fresh_folder(request.out, "nce")?;
    let partner_side = fresh_folder(request.out, "partners")?;

    let mut bytes = 0;
    let mut files = 0;
    for (name, csv) in partners::exports(&world) {
        let path = partner_side.join(format!("{name}_{}.csv", first.first_day()));
        write_file(&path, csv.as_bytes())?;
        bytes += csv.len() as u64;
        files += 1;
    }
    let snippets = nce::Snippets::new(&world);
    let parts = parts(request, &invoices, first);
    let sizes: Result<Vec<u64>> =
        parts.par_iter().map(|part| write_part(&world, &snippets, request, part)).collect();
    let sizes = sizes?;
    let pipeline = request.out.join("daily.toml");
    write_file(&pipeline, job_file(request)?.as_bytes())?;
    Ok(Generated {
        pipeline,
        last_known_on: known_on(first, u64::from(request.months) - 1),
        files: files + sizes.len() as u64,
        bytes: bytes + sizes.iter().sum::<u64>(),
    })
}

/// One invoice file.
struct Part {
    path: PathBuf,
    month: u64,
    from: u64,
    until: u64,
}

/// Invoices of a month are there on the 8th of the next.
fn known_on(first: Period, month: u64) -> NaiveDate {
    first.plus(i32::try_from(month).unwrap_or(0) + 1).day(8)
}

fn parts(request: &Request, folder: &Path, first: Period) -> Vec<Part> {
    let rows = lines::Rows { rows: request.rows, months: u64::from(request.months) };
    let mut parts = Vec::new();
    for month in 0..rows.months {
        let count = rows.of(month);
        let known_on = known_on(first, month);
        for (number, from) in (1..).zip((0..count).step_by(FILE_ROWS as usize)) {
            let suffix = if count > FILE_ROWS { format!("_part{number}") } else { String::new() };
            parts.push(Part {
                path: folder.join(format!("nce_{known_on}{suffix}.csv")),
                month,
                from,
                until: count.min(from + FILE_ROWS),
            });
        }
    }
    parts
}

fn write_part(
    world: &World,
    snippets: &nce::Snippets,
    request: &Request,
    part: &Part,
) -> Result<u64> {
    let rows = lines::Rows { rows: request.rows, months: u64::from(request.months) };
    let io = |error: std::io::Error| Error::io(&part.path, &error);
    let mut file = File::create(&part.path).map_err(io)?;
    let mut buffer = Vec::with_capacity(BUFFER + 4096);
    let mut bytes = 0;
    buffer.extend_from_slice(nce::HEADER.as_bytes());
    for number in part.from..part.until {
        let line = lines::line(world, &rows, part.month, number);
        nce::write(&mut buffer, world, snippets, part.month, &line);
        if buffer.len() >= BUFFER {
            file.write_all(&buffer).map_err(io)?;
            bytes += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all(&buffer).map_err(io)?;
    Ok(bytes + buffer.len() as u64)
}

/// A new folder: exports of an earlier call would mix with these.
fn fresh_folder(out: &Path, name: &str) -> Result<PathBuf> {
    let folder = out.join(name);
    fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, &error))?;
    let mut entries = fs::read_dir(&folder).map_err(|error| Error::io(&folder, &error))?;
    if entries.next().is_some() {
        return Err(Error::usage(format!(
            "{}: expected an empty folder, found files",
            folder.display()
        ))
        .hint("remove it, or give another folder with `--out`"));
    }
    Ok(folder)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|error| Error::io(path, &error))
}

fn job_file(request: &Request) -> Result<String> {
    use std::fmt::Write as _;
    let pipelines = relative(request.out, request.pipelines)?;
    let mut job = format!(
        "# A job over synthetic exports: {} rows, {} months, seed {}.\n\n\
         warehouse = \"warehouse\"\n\
         programs = \"{pipelines}/programs/csp-*.toml\"\n\
         formats = \"{pipelines}/sources\"\n\
         reports = \"{pipelines}/reports\"\n",
        request.rows, request.months, request.seed
    );
    let sources = [
        ("nce", "nce-invoice-reconciliation", "nce/nce_*.csv"),
        ("memberships", "memberships", "partners/memberships_*.csv"),
        ("agreements", "agreements", "partners/agreements_*.csv"),
        ("competencies", "competencies", "partners/competencies_*.csv"),
        ("enrollments", "enrollments", "partners/enrollments_*.csv"),
        ("participant-map", "participant-map", "partners/participant-map_*.csv"),
        ("users", "users", "partners/users_*.csv"),
        ("product-groups", "product-groups", "partners/product-groups_*.csv"),
        ("customers", "customers", "partners/customers_*.csv"),
        ("exchange-rates", "exchange-rates", "partners/exchange-rates_*.csv"),
    ];
    for (source, format, path) in sources {
        let _ = write!(
            job,
            "\n[sources.{source}]\nformat = \"{format}\"\npath = \"{path}\"\nrequired = true\n"
        );
    }
    Ok(job)
}

/// The way from one folder to another, with `/`.
fn relative(from: &Path, to: &Path) -> Result<String> {
    let canonical = |path: &Path| path.canonicalize().map_err(|error| Error::io(path, &error));
    let (from, to) = (canonical(from)?, canonical(to)?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(to.components().skip(shared)).collect();
    Ok(way.to_string_lossy().replace('\\', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashMap, HashSet};

    fn all_lines(rows: u64, months: u32) -> (World, Vec<(u64, lines::Line)>) {
        let world = World::new(7, rows, FIRST_PERIOD.parse().expect("a month"), months);
        let of = lines::Rows { rows, months: u64::from(months) };
        let made = (0..of.months)
            .flat_map(|month| (0..of.of(month)).map(move |number| (month, number)))
            .map(|(month, number)| (month, lines::line(&world, &of, month, number)))
            .collect();
        (world, made)
    }

    #[test]
    fn rows_are_as_skewed_as_promised() {
        let (world, made) = all_lines(60_000, 6);
        let count = |test: &dyn Fn(&lines::Line) -> bool| {
            made.iter().filter(|(_, line)| test(line)).count() * 1000 / made.len()
        };
        let indirect = |line: &lines::Line| line.customer <= world.indirect_customers;
        assert!((190..210).contains(&count(&indirect)), "{}", count(&indirect));
        assert!((45..55).contains(&count(&|line| line.customer == 0)));
        assert!((17..23).contains(&count(&|line| line.base < 0)));
        let late = |line: &lines::Line| line.late && line.base > 0;
        assert!((35..55).contains(&count(&late)), "{}", count(&late));
    }

    #[test]
    fn nine_of_ten_refunds_link_to_an_earlier_line() {
        let (_, made) = all_lines(60_000, 6);
        let mut originals: HashMap<u64, Vec<(u64, &lines::Line)>> = HashMap::new();
        for (month, line) in made.iter().filter(|(_, line)| line.base > 0) {
            originals.entry(line.subscription).or_default().push((*month, line));
        }
        let refunds: Vec<_> = made.iter().filter(|(_, line)| line.base < 0).collect();
        let linked = refunds.iter().filter(|(month, refund)| {
            originals.get(&refund.subscription).is_some_and(|lines| {
                lines.iter().any(|(known, line)| {
                    known <= month && line.start <= refund.start && refund.end <= line.end
                })
            })
        });
        let share = linked.count() * 1000 / refunds.len();
        assert!((880..920).contains(&share), "{share}");
    }

    #[test]
    fn equal_seeds_give_equal_bytes_and_every_line_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipelines = folder.path().join("pipelines");
        fs::create_dir_all(&pipelines).expect("a folder");
        let make = |name: &str, seed| {
            let out = folder.path().join(name);
            let request =
                Request { rows: 3_000, months: 3, seed, out: &out, pipelines: &pipelines };
            let generated = generate(&request).expect("generated");
            assert_eq!(generated.last_known_on.to_string(), "2025-04-08");
            let mut files = BTreeMap::new();
            for kind in ["nce", "partners"] {
                for entry in fs::read_dir(out.join(kind)).expect("files") {
                    let path = entry.expect("a file").path();
                    let name = path.file_name().expect("a name").to_owned();
                    files.insert(name, fs::read_to_string(path).expect("text"));
                }
            }
            assert!(generate(&request).is_err(), "the folder is taken");
            files
        };
        let (first, again, other) = (make("a", 1), make("b", 1), make("c", 2));
        assert_eq!(first, again);
        assert_ne!(first, other);
        let mut lines = 0;
        let mut invoices: HashMap<String, HashSet<String>> = HashMap::new();
        for (name, csv) in &first {
            let columns = csv.lines().next().expect("a header").split(',').count();
            for line in csv.lines() {
                assert_eq!(line.split(',').count(), columns, "{name:?}: {line}");
            }
            if columns == 46 {
                lines += csv.lines().count() - 1;
                for line in csv.lines().skip(1) {
                    let invoice = line.split(',').nth(5).expect("an invoice").to_owned();
                    invoices.entry(invoice).or_default().insert(format!("{name:?}"));
                }
            }
        }
        assert_eq!(lines, 3_000);
        assert!(invoices.values().all(|files| files.len() == 1), "an invoice in one delivery");
    }
}
