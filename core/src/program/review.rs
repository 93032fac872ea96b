//! What is doubtful in a program file that can be read. In: a program and its text. Out: findings with
//! line, what was expected and found, and what to do. Nothing here needs data.

mod dates;
mod limits;

use super::places::Places;
use super::{Filter, Lever, Program, Role};

/// What is wrong or doubtful at a place of a program file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Counted from 1.
    pub line: usize,
    pub severity: Severity,
    /// Expected, found.
    pub message: String,
    pub remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file says something that it can't mean.
    Error,
    /// It may be meant.
    Warning,
}

impl Severity {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl Finding {
    pub fn error(line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let (message, remedy) = (message.into(), remedy.into());
        Finding { line, severity: Severity::Error, message, remedy }
    }

    pub fn warning(line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(line, message, remedy) }
    }
}

/// Everything that the file alone tells, by line.
#[must_use]
pub fn review(program: &Program) -> Vec<Finding> {
    let places = Places::of(&program.text);
    let mut findings = Vec::new();
    dates::gaps(program, &places, &mut findings);
    dates::never(program, &places, &mut findings);
    limits::tiers(program, &places, &mut findings);
    limits::caps(program, &places, &mut findings);
    limits::funds(program, &places, &mut findings);
    for (place, lever) in program.levers.iter().enumerate() {
        shadowed(program, &places, place, lever, &mut findings);
        if let Some(filter) = &lever.filter
            && !may_hold(filter)
        {
            let line = places.lever(place);
            let message = format!(
                "expected a filter that some transaction passes, found one that none can in `{}`",
                lever.lever
            );
            let remedy = "look for an empty `in`, or for `at_least` above `at_most`";
            findings.push(Finding::error(line, message, remedy));
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// The roles that a rate is for.
fn roles<'a>(program: &'a Program, own: &'a [Role]) -> &'a [Role] {
    if own.is_empty() { &program.pays } else { own }
}

/// Rates that an earlier one for every product leaves nothing.
fn shadowed(
    program: &Program,
    places: &Places,
    place: usize,
    lever: &Lever,
    findings: &mut Vec<Finding>,
) {
    for (later, rate) in lever.rates.iter().enumerate() {
        let whole = |earlier: &super::LeverRate| {
            let theirs = roles(program, &earlier.partner_types);
            earlier.product_groups.iter().any(|group| group == "*")
                && earlier.countries == super::Countries::default()
                && earlier.days.first() <= rate.days.first()
                && rate.days.end() <= earlier.days.end()
                && roles(program, &rate.partner_types).iter().all(|role| theirs.contains(role))
        };
        if let Some(earlier) = lever.rates[..later].iter().position(whole) {
            let message = format!(
                "expected a rate that some product reaches, found that the one in line {} comes \
                 first for every product",
                places.rate(place, earlier)
            );
            let remedy = "put the rate of `*` last: the first that matches counts";
            findings.push(Finding::error(places.rate(place, later), message, remedy));
        }
    }
}

/// False if no transaction can pass.
fn may_hold(filter: &Filter) -> bool {
    match filter {
        Filter::AllOf(filters) => filters.iter().all(may_hold),
        Filter::AnyOf(filters) => filters.iter().any(may_hold),
        Filter::Not(_) => true,
        Filter::In { values, .. } => !values.is_empty(),
        Filter::Range { at_least: Some(least), at_most: Some(most), .. } => least <= most,
        Filter::Range { .. } => true,
    }
}

#[cfg(test)]
mod tests;
