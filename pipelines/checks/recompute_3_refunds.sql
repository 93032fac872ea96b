-- Which refund takes back what of which line, and what becomes of it.

CREATE OR REPLACE TEMP TABLE refund_lines AS
SELECT source, transaction_id AS refund, transaction_on, period, transaction_currency AS currency,
    -base AS base, charge_start_on, charge_end_on, reference_id, link_key
FROM transactions_in_force
WHERE base < 0 AND (reference_id IS NOT NULL OR link_key IS NOT NULL);

CREATE OR REPLACE TEMP TABLE candidate_lines AS
SELECT source, transaction_id AS original, transaction_currency AS currency, base,
    CASE WHEN charge_end_on IS NOT NULL THEN charge_start_on END AS charge_start_on,
    CASE WHEN charge_start_on IS NOT NULL THEN charge_end_on END AS charge_end_on,
    reference_target, link_key
FROM transactions_in_force
WHERE base >= 0 AND (
    link_key IN (SELECT link_key FROM refund_lines)
    OR reference_target IN (SELECT reference_id FROM refund_lines)
);

-- Refunds of a group consume its candidates one after the other: by date and id; of the candidates
-- the latest charge start first, then by id. One round of the recursion is one refund per group.
CREATE OR REPLACE TEMP MACRO consumed_in(pairs) AS TABLE
WITH RECURSIVE steps AS (
    SELECT DISTINCT link_group, step, refund, refund_base FROM query_table(pairs)
),
consumption AS (
    SELECT DISTINCT link_group, 0::BIGINT AS step, NULL::VARCHAR AS refund, original, preference,
        available AS remaining, 0::DECIMAL(38, 12) AS taken
    FROM query_table(pairs)
    UNION ALL
    SELECT link_group, step, refund, original, preference,
        (remaining - taken)::DECIMAL(38, 12), taken
    FROM (
        SELECT before.link_group, steps.step, steps.refund, before.original, before.preference,
            before.remaining,
            CASE
                WHEN pair.original IS NULL THEN 0
                ELSE greatest(0, least(before.remaining, refund_base - coalesce(
                    sum(CASE WHEN pair.original IS NULL THEN 0 ELSE before.remaining END) OVER (
                        PARTITION BY before.link_group
                        ORDER BY before.preference
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ), 0
                )))
            END::DECIMAL(38, 12) AS taken
        FROM consumption AS before
        JOIN steps ON steps.link_group = before.link_group AND steps.step = before.step + 1
        LEFT JOIN (SELECT link_group, refund, original FROM query_table(pairs)) AS pair
            ON pair.link_group = steps.link_group AND pair.refund = steps.refund
            AND pair.original = before.original
    )
)
SELECT link_group, refund, original, taken, remaining
FROM consumption
WHERE taken > 0;

-- First by reference.
CREATE OR REPLACE TEMP TABLE reference_pairs AS
SELECT concat_ws(chr(31), source, currency, reference_id) AS link_group, source, refund,
    refund_lines.base AS refund_base, original, candidate_lines.base AS original_base,
    candidate_lines.base AS available,
    dense_rank() OVER (PARTITION BY source, currency, reference_id ORDER BY transaction_on, refund)
        AS step,
    dense_rank() OVER (
        PARTITION BY source, currency, reference_id
        ORDER BY candidate_lines.charge_start_on DESC NULLS LAST, original
    ) AS preference
FROM refund_lines
JOIN candidate_lines USING (source, currency)
WHERE reference_target = reference_id;

CREATE OR REPLACE TEMP TABLE reference_pieces AS
SELECT * FROM consumed_in('reference_pairs');

-- Then, if a reference finds nothing, by order, subscription, SKU and charge period.
CREATE OR REPLACE TEMP TABLE key_pairs AS
WITH unlinked AS (
    SELECT * FROM refund_lines ANTI JOIN reference_pairs USING (source, refund)
),
consumed AS (
    SELECT source, original, sum(taken) AS taken
    FROM reference_pieces
    JOIN (SELECT DISTINCT link_group, source FROM reference_pairs) USING (link_group)
    GROUP BY ALL
)
SELECT concat_ws(chr(31), source, currency, link_key) AS link_group, source, refund,
    unlinked.base AS refund_base, original, candidate_lines.base AS original_base,
    (candidate_lines.base - coalesce(taken, 0))::DECIMAL(38, 12) AS available,
    dense_rank() OVER (PARTITION BY source, currency, link_key ORDER BY transaction_on, refund)
        AS step,
    dense_rank() OVER (
        PARTITION BY source, currency, link_key
        ORDER BY candidate_lines.charge_start_on DESC NULLS LAST, original
    ) AS preference
FROM unlinked
JOIN candidate_lines USING (source, currency, link_key)
LEFT JOIN consumed USING (source, original)
WHERE candidate_lines.charge_start_on <= unlinked.charge_start_on
    AND unlinked.charge_end_on <= candidate_lines.charge_end_on;

DROP TABLE candidate_lines;

CREATE OR REPLACE TEMP TABLE key_pieces AS
SELECT * FROM consumed_in('key_pairs');

CREATE OR REPLACE TEMP VIEW pairs AS
FROM reference_pairs UNION ALL FROM key_pairs;

CREATE OR REPLACE TEMP TABLE linked_refunds AS
SELECT source, refund AS transaction_id, transaction_on, period,
    currency AS transaction_currency
FROM refund_lines
SEMI JOIN pairs USING (source, refund);

DROP TABLE refund_lines;

-- A piece takes back `before` to `cumulated` of its original's base; an excess has no original left.
CREATE OR REPLACE TEMP TABLE pieces AS
WITH taken AS (
    FROM reference_pieces UNION ALL FROM key_pieces
),
pieces AS (
    SELECT source, refund, original, original_base,
        (original_base - remaining - taken)::DECIMAL(38, 12) AS before,
        (original_base - remaining)::DECIMAL(38, 12) AS cumulated, -taken AS base, false AS excess
    FROM taken
    JOIN pairs USING (link_group, refund, original)
    UNION ALL
    SELECT source, refund, arg_max(original, preference), NULL, NULL, NULL,
        -(any_value(refund_base) - coalesce(sum(taken), 0)), true
    FROM pairs
    LEFT JOIN taken USING (link_group, refund, original)
    GROUP BY link_group, source, refund
    HAVING any_value(refund_base) > coalesce(sum(taken), 0)
)
SELECT pieces.*, transaction_on, period, transaction_currency
FROM pieces
JOIN linked_refunds
    ON linked_refunds.source = pieces.source AND linked_refunds.transaction_id = pieces.refund;

DROP VIEW pairs;
DROP TABLE reference_pairs;
DROP TABLE reference_pieces;
DROP TABLE key_pairs;
DROP TABLE key_pieces;

CREATE OR REPLACE TEMP VIEW original_lines AS
SELECT transactions_in_force.*
FROM transactions_in_force
SEMI JOIN pieces
    ON pieces.source = transactions_in_force.source
    AND pieces.original = transactions_in_force.transaction_id;

CREATE OR REPLACE TEMP TABLE original_outcomes AS
SELECT * FROM outcomes_of('original_lines');

-- `round(minor × part ÷ whole)`, where part and whole are base amounts.
CREATE OR REPLACE TEMP MACRO portion(minor, part, whole, rounding) AS
    rounded(minor::HUGEINT * trillionths_of(part), trillionths_of(whole), rounding);

-- What a piece takes back of an amount: the difference of what is taken back up to it and before it.
CREATE OR REPLACE TEMP MACRO taken_back(minor, before, cumulated, base, rounding) AS
    portion(minor, before, base, rounding) - portion(minor, cumulated, base, rounding);

-- What their originals earned, taken back.
CREATE OR REPLACE TEMP VIEW reversible AS
SELECT *
FROM original_outcomes
WHERE participant_id IS NOT NULL AND reason IS NULL AND NOT aggregated AND NOT measured;

CREATE OR REPLACE TEMP TABLE reversals AS
SELECT program, lever, term, role, participant_id, cap, customer_id, originals.period AS original_period,
    pieces.transaction_on, pieces.base, cumulated AS refunded, exchange_rate, share_part, share_whole, rebate_rounding, pieces.period, pieces.transaction_currency, pays_as, share,
    fee_share,
    minor, program_minor, pieces.source, refund AS transaction_id, pieces.original AS original_transaction_id,
    taken_back(earned, before, cumulated, original_base, program_rounding(program)) AS earned,
    taken_back(rebate, before, cumulated, original_base, program_rounding(program)) AS rebate,
    taken_back(fee, before, cumulated, original_base, program_rounding(program)) AS fee,
    taken_back(program_fee, before, cumulated, original_base, program_rounding(program)) AS program_fee,
    taken_back(program_earned, before, cumulated, original_base, program_rounding(program)) AS program_earned,
    taken_back(program_rebate, before, cumulated, original_base, program_rounding(program)) AS program_rebate
FROM pieces
JOIN amounts_of('reversible') AS originals
    ON originals.source = pieces.source AND originals.transaction_id = pieces.original
WHERE NOT excess;

-- All other lines.
CREATE OR REPLACE TEMP VIEW plain_lines AS
SELECT * FROM transactions_in_force ANTI JOIN linked_refunds USING (source, transaction_id);

CREATE OR REPLACE TEMP VIEW plain_outcomes AS
SELECT * FROM outcomes_of('plain_lines');

-- What is taken back of lines that levers sum: it is summed in the refund's period, by what its line was.
CREATE OR REPLACE TEMP VIEW summed_pieces AS
SELECT originals.* REPLACE (pieces.period AS period, pieces.base AS base),
    originals.period AS summed_period
FROM pieces
JOIN original_outcomes AS originals
    ON originals.source = pieces.source AND originals.transaction_id = pieces.original
WHERE aggregated AND participant_id IS NOT NULL AND reason IS NULL AND NOT excess;

-- The roles in which nothing covers a refund: those of its original.
CREATE OR REPLACE TEMP TABLE omitted_pieces AS
SELECT omitted.reason, omitted.role, pieces.period, pieces.transaction_currency, pieces.base
FROM pieces
JOIN omitted_in('original_outcomes') AS omitted
    ON omitted.source = pieces.source AND omitted.transaction_id = pieces.original;
