//! The journal of co-op funds: what expired moves co-op payable to income, on the day it expired, and back
//! where it came back; a claim moves co-op payable to clearing, on the day it was paid, through
//! `fx_clearing` where its currency is another one, and its taxes; what came back of it is reversed on the
//! day the bank says.

use super::fund::{ClaimOrder, FundAccount};
use super::journal::{FORFEITED, FX_CLEARING, Line, PAYMENTS_CLEARING, payable};
use super::payment_journal::{EVENTS, TAX_PAYABLE};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::fund::claims::Outcome;
use earnest_core::id;

/// What a claim that is paid does to the books; a return undoes it like any other.
const PAID: [&str; 3] = ["claim", EVENTS[0][1], EVENTS[0][2]];

/// All entries of an account's funds.
pub fn entries<'a>(account: &'a FundAccount<'a>) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let (program, coop) = (account.program, payable(EarningType::Coop));
    let currency = program.currency.as_str();
    for expiry in &account.expiries {
        let (event, debit, credit) = if expiry.amount > 0 {
            ("expiry", coop, FORFEITED)
        } else {
            ("expiry reversed", FORFEITED, coop)
        };
        let (half, day) = (expiry.half, expiry.day);
        let source = format!("{}/{}/{half}/expiry", program.program, account.participant);
        let entry = Entry { account, event, day, cycle: None, period: half.last(), source };
        let id = entry.id(&format!("{half}/{day}"));
        entry.transfer(&mut lines, id, (debit, credit), currency, expiry.amount.abs());
    }
    for (claim, order) in account.claims.iter().zip(&account.orders) {
        let (Some(day), Ok(order)) = (claim.sent_on, order) else { continue };
        post(account, (claim, order), PAID, (day, order.cycle), &mut lines);
        if let (Some(day), Some(cycle)) = (order.history.returned_on, order.returns_in) {
            post(account, (claim, order), EVENTS[1], (day, cycle), &mut lines);
        }
    }
    lines
}

/// A claim that was paid, or with the sides changed its return.
fn post<'a>(
    account: &'a FundAccount<'a>,
    (claim, order): (&'a Outcome<'a>, &ClaimOrder),
    events: [&'static str; 3],
    (day, cycle): (NaiveDate, Period),
    lines: &mut Vec<Line<'a>>,
) {
    let mut transfer = |event, (from, to), currency, amount: i128| {
        if amount == 0 {
            return;
        }
        let (source, period) = (order.payment_id.clone(), claim.tested.month);
        let entry = Entry { account, event, day, cycle: Some(cycle), period, source };
        let accounts = if events == PAID { (from, to) } else { (to, from) };
        entry.transfer(lines, entry.id(&claim.claim.claim_id), accounts, currency, amount);
    };
    let (coop, currency) = (payable(EarningType::Coop), account.program.currency.as_str());
    let foreign = claim.tested.currency.as_str();
    for item in claim.items.iter().filter(|item| item.paid != 0) {
        if foreign == currency {
            transfer(events[0], (coop, PAYMENTS_CLEARING), currency, item.paid);
        } else {
            transfer(events[0], (coop, FX_CLEARING), currency, item.paid);
            transfer(events[0], (FX_CLEARING, PAYMENTS_CLEARING), foreign, item.allowed);
        }
    }
    transfer(events[1], (PAYMENTS_CLEARING, TAX_PAYABLE), foreign, order.taxes.withheld);
    transfer(events[2], (TAX_PAYABLE, PAYMENTS_CLEARING), foreign, order.taxes.sales);
}

/// What the postings of an entry share.
struct Entry<'a> {
    account: &'a FundAccount<'a>,
    event: &'static str,
    day: NaiveDate,
    cycle: Option<Period>,
    period: Period,
    source: String,
}

impl<'a> Entry<'a> {
    /// `what` tells entries of an event apart.
    fn id(&self, what: &str) -> u128 {
        let (program, participant) =
            (self.account.program.program.as_str(), self.account.participant);
        let key = [self.event, program, participant, what, EarningType::Coop.name()];
        id::digest(key.iter().map(|part| part.as_bytes()))
    }

    /// Debits one account and credits another with the same amount.
    fn transfer(
        &self,
        lines: &mut Vec<Line<'a>>,
        entry_id: u128,
        (debit, credit): (&'static str, &'static str),
        currency: &'a str,
        amount: i128,
    ) {
        for (account, debited, credited) in [(debit, amount, 0), (credit, 0, amount)] {
            lines.push(Line {
                entry_id,
                event: self.event,
                accounting_on: self.day,
                cycle: self.cycle,
                period: self.period,
                program: &self.account.program.program,
                participant: self.account.participant,
                earning_type: EarningType::Coop,
                account,
                currency,
                debit: debited,
                credit: credited,
                source_key: self.source.clone(),
            });
        }
    }
}
