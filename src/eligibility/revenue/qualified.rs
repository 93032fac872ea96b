//! Who reached trailing revenue, since when, and as rows of `determinations`.

use super::{Asked, Frozen, Subject};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::eligibility::Fact;
use earnest_core::program::Redecide;
use std::collections::{HashMap, HashSet};

/// Since when the requirement is met, by location and by company.
#[derive(Default)]
pub struct Qualifications {
    pub locations: HashMap<String, Reached>,
    pub companies: HashMap<String, Reached>,
    /// Subjects that were decided for good, and whether their rows are kept.
    frozen: HashMap<String, bool>,
    pub(super) undone: Vec<Undone>,
    /// Subjects of which closes froze something, undone or not.
    pub(super) settled: HashSet<String>,
}

/// The assessment that reached the amount.
pub struct Reached {
    pub on: NaiveDate,
    /// At money scale.
    pub measured: i128,
    /// How many lines were measured; `None`: that wasn't recorded.
    pub transactions: Option<i64>,
}

/// What a close froze, and a correction of its lines undoes.
pub struct Undone {
    pub frozen: Frozen,
    /// What its lines are now.
    pub measured: i128,
    pub transactions: i64,
}

/// A qualification, or one that is undone, to be published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Determined {
    pub program: String,
    /// The location, or `company` and the company's id.
    pub subject: String,
    /// The requirement and the days that were measured, both inclusive.
    pub window: String,
    /// The cycle in which the assessment's month is due, or the oldest open one.
    pub cycle: Period,
    pub outcome: &'static str,
    pub currency: String,
    /// At money scale.
    pub measured: i128,
    pub amount: i128,
    pub on: NaiveDate,
    pub transactions: Option<i64>,
    /// An earlier run decided it, for good.
    pub frozen: bool,
}

impl Qualifications {
    /// Notes that a subject reached the amount.
    pub(super) fn reach(&mut self, subject: Subject, reached: Reached) {
        match subject {
            Subject::Location(id) => self.locations.insert(id.to_owned(), reached),
            Subject::Company(id) => self.companies.insert(id.to_owned(), reached),
        };
    }

    /// Decides for a subject as it was decided before.
    pub(super) fn freeze(&mut self, frozen: &Frozen) {
        let (on, measured) = (frozen.on, frozen.measured);
        let reached = Reached { on, measured, transactions: frozen.transactions };
        self.reach(frozen.subject(), reached);
        self.frozen.insert(frozen.subject.clone(), frozen.kept);
    }

    /// The facts of one that may have qualified: from then on, for good.
    pub fn fact(reached: Option<&Reached>) -> Option<Fact> {
        reached.and_then(|reached| Fact::of(Some(reached.on), None))
    }

    /// Who qualified under a requirement, as rows of `determinations`, without those of whom it was
    /// decided before; and who no longer does. `open` is the oldest open cycle.
    pub fn determined(&self, asked: &Asked, open: Option<Period>) -> Vec<Determined> {
        // What every run decides anew is never late, unless a close froze what it comes in place of.
        let always = asked.trailing.redecide == Redecide::Always;
        let cycle = |subject: &str, on: NaiveDate| {
            let due = asked.program.first_due_cycle(Period::of(on));
            let open = open.filter(|_| !always || self.settled.contains(subject));
            open.map_or(due, |open| due.max(open))
        };
        let locations = self.locations.iter().map(|(id, reached)| (id.clone(), reached));
        let companies = self.companies.iter().map(|(id, one)| (format!("company {id}"), one));
        let row = |(subject, reached): (String, &Reached)| Determined {
            program: asked.program.program.clone(),
            frozen: self.frozen.contains_key(&subject),
            cycle: cycle(&subject, reached.on),
            subject,
            window: format!("{} {}..{}", asked.name, asked.first(reached.on), reached.on),
            outcome: "qualified",
            currency: asked.program.currency.clone(),
            measured: reached.measured,
            amount: asked.trailing.amount,
            on: reached.on,
            transactions: reached.transactions,
        };
        let anew = |(subject, _): &(String, &Reached)| self.frozen.get(subject) != Some(&true);
        let mut rows: Vec<Determined> = locations.chain(companies).filter(anew).map(row).collect();
        let undone =
            self.undone.iter().map(|Undone { frozen, measured, transactions }| Determined {
                program: frozen.program.clone(),
                subject: frozen.subject.clone(),
                window: frozen.window.clone(),
                cycle: cycle(&frozen.subject, frozen.on),
                outcome: "undone",
                currency: asked.program.currency.clone(),
                measured: *measured,
                amount: frozen.threshold,
                on: frozen.on,
                transactions: Some(*transactions),
                frozen: false,
            });
        // What qualifies by the same days says itself that it replaces another.
        let replaced = |row: &Determined| {
            rows.iter().any(|other| (&other.subject, &other.window) == (&row.subject, &row.window))
        };
        let undone: Vec<Determined> = undone.filter(|row| !replaced(row)).collect();
        rows.extend(undone);
        rows
    }
}
