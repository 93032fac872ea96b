-- Every transaction in force has its outcomes, and no other transaction has any. Of the months checked.
WITH outcomes AS (
    SELECT source, transaction_id FROM earnings WHERE checked(period) AND transaction_id IS NOT NULL
    UNION ALL
    SELECT source, transaction_id FROM earning_sources WHERE checked(period)
    UNION ALL
    SELECT source, transaction_id FROM unearned WHERE checked(period)
    UNION ALL
    SELECT source, transaction_id FROM out_of_scope WHERE checked(period)
),
reached AS (SELECT DISTINCT hash(source, transaction_id) AS id FROM outcomes),
staged AS (
    SELECT hash(source, transaction_id) AS id FROM transactions_in_force WHERE checked(period)
)
SELECT concat('expected outcomes of ', (SELECT count(*) FROM staged), ' transactions, found ',
    (SELECT count(*) FROM reached), '; without: ', missing, ', unknown: ', unknown)
FROM (
    SELECT (SELECT count(*) FROM staged ANTI JOIN reached USING (id)) AS missing,
        (SELECT count(*) FROM reached ANTI JOIN staged USING (id)) AS unknown
) WHERE missing + unknown > 0
