//! `earnest run`: the daily job.

use super::{Done, Global, output, summary};
use crate::error::{Error, Result};
use crate::run::RunOptions;
use crate::warehouse::Fault;
use chrono::{NaiveDate, Utc};
use std::path::PathBuf;

/// Run the daily job: ingest, eligibility, earnings, payments, checks, reports; then publish
#[derive(clap::Args)]
pub struct Args {
    /// Count export rows known on or before this day [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// Read every input again and recompute everything
    #[arg(long)]
    full: bool,
    /// Calculate and check, publish nothing
    #[arg(long)]
    dry_run: bool,
    /// Publish into another folder; needed when `--as-of` lies before the newest snapshot's
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads, instead of the job's limit
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Parts in which ordered work is done, instead of the job's
    #[arg(long, value_name = "N")]
    buckets: Option<usize>,
    /// Write how long each stage took, as JSON
    #[arg(long, value_name = "FILE")]
    timings: Option<PathBuf>,
    /// Break the N-th store operation: kill-before@N, kill-after@N or full@N
    #[arg(long, hide = true, value_name = "FAULT")]
    fault: Option<Fault>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    // The only place that reads the clock.
    let now = Utc::now();
    let outcome = crate::run::run(&RunOptions {
        pipeline: global.pipeline.clone(),
        warehouse: global.warehouse.clone(),
        out: args.out.clone(),
        as_of: args.as_of.unwrap_or_else(|| now.date_naive()),
        dry_run: args.dry_run,
        full: args.full,
        threads: args.threads,
        buckets: args.buckets,
        started_at: now,
        fault: args.fault,
    })?;
    let limits = global.job()?.limits;
    let connection = crate::query::connect(&outcome.store, &outcome.snapshot, &limits)?;
    let published = outcome.published;
    let text = summary::text(&connection, &outcome.store, &outcome.snapshot, published)?;
    output::data(text.as_bytes());
    if let Some(path) = &args.timings {
        let text = serde_json::to_string_pretty(&outcome.seconds).unwrap_or_default();
        std::fs::write(path, text).map_err(|error| Error::io(path, &error))?;
    }
    for line in &outcome.attention {
        tracing::warn!("needs attention: {line}");
    }
    Ok(if outcome.attention.is_empty() { Done::Well } else { Done::Attention })
}
