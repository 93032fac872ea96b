//! What must be known before rows can be calculated, found by Polars in narrow streaming scans:
//! which partners there are and when each first transacted, and which refunds belong to which lines.

use crate::error::Result;
use crate::ingest::InForceFile;
use chrono::NaiveDate;
use polars::prelude::*;

/// The staged columns that linking refunds reads.
const LINK_COLUMNS: [&str; 10] = [
    "source",
    "transaction_id",
    "transaction_on",
    "transaction_currency",
    "base",
    "charge_start_on",
    "charge_end_on",
    "reference_id",
    "reference_target",
    "link_key",
];

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

/// A line as linking sees it. Amounts at amount scale.
pub struct LinkLine {
    pub source: String,
    pub transaction_id: String,
    pub transaction_on: NaiveDate,
    pub currency: String,
    pub base: i128,
    pub charge: Option<(NaiveDate, NaiveDate)>,
    pub reference_id: Option<String>,
    pub reference_target: Option<String>,
    pub link_key: Option<i64>,
}

/// The plan of [`refunds`].
///
/// # Errors
/// If the scan can't be planned.
pub fn refunds_plan(files: &[InForceFile]) -> Result<LazyFrame> {
    let linkable = col("link_key").is_not_null().or(col("reference_id").is_not_null());
    Ok(scan(files, &LINK_COLUMNS)?.filter(col("base").lt(lit(0)).and(linkable)))
}

/// Negative lines that could be linked.
///
/// # Errors
/// If the scan fails.
pub fn refunds(files: &[InForceFile]) -> Result<Vec<LinkLine>> {
    if files.iter().all(|file| file.all_excluded) {
        return Ok(Vec::new());
    }
    link_lines(&collect(refunds_plan(files)?)?)
}

/// The plan of [`candidates`]: lines whose charge period holds that of a refund with the same link
/// key, and lines that a refund refers to. A line comes once per refund that it could serve.
///
/// # Errors
/// If the scan can't be planned.
pub fn candidates_plan(files: &[InForceFile], refunds: &[LinkLine]) -> Result<LazyFrame> {
    let positive = scan(files, &LINK_COLUMNS)?.filter(col("base").gt(lit(0)));
    let columns: Vec<Expr> = LINK_COLUMNS.iter().map(|&name| col(name)).collect();
    let holds = col("charge_start_on")
        .lt_eq(col("refund_start_on"))
        .and(col("refund_end_on").lt_eq(col("charge_end_on")));
    let inner = JoinArgs::new(JoinType::Inner);
    let keyed = positive
        .clone()
        .join(refund_periods(refunds)?, [col("link_key")], [col("link_key")], inner)
        .filter(holds)
        .select(&columns);
    let mut references: Vec<&str> =
        refunds.iter().filter_map(|line| line.reference_id.as_deref()).collect();
    references.sort_unstable();
    references.dedup();
    if references.is_empty() {
        return Ok(keyed);
    }
    let references = df!("reference_target" => references)?.lazy();
    let on = [col("reference_target")];
    let referenced = positive.join(references, &on, &on, JoinArgs::new(JoinType::Semi));
    Ok(concat([keyed, referenced], UnionArgs::default())?)
}

/// Link key and charge period of the refunds that have both, each once.
fn refund_periods(refunds: &[LinkLine]) -> Result<LazyFrame> {
    let mut periods: Vec<(i64, NaiveDate, NaiveDate)> = refunds
        .iter()
        .filter_map(|line| Some((line.link_key?, line.charge?.0, line.charge?.1)))
        .collect();
    periods.sort_unstable();
    periods.dedup();
    let days = |day: fn(&(i64, NaiveDate, NaiveDate)) -> NaiveDate| -> Vec<i32> {
        periods.iter().map(|period| day(period).to_epoch_days()).collect()
    };
    let frame = df!(
        "link_key" => periods.iter().map(|period| period.0).collect::<Vec<i64>>(),
        "refund_start_on" => days(|period| period.1),
        "refund_end_on" => days(|period| period.2),
    )?;
    let date = |name: &str| col(name).cast(DataType::Date);
    Ok(frame.lazy().with_columns([date("refund_start_on"), date("refund_end_on")]))
}

/// Positive lines that a refund could be linked to, each once.
///
/// # Errors
/// If the scan fails.
pub fn candidates(files: &[InForceFile], refunds: &[LinkLine]) -> Result<Vec<LinkLine>> {
    if refunds.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = link_lines(&collect(candidates_plan(files, refunds)?)?)?;
    let key = |line: &LinkLine| (line.source.clone(), line.transaction_id.clone());
    lines.sort_by_cached_key(key);
    lines.dedup_by(|a, b| a.source == b.source && a.transaction_id == b.transaction_id);
    Ok(lines)
}

fn link_lines(frame: &DataFrame) -> Result<Vec<LinkLine>> {
    let text = |name: &str| -> Result<StringChunked> { Ok(frame.column(name)?.str()?.clone()) };
    let days =
        |name: &str| -> Result<Int32Chunked> { Ok(frame.column(name)?.date()?.physical().clone()) };
    let (source, id, currency) =
        (text("source")?, text("transaction_id")?, text("transaction_currency")?);
    let (reference_id, reference_target) = (text("reference_id")?, text("reference_target")?);
    let (on, start, end) =
        (days("transaction_on")?, days("charge_start_on")?, days("charge_end_on")?);
    let base = frame.column("base")?.decimal()?.physical().clone();
    let link_key = frame.column("link_key")?.i64()?.clone();
    let owned = |column: &StringChunked, row: usize| column.get(row).map(str::to_owned);
    let mut lines = Vec::with_capacity(frame.height());
    for row in 0..frame.height() {
        lines.push(LinkLine {
            source: owned(&source, row).unwrap_or_default(),
            transaction_id: owned(&id, row).unwrap_or_default(),
            transaction_on: day(on.get(row).unwrap_or_default()),
            currency: owned(&currency, row).unwrap_or_default(),
            base: base.get(row).unwrap_or_default(),
            charge: start.get(row).zip(end.get(row)).map(|(from, to)| (day(from), day(to))),
            reference_id: owned(&reference_id, row),
            reference_target: owned(&reference_target, row),
            link_key: link_key.get(row),
        });
    }
    Ok(lines)
}

fn collect(plan: LazyFrame) -> Result<DataFrame> {
    Ok(plan.collect_with_engine(Engine::Streaming)?.unwrap_single())
}

/// The day of a `Date32` value.
#[must_use]
pub fn day(days_since_epoch: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(days_since_epoch).unwrap_or_default()
}
