//! `earnest check`: the named checks over a published snapshot; and, each by its name, the program files,
//! the exports, and who may write what.

use super::output::columns;
use super::{Done, Global, Reader, output};
use crate::check::controls::{Who, controls};
use crate::check::doubt::Doubt;
use crate::check::{Finding, Status, all, files, programs, run_all, sources};
use crate::error::{Error, ErrorKind, Result};
use crate::job::Job;
use earnest_core::program::review::Severity;
use serde_json::{Value, json};
use std::path::Path;

/// Check the programs, the sources, who may write what, and the published tables
///
/// Without names, the published tables: exit 3 if a global check fails, 1 if another one does. By
/// their names: `programs` finds what is wrong or doubtful in the program files, with file, line and
/// remedy; `sources` ties usage detail to billing and computes the vendor's formulas again; `controls`
/// lists what segregation of duties lacks. Of these, errors end with exit 2, warnings with 1.
#[derive(clap::Args)]
pub struct Args {
    /// Checks to run [default: those of the published tables]; see `--list`
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Read every file again: bytes, rows, digests; and recompute every transaction
    #[arg(long)]
    deep: bool,
    /// List the checks and what each proves
    #[arg(long)]
    list: bool,
    /// The snapshot to check [default: the newest]
    #[arg(long, value_name = "SNAPSHOT")]
    at: Option<u64>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is checked besides published tables.
const AROUND: [(&str, &str); 3] = [
    ("programs", "program files say what they can mean, and match what is staged"),
    ("sources", "usage detail ties to billing, and lines to their vendor's formulas"),
    ("controls", "who runs the job can't change its rules or what was received"),
];

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    if args.list {
        let around = AROUND.map(|(name, about)| vec![name.to_owned(), about.to_owned()]);
        let tables = all().map(|check| vec![check.name.to_owned(), check.description.to_owned()]);
        let rows: Vec<Vec<String>> = around.into_iter().chain(tables).collect();
        output::data(columns(&rows, &[false, false], 0).as_bytes());
        return Ok(Done::Well);
    }
    let is_around = |name: &String| AROUND.iter().any(|(known, _)| known == name);
    let (around, tables): (Vec<String>, Vec<String>) =
        args.names.iter().cloned().partition(is_around);
    let mut done = Done::Well;
    let mut written = Vec::new();
    for name in &around {
        let doubts = doubts(global, args, name)?;
        done = worse(done, said(args, name, &doubts, &mut written));
    }
    if around.is_empty() || !tables.is_empty() || args.deep {
        for finding in findings(global, args, &tables)? {
            done = worse(done, told(args, &finding, &mut written));
        }
    }
    if args.json {
        output::line(&format!("{:#}", Value::Array(written)));
    }
    Ok(done)
}

/// The checks of published tables.
fn findings(global: &Global, args: &Args, names: &[String]) -> Result<Vec<Finding>> {
    let programs = crate::run::load_programs(&global.job()?)?;
    let reader = global.reader()?;
    let mut findings = Vec::new();
    if args.deep {
        // Bytes first: over a damaged file nothing else can be asked.
        findings.push(files(&reader.store, &reader.snapshot(args.at)?)?);
    }
    if findings.iter().all(|finding| finding.status != Status::Failed) {
        let (connection, snapshot) = reader.connect(args.at)?;
        let programs = crate::closes::dated(&reader.store, &snapshot, &programs)?;
        findings.extend(run_all(&connection, &programs, names, args.deep)?);
    }
    Ok(findings)
}

fn doubts(global: &Global, args: &Args, name: &str) -> Result<Vec<Doubt>> {
    let job = global.job()?;
    match name {
        "programs" => of_programs(global, args, &job),
        "sources" => {
            let mut doubts = sources::plausible(&job)?;
            if let Some(reader) = published(global, args)? {
                let (connection, _) = reader.connect(args.at)?;
                doubts.extend(sources::tied(&connection)?);
                let programs = crate::run::load_programs(&job)?;
                doubts.extend(sources::strange_programs(&connection, &programs)?);
            }
            Ok(doubts)
        }
        _ => {
            let warehouse = match &global.warehouse {
                Some(warehouse) => Path::new(warehouse).to_owned(),
                None => job.warehouse.clone(),
            };
            Ok(controls(&job, &warehouse, Who::runs().as_ref()))
        }
    }
}

fn of_programs(global: &Global, args: &Args, job: &Job) -> Result<Vec<Doubt>> {
    let (read, mut doubts) = programs::read(&job.programs);
    if read.len() == job.programs.len()
        && let Err(error) = crate::run::load_programs(job)
    {
        // What is wrong between files names the file that it was found in.
        let text = error.to_string();
        let mut named = read.iter().map(|(file, _)| file.as_str());
        let file = named.find(|file| text.starts_with(*file)).unwrap_or_default();
        doubts.push(Doubt::of_error(file, &text));
    }
    if let Some(reader) = published(global, args)? {
        doubts.extend(programs::against_tables(&reader.connect(args.at)?.0, &read)?);
    }
    doubts.sort();
    Ok(doubts)
}

/// The warehouse, if something was published there.
fn published(global: &Global, args: &Args) -> Result<Option<Reader>> {
    let reader = match global.reader() {
        Ok(reader) => reader,
        Err(error) if error.kind == ErrorKind::Usage && args.at.is_none() => return none(&error),
        Err(error) => return Err(error),
    };
    match reader.snapshot(args.at) {
        Ok(_) => Ok(Some(reader)),
        Err(error) if error.kind == ErrorKind::Usage && args.at.is_none() => none(&error),
        Err(error) => Err(error),
    }
}

/// Nothing was published: what needs tables isn't asked, and that is said.
fn none(error: &Error) -> Result<Option<Reader>> {
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default();
    tracing::warn!("not asked what needs published tables: {reason}");
    Ok(None)
}

/// Says what was found, or adds it to what is `written` as JSON.
fn said(args: &Args, name: &str, doubts: &[Doubt], written: &mut Vec<Value>) -> Done {
    let count = |severity| doubts.iter().filter(|doubt| doubt.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let some = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{number} {what}s")),
    };
    let counted: Vec<String> =
        [some(errors, "error"), some(warnings, "warning")].into_iter().flatten().collect();
    let status = if counted.is_empty() { "ok".to_owned() } else { counted.join(", ") };
    if args.json {
        let found: Vec<Value> = doubts.iter().map(Doubt::json).collect();
        written.push(json!({ "check": name, "status": status, "found": found }));
    } else {
        output::line(&format!("{name:<16} {status}"));
        for line in doubts.iter().flat_map(|doubt| lines(&doubt.text())) {
            output::line(&format!("    {line}"));
        }
    }
    match (errors, warnings) {
        (0, 0) => Done::Well,
        (0, _) => Done::Attention,
        _ => Done::Misconfigured,
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Tells how a check of published tables ended.
fn told(args: &Args, finding: &Finding, written: &mut Vec<Value>) -> Done {
    if args.json {
        let found: Vec<&str> = finding.detail.lines().collect();
        let (check, status) = (finding.check, finding.status.name());
        written.push(json!({ "check": check, "status": status, "found": found }));
    } else {
        output::line(&format!("{:<16} {}", finding.check, finding.status.name()));
        for fault in finding.detail.lines() {
            output::line(&format!("    {fault}"));
        }
    }
    match finding.status {
        Status::Failed if finding.global => Done::CheckFailed,
        Status::Failed => Done::Attention,
        Status::Ok | Status::NotApplicable => Done::Well,
    }
}

/// The one that needs more attention.
fn worse(one: Done, other: Done) -> Done {
    if one.exit_code() < other.exit_code() { other } else { one }
}
