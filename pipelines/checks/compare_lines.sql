-- The transactions whose published earnings or refusals differ from the recomputation; one text each.
WITH amounts AS (
    SELECT source, transaction_id, NULL AS original_transaction_id, program, lever, participant_id,
        role, share, fee_share, minor, program_minor, earned, rebate, fee, program_earned,
        program_rebate, program_fee
    FROM amounts_of('plain_outcomes')
    WHERE participant_id IS NOT NULL AND reason IS NULL AND NOT aggregated AND NOT measured
        AND cap IS NULL
    UNION ALL
    SELECT source, transaction_id, original_transaction_id, program, lever, participant_id,
        role, share, fee_share, minor, program_minor, earned, rebate, fee, program_earned,
        program_rebate, program_fee
    FROM reversals
    WHERE cap IS NULL
    UNION ALL
    SELECT source, transaction_id, original_transaction_id, program, lever, participant_id,
        role, share, fee_share, minor, program_minor, earned, rebate, fee, program_earned,
        program_rebate, program_fee
    FROM credited_amounts
    WHERE source <> ''
),
expected AS (
    SELECT source, transaction_id, coalesce(original_transaction_id, '') AS original, program, lever,
        participant_id, role, 'rebate' AS outcome, money_of(rebate, minor)::DECIMAL(38, 12) AS amount,
        money_of(program_rebate, program_minor) AS program_amount
    FROM amounts
    WHERE share <> 0
    UNION ALL
    SELECT source, transaction_id, coalesce(original_transaction_id, ''), program, lever,
        participant_id, role, 'coop', money_of(earned - rebate - fee, minor)::DECIMAL(38, 12),
        money_of(program_earned - program_rebate - program_fee, program_minor)
    FROM amounts
    WHERE share + fee_share <> 1
    UNION ALL
    SELECT source, transaction_id, coalesce(original_transaction_id, ''), program, lever,
        participant_id, role, 'fee', money_of(fee, minor)::DECIMAL(38, 12),
        money_of(program_fee, program_minor)
    FROM amounts
    WHERE fee_share <> 0
    UNION ALL
    SELECT source, transaction_id, '', program, lever, participant_id, role, reason, base, NULL
    FROM plain_outcomes
    WHERE participant_id IS NOT NULL AND reason IS NOT NULL
    UNION ALL
    SELECT pieces.source, refund, pieces.original, program, lever,
        participant_id, role, CASE WHEN excess THEN 'REFUND_EXCESS' ELSE reason END, pieces.base, NULL
    FROM pieces
    JOIN original_outcomes AS originals
        ON originals.source = pieces.source AND originals.transaction_id = pieces.original
    WHERE participant_id IS NOT NULL AND (excess OR reason IS NOT NULL)
    UNION ALL
    SELECT source, transaction_id, coalesce(original, ''), program, lever, participant_id, role, 'NORATE',
        base, NULL
    FROM held_lines
),
published AS (
    SELECT source, transaction_id, coalesce(original_transaction_id, '') AS original, program, lever,
        participant_id, role, earning_type AS outcome, earning_amount::DECIMAL(38, 12) AS amount,
        program_amount
    FROM earnings
    WHERE aggregate_key IS NULL
    UNION ALL
    SELECT source, transaction_id, coalesce(original_transaction_id, ''), program, lever,
        participant_id, role, reason, base, NULL
    FROM unearned
)
SELECT concat(source, ' ', transaction_id, ', ', program, ', ', lever, ', ', participant_id, ', ',
    role, ', ', outcome, ': expected ', coalesce(expected.amount::VARCHAR, 'nothing'), ' (',
    expected.program_amount, '), found ', coalesce(published.amount::VARCHAR, 'nothing'), ' (',
    published.program_amount, ')') AS fault
FROM expected
FULL JOIN published
    USING (source, transaction_id, original, program, lever, participant_id, role, outcome)
WHERE expected.amount IS DISTINCT FROM published.amount
    OR expected.program_amount IS DISTINCT FROM published.program_amount
