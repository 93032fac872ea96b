//! `earnest report`: the summary reports again.

use super::{Done, Global, output};
use crate::error::Result;
use earnest_core::calendar::Period;

/// Rebuild the summary reports of a snapshot
#[derive(clap::Args)]
pub struct Args {
    /// The snapshot to report on [default: the newest]
    #[arg(long, value_name = "SNAPSHOT")]
    at: Option<u64>,
    /// Only the rows of a month, of the reports that have months: in a folder of their own
    #[arg(long, value_name = "YYYY-MM")]
    period: Option<Period>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let job = global.job()?;
    let reader = global.reader()?;
    let (connection, snapshot) = reader.connect(args.at)?;
    let of = (snapshot.snapshot, args.period);
    let objects = crate::report::build(&connection, &reader.store, of, &job.reports)?;
    for object in objects {
        output::line(&reader.store.path(&object).display().to_string());
    }
    Ok(Done::Well)
}
