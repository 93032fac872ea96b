//! Caps: limits on what levers credit, by whom and over which window. From the file as written to the
//! typed image.

use super::load::Place;
use super::measured::{Per, Window};
use super::{Days, Follow, Lever, Program, raw};
use crate::Error;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use toml::Spanned;

/// A limit that the earnings of some levers share: of lines, of sums of lines, of measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramCap {
    pub cap: String,
    /// Positions of the levers that share it.
    pub levers: Vec<usize>,
    /// In program currency, at money scale.
    pub limit: i128,
    pub on: CapOn,
    pub per: CapPer,
    /// Of a cap per participant: whether all locations of a company share its room.
    pub follow: Follow,
    pub window: Window,
    /// In force by the date of a transaction, or the day that rules a measured earning.
    pub days: Days,
}

/// What a cap limits, before the split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapOn {
    /// What is earned.
    #[default]
    Payout,
    /// The base that earns.
    Base,
}

/// Who shares a cap. A participant's may be its company's instead ([`Follow`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapPer {
    Participant,
    /// A customer, whoever sells to it.
    Customer,
    /// A participant's customer.
    ParticipantCustomer,
    /// All that the program earns.
    Program,
}

impl CapPer {
    #[must_use]
    pub fn has_participant(self) -> bool {
        matches!(self, CapPer::Participant | CapPer::ParticipantCustomer)
    }

    #[must_use]
    pub fn has_customer(self) -> bool {
        matches!(self, CapPer::Customer | CapPer::ParticipantCustomer)
    }
}

/// Whose room of a cap a line takes; `None`: that of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose<P, C> {
    /// It has the room alone.
    pub participant: Option<P>,
    /// All its locations share the room.
    pub company: Option<C>,
    pub customer: Option<C>,
}

impl ProgramCap {
    /// Whose room a line takes. A customer that isn't known is nobody whom participants share: under a cap per
    /// customer each has room of its own for what it sells without naming one. Who has no company shares with
    /// nobody either.
    pub fn whose<P, C>(
        &self,
        participant: P,
        company: impl FnOnce() -> Option<C>,
        customer: Option<C>,
    ) -> Whose<P, C> {
        let customer = customer.filter(|_| self.per.has_customer());
        let company = if self.follow == Follow::Company { company() } else { None };
        let alone = self.per.has_participant() || (self.per.has_customer() && customer.is_none());
        let participant = (alone && company.is_none()).then_some(participant);
        Whose { participant, company, customer }
    }
}

impl Program {
    /// The cap of a lever on a day, with its position.
    #[must_use]
    pub fn cap_on(&self, lever: usize, day: NaiveDate) -> Option<(usize, &ProgramCap)> {
        let mut caps = self.caps.iter().enumerate();
        caps.find(|(_, cap)| cap.levers.contains(&lever) && cap.days.contain(day))
    }

    /// True if some cap limits the lever on some day.
    #[must_use]
    pub fn is_capped(&self, lever: usize) -> bool {
        self.caps.iter().any(|cap| cap.levers.contains(&lever))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCap {
    cap: raw::Text,
    limit: raw::Text,
    #[serde(default)]
    on: CapOn,
    per: CapPer,
    follow: Option<Spanned<Follow>>,
    window: Window,
    levers: Option<Vec<raw::Text>>,
    engagement: Option<raw::Text>,
    from: Option<raw::Text>,
    until: Option<raw::Text>,
}

/// # Errors
/// With file, line, what was expected, what was found.
pub(super) fn caps(
    place: &Place,
    raw: &raw::Program,
    levers: &[Lever],
) -> Result<Vec<ProgramCap>, Error> {
    let mut caps: Vec<ProgramCap> = Vec::with_capacity(raw.cap.len());
    for written in &raw.cap {
        let cap = cap(place, raw, levers, written)?;
        if caps.iter().any(|other| other.cap == cap.cap) {
            return Err(place.error(&written.cap, "expected cap keys once"));
        }
        let shared = |other: &&ProgramCap| {
            other.days.overlap(&cap.days)
                && other.levers.iter().any(|lever| cap.levers.contains(lever))
        };
        if let Some(other) = caps.iter().find(shared) {
            let message = format!(
                "expected one cap per lever and day, found `{}` beside `{}`",
                cap.cap, other.cap
            );
            return Err(place.error(&written.cap, &message));
        }
        caps.push(cap);
    }
    Ok(caps)
}

fn cap(
    place: &Place,
    raw: &raw::Program,
    levers: &[Lever],
    written: &RawCap,
) -> Result<ProgramCap, Error> {
    let all = || (0..levers.len()).collect();
    let named = |name: &raw::Text| {
        levers.iter().position(|lever| lever.lever == *name.get_ref()).ok_or_else(|| {
            place.error(
                name,
                &format!("expected a lever of the program, found `{}`", name.get_ref()),
            )
        })
    };
    let capped: Vec<usize> = match (&written.levers, &written.engagement) {
        (Some(names), None) => names.iter().map(named).collect::<Result<_, _>>()?,
        (None, Some(engagement)) => of_engagement(place, raw, engagement)?,
        (None, None) => all(),
        (Some(_), Some(engagement)) => {
            return Err(place.error(engagement, "expected one of `levers` and `engagement`"));
        }
    };
    for &lever in &capped {
        measured(place, written, &levers[lever])?;
    }
    let limit = super::pay::money(place, raw, &written.limit)?;
    if limit < 0 {
        return Err(place.error(&written.limit, "expected a limit of 0 or more"));
    }
    Ok(ProgramCap {
        cap: written.cap.get_ref().clone(),
        levers: capped,
        limit,
        on: written.on,
        per: written.per,
        follow: follow(place, written)?,
        window: written.window,
        days: place.days(written.from.as_ref(), written.until.as_ref())?,
    })
}

/// Only what a participant has alone can be its company's instead.
fn follow(place: &Place, written: &RawCap) -> Result<Follow, Error> {
    let Some(follow) = &written.follow else { return Ok(Follow::default()) };
    if !written.per.has_participant() {
        let message = "expected `per = \"participant\"` or `\"participant_customer\"` beside `follow`, found a \
                       cap whose room all locations share";
        return Err(place.error_at(follow.span().start, message));
    }
    Ok(*follow.get_ref())
}

/// What is measured is capped as a whole: on what it earns, and only for those it is measured for.
fn measured(place: &Place, written: &RawCap, lever: &Lever) -> Result<(), Error> {
    let Some(measured) = &lever.measured else { return Ok(()) };
    if written.on == CapOn::Base {
        let message = format!(
            "expected `on = \"payout\"` for `{}`, which earns on a measure; a last tier of rate 0 \
             limits its base",
            lever.lever
        );
        return Err(place.error(&written.cap, &message));
    }
    if written.per.has_customer() && measured.per != Per::Customer {
        let message = format!(
            "expected levers measured per customer, found `{}`, whose earnings have none; \
             name the capped ones in `levers`",
            lever.lever
        );
        return Err(place.error(&written.cap, &message));
    }
    Ok(())
}

/// The positions of an engagement's levers.
fn of_engagement(
    place: &Place,
    raw: &raw::Program,
    engagement: &raw::Text,
) -> Result<Vec<usize>, Error> {
    let named = raw.lever.iter().enumerate().filter(|(_, lever)| {
        lever.engagement.as_ref().is_some_and(|of| of.get_ref() == engagement.get_ref())
    });
    let levers: Vec<usize> = named.map(|(position, _)| position).collect();
    if levers.is_empty() {
        let message =
            format!("expected an engagement of the levers, found `{}`", engagement.get_ref());
        return Err(place.error(engagement, &message));
    }
    Ok(levers)
}
