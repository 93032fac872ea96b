//! A participant: who it is, whether it may earn, what it earned and not, what was ordered and carried.

use super::page::{Page, Section};
use crate::error::{Error, Result};
use duckdb::Connection;
use earnest_core::calendar::Period;

/// Title, JSON key, names and SELECT of a section. The parameters are the participant and the month,
/// `%` for all.
type Block = (&'static str, &'static str, &'static [&'static str], &'static str);

const BLOCKS: &[Block] = &[
    (
        "who",
        "Who",
        &["location", "name", "country", "company", "membership", "from", "until"],
        "SELECT location_id, location_name, country, global_id, status, from_on::VARCHAR,
            until_on::VARCHAR
        FROM memberships_in_force WHERE location_id = ? AND ? IS NOT NULL ORDER BY ALL",
    ),
    (
        "eligibility",
        "Eligible",
        &["program", "period", "eligible", "status", "reason", "missing"],
        "SELECT program, period, CASE WHEN bool_or(met) FILTER (requirement = 'all') THEN 'yes'
                ELSE 'no' END,
            any_value(status) FILTER (requirement = 'all'),
            any_value(eligibility.reason) FILTER (requirement = 'all'),
            string_agg(requirement, ', ' ORDER BY requirement_order)
                FILTER (NOT met AND requirement <> 'all' AND any_of IS NULL)
        FROM eligibility WHERE participant_id = ? AND period LIKE ?
        GROUP BY program, period ORDER BY program, period",
    ),
    (
        "reasons",
        "Why not eligible",
        &["reason", "meaning", "remedy"],
        "SELECT DISTINCT code, sentence, remedy FROM eligibility
        JOIN reasons ON code = reason AND kind = 'outcome'
        WHERE participant_id = ? AND period LIKE ? AND NOT met AND any_of IS NULL ORDER BY ALL",
    ),
    (
        "earned",
        "Earned",
        &["program", "period", "lever", "earning_type", "earnings", "*amount", "program_currency",
            "payment_month"],
        "SELECT program, period, lever, earning_type, count(*)::VARCHAR,
            sum(program_amount)::VARCHAR, program_currency, estimated_payment_month
        FROM earnings WHERE participant_id = ? AND period LIKE ? GROUP BY ALL ORDER BY ALL",
    ),
    (
        "unearned",
        "Not earned",
        &["program", "period", "reason", "lines", "*base", "currency", "meaning", "remedy"],
        "SELECT program, period, reason, count(*)::VARCHAR, sum(base)::VARCHAR,
            transaction_currency, any_value(sentence), any_value(remedy)
        FROM unearned LEFT JOIN reasons ON code = reason AND kind = 'outcome'
        WHERE participant_id = ? AND period LIKE ?
        GROUP BY program, period, reason, transaction_currency ORDER BY ALL",
    ),
    (
        "ordered",
        "Ordered",
        &["payment", "program", "cycle", "earning_type", "due_on", "status", "*gross",
            "program_currency", "*to_pay", "payment_currency"],
        "SELECT payment_id, program, cycle, earning_type, due_on::VARCHAR, status,
            gross_program_amount::VARCHAR, program_currency, total_payment::VARCHAR,
            payment_currency
        FROM payments WHERE participant_id = ? AND cycle LIKE ? ORDER BY cycle, program, earning_type",
    ),
    (
        "balances",
        "Balances",
        &["program", "earning_type", "cycle", "*opening", "-", "*earned", "-", "*converted", "-",
            "*adjusted", "-", "*returned", "-", "*transferred", "-", "*ordered", "-", "*forfeited",
            "-", "*escheated", "-", "*written_off", "-", "*recovered", "-", "*closing",
            "program_currency", "because"],
        "SELECT program, earning_type, cycle, opening::VARCHAR, program_currency, earned::VARCHAR,
            program_currency, nullif(converted_in, 0)::VARCHAR, program_currency,
            nullif(adjusted, 0)::VARCHAR, program_currency, nullif(returned, 0)::VARCHAR,
            program_currency, nullif(transferred_in - transferred_out, 0)::VARCHAR,
            program_currency, ordered::VARCHAR, program_currency, nullif(forfeited, 0)::VARCHAR,
            program_currency, nullif(escheated, 0)::VARCHAR, program_currency,
            nullif(written_off, 0)::VARCHAR, program_currency,
            nullif(recovered_outside, 0)::VARCHAR, program_currency, closing::VARCHAR,
            program_currency, sentence
        FROM balances LEFT JOIN reasons ON code = reason AND kind = 'carry'
        WHERE participant_id = ? AND cycle LIKE ? ORDER BY program, earning_type, cycle",
    ),
    (
        "offsets",
        "Offset against other balances",
        &["program", "earning_type", "cycle", "other_program", "other_earning_type", "*amount",
            "program_currency"],
        "SELECT program, earning_type, cycle, other_program, other_earning_type, amount::VARCHAR,
            program_currency
        FROM offsets WHERE participant_id = ? AND cycle LIKE ? ORDER BY ALL",
    ),
    (
        "lots",
        "What is left of each cycle",
        &["program", "earning_type", "cycle", "origin", "*left", "program_currency",
            "profile_missing_since", "lapses_on"],
        "SELECT program, earning_type, cycle, origin_cycle, amount_left::VARCHAR, program_currency,
            missing_since::VARCHAR, lapses_on::VARCHAR
        FROM balance_lots WHERE participant_id = ? AND cycle LIKE ?
        ORDER BY program, earning_type, cycle, origin_cycle",
    ),
    (
        "statuses",
        "Statuses of payments",
        &["payment", "program", "status", "on", "reference", "comes_back_in", "not_counted_because",
            "note"],
        "SELECT payment_id, program, status, status_on::VARCHAR, reference, returns_in, sentence,
            note
        FROM payment_history LEFT JOIN reasons ON code = reason AND kind = 'status'
        WHERE participant_id = ? AND strftime(status_on, '%Y-%m') LIKE ?
        ORDER BY payment_id, step",
    ),
    (
        "adjustments",
        "Manual adjustments",
        &["adjustment", "kind", "program", "earning_type", "period", "state", "cycle", "*amount",
            "currency", "reason", "explanation", "requested_by", "approved_by", "because"],
        "SELECT adjustment_id, adjustments.kind, program, earning_type, period, state, cycle,
            amount::VARCHAR, currency, adjustment_reason, explanation, requested_by, approved_by,
            sentence
        FROM adjustments LEFT JOIN reasons ON code = reason AND reasons.kind = 'posting'
        WHERE participant_id = ? AND coalesce(cycle, period) LIKE ?
        ORDER BY adjustment_id, program",
    ),
    (
        "coop_fund",
        "Co-op fund",
        &["program", "fund_half", "*earned", "-", "*adjusted", "-", "*rolled_in", "-", "*converted",
            "-", "*claims_paid", "-", "*expired", "-", "*expiry_reversed", "-", "*rolled_out", "-",
            "*left", "-", "*reserved", "-", "*available", "program_currency", "claimed_from",
            "claimed_until", "ends_on", "rolls_to"],
        "SELECT program, fund_half, earned::VARCHAR, program_currency,
            nullif(adjusted, 0)::VARCHAR, program_currency, nullif(rolled_in, 0)::VARCHAR,
            program_currency, nullif(converted, 0)::VARCHAR, program_currency,
            nullif(claims_paid, 0)::VARCHAR, program_currency, nullif(expired, 0)::VARCHAR,
            program_currency, nullif(expiry_reversed, 0)::VARCHAR, program_currency,
            nullif(rolled_out, 0)::VARCHAR, program_currency, \"left\"::VARCHAR, program_currency,
            nullif(reserved, 0)::VARCHAR, program_currency, available::VARCHAR, program_currency,
            claim_from::VARCHAR, (claim_until - 1)::VARCHAR, ends_on::VARCHAR, rolls_to
        FROM coop_fund WHERE participant_id = ? AND ? IS NOT NULL ORDER BY program, half_from",
    ),
    (
        "claims",
        "Claims",
        &["claim", "program", "fund_half", "activity", "month", "status", "submitted", "decision",
            "*asked", "-", "*allowed", "-", "exchange_rate", "*of_the_fund", "program_currency",
            "payment", "because", "note"],
        "SELECT claim_id, program, fund_half, activity, activity_period, status,
            submitted_on::VARCHAR, decision, asked_amount::VARCHAR, claim_currency,
            nullif(allowed_amount, 0)::VARCHAR, claim_currency, exchange_rate::VARCHAR,
            nullif(program_amount, 0)::VARCHAR, program_currency, payment_id, sentence, note
        FROM claim_items LEFT JOIN reasons ON code = reason AND kind = 'claim'
        WHERE participant_id = ? AND activity_period LIKE ?
        ORDER BY submitted_on, claim_id, decision, reason",
    ),
];

/// The page of a participant, of one month or all. Orders and balances are named by their cycle.
pub fn explain(connection: &Connection, id: &str, period: Option<&str>) -> Result<Page> {
    let month = match period {
        None => "%".to_owned(),
        Some(period) => {
            let parsed: Period =
                period.parse().map_err(|error| Error::usage(format!("`--period`: {error}")))?;
            parsed.to_string()
        }
    };
    let mut page = Page::default();
    for (key, title, names, sql) in BLOCKS {
        page.sections.push(Section::of(connection, key, title, names, sql, &[id, &month])?);
    }
    if page.sections.iter().all(|section| section.rows.is_empty()) {
        let found = if period.is_some() { "none such in that month" } else { "none such" };
        return Err(Error::usage(format!(
            "participant `{id}`: expected a participant id, found {found}"
        ))
        .hint("`earnest query \"select distinct participant_id from eligibility\"` lists them"));
    }
    for section in &mut page.sections {
        for row in 0..section.rows.len() {
            match section.key.as_str() {
                "balances" => movements(section, row),
                "coop_fund" => fund(section, row),
                _ => {}
            }
        }
    }
    Ok(page)
}

/// opening + what came in − what went out = closing.
fn movements(section: &mut Section, row: usize) {
    use earnest_core::decimal::{AMOUNT_SCALE, format, parse};
    let value = |name: &str| parse(section.cell(row, name), AMOUNT_SCALE).unwrap_or_default();
    let came = ["opening", "earned", "converted", "adjusted", "returned", "transferred"];
    let went = ["ordered", "forfeited", "escheated", "written_off", "recovered"];
    let sum = |names: &[&str]| names.iter().map(|name| value(name)).sum::<i128>();
    let closing = format(sum(&came) - sum(&went), AMOUNT_SCALE, 0);
    let what = format!(
        "is what {} leaves in {} ({})",
        section.cell(row, "program"),
        section.cell(row, "cycle"),
        section.cell(row, "earning_type")
    );
    let (expected, currency) =
        (section.cell(row, "closing").to_owned(), section.cell(row, "program_currency").to_owned());
    section.add(&what, &closing, &expected, &currency);
}

/// Every movement of a fund leaves what is left, and that is reserved + available.
fn fund(section: &mut Section, row: usize) {
    use earnest_core::decimal::{AMOUNT_SCALE, format, parse};
    let value = |name: &str| parse(section.cell(row, name), AMOUNT_SCALE).unwrap_or_default();
    let came = value("earned") + value("adjusted") + value("rolled_in") + value("expiry_reversed");
    let went = value("converted") + value("claims_paid") + value("expired") + value("rolled_out");
    let place = format!("{} in {}", section.cell(row, "program"), section.cell(row, "fund_half"));
    let left = section.cell(row, "left").to_owned();
    let currency = section.cell(row, "program_currency").to_owned();
    let moved = format(came - went, AMOUNT_SCALE, 0);
    let parts = format(value("reserved") + value("available"), AMOUNT_SCALE, 0);
    section.add(&format!("is what is left of {place}"), &moved, &left, &currency);
    section.add(&format!("is reserved + available of {place}"), &parts, &left, &currency);
}
