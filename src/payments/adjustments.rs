//! Manual adjustments. In: the rows in force of `manual_adjustments`. Out: those that are approved, by
//! account in the order in which they enter its cycles; and why the others aren't posted.

use crate::closes::{Adjusted, Closed};
use crate::columns;
use crate::eligibility::Called;
use crate::error::Result;
use arrow::array::RecordBatch;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::earning::EarningType;
use earnest_core::program::Program;
use earnest_core::reason::PostingReason;
use earnest_core::waterfall::Movements;
use std::collections::{BTreeMap, HashMap};

/// What an adjustment does to a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Adjustment,
    /// A negative balance is given up.
    WriteOff,
    /// A positive balance goes to the state.
    Escheat,
    /// The partner made up for a negative balance, outside.
    Recovery,
    /// An open balance moves to the successor.
    TransferOut,
    /// It comes from the predecessor.
    TransferIn,
}

impl Kind {
    fn named(text: &str) -> Kind {
        match text {
            "write_off" => Kind::WriteOff,
            "escheat" => Kind::Escheat,
            "recovery" => Kind::Recovery,
            "transfer" => Kind::TransferOut,
            _ => Kind::Adjustment,
        }
    }

    /// As exports and items of payments call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Adjustment => "adjustment",
            Kind::WriteOff => "write_off",
            Kind::Escheat => "escheat",
            Kind::Recovery => "recovery",
            Kind::TransferOut | Kind::TransferIn => "transfer",
        }
    }

    /// Posts what it adds to a balance; some movements are named by what they take.
    pub fn post(self, movements: &mut Movements, amount: i128) {
        match self {
            Kind::Adjustment => movements.adjusted += amount,
            Kind::WriteOff => movements.written_off -= amount,
            Kind::Escheat => movements.escheated -= amount,
            Kind::Recovery => movements.recovered_outside -= amount,
            Kind::TransferOut => movements.transferred_out -= amount,
            Kind::TransferIn => movements.transferred_in += amount,
        }
    }

    /// Whether a balance is as large as what ends it: it may become zero, never change sign.
    pub fn fits(self, balance: i128, amount: i128) -> bool {
        match self {
            Kind::WriteOff | Kind::Recovery => balance + amount <= 0,
            Kind::Escheat => balance + amount >= 0,
            Kind::Adjustment | Kind::TransferOut | Kind::TransferIn => true,
        }
    }

    fn has_sign_of(self, amount: i128) -> bool {
        match self {
            Kind::WriteOff | Kind::Recovery => amount > 0,
            Kind::Escheat => amount < 0,
            Kind::Adjustment | Kind::TransferOut | Kind::TransferIn => amount != 0,
        }
    }
}

/// A row of the export.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Adjustment {
    /// The cycle that it enters, if it is approved: its period's, or the first that is due on or after the
    /// day of approval.
    pub cycle: Option<Period>,
    pub adjustment_id: String,
    pub kind: Kind,
    pub period: Period,
    /// What it adds to the balance, at money scale, in `currency`.
    pub amount: i128,
    pub currency: String,
    /// The published reason.
    pub reason: String,
    pub explanation: String,
    pub requested_by: String,
    pub approved_by: Option<String>,
    pub approved_on: Option<NaiveDate>,
    pub taxable: bool,
    pub counts_toward_minimum: bool,
    /// The other program of a transfer.
    pub counterpart: Option<String>,
    /// Program as written, participant and earning type.
    pub program: String,
    pub participant: String,
    pub earning_type: EarningType,
}

/// All adjustments.
#[derive(Default)]
pub struct Adjustments {
    /// Those that are posted when their cycle is due, by participant, position of the program and
    /// earning type, sorted.
    pub by_account: BTreeMap<(String, usize, EarningType), Vec<Adjustment>>,
    /// Those that aren't, and why.
    pub waiting: Vec<(Adjustment, PostingReason)>,
}

impl Adjustments {
    /// Reads the rows; approvals after `as_of` don't count yet. What a closed cycle posted or refused stays as
    /// it was, whatever a later delivery says of it: what would change it is listed.
    ///
    /// # Errors
    /// If the batch lacks a column, or a month isn't one, which staging excludes.
    pub fn read(
        programs: &[Program],
        rows: &RecordBatch,
        closed: &Closed,
        as_of: NaiveDate,
    ) -> Result<Adjustments> {
        let mut found = Adjustments::default();
        let posted = found.posted(programs, closed);
        let mut called = Called::new(programs);
        for mut adjustment in read(rows)? {
            let on = adjustment.period.first_day();
            let named = called.programs(&adjustment.program).iter();
            let position =
                named.filter(|(_, days)| days.contain(on)).map(|(place, _)| *place).next();
            if let Some(posted) = posted.get(adjustment.adjustment_id.as_str()) {
                if !posted.is_still(&adjustment, position.map(|place| &programs[place])) {
                    found.waiting.push((adjustment, PostingReason::Posted));
                }
                continue;
            }
            let recorded = position.and_then(|position| {
                closed.adjusted(&adjustment.adjustment_id, &programs[position].program)
            });
            // What a closed cycle refused stays refused, until it is another amount; its row is kept.
            if recorded.is_some_and(|of| of.amount == adjustment.amount) {
                continue;
            }
            let position = match test(programs, position, &adjustment, as_of) {
                Ok(position) => position,
                Err(reason) => {
                    found.waiting.push((adjustment, reason));
                    continue;
                }
            };
            let program = &programs[position];
            adjustment.program.clone_from(&program.program);
            adjustment.cycle = entered(program, closed, &adjustment);
            if let (Kind::TransferOut, Some(successor)) =
                (adjustment.kind, successor(programs, program))
            {
                let to = &programs[successor];
                adjustment.counterpart = Some(to.program.clone());
                if let Some(moved) = adjustment.other_side(to, closed) {
                    found.add(successor, moved);
                }
            }
            found.add(position, adjustment);
        }
        found.by_account.values_mut().for_each(|adjustments| adjustments.sort());
        found.waiting.sort();
        Ok(found)
    }

    /// Adds what closed cycles posted; gives it by id as the export has it. The other side of a transfer may be
    /// due in a later cycle: then it is posted there.
    fn posted<'c>(
        &mut self,
        programs: &[Program],
        closed: &'c Closed,
    ) -> HashMap<&'c str, Adjustment> {
        let mut posted = HashMap::new();
        let place = |name: &str| programs.iter().position(|program| program.program == name);
        for (id, program, of) in closed.posted() {
            let Some(position) = place(program) else { continue };
            let moved = closed.outcomes(position, of.earning_type, &of.participant);
            let moved = moved.and_then(|cycles| cycles.get(&of.cycle)).map(|found| found.movements);
            let recorded = Adjustment::recorded(id, (&programs[position], programs), of, moved);
            let mut exported = recorded.clone();
            if let Some(to) = recorded.counterpart.as_deref().and_then(place)
                && let Some(other) = recorded.other_side(&programs[to], closed)
            {
                if recorded.kind == Kind::TransferIn {
                    exported = other.clone();
                }
                if closed.adjusted(id, &other.program).is_none_or(|of| !of.posted) {
                    self.add(to, other);
                }
            }
            posted.insert(id, exported);
            self.add(position, recorded);
        }
        posted
    }

    fn add(&mut self, program: usize, adjustment: Adjustment) {
        let key = (adjustment.participant.clone(), program, adjustment.earning_type);
        self.by_account.entry(key).or_default().push(adjustment);
    }
}

/// The program of an adjustment that may be posted.
fn test(
    programs: &[Program],
    position: Option<usize>,
    adjustment: &Adjustment,
    as_of: NaiveDate,
) -> Result<usize, PostingReason> {
    let position = position.ok_or(PostingReason::NoProgram)?;
    let program = &programs[position];
    if adjustment.currency != program.currency {
        return Err(PostingReason::Currency);
    }
    if !adjustment.kind.has_sign_of(adjustment.amount) {
        return Err(PostingReason::Sign);
    }
    if adjustment.kind == Kind::TransferOut && successor(programs, program).is_none() {
        return Err(PostingReason::NoSuccessor);
    }
    match (&adjustment.approved_by, adjustment.approved_on) {
        (Some(by), Some(on)) if on <= as_of => {
            let same = by.trim().eq_ignore_ascii_case(adjustment.requested_by.trim());
            if same { Err(PostingReason::SelfApproved) } else { Ok(position) }
        }
        _ => Err(PostingReason::NotApproved),
    }
}

/// The successor of a program, if it has the same currency.
fn successor(programs: &[Program], program: &Program) -> Option<usize> {
    let key = program.successor.as_ref()?;
    programs.iter().position(|to| to.program == *key && to.currency == program.currency)
}

/// The cycle of a program in which it was decided, by the days of its earning type, if that is open.
fn entered(program: &Program, closed: &Closed, adjustment: &Adjustment) -> Option<Period> {
    let day = adjustment.approved_on?;
    let of = adjustment.earning_type;
    let due = program.due_cycle(adjustment.period, of);
    let decided = due.max(program.first_cycle_from(day, of));
    Some(closed.last.map_or(decided, |last| decided.max(last.plus(1))))
}

impl Adjustment {
    /// What a closed cycle of a program posted, in which its balance moved so. Where no program file says any
    /// longer which way a transfer went, the balance does.
    fn recorded(
        id: &str,
        (program, programs): (&Program, &[Program]),
        of: &Adjusted,
        moved: Option<Movements>,
    ) -> Adjustment {
        let follows = |from: &Program, to: &str| from.successor.as_deref() == Some(to);
        let came_in = |other: &str| {
            let mut others = programs.iter().filter(|program| program.program == other);
            let follows_other = others.any(|other| follows(other, &program.program));
            follows_other || moved.is_some_and(|moved| moved.transferred_in != 0)
        };
        let kind = match (Kind::named(&of.kind), of.counterpart.as_deref()) {
            (Kind::TransferOut, Some(other)) if !follows(program, other) && came_in(other) => {
                Kind::TransferIn
            }
            (kind, _) => kind,
        };
        Adjustment {
            cycle: Some(of.cycle),
            adjustment_id: id.to_owned(),
            kind,
            period: of.period,
            amount: of.amount,
            currency: of.currency.clone(),
            reason: of.reason.clone(),
            explanation: of.explanation.clone(),
            requested_by: of.requested_by.clone(),
            approved_by: of.approved_by.clone(),
            approved_on: of.approved_on,
            taxable: of.taxable,
            counts_toward_minimum: of.counts_toward_minimum,
            counterpart: of.counterpart.clone(),
            program: program.program.clone(),
            participant: of.participant.clone(),
            earning_type: of.earning_type,
        }
    }

    /// The other side of a transfer, in a cycle of its own program, which is due on days of its own.
    fn other_side(&self, program: &Program, closed: &Closed) -> Option<Adjustment> {
        let kind = match self.kind {
            Kind::TransferOut => Kind::TransferIn,
            Kind::TransferIn => Kind::TransferOut,
            _ => return None,
        };
        Some(Adjustment {
            cycle: entered(program, closed, self),
            kind,
            amount: -self.amount,
            program: program.program.clone(),
            counterpart: Some(self.program.clone()),
            ..self.clone()
        })
    }

    /// True if a row of the export, of a program, would post the same.
    fn is_still(&self, row: &Adjustment, program: Option<&Program>) -> bool {
        let posts = |of: &Adjustment| {
            let flags = (of.taxable, of.counts_toward_minimum);
            (of.kind, of.period, of.amount, of.earning_type, flags)
        };
        program.is_some_and(|program| program.program == self.program)
            && posts(self) == posts(row)
            && (&self.participant, &self.currency) == (&row.participant, &row.currency)
    }
}

fn read(rows: &RecordBatch) -> Result<Vec<Adjustment>> {
    let text = |name| columns::text(rows, name);
    let (id, kind, program) = (text("adjustment_id")?, text("kind")?, text("program")?);
    let (location, earning_type) = (text("location_id")?, text("earning_type")?);
    let (period, currency, reason) = (text("period")?, text("currency")?, text("reason")?);
    let (explanation, requested_by) = (text("explanation")?, text("requested_by")?);
    let (approved_by, taxable) = (text("approved_by")?, text("taxable")?);
    let counts = text("counts_toward_minimum")?;
    let amount = columns::decimal(rows, "amount")?;
    let approved_on = columns::date(rows, "approved_on")?;
    let row = |row| {
        Ok(Adjustment {
            cycle: None,
            adjustment_id: id.value(row).to_owned(),
            kind: Kind::named(kind.value(row)),
            period: period.value(row).parse()?,
            amount: amount.value(row),
            currency: currency.value(row).to_owned(),
            reason: reason.value(row).to_owned(),
            explanation: explanation.value(row).to_owned(),
            requested_by: requested_by.value(row).to_owned(),
            approved_by: columns::filled(approved_by, row).map(str::to_owned),
            approved_on: columns::day(approved_on, row),
            taxable: taxable.value(row) == "yes",
            counts_toward_minimum: counts.value(row) == "yes",
            counterpart: None,
            program: program.value(row).to_owned(),
            participant: location.value(row).to_owned(),
            earning_type: if earning_type.value(row) == EarningType::Fee.name() {
                EarningType::Fee
            } else {
                EarningType::Rebate
            },
        })
    };
    (0..rows.num_rows()).map(row).collect()
}
