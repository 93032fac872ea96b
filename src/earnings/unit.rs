//! One period: its staged files in, its lines with their outcomes out. Linked refunds and the outcomes
//! of the lines they refund are set aside; they meet when all periods are done.

use super::context::Context;
use super::evaluate::{Evaluated, Evaluator, Facts, Outcome};
use super::ineligible::Bar;
use super::links::{Linked, Reversal};
use super::originals::{Original, SharedOutcomes};
use super::read::{Columns, open};
use super::rows::Line;
use crate::error::Result;
use crate::ingest::InForceFile;
use arrow::array::Array;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::program::DataRole;
use std::collections::HashMap;

/// A linked refund, set aside.
pub struct RefundLine {
    /// Among linked refunds.
    pub number: usize,
    pub source: i32,
    pub transaction_id: String,
    pub customer_id: Option<String>,
    pub transaction_on: i32,
    pub currency: i32,
    /// Since when it is known, in days since 1970.
    pub known_on: Option<i32>,
    /// As [`Evaluated::counted`].
    pub counted: Vec<Period>,
}

impl RefundLine {
    /// Its pieces, and what exceeds what it could refund.
    pub fn reversals<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Iterator<Item = (&'a RefundLine, &'a Reversal)> {
        context.links.refunds[self.number].iter().map(move |reversal| (self, reversal))
    }

    /// A piece of it as a line of a period: it takes back base of its original.
    pub fn piece<'a>(
        &'a self,
        period: i32,
        reversal: &Reversal,
        original: &'a Original,
    ) -> Line<'a> {
        Line {
            source: self.source,
            transaction_id: Some(&self.transaction_id),
            original_transaction_id: Some(&original.transaction_id),
            customer_id: self.customer_id.as_deref(),
            transaction_on: self.transaction_on,
            period,
            currency: self.currency,
            base: reversal.before - reversal.cumulated,
            quantity: 0,
            known_on: self.known_on,
        }
    }

    /// The same, as it is summed: by its original's customer.
    pub fn summed<'a>(&'a self, reversal: &Reversal, original: &'a Original) -> Line<'a> {
        let customer_id = original.customer_id.as_deref();
        Line { customer_id, ..self.piece(0, reversal, original) }
    }
}

/// What waits until all periods are done.
#[derive(Default)]
pub struct SetAside {
    /// Lines that are refunded, with their numbers.
    pub originals: Vec<(usize, Original)>,
    pub refunds: Vec<RefundLine>,
}

impl SetAside {
    /// Hands over what refunds take back, within the period, of lines that levers sum.
    pub fn summed(&self, context: &Context, mut take: impl FnMut(&Line, &Outcome)) {
        if !context.sums {
            return;
        }
        let originals: HashMap<usize, &Original> =
            self.originals.iter().map(|(number, original)| (*number, original)).collect();
        for (refund, reversal) in self.refunds.iter().flat_map(|one| one.reversals(context)) {
            let Some(original) = originals.get(&reversal.original) else { continue };
            if reversal.excess == 0 {
                let line = refund.summed(reversal, original);
                original.outcomes().iter().for_each(|outcome| take(&line, outcome));
            }
        }
    }
}

/// Who takes the lines of a period with their outcomes.
pub trait Taker {
    /// False: outcomes under the lever are left out.
    fn asks_for(&self, program: usize, lever: usize) -> bool;

    /// True if lines that are refunded are to be kept with their outcomes.
    fn keeps_originals(&self) -> bool;

    /// Takes a line that is no linked refund.
    ///
    /// # Errors
    /// If the disk refuses, or on overflow.
    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()>;
}

/// Reads the lines of a period in force and hands them over with their outcomes. Linked refunds, and
/// the outcomes of what they refund, are set aside.
///
/// # Errors
/// If a file can't be read, or the taker fails.
pub fn read_lines(
    context: &Context,
    period: Period,
    files: &[(usize, &InForceFile)],
    taker: &mut impl Taker,
) -> Result<SetAside> {
    let asked = context.programs.iter().enumerate().map(|(program, rules)| {
        (0..rules.levers.len()).map(|lever| taker.asks_for(program, lever)).collect()
    });
    let asked = asked.collect();
    let mut unit = Unit {
        context,
        asked,
        keeps: taker.keeps_originals(),
        evaluator: Evaluator::new(context, period),
        taker,
        period_key: context.names.period(period),
        evaluated: Evaluated::default(),
        bars: Vec::new(),
        products: HashMap::default(),
        linked: &[],
        next_row: 0,
        known_on: NaiveDate::MIN,
        file: 0,
        aside: SetAside::default(),
        shared: SharedOutcomes::default(),
    };
    for (position, file) in files {
        let linked = context.links.rows.get(position);
        (unit.linked, unit.next_row) = (linked.map_or(&[][..], Vec::as_slice), 0);
        let mut before = None;
        for batch in open(file, context.programs)? {
            let (batch, names, programs) = (batch?, &context.names, context.programs);
            let columns = Columns::new(&batch, names, programs, file, before.as_ref())?;
            (unit.known_on, unit.file) = (file.known_on, *position);
            unit.batch(&columns, before.as_ref())?;
            before = Some(columns);
        }
    }
    Ok(unit.aside)
}

struct Unit<'a, T> {
    context: &'a Context<'a>,
    evaluator: Evaluator<'a>,
    taker: &'a mut T,
    /// By program and lever.
    asked: Vec<Vec<bool>>,
    /// Lines that are refunded are kept.
    keeps: bool,
    period_key: i32,
    evaluated: Evaluated,
    /// What is against the line at hand.
    bars: Vec<Bar>,
    /// Keys of products by the places of product and SKU in the batch.
    products: HashMap<(i32, i32), usize, foldhash::fast::RandomState>,
    /// Rows of the file that are linked, from the next row on.
    linked: &'a [(usize, Linked)],
    next_row: usize,
    /// The day of the file's delivery.
    known_on: NaiveDate,
    /// Its position.
    file: usize,
    aside: SetAside,
    shared: SharedOutcomes,
}

impl<T: Taker> Unit<'_, T> {
    fn batch(&mut self, columns: &Columns, before: Option<&Columns>) -> Result<()> {
        let same_places = before.is_some_and(|before| {
            before.product.shares_values(&columns.product) && before.sku.shares_values(&columns.sku)
        });
        if !same_places {
            self.products.clear();
        }
        let first_row = self.next_row;
        self.next_row += columns.rows;
        for row in 0..columns.rows {
            let mut linked = None;
            if let Some((&(at, what), rest)) = self.linked.split_first()
                && at == first_row + row
            {
                (linked, self.linked) = (Some(what), rest);
            }
            if columns.is_excluded(row) {
                continue;
            }
            let pair = (columns.product.place(row), columns.sku.place(row));
            let product = *self.products.entry(pair).or_insert_with(|| {
                self.evaluator.product(columns.product.text(row), columns.sku.text(row))
            });
            self.row(columns, row, product, linked).map_err(|error| {
                let id = columns.transaction_id.value(row);
                error.too_large(columns.source.text(row).unwrap_or_default(), id)
            })?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        columns: &Columns,
        row: usize,
        product: usize,
        linked: Option<Linked>,
    ) -> Result<()> {
        let data_role = match columns.data_role.text(row) {
            Some("detail") => DataRole::Detail,
            _ => DataRole::Billing,
        };
        let transaction_on = columns.transaction_on.value(row);
        let id = columns.transaction_id.value(row);
        let customer_id = columns.customer_id.is_valid(row).then(|| columns.customer_id.value(row));
        let ineligible = &self.context.ineligible;
        if !ineligible.is_empty() {
            let ids = [columns.product.text(row), customer_id, Some(id)];
            ineligible.bars(ids, transaction_on, &mut self.bars);
        }
        let facts = Facts {
            product,
            billed: columns.billed.key(row),
            reseller: columns.reseller.key(row),
            data_role,
            transaction_on,
            currency: columns.currency.key(row).unwrap_or_default(),
            base: columns.base.value(row),
            customer_country: columns.customer_country(row),
            customer_id,
            bars: &self.bars,
        };
        let asked = &self.asked;
        let passes = |program: usize, lever: usize| {
            asked[program][lever]
                && columns.passing.get(&(program, lever)).is_none_or(|passing| passing.value(row))
        };
        self.evaluator.evaluate(&facts, passes, &mut self.evaluated)?;
        let source = columns.source.key(row).unwrap_or_default();
        // What a refund takes back lies in the baselines of what it refunds.
        let counts =
            !self.evaluated.baselines.is_empty() || matches!(linked, Some(Linked::Refund(_)));
        if let (true, Some(baselines)) = (counts, &self.context.baselines) {
            self.evaluated.counted.extend(baselines.counted(self.file, (source, id)));
        }
        let known = &self.context.first_known;
        let line = Line {
            source,
            transaction_id: Some(id),
            original_transaction_id: None,
            customer_id,
            transaction_on: facts.transaction_on,
            period: self.period_key,
            currency: facts.currency,
            base: facts.base,
            quantity: columns.quantity(row),
            known_on: (facts.base < 0)
                .then(|| known.since((source, id), facts.base, self.known_on)),
        };
        match linked {
            Some(Linked::Refund(number)) => {
                self.set_aside(number, &line, id);
                return Ok(());
            }
            Some(Linked::Refunded(number)) if self.keeps => self.keep(number, &line, id),
            _ => {}
        }
        self.taker.line(&line, &self.evaluated)
    }

    /// Keeps a refunded line's outcomes.
    fn keep(&mut self, number: usize, line: &Line, id: &str) {
        let original = Original {
            transaction_id: id.into(),
            period: self.evaluator.period,
            transaction_on: line.transaction_on,
            customer_id: line.customer_id.map(Into::into),
            quantity: line.quantity,
            kept: self.evaluated.outcomes.iter().map(|one| self.shared.keep(one)).collect(),
            omitted: self.evaluated.omitted.as_slice().into(),
            baselines: self.evaluated.baselines.as_slice().into(),
        };
        self.aside.originals.push((number, original));
    }

    /// Sets a linked refund aside: what it takes back comes from the lines it refunds.
    fn set_aside(&mut self, number: usize, line: &Line, id: &str) {
        self.aside.refunds.push(RefundLine {
            number,
            source: line.source,
            transaction_id: id.to_owned(),
            customer_id: line.customer_id.map(str::to_owned),
            transaction_on: line.transaction_on,
            currency: line.currency,
            known_on: line.known_on,
            counted: std::mem::take(&mut self.evaluated.counted),
        });
    }
}
