//! One account (participant × program × earning type) through its cycles. In: its postings, sorted
//! by the cycle that they enter, and what closed cycles made of it. Out: balances, orders with their
//! items, and the accruals of open cycles.

use super::Posting;
use super::payees::{Method, Payees};
use super::year_end::{self, Forfeiture};
use crate::closes::{Closed, Outcome};
use crate::error::{Error, Result};
use crate::exchange_rates::ExchangeRates;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{MONEY_SCALE, allocate, power_of_ten};
use earnest_core::earning::{EarningType, EntryKind};
use earnest_core::id;
use earnest_core::program::Program;
use earnest_core::waterfall::{Movements, Order, Settled, Terms, settle};
use std::collections::BTreeMap;

/// An account and what became of it.
pub struct Account<'a> {
    pub program: &'a Program,
    pub earning_type: EarningType,
    pub participant: &'a str,
    postings: &'a [Posting],
    pub balances: Vec<(Period, Settled)>,
    pub payments: Vec<Payment<'a>>,
    /// At year end.
    pub forfeitures: Vec<Forfeiture<'a>>,
}

/// An order of a cycle.
pub struct Payment<'a> {
    pub payment_id: String,
    pub cycle: Period,
    pub due_on: NaiveDate,
    pub method: String,
    pub currency: String,
    pub order: Order,
    pub items: Vec<Item<'a>>,
}

/// What a period's lever puts into a payment.
pub struct Item<'a> {
    pub period: Period,
    /// The first cycle that a part of it entered.
    pub origin_cycle: Period,
    pub lever: &'a str,
    pub kind: EntryKind,
    /// In program currency and in payment currency, at money scale.
    pub program_amount: i128,
    pub payment_amount: i128,
    pub earnings: i64,
}

impl<'a> Item<'a> {
    /// What a year's end took, or gave back, since the order before.
    fn forfeited(forfeiture: &Forfeiture) -> Item<'a> {
        Item {
            period: forfeiture.period,
            origin_cycle: forfeiture.cycle,
            lever: year_end::LEVER,
            kind: EntryKind::Regular,
            program_amount: -forfeiture.amount,
            payment_amount: 0,
            earnings: 0,
        }
    }
}

impl<'a> Account<'a> {
    /// `postings` are those of one account, not empty, sorted by the cycle that they enter.
    pub fn of(program: &'a Program, postings: &'a [Posting]) -> Account<'a> {
        Account {
            program,
            earning_type: postings[0].earning_type,
            participant: &postings[0].participant,
            postings,
            balances: Vec::new(),
            payments: Vec::new(),
            forfeitures: Vec::new(),
        }
    }

    /// What was earned per period; periods that add up to zero are left out. What changes earnings of
    /// closed cycles is apart.
    pub fn accruals(&self) -> impl Iterator<Item = (Period, i128)> + use<> {
        let mut periods: BTreeMap<Period, i128> = BTreeMap::new();
        let regular = |posting: &&Posting| {
            posting.converted_in.is_none() && posting.kind == EntryKind::Regular
        };
        for posting in self.postings.iter().filter(regular) {
            *periods.entry(posting.period).or_default() += posting.amount;
        }
        periods.into_iter().filter(|(_, amount)| *amount != 0)
    }

    /// What changes earnings of closed cycles: kind, the cycle that it enters, period, amount.
    pub fn changes(&self) -> impl Iterator<Item = (EntryKind, Period, Period, i128)> + use<> {
        let mut changes: BTreeMap<(EntryKind, Period, Period), i128> = BTreeMap::new();
        for posting in self.postings.iter().filter(|posting| posting.converted_in.is_none()) {
            if let (EntryKind::Late | EntryKind::Adjustment, Some(cycle)) =
                (posting.kind, posting.entered)
            {
                *changes.entry((posting.kind, cycle, posting.period)).or_default() +=
                    posting.amount;
            }
        }
        let changes = changes.into_iter().filter(|(_, amount)| *amount != 0);
        changes.map(|((kind, cycle, period), amount)| (kind, cycle, period, amount))
    }

    /// What was converted from co-op: cycle, the half's last month, amount.
    pub fn conversions(&self) -> impl Iterator<Item = (Period, Period, i128)> + '_ {
        self.postings.iter().filter_map(|posting| {
            posting.converted_in.map(|cycle| (cycle, posting.period, posting.amount))
        })
    }

    /// Settles every open cycle that is due, going on from what closed ones recorded. An order releases
    /// all postings since the order before it.
    pub fn settle(
        &mut self,
        payees: &Payees,
        rates: &ExchangeRates,
        closed: &Closed,
        as_of: NaiveDate,
    ) -> Result<()> {
        let (program, postings) = (self.program, self.postings);
        let records = closed.outcomes(postings[0].program, self.earning_type, self.participant);
        let first = records.and_then(|records| records.keys().next().copied());
        let own = postings[0].cycle(program);
        let mut cycle = first.map_or(own, |first| first.min(own));
        let mut progress = Progress::new(program);
        while program.due_day(cycle) <= as_of
            && (progress.opening != 0
                || progress.entered < postings.len()
                || closed.is_closed(cycle))
        {
            let from = progress.entered;
            let due = postings[from..].partition_point(|posting| posting.cycle(program) <= cycle);
            let entering = &postings[from..from + due];
            progress.enter(entering);
            let movements = Movements { opening: progress.opening, ..sums(entering) };
            if closed.is_closed(cycle) {
                let record = records.and_then(|records| records.get(&cycle));
                self.follow(cycle, movements, record, &mut progress)?;
            } else if movements != Movements::default() {
                self.decide(cycle, movements, payees, rates, &mut progress)?;
            }
            cycle = cycle.plus(1);
        }
        Ok(())
    }

    /// A closed cycle: what it ordered and forfeited is what was recorded.
    fn follow(
        &mut self,
        cycle: Period,
        movements: Movements,
        record: Option<&Outcome>,
        progress: &mut Progress<'a>,
    ) -> Result<()> {
        let recorded = record.cloned().unwrap_or_default();
        let of = recorded.movements;
        let entered = [of.opening, of.earned, of.adjusted, of.converted_in];
        let found =
            [movements.opening, movements.earned, movements.adjusted, movements.converted_in];
        if entered != found {
            return Err(self.differs(cycle, entered, found));
        }
        let at_year_end: i128 = recorded.forfeited.iter().map(|forfeited| forfeited.amount).sum();
        if of.ordered != 0 || of.forfeited != at_year_end {
            progress.release(self.forfeitures.len());
        }
        for forfeited in &recorded.forfeited {
            let forfeiture = progress.terms.record(cycle, &forfeited.term, forfeited.amount);
            self.forfeitures.extend(forfeiture);
            if of.closing() == 0 {
                progress.release(self.forfeitures.len());
            }
        }
        progress.opening = of.closing();
        Ok(())
    }

    fn differs(&self, cycle: Period, expected: [i128; 4], found: [i128; 4]) -> Error {
        let text = |amounts: [i128; 4]| {
            let [opening, earned, adjusted, converted] =
                amounts.map(|amount| earnest_core::decimal::format(amount, MONEY_SCALE, 2));
            format!(
                "opening {opening}, earned {earned}, adjusted {adjusted}, converted {converted}"
            )
        };
        let (program, participant) = (&self.program.program, self.participant);
        Error::check(format!(
            "closed cycle {cycle}, {program}/{participant}/{}: expected {} as it was closed, found {}",
            self.earning_type.name(),
            text(expected),
            text(found)
        ))
        .hint("a closed cycle stays; see whether `[payment]` of the program was changed")
    }

    /// An open cycle.
    fn decide(
        &mut self,
        cycle: Period,
        movements: Movements,
        payees: &Payees,
        rates: &ExchangeRates,
        progress: &mut Progress<'a>,
    ) -> Result<()> {
        let due_on = self.program.due_day(cycle);
        let method = payees.on(self.postings[0].program, self.participant, due_on);
        let mut settled = settle(movements, &self.terms(&method, rates, cycle))?;
        if let (Some(order), Ok(method)) = (settled.order, &method) {
            let postings = &self.postings[progress.released..progress.entered];
            let named = progress.named;
            let payment = self.payment(cycle, due_on, method, order, postings, named)?;
            self.payments.push(payment);
        }
        if settled.order.is_some() || settled.movements.forfeited != 0 {
            progress.release(self.forfeitures.len());
        }
        for forfeiture in progress.terms.test(cycle, settled.closing) {
            settled.forfeit(forfeiture.amount);
            self.forfeitures.push(forfeiture);
            if settled.closing == 0 {
                progress.release(self.forfeitures.len());
            }
        }
        self.balances.push((cycle, settled));
        progress.opening = settled.closing;
        Ok(())
    }

    fn terms(
        &self,
        method: &Result<Method, earnest_core::reason::CarryReason>,
        rates: &ExchangeRates,
        cycle: Period,
    ) -> Terms {
        let payment = &self.program.payment;
        let (minimum, below_minimum) = (payment.minimum, payment.below_minimum);
        match method {
            Ok(method) => Terms {
                minimum,
                below_minimum,
                hold: None,
                rate: rates.rate(method.currency, &self.program.currency, cycle),
                minor_units: method.minor_units,
            },
            Err(reason) => {
                Terms { minimum, below_minimum, hold: Some(*reason), rate: None, minor_units: 0 }
            }
        }
    }

    fn payment(
        &self,
        cycle: Period,
        due_on: NaiveDate,
        method: &Method,
        order: Order,
        postings: &'a [Posting],
        named: usize,
    ) -> Result<Payment<'a>> {
        let (cycle_text, earning_type) = (cycle.to_string(), self.earning_type.name());
        let key = [
            self.program.program.as_str(),
            earning_type,
            self.participant,
            method.method,
            method.currency,
            &cycle_text,
            ORDER_KIND,
            &SEQUENCE.to_string(),
        ];
        let payment_id = payment_id(&key);
        let forfeited = self.forfeitures[named..].iter().map(Item::forfeited);
        let items = items(self.program, postings, forfeited, order, method.minor_units)?;
        verify(&payment_id, &items, order)?;
        Ok(Payment {
            payment_id,
            cycle,
            due_on,
            method: method.method.to_owned(),
            currency: method.currency.to_owned(),
            order,
            items,
        })
    }
}

/// How far an account has come.
struct Progress<'a> {
    opening: i128,
    /// Postings that entered, and that orders released.
    entered: usize,
    released: usize,
    /// Forfeitures that items of an order have named.
    named: usize,
    terms: year_end::Terms<'a>,
}

impl<'a> Progress<'a> {
    fn new(program: &'a Program) -> Progress<'a> {
        let terms = year_end::Terms::new(program);
        Progress { opening: 0, entered: 0, released: 0, named: 0, terms }
    }

    fn enter(&mut self, postings: &'a [Posting]) {
        self.entered += postings.len();
        self.terms.enter(postings);
    }

    /// The whole balance was ordered or lost, with `forfeitures` so far.
    fn release(&mut self, forfeitures: usize) {
        (self.released, self.named) = (self.entered, forfeitures);
        self.terms.release();
    }
}

/// The kind of order that cycles make; claims and reissued payments are others.
pub const ORDER_KIND: &str = "cycle";
/// A cycle makes one order per key.
pub const SEQUENCE: i64 = 1;

/// Stable id of an order, from the parts of its key.
fn payment_id(key: &[&str]) -> String {
    let text = id::text(id::digest(key.iter().map(|part| part.as_bytes())));
    format!("P{}", text[..16].to_uppercase())
}

/// The items of an order, which share its gross by largest remainder, ties by period and lever.
fn items<'a>(
    program: &Program,
    postings: &'a [Posting],
    forfeited: impl Iterator<Item = Item<'a>>,
    order: Order,
    minor_units: u32,
) -> Result<Vec<Item<'a>>> {
    let mut items: Vec<Item> = postings
        .iter()
        .map(|posting| Item {
            period: posting.period,
            origin_cycle: posting.cycle(program),
            lever: &posting.lever,
            kind: posting.kind,
            program_amount: posting.amount,
            payment_amount: 0,
            earnings: posting.earnings,
        })
        .chain(forfeited)
        .collect();
    items.sort_by_key(|item| (item.period, item.lever, item.kind, item.origin_cycle));
    // Co-op of a half may convert in several cycles, a month's earnings be of two terms.
    items.dedup_by(|next, kept| {
        let same = next.period == kept.period && next.lever == kept.lever && next.kind == kept.kind;
        if same {
            kept.program_amount += next.program_amount;
            kept.earnings += next.earnings;
        }
        same
    });
    items.retain(|item| item.program_amount != 0);
    let weights: Vec<i128> = items.iter().map(|item| item.program_amount).collect();
    let parts = allocate(order.gross, &weights, power_of_ten(MONEY_SCALE - minor_units))?;
    for (item, part) in items.iter_mut().zip(parts) {
        item.payment_amount = part;
    }
    Ok(items)
}

/// Items re-add to their order, in both currencies.
fn verify(payment_id: &str, items: &[Item], order: Order) -> Result<()> {
    let program: i128 = items.iter().map(|item| item.program_amount).sum();
    let payment: i128 = items.iter().map(|item| item.payment_amount).sum();
    if program == order.gross_program && payment == order.gross {
        return Ok(());
    }
    Err(Error::check(format!(
        "payment {payment_id}: expected items that add up to {} and {}, found {program} and {payment}",
        order.gross_program, order.gross
    )))
}

/// What enters a balance: earned, adjusted, and converted from co-op.
fn sums(postings: &[Posting]) -> Movements {
    let mut sums = Movements::default();
    for posting in postings {
        let sum = match (posting.converted_in, posting.kind) {
            (Some(_), _) => &mut sums.converted_in,
            (None, EntryKind::Adjustment) => &mut sums.adjusted,
            (None, EntryKind::Regular | EntryKind::Late) => &mut sums.earned,
        };
        *sum += posting.amount;
    }
    sums
}
