//! The journal of co-op funds: what expired moves co-op payable to income, on the day it expired, and back
//! where it came back; a claim moves co-op payable to clearing, on the day it was paid, through
//! `fx_clearing` where its currency is another one, and its taxes.

use super::fund::FundAccount;
use super::journal::{FORFEITED, FX_CLEARING, Line, PAYMENTS_CLEARING, payable};
use super::payment_journal::TAX_PAYABLE;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::id;

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
        for item in claim.items.iter().filter(|item| item.paid != 0) {
            let (event, period) = ("claim", claim.row.month);
            let source = order.payment_id.clone();
            let entry = Entry { account, event, day, cycle: Some(order.cycle), period, source };
            let id = entry.id(&claim.claim.claim_id);
            let foreign = claim.row.currency.as_str();
            if foreign == currency {
                entry.transfer(&mut lines, id, (coop, PAYMENTS_CLEARING), currency, item.paid);
            } else {
                entry.transfer(&mut lines, id, (coop, FX_CLEARING), currency, item.paid);
                let accounts = (FX_CLEARING, PAYMENTS_CLEARING);
                entry.transfer(&mut lines, id, accounts, foreign, item.allowed);
            }
            for (event, accounts, amount) in [
                ("withholding", (PAYMENTS_CLEARING, TAX_PAYABLE), order.taxes.withheld),
                ("sales tax", (TAX_PAYABLE, PAYMENTS_CLEARING), order.taxes.sales),
            ] {
                if amount != 0 {
                    let entry = Entry { event, source: entry.source.clone(), ..entry };
                    let id = entry.id(&claim.claim.claim_id);
                    entry.transfer(&mut lines, id, accounts, foreign, amount);
                }
            }
        }
    }
    lines
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
