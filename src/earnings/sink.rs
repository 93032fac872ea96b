//! Where outcomes go: batches of the four tables of one period, written as they fill, and the sums
//! that payments need.

use super::context::Context;
use super::credits::Credits;
use super::evaluate::{Evaluated, Omitted, Outcome, Verdict};
use super::names::Names;
use super::rows::{
    EarningRows, Figures, Line, OutOfScopeRows, Rows, Share, SourceRows, Subject, UnearnedRows,
};
use super::tier_detail;
use crate::error::Result;
use crate::schema;
use crate::warehouse::{DataFile, Publisher, TableWriter};
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, MONEY_SCALE, power_of_ten};
use earnest_core::earning::{Amounts, EarningType, Terms};
use earnest_core::id::Digester;
use earnest_core::reason::Reason;
use std::collections::HashMap;

/// Rows of a batch before it is written: so few that they stay in a core's cache.
const BATCH_ROWS: usize = 8_192;

/// What sums of earnings are kept by: program, lever, participant key, period of the fund (for co-op
/// the original's, else the unit's), term, the currency in which it is paid as earned, and since when
/// it is known, of co-op that takes away, if that is after the unit's period; each for every earning type.
pub type PostingKey = (usize, usize, i32, Period, i32, i32, Option<i32>);

/// What earnings come to.
#[derive(Clone, Copy, Default)]
pub struct PostingSum {
    /// In program currency, at money scale.
    pub amount: i128,
    /// In the key's currency, at money scale.
    pub own_amount: i128,
    /// How many they are.
    pub earnings: i64,
}

pub struct Sink<'a> {
    context: &'a Context<'a>,
    period: Period,
    /// Of the period, in days since 1970.
    last_day: i32,
    earnings: Output<EarningRows>,
    unearned: Output<UnearnedRows>,
    out_of_scope: Output<OutOfScopeRows>,
    sources: Output<SourceRows>,
    postings: HashMap<PostingKey, [PostingSum; 3], foldhash::fast::RandomState>,
    digester: Digester,
    /// Key of the unit's period.
    period_key: i32,
    /// Key of the cycle in which the period is due, by program.
    payment_months: Vec<[i32; 3]>,
    /// Key of the fiscal half that the period lies in, by program.
    own_halves: Vec<i32>,
    /// Key of the fiscal half of another period, by program and period.
    halves: HashMap<(usize, Period), i32, foldhash::fast::RandomState>,
}

/// A table of the sink: rows that wait, and the file they go to.
struct Output<R> {
    rows: R,
    writer: TableWriter,
}

impl<R: Rows + Default> Output<R> {
    fn new(writer: TableWriter) -> Output<R> {
        Output { rows: R::default(), writer }
    }

    fn write_if_full(&mut self, names: &Names) -> Result<()> {
        if self.rows.rows() >= BATCH_ROWS {
            self.writer.write(&self.rows.finish(names)?)?;
        }
        Ok(())
    }

    fn finish(mut self, names: &Names, publisher: &Publisher) -> Result<Option<DataFile>> {
        self.writer.write(&self.rows.finish(names)?)?;
        Ok(self.writer.seal()?.map(|sealed| publisher.publish(sealed)))
    }
}

/// What a sink leaves behind.
pub struct Written {
    pub files: Vec<(&'static str, DataFile)>,
    pub period: Period,
    pub postings: Vec<(PostingKey, [PostingSum; 3])>,
}

/// The earnings of an outcome.
pub type Ids = [Option<(u128, EarningType)>; 3];

/// What makes an earning that is not in the line itself.
pub struct Origin<'a> {
    /// Period in whose fund co-op lies.
    pub fund_period: Period,
    pub aggregate_key: Option<&'a str>,
    /// How a measured earning came about.
    pub tier_detail: Option<String>,
}

impl<'a> Sink<'a> {
    /// # Errors
    /// If no scratch file can be made.
    pub fn new(context: &'a Context<'a>, period: Period, unit: &str) -> Result<Sink<'a>> {
        let partition = period.to_string();
        let writer = |table| TableWriter::new(context.store, table, &partition, unit);
        Ok(Sink {
            context,
            period,
            last_day: period.last_day().to_epoch_days(),
            earnings: Output::new(writer(&schema::EARNINGS)?),
            unearned: Output::new(writer(&schema::UNEARNED)?),
            out_of_scope: Output::new(writer(&schema::OUT_OF_SCOPE)?),
            sources: Output::new(writer(&schema::EARNING_SOURCES)?),
            postings: HashMap::default(),
            digester: Digester::default(),
            period_key: context.names.period(period),
            payment_months: context
                .programs
                .iter()
                .map(|program| {
                    EarningType::ALL.map(|of| context.names.period(program.due_cycle(period, of)))
                })
                .collect(),
            own_halves: context
                .programs
                .iter()
                .map(|program| context.names.half(program.fund_half(period)))
                .collect(),
            halves: HashMap::default(),
        })
    }

    /// Key of the unit's period.
    pub fn period_key(&self) -> i32 {
        self.period_key
    }

    pub fn period(&self) -> Period {
        self.period
    }

    pub fn names(&self) -> &'a Names {
        &self.context.names
    }

    /// Takes all outcomes of a line; aggregated ones are the caller's.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn line(&mut self, line: &Line, evaluated: &Evaluated, credits: &Credits) -> Result<()> {
        let origin = Origin { fund_period: self.period, aggregate_key: None, tier_detail: None };
        for outcome in &evaluated.outcomes {
            match &outcome.verdict {
                Verdict::Earned(terms, gross) => {
                    let amounts = credits.of((line, None), outcome, terms, gross)?;
                    let how = tier_detail::of_line(outcome, terms);
                    let origin = Origin { tier_detail: how, ..origin };
                    self.earned(line, outcome, terms, (gross, &amounts), &origin)?;
                }
                Verdict::Refused(reasons, forgone) => {
                    self.refused(line, &outcome.subject, reasons, forgone.map(widen))?;
                }
                Verdict::Aggregated(..) | Verdict::Measured(_) => {}
            }
        }
        for omitted in &evaluated.omitted {
            self.omitted(line, omitted, evaluated.whole())?;
        }
        Ok(())
    }

    /// Takes an earning, gross and what caps credit of it: one row per earning type, at most three. Gives
    /// back their ids.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn earned(
        &mut self,
        line: &Line,
        outcome: &Outcome,
        terms: &Terms,
        (gross, amounts): (&Amounts, &Amounts),
        origin: &Origin,
    ) -> Result<Ids> {
        let context = self.context;
        let mut ids = Ids::default();
        begin_id(&mut self.digester, &context.names, line, &outcome.subject, origin);
        for (place, earning_type) in terms.shares.types().enumerate() {
            let (earning_amount, program_amount) = amounts.part(earning_type);
            let coop = earning_type == EarningType::Coop;
            let subject = &outcome.subject;
            let earning_id = self.digester.end(earning_type.name());
            let figures = Figures {
                earning_id,
                earning_type: type_key(earning_type),
                program_currency: context.facts[outcome.program].currency,
                rate: terms.rate,
                share: terms.shares.of(earning_type),
                exchange_rate: terms.exchange_rate,
                gross_amount: gross.part(earning_type).0,
                earning_amount,
                program_amount,
                fund_half: if coop { self.half(outcome.program, origin.fund_period) } else { -1 },
                payment_month: match earning_type {
                    EarningType::Coop => -1,
                    of => self.payment_months[outcome.program][of as usize],
                },
            };
            self.earnings.rows.push(line, subject, origin, &figures);
            let fund_period = if coop { origin.fund_period } else { self.period };
            // Co-op is kept in program currency.
            let as_earned = !coop && context.programs[outcome.program].pays_as_earned();
            let (currency, own_amount) = match as_earned {
                true => (line.currency, earning_amount),
                false => (figures.program_currency, program_amount),
            };
            let (participant, term) = (subject.participant, subject.term);
            let late =
                line.known_on.filter(|day| coop && program_amount < 0 && *day > self.last_day);
            let (program, lever) = (outcome.program, outcome.lever);
            let key = (program, lever, participant, fund_period, term, currency, late);
            let sum = &mut self.postings.entry(key).or_default()[earning_type as usize];
            sum.amount += program_amount;
            sum.own_amount += own_amount;
            sum.earnings += 1;
            ids[place] = Some((earning_id, earning_type));
        }
        self.earnings.write_if_full(&context.names)?;
        Ok(ids)
    }

    /// Takes a refusal; `forgone` is at amount scale.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn refused(
        &mut self,
        line: &Line,
        subject: &Subject,
        reasons: &[Reason],
        forgone: Option<i128>,
    ) -> Result<()> {
        let others: Vec<&str> = reasons.iter().skip(1).map(|reason| reason.code()).collect();
        let others = (!others.is_empty()).then(|| others.join(","));
        let first = reasons.first().map_or("", |reason| reason.code());
        self.unearned.rows.push(line, subject, forgone, first, others.as_deref());
        self.unearned.write_if_full(&self.context.names)?;
        Ok(())
    }

    /// Takes a role that no lever covers.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn omitted(&mut self, line: &Line, omitted: &Omitted, whole: bool) -> Result<()> {
        let reason = omitted.reason.code();
        self.out_of_scope.rows.push(line, omitted.role, omitted.partner, whole, reason);
        self.out_of_scope.write_if_full(&self.context.names)?;
        Ok(())
    }

    /// Takes a transaction's share of an aggregate earning.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn source(&mut self, earning_id: u128, share: &Share) -> Result<()> {
        self.sources.rows.push(earning_id, self.period_key, share);
        self.sources.write_if_full(&self.context.names)?;
        Ok(())
    }

    /// Writes what is left and hands the files over.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn finish(self, publisher: &Publisher) -> Result<Written> {
        let names = &self.context.names;
        let finished = [
            (schema::EARNINGS.name, self.earnings.finish(names, publisher)?),
            (schema::UNEARNED.name, self.unearned.finish(names, publisher)?),
            (schema::OUT_OF_SCOPE.name, self.out_of_scope.finish(names, publisher)?),
            (schema::EARNING_SOURCES.name, self.sources.finish(names, publisher)?),
        ];
        Ok(Written {
            files: finished.into_iter().filter_map(|(table, file)| Some((table, file?))).collect(),
            period: self.period,
            postings: self.postings.into_iter().collect(),
        })
    }

    fn half(&mut self, program: usize, period: Period) -> i32 {
        if period == self.period {
            return self.own_halves[program];
        }
        let context = self.context;
        *self
            .halves
            .entry((program, period))
            .or_insert_with(|| context.names.half(context.programs[program].fund_half(period)))
    }
}

/// The ids that an aggregate's earnings will have.
pub fn aggregate_ids(
    context: &Context,
    digester: &mut Digester,
    (terms, subject): (&Terms, &Subject),
    key: &str,
) -> Ids {
    let mut ids = Ids::default();
    begin(digester, &context.names, subject, "", [key, ""]);
    for (place, earning_type) in terms.shares.types().enumerate() {
        ids[place] = Some((digester.end(earning_type.name()), earning_type));
    }
    ids
}

/// An earning's id is the digest of program, term, lever, transaction or aggregate key, participant, and
/// of the earning type, which ends it. The key of a line includes its role, since one line can pay a
/// participant in two.
fn begin_id(
    digester: &mut Digester,
    names: &Names,
    line: &Line,
    subject: &Subject,
    origin: &Origin,
) {
    let source = if origin.aggregate_key.is_some() { "" } else { names.sources.text(line.source) };
    let key = line.transaction_id.or(origin.aggregate_key).unwrap_or_default();
    let original = line.original_transaction_id.unwrap_or_default();
    begin(digester, names, subject, source, [key, original]);
}

fn begin(
    digester: &mut Digester,
    names: &Names,
    subject: &Subject,
    source: &str,
    [key, original]: [&str; 2],
) {
    digester.begin(&[
        names.programs.text(subject.program),
        names.terms.text(subject.term),
        names.levers.text(subject.lever),
        source,
        key,
        original,
        names.roles.text(subject.role),
        names.participants.text(subject.participant),
    ]);
}

/// Money scale to amount scale.
pub fn widen(money: i128) -> i128 {
    money * power_of_ten(AMOUNT_SCALE - MONEY_SCALE)
}

fn type_key(earning_type: EarningType) -> i32 {
    match earning_type {
        EarningType::Rebate => 0,
        EarningType::Coop => 1,
        EarningType::Fee => 2,
    }
}
