//! What must be known before anything else, found by Polars in one narrow streaming scan: which
//! partners there are and when each first transacted.

use crate::error::Result;
use crate::ingest::InForceFile;
use chrono::NaiveDate;
use polars::prelude::*;

/// A lazy scan of the rows in force.
///
/// # Errors
/// If a path can't be a Polars path.
pub fn scan(files: &[InForceFile], columns: &[&str]) -> Result<LazyFrame> {
    let selected: Vec<Expr> = columns.iter().map(|&name| col(name)).collect();
    let whole: Vec<_> = files.iter().filter(|file| !file.all_excluded && !is_cut(file)).collect();
    let mut scans = Vec::new();
    if !whole.is_empty() {
        let paths = whole
            .iter()
            .map(|file| PlRefPath::try_from_path(&file.path))
            .collect::<PolarsResult<Vec<_>>>()?;
        let sources = ScanSources::Paths(paths.into_iter().collect());
        scans.push(LazyFrame::scan_parquet_sources(sources, scan_args())?.select(&selected));
    }
    for file in files.iter().filter(|file| !file.all_excluded && is_cut(file)) {
        let path = PlRefPath::try_from_path(&file.path)?;
        let mut cut = LazyFrame::scan_parquet(path, scan_args())?;
        for (column, excluded) in [("slice_key", &file.slices), ("row_key", &file.keys)] {
            if !excluded.is_empty() {
                let mut keys: Vec<&str> = excluded.iter().map(String::as_str).collect();
                keys.sort_unstable();
                let keys = df!(column => keys)?.lazy();
                cut = cut.join(keys, [col(column)], [col(column)], JoinArgs::new(JoinType::Anti));
            }
        }
        scans.push(cut.select(&selected));
    }
    if scans.is_empty() {
        return Ok(DataFrame::empty().lazy());
    }
    Ok(concat(scans, UnionArgs::default())?)
}

/// True if some of the file's rows are out of force.
fn is_cut(file: &InForceFile) -> bool {
    !file.slices.is_empty() || !file.keys.is_empty()
}

fn scan_args() -> ScanArgsParquet {
    ScanArgsParquet { glob: false, ..Default::default() }
}

/// Source × partners of a line, with the first day they occur together.
pub struct Partners {
    pub source: String,
    pub billed: Option<String>,
    pub reseller: Option<String>,
    pub first_on: NaiveDate,
}

/// The plan of [`partners`].
///
/// # Errors
/// If the scan can't be planned.
pub fn partners_plan(files: &[InForceFile]) -> Result<LazyFrame> {
    let columns = ["source", "billed_partner_id", "reseller_partner_id", "transaction_on"];
    let keys = [col("source"), col("billed_partner_id"), col("reseller_partner_id")];
    Ok(scan(files, &columns)?.group_by(keys).agg([col("transaction_on").min()]))
}

/// All combinations of source and partners, each with its first day.
///
/// # Errors
/// If the scan fails.
pub fn partners(files: &[InForceFile]) -> Result<Vec<Partners>> {
    if files.iter().all(|file| file.all_excluded) {
        return Ok(Vec::new());
    }
    let frame = collect(partners_plan(files)?)?;
    let source = frame.column("source")?.str()?;
    let billed = frame.column("billed_partner_id")?.str()?;
    let reseller = frame.column("reseller_partner_id")?.str()?;
    let first = frame.column("transaction_on")?.date()?.physical();
    let mut partners = Vec::with_capacity(frame.height());
    for row in 0..frame.height() {
        partners.push(Partners {
            source: source.get(row).unwrap_or_default().to_owned(),
            billed: billed.get(row).map(str::to_owned),
            reseller: reseller.get(row).map(str::to_owned),
            first_on: day(first.get(row).unwrap_or_default()),
        });
    }
    Ok(partners)
}

fn collect(plan: LazyFrame) -> Result<DataFrame> {
    Ok(plan.collect_with_engine(Engine::Streaming)?.unwrap_single())
}

/// The day of a `Date32` value.
#[must_use]
pub fn day(days_since_epoch: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(days_since_epoch).unwrap_or_default()
}
