//! The orders of a cycle. In: what an ordered balance consists of, and how the participant is paid. Out:
//! one order that reissues each payment that came back, and one of all the rest; each converted once, then
//! taxed, and its items re-add.

use super::Posting;
use super::adjustments::Adjustment;
use super::offsets::LEVER as OFFSET;
use super::payees::Method;
use super::year_end::Forfeiture;
use crate::closes::{Offset, Paid};
use crate::error::{Error, Result};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{Unit, allocate};
use earnest_core::earning::EarningType;
use earnest_core::id;
use earnest_core::program::Program;
use earnest_core::status::{History, StatusRow, follow};
use earnest_core::tax::{Taxes, tax};
use earnest_core::waterfall::{Order, converted};
use std::sync::Arc;

/// The lever under which a payment that came back stands among a payment's items.
pub const RETURN: &str = "return";

/// The kind of that item.
pub const RETURNED: &str = "returned";

/// Why an order is made; claims are ordered too, see `fund`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderKind {
    /// Earnings of a cycle.
    Cycle,
    /// A payment that came back.
    Reissue,
}

impl OrderKind {
    fn named(name: &str) -> OrderKind {
        if name == OrderKind::Reissue.name() { OrderKind::Reissue } else { OrderKind::Cycle }
    }

    pub fn name(self) -> &'static str {
        match self {
            OrderKind::Cycle => "cycle",
            OrderKind::Reissue => "reissue",
        }
    }
}

/// An order of a cycle.
pub struct Payment<'a> {
    pub payment_id: String,
    pub cycle: Period,
    pub due_on: NaiveDate,
    pub kind: OrderKind,
    /// 1 for the first order of the cycle, kind, method and currency.
    pub sequence: i64,
    pub method: String,
    pub currency: String,
    pub order: Order,
    pub taxes: Taxes,
    /// The part of the gross that isn't taxable, in program currency. Where a payment is of another
    /// currency because it was earned in it, all of it is taxable.
    pub untaxed: i128,
    /// Of claims: the payment that came back, which it pays again.
    pub reissue_of: Option<String>,
    pub items: Vec<Item<'a>>,
    /// What the bank or the ERP says of it.
    pub said: &'a [StatusRow],
    pub history: History,
    /// The cycle into which it comes back.
    pub returns_in: Option<Period>,
}

/// What a period's lever puts into a payment.
#[derive(Clone)]
pub struct Item<'a> {
    pub period: Period,
    /// The first cycle that a part of it entered.
    pub origin_cycle: Period,
    pub lever: &'a str,
    /// `regular`, `late`, `adjustment` or `returned`.
    pub kind: &'static str,
    /// Tells items of the same lever and period apart.
    key: String,
    taxable: bool,
    /// In program currency and in payment currency, at money scale.
    pub program_amount: i128,
    pub payment_amount: i128,
    /// The currency in which it is paid as earned, and what it is in it, at money scale.
    pub currency: Arc<str>,
    pub own_amount: i128,
    /// In payment currency.
    pub taxes: Taxes,
    pub earnings: i64,
}

impl<'a> Item<'a> {
    pub fn of_posting(program: &Program, posting: &'a Posting) -> Item<'a> {
        Item {
            origin_cycle: posting.cycle(program),
            kind: posting.kind.name(),
            earnings: posting.earnings,
            own_amount: posting.own_amount,
            ..Item::new(&posting.lever, posting.period, posting.amount, &posting.currency)
        }
    }

    /// What a year's end or a missing profile took, or a year's end gave back, since the order before;
    /// one for each currency in which it did.
    pub fn of_forfeiture<'f>(
        forfeiture: &'f Forfeiture,
    ) -> impl Iterator<Item = Item<'a>> + use<'a, 'f> {
        let (lever, period) = (forfeiture.lever, forfeiture.period);
        forfeiture.parts.iter().map(move |part| Item {
            origin_cycle: forfeiture.cycle,
            own_amount: -part.own,
            ..Item::new(lever, period, -part.program, &part.currency)
        })
    }

    /// An adjustment, which is in program currency.
    pub fn of_adjustment(adjustment: &'a Adjustment, cycle: Period, home: &Arc<str>) -> Item<'a> {
        Item {
            origin_cycle: cycle,
            kind: "adjustment",
            key: adjustment.adjustment_id.clone(),
            taxable: adjustment.taxable,
            ..Item::new(adjustment.kind.name(), adjustment.period, adjustment.amount, home)
        }
    }

    /// What another balance gave or took, in program currency.
    pub fn of_offset(offset: &Offset, home: &Arc<str>) -> Item<'a> {
        let (program, kind) = &offset.counterpart;
        Item {
            key: format!("{program}/{}", kind.name()),
            ..Item::new(OFFSET, offset.cycle, offset.amount, home)
        }
    }

    /// A payment that came back into a cycle, with a program that pays `as_earned` in the payment's
    /// currency. Its part that isn't taxable stays so.
    pub fn of_return(
        payment: &Payment,
        cycle: Period,
        (as_earned, home): (bool, &Arc<str>),
    ) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let (whole, untaxed) = (payment.order.gross_program, payment.untaxed);
        let (period, id) = (payment.cycle, payment.payment_id.clone());
        let (currency, own) = match as_earned {
            true => (Arc::from(payment.currency.as_str()), payment.order.gross),
            false => (Arc::clone(home), whole),
        };
        let parts = [(whole - untaxed, own - untaxed, true), (untaxed, untaxed, false)];
        let parts = parts.into_iter().filter(|(amount, ..)| *amount != 0);
        parts.map(move |(amount, own_amount, taxable)| Item {
            origin_cycle: cycle,
            kind: RETURNED,
            key: id.clone(),
            taxable,
            own_amount,
            ..Item::new(RETURN, period, amount, &currency)
        })
    }

    /// An item whose amount is the same in `currency`.
    pub fn new(
        lever: &'a str,
        period: Period,
        program_amount: i128,
        currency: &Arc<str>,
    ) -> Item<'a> {
        Item {
            period,
            origin_cycle: period,
            lever,
            kind: "regular",
            key: String::new(),
            taxable: true,
            program_amount,
            payment_amount: 0,
            currency: Arc::clone(currency),
            own_amount: program_amount,
            taxes: Taxes::default(),
            earnings: 0,
        }
    }

    /// Adds another one to it, if both stand in the same row of a payment.
    fn absorb(&mut self, next: &Item) -> bool {
        let same = (next.period, next.lever, next.kind, &next.key, next.taxable)
            == (self.period, self.lever, self.kind, &self.key, self.taxable);
        if same {
            self.program_amount += next.program_amount;
            self.own_amount += next.own_amount;
            self.payment_amount += next.payment_amount;
            self.taxes.withheld += next.taxes.withheld;
            self.taxes.sales += next.taxes.sales;
            self.earnings += next.earnings;
        }
        same
    }
}

impl<'a> Payment<'a> {
    /// An order of a closed cycle, without its items, which are kept. `returns_in` is left to the caller.
    pub fn of_closed(paid: &Paid, said: &'a [StatusRow]) -> Payment<'a> {
        Payment {
            payment_id: paid.payment_id.clone(),
            cycle: paid.cycle,
            due_on: paid.due_on,
            kind: OrderKind::named(&paid.kind),
            sequence: paid.sequence,
            method: paid.method.clone(),
            currency: paid.currency.clone(),
            order: paid.order,
            taxes: paid.taxes,
            untaxed: paid.untaxed,
            reissue_of: paid.reissue_of.clone(),
            items: Vec::new(),
            said,
            history: follow(paid.due_on, said),
            returns_in: None,
        }
    }

    /// The cycle into which it comes back by its day.
    pub fn comes_back_in(&self, program: &Program, earning_type: EarningType) -> Option<Period> {
        let day = self.history.returned_on?.succ_opt()?;
        Some(program.first_cycle_from(day, earning_type).max(self.cycle.plus(1)))
    }
}

/// What is ordered, for whom, and when.
pub struct Ordering<'r> {
    pub program: &'r Program,
    pub earning_type: EarningType,
    pub participant: &'r str,
    pub cycle: Period,
    pub due_on: NaiveDate,
    pub method: &'r Method<'r>,
    /// To what amounts of its currency are rounded.
    pub unit: Unit,
    /// Program units per payment unit, at rate scale; `None`: items are paid as they were earned.
    pub rate: Option<i128>,
}

impl Ordering<'_> {
    /// Orders of the items, of one currency if they are paid as they were earned. What is said of them is
    /// looked up by id.
    ///
    /// # Errors
    /// On overflow.
    pub fn orders<'a>(
        &self,
        items: Vec<Item<'a>>,
        said: impl Fn(&str) -> &'a [StatusRow],
    ) -> Result<Vec<Payment<'a>>> {
        let groups = self.groups(items)?;
        let mut sequences = [0, 0];
        let orders = groups.into_iter().map(|(kind, items)| {
            let sequence = &mut sequences[kind as usize];
            *sequence += 1;
            self.payment(kind, *sequence, items, &said)
        });
        orders.collect()
    }

    /// Each payment that came back is reissued by itself; what is owed beside it is taken from the last.
    fn groups<'a>(&self, items: Vec<Item<'a>>) -> Result<Vec<(OrderKind, Vec<Item<'a>>)>> {
        let (returned, rest): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.kind == RETURNED);
        let mut groups: Vec<(OrderKind, Vec<Item>)> = returned
            .chunk_by(|one, next| one.key == next.key)
            .map(|items| (OrderKind::Reissue, items.to_vec()))
            .collect();
        if !rest.is_empty() {
            groups.push((OrderKind::Cycle, rest));
        }
        while let Some((_, last)) = groups.last()
            && groups.len() > 1
            && self.order(last)?.is_none()
        {
            if let (Some((_, last)), Some((_, before))) = (groups.pop(), groups.last_mut()) {
                before.extend(last);
            }
        }
        Ok(groups)
    }

    /// What items come to; `None`: nothing that could be paid.
    fn order(&self, items: &[Item]) -> Result<Option<Order>> {
        let gross_program = items.iter().map(|item| item.program_amount).sum();
        let gross = match self.rate {
            Some(rate) => converted(gross_program, rate, self.unit)?,
            None => items.iter().map(|item| item.own_amount).sum(),
        };
        let payable = gross > 0 && gross_program > 0;
        Ok(payable.then_some(Order { gross_program, rate: self.rate, gross }))
    }

    fn payment<'a>(
        &self,
        kind: OrderKind,
        sequence: i64,
        items: Vec<Item<'a>>,
        said: impl Fn(&str) -> &'a [StatusRow],
    ) -> Result<Payment<'a>> {
        let order = self.order(&items)?.ok_or_else(|| {
            let (cycle, participant) = (self.cycle, self.participant);
            Error::check(format!(
                "order of {participant} in {cycle}: expected items that can be paid, found less"
            ))
        })?;
        let untaxed = items.iter().filter(|item| !item.taxable);
        let untaxed = untaxed.map(|item| item.program_amount).sum();
        let (items, taxes) = self.shared(items, order.gross)?;
        let payment_id = self.payment_id(kind, sequence);
        let said = said(&payment_id);
        let history = follow(self.due_on, said);
        let mut payment = Payment {
            payment_id,
            cycle: self.cycle,
            due_on: self.due_on,
            kind,
            sequence,
            method: self.method.method.to_owned(),
            currency: self.method.currency.to_owned(),
            order,
            taxes,
            untaxed,
            reissue_of: None,
            items,
            said,
            history,
            returns_in: None,
        };
        payment.returns_in = payment.comes_back_in(self.program, self.earning_type);
        Ok(payment)
    }

    /// Items share the gross, unless they are paid as they were earned, then its taxes, by largest
    /// remainder, ties by period and lever.
    fn shared<'a>(&self, mut items: Vec<Item<'a>>, gross: i128) -> Result<(Vec<Item<'a>>, Taxes)> {
        items.sort_by(|a, b| {
            let key = |item: &Item<'a>| (item.period, item.lever, item.kind, item.origin_cycle);
            key(a).cmp(&key(b)).then_with(|| a.key.cmp(&b.key))
        });
        // Co-op of a half may convert in several cycles, a month's earnings be of two terms.
        items.dedup_by(|next, kept| kept.absorb(next));
        items.retain(|item| item.program_amount != 0 || item.own_amount != 0);
        let parts = match self.rate {
            Some(_) => {
                let weights: Vec<i128> = items.iter().map(|item| item.program_amount).collect();
                allocate(gross, &weights, self.unit.one())?
            }
            None => items.iter().map(|item| item.own_amount).collect(),
        };
        for (item, part) in items.iter_mut().zip(parts) {
            item.payment_amount = part;
        }
        let taxable: Vec<(i128, bool)> =
            items.iter().map(|item| (item.payment_amount, item.taxable)).collect();
        let rates = self.program.tax_rates(self.due_on, self.earning_type, self.method.taxpayer);
        let (taxes, parts) = tax(&taxable, rates, self.unit)?;
        for (item, part) in items.iter_mut().zip(parts) {
            (item.taxes, item.taxable) = (part, true);
            item.key.clear();
        }
        // Adjustments of a month stand in one row.
        items.dedup_by(|next, kept| kept.absorb(next));
        Ok((items, taxes))
    }

    /// Stable id of an order, from the parts of its key.
    fn payment_id(&self, kind: OrderKind, sequence: i64) -> String {
        let (cycle, sequence) = (self.cycle.to_string(), sequence.to_string());
        let key = [
            self.program.program.as_str(),
            self.earning_type.name(),
            self.participant,
            self.method.method,
            self.method.currency,
            &cycle,
            kind.name(),
            &sequence,
        ];
        let text = id::text(id::digest(key.iter().map(|part| part.as_bytes())));
        format!("P{}", text[..16].to_uppercase())
    }
}
