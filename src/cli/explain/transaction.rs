//! A transaction: the line as staged, every outcome with its reason, and the refunds it is linked to.

use super::page::{Page, Section};
use crate::error::{Error, Result};
use duckdb::Connection;

/// JSON key, title, names and SELECT of a section; the parameter is the transaction id.
type Block = (&'static str, &'static str, &'static [&'static str], &'static str);

const BLOCKS: &[Block] = &[
    (
        "lines",
        "Line",
        &[
            "source", "date", "billed", "reseller", "customer", "product", "sku", "*base",
            "currency", "known_on", "counts", "file", "record",
        ],
        "SELECT staged.source, staged.transaction_on::VARCHAR, staged.billed_partner_id,
            staged.reseller_partner_id, staged.customer_id, staged.product_id, staged.sku_id,
            staged.base::VARCHAR, staged.transaction_currency, staged.known_on::VARCHAR,
            CASE WHEN EXISTS (
                FROM transactions_in_force AS counting
                WHERE counting.transaction_id = staged.transaction_id
                    AND counting.source = staged.source
                    AND counting.delivery_id = staged.delivery_id
            ) THEN 'yes' ELSE 'replaced' END,
            staged.source_file, staged.record::VARCHAR
        FROM transactions AS staged WHERE staged.transaction_id = ?
        ORDER BY staged.source, staged.known_on, staged.delivery_id",
    ),
    (
        "earned",
        "Earned",
        &[
            "program",
            "term",
            "lever",
            "participant",
            "role",
            "earning_type",
            "period",
            "*base",
            "-",
            "earning_rate",
            "share",
            "*forgone_by_cap",
            "-",
            "*earning_amount",
            "-",
            "exchange_rate",
            "*program_amount",
            "program_currency",
            "payment_month",
            "reverses",
            "how",
        ],
        "SELECT program, term, lever, participant_id, role, earning_type, period, base::VARCHAR,
            transaction_currency, earning_rate::VARCHAR, share::VARCHAR,
            CASE WHEN forgone_amount <> 0 THEN forgone_amount::VARCHAR END, transaction_currency,
            earning_amount::VARCHAR, transaction_currency, exchange_rate::VARCHAR, program_amount::VARCHAR,
            program_currency, coalesce(estimated_payment_month, fund_half), original_transaction_id,
            tier_text(tier_detail)
        FROM earnings WHERE transaction_id = ?
        ORDER BY program, lever, participant_id, role, earning_type DESC, original_transaction_id",
    ),
    (
        "aggregated",
        "Earned as part of an aggregate",
        &[
            "program",
            "lever",
            "participant",
            "role",
            "earning_type",
            "period",
            "*base",
            "-",
            "*share_of_earning",
            "-",
            "*share_in_program",
            "program_currency",
            "aggregate",
            "tiers",
            "reverses",
        ],
        "SELECT program, lever, participant_id, role, earning_type, earnings.period,
            earning_sources.base::VARCHAR,
            coalesce(earning_sources.transaction_currency, earnings.transaction_currency),
            earning_share::VARCHAR, earnings.transaction_currency, program_share::VARCHAR,
            program_currency, aggregate_key, tier_text(tier_detail), earning_sources.original_transaction_id
        FROM earning_sources JOIN earnings USING (earning_id)
        WHERE earning_sources.transaction_id = ? ORDER BY ALL",
    ),
    (
        "unearned",
        "Not earned",
        &[
            "program",
            "lever",
            "participant",
            "role",
            "period",
            "*base",
            "-",
            "*forgone",
            "currency",
            "reason",
            "meaning",
            "remedy",
            "also",
            "reverses",
        ],
        "SELECT program, lever, participant_id, role, period, base::VARCHAR, transaction_currency,
            forgone_amount::VARCHAR, transaction_currency, reason, sentence, remedy,
            other_reasons, original_transaction_id
        FROM unearned LEFT JOIN reasons ON code = reason AND kind = 'outcome'
        WHERE transaction_id = ? ORDER BY ALL",
    ),
    (
        "out_of_scope",
        "Out of scope",
        &[
            "role", "partner", "period", "*base", "currency", "reason", "meaning", "remedy",
            "reverses",
        ],
        "SELECT role, earning_participant_id, period, base::VARCHAR, transaction_currency, reason,
            sentence, remedy, original_transaction_id
        FROM out_of_scope LEFT JOIN reasons ON code = reason AND kind = 'outcome'
        WHERE transaction_id = ? ORDER BY ALL",
    ),
    (
        "decides",
        "Decides",
        &[
            "program", "what", "subject", "window", "outcome", "cycle", "awarded_to", "on",
            "*measured", "*threshold", "-",
        ],
        "SELECT program, kind, subject, \"window\", outcome, cycle, awarded_to, decided_on::VARCHAR, measured::VARCHAR,
            threshold::VARCHAR, program_currency
        FROM determinations WHERE transaction_id = ? ORDER BY ALL",
    ),
    (
        "refunds",
        "Refunded by",
        &[
            "refund",
            "outcome",
            "program",
            "lever",
            "period",
            "*base",
            "-",
            "*program_amount",
            "program_currency",
        ],
        "SELECT transaction_id, earning_type, program, lever, period, base::VARCHAR,
            transaction_currency, program_amount::VARCHAR, program_currency
        FROM earnings WHERE original_transaction_id = ?1
        UNION ALL
        SELECT transaction_id, reason, program, lever, period, base::VARCHAR, transaction_currency,
            NULL, NULL
        FROM unearned WHERE original_transaction_id = ?1
        UNION ALL
        SELECT transaction_id, reason, NULL, NULL, period, base::VARCHAR, transaction_currency,
            NULL, NULL
        FROM out_of_scope WHERE original_transaction_id = ?1
        ORDER BY ALL",
    ),
];

/// The page of a transaction.
pub fn explain(connection: &Connection, id: &str) -> Result<Page> {
    let mut page = Page::default();
    for (key, title, names, sql) in BLOCKS {
        page.sections.push(Section::of(connection, key, title, names, sql, &[id])?);
    }
    if page.sections.iter().all(|section| section.rows.is_empty()) {
        let message = format!("transaction `{id}`: expected a transaction id, found none such");
        return Err(Error::usage(message).hint(
            "ids are in the column `transaction_id` of `transactions`; a line that was never \
             staged is in `rejects`",
        ));
    }
    Ok(page)
}
