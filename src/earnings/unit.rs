//! One period: its staged files in, its files of results out. Linked refunds and the outcomes of the
//! lines they refund are set aside; they meet when all periods are done.

use super::aggregate::{Aggregates, Segments};
use super::context::Context;
use super::evaluate::{Evaluated, Evaluator, Facts, Verdict};
use super::read::{Columns, open};
use super::rows::Line;
use super::sink::{Sink, Written};
use crate::error::Result;
use crate::ingest::InForceFile;
use crate::warehouse::Store;
use arrow::array::Array;
use earnest_core::calendar::Period;
use earnest_core::program::DataRole;
use std::collections::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

/// A linked refund, set aside.
pub struct RefundLine {
    pub source: i32,
    pub transaction_id: String,
    pub customer_id: Option<String>,
    pub transaction_on: i32,
    pub currency: i32,
}

/// What a unit leaves behind.
pub struct UnitResult {
    pub written: Written,
    /// Outcomes of lines that are refunded, by source key and transaction id.
    pub originals: HashMap<(i32, String), (Period, Evaluated)>,
    pub refunds: Vec<RefundLine>,
}

/// Calculates one period.
///
/// # Errors
/// If a file can't be read or written, or on overflow.
pub fn calculate(
    context: &Context,
    store: &Store,
    period: Period,
    files: &[&InForceFile],
    linked: &LinkedIds,
) -> Result<UnitResult> {
    let mut unit = Unit {
        context,
        evaluator: Evaluator::new(context, period),
        sink: Sink::new(context, store, period, "rows")?,
        aggregates: Aggregates::default(),
        segments: Segments::of(context.programs, period),
        evaluated: Evaluated::default(),
        linked,
        originals: HashMap::new(),
        refunds: Vec::new(),
    };
    for file in files {
        for batch in open(file, context.programs)? {
            let columns = Columns::new(&batch?, &context.names, context.programs, file)?;
            unit.batch(&columns)?;
        }
    }
    let names = &context.names;
    let text = period.to_string();
    unit.aggregates.finish(&mut unit.sink, names.period(period), &text)?;
    Ok(UnitResult {
        written: unit.sink.finish()?,
        originals: unit.originals,
        refunds: unit.refunds,
    })
}

/// Hashes of the ids of linked refunds and of refunded lines: a cheap first look.
pub struct LinkedIds(HashSet<u64, foldhash::fast::RandomState>);

impl LinkedIds {
    pub fn of(context: &Context) -> LinkedIds {
        let links = &context.links;
        let ids = links.refunds.keys().chain(links.originals.keys());
        LinkedIds(ids.map(|(_, id)| xxh3_64(id.as_bytes())).collect())
    }

    fn may_hold(&self, id: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&xxh3_64(id.as_bytes()))
    }
}

struct Unit<'a> {
    context: &'a Context<'a>,
    evaluator: Evaluator<'a>,
    sink: Sink<'a>,
    aggregates: Aggregates,
    segments: Segments,
    evaluated: Evaluated,
    linked: &'a LinkedIds,
    originals: HashMap<(i32, String), (Period, Evaluated)>,
    refunds: Vec<RefundLine>,
}

impl Unit<'_> {
    fn batch(&mut self, columns: &Columns) -> Result<()> {
        let mut products: HashMap<_, usize, foldhash::fast::RandomState> = HashMap::default();
        for row in 0..columns.rows {
            if columns.is_excluded(row) {
                continue;
            }
            let pair = (columns.product.position(row), columns.sku.position(row));
            let product = *products.entry(pair).or_insert_with(|| {
                self.evaluator.product(columns.product.text(row), columns.sku.text(row))
            });
            self.row(columns, row, product)?;
        }
        Ok(())
    }

    fn row(&mut self, columns: &Columns, row: usize, product: usize) -> Result<()> {
        let data_role = if columns.data_role.key(row) == Some(1) {
            DataRole::Detail
        } else {
            DataRole::Billing
        };
        let facts = Facts {
            product,
            billed: columns.billed.key(row),
            reseller: columns.reseller.key(row),
            data_role,
            transaction_on: columns.transaction_on.value(row),
            currency: columns.currency.key(row).unwrap_or_default(),
            base: columns.base.value(row),
        };
        let passes = |program, lever| {
            columns.passing.get(&(program, lever)).is_none_or(|passing| passing.value(row))
        };
        self.evaluator.evaluate(&facts, passes, &mut self.evaluated)?;
        let id = columns.transaction_id.value(row);
        let line = Line {
            source: columns.source.key(row).unwrap_or_default(),
            transaction_id: Some(id),
            original_transaction_id: None,
            customer_id: columns.customer_id.is_valid(row).then(|| columns.customer_id.value(row)),
            transaction_on: facts.transaction_on,
            period: self.sink.period_key(),
            currency: facts.currency,
            base: facts.base,
        };
        self.aggregates.collect(&self.segments, &line, &self.evaluated.outcomes);
        if self.linked.may_hold(id) && self.set_aside(&line, id) {
            return Ok(());
        }
        self.sink.line(&line, &self.evaluated)
    }

    /// Keeps a refunded line's outcomes; true if the line is a linked refund, whose outcomes come
    /// from the lines it refunds.
    fn set_aside(&mut self, line: &Line, id: &str) -> bool {
        let names = &self.context.names;
        let key = (names.sources.text(line.source).to_owned(), id.to_owned());
        let links = &self.context.links;
        if links.originals.contains_key(&key) {
            let kept = (self.evaluator.period, self.evaluated.clone());
            self.originals.insert((line.source, id.to_owned()), kept);
        }
        if !links.refunds.contains_key(&key) {
            return false;
        }
        let aggregated = |verdict: &Verdict| matches!(verdict, Verdict::Aggregated(..));
        if self.evaluated.outcomes.iter().any(|outcome| aggregated(&outcome.verdict)) {
            // Lines of usage detail are netted within their aggregate, refunds too.
            return false;
        }
        self.refunds.push(RefundLine {
            source: line.source,
            transaction_id: id.to_owned(),
            customer_id: line.customer_id.map(str::to_owned),
            transaction_on: line.transaction_on,
            currency: line.currency,
        });
        true
    }
}
