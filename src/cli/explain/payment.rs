//! A payment: order → items → levers and rates → transactions, each level added up again.

use super::conversion::CONVERTED;
use super::life;
use super::page::{Page, Section};
use crate::error::{Error, Result};
use crate::payments::{CLAIM, FORFEITURE, ROLLOVER};
use duckdb::Connection;
use earnest_core::currency::minor_units;
use earnest_core::decimal::{
    MONEY_SCALE, RATE_SCALE, Rounding, Unit, format, parse, power_of_ten, round_product,
    round_ratio,
};

const PAYMENT: &str = "
    SELECT payment_id, program, earning_type, participant_id, payment_method, cycle, due_on::VARCHAR,
        status, gross_program_amount::VARCHAR, program_currency, exchange_rate::VARCHAR,
        gross_amount::VARCHAR, payment_currency, withheld_tax::VARCHAR, payment_currency,
        sales_tax::VARCHAR, payment_currency, total_payment::VARCHAR, payment_currency
    FROM payments WHERE payment_id = ?";
const PAYMENT_NAMES: &[&str] = &[
    "payment_id",
    "program",
    "earning_type",
    "participant_id",
    "payment_method",
    "cycle",
    "due_on",
    "status",
    "*gross_program_amount",
    "program_currency",
    "exchange_rate",
    "*gross_amount",
    "payment_currency",
    "*withheld_tax",
    "-",
    "*sales_tax",
    "-",
    "*total_payment",
    "-",
];

const ITEMS: &str = "
    SELECT period, origin_cycle, lever, kind, earnings::VARCHAR, program_amount::VARCHAR,
        program_currency, payment_amount::VARCHAR, payment_currency,
        nullif(withheld_tax, 0)::VARCHAR, payment_currency, nullif(sales_tax, 0)::VARCHAR,
        payment_currency
    FROM payment_items WHERE payment_id = ? ORDER BY period, lever, kind";
const ITEM_NAMES: &[&str] = &[
    "period",
    "origin_cycle",
    "lever",
    "kind",
    "earnings",
    "*program_amount",
    "program_currency",
    "*payment_amount",
    "payment_currency",
    "*withheld_tax",
    "-",
    "*sales_tax",
    "-",
];

const RATES: &str = "
    SELECT term, product_group, count(*)::VARCHAR, sum(base)::VARCHAR, transaction_currency,
        earning_rate::VARCHAR, share::VARCHAR, sum(earning_amount)::VARCHAR, transaction_currency,
        exchange_rate::VARCHAR, sum(program_amount)::VARCHAR, program_currency
    FROM regular_earnings
    WHERE program = ? AND participant_id = ? AND earning_type = ? AND period = ? AND lever = ?
        AND transaction_currency LIKE ?
    GROUP BY ALL ORDER BY ALL";
const RATE_NAMES: &[&str] = &[
    "term",
    "product_group",
    "earnings",
    "*base",
    "-",
    "earning_rate",
    "share",
    "*earning_amount",
    "-",
    "exchange_rate",
    "*program_amount",
    "program_currency",
];

const LINES: &str = "
    SELECT coalesce(transaction_id, aggregate_key), transaction_on::VARCHAR,
        coalesce('reverses ' || original_transaction_id,
            CASE WHEN aggregate_key IS NOT NULL THEN (
                SELECT concat_ws('; ', count(*) || ' lines', tier_text(tier_detail))
                FROM earning_sources WHERE earning_sources.earning_id = regular_earnings.earning_id)
                END,
            nullif(concat_ws('; ', tier_text(tier_detail),
                CASE WHEN forgone_amount <> 0 THEN concat('cap left out ', forgone_amount) END), '')),
        customer_id, base::VARCHAR, transaction_currency, earning_amount::VARCHAR,
        transaction_currency, program_amount::VARCHAR, program_currency
    FROM regular_earnings
    WHERE program = ? AND participant_id = ? AND earning_type = ? AND period = ? AND lever = ?
        AND transaction_currency LIKE ?
    ORDER BY abs(program_amount) DESC, 1, original_transaction_id";
const LINE_NAMES: &[&str] = &[
    "transaction",
    "on",
    "note",
    "customer",
    "*base",
    "-",
    "*earning_amount",
    "-",
    "*program_amount",
    "program_currency",
];

const THRESHOLD: &str = "
    SELECT \"window\", outcome, measured::VARCHAR, coop_fund.program_currency, threshold::VARCHAR,
        coop_fund.program_currency, decided_on::VARCHAR
    FROM determinations JOIN coop_fund
        ON coop_fund.program = determinations.program AND participant_id = subject
        AND fund_half = \"window\"
    WHERE kind = 'coop_threshold' AND determinations.program = ? AND subject = ?
        AND strftime(half_until - INTERVAL 1 DAY, '%Y-%m') = ?";
const THRESHOLD_NAMES: &[&str] =
    &["half", "outcome", "*measured", "-", "*threshold", "program_currency", "decided_on"];

/// Late earnings, or adjustments, of the cycles from the item's origin to the payment's.
const CHANGES: &str = "
    SELECT coalesce(transaction_id, aggregate_key), transaction_on::VARCHAR,
        'reverses ' || original_transaction_id, cause, corrects, settled_before::VARCHAR,
        program_currency, earned_now::VARCHAR, program_currency, program_amount::VARCHAR,
        program_currency, earning_amount::VARCHAR, transaction_currency
    FROM settlement_changes
    WHERE program = ? AND participant_id = ? AND earning_type = ? AND period = ? AND lever = ?
        AND transaction_currency LIKE ? AND kind = ? AND cycle BETWEEN ? AND ?
    ORDER BY abs(program_amount) DESC, 1, original_transaction_id";
const CHANGE_NAMES: &[&str] = &[
    "transaction",
    "on",
    "note",
    "cause",
    "corrects",
    "*settled_before",
    "-",
    "*earned_now",
    "-",
    "*program_amount",
    "program_currency",
    "*earning_amount",
    "-",
];

/// The part of a claim that a payment pays, and the parts of it that were refused.
const CLAIM_ROWS: &str = "
    SELECT claim_id, fund_half, activity, activity_period, submitted_on::VARCHAR, decision,
        asked_amount::VARCHAR, claim_currency, allowed_amount::VARCHAR, claim_currency,
        program_amount::VARCHAR, program_currency, sentence
    FROM claim_items LEFT JOIN reasons ON code = reason AND kind = 'claim'
    WHERE (claim_id, program, participant_id) IN
        (SELECT claim_id, program, participant_id FROM claim_items WHERE payment_id = ?)
    ORDER BY decision, reason";
const CLAIM_NAMES: &[&str] = &[
    "claim",
    "fund_half",
    "activity",
    "month",
    "submitted",
    "decision",
    "*asked",
    "-",
    "*allowed",
    "-",
    "*of_the_fund",
    "program_currency",
    "because",
];

/// The page of a payment; `lines` is how many transactions per item are shown.
pub fn explain(connection: &Connection, id: &str, lines: usize) -> Result<Page> {
    let title = format!("Payment {id}");
    let mut payment = Section::of(connection, "payment", &title, PAYMENT_NAMES, PAYMENT, &[id])?;
    if payment.rows.is_empty() {
        return Err(Error::usage(format!(
            "payment `{id}`: expected a payment id, found none such"
        ))
        .hint(
            "`earnest query \"select payment_id, participant_id, cycle from payments\"` lists them",
        ));
    }
    let mut items = Section::of(connection, "items", "Items", ITEM_NAMES, ITEMS, &[id])?;
    let (program_currency, currency) = (
        payment.cell(0, "program_currency").to_owned(),
        payment.cell(0, "payment_currency").to_owned(),
    );
    let (gross_program, gross) = (
        payment.cell(0, "gross_program_amount").to_owned(),
        payment.cell(0, "gross_amount").to_owned(),
    );
    convert(&mut payment)?;
    items.add(
        "is the order's gross in program currency",
        &items.total("program_amount"),
        &gross_program,
        &program_currency,
    );
    items.add(
        "is the order's gross in payment currency",
        &items.total("payment_amount"),
        &gross,
        &currency,
    );
    for tax in ["withheld_tax", "sales_tax"] {
        let expected = payment.cell(0, tax).to_owned();
        items.add(&format!("is the order's {tax}"), &items.total(tax), &expected, &currency);
    }
    let mut details = life::statuses(connection, id)?;
    for row in 0..items.rows.len() {
        details.extend(item(connection, &payment, &items, row, lines)?);
    }
    let mut page = Page { sections: vec![payment, items] };
    page.sections.extend(details);
    Ok(page)
}

/// Gross in program currency ÷ rate, rounded once, minus tax withheld, plus sales tax. Without a rate,
/// gross is what the items were earned as.
fn convert(payment: &mut Section) -> Result<()> {
    let money = |name: &str| parse(payment.cell(0, name), MONEY_SCALE);
    let currency = payment.cell(0, "payment_currency").to_owned();
    if payment.cell(0, "earning_type") == "coop" {
        return claimed(payment, parse(payment.cell(0, "exchange_rate"), RATE_SCALE)?);
    }
    let total = money("gross_amount")? - money("withheld_tax")? + money("sales_tax")?;
    let gross_program = money("gross_program_amount")?;
    if !is_as_earned(payment) {
        let rate = parse(payment.cell(0, "exchange_rate"), RATE_SCALE)?;
        let converted = rounded(&currency, payment.cell(0, "gross_amount"), |unit| {
            round_ratio(gross_program, power_of_ten(RATE_SCALE), rate, unit)
        })?;
        let gross = payment.cell(0, "gross_amount").to_owned();
        payment.add("is gross ÷ exchange rate, rounded once", &converted, &gross, &currency);
    }
    let (total, paid) =
        (format(total, MONEY_SCALE, 0), payment.cell(0, "total_payment").to_owned());
    payment.add("is gross − withheld tax + sales tax", &total, &paid, &currency);
    Ok(())
}

/// True if the payment is in the currency in which its items were earned.
pub fn is_as_earned(payment: &Section) -> bool {
    payment.cell(0, "exchange_rate").is_empty()
}

/// What comes to an expected amount, rounded as some program would; else what is rounded half away from
/// zero. Which program file was in force isn't published, so that an explanation can't know its way.
fn rounded(
    currency: &str,
    expected: &str,
    amount: impl Fn(Unit) -> Result<i128, earnest_core::Error>,
) -> Result<String> {
    let decimals = minor_units(currency).unwrap_or(MONEY_SCALE);
    let ways = [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::TowardZero];
    let found = ways.map(|rounding| amount(Unit { decimals, rounding }));
    let expected = parse(expected, MONEY_SCALE).ok();
    let fits = found.iter().flatten().find(|found| Some(**found) == expected).copied();
    let [usual, ..] = found;
    Ok(format(fits.map_or(usual, Ok)?, MONEY_SCALE, 0))
}

/// A claim is paid as allowed; what it costs its fund is that at the claim's rate.
fn claimed(payment: &mut Section, rate: i128) -> Result<()> {
    let money = |name: &str| parse(payment.cell(0, name), MONEY_SCALE);
    let currency = payment.cell(0, "program_currency").to_owned();
    let expected = payment.cell(0, "gross_program_amount").to_owned();
    let gross = money("gross_amount")?;
    let cost = rounded(&currency, &expected, |unit| {
        round_product((gross, MONEY_SCALE), (rate, RATE_SCALE), unit)
    })?;
    payment.add("is gross × exchange rate, rounded once", &cost, &expected, &currency);
    Ok(())
}

/// The rates and the transactions of an item.
fn item(
    connection: &Connection,
    payment: &Section,
    items: &Section,
    row: usize,
    lines: usize,
) -> Result<Vec<Section>> {
    let (period, lever) = (items.cell(row, "period"), items.cell(row, "lever"));
    if lever == ROLLOVER {
        return conversion(connection, payment, items, row, lines);
    }
    if lever == CLAIM {
        let id = payment.cell(0, "payment_id");
        let mut claim = Section::of(connection, "claim", "Claim", CLAIM_NAMES, CLAIM_ROWS, &[id])?;
        let (amount, currency) =
            (items.cell(row, "payment_amount"), items.cell(row, "payment_currency"));
        claim.add("is the item", &claim.total("allowed"), amount, currency);
        return Ok(vec![claim]);
    }
    if let Some(section) = life::item(connection, payment, items, row)? {
        return Ok(vec![section]);
    }
    if lever == FORFEITURE {
        return Ok(vec![forfeiture(connection, payment, items, row)?]);
    }
    let as_earned = is_as_earned(payment);
    let key = [
        payment.cell(0, "program"),
        payment.cell(0, "participant_id"),
        payment.cell(0, "earning_type"),
        period,
        lever,
        if as_earned { payment.cell(0, "payment_currency") } else { "%" },
    ];
    let kind = items.cell(row, "kind");
    if kind != "regular" {
        let cycles = [kind, items.cell(row, "origin_cycle"), payment.cell(0, "cycle")];
        let key = [&key[..], &cycles[..]].concat();
        return Ok(vec![changes(connection, (items, as_earned), row, &key, lines)?]);
    }
    let name = format!("{period} {lever}");
    let mut rates = Section::of(
        connection,
        &format!("rates {name}"),
        &format!("{name}: rates"),
        RATE_NAMES,
        RATES,
        &key,
    )?;
    let mut transactions = Section::of(
        connection,
        &format!("transactions {name}"),
        &format!("{name}: transactions"),
        LINE_NAMES,
        LINES,
        &key,
    )?;
    let (amount, currency) =
        (items.cell(row, "program_amount"), items.cell(row, "program_currency"));
    rates.add("is the item", &rates.total("program_amount"), amount, currency);
    transactions.add("is the item", &transactions.total("program_amount"), amount, currency);
    if as_earned {
        let (paid, own) = (items.cell(row, "payment_amount"), rates.total("earning_amount"));
        rates.add("is paid", &own, paid, items.cell(row, "payment_currency"));
    }
    shorten(&mut transactions, lines);
    Ok(vec![rates, transactions])
}

/// What became known after the cycle of its month was closed, and what it corrects.
fn changes(
    connection: &Connection,
    (items, as_earned): (&Section, bool),
    row: usize,
    key: &[&str],
    lines: usize,
) -> Result<Section> {
    let of = |name: &str| items.cell(row, name);
    let name = format!("{} {} {}", of("period"), of("lever"), of("kind"));
    let (place, title) = (format!("changes {name}"), format!("{name}: after the close"));
    let mut changes = Section::of(connection, &place, &title, CHANGE_NAMES, CHANGES, key)?;
    let total = changes.total("program_amount");
    changes.add("is the item", &total, of("program_amount"), of("program_currency"));
    if as_earned {
        let own = changes.total("earning_amount");
        changes.add("is paid", &own, of("payment_amount"), of("payment_currency"));
    }
    shorten(&mut changes, lines);
    Ok(changes)
}

fn shorten(transactions: &mut Section, lines: usize) {
    transactions.left_out = transactions.rows.len().saturating_sub(lines);
    transactions.rows.truncate(lines);
}

/// The threshold that co-op of a half missed, and the co-op that became rebate.
fn conversion(
    connection: &Connection,
    payment: &Section,
    items: &Section,
    row: usize,
    lines: usize,
) -> Result<Vec<Section>> {
    let period = items.cell(row, "period");
    let key = [payment.cell(0, "program"), payment.cell(0, "participant_id"), period];
    let name = format!("{period} {ROLLOVER}");
    let threshold = Section::of(
        connection,
        &format!("threshold {name}"),
        &format!("{name}: co-op of the half against its threshold"),
        THRESHOLD_NAMES,
        THRESHOLD,
        &key,
    )?;
    let cycles = [items.cell(row, "origin_cycle"), payment.cell(0, "cycle")];
    let mut converted = Section::of(
        connection,
        &format!("transactions {name}"),
        &format!("{name}: co-op that became rebate"),
        LINE_NAMES,
        CONVERTED,
        &[&key[..], &cycles[..]].concat(),
    )?;
    let (amount, currency) =
        (items.cell(row, "program_amount"), items.cell(row, "program_currency"));
    converted.add("is the item", &converted.total("program_amount"), amount, currency);
    shorten(&mut converted, lines);
    Ok(vec![threshold, converted])
}

/// When what was forfeited left the balance, since the order before.
fn forfeiture(
    connection: &Connection,
    payment: &Section,
    items: &Section,
    row: usize,
) -> Result<Section> {
    let period = items.cell(row, "period");
    let of = |name: &str| payment.cell(0, name);
    let origin = items.cell(row, "origin_cycle");
    let key = [of("program"), of("participant_id"), of("earning_type"), origin, of("cycle")];
    Section::of(
        connection,
        &format!("forfeiture {period}"),
        &format!("{period} {FORFEITURE}: the year's earnings were below the minimum"),
        &["cycle", "*forfeited", "program_currency"],
        "SELECT cycle, forfeited::VARCHAR, program_currency FROM balances
        WHERE program = ? AND participant_id = ? AND earning_type = ? AND forfeited <> 0
            AND cycle BETWEEN ? AND ? ORDER BY cycle",
        &key,
    )
}
