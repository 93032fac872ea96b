//! Whose room a cap's is, and what is earned in it.

use crate::earnings::measures::key;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::sum;
use serde::{Deserialize, Serialize};

/// Whose room a cap's is: program, cap, whom it is per, first month of the window. Without participant
/// several may share it: a company's locations, if there is one, else all participants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    pub program: usize,
    pub cap: usize,
    pub participant: Option<i32>,
    pub company: Option<String>,
    pub customer: Option<String>,
    pub window: Period,
}

/// The scope of a line that is looked at: most have been met before, so nothing is copied.
pub struct ScopeOf<'a> {
    pub program: usize,
    pub cap: usize,
    pub participant: Option<i32>,
    pub company: Option<&'a str>,
    pub customer: Option<&'a str>,
    pub window: Period,
}

impl ScopeOf<'_> {
    pub fn key(&self) -> ScopeKey {
        let of = (self.program, self.cap, self.participant.unwrap_or(-1));
        key(of, (self.company, self.customer), Some(self.window))
    }

    pub fn to_owned(&self) -> Scope {
        let Self { program, cap, participant, window, .. } = *self;
        let (company, customer) =
            (self.company.map(str::to_owned), self.customer.map(str::to_owned));
        Scope { program, cap, participant, company, customer, window }
    }
}

/// A scope, by digest.
pub type ScopeKey = u128;

/// What a scope earns, before it is known what of it is credited.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sum {
    pub scope: Scope,
    pub tally: Tally,
}

/// A sum of what is earned.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Tally {
    pub positive: i128,
    pub net: i128,
    /// A negative line that takes back nothing that came before it could lead below zero.
    pub loose: bool,
    /// Who earns it; `None`: nothing is earned.
    participant: Option<i32>,
    /// Others earn it too.
    pub several: bool,
}

impl Tally {
    /// Of one row; `follows`: it takes back what came before it.
    pub fn of(gross: i128, follows: bool, participant: i32) -> Tally {
        Tally {
            positive: gross.max(0),
            net: gross,
            loose: gross < 0 && !follows,
            participant: (gross != 0).then_some(participant),
            several: false,
        }
    }

    pub fn add(&mut self, other: &Tally) -> Result<()> {
        self.positive = sum([self.positive, other.positive])?;
        self.net = sum([self.net, other.net])?;
        self.loose |= other.loose;
        let both = self.participant.zip(other.participant);
        self.several |= other.several || both.is_some_and(|(ours, theirs)| ours != theirs);
        self.participant = self.participant.or(other.participant);
        Ok(())
    }
}
