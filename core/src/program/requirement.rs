//! Who may take part: the requirements of a program file, from the file as written to the typed image.

use super::load::Place;
use super::pay::money;
use super::raw::{self, Text};
use super::{DataRole, Days, Term};
use crate::Error;
use crate::decimal::AMOUNT_SCALE;
use crate::eligibility::Fact;
use crate::reason::Reason;
use chrono::{Days as Span, NaiveDate, Weekday};
use serde::Deserialize;

/// What must hold for a participant to earn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Its name in tables; on days apart from each other the same name may be worded differently.
    pub name: String,
    /// The reason code when it is not met.
    pub reason: Reason,
    /// Days on which it is asked for; outside them it holds.
    pub days: Days,
    /// One condition, or several of which one suffices.
    pub conditions: Vec<Condition>,
}

impl Requirement {
    /// True if one of several conditions suffices.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.conditions.len() > 1
    }
}

/// One condition of a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its name in tables.
    pub name: String,
    pub reason: Reason,
    pub kind: ConditionKind,
    /// How far a row of an export reaches when every term asks for a new one; `None`: as long as the
    /// row says.
    pub renewal: Option<Renewal>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// The location holds one of these agreement types.
    Agreement { types: Vec<String> },
    /// The location is a member with one of these statuses.
    Membership { statuses: Vec<String> },
    /// The location lies in one of these countries (ISO 3166, two letters).
    LocationCountry { countries: Vec<String> },
    /// The participant's first line in the program's roles lies on or before the day.
    FirstTransaction,
    /// What was sold in the days before reached an amount at a weekly assessment.
    TrailingRevenue(TrailingRevenue),
    /// Any location of the company holds one of these competencies (empty: any) at one of these levels.
    Competency { names: Vec<String>, levels: Vec<String> },
    /// Any location of the company holds one of these designations (empty: any); with `points` (at
    /// amount scale), has at least so many in one of them, held or not.
    Designation { names: Vec<String>, points: Option<i128> },
    /// Enrolled with validated payout and tax profile.
    Enrollment,
}

/// A sum over the days before each assessment. Once reached, it counts from that assessment on for
/// good: a later dip changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailingRevenue {
    /// In program currency, at money scale; revenue equal to it qualifies.
    pub amount: i128,
    /// The window is `(day − days, day]`.
    pub days: u32,
    /// Which of the two exports of the same money counts.
    pub draws: DataRole,
    /// Groups whose products count; empty: every product.
    pub product_groups: Vec<String>,
    pub follow: Follow,
    pub redecide: Redecide,
}

/// Until when what was decided once may be decided otherwise. Source: RULES 4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redecide {
    /// Every run decides anew.
    Always,
    /// The close of the cycle that first settles it freezes it.
    #[default]
    UntilClose,
    /// The first run that decides it freezes it.
    Never,
}

/// Whose revenue is added up, whose room a cap's is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    #[default]
    Location,
    /// All locations that belong to the company: on the day of the line, of a cap in its month.
    Company,
}

/// A row counts until a term begins that opens more than so many days after the row's first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    pub ahead: u32,
}

impl Renewal {
    /// What is left of a row's fact when each of the terms asks for a new row.
    #[must_use]
    pub fn limit(self, fact: Fact, terms: &[Term]) -> Option<Fact> {
        let signed = fact.own.0.checked_add_days(Span::new(self.ahead.into()));
        let signed = signed.unwrap_or(NaiveDate::MAX);
        let begins =
            terms.iter().map(|term| term.days.first()).filter(|first| *first > signed).min();
        fact.within((NaiveDate::MIN, begins.unwrap_or(NaiveDate::MAX)))
    }
}

/// A requirement, or a member of a group, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    requirement: Option<Text>,
    any_of: Option<Vec<Written>>,
    name: Option<Text>,
    reason: Option<Text>,
    types: Option<Vec<String>>,
    statuses: Option<Vec<String>>,
    countries: Option<Vec<Text>>,
    names: Option<Vec<String>>,
    levels: Option<Vec<String>>,
    points: Option<Text>,
    amount: Option<Text>,
    days: Option<u32>,
    draws: Option<DataRole>,
    product_groups: Option<Vec<String>>,
    follow: Option<Follow>,
    redecide: Option<Redecide>,
    renewed: Option<Renewed>,
    renewal_days: Option<u32>,
    from: Option<Text>,
    until: Option<Text>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Renewed {
    Term,
}

/// Kinds, each with the keys that it understands besides `name`, `reason`, `from` and `until`.
const KINDS: &[(&str, &[&str])] = &[
    ("mpn_agreement", &["types", "renewed", "renewal_days"]),
    ("cloud_distributor_agreement", &["types", "renewed", "renewal_days"]),
    ("reseller_agreement", &["types", "renewed", "renewal_days"]),
    ("mpn_membership", &["statuses", "renewed", "renewal_days"]),
    ("location_country", &["countries"]),
    ("first_transaction", &[]),
    ("trailing_revenue", &["amount", "days", "draws", "product_groups", "follow", "redecide"]),
    ("competency", &["names", "levels"]),
    ("designation", &["names", "points"]),
    ("enrollment", &["renewed", "renewal_days"]),
];

/// At most so many requirements and members of groups, so that a month's verdict fits a word.
const MOST: usize = 60;

/// The verdict's name, which no requirement can have.
const VERDICT: &str = "all";

impl Written {
    /// The keys that are given, of those that only some kinds understand.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("types", self.types.is_some()),
            ("statuses", self.statuses.is_some()),
            ("countries", self.countries.is_some()),
            ("names", self.names.is_some()),
            ("levels", self.levels.is_some()),
            ("points", self.points.is_some()),
            ("amount", self.amount.is_some()),
            ("days", self.days.is_some()),
            ("draws", self.draws.is_some()),
            ("product_groups", self.product_groups.is_some()),
            ("follow", self.follow.is_some()),
            ("redecide", self.redecide.is_some()),
            ("renewed", self.renewed.is_some()),
            ("renewal_days", self.renewal_days.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
    }
}

pub(super) fn requirements(place: &Place, raw: &raw::Program) -> Result<Vec<Requirement>, Error> {
    let mut requirements: Vec<Requirement> = Vec::with_capacity(raw.requirement.len());
    for written in &raw.requirement {
        let (at, requirement) = requirement(place, raw, written)?;
        named_apart(&requirements, &requirement).map_err(|message| place.error(at, &message))?;
        requirements.push(requirement);
        let all = requirements.iter().map(|one| one.conditions.len() + usize::from(one.is_group()));
        if all.sum::<usize>() > MOST {
            let message = format!("expected at most {MOST} requirements with their members");
            return Err(place.error(at, &message));
        }
    }
    Ok(requirements)
}

/// A requirement and where it stands.
fn requirement<'a>(
    place: &Place,
    raw: &raw::Program,
    written: &'a Written,
) -> Result<(&'a Text, Requirement), Error> {
    let days = place.days(written.from.as_ref(), written.until.as_ref())?;
    let (at, conditions) = match (&written.requirement, &written.any_of) {
        (Some(at), None) => (at, vec![condition(place, raw, at, written)?]),
        (None, Some(members)) => {
            let Some(at) = members.iter().find_map(|member| member.requirement.as_ref()) else {
                let message = "expected members `{ requirement = \"…\" }` in `any_of`";
                return Err(place.error(&raw.program, message));
            };
            if let Some(key) = written.given().next() {
                let message = format!("expected `{key}` in the members of `any_of`");
                return Err(place.error(at, &message));
            }
            if members.len() < 2 {
                return Err(place.error(at, "expected at least two members in `any_of`"));
            }
            (at, members.iter().map(|one| member(place, raw, at, one)).collect::<Result<_, _>>()?)
        }
        _ => {
            let message = "expected either `requirement` or `any_of` in each [[requirement]]";
            let at = written.requirement.as_ref().unwrap_or(&raw.program);
            return Err(place.error(at, message));
        }
    };
    let joined: Vec<&str> = conditions.iter().map(|one| one.name.as_str()).collect();
    let name = written.name.as_ref().map_or(joined.join(" or "), |name| name.get_ref().clone());
    let reason = conditions.first().map_or(Reason::NotEnrolled, |one| one.reason);
    let reason = declared(place, written, reason)?;
    Ok((at, Requirement { name, reason, days, conditions }))
}

/// A member of a group: dates are the group's.
fn member(
    place: &Place,
    raw: &raw::Program,
    group: &Text,
    written: &Written,
) -> Result<Condition, Error> {
    let at = written.requirement.as_ref().unwrap_or(group);
    if written.requirement.is_none() || written.any_of.is_some() {
        return Err(place.error(at, "expected `requirement` in each member of `any_of`"));
    }
    if let Some(day) = written.from.as_ref().or(written.until.as_ref()) {
        return Err(place.error(day, "expected dates on the group, not on its members"));
    }
    condition(place, raw, at, written)
}

fn condition(
    place: &Place,
    raw: &raw::Program,
    at: &Text,
    written: &Written,
) -> Result<Condition, Error> {
    let kinds = || KINDS.iter().map(|(kind, _)| format!("`{kind}`")).collect::<Vec<_>>().join(", ");
    let Some((kind_name, keys)) = KINDS.iter().find(|(kind, _)| *kind == at.get_ref()) else {
        let message = format!("expected one of {}, found `{}`", kinds(), at.get_ref());
        return Err(place.error(at, &message));
    };
    if let Some(key) = written.given().find(|key| !keys.contains(key)) {
        let message = format!("expected no `{key}` beside `{kind_name}`, which doesn't know it");
        return Err(place.error(at, &message));
    }
    let or = |values: &Option<Vec<String>>, default: &[&str]| -> Vec<String> {
        match values {
            Some(values) if !values.is_empty() => values.clone(),
            _ => default.iter().map(|&value| value.to_owned()).collect(),
        }
    };
    let agreement =
        |default: &str| ConditionKind::Agreement { types: or(&written.types, &[default]) };
    let (kind, reason) = match *kind_name {
        "mpn_agreement" => (agreement("MPN"), Reason::NoMpnAgreement),
        "cloud_distributor_agreement" => {
            (agreement("Cloud Distributor"), Reason::NoDistributorAgreement)
        }
        "reseller_agreement" => (agreement("Cloud Reseller"), Reason::NoResellerAgreement),
        "mpn_membership" => {
            let statuses = or(&written.statuses, &["Active"]);
            (ConditionKind::Membership { statuses }, Reason::NoMembership)
        }
        "location_country" => {
            let countries = countries(place, at, written)?;
            (ConditionKind::LocationCountry { countries }, Reason::WrongGeography)
        }
        "first_transaction" => (ConditionKind::FirstTransaction, Reason::NoFirstTransaction),
        "trailing_revenue" => {
            let trailing = trailing_revenue(place, raw, at, written)?;
            (ConditionKind::TrailingRevenue(trailing), Reason::LowRevenue)
        }
        "competency" => {
            let (names, levels) =
                (or(&written.names, &[]), or(&written.levels, &["Silver", "Gold"]));
            (ConditionKind::Competency { names, levels }, Reason::NoCompetency)
        }
        "designation" => {
            let points = written.points.as_ref();
            let points = points.map(|points| place.decimal(points, AMOUNT_SCALE)).transpose()?;
            let names = or(&written.names, &[]);
            (ConditionKind::Designation { names, points }, Reason::NoDesignation)
        }
        _ => (ConditionKind::Enrollment, Reason::NotEnrolled),
    };
    if written.renewal_days.is_some() && written.renewed.is_none() {
        return Err(place.error(at, "expected `renewed = \"term\"` beside `renewal_days`"));
    }
    let renewal =
        written.renewed.map(|Renewed::Term| Renewal { ahead: written.renewal_days.unwrap_or(0) });
    let name =
        written.name.as_ref().map_or_else(|| at.get_ref().clone(), |name| name.get_ref().clone());
    Ok(Condition { name, reason: declared(place, written, reason)?, kind, renewal })
}

/// The reason that the file declares, else the given one.
fn declared(place: &Place, written: &Written, otherwise: Reason) -> Result<Reason, Error> {
    let Some(at) = &written.reason else { return Ok(otherwise) };
    let known = Reason::ALL.iter().copied().filter(|reason| reason.is_of_participant());
    known.clone().find(|reason| reason.code() == at.get_ref()).ok_or_else(|| {
        let codes: Vec<&str> = known.map(Reason::code).collect();
        let found = at.get_ref();
        place.error(at, &format!("expected one of `{}`, found `{found}`", codes.join("`, `")))
    })
}

fn countries(place: &Place, at: &Text, written: &Written) -> Result<Vec<String>, Error> {
    let countries = written.countries.as_deref().unwrap_or_default();
    if countries.is_empty() {
        return Err(place.error(at, "expected `countries` beside `location_country`"));
    }
    countries.iter().map(|code| super::countries::country(place, code)).collect()
}

fn trailing_revenue(
    place: &Place,
    raw: &raw::Program,
    at: &Text,
    written: &Written,
) -> Result<TrailingRevenue, Error> {
    let Some(amount_at) = &written.amount else {
        return Err(place.error(at, "expected an `amount` beside `trailing_revenue`"));
    };
    let amount = money(place, raw, amount_at)?;
    if amount <= 0 {
        return Err(place.error(amount_at, "expected an amount above 0"));
    }
    let days = written.days.unwrap_or(365);
    if !(1..=3660).contains(&days) {
        let message = format!("expected `days` from 1 to 3660, found `{days}`");
        return Err(place.error(at, &message));
    }
    let groups = written.product_groups.clone().unwrap_or_default();
    let every = groups.iter().any(|group| group == "*");
    Ok(TrailingRevenue {
        amount,
        days,
        draws: written.draws.unwrap_or(DataRole::Billing),
        product_groups: if every { Vec::new() } else { groups },
        follow: written.follow.unwrap_or_default(),
        redecide: written.redecide.unwrap_or_default(),
    })
}

/// Tables tell requirements apart by name: on each day one of that name, and a group's members are
/// of that group only.
fn named_apart(earlier: &[Requirement], next: &Requirement) -> Result<(), String> {
    let taken = |name: &str| {
        format!("expected a name of its own, found `{name}` again: give one of them a `name`")
    };
    let members = |one: &Requirement| -> Vec<String> {
        let group = one.is_group().then_some(&one.conditions);
        group.into_iter().flatten().map(|member| member.name.clone()).collect()
    };
    let ours = members(next);
    for (position, name) in ours.iter().enumerate() {
        if *name == next.name || ours[..position].contains(name) {
            return Err(taken(name));
        }
    }
    for name in ours.iter().chain([&next.name]) {
        if name.is_empty() || name == VERDICT {
            return Err(format!("expected a name other than `{VERDICT}`, found `{name}`"));
        }
    }
    for other in earlier {
        let theirs = members(other);
        if other.name == next.name {
            if other.days.overlap(&next.days) {
                return Err(format!(
                    "expected each requirement once a day, found `{}` again: give one of them a `name`",
                    next.name
                ));
            }
            if other.reason != next.reason {
                let (first, then) = (other.reason.code(), next.reason.code());
                return Err(format!(
                    "expected one reason for `{}`, found `{first}` and `{then}`: declare `reason`",
                    next.name
                ));
            }
        } else if let Some(name) = ours.iter().find(|name| theirs.contains(name)) {
            return Err(taken(name));
        }
        if theirs.contains(&next.name) || ours.contains(&other.name) {
            return Err(taken(&next.name));
        }
    }
    Ok(())
}

/// The day of the week on which trailing revenue is assessed; Monday where none is declared.
pub(super) fn weekday(place: &Place, raw: &raw::Program) -> Result<Weekday, Error> {
    let Some(at) = &raw.weekday else { return Ok(Weekday::Mon) };
    at.get_ref().parse().map_err(|_| {
        let found = at.get_ref();
        place.error(at, &format!("expected a day of the week, e.g. `monday`, found `{found}`"))
    })
}

#[cfg(test)]
mod tests;
