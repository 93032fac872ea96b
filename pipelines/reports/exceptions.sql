-- What did not go through, and why
-- one row per kind × source × reason × currency
WITH linked AS (
    SELECT source, transaction_id FROM earnings WHERE original_transaction_id IS NOT NULL
    UNION
    SELECT source, transaction_id FROM unearned WHERE original_transaction_id IS NOT NULL
    UNION
    SELECT source, transaction_id FROM out_of_scope WHERE original_transaction_id IS NOT NULL
),
exceptions AS (
    SELECT 1 AS place, 'rejected' AS kind, source, reason, NULL AS currency, count(*) AS rows,
        NULL::DECIMAL(38, 12) AS base
    FROM rejects
    GROUP BY ALL
    UNION ALL
    SELECT 2, 'duplicate', source, 'DUPLICATE', NULL, sum(rows_duplicate), NULL
    FROM run_inputs
    WHERE rows_duplicate > 0
    GROUP BY ALL
    UNION ALL
    SELECT 3, 'replaced', source, upper(kind), NULL, sum(rows), NULL
    FROM supersessions
    GROUP BY ALL
    UNION ALL
    SELECT 4, 'unearned', source, reason, transaction_currency, count(*), sum(base)
    FROM unearned
    GROUP BY ALL
    UNION ALL
    SELECT 5, 'out of scope', source, reason, transaction_currency, count(*), sum(base)
    FROM out_of_scope
    GROUP BY ALL
    UNION ALL
    SELECT 6, 'unlinked refund', source, 'UNLINKED', transaction_currency, count(*), sum(base)
    FROM transactions_in_force
    ANTI JOIN linked USING (source, transaction_id)
    WHERE base < 0
    GROUP BY ALL
    UNION ALL
    SELECT 7, 'not ordered', program, reason, program_currency, count(*), sum(closing)
    FROM not_ordered
    GROUP BY ALL
    UNION ALL
    SELECT 8, 'claim ' || decision, program, reason, claim_currency, count(*),
        sum(CASE WHEN decision = 'refused' THEN refused_amount ELSE asked_amount END)
    FROM claim_items
    WHERE reason IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT 9, 'payment status', program, reason, NULL, count(*), NULL
    FROM payment_history
    WHERE NOT accepted
    GROUP BY ALL
    UNION ALL
    -- The bank or the ERP paid what no close ordered
    SELECT 9, 'payment status', payments.program, 'PROPOSED', payment_currency,
        count(DISTINCT payment_id), sum(gross_amount)
    FROM payments
    SEMI JOIN (FROM payment_history WHERE accepted AND status = 'Sent') AS history USING (payment_id)
    WHERE status = 'proposed' AND order_kind <> 'claim'
    GROUP BY ALL
    UNION ALL
    -- A closed cycle recorded that it came back, and nobody says so any more
    SELECT 9, 'payment status', program, 'WITHDRAWN', NULL, count(*), NULL
    FROM payment_history
    WHERE origin = 'record'
    GROUP BY ALL
    UNION ALL
    SELECT 10, 'adjustment ' || state, program, reason, currency, count(*), sum(amount)
    FROM adjustments
    WHERE state <> 'posted'
    GROUP BY ALL
    UNION ALL
    SELECT 11, 'to be escheated', payments.program, 'ESCHEATED', payment_currency, count(*),
        sum(total_payment)
    FROM payments
    JOIN (FROM payment_history WHERE newest AND status = 'Escheated') AS history USING (payment_id)
    GROUP BY ALL
    UNION ALL
    -- No balance shows it
    SELECT 12, 'claim came back', program, 'CAME_BACK', payment_currency, count(*), sum(gross_amount)
    FROM payments
    SEMI JOIN (FROM payment_history WHERE accepted AND returns_in IS NOT NULL) AS history
        USING (payment_id)
    ANTI JOIN (SELECT reissue_of AS payment_id FROM payments) AS reissued USING (payment_id)
    WHERE earning_type = 'coop'
    GROUP BY ALL
),
wordings (code, wording, advice) AS (
    VALUES ('DUPLICATE', 'The same file came before', 'nothing, it counts once'),
        ('SUPERSEDED', 'A later delivery replaced the rows', 'nothing, the newest counts'),
        ('WITHDRAWN', 'A later, complete delivery has the slice no more', 'nothing'),
        ('CONFLICTING_VERSIONS', 'Two deliveries of equal rank differ',
            'deliver the row again, with a later date or sequence'),
        ('ESCHEATED', 'The bank or the ERP says that it goes to the state',
            'post it by an approved manual adjustment'),
        ('CAME_BACK', 'The payment of a claim came back and isn''t ordered again yet',
            'nothing, the next cycle in which its participant can be paid orders it again'),
        ('UNLINKED', 'A refund without original follows the rules of its own date',
            'check the refund''s reference or its charge period')
)
SELECT exceptions.kind, source, exceptions.reason,
    coalesce(wording, sentence) AS sentence, coalesce(advice, remedy) AS remedy,
    currency, rows::BIGINT AS rows, base::DECIMAL(38, 12) AS base
FROM exceptions
LEFT JOIN wordings ON wordings.code = exceptions.reason
LEFT JOIN reasons ON reasons.code = exceptions.reason
    AND reasons.kind = CASE exceptions.kind
        WHEN 'rejected' THEN 'reject'
        WHEN 'not ordered' THEN 'carry'
        WHEN 'claim refused' THEN 'claim'
        WHEN 'claim held' THEN 'claim'
        WHEN 'claim approved' THEN 'claim'
        WHEN 'claim paid' THEN 'claim'
        WHEN 'payment status' THEN 'status'
        WHEN 'adjustment waiting' THEN 'posting'
        WHEN 'adjustment refused' THEN 'posting'
        ELSE 'outcome'
    END
ORDER BY place, source, exceptions.reason, currency
