//! `earnest generate`: synthetic exports.

use super::{Done, output};
use crate::error::Result;
use crate::generate::Request;
use std::path::PathBuf;

/// Write synthetic exports and a job file for them, for trials and benchmarks
///
/// Equal seeds give equal bytes. The largest partner has 20 % of the rows, the largest customer
/// 5 %; 2 % are refunds; three currencies; 5 % become known late.
#[derive(clap::Args)]
pub struct Args {
    /// Transactions in all
    #[arg(long, value_name = "N")]
    rows: u64,
    /// Months they spread over
    #[arg(long, value_name = "N", default_value_t = 12)]
    months: u32,
    /// Equal seeds give equal exports
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The folder with the formats, programs and reports that the job refers to
    #[arg(long, value_name = "DIR", default_value = "pipelines")]
    pipelines: PathBuf,
}

pub fn execute(args: &Args) -> Result<Done> {
    let generated = crate::generate::generate(&Request {
        rows: args.rows,
        months: args.months,
        seed: args.seed,
        out: &args.out,
        pipelines: &args.pipelines,
    })?;
    let megabytes = generated.bytes / 1_000_000;
    output::line(&format!("{} files, {megabytes} MB", generated.files));
    output::line(&format!(
        "earnest run --pipeline {} --as-of {}",
        generated.pipeline.display(),
        generated.last_known_on
    ));
    Ok(Done::Well)
}
