//! `earnest export`: files for other systems.

use super::close::by;
use super::{Done, Global, output};
use crate::close::{Act, Request, export};
use crate::error::{Error, Result};
use crate::run::RunOptions;
use chrono::Utc;
use earnest_core::calendar::Period;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Write the payment orders of a closed cycle as CSV, for the bank or the ERP
///
/// One record per order, then one per currency with the sums. The batch has an id; exported again, ids
/// are the same and `duplicate` says `yes`.
#[derive(clap::Args)]
pub struct Args {
    /// The payment month, YYYY-MM
    #[arg(long, value_name = "CYCLE")]
    payment_orders: Period,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let now = Utc::now();
    // An export counts once it is recorded, so there must be a place for it before.
    let part = PathBuf::from(format!("{}.part", args.out.display()));
    if let Err(error) = place(&args.out, &part) {
        let message =
            format!("{}: expected a file that can be written, found {error}", args.out.display());
        return Err(Error::usage(message)
            .hint("name a file in a folder that is there; nothing was exported"));
    }
    let exported = export(
        &Request {
            run: RunOptions {
                pipeline: global.pipeline.clone(),
                warehouse: global.warehouse.clone(),
                out: None,
                as_of: now.date_naive(),
                dry_run: false,
                full: false,
                threads: None,
                buckets: None,
                started_at: now,
                fault: None,
            },
            cycle: args.payment_orders,
            act: Act::Close,
            by: by(now)?,
        },
        &args.out.display().to_string(),
    );
    if exported.is_err() {
        std::fs::remove_file(&part).map_err(|error| Error::io(&part, &error))?;
    }
    let exported = exported?;
    std::fs::write(&part, &exported.csv).map_err(|error| Error::io(&part, &error))?;
    std::fs::rename(&part, &args.out).map_err(|error| Error::io(&args.out, &error))?;
    let again = if exported.duplicate { ", exported before" } else { "" };
    output::line(&format!(
        "cycle {}: batch {}, {} orders{again}",
        args.payment_orders, exported.batch_id, exported.done.event.orders
    ));
    let attention = &exported.done.attention;
    for line in attention {
        tracing::warn!("needs attention: {line}");
    }
    Ok(if attention.is_empty() && !exported.duplicate { Done::Well } else { Done::Attention })
}

/// Makes the file that becomes the export when it is whole.
fn place(out: &Path, part: &Path) -> std::io::Result<File> {
    if out.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { File::create(part) }
}
