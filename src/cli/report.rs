//! `earnest report`: the summary reports again.

use super::{Done, Global, output};
use crate::error::Result;

/// Rebuild the summary reports of a snapshot
#[derive(clap::Args)]
pub struct Args {
    /// The snapshot to report on [default: the newest]
    #[arg(long, value_name = "SNAPSHOT")]
    at: Option<u64>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let job = global.job()?;
    let reader = global.reader()?;
    let (connection, snapshot) = reader.connect(args.at)?;
    let objects =
        crate::report::build(&connection, &reader.store, snapshot.snapshot, &job.reports)?;
    for object in objects {
        output::line(&reader.store.path(&object).display().to_string());
    }
    Ok(Done::Well)
}
