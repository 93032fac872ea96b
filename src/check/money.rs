//! Checks of amounts: digits of the currency, and each line's own arithmetic.

use super::{Check, How};

pub const CHECKS: &[Check] = &[
    Check {
        name: "amounts",
        description: "gross = amount + forgone; with --deep, gross = round(share × round(rate × \
                      base)) in both currencies, earning by earning",
        global: true,
        tables: &["earnings"],
        how: How::SqlAndDeep(FORGONE, ARITHMETIC),
    },
    Check {
        name: "minor_units",
        description: "posted money has no more digits than its currency's minor unit",
        global: true,
        tables: &["earnings", "payments", "balances", "coop_fund", "journal"],
        how: How::Made(minor_units),
    },
];

const FORGONE: &str = "
    SELECT concat('earning ', earning_id, ': expected gross ', gross_amount, ', found ',
        earning_amount, ' earned and ', forgone_amount, ' forgone')
    FROM earnings WHERE gross_amount <> earning_amount + forgone_amount";

/// Rows of the same line and lever show how the others share in it. What is fixed, in `tier_detail`, is
/// in program currency, and split there. What a window of a measure earns is what its detail says. Only the
/// recomputation follows what isn't base × rate by itself: where levers meet, payees, locations of a company,
/// and refunds of sums of another month.
const ARITHMETIC: &str = "
    WITH lines AS (
        SELECT * EXCLUDE (split_program, split_from, split_until),
            minor_units(transaction_currency) AS digits,
            minor_units(program_currency) AS program_digits,
            coalesce(sum(CASE earning_type WHEN 'rebate' THEN share END) OVER siblings, 0)
                ::DECIMAL(18, 9) AS rebate_share,
            coalesce(sum(CASE earning_type WHEN 'fee' THEN share END) OVER siblings, 0)
                ::DECIMAL(18, 9) AS fee_share,
            (json_extract_string(tier_detail, '$.amount')::DECIMAL(18, 3) * sign(base))
                ::DECIMAL(18, 3) AS fixed
        FROM earnings
        LEFT JOIN (
            SELECT program AS split_program, from_on AS split_from, until_on AS split_until,
                rounding AS rebate_rounding
            FROM program_split
        ) ON split_program = program AND coalesce(split_from <= transaction_on, true)
            AND coalesce(transaction_on < split_until, true)
        WHERE original_transaction_id IS NULL
            AND coalesce(
                json_extract_string(tier_detail, '$.window[0]'),
                json_extract_string(tier_detail, '$.left'),
                json_extract_string(tier_detail, '$.earned'),
                json_extract_string(tier_detail, '$.payee_share')
            ) IS NULL
            -- The key of a sum ends with a day of the month that it sums.
            AND (aggregate_key IS NULL OR left(right(aggregate_key, 10), 7) = period)
        WINDOW siblings AS (
            PARTITION BY program, lever, participant_id, role, source, transaction_id, aggregate_key
        )
    ),
    amounts AS (
        SELECT *, round_as(base * earning_rate, digits, program_rounding(program)) AS rated,
            coalesce(fixed, round_as(
                rated::DECIMAL(38, 3) * exchange_rate, program_digits, program_rounding(program)
            )) AS program_earned
        FROM lines
    ),
    rebates AS (
        SELECT *, round_as(rated::DECIMAL(38, 3) * rebate_share, digits, rebate_rounding) AS rebate,
            CASE
                WHEN fixed IS NULL
                THEN round_as(
                    rebate::DECIMAL(38, 3) * exchange_rate, program_digits, program_rounding(program)
                )
                ELSE round_as(fixed::DECIMAL(38, 3) * rebate_share, program_digits, rebate_rounding)
            END AS program_rebate
        FROM amounts
    ),
    -- Co-op and fee of the same line divide what is left, which only the recomputation follows.
    expected AS (
        SELECT *,
            CASE earning_type WHEN 'rebate' THEN rebate ELSE rated - rebate END AS gross,
            CASE earning_type WHEN 'rebate' THEN program_rebate
                ELSE program_earned - program_rebate END AS program_gross
        FROM rebates
        WHERE earning_type = 'rebate' OR fee_share = 0 OR rebate_share + fee_share = 1
    )
    SELECT concat('earning ', earning_id, ': expected ', gross, ' and ', program_gross, ', found ',
        gross_amount, ' and ', program_amount)
    FROM expected
    WHERE fixed IS NULL AND gross <> gross_amount
        OR forgone_amount = 0 AND program_gross <> program_amount
    UNION ALL
    SELECT concat('aggregate ', aggregate_key, ' of ', program, ', ', lever, ', ', participant_id,
        ': expected ', any_value(earned), ', found ', sum(gross_amount))
    FROM (
        SELECT *, json_extract_string(tier_detail, '$.window_amount')::DECIMAL(18, 3)
            - json_extract_string(tier_detail, '$.booked_before')::DECIMAL(18, 3) AS earned
        FROM earnings
        WHERE json_extract_string(tier_detail, '$.window[0]') IS NOT NULL
            AND json_extract_string(tier_detail, '$.company') IS NULL
    )
    GROUP BY program, lever, participant_id, aggregate_key
    HAVING sum(gross_amount) <> any_value(earned)
    UNION ALL
    SELECT concat('earning ', earning_id, ': expected gross ', gross_amount, ', found ',
        earning_amount, ' earned and ', forgone_amount, ' forgone')
    FROM earnings WHERE gross_amount <> earning_amount + forgone_amount";

/// Money columns with the column that has their currency.
const MONEY: &[(&str, &str, &[&str])] = &[
    ("earnings", "transaction_currency", &["gross_amount", "forgone_amount", "earning_amount"]),
    ("earnings", "program_currency", &["program_amount"]),
    ("payments", "program_currency", &["gross_program_amount", "untaxed_amount"]),
    (
        "payments",
        "payment_currency",
        &["gross_amount", "withheld_tax", "sales_tax", "total_payment"],
    ),
    ("payment_items", "program_currency", &["program_amount"]),
    ("payment_items", "payment_currency", &["payment_amount", "withheld_tax", "sales_tax"]),
    (
        "balances",
        "program_currency",
        &[
            "opening",
            "earned",
            "adjusted",
            "returned",
            "transferred_in",
            "converted_in",
            "ordered",
            "forfeited",
            "escheated",
            "written_off",
            "recovered_outside",
            "transferred_out",
            "closing",
            "held",
        ],
    ),
    ("balance_lots", "program_currency", &["amount_left"]),
    ("adjustments", "currency", &["amount"]),
    ("offsets", "program_currency", &["amount"]),
    (
        "coop_fund",
        "program_currency",
        &["earned", "rolled_in", "claims_paid", "expired", "left", "reserved", "available"],
    ),
    ("claim_items", "claim_currency", &["asked_amount", "allowed_amount", "refused_amount"]),
    ("claim_items", "program_currency", &["program_amount", "reserved", "paid", "expired"]),
    ("journal", "currency", &["debit", "credit"]),
];

fn minor_units() -> String {
    let selects: Vec<String> = MONEY
        .iter()
        .map(|(table, currency, columns)| {
            let fine: Vec<String> = columns
                .iter()
                .map(|column| format!("round_to(\"{column}\", digits) <> \"{column}\""))
                .collect();
            let shown = columns.join("\", \"");
            format!(
                "SELECT concat('{table}: expected ', digits, ' decimals in ', {currency},
                ', found ', concat_ws(', ', \"{shown}\"))
                FROM (SELECT *, minor_units({currency}) AS digits FROM {table})
                WHERE digits IS NULL OR {}",
                fine.join(" OR ")
            )
        })
        .collect();
    selects.join(" UNION ALL ")
}
