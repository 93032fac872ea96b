//! One account (participant × program × earning type) through its cycles. In: its postings, sorted
//! by the cycle that they enter, its adjustments, what the bank says of its payments, and what closed
//! cycles made of it. Out: balances, lots, orders with their items, and the accruals of open cycles.

mod follow;

use super::Posting;
use super::adjustments::Adjustment;
use super::as_earned::Parted;
use super::orders::{Item, Ordering, Payment};
use super::payees::{Method, Payees, unit};
use super::statuses::Statuses;
use super::year_end::{self, Forfeiture};
use crate::closes::{Closed, Offset};
use crate::error::{Error, Result};
use crate::exchange_rates::ExchangeRates;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{MONEY_SCALE, format};
use earnest_core::earning::{EarningType, EntryKind};
use earnest_core::lots::{Lot, Lots};
use earnest_core::program::Program;
use earnest_core::purses::{Purse, Purses};
use earnest_core::reason::{CarryReason, PostingReason};
use earnest_core::waterfall::{Movements, Pays, Settled, Terms, settle};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An account and what became of it.
pub struct Account<'a> {
    pub program: &'a Program,
    /// Of the program.
    pub position: usize,
    pub earning_type: EarningType,
    pub participant: &'a str,
    /// The program's currency.
    home: Arc<str>,
    postings: &'a [Posting],
    adjustments: &'a [Adjustment],
    pub balances: Vec<(Period, Settled)>,
    /// What is left at the end of each cycle, by origin, but of those that recorded it.
    pub lots: Vec<(Period, Vec<Lot>)>,
    pub payments: Vec<Payment<'a>>,
    /// At year end, and for want of a profile.
    pub forfeitures: Vec<Forfeiture<'a>>,
    /// What became of adjustments that entered a cycle.
    pub adjusted: Vec<(&'a Adjustment, Period, Option<PostingReason>)>,
    /// What other balances of its offset group gave or took.
    pub offsets: Vec<Offset>,
}

/// An account on its way through its cycles.
pub struct Walk<'a> {
    open: Open<'a>,
    /// The next one.
    pub cycle: Period,
    /// Its opening balance.
    opening: i128,
}

/// What decides besides the account itself.
pub struct World<'w, 'a> {
    pub payees: &'w Payees,
    pub rates: &'w ExchangeRates,
    pub statuses: &'a Statuses,
    pub closed: &'w Closed,
    pub as_of: NaiveDate,
}

/// What no order has released yet.
struct Open<'a> {
    /// Postings before these entered, and were released.
    entered: usize,
    released: usize,
    /// Forfeitures that items of an order have named.
    named: usize,
    /// Adjustments that entered.
    adjusted: usize,
    /// Returns and adjustments since the last order, and what that left in its currency.
    items: Vec<Item<'a>>,
    /// The part of them that doesn't count toward the minimum.
    uncounted: i128,
    terms: year_end::Terms<'a>,
    lots: Lots,
}

impl<'a> Account<'a> {
    /// `postings` are those of one account, sorted by period and lever.
    pub fn of(
        (program, position): (&'a Program, usize),
        (participant, earning_type): (&'a str, EarningType),
        postings: &'a [Posting],
        adjustments: &'a [Adjustment],
    ) -> Account<'a> {
        Account {
            program,
            position,
            earning_type,
            participant,
            home: Arc::from(program.currency.as_str()),
            postings,
            adjustments,
            balances: Vec::new(),
            lots: Vec::new(),
            payments: Vec::new(),
            forfeitures: Vec::new(),
            adjusted: Vec::new(),
            offsets: Vec::new(),
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

    /// The day on which a cycle is due.
    pub fn due_day(&self, cycle: Period) -> NaiveDate {
        self.program.due_day(cycle, self.earning_type)
    }

    /// Approved adjustments whose cycle isn't due.
    pub fn not_due(&self) -> &'a [Adjustment] {
        &self.adjustments[self.adjusted.len()..]
    }

    /// What was converted from co-op: cycle, the half's last month, amount.
    pub fn conversions(&self) -> impl Iterator<Item = (Period, Period, i128)> + '_ {
        self.postings.iter().filter_map(|posting| {
            posting.converted_in.map(|cycle| (cycle, posting.period, posting.amount))
        })
    }

    /// Its way through every cycle that is due, going on from what closed ones recorded; `None`: nothing
    /// ever enters. An order releases all that entered since the order before it.
    pub fn start(&mut self, world: &World<'_, 'a>) -> Option<Walk<'a>> {
        let program = self.program;
        let adjusted = self.adjustments.iter().filter_map(|adjustment| adjustment.cycle);
        let earned = self.postings.first().map(|posting| posting.cycle(program));
        let records = world.closed.outcomes(self.position, self.earning_type, self.participant);
        let recorded = records.and_then(|records| records.keys().next().copied());
        let cycle = adjusted.chain(earned).chain(recorded).min()?;
        self.closed_payments(world);
        let open = Open {
            entered: 0,
            released: 0,
            named: 0,
            adjusted: 0,
            items: Vec::new(),
            uncounted: 0,
            terms: year_end::Terms::new((program, self.earning_type), &self.home),
            lots: Lots::default(),
        };
        Some(Walk { open, cycle, opening: 0 })
    }

    /// Whether its next cycle is due, and something is or comes there.
    pub fn goes_on(&self, world: &World, walk: &Walk) -> bool {
        self.due_day(walk.cycle) <= world.as_of
            && (walk.opening != 0
                || self.is_awaited(&walk.open, walk.cycle)
                || world.closed.is_closed(walk.cycle))
    }

    /// Settles the next cycle, in which `movements` entered.
    pub fn advance(
        &mut self,
        world: &World<'_, 'a>,
        walk: &mut Walk<'a>,
        movements: Movements,
    ) -> Result<()> {
        let (open, cycle) = (&mut walk.open, walk.cycle);
        walk.opening = if world.closed.is_closed(cycle) {
            let records = world.closed.outcomes(self.position, self.earning_type, self.participant);
            let record = records.and_then(|records| records.get(&cycle));
            self.follow(world, open, (cycle, &movements), record)?
        } else {
            self.cycle(world, open, cycle, movements)?
        };
        walk.cycle = cycle.plus(1);
        Ok(())
    }

    /// Posts what another balance of its offset group gives or takes.
    ///
    /// # Errors
    /// On overflow.
    pub fn offset(
        &mut self,
        walk: &mut Walk<'a>,
        movements: &mut Movements,
        offset: Offset,
    ) -> Result<()> {
        let open = &mut walk.open;
        if offset.amount > 0 {
            movements.transferred_in += offset.amount;
            open.lots.enter(offset.cycle, offset.amount);
        } else {
            movements.transferred_out -= offset.amount;
            open.lots.take(-offset.amount);
            // A term can't lose what another balance took.
            open.terms.lapse(-offset.amount)?;
        }
        open.items.push(Item::of_offset(&offset, &self.home));
        self.offsets.push(offset);
        Ok(())
    }

    /// Whether something enters in this cycle or later.
    fn is_awaited(&self, open: &Open, cycle: Period) -> bool {
        let returns = |payment: &Payment| payment.returns_in.is_some_and(|into| into >= cycle);
        open.entered < self.postings.len()
            || open.adjusted < self.adjustments.len()
            || self.payments.iter().any(returns)
    }

    /// Settles a cycle; gives its closing balance.
    fn cycle(
        &mut self,
        world: &World<'_, 'a>,
        open: &mut Open<'a>,
        cycle: Period,
        movements: Movements,
    ) -> Result<i128> {
        let due_on = self.due_day(cycle);
        let method = world.payees.on(self.position, self.participant, due_on);
        open.lots.wait(due_on, !world.payees.has_profile(self.position, self.participant, due_on));
        let as_earned = self.program.pays_as_earned();
        let parted = as_earned.then(|| Parted::of(self.items(open), Purse::is_payable));
        let terms = self.terms(world, &method, (parted.as_ref(), open.uncounted), cycle)?;
        let mut settled = settle(movements, &terms)?;
        if let (Some(released), Ok(method)) = (settled.released, &method) {
            let parted = parted.unwrap_or_else(|| Parted {
                ordered: vec![(Arc::from(method.currency), self.items(open))],
                carried: Vec::new(),
            });
            let carried = parted.carried;
            self.order(world, (method, &terms), (cycle, released), parted.ordered)?;
            self.release(open, carried);
            open.lots.take(released);
        } else if settled.movements.forfeited != 0 {
            self.release(open, Vec::new());
            open.lots.take(settled.movements.forfeited);
        }
        let year_end = open.terms.test(cycle, settled.closing)?;
        self.forfeit(open, &mut settled, year_end)?;
        let days = self.program.payment.profile_days;
        let lapsed = open.lots.clone().lapse(due_on, days);
        let lapsed = lapsed.into_iter().map(|lot| self.lapse(open, cycle, lot));
        let lapsed = lapsed.collect::<Result<_>>()?;
        self.forfeit(open, &mut settled, lapsed)?;
        self.keep_lots(open, cycle, settled.closing)?;
        // What enters may add up to nothing and still change what terms forfeit.
        if settled.movements != Movements::default() {
            self.balances.push((cycle, settled));
        }
        Ok(settled.closing)
    }

    /// Orders what is released, currency by currency.
    fn order(
        &mut self,
        world: &World<'_, 'a>,
        (method, terms): (&Method, &Terms),
        (cycle, released): (Period, i128),
        ordered: Vec<(Arc<str>, Vec<Item<'a>>)>,
    ) -> Result<()> {
        let said = |id: &str| world.statuses.of(self.position, self.participant, id);
        let mut found = 0;
        for (currency, items) in ordered {
            let method = Method { currency: &currency, ..method.clone() };
            let ordering = Ordering {
                program: self.program,
                earning_type: self.earning_type,
                participant: self.participant,
                cycle,
                due_on: self.due_day(cycle),
                method: &method,
                unit: unit(self.program, &currency)?,
                rate: match terms.pays {
                    Pays::Converted { rate, .. } => rate,
                    Pays::AsEarned { .. } => None,
                },
            };
            let orders = ordering.orders(items, said)?;
            found += orders.iter().map(|order| order.order.gross_program).sum::<i128>();
            self.payments.extend(orders);
        }
        if found != released {
            return Err(Error::check(format!(
                "order of {} in {cycle}: expected items that add up to {released}, found {found}",
                self.participant
            )));
        }
        Ok(())
    }

    /// A lot that waited too long for a profile: its origin and what is left of it, which is taken from
    /// the currencies of what entered then.
    fn lapse(
        &self,
        open: &Open<'a>,
        cycle: Period,
        (origin, amount): (Period, i128),
    ) -> Result<Forfeiture<'a>> {
        let mut purses = Purses::default();
        let entered = self.items(open).into_iter().filter(|item| item.origin_cycle == origin);
        for item in entered.filter(|item| !year_end::takes(item.lever, item.program_amount)) {
            purses.add(&item.currency, item.program_amount, item.own_amount);
        }
        let parts = purses.take(amount, &self.home, self.program.rounding)?;
        Ok(Forfeiture { cycle, term: "", lever: year_end::LAPSE, period: origin, amount, parts })
    }

    /// What is left of each cycle's entries, for the table of lots.
    fn keep_lots(&mut self, open: &Open, cycle: Period, closing: i128) -> Result<()> {
        self.verify_lots(open, cycle, closing)?;
        self.lots.push((cycle, open.lots.lots().to_vec()));
        Ok(())
    }

    /// What is left of each cycle's entries is the balance.
    fn verify_lots(&self, open: &Open, cycle: Period, closing: i128) -> Result<()> {
        let found = open.lots.balance();
        if found == closing {
            return Ok(());
        }
        let (program, kind) = (&self.program.program, self.earning_type.name());
        let [closing, found] = [closing, found].map(|amount| format(amount, MONEY_SCALE, 2));
        Err(Error::check(format!(
            "balance of {program}/{}/{kind} in {cycle}: expected lots of {closing}, found {found}",
            self.participant
        )))
    }

    /// What enters in the next cycle: postings, payments that came back, adjustments.
    /// In closed cycles adjustments were tested before.
    pub fn enter(&mut self, world: &World, walk: &mut Walk<'a>) -> Movements {
        let (cycle, opening) = (walk.cycle, walk.opening);
        let (recorded, open) = (world.closed.is_closed(cycle), &mut walk.open);
        let (program, postings) = (self.program, self.postings);
        let due =
            postings[open.entered..].partition_point(|posting| posting.cycle(program) <= cycle);
        let entering = &postings[open.entered..open.entered + due];
        open.entered += due;
        open.terms.enter(entering);
        let mut movements = Movements { opening, ..sums(entering) };
        for payment in self.payments.iter().filter(|payment| payment.returns_in == Some(cycle)) {
            movements.returned += payment.order.gross_program;
            let as_earned = (program.pays_as_earned(), &self.home);
            open.items.extend(Item::of_return(payment, cycle, as_earned));
        }
        let adjustments = self.adjustments;
        while let Some(adjustment) =
            adjustments.get(open.adjusted).filter(|next| next.cycle.is_some_and(|on| on <= cycle))
        {
            open.adjusted += 1;
            let amount = adjustment.amount;
            if !recorded && !adjustment.kind.fits(movements.closing(), amount) {
                self.adjusted.push((adjustment, cycle, Some(PostingReason::Exceeds)));
                continue;
            }
            adjustment.kind.post(&mut movements, amount);
            open.items.push(Item::of_adjustment(adjustment, cycle, &self.home));
            if !adjustment.counts_toward_minimum {
                open.uncounted += amount;
            }
            self.adjusted.push((adjustment, cycle, None));
        }
        open.lots.enter(cycle, movements.closing() - opening);
        movements
    }

    /// Takes what a year's end or a missing profile takes.
    fn forfeit(
        &mut self,
        open: &mut Open<'a>,
        settled: &mut Settled,
        forfeitures: Vec<Forfeiture<'a>>,
    ) -> Result<()> {
        for forfeiture in forfeitures {
            settled.forfeit(forfeiture.amount);
            self.take(open, forfeiture)?;
            if settled.closing == 0 {
                self.release(open, Vec::new());
            }
        }
        Ok(())
    }

    /// Takes a forfeiture from the lots, or gives it back.
    fn take(&mut self, open: &mut Open<'a>, forfeiture: Forfeiture<'a>) -> Result<()> {
        let amount = forfeiture.amount;
        if forfeiture.lever == year_end::LAPSE {
            open.terms.lapse(amount)?;
        }
        if amount < 0 {
            open.lots.enter(forfeiture.cycle, -amount);
        } else {
            open.lots.take(amount);
        }
        self.forfeitures.push(forfeiture);
        Ok(())
    }

    /// The balance was ordered or lost, all but what is `carried` in its currency.
    fn release(&self, open: &mut Open<'a>, carried: Vec<Item<'a>>) {
        (open.released, open.named) = (open.entered, self.forfeitures.len());
        let left: BTreeSet<Arc<str>> =
            carried.iter().map(|item| Arc::clone(&item.currency)).collect();
        // Adjustments, which may not count, are in program currency.
        if !left.contains(&self.home) {
            open.uncounted = 0;
        }
        open.terms.release(|currency| left.contains(currency));
        open.items = carried;
    }

    /// Everything since the last order.
    fn items(&self, open: &Open<'a>) -> Vec<Item<'a>> {
        let postings: &'a [Posting] = &self.postings[open.released..open.entered];
        let postings = postings.iter().map(|posting| Item::of_posting(self.program, posting));
        let forfeited = self.forfeitures[open.named..].iter().flat_map(Item::of_forfeiture);
        postings.chain(forfeited).chain(open.items.iter().cloned()).collect()
    }

    fn terms(
        &self,
        world: &World,
        method: &Result<Method, CarryReason>,
        (parted, uncounted): (Option<&Parted>, i128),
        cycle: Period,
    ) -> Result<Terms> {
        let payment = &self.program.payment;
        let (minimum, below_minimum) = (payment.minimum, payment.below_minimum);
        let pays = match (parted, method) {
            (Some(parted), _) => Pays::AsEarned { payable: parted.program() },
            (None, Ok(method)) => Pays::Converted {
                rate: world.rates.rate(method.currency, &self.program.currency, cycle),
                unit: unit(self.program, method.currency)?,
            },
            (None, Err(_)) => Pays::Converted { rate: None, unit: self.program.unit() },
        };
        let hold = method.as_ref().err().copied();
        Ok(Terms { minimum, below_minimum, uncounted, hold, pays })
    }
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
