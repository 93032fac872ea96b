//! What would these transactions earn and pay? In: program files, transactions, and as many of the
//! partner side's exports as the caller has. Out: the outcome of the daily job over them, in a folder
//! of its own that goes with it. The calculation is the daily job's: nothing is calculated here.
//!
//! What the caller doesn't give is assumed in the partner's favor: a requirement whose deciding export
//! is not given counts as met (trailing revenue always, since a handful of lines has none), so does a
//! group of which one member's is not; a partner id without a participant map is its own participant, and
//! without enrollments everybody is enrolled in every program and paid in its currency.

mod assume;

use crate::error::{Error, Result};
use crate::job::Limits;
use crate::query;
use crate::run::{Outcome, RunOptions, run};
use chrono::{DateTime, NaiveDate, Utc};
use earnest_core::program::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What to estimate.
pub struct Request<'a> {
    /// Program files; the transactions earn under each of them.
    pub programs: &'a [PathBuf],
    /// The folder of export formats.
    pub formats: &'a Path,
    /// Every export with its format; transactions among them. A format may have several files.
    pub exports: &'a [(String, PathBuf)],
    /// Only this lever, of one program.
    pub lever: Option<&'a str>,
    /// Only this term, of one program.
    pub term: Option<&'a str>,
    /// Payments due by this day are ordered.
    pub as_of: NaiveDate,
    pub started_at: DateTime<Utc>,
}

/// What came of it.
pub struct Estimate {
    pub outcome: Outcome,
    /// What was assumed, in words.
    pub assumed: Vec<String>,
    /// Holds the files that the outcome reads.
    _folder: tempfile::TempDir,
}

const ENROLLMENTS: &str = "enrollments";

/// Runs the daily job over the exports.
///
/// # Errors
/// If the program file or an export is not as agreed, lever or term is unknown, or a check fails.
pub fn estimate(request: &Request) -> Result<Estimate> {
    if !request.formats.is_dir() {
        let place = request.formats.display();
        return Err(Error::usage(format!("{place}: expected a folder of formats, found none"))
            .hint("name it by `--formats DIR`; this project's is `pipelines/sources`"));
    }
    if request.programs.len() != 1 && (request.lever.is_some() || request.term.is_some()) {
        let found = request.programs.len();
        let message = format!("expected one program file beside a lever or term, found {found}");
        return Err(Error::usage(message));
    }
    let folder = tempfile::tempdir().map_err(|error| Error::io(&std::env::temp_dir(), &error))?;
    let root = folder.path();
    let mut assumed = Vec::new();
    let mut names = Names::default();
    let mut programs = Vec::with_capacity(request.programs.len());
    for (place, path) in request.programs.iter().enumerate() {
        let text = fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
        let name = path.display().to_string();
        // A program is checked as it was written, so that messages name its own lines.
        let program =
            Program::parse(&name, &text).map_err(|error| Error::usage(error.to_string()))?;
        let changed = assume::assume(request, &name, &text, &mut assumed)?;
        let members = request.exports.iter().any(|(format, _)| format == "memberships");
        if program.asks_for_partner_countries() && !members {
            assumed.push("no participant's country is known; `memberships` tell".to_owned());
        }
        let copy = root.join(format!("programs/{place:04}.toml"));
        write(&copy, &changed.to_string())?;
        names.0.push((copy.display().to_string(), name));
        programs.push(program);
    }
    let mut said = BTreeSet::new();
    assumed.retain(|line| said.insert(line.clone()));
    fs::create_dir_all(root.join("reports")).map_err(|error| Error::io(root, &error))?;
    let formats =
        std::path::absolute(request.formats).map_err(|error| Error::io(request.formats, &error))?;
    let mut sources = Table::new();
    for (format, path) in request.exports {
        let linked = link(root, format, path, request.as_of)?;
        sources.insert(format.clone(), source(format, &root.join(format)));
        names.0.push((linked, path.display().to_string()));
    }
    let pipeline = root.join("estimate.toml");
    write(&pipeline, &job(&formats, &sources))?;
    let calculate =
        || run_once(request, &pipeline).map_err(|error| error.reworded(|text| names.own(text)));
    let mut outcome = calculate()?;
    if !sources.contains_key(ENROLLMENTS) {
        let enrolled = enroll_everybody(&outcome, &programs)?;
        let folder = root.join(ENROLLMENTS);
        write(&folder.join(format!("{ENROLLMENTS}_{}.csv", request.as_of)), &enrolled)?;
        sources.insert(ENROLLMENTS.to_owned(), source(ENROLLMENTS, &folder));
        write(&pipeline, &job(&formats, &sources))?;
        let attention = std::mem::take(&mut outcome.attention);
        outcome = calculate()?;
        outcome.attention.extend(attention);
        outcome.attention.sort();
        outcome.attention.dedup();
    }
    outcome.attention = outcome.attention.iter().map(|text| names.own(text)).collect();
    Ok(Estimate { outcome, assumed, _folder: folder })
}

/// What the job calls a file, and what its owner does.
#[derive(Default)]
struct Names(Vec<(String, String)>);

impl Names {
    /// A message in the owner's words.
    fn own(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (linked, own)| text.replace(linked, own))
    }
}

fn run_once(request: &Request, pipeline: &Path) -> Result<Outcome> {
    run(&RunOptions {
        pipeline: pipeline.to_owned(),
        warehouse: None,
        out: None,
        as_of: request.as_of,
        dry_run: false,
        full: true,
        threads: None,
        buckets: None,
        started_at: request.started_at,
        fault: None,
    })
}

/// Puts an export where the job finds it: under its own name, with the as-of date if the name has no
/// day. Files are linked where the disk allows, else copied.
fn link(root: &Path, format: &str, path: &Path, as_of: NaiveDate) -> Result<String> {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let dated = regex::Regex::new(r"_\d{4}-?\d{2}-?\d{2}[_.]")
        .map_err(|error| Error::broken(error.to_string()))?;
    let (stem, endings) = name.split_once('.').unwrap_or((&name, ""));
    let target = if dated.is_match(&name) {
        root.join(format).join(&*name)
    } else {
        root.join(format).join(format!("{stem}_{as_of}.{endings}"))
    };
    make_parent(&target)?;
    if target.exists() {
        return Err(Error::usage(format!(
            "{}: expected files of a format to have names of their own, found `{name}` twice",
            path.display()
        )));
    }
    let source = path.canonicalize().map_err(|error| Error::io(path, &error))?;
    fs::hard_link(&source, &target)
        .or_else(|_| fs::copy(&source, &target).map(|_| ()))
        .map_err(|error| Error::io(path, &error))?;
    Ok(target.to_string_lossy().into_owned())
}

/// All files of the folder, as a source of that format.
fn source(format: &str, folder: &Path) -> Value {
    let mut source = Table::new();
    let path = format!("{}/*", glob::Pattern::escape(&folder.to_string_lossy()));
    source.insert("format".to_owned(), Value::String(format.to_owned()));
    source.insert("path".to_owned(), Value::String(path));
    source.insert("required".to_owned(), Value::Boolean(true));
    Value::Table(source)
}

fn job(formats: &Path, sources: &Table) -> String {
    let mut job = Table::new();
    let mut set = |key: &str, value: &str| {
        job.insert(key.to_owned(), Value::String(value.to_owned()));
    };
    set("warehouse", "warehouse");
    set("programs", "programs/*.toml");
    set("formats", &formats.to_string_lossy());
    set("reports", "reports");
    job.insert("sources".to_owned(), Value::Table(sources.clone()));
    job.to_string()
}

/// An enrollment for every participant whose eligibility was decided.
fn enroll_everybody(outcome: &Outcome, programs: &[Program]) -> Result<String> {
    let connection = query::connect(&outcome.store, &outcome.snapshot, &Limits::default())?;
    let currencies: BTreeMap<&str, &str> =
        programs.iter().map(|one| (one.program.as_str(), one.currency.as_str())).collect();
    let ids = "SELECT DISTINCT program, participant_id FROM eligibility ORDER BY ALL";
    let mut text = String::from(
        "location_id,program,status,payout_profile,tax_profile,payment_currency,payment_method,\
         hold,from,until\n",
    );
    for row in query::text_rows(&connection, ids, &[])? {
        let mut cells = row.into_iter().map(Option::unwrap_or_default);
        let program = cells.next().unwrap_or_default();
        let id = cells.next().unwrap_or_default().replace('"', "\"\"");
        let currency = currencies.get(program.as_str()).copied().unwrap_or_default();
        text.push_str(&format!(
            "\"{id}\",{program},Enrolled,assumed,assumed,{currency},assumed,no,,\n"
        ));
    }
    Ok(text)
}

fn make_parent(path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| Error::io(parent, &error))
}

fn write(path: &Path, text: &str) -> Result<()> {
    make_parent(path)?;
    fs::write(path, text).map_err(|error| Error::io(path, &error))
}
