//! The command line. In: arguments. Out: an exit code; data on stdout, talk on stderr.

mod approve;
mod catalog;
mod check;
mod close;
mod estimate;
mod explain;
mod export;
mod generate;
mod output;
mod progress;
mod query;
mod report;
mod run;
mod status;
mod summary;

use crate::error::{Error, ErrorKind, Result};
use crate::job::{Job, Limits};
use crate::warehouse::{Snapshot, Store};
use clap::{Parser, Subcommand, ValueEnum};
use duckdb::Connection;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The open engine for partner incentive programs.
///
/// Exit codes: 0 done; 1 done, but the data needs attention; 2 wrong usage or configuration;
/// 3 a check failed, nothing published; 4 another run holds the warehouse; 5 the run broke,
/// nothing published.
#[derive(Parser)]
#[command(name = "earnest", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Global {
    /// The job: sources, warehouse, programs, limits
    #[arg(long, global = true, value_name = "FILE", default_value = "pipelines/daily.toml")]
    pipeline: PathBuf,
    /// The folder that holds the tables, instead of the job's
    #[arg(long, global = true, value_name = "DIR")]
    warehouse: Option<String>,
    /// How messages are written on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log: Log,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Log {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Close(close::Args),
    Approve(approve::Args),
    Export(export::Args),
    Check(check::Args),
    Status(status::Args),
    Query(query::Args),
    Explain(explain::Args),
    Report(report::Args),
    Estimate(Box<estimate::Args>),
    Catalog(catalog::Args),
    Generate(generate::Args),
}

/// How a command ended that didn't fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// Exit 0.
    Well,
    /// Exit 1: the data needs attention.
    Attention,
    /// Exit 2: a program file says what it can't mean.
    Misconfigured,
    /// Exit 3: a check failed.
    CheckFailed,
}

impl Done {
    fn exit_code(self) -> u8 {
        match self {
            Done::Well => 0,
            Done::Attention => 1,
            Done::Misconfigured => ErrorKind::Usage.exit_code(),
            Done::CheckFailed => 3,
        }
    }
}

/// Runs a command line and returns its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    // An estimate runs the daily job inside, whose progress is not its user's business.
    let level = match cli.command {
        Command::Estimate(_) => output::LevelFilter::WARN,
        _ => output::LevelFilter::INFO,
    };
    output::start_log(cli.global.log, level);
    match dispatch(&cli) {
        Ok(done) => done.exit_code(),
        Err(error) => {
            output::error(&error, cli.global.log);
            error.kind.exit_code()
        }
    }
}

fn dispatch(cli: &Cli) -> Result<Done> {
    let global = &cli.global;
    match &cli.command {
        Command::Run(args) => run::execute(global, args),
        Command::Close(args) => close::execute(global, args),
        Command::Approve(args) => approve::execute(global, args),
        Command::Export(args) => export::execute(global, args),
        Command::Check(args) => check::execute(global, args),
        Command::Status(args) => status::execute(global, args),
        Command::Query(args) => query::execute(global, args),
        Command::Explain(args) => explain::execute(global, args),
        Command::Report(args) => report::execute(global, args),
        Command::Estimate(args) => estimate::execute(global, args),
        Command::Catalog(args) => catalog::execute(global, args),
        Command::Generate(args) => generate::execute(args),
    }
}

/// A warehouse opened for reading.
struct Reader {
    store: Store,
    limits: Limits,
}

impl Reader {
    /// The newest snapshot, or the one of that number.
    fn snapshot(&self, at: Option<u64>) -> Result<Snapshot> {
        let found = match at {
            Some(number) => Some(Snapshot::numbered(&self.store, number)?),
            None => Snapshot::newest(&self.store)?,
        };
        found.ok_or_else(|| {
            let root = self.store.root().display();
            Error::usage(format!("warehouse `{root}`: expected a snapshot, found none"))
                .hint("`earnest run` publishes the first one")
        })
    }

    fn connect(&self, at: Option<u64>) -> Result<(Connection, Snapshot)> {
        let snapshot = self.snapshot(at)?;
        Ok((crate::query::connect(&self.store, &snapshot, &self.limits)?, snapshot))
    }
}

impl Global {
    fn job(&self) -> Result<Job> {
        Job::load(&self.pipeline)
    }

    /// The warehouse of `--warehouse`, else of the job. A warehouse that was copied elsewhere can be
    /// read without any job.
    fn reader(&self) -> Result<Reader> {
        let (location, limits) = match &self.warehouse {
            Some(location) if !self.pipeline.exists() => (location.clone(), Limits::default()),
            Some(location) => (location.clone(), self.job()?.limits),
            None => {
                let job = self.job()?;
                (job.warehouse.display().to_string(), job.limits)
            }
        };
        if !location.contains("://") && !Path::new(&location).is_dir() {
            let message = format!("warehouse `{location}`: expected a folder, found none");
            return Err(Error::usage(message).hint("`earnest run` makes it, or see `--warehouse`"));
        }
        Ok(Reader { store: Store::open(&location, None)?, limits })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
