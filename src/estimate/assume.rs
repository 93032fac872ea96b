//! A program file for an estimate. In: its text, and which exports are given. Out: the file with what is assumed,
//! and with only the lever and the term that were asked for.

use super::{ENROLLMENTS, Request};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Requirements by the format of the export that decides them.
const DECIDED_BY: &[(&str, &str)] = &[
    ("mpn_agreement", "agreements"),
    ("cloud_distributor_agreement", "agreements"),
    ("reseller_agreement", "agreements"),
    ("mpn_membership", "memberships"),
    ("first_transaction", "memberships"),
    ("location_country", "memberships"),
    ("competency", "competencies"),
    ("designation", "designations"),
    ("trailing_revenue", "transactions of the whole window"),
    ("enrollment", ENROLLMENTS),
];

/// The program file with what is assumed, and with only the lever and the term that were asked for.
pub fn assume(
    request: &Request,
    name: &str,
    text: &str,
    assumed: &mut Vec<String>,
) -> Result<Table> {
    let mut program: Table =
        toml::from_str(text).map_err(|error| Error::usage(format!("{name}: {error}")))?;
    let given = |format: &str| request.exports.iter().any(|(given, _)| given == format);
    if let Some(Value::Array(requirements)) = program.get_mut("requirement") {
        requirements.retain(|requirement| {
            let members = requirement.get("any_of").and_then(Value::as_array);
            let members = members.map_or(std::slice::from_ref(requirement), Vec::as_slice);
            let lacking = members.iter().find_map(|member| {
                let asked = member.get("requirement").and_then(Value::as_str).unwrap_or_default();
                let (_, by) = DECIDED_BY.iter().find(|(known, _)| *known == asked)?;
                (!given(by)).then(|| format!("`{asked}` is met; `{by}` decide it"))
            });
            let kept = lacking.is_none();
            assumed.extend(lacking);
            kept
        });
    }
    // What follows a program needs no estimate: balances move by approved transfers only.
    program.remove("successor");
    if !given("participant-map") {
        program.insert("unmapped".to_owned(), Value::String("self".to_owned()));
        assumed.push("every partner id is its own participant; `participant-map` tells".to_owned());
    }
    if !given(ENROLLMENTS) {
        let text = "everybody is paid in the program's currency; `enrollments` tell";
        assumed.push(text.to_owned());
    }
    for (what, asked) in [("lever", request.lever), ("term", request.term)] {
        let Some(asked) = asked else { continue };
        let Some(Value::Array(all)) = program.get_mut(what) else { continue };
        let id = |entry: &Value| entry.get(what).and_then(Value::as_str).map(str::to_owned);
        let known: Vec<String> = all.iter().filter_map(id).collect();
        all.retain(|entry| id(entry).as_deref() == Some(asked));
        if all.is_empty() {
            let message = format!("{name}: expected a {what} of the program, found `{asked}`");
            let hint = format!("the {what}s are {}", known.join(", "));
            return Err(Error::usage(message).hint(hint));
        }
    }
    if request.term.is_some() {
        within_term(&mut program);
    }
    if let Some(lever) = request.lever {
        if let Some(by) = earned_by(&program) {
            let message = format!("{name}: expected a lever that earns by itself, found `{lever}`");
            return Err(Error::usage(message).hint(format!("it earns on what is {by}")));
        }
        stand_alone(&mut program, assumed);
    }
    of_known_levers(&mut program);
    Ok(program)
}

/// On whose earning the lever that is left earns, if it does.
fn earned_by(program: &Table) -> Option<&str> {
    let mut levers = program.get("lever").and_then(Value::as_array)?.iter();
    let on = levers.find_map(|lever| lever.get("on").and_then(Value::as_str))?;
    on.starts_with("earned by ").then_some(on)
}

/// What the lever that is left says of others: it competes with none, and earns on the base.
fn stand_alone(program: &mut Table, assumed: &mut Vec<String>) {
    program.remove("engagement");
    if let Some(Value::Array(levers)) = program.get_mut("lever") {
        let on = levers.iter_mut().filter_map(Value::as_table_mut).find_map(|it| it.remove("on"));
        if let Some(Value::String(on)) = on.filter(|on| on.as_str() != Some("base")) {
            assumed.push(format!("nothing is earned before, although the lever earns `{on}`"));
        }
    }
}

/// Takes out rates and tables of which no day lies in the term that is left, and levers that then have none.
fn within_term(program: &mut Table) {
    // Days are ISO texts, which compare like days.
    let day = |entry: &Value, key: &str, open: &str| {
        entry.get(key).and_then(Value::as_str).unwrap_or(open).to_owned()
    };
    let range = |entry: &Value| (day(entry, "from", ""), day(entry, "until", "9999-12-31"));
    let terms = program.get("term").and_then(Value::as_array);
    let Some((from, until)) = terms.and_then(|terms| terms.first()).map(range) else { return };
    let Some(Value::Array(levers)) = program.get_mut("lever") else { return };
    let mut gone: BTreeMap<String, Option<Value>> = BTreeMap::new();
    levers.retain_mut(|lever| {
        let mut left = false;
        for key in ["rate", "tiers"] {
            let Some(Value::Array(dated)) = lever.get_mut(key) else { continue };
            dated.retain(|entry| {
                let (first, last) = range(entry);
                first <= until && from <= last
            });
            left |= !dated.is_empty();
        }
        if let (false, Some(name)) = (left, lever.get("lever").and_then(Value::as_str)) {
            gone.insert(format!("after {name}"), lever.get("on").cloned());
        }
        left
    });
    // What comes after a lever that earns nothing in the term comes after what that one came after.
    for lever in levers.iter_mut().filter_map(Value::as_table_mut) {
        while let Some(on) = lever.get("on").and_then(Value::as_str).and_then(|on| gone.get(on)) {
            match on.clone() {
                Some(on) => lever.insert("on".to_owned(), on),
                None => lever.remove("on"),
            };
        }
    }
}

/// Caps and engagements name only levers that are left; those that have none go.
fn of_known_levers(program: &mut Table) {
    let levers = program.get("lever").and_then(Value::as_array).into_iter().flatten();
    let of = |entry: &Value| entry.get("engagement").and_then(Value::as_str).map(str::to_owned);
    let engaged: Vec<String> = levers.filter_map(of).collect();
    for key in ["cap", "engagement"] {
        if let Some(Value::Array(entries)) = program.get_mut(key) {
            entries.retain(|entry| of(entry).is_none_or(|name| engaged.contains(&name)));
        }
    }
    let levers = program.get("lever").and_then(Value::as_array).into_iter().flatten();
    let known: Vec<String> = levers
        .filter_map(|lever| lever.get("lever").and_then(Value::as_str))
        .map(str::to_owned)
        .collect();
    let Some(Value::Array(caps)) = program.get_mut("cap") else { return };
    caps.retain_mut(|cap| {
        let Some(Value::Array(of)) = cap.get_mut("levers") else { return true };
        of.retain(|lever| lever.as_str().is_some_and(|key| known.iter().any(|one| one == key)));
        !of.is_empty()
    });
}
