//! Country classes: named lists of countries, so that rates and amounts can differ by market.

use super::load::Place;
use super::raw;
use crate::Error;

/// Which countries a rate asks for, as ISO 3166 codes, sorted; empty is every country, known or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Countries {
    /// Of the end customer, as the line says.
    pub customer: Vec<String>,
    /// Of the participant, as its memberships of the day say.
    pub partner: Vec<String>,
}

impl Countries {
    /// True if a line's customer and its participant are in them. `None` and none are not known.
    #[must_use]
    pub fn hold(&self, customer: Option<&str>, partner: &[String]) -> bool {
        let holds = |asked: &[String], found: &str| asked.iter().any(|one| one == found);
        (self.customer.is_empty() || customer.is_some_and(|found| holds(&self.customer, found)))
            && (self.partner.is_empty() || partner.iter().any(|found| holds(&self.partner, found)))
    }

    /// True if some line that `later` takes is taken by these already.
    pub(super) fn overlap(&self, later: &Countries) -> bool {
        let meets = |earlier: &[String], later: &[String]| {
            earlier.is_empty() || earlier.iter().any(|one| later.contains(one))
        };
        meets(&self.customer, &later.customer) && meets(&self.partner, &later.partner)
    }
}

/// A country of two capital letters.
pub(super) fn country(place: &Place, at: &raw::Text) -> Result<String, Error> {
    let code = at.get_ref();
    if is_code(code) {
        return Ok(code.clone());
    }
    let message = format!("expected a country of two capital letters, found `{code}`");
    Err(place.error(at, &message))
}

fn is_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The countries that names of classes and codes mean together.
pub(super) fn countries(
    place: &Place,
    classes: &[raw::CountryClass],
    named: &[raw::Text],
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for name in named {
        match classes.iter().find(|class| class.class.get_ref() == name.get_ref()) {
            Some(class) => {
                found.extend(class.countries.iter().map(|code| code.get_ref().clone()));
            }
            None if is_code(name.get_ref()) => found.push(name.get_ref().clone()),
            None => {
                let known: Vec<&str> =
                    classes.iter().map(|class| class.class.get_ref().as_str()).collect();
                let message = format!(
                    "expected a country, or a class of `[[country_class]]` (`{}`), found `{}`",
                    known.join("`, `"),
                    name.get_ref()
                );
                return Err(place.error(name, &message));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Checks the classes of a file.
///
/// # Errors
/// If a class is named twice or like a country, is empty, or lists what is no country.
pub(super) fn check_classes(place: &Place, classes: &[raw::CountryClass]) -> Result<(), Error> {
    for (position, class) in classes.iter().enumerate() {
        let name = class.class.get_ref();
        if is_code(name) {
            let message =
                format!("expected a class that isn't named like a country, found `{name}`");
            return Err(place.error(&class.class, &message));
        }
        if classes[..position].iter().any(|earlier| earlier.class.get_ref() == name) {
            let message = format!("expected country classes once, found `{name}` twice");
            return Err(place.error(&class.class, &message));
        }
        if class.countries.is_empty() {
            return Err(place.error(&class.class, "expected at least one country in `countries`"));
        }
        for code in &class.countries {
            country(place, code)?;
        }
    }
    Ok(())
}
