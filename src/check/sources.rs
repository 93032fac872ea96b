//! Whether exports agree with each other and with how their vendor computes them. In: the job's sources and
//! a connection over a snapshot. Out: doubts with file and record.

use super::doubt::Doubt;
use super::program_tables;
use crate::error::Result;
use crate::ingest::plausible::{By, Plausible, Product, Way};
use crate::ingest::{Record, reread};
use crate::job::{Job, Source};
use crate::query::text_rows;
use crate::schema;
use duckdb::Connection;
use earnest_core::decimal::{
    AMOUNT_SCALE, EXACT_SCALE, RATE_SCALE, Rounding, divide, format, power_of_ten, rescale,
    round_factors,
};
use earnest_core::program::Program;
use earnest_core::{Error, currency, invoice};
use std::collections::BTreeMap;

/// Doubts shown per source and column; what follows them is counted.
const SHOWN: u64 = 20;

/// Records whose columns are not what the vendor's formulas make of the others. Records that lack one of
/// the numbers, or have one that staging rejects, are not asked.
///
/// # Errors
/// If a file can't be read.
pub fn plausible(job: &Job) -> Result<Vec<Doubt>> {
    let mut doubts = Vec::new();
    for source in job.sources.iter().filter(|source| !source.format.plausible.is_empty()) {
        let mut found: BTreeMap<usize, u64> = BTreeMap::new();
        reread(source, |record| {
            for (place, rule) in source.format.plausible.iter().enumerate() {
                let Some(message) = implausible(source, rule, record) else { continue };
                let count = found.entry(place).or_default();
                *count += 1;
                if *count <= SHOWN {
                    let remedy = "ask whoever exports; what is staged is the export's own number";
                    doubts.push(Doubt {
                        record: Some(record.number),
                        ..Doubt::warning(record.file, message, remedy)
                    });
                }
            }
        })?;
        for (place, count) in found.into_iter().filter(|(_, count)| *count > SHOWN) {
            let column = &source.format.columns[source.format.plausible[place].column].name;
            let message = format!(
                "expected `{column}` as its formula gives it, found {} more records where it isn't",
                count - SHOWN
            );
            doubts.push(Doubt::warning(&source.name, message, "ask whoever exports"));
        }
    }
    doubts.sort();
    Ok(doubts)
}

/// A record with what its numbers are read by.
struct Line<'a> {
    source: &'a Source,
    record: &'a Record<'a>,
    /// Decimals of its currency.
    decimals: u32,
}

impl Line<'_> {
    fn name(&self, column: usize) -> &str {
        &self.source.format.columns[column].name
    }

    /// At amount scale.
    fn amount(&self, column: usize) -> Option<i128> {
        self.record.number(column, AMOUNT_SCALE, AMOUNT_SCALE)
    }

    /// A rate that is `blank` where the file has none.
    fn rate(&self, column: Option<usize>, blank: i128) -> Option<i128> {
        match column {
            Some(column) if !self.record.text(column).is_empty() => {
                self.record.number(column, RATE_SCALE, RATE_SCALE)
            }
            _ => Some(blank),
        }
    }

    /// A column with its number as the file writes it.
    fn shown(&self, column: usize) -> String {
        format!("`{}` {}", self.name(column), self.record.text(column))
    }
}

/// What is wrong with a record by a rule, if something is.
fn implausible(source: &Source, rule: &Plausible, record: &Record) -> Option<String> {
    let code =
        source.format.target("transaction_currency").map(|target| record.text(target.column));
    let decimals = currency::minor_units(code.unwrap_or_default())?;
    let line = Line { source, record, decimals };
    let (expected, how) = match &rule.by {
        By::Sum { plus, less, not_negative } => {
            not_sum(&line, rule.column, (plus, less), *not_negative)?
        }
        By::Price { any_of, of } => not_product(&line, rule.column, any_of, of)?,
        By::Quotient { number, divisor } => not_quotient(&line, rule.column, *number, *divisor)?,
    };
    let (name, found) = (line.name(rule.column), line.record.text(rule.column));
    Some(format!("expected `{name}` {expected} {how}, found {found}"))
}

/// What a column should be, and why, if it isn't.
type Differs = Option<(String, String)>;

fn not_sum(
    line: &Line,
    column: usize,
    (plus, less): (&[usize], &[usize]),
    not_negative: bool,
) -> Differs {
    let found = line.amount(column)?;
    // A blank part is none.
    let part = |column: &usize| {
        if line.record.text(*column).is_empty() { Some(0) } else { line.amount(*column) }
    };
    let sum = |columns: &[usize]| columns.iter().map(part).sum::<Option<i128>>();
    let left = sum(plus)? - sum(less)?;
    let expected = if not_negative { left.max(0) } else { left };
    let names = |columns: &[usize], with: &str| {
        columns.iter().map(|column| line.name(*column)).collect::<Vec<_>>().join(with)
    };
    let mut how = format!("= {}", names(plus, " + "));
    if !less.is_empty() {
        how = format!("{how} − {}", names(less, " − "));
    }
    if not_negative {
        how.push_str(", at least 0");
    }
    (found != expected).then(|| (format(expected, AMOUNT_SCALE, 0), how))
}

fn not_product(line: &Line, column: usize, any_of: &[Way], of: &Product) -> Differs {
    let found = line.record.number(column, line.decimals, AMOUNT_SCALE)?;
    let rate = line.rate(of.exchange_rate, power_of_ten(RATE_SCALE))?;
    let credit = line.rate(of.credit, 0)?;
    let price = if credit == 0 {
        line.record.number(of.price, EXACT_SCALE, EXACT_SCALE)?
    } else {
        let price = line.record.number(of.price, RATE_SCALE, RATE_SCALE)?;
        invoice::discounted_price(price, credit).ok()?
    };
    let quantity = line.amount(of.quantity)?;
    let by = |way: &Way| of_price(*way, price, quantity, rate, line.decimals).ok();
    let expected: Vec<Vec<i128>> = any_of.iter().map(by).collect::<Option<_>>()?;
    if expected.iter().flatten().any(|expected| *expected == found) {
        return None;
    }
    let mut all: Vec<String> =
        expected.into_iter().flatten().map(|amount| format(amount, AMOUNT_SCALE, 0)).collect();
    all.dedup();
    let mut how = format!("from {} × {}", line.shown(of.price), line.shown(of.quantity));
    if let Some(column) = of.credit.filter(|_| credit != 0) {
        how.push_str(&format!(" × (1 − {})", line.shown(column)));
    }
    if let Some(column) = of.exchange_rate.filter(|_| rate != power_of_ten(RATE_SCALE)) {
        how.push_str(&format!(" × {}", line.shown(column)));
    }
    Some((all.join(" or "), how))
}

fn not_quotient(line: &Line, column: usize, number: usize, divisor: usize) -> Differs {
    let shows = |decimals: &u32| line.record.number(column, *decimals, *decimals);
    let decimals = (0..=EXACT_SCALE).find(|decimals| shows(decimals).is_some())?;
    let (dividend, divided_by) = (line.amount(number)?, line.amount(divisor)?);
    if divided_by == 0 {
        return None;
    }
    let (dividend, divided_by) = ((dividend, AMOUNT_SCALE), (divided_by, AMOUNT_SCALE));
    let expected = divide(dividend, divided_by, decimals, Rounding::default()).ok()?;
    let how = format!("from {} ÷ {}", line.shown(number), line.shown(divisor));
    (shows(&decimals)? != expected).then(|| (format(expected, decimals, 0), how))
}

/// Amounts that a formula may give, at amount scale.
fn of_price(
    way: Way,
    price: i128,
    quantity: i128,
    rate: i128,
    decimals: u32,
) -> std::result::Result<Vec<i128>, Error> {
    let widened = |amount: i128| rescale(amount, decimals, AMOUNT_SCALE, Rounding::default());
    match way {
        Way::Cut(formula) => {
            Ok(vec![widened(invoice::line_subtotal(formula, price, quantity, rate, decimals)?)?])
        }
        Way::Nearest => {
            let factors = [(price, EXACT_SCALE), (quantity, AMOUNT_SCALE), (rate, RATE_SCALE)];
            let by = |rounding| widened(round_factors(&factors, decimals, rounding)?);
            let mut near = vec![by(Rounding::default())?, by(Rounding::HalfEven)?];
            near.dedup();
            Ok(near)
        }
    }
}

/// Invoice × product × currency whose usage detail doesn't add up to what the invoice bills. Invoices
/// of which no billing line was delivered can't be tied; nor can billed products in months of which no
/// detail was delivered at all.
const UNTIED: &str = "
    WITH lines AS (
        SELECT invoice_number, product_id, transaction_currency, period, data_role, base, source_file,
            record
        FROM transactions_in_force WHERE invoice_number IS NOT NULL AND product_id IS NOT NULL
    ),
    detail AS (
        SELECT invoice_number, product_id, transaction_currency, sum(base) AS used, count(*) AS lines,
            min_by(source_file, (source_file, record)) AS file,
            min_by(record, (source_file, record)) AS record
        FROM lines WHERE data_role = 'detail' GROUP BY ALL
    ),
    months AS (
        SELECT DISTINCT product_id, transaction_currency, period FROM lines WHERE data_role = 'detail'
    ),
    invoices AS (SELECT DISTINCT invoice_number FROM lines WHERE data_role = 'billing'),
    billing AS (
        SELECT invoice_number, product_id, transaction_currency, sum(base) AS billed,
            min_by(source_file, (source_file, record)) AS file,
            min_by(record, (source_file, record)) AS record
        FROM lines SEMI JOIN months USING (product_id, transaction_currency, period)
        WHERE data_role = 'billing' GROUP BY ALL
    ),
    tied AS (
        SELECT invoice_number, product_id, transaction_currency AS currency, lines,
            coalesce(billed, 0) AS billed, coalesce(used, 0) AS used,
            coalesce(billing.file, detail.file) AS file,
            coalesce(billing.record, detail.record) AS record
        FROM billing FULL JOIN (FROM detail SEMI JOIN invoices USING (invoice_number)) AS detail
            USING (invoice_number, product_id, transaction_currency)
    )
    SELECT file, record::VARCHAR, concat('invoice ', invoice_number, ', product ', product_id,
            ': expected usage of ', currency, ' ', trim_zeros(billed), ' as it bills, found ',
            coalesce(lines, 0), ' lines of ', trim_zeros(used)),
        -- Each line of usage is cut at the minor unit.
        (abs(billed - used) <= coalesce(lines, 0) * power_of(currency))::VARCHAR
    FROM tied WHERE abs(billed - used) * 2 >= power_of(currency)
    ORDER BY ALL";

const MACROS: &str = "
    CREATE OR REPLACE TEMP MACRO trim_zeros(amount) AS
        regexp_replace(amount::DECIMAL(38, 12)::VARCHAR, '(\\.\\d\\d\\d*?)0+$', '\\1');
    CREATE OR REPLACE TEMP MACRO power_of(currency) AS unit_of(minor_units(currency))";

/// Whether detail ties to billing.
///
/// # Errors
/// If DuckDB breaks.
pub fn tied(connection: &Connection) -> Result<Vec<Doubt>> {
    program_tables::load(connection, &[])?;
    connection.execute_batch(MACROS)?;
    let rows = text_rows(connection, UNTIED, &[])?;
    let doubts = rows.into_iter().map(|row| {
        let by_rounding = row.last().cloned().flatten();
        let remedy = if by_rounding.as_deref() == Some("true") {
            "no more than what the vendor's cutting of each line explains; else ask for the missing part"
        } else {
            "a part of the usage or of the invoice is missing or stale: ask for both of the month again"
        };
        warning_of(row, remedy)
    });
    Ok(doubts.collect())
}

/// A doubt from file, record and message.
fn warning_of(row: Vec<Option<String>>, remedy: &str) -> Doubt {
    let mut cells = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || cells.next().unwrap_or_default();
    let (file, record, message) = (next(), next(), next());
    Doubt { record: record.parse().ok(), ..Doubt::warning(file, message, remedy) }
}

/// Exports that name programs.
const NAMING: [&schema::Table; 6] = [
    &schema::ENROLLMENTS,
    &schema::PARTICIPANT_MAP,
    &schema::INELIGIBILITIES,
    &schema::CLAIMS,
    &schema::PAYMENT_STATUSES,
    &schema::MANUAL_ADJUSTMENTS,
];

/// Names of programs that no program file of the job has: such rows say nothing to any of them.
///
/// # Errors
/// If DuckDB breaks.
pub fn strange_programs(connection: &Connection, programs: &[Program]) -> Result<Vec<Doubt>> {
    program_tables::load(connection, programs)?;
    let mut doubts = Vec::new();
    for table in NAMING.map(|table| table.name) {
        let sql = format!(
            "SELECT min_by(source_file, (source_file, record)), min_by(record, (source_file, record))::VARCHAR,
                concat('expected a program of the job, found `', program, '` in ', count(*), ' records')
            FROM {table}_in_force
            WHERE trim(program) <> '' AND trim(program) NOT IN (SELECT name FROM program_name)
            GROUP BY program ORDER BY ALL"
        );
        let remedy = "correct the name, or add an alias to its program file; a program of another job is no fault";
        let rows = text_rows(connection, &sql, &[])?;
        doubts.extend(rows.into_iter().map(|row| warning_of(row, remedy)));
    }
    Ok(doubts)
}
