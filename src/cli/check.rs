//! `earnest check`: the named checks over a published snapshot.

use super::output::columns;
use super::{Done, Global, output};
use crate::check::{Status, all, files, run_all};
use crate::error::Result;

/// Check the programs and the published tables
///
/// Exit 3 if a global check fails, 1 if another one does.
#[derive(clap::Args)]
pub struct Args {
    /// Checks to run [default: all]; see `--list`
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
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    if args.list {
        let rows: Vec<_> =
            all().map(|check| vec![check.name.to_owned(), check.description.to_owned()]).collect();
        output::data(columns(&rows, &[false, false], 0).as_bytes());
        return Ok(Done::Well);
    }
    let programs = crate::run::load_programs(&global.job()?)?;
    let reader = global.reader()?;
    let mut findings = Vec::new();
    if args.deep {
        // Bytes first: over a damaged file nothing else can be asked.
        findings.push(files(&reader.store, &reader.snapshot(args.at)?)?);
    }
    if findings.iter().all(|finding| finding.status != Status::Failed) {
        let (connection, _) = reader.connect(args.at)?;
        findings.extend(run_all(&connection, &programs, &args.names, args.deep)?);
    }
    let mut done = Done::Well;
    for finding in &findings {
        output::line(&format!("{:<16}{}", finding.check, finding.status.name()));
        for fault in finding.detail.lines() {
            output::line(&format!("    {fault}"));
        }
        if finding.status == Status::Failed {
            done = if finding.global || done == Done::CheckFailed {
                Done::CheckFailed
            } else {
                Done::Attention
            };
        }
    }
    Ok(done)
}
