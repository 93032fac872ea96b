//! `earnest approve`: let the orders of a closed cycle go.

use super::close::{perform, user};
use super::{Done, Global};
use crate::close::Act;
use crate::error::{Error, Result};
use crate::warehouse::Fault;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Approve a closed cycle by a file that names the digest of its orders
///
/// The file belongs to another user than the one who closed the cycle, or it is refused, unless the job
/// says `approval_by = "file"`. Its owner is recorded. Put it where those who close can't write; who
/// may write where is up to the file system.
#[derive(clap::Args)]
pub struct Args {
    /// The payment month, YYYY-MM
    #[arg(value_name = "CYCLE")]
    cycle: Period,
    /// A text file in which the digest stands as a word
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The day on which it is approved [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// Break the N-th store operation: kill-before@N, kill-after@N or full@N
    #[arg(long, hide = true, value_name = "FAULT")]
    fault: Option<Fault>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let unreadable = |error: std::io::Error| {
        let place = args.file.display();
        Error::usage(format!("{place}: expected a file, found none ({error})"))
            .hint("`--file` names a text file with the digest that `earnest close` printed")
    };
    let text = std::fs::read_to_string(&args.file).map_err(unreadable)?;
    let owner = user(std::fs::metadata(&args.file).map_err(unreadable)?.uid());
    let act = Act::Approve { file: args.file.clone(), text, owner };
    perform(global, args.cycle, act, args.as_of, args.fault)
}
