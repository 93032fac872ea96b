//! Which co-op a conversion is made of.

/// Co-op that converted in the cycles from the item's origin to the payment's: what is earned now,
/// without what changed after closes, in the cycle of its month, or of the decision if it was known then;
/// and each change in its own.
pub(super) const CONVERTED: &str = "
    WITH parts AS (
        SELECT earning_id, program, participant_id, fund_half, period, NULL AS entered, transaction_id,
            aggregate_key, transaction_on, original_transaction_id, customer_id, base,
            transaction_currency, earning_amount, program_amount, program_currency
        FROM earnings WHERE earning_type = 'coop'
        UNION ALL BY NAME
        SELECT earning_id, program, participant_id, fund_half, period, NULL AS entered, transaction_id,
            aggregate_key, transaction_on, original_transaction_id, customer_id,
            transaction_currency, -program_amount AS program_amount, program_currency
        FROM settlement_changes WHERE earning_type = 'coop'
        UNION ALL BY NAME
        SELECT earning_id, program, participant_id, fund_half, period, cycle AS entered, transaction_id,
            aggregate_key, transaction_on, original_transaction_id, customer_id,
            transaction_currency, program_amount, program_currency
        FROM settlement_changes WHERE earning_type = 'coop'
    ),
    decided AS (
        SELECT parts.* EXCLUDE (program), parts.program, determinations.cycle, decided_on, half_until,
            strftime((period || '-01')::DATE + to_months(datediff('month', half_until - INTERVAL 1 DAY,
                (determinations.cycle || '-01')::DATE)::INTEGER), '%Y-%m') AS own
        FROM parts JOIN coop_fund USING (program, participant_id, fund_half)
        JOIN determinations ON determinations.program = parts.program
            AND subject = participant_id AND \"window\" = fund_half AND kind = 'coop_threshold'
        WHERE parts.program = ? AND participant_id = ?
            AND strftime(half_until - INTERVAL 1 DAY, '%Y-%m') = ?
    ),
    -- What takes back in a later month: since when it is known.
    lines AS (
        SELECT earning_id, source, transaction_id FROM earnings WHERE transaction_id IS NOT NULL
        UNION ALL SELECT earning_id, source, transaction_id FROM earning_sources
    ),
    later AS (
        FROM lines SEMI JOIN (FROM decided WHERE (period || '-01')::DATE >= half_until) USING (earning_id)
    ),
    known AS (
        SELECT earning_id, max(first_on) AS known_on
        FROM later JOIN (
            SELECT source, transaction_id, min(known_on) AS first_on
            FROM transactions WHERE base < 0 GROUP BY ALL
        ) USING (source, transaction_id)
        GROUP BY ALL
    ),
    entering AS (
        SELECT decided.*, CASE
            WHEN entered IS NOT NULL THEN entered
            WHEN last_day((period || '-01')::DATE) <= decided_on
                AND coalesce(known_on <= as_of, true) THEN least(own, decided.cycle)
            ELSE own END AS enters
        FROM decided
        LEFT JOIN known USING (earning_id)
        LEFT JOIN (SELECT cycle, as_of FROM closed_cycles) AS closed ON closed.cycle = decided.cycle
    )
    SELECT coalesce(transaction_id, aggregate_key), transaction_on::VARCHAR,
        coalesce('reverses ' || original_transaction_id, 'co-op'), customer_id,
        any_value(base)::VARCHAR, transaction_currency, any_value(earning_amount)::VARCHAR,
        transaction_currency, sum(program_amount)::DECIMAL(18, 3)::VARCHAR, program_currency
    FROM entering
    WHERE greatest(cycle, enters) BETWEEN ? AND ?
    GROUP BY transaction_id, aggregate_key, transaction_on, original_transaction_id,
        customer_id, transaction_currency, program_currency, entered
    HAVING sum(program_amount) <> 0
    ORDER BY abs(sum(program_amount)) DESC, 1, original_transaction_id";
