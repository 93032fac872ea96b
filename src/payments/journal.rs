//! The journal: balanced entries. Accruals move expense to what is payable, dated the period's last
//! day; conversions move co-op payable to rebate payable, and forfeitures what is payable to income,
//! dated the due day of their cycle. What changes earnings of closed cycles moves expense, dated the
//! due day of the cycle that it enters. Orders, taxes, returns and adjustments: see `payment_journal`;
//! claims and expiry: see `fund_journal`.

use super::cycles::Account;
use super::payment_journal;
use super::rollover::LEVER;
use crate::closes::Closed;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::id;

/// A posting of an entry; amounts at money scale, not negative.
pub struct Line<'a> {
    pub entry_id: u128,
    pub event: &'static str,
    pub accounting_on: NaiveDate,
    pub cycle: Option<Period>,
    pub period: Period,
    pub program: &'a str,
    pub participant: &'a str,
    pub earning_type: EarningType,
    pub account: &'static str,
    pub currency: &'a str,
    pub debit: i128,
    pub credit: i128,
    pub source_key: String,
}

pub const EXPENSE: &str = "incentive_expense";
pub const FORFEITED: &str = "forfeiture_income";
pub const FX_CLEARING: &str = "fx_clearing";
pub const PAYMENTS_CLEARING: &str = "payments_clearing";

pub fn payable(earning_type: EarningType) -> &'static str {
    match earning_type {
        EarningType::Rebate => "rebate_payable",
        EarningType::Coop => "coop_payable",
        EarningType::Fee => "fee_payable",
    }
}

/// All entries of an account that belong to open cycles.
pub fn entries<'a>(account: &'a Account<'a>, closed: &Closed) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    let kind = account.earning_type;
    let currency = account.program.currency.as_str();
    accruals(account, closed, &mut lines);
    for (cycle, period, amount) in account.conversions() {
        if closed.is_closed(cycle) {
            continue;
        }
        let program = account.program;
        let key = format!("{period}/{cycle}");
        let entry = Entry {
            entry_id: entry_id(account, "conversion", &key),
            period,
            ..Entry::new(account, "conversion", account.due_day(cycle), Some(cycle), period)
        };
        let half = program.fund_half(period);
        let source = format!("{}/{}/{half}/{LEVER}", program.program, account.participant);
        let (coop, rebate) = (payable(EarningType::Coop), payable(EarningType::Rebate));
        let (debit, credit) = if amount > 0 { (coop, rebate) } else { (rebate, coop) };
        entry.transfer(&mut lines, debit, credit, currency, amount.abs(), &source);
    }
    for (cycle, settled) in &account.balances {
        let forfeited = settled.movements.forfeited;
        if forfeited != 0 {
            let due_on = account.due_day(*cycle);
            let event = if forfeited > 0 { "forfeiture" } else { "forfeiture reversed" };
            let entry = Entry::new(account, event, due_on, Some(*cycle), *cycle);
            let (program, participant) = (&account.program.program, account.participant);
            let source = format!("{program}/{participant}/{cycle}/{}", kind.name());
            let (debit, credit) =
                if forfeited > 0 { (payable(kind), FORFEITED) } else { (FORFEITED, payable(kind)) };
            entry.transfer(&mut lines, debit, credit, currency, forfeited.abs(), &source);
        }
    }
    offsets(account, closed, &mut lines);
    payment_journal::entries(account, closed, &mut lines);
    lines
}

/// What other balances gave or took in a cycle, through clearing, on its due day.
fn offsets<'a>(account: &'a Account<'a>, closed: &Closed, lines: &mut Vec<Line<'a>>) {
    for offsets in account.offsets.chunk_by(|one, next| one.cycle == next.cycle) {
        let cycle = offsets[0].cycle;
        if closed.is_closed(cycle) {
            continue;
        }
        let program = account.program;
        let amount: i128 = offsets.iter().map(|offset| offset.amount).sum();
        let payable = payable(account.earning_type);
        let (debit, credit) =
            if amount > 0 { (PAYMENTS_CLEARING, payable) } else { (payable, PAYMENTS_CLEARING) };
        let kind = account.earning_type.name();
        let source = format!("{}/{}/{cycle}/{kind}", program.program, account.participant);
        let entry = Entry::new(account, "offset", account.due_day(cycle), Some(cycle), cycle);
        entry.transfer(lines, debit, credit, &program.currency, amount.abs(), &source);
    }
}

/// What was earned, and what changes earnings of closed cycles: that is dated the due day of the cycle
/// that it enters, since the months before are closed.
fn accruals<'a>(account: &'a Account<'a>, closed: &Closed, lines: &mut Vec<Line<'a>>) {
    let kind = account.earning_type;
    let (program, participant) = (account.program, account.participant);
    let mut post = |entry: &Entry<'a>, amount: i128| {
        let source = format!("{}/{participant}/{}/{}", program.program, entry.period, kind.name());
        let (debit, credit) =
            if amount > 0 { (EXPENSE, payable(kind)) } else { (payable(kind), EXPENSE) };
        entry.transfer(lines, debit, credit, &program.currency, amount.abs(), &source);
    };
    for (period, amount) in account.accruals() {
        let due = program.due_cycle(period, kind);
        if !closed.is_closed(due) {
            let cycle = (kind != EarningType::Coop).then_some(due);
            post(&Entry::new(account, "accrual", period.last_day(), cycle, period), amount);
        }
    }
    for (entry_kind, cycle, period, amount) in account.changes() {
        if !closed.is_closed(cycle) {
            let (event, day) = (entry_kind.name(), account.due_day(cycle));
            let entry = Entry {
                entry_id: entry_id(account, event, &format!("{period}/{cycle}")),
                ..Entry::new(account, event, day, Some(cycle), period)
            };
            post(&entry, amount);
        }
    }
}

/// `what`, mostly a month, tells entries of an event apart.
pub fn entry_id(account: &Account, event: &str, what: &str) -> u128 {
    let kind = account.earning_type.name();
    let key = [event, &account.program.program, account.participant, what, kind];
    id::digest(key.iter().map(|part| part.as_bytes()))
}

/// What the postings of an entry share.
pub struct Entry<'a> {
    pub account: &'a Account<'a>,
    pub entry_id: u128,
    pub event: &'static str,
    pub accounting_on: NaiveDate,
    pub cycle: Option<Period>,
    pub period: Period,
}

impl<'a> Entry<'a> {
    fn new(
        account: &'a Account<'a>,
        event: &'static str,
        accounting_on: NaiveDate,
        cycle: Option<Period>,
        period: Period,
    ) -> Entry<'a> {
        let entry_id = entry_id(account, event, &period.to_string());
        Entry { account, entry_id, event, accounting_on, cycle, period }
    }

    /// Debits one account and credits another with the same amount.
    pub fn transfer(
        &self,
        lines: &mut Vec<Line<'a>>,
        debit: &'static str,
        credit: &'static str,
        currency: &'a str,
        amount: i128,
        source: &str,
    ) {
        for (account, debited, credited) in [(debit, amount, 0), (credit, 0, amount)] {
            lines.push(Line {
                entry_id: self.entry_id,
                event: self.event,
                accounting_on: self.accounting_on,
                cycle: self.cycle,
                period: self.period,
                program: &self.account.program.program,
                participant: self.account.participant,
                earning_type: self.account.earning_type,
                account,
                currency,
                debit: debited,
                credit: credited,
                source_key: source.to_owned(),
            });
        }
    }
}
