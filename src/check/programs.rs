//! What the published tables say against program files. In: programs, their files, and a connection over
//! a snapshot. Out: doubts. What a file alone tells is in `core`'s `program/review.rs`.

use super::doubt::Doubt;
use super::program_tables;
use crate::error::Result;
use crate::query::{literal, text_rows};
use chrono::NaiveDate;
use duckdb::Connection;
use earnest_core::program::places::Places;
use earnest_core::program::review::{Finding, review};
use earnest_core::program::{ConditionKind, Days, Lever, LeverRate, Program};
use std::collections::HashSet;
use std::path::PathBuf;

/// Reads program files one by one. Those that can't be read are doubts, the others come with what they
/// alone tell.
#[must_use]
pub fn read(paths: &[PathBuf]) -> (Vec<(String, Program)>, Vec<Doubt>) {
    let (mut programs, mut doubts) = (Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                doubts.push(Doubt::of_error(&file, &error.to_string()));
                continue;
            }
        };
        match Program::parse(&file, &text) {
            Ok(program) => {
                let found = review(&program);
                doubts.extend(found.into_iter().map(|finding| Doubt::of_program(&file, finding)));
                programs.push((file, program));
            }
            Err(error) => doubts.push(Doubt::of_error(&file, &error.0)),
        }
    }
    (programs, doubts)
}

/// What the tables of a snapshot tell about the programs; nothing if it has no transactions.
///
/// # Errors
/// If DuckDB breaks.
pub fn against_tables(
    connection: &Connection,
    programs: &[(String, Program)],
) -> Result<Vec<Doubt>> {
    let Some(seen) = seen(connection)? else { return Ok(Vec::new()) };
    let loaded: Vec<Program> = programs.iter().map(|(_, program)| program.clone()).collect();
    program_tables::load(connection, &loaded)?;
    let groups = texts(connection, "SELECT DISTINCT product_group FROM product_groups_in_force")?;
    let matched = texts(
        connection,
        "SELECT concat(program, chr(9), lever) FROM earnings
         UNION SELECT concat(program, chr(9), lever) FROM unearned",
    )?;
    let without_rate = text_rows(connection, WITHOUT_RATE, &[])?;
    let mut doubts = Vec::new();
    for (file, program) in programs {
        let places = Places::of(&program.text);
        let mut findings = Vec::new();
        unknown_groups(program, &places, &groups, &seen, &mut findings);
        matched_nothing(program, &places, (&groups, &matched), &seen, &mut findings);
        findings.extend(currencies(program, &places, &without_rate));
        findings.extend(expired(connection, program, &places)?);
        doubts.extend(findings.into_iter().map(|finding| Doubt::of_program(file, finding)));
    }
    Ok(doubts)
}

fn texts(connection: &Connection, sql: &str) -> Result<HashSet<String>> {
    Ok(text_rows(connection, sql, &[])?.into_iter().flatten().flatten().collect())
}

/// The days of transactions in force.
fn seen(connection: &Connection) -> Result<Option<Days>> {
    let sql = "SELECT min(transaction_on)::VARCHAR, max(transaction_on + 1)::VARCHAR
        FROM transactions_in_force";
    let day =
        |text: &Option<String>| -> Option<NaiveDate> { text.as_deref()?.get(..10)?.parse().ok() };
    let rows = text_rows(connection, sql, &[])?;
    let row = rows.first().map(|row| (day(&row[0]), day(&row[1])));
    Ok(match row {
        Some((Some(first), Some(end))) => Some(Days { from: Some(first), until: Some(end) }),
        _ => None,
    })
}

/// True if the rate is in force on a day of a term that has transactions.
fn in_force(program: &Program, rate: &LeverRate, seen: &Days) -> bool {
    program.terms.iter().any(|term| {
        let first = rate.days.first().max(term.days.first()).max(seen.first());
        first < rate.days.end().min(term.days.end()).min(seen.end())
    })
}

fn unknown_groups(
    program: &Program,
    places: &Places,
    known: &HashSet<String>,
    seen: &Days,
    findings: &mut Vec<Finding>,
) {
    let remedy = "correct the name, or deliver the group's products in the product-groups export";
    for (place, lever) in program.levers.iter().enumerate() {
        for group in lever.product_groups() {
            let asked = |rate: &&LeverRate| rate.product_groups.iter().any(|own| own == group);
            let now = lever.rates.iter().filter(asked).any(|rate| in_force(program, rate, seen));
            if group == "*" || known.contains(group) || !now {
                continue;
            }
            let line = places.group(&program.text, place, group);
            let message = format!(
                "expected a product group that has products, found `{group}`, which has none"
            );
            findings.push(Finding::error(line, message, remedy));
        }
    }
    for (requirement, line) in program.requirements.iter().zip(&places.requirements) {
        for condition in &requirement.conditions {
            let ConditionKind::TrailingRevenue(trailing) = &condition.kind else { continue };
            let lacking = trailing.product_groups.iter().filter(|group| !known.contains(*group));
            for group in lacking.filter(|_| requirement.days.overlap(seen)) {
                let message = format!(
                    "expected a product group that has products, found `{group}`, which has none"
                );
                findings.push(Finding::error(*line, message, remedy));
            }
        }
    }
}

fn matched_nothing(
    program: &Program,
    places: &Places,
    (groups, matched): (&HashSet<String>, &HashSet<String>),
    seen: &Days,
    findings: &mut Vec<Finding>,
) {
    let has_products = |lever: &Lever| {
        lever.product_groups().iter().any(|group| *group == "*" || groups.contains(*group))
    };
    for (place, lever) in program.levers.iter().enumerate() {
        let now = lever.rates.iter().any(|rate| in_force(program, rate, seen));
        let key = format!("{}\t{}", program.program, lever.lever);
        if now && has_products(lever) && !matched.contains(&key) {
            let message = format!(
                "expected `{}` to match some transaction, found none in the last run",
                lever.lever
            );
            let remedy = "look at its groups, dates, partner types and filter, and at what is out of \
                          scope: `earnest query \"select reason, count(*) from out_of_scope group by all\"`";
            findings.push(Finding::warning(places.lever(place), message, remedy));
        }
    }
}

/// Per program × currency: lines of its roles in months that have no earning rate.
const WITHOUT_RATE: &str = "
    WITH lines AS (
        SELECT role, transaction_currency, period, count(*) AS lines
        FROM (
            SELECT transaction_currency, period, unnest(CASE
                WHEN reseller_partner_id IS NULL THEN ['direct'] ELSE ['provider', 'reseller'] END) AS role
            FROM transactions_in_force
        ) GROUP BY ALL
    )
    SELECT program, transaction_currency, string_agg(DISTINCT period, ', ' ORDER BY period),
        sum(lines)::BIGINT::VARCHAR
    FROM lines JOIN program_role USING (role) JOIN program USING (program)
    ANTI JOIN (
        SELECT from_currency AS transaction_currency, to_currency AS currency, period
        FROM exchange_rates_in_force WHERE rate_type = 'earning'
        GROUP BY ALL HAVING count(DISTINCT rate) = 1
    ) USING (transaction_currency, currency, period)
    WHERE transaction_currency <> currency
    GROUP BY ALL ORDER BY ALL";

fn currencies<'a>(
    program: &'a Program,
    places: &'a Places,
    rows: &'a [Vec<Option<String>>],
) -> impl Iterator<Item = Finding> + 'a {
    let text = |cell: &'a Option<String>| cell.as_deref().unwrap_or_default();
    rows.iter().filter(move |row| text(&row[0]) == program.program).map(move |row| {
        let [_, currency, periods, lines] = [0, 1, 2, 3].map(|column| text(&row[column]));
        let message = format!(
            "expected earning rates from {currency} to {}, found none in {periods}: {lines} lines of the \
             program's roles are held with `NORATE`",
            program.currency
        );
        let remedy = "deliver the months' rates in the exchange-rates export";
        Finding::warning(places.currency, message, remedy)
    })
}

/// Lines after the last term that would match what earned on its last day.
fn expired(connection: &Connection, program: &Program, places: &Places) -> Result<Option<Finding>> {
    let last = program.terms.iter().enumerate().max_by_key(|(_, term)| term.days.end());
    let Some((place, term)) = last else { return Ok(None) };
    let Some(end) = term.days.until else { return Ok(None) };
    let Some(last_day) = end.pred_opt() else { return Ok(None) };
    let covered: HashSet<String> = program
        .levers
        .iter()
        .flat_map(|lever| lever.rates.iter().map(move |rate| (lever, rate)))
        .filter(|(_, rate)| rate.days.contain(last_day))
        .flat_map(|(lever, rate)| {
            let draws = lever.draws.name();
            rate.product_groups.iter().map(move |group| format!("({}, '{draws}')", literal(group)))
        })
        .collect();
    if covered.is_empty() {
        return Ok(None);
    }
    let mut covered: Vec<String> = covered.into_iter().collect();
    covered.sort();
    let roles: Vec<String> = program.pays.iter().map(|role| format!("'{}'", role.name())).collect();
    let sql = format!(
        "WITH covered (product_group, data_role) AS (VALUES {}),
        lines AS (
            SELECT * FROM transactions_in_force AS line
            WHERE transaction_on >= DATE '{end}'
                AND list_has_any([{}], CASE WHEN reseller_partner_id IS NULL THEN ['direct']
                    ELSE ['provider', 'reseller'] END)
        )
        SELECT count(*)::VARCHAR, min(transaction_on)::VARCHAR, max(transaction_on)::VARCHAR
        FROM (
            SELECT DISTINCT lines.source, transaction_id, transaction_on FROM lines JOIN covered
                ON covered.data_role = lines.data_role
            LEFT JOIN product_groups_in_force AS members
                ON members.product_group = covered.product_group
                AND members.product_id = lines.product_id
                AND coalesce(members.sku_id, '') IN ('', lines.sku_id)
                AND coalesce(members.from_on <= transaction_on, true)
                AND coalesce(transaction_on < members.until_on, true)
            WHERE covered.product_group = '*' OR members.product_id IS NOT NULL
        )",
        covered.join(", "),
        roles.join(", ")
    );
    let rows = text_rows(connection, &sql, &[])?;
    let cells: Vec<&str> = rows.iter().flatten().filter_map(Option::as_deref).collect();
    let [count, first, last] = cells[..] else { return Ok(None) };
    let line = places.terms.get(place).copied().unwrap_or(places.program);
    let message = format!(
        "expected no lines after the last term `{}` ends on {last_day}, found {count} that would match, \
         from {first} to {last}",
        term.term
    );
    let remedy = "add the next [[term]], or name the program that follows in `successor`";
    Ok((count != "0").then(|| Finding::warning(line, message, remedy)))
}
