//! The daily job on one screen: ingest → eligibility → earnings → payments → check → report →
//! publish. Everything before the last line is invisible to readers; a run may die anywhere.

mod record;
mod release;
mod verify;
mod workspace;

use crate::check::{Finding, Status};
use crate::eligibility::{self, Dimensions, ParticipantMap};
use crate::error::{Error, Result};
use crate::ingest::{self, Ingested};
use crate::job::{Job, Limits, thread_pool};
use crate::schema::{self, Table};
use crate::warehouse::{DataFile, Fault, Snapshot, Store, TableWriter};
use crate::{check, closes, earnings, payments, report};
use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, Utc};
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use workspace::Workspace;
pub(crate) use workspace::run_id;

/// What the command line asks for. The clock is read there, nowhere else.
#[derive(Clone, Debug)]
pub struct RunOptions {
    pub pipeline: PathBuf,
    /// Overrides the job's warehouse.
    pub warehouse: Option<String>,
    /// Publishes into this folder and leaves the warehouse as it is.
    pub out: Option<PathBuf>,
    pub as_of: NaiveDate,
    pub dry_run: bool,
    /// Recalculates every period; today every run does.
    pub full: bool,
    pub threads: Option<usize>,
    pub buckets: Option<usize>,
    pub started_at: DateTime<Utc>,
    pub fault: Option<Fault>,
}

/// What a run did.
#[derive(Debug)]
pub struct Outcome {
    /// What needs attention, in words; the exit code is 1 if there is anything.
    pub attention: Vec<String>,
    /// The snapshot, published unless it was a dry run.
    pub snapshot: Snapshot,
    /// Where it lies.
    pub store: Store,
    pub ingested: Counts,
    pub published: bool,
    /// Names of the reports, below `reports/<number>/`.
    pub reports: Vec<String>,
    /// Wall and CPU seconds of each stage.
    pub seconds: BTreeMap<String, String>,
    /// Keeps a dry run's folder until the outcome was read.
    pub workspace: Workspace,
}

/// Records of this run's new files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub read: u64,
    pub staged: u64,
    pub rejected: u64,
    pub duplicate: u64,
}

/// Runs the job.
///
/// # Errors
/// If the configuration is wrong (exit 2), a source or a check fails (3), another run was faster
/// (4), or the machine refuses (5). Nothing is published then.
pub fn run(options: &RunOptions) -> Result<Outcome> {
    let mut clock = Clock::default();
    let job = Job::load(&options.pipeline)?;
    let programs = load_programs(&job)?;
    let workspace = workspace::open(options, &job)?;
    let threads = options.threads.unwrap_or(job.limits.threads);
    let mut next = workspace.next_snapshot(options)?;
    // Threads that end give back what they held: DuckDB needs it when it verifies.
    let ingested = thread_pool(threads)?.install(|| {
        let store = &workspace.store;
        let ingested = clock.time("ingest", || stage(options, &job, &workspace, &mut next))?;
        let previous = workspace.previous.as_ref();
        calculate(options, &job.limits, &programs, (store, previous), &mut next, &mut clock)?;
        record::runs(options, store, &mut next, &ingested)?;
        Ok::<_, Error>(ingested)
    })?;
    let (failed, reports) = thread_pool(threads)?.install(|| {
        finish(&job, &programs, &workspace.store, &next, workspace.publishes, &mut clock)
    })?;
    let mut attention = ingested.attention.clone();
    attention.extend(failed);
    Ok(Outcome {
        attention,
        ingested: Counts {
            read: ingested.read,
            staged: ingested.staged,
            rejected: ingested.rejected,
            duplicate: ingested.duplicate,
        },
        published: workspace.publishes,
        store: workspace.store.clone(),
        snapshot: next,
        reports,
        seconds: clock.seconds(),
        workspace,
    })
}

/// Checks a snapshot to be, builds its reports and publishes it. Gives what needs attention, in words,
/// and the names of the reports.
///
/// # Errors
/// If a global check fails, or the disk refuses.
pub(crate) fn finish(
    job: &Job,
    programs: &[Program],
    store: &Store,
    next: &Snapshot,
    publishes: bool,
    clock: &mut Clock,
) -> Result<(Vec<String>, Vec<String>)> {
    let programs = closes::dated(store, next, programs)?;
    let verify = || verify::verify((store, next), &programs, &job.limits);
    let (connection, findings) = clock.time("verify", verify)?;
    let attention = failures(check::refuse_failures(findings)?).collect();
    check::refuse_holds(&connection, job.limits.check_fail)?;
    let reports = clock.time("report", || {
        report::build(&connection, store, (next.snapshot, None), &job.reports)
    })?;
    drop(connection);
    if publishes {
        clock.time("publish", || next.publish(store))?;
    }
    Ok((attention, reports))
}

/// Failed checks that don't stop the run, in words.
fn failures(findings: Vec<Finding>) -> impl Iterator<Item = String> {
    let failed = findings.into_iter().filter(|finding| finding.status == Status::Failed);
    failed.map(|finding| format!("check `{}`: {}", finding.check, finding.detail))
}

/// Reads and checks every program file of the job.
///
/// # Errors
/// With file, line and remedy.
pub fn load_programs(job: &Job) -> Result<Vec<Program>> {
    let mut programs: Vec<Program> = Vec::new();
    for path in &job.programs {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
        let program = Program::parse(&path.display().to_string(), &text)
            .map_err(|error| Error::usage(error.to_string()))?;
        for earlier in &programs {
            if let Some(name) = same_name(earlier, &program) {
                return Err(Error::usage(format!(
                    "{}: expected a name of its own, found `{name}`, which is also `{}`",
                    path.display(),
                    earlier.program
                )));
            }
        }
        programs.push(program);
    }
    check_offset_groups(&job.programs, &programs)?;
    for (path, program) in job.programs.iter().zip(&programs) {
        let Some(successor) = &program.successor else { continue };
        if programs.iter().all(|other| other.program != *successor) {
            let known: Vec<&str> = programs.iter().map(|other| other.program.as_str()).collect();
            let place = path.display();
            let message = format!(
                "{place}: expected a program of the job in `successor`, found `{successor}`"
            );
            return Err(Error::usage(message).hint(format!("there are `{}`", known.join("`, `"))));
        }
        // A chain of successors that comes back would never end.
        let follow = |key: &str| {
            let next = programs.iter().find(|other| other.program == key);
            next.and_then(|next| next.successor.clone())
        };
        let chain = std::iter::successors(Some(successor.clone()), |key| follow(key));
        if chain.take(programs.len()).any(|key| key == program.program) {
            return Err(Error::usage(format!(
                "{}: expected successors that end, found `{}` again",
                path.display(),
                program.program
            )));
        }
    }
    Ok(programs)
}

/// Programs of an offset group have the same currency and close on the same days.
fn check_offset_groups(paths: &[PathBuf], programs: &[Program]) -> Result<()> {
    for (place, program) in programs.iter().enumerate() {
        let payment = &program.payment;
        let Some(group) = &payment.offset_group else { continue };
        let before = programs[..place].iter();
        let before = before.filter(|other| other.payment.offset_group.as_ref() == Some(group));
        for other in before {
            let path = paths[place].display();
            if other.currency != program.currency {
                return Err(Error::usage(format!(
                    "{path}: expected {} as `currency`, as `{}` of the same `offset_group`, found {}",
                    other.currency, other.program, program.currency
                )));
            }
            // Those of one program have the same days of rebate and fee.
            let days = |of: &Program| of.calendar(EarningType::Rebate).clone();
            if !days(other).has_days_of(&days(program)) {
                return Err(Error::usage(format!(
                    "{path}: expected `day`, `business_day` and `holidays` as `{}` of the same \
                     `offset_group` has them, found others",
                    other.program
                ))
                .hint("balances are offset on the day on which their cycle is due"));
            }
        }
    }
    Ok(())
}

/// A name by which exports would mean both programs on the same day.
fn same_name<'a>(earlier: &Program, program: &'a Program) -> Option<&'a str> {
    let names = [&program.program, &program.name].into_iter();
    let names = names.chain(program.aliases.iter().map(|alias| &alias.name));
    let both = |name: &&String| {
        let days: Vec<_> = earlier.called(name).collect();
        program.called(name).any(|ours| days.iter().any(|theirs| theirs.overlap(&ours)))
    };
    names.into_iter().find(both).map(String::as_str)
}

/// Stages what is new and adds it to what was staged before.
fn stage(
    options: &RunOptions,
    job: &Job,
    workspace: &Workspace,
    next: &mut Snapshot,
) -> Result<Ingested> {
    let ingested = ingest::ingest(&ingest::Request {
        job,
        store: &workspace.store,
        previous: workspace.previous.as_ref(),
        as_of: options.as_of,
        run_id: &next.run_id,
    })?;
    for (&name, files) in &ingested.files {
        let table = declared(name)?;
        let mut all: Vec<DataFile> = next.files(name).to_vec();
        all.extend(files.iter().cloned());
        next.set(table, all);
    }
    Ok(ingested)
}

/// Eligibility, earnings, payments: staged tables in, result tables out.
pub(crate) fn calculate(
    options: &RunOptions,
    limits: &Limits,
    programs: &[Program],
    (store, previous): (&Store, Option<&Snapshot>),
    next: &mut Snapshot,
    clock: &mut Clock,
) -> Result<()> {
    let read = |table| ingest::read_table(store, next, table, options.as_of);
    let dimensions = Dimensions {
        memberships: read(&schema::MEMBERSHIPS)?,
        agreements: read(&schema::AGREEMENTS)?,
        competencies: read(&schema::COMPETENCIES)?,
        designations: read(&schema::DESIGNATIONS)?,
        enrollments: read(&schema::ENROLLMENTS)?,
        participant_map: read(&schema::PARTICIPANT_MAP)?,
    };
    let product_groups = read(&schema::PRODUCT_GROUPS)?;
    let exchange_rates = closes::rates::counting(store, next, &read(&schema::EXCHANGE_RATES)?)?;
    let ineligibilities = read(&schema::INELIGIBILITIES)?;
    let claims = read(&schema::CLAIMS)?;
    let payment_statuses = read(&schema::PAYMENT_STATUSES)?;
    let manual_adjustments = read(&schema::MANUAL_ADJUSTMENTS)?;
    let files = ingest::in_force(store, next, schema::TRANSACTIONS.name, options.as_of)?;

    let mut closed = closes::Closed::read(store, next, previous, programs)?;
    let programs = &closes::dated(store, next, programs)?;
    let partners = clock.time("facts", || earnings::facts::partners(&files))?;
    let asked = eligibility::revenue_asked(programs);
    let sold = clock.time("facts", || earnings::facts::sold(&files, asked))?;
    clock.time("facts", || closed.correct((store, next), &files, asked))?;
    let open = closed.last.map(|last| last.plus(1));
    let map = ParticipantMap::build(programs, &dimensions.participant_map)?;
    let periods = earnings::periods(&files);
    let decisions = clock.time("eligibility", || {
        let first = earnings::first_transactions(&partners);
        let ends = periods.first().zip(periods.last());
        // Without any transaction there is no period to decide.
        let none = Period::of(options.as_of);
        let (from, to) =
            ends.map_or((none.plus(1), none), |((first, _), (last, _))| (*first, *last));
        let revenue = eligibility::Revenue {
            sold: &sold,
            product_groups: &product_groups,
            exchange_rates: &exchange_rates,
            as_of: options.as_of,
            frozen: &closed.revenue,
            corrected: &closed.corrected,
            open,
        };
        eligibility::decide(programs, &dimensions, &first, &revenue, from, to)
    })?;
    let settled_first = closed.settled_first(store, programs)?;
    let earned = clock.time("earnings", || {
        earnings::earn(&earnings::Request {
            programs,
            store,
            files: &files,
            partners: &partners,
            map: &map,
            decisions: &decisions,
            product_groups: &product_groups,
            exchange_rates: &exchange_rates,
            ineligibilities: &ineligibilities,
            memberships: &dimensions.memberships,
            added: &closed.added,
            open,
            settled_first: &settled_first,
            rooms: &closed.rooms,
            baselines: &closed.baselines,
            buckets: options.buckets.unwrap_or(limits.buckets()),
        })
    })?;
    let changes =
        clock.time("payments", || closed.changes((store, next), programs, &earned.files, &map))?;
    let paid = clock.time("payments", || {
        let staged = payments::Staged {
            memberships: &dimensions.memberships,
            enrollments: &dimensions.enrollments,
            exchange_rates: &exchange_rates,
            claims: &claims,
            payment_statuses: &payment_statuses,
            manual_adjustments: &manual_adjustments,
        };
        let postings = closed.enter(programs, earned.postings, &changes)?;
        payments::pay(programs, postings, &staged, &closed, options.as_of)
    })?;

    clock.time("write", || {
        put(store, next, &schema::ELIGIBILITY, decisions.batches())?;
        put(store, next, &schema::CAP_BALANCES, [Ok(earned.cap_balances)])?;
        let known = closes::Known::read(store, previous, options.as_of)?;
        let determinations = std::iter::once(decisions.determinations()?)
            .chain(earned.determinations)
            .chain([paid.determinations])
            .map(Ok)
            .chain(earned.baselines.batches(programs))
            .map(|rows| known.since(&rows?));
        put(store, next, &schema::DETERMINATIONS, determinations)?;
        put(store, next, &schema::PAYMENTS, [Ok(paid.payments)])?;
        put(store, next, &schema::PAYMENT_ITEMS, [Ok(paid.payment_items)])?;
        put(store, next, &schema::PAYMENT_HISTORY, [Ok(paid.payment_history)])?;
        put(store, next, &schema::ADJUSTMENTS, [Ok(paid.adjustments)])?;
        put(store, next, &schema::OFFSETS, [Ok(paid.offsets)])?;
        put(store, next, &schema::BALANCES, [Ok(paid.balances)])?;
        put(store, next, &schema::BALANCE_LOTS, [Ok(paid.balance_lots)])?;
        put(store, next, &schema::COOP_FUND, [Ok(paid.coop_fund)])?;
        put(store, next, &schema::CLAIM_ITEMS, [Ok(paid.claim_items)])?;
        put(store, next, &schema::JOURNAL, [Ok(paid.journal)])?;
        put(store, next, &schema::SETTLEMENT_CHANGES, [closes::table_of(&changes)])
    })?;
    let by_table = |table: &Table| {
        let ours = earned.files.iter().filter(|(name, _)| *name == table.name);
        ours.map(|(_, file)| file.clone()).collect()
    };
    for table in
        [&schema::EARNINGS, &schema::EARNING_SOURCES, &schema::UNEARNED, &schema::OUT_OF_SCOPE]
    {
        next.set(table, by_table(table));
    }
    Ok(())
}

/// Writes what a run makes of a table as one file, beside those of closed cycles.
fn put(
    store: &Store,
    next: &mut Snapshot,
    table: &'static Table,
    batches: impl IntoIterator<Item = Result<RecordBatch>>,
) -> Result<()> {
    let mut writer = TableWriter::new(store, table, "", "all")?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    let mut files = next.files(table.name).to_vec();
    files.extend(writer.finish()?);
    next.set(table, files);
    Ok(())
}

fn declared(name: &str) -> Result<&'static Table> {
    schema::table(name).ok_or_else(|| Error::broken(format!("no table `{name}` is declared")))
}

/// Wall and CPU seconds per stage.
#[derive(Default)]
pub(crate) struct Clock(BTreeMap<&'static str, (Duration, Duration)>);

impl Clock {
    fn time<T>(&mut self, stage: &'static str, act: impl FnOnce() -> T) -> T {
        tracing::debug!(stage, "begins");
        let (start, busy) = (Instant::now(), cpu());
        let done = act();
        let (elapsed, busy) = (start.elapsed(), cpu().saturating_sub(busy));
        let sums = self.0.entry(stage).or_default();
        *sums = (sums.0 + elapsed, sums.1 + busy);
        tracing::info!(stage, milliseconds = u64::try_from(elapsed.as_millis()).ok(), "done");
        done
    }

    /// Wall seconds under the stage's name, CPU seconds under `<stage>.cpu`.
    fn seconds(&self) -> BTreeMap<String, String> {
        let text = |time: &Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
        let stages = self.0.iter();
        stages
            .flat_map(|(stage, (elapsed, busy))| {
                [((*stage).to_owned(), text(elapsed)), (format!("{stage}.cpu"), text(busy))]
            })
            .collect()
    }
}

/// CPU time of this process so far, in hundredths of a second; zero where the system doesn't say.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields after the command's name, which may hold anything; user and system time are the 12th
    // and 13th. Source: proc(5).
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
