//! `earnest close`: order the payments of a cycle, for good.

use super::{Done, Global, output};
use crate::close::{Act, Request, execute as carry_out};
use crate::closes::{By, State};
use crate::error::{Error, Result};
use crate::run::RunOptions;
use crate::warehouse::Fault;
use chrono::{DateTime, NaiveDate, Utc};
use earnest_core::calendar::Period;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Close a cycle: its orders, balances and postings stay as the newest snapshot shows them
///
/// The cycle is the oldest open one, and its due day has come. What becomes known later enters the
/// next open cycle. With `approval = "required"` in the job the orders wait for `earnest approve`.
#[derive(clap::Args)]
pub struct Args {
    /// The payment month, YYYY-MM
    #[arg(value_name = "CYCLE")]
    cycle: Period,
    /// Open the newest closed cycle again; possible until it is approved
    #[arg(long, requires = "reason")]
    void: bool,
    /// Why it is voided
    #[arg(long, value_name = "TEXT", requires = "void")]
    reason: Option<String>,
    /// The day on which it is closed [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// Break the N-th store operation: kill-before@N, kill-after@N or full@N
    #[arg(long, hide = true, value_name = "FAULT")]
    fault: Option<Fault>,
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let act = match &args.reason {
        Some(reason) => Act::Void { reason: reason.clone() },
        None => Act::Close,
    };
    perform(global, args.cycle, act, args.as_of, args.fault)
}

/// Does it, and says what was done.
pub fn perform(
    global: &Global,
    cycle: Period,
    act: Act,
    as_of: Option<NaiveDate>,
    fault: Option<Fault>,
) -> Result<Done> {
    let now = Utc::now();
    let done = carry_out(&Request {
        run: RunOptions {
            pipeline: global.pipeline.clone(),
            warehouse: global.warehouse.clone(),
            out: None,
            as_of: as_of.unwrap_or_else(|| now.date_naive()),
            dry_run: false,
            full: false,
            threads: None,
            buckets: None,
            started_at: now,
            fault,
        },
        cycle,
        act,
        by: by(now)?,
    })?;
    let event = &done.event;
    output::line(&format!(
        "cycle {cycle}: {}, {} orders, snapshot {}",
        event.state.name(),
        event.orders,
        done.snapshot.snapshot
    ));
    output::line(&format!("digest {}", event.orders_digest));
    if event.state == State::Closed && event.approval_required {
        tracing::info!(
            "the orders wait until `earnest approve {cycle} --file FILE` is given a file that names \
             the digest"
        );
    }
    for line in &done.attention {
        tracing::warn!("needs attention: {line}");
    }
    Ok(if done.attention.is_empty() { Done::Well } else { Done::Attention })
}

/// Who runs this process, by the operating system, and where.
pub fn by(at: DateTime<Utc>) -> Result<By> {
    let place = Path::new("/proc/self");
    let process = std::fs::metadata(place).map_err(|error| Error::io(place, &error))?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("unknown").to_owned();
    Ok(By { os_user: user(process.uid()), host, at })
}

/// The name of a user, or its number where it has none.
pub fn user(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, found) = (fields.next()?, fields.nth(1)?);
        (found == number).then(|| name.to_owned())
    });
    named.unwrap_or(number)
}
