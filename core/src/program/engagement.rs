//! How levers meet on one line: engagements of which one lever earns, and levers that earn on what
//! another one leaves. From the file as written to the typed image.

use super::load::Place;
use super::{Grain, Lever, raw};
use crate::Error;
use serde::Deserialize;

/// Levers that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engagement {
    pub engagement: String,
    pub select: Select,
}

/// Which of an engagement's levers that would earn on a line does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// Each of them.
    #[default]
    All,
    /// The first in the file.
    First,
    /// The one whose rate asks for more, see [`crate::compete::Specificity`]; of equals the first.
    MostSpecific,
    /// The one that earns most, of a refund that takes back most; of equals the first.
    Best,
}

impl Select {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Select::All => "all",
            Select::First => "first",
            Select::MostSpecific => "most_specific",
            Select::Best => "best",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEngagement {
    engagement: raw::Text,
    #[serde(default)]
    select: Select,
}

/// How `on` names the lever on whose earning another one earns.
const ON_EARNED: &str = "earned by ";

/// Most levers that may earn one on what another leaves, one after the other.
pub const MOST_AFTER_EACH_OTHER: usize = 4;

/// The engagements of a file: those declared, then those that levers name, all of whose levers earn.
///
/// # Errors
/// If one is declared twice or by no lever.
pub(super) fn engagements(place: &Place, raw: &raw::Program) -> Result<Vec<Engagement>, Error> {
    let mut found: Vec<Engagement> = Vec::new();
    let of_levers = || raw.lever.iter().filter_map(|lever| lever.engagement.as_ref());
    for written in &raw.engagement {
        let name = written.engagement.get_ref();
        if found.iter().any(|known| known.engagement == *name) {
            let message = format!("expected engagements once, found `{name}` twice");
            return Err(place.error(&written.engagement, &message));
        }
        if !of_levers().any(|of| of.get_ref() == name) {
            let message = format!("expected `engagement = \"{name}\"` on some lever, found none");
            return Err(place.error(&written.engagement, &message));
        }
        found.push(Engagement { engagement: name.clone(), select: written.select });
    }
    for name in of_levers() {
        if !found.iter().any(|known| known.engagement == *name.get_ref()) {
            let engagement = name.get_ref().clone();
            found.push(Engagement { engagement, select: Select::All });
        }
    }
    Ok(found)
}

/// Joins levers to their engagements and to the levers they come after.
///
/// # Errors
/// If a lever comes after one that can't come before it, or is compared by what it can't tell line by
/// line.
pub(super) fn join(
    place: &Place,
    raw: &raw::Program,
    engagements: &[Engagement],
    levers: &mut [Lever],
) -> Result<(), Error> {
    for (position, written) in raw.lever.iter().enumerate() {
        if let Some(name) = &written.engagement {
            let mut known = engagements.iter();
            let found = known.position(|known| known.engagement == *name.get_ref());
            levers[position].engagement = found;
            let select = found.map_or(Select::All, |found| engagements[found].select);
            levers[position].competes = select != Select::All;
            if select == Select::Best && !by_line(&levers[position]) {
                let message = format!(
                    "expected levers that earn line by line in an engagement with `select = \"best\"`, \
                     found `{}`, which earns on a sum",
                    levers[position].lever
                );
                return Err(place.error(name, &message));
            }
        }
        if let Some(on) = &written.on {
            levers[position].after = after(place, on, position, levers)?;
            levers[position].on_earned = on.get_ref().starts_with(ON_EARNED);
        }
    }
    Ok(())
}

fn by_line(lever: &Lever) -> bool {
    lever.measured.is_none() && lever.grain == Grain::Line
}

/// The position of the lever that comes before; `None`: the lever earns on the base.
fn after(
    place: &Place,
    on: &raw::Text,
    position: usize,
    levers: &[Lever],
) -> Result<Option<usize>, Error> {
    if on.get_ref() == "base" {
        return Ok(None);
    }
    let earned_by = on.get_ref().strip_prefix(ON_EARNED);
    let named = earned_by.or_else(|| on.get_ref().strip_prefix("after ")).unwrap_or_default();
    let Some(found) = levers[..position].iter().position(|lever| lever.lever == named) else {
        let message = format!(
            "expected `base`, or `after` or `earned by` and the key of a lever above, found `{}`",
            on.get_ref()
        );
        return Err(place.error(on, &message));
    };
    let (own, before) = (&levers[position], &levers[found]);
    let unfit = [own, before].into_iter().find(|lever| !by_line(lever) || lever.competes);
    if let Some(unfit) = unfit {
        let message = format!(
            "expected levers that earn line by line and compete with no other, found `{}`",
            unfit.lever
        );
        return Err(place.error(on, &message));
    }
    if own.rates.iter().any(|rate| rate.amount.is_some()) {
        let message = "expected rates beside `on`: a fixed amount looks at no base";
        return Err(place.error(on, message));
    }
    if before.on_earned || earned_by.is_some() && before.after.is_some() {
        let message = format!(
            "expected `earned by` a lever that earns on the base, and none after it, found `{}`",
            on.get_ref()
        );
        return Err(place.error(on, &message));
    }
    let chain = std::iter::successors(Some(found), |&lever| levers[lever].after);
    if chain.count() >= MOST_AFTER_EACH_OTHER {
        let message =
            format!("expected at most {MOST_AFTER_EACH_OTHER} levers one after the other");
        return Err(place.error(on, &message));
    }
    Ok(Some(found))
}
