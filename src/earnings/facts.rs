//! What must be known before anything else, found by Polars in narrow streaming scans: which partners
//! there are and when each first transacted; and what they sold, if some program asks for it.

use crate::eligibility::Sold;
use crate::error::{Error, Result};
use crate::ingest::InForceFile;
use chrono::NaiveDate;
use earnest_core::decimal::AMOUNT_SCALE;
use earnest_core::program::DataRole;
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

/// The currencies of transactions, sorted.
///
/// # Errors
/// If the scan fails.
pub fn currencies(files: &[InForceFile]) -> Result<Vec<String>> {
    if files.iter().all(|file| file.all_excluded) {
        return Ok(Vec::new());
    }
    let currency = col("transaction_currency");
    let frame = collect(scan(files, &["transaction_currency"])?.group_by([currency]).agg([]))?;
    let found = frame.column("transaction_currency")?.str()?;
    let mut found: Vec<String> = found.iter().flatten().map(str::to_owned).collect();
    found.sort();
    Ok(found)
}

/// The plan of [`sold`]. Sums of decimals are wide enough for all rows there can be.
///
/// # Errors
/// If the scan can't be planned.
pub fn sold_plan(files: &[InForceFile], by_product: bool) -> Result<LazyFrame> {
    let mut keys = vec![
        "billed_partner_id",
        "reseller_partner_id",
        "transaction_on",
        "transaction_currency",
        "data_role",
    ];
    if by_product {
        keys.extend(["product_id", "sku_id"]);
    }
    let columns: Vec<&str> = keys.iter().copied().chain(["base"]).collect();
    let keys: Vec<Expr> = keys.into_iter().map(col).collect();
    Ok(scan(files, &columns)?.group_by(keys).agg([col("base").sum(), len()]))
}

/// What each pair of partners sold, by day and currency, and by product if asked; nothing if it isn't
/// asked at all.
///
/// # Errors
/// If the scan fails.
pub fn sold(files: &[InForceFile], asked: Option<bool>) -> Result<Vec<Sold>> {
    let Some(by_product) = asked else { return Ok(Vec::new()) };
    if files.iter().all(|file| file.all_excluded) {
        return Ok(Vec::new());
    }
    let frame = collect(sold_plan(files, by_product)?)?;
    let text = |name: &str| -> Result<StringChunked> { Ok(frame.column(name)?.str()?.clone()) };
    let (billed, reseller) = (text("billed_partner_id")?, text("reseller_partner_id")?);
    let (currency, data_role) = (text("transaction_currency")?, text("data_role")?);
    let products = by_product.then(|| Ok::<_, Error>((text("product_id")?, text("sku_id")?)));
    let products = products.transpose()?;
    let on = frame.column("transaction_on")?.date()?.physical();
    let base = frame.column("base")?.decimal()?;
    if base.scale() != AMOUNT_SCALE as usize {
        let found = base.scale();
        return Err(Error::broken(format!("revenue: expected amount scale, found scale {found}")));
    }
    let base = base.physical();
    let lines = frame.column("len")?.u32()?;
    let cell = |column: &StringChunked, row| column.get(row).map(str::to_owned);
    let sold = (0..frame.height()).map(|row| Sold {
        billed: cell(&billed, row),
        reseller: cell(&reseller, row),
        on: day(on.get(row).unwrap_or_default()),
        currency: cell(&currency, row).unwrap_or_default(),
        data_role: self::data_role(data_role.get(row)),
        product: products.as_ref().and_then(|(product, _)| cell(product, row)),
        sku: products.as_ref().and_then(|(_, sku)| cell(sku, row)),
        base: base.get(row).unwrap_or_default(),
        transactions: lines.get(row).unwrap_or_default().into(),
    });
    Ok(sold.collect())
}

/// The data role of that name.
#[must_use]
pub fn data_role(name: Option<&str>) -> DataRole {
    if name == Some("detail") { DataRole::Detail } else { DataRole::Billing }
}

fn collect(plan: LazyFrame) -> Result<DataFrame> {
    Ok(plan.collect_with_engine(Engine::Streaming)?.unwrap_single())
}

/// The day of a `Date32` value.
#[must_use]
pub fn day(days_since_epoch: i32) -> NaiveDate {
    NaiveDate::from_epoch_days(days_since_epoch).unwrap_or_default()
}
