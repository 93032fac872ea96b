-- Levers that come after others earn on what those leave of the base, or on what the one before earned. Run only where some lever does. One
-- level of levers is calculated from the levels before.

CREATE OR REPLACE TEMP MACRO rest_of(base, taken, minor) AS (CASE
    WHEN base < 0 THEN least(base - (taken * minor)::DECIMAL(38, 0) * 0.000001::DECIMAL(7, 6), 0)
    ELSE greatest(base - (taken * minor)::DECIMAL(38, 0) * 0.000001::DECIMAL(7, 6), 0) END)::DECIMAL(38, 12);

-- An amount in minor units, as a base.
CREATE OR REPLACE TEMP MACRO as_base(taken, minor) AS
    ((taken * minor)::DECIMAL(38, 0) * 0.000001::DECIMAL(7, 6))::DECIMAL(38, 12);

CREATE OR REPLACE TEMP MACRO whole_on(
    rated_base, base, amount, program_minor, exchange_part, exchange_whole, rate_part, rate_whole, minor,
    rounding
) AS whole_of_line(
    fixed_of(amount, base, program_minor), exchange_part, exchange_whole, rated_base,
    millionths_of(rated_base), rate_part, rate_whole, minor, rounding
);

CREATE OR REPLACE TEMP MACRO followed_of(lines) AS TABLE
WITH covering AS MATERIALIZED (
    FROM added_of(lines)
),
depths AS (
    SELECT program, lever, count(*) AS depth FROM program_after GROUP BY ALL
),
chained AS (
    SELECT covering.*, coalesce(depth, 0) AS depth
    FROM covering
    LEFT JOIN depths USING (program, lever)
    WHERE participant_id IS NOT NULL
),
earned_0 AS (
    SELECT source, transaction_id, role, program, lever,
        whole_on(base, base, amount, program_minor, exchange_part, exchange_whole, rate_part,
            rate_whole, minor, program_rounding(program)) AS whole
    FROM chained
    SEMI JOIN program_after
        ON program_after.program = chained.program AND program_after.before = chained.lever
    WHERE depth = 0 AND reason IS NULL
),
taken_1 AS (
    SELECT taking.source, taking.transaction_id, taking.role, taking.program, taking.lever, base, minor,
        program_after.on_earned, coalesce(sum(whole), 0) AS taken
    FROM chained AS taking
    JOIN program_after
        ON program_after.program = taking.program AND program_after.lever = taking.lever
    LEFT JOIN (FROM earned_0) AS earned
        ON earned.source = taking.source AND earned.transaction_id = taking.transaction_id
        AND earned.role = taking.role AND earned.program = taking.program
        AND earned.lever = program_after.before
    WHERE depth = 1
    GROUP BY ALL
),
rest_1 AS (
    SELECT source, transaction_id, role, program, lever,
        CASE WHEN on_earned THEN as_base(taken, minor) ELSE rest_of(base, taken, minor) END AS rest
    FROM taken_1
),
earned_1 AS (
    SELECT source, transaction_id, role, program, lever,
        whole_on(rest, base, amount, program_minor, exchange_part, exchange_whole, rate_part,
            rate_whole, minor, program_rounding(program)) AS whole
    FROM chained
    JOIN rest_1 USING (source, transaction_id, role, program, lever)
    WHERE reason IS NULL
),
taken_2 AS (
    SELECT taking.source, taking.transaction_id, taking.role, taking.program, taking.lever, base, minor,
        coalesce(sum(whole), 0) AS taken
    FROM chained AS taking
    JOIN program_after
        ON program_after.program = taking.program AND program_after.lever = taking.lever
    LEFT JOIN (FROM earned_0 UNION ALL FROM earned_1) AS earned
        ON earned.source = taking.source AND earned.transaction_id = taking.transaction_id
        AND earned.role = taking.role AND earned.program = taking.program
        AND earned.lever = program_after.before
    WHERE depth = 2
    GROUP BY ALL
),
rest_2 AS (
    SELECT source, transaction_id, role, program, lever, rest_of(base, taken, minor) AS rest
    FROM taken_2
),
earned_2 AS (
    SELECT source, transaction_id, role, program, lever,
        whole_on(rest, base, amount, program_minor, exchange_part, exchange_whole, rate_part,
            rate_whole, minor, program_rounding(program)) AS whole
    FROM chained
    JOIN rest_2 USING (source, transaction_id, role, program, lever)
    WHERE reason IS NULL
),
taken_3 AS (
    SELECT taking.source, taking.transaction_id, taking.role, taking.program, taking.lever, base, minor,
        coalesce(sum(whole), 0) AS taken
    FROM chained AS taking
    JOIN program_after
        ON program_after.program = taking.program AND program_after.lever = taking.lever
    LEFT JOIN (FROM earned_0 UNION ALL FROM earned_1 UNION ALL FROM earned_2) AS earned
        ON earned.source = taking.source AND earned.transaction_id = taking.transaction_id
        AND earned.role = taking.role AND earned.program = taking.program
        AND earned.lever = program_after.before
    WHERE depth = 3
    GROUP BY ALL
),
rest_3 AS (
    SELECT source, transaction_id, role, program, lever, rest_of(base, taken, minor) AS rest
    FROM taken_3
),
rests AS (
    FROM rest_1 UNION ALL FROM rest_2 UNION ALL FROM rest_3
)
SELECT covering.* REPLACE (
    coalesce(rest, rated_base) AS rated_base,
    CASE WHEN rest IS NULL THEN millionths ELSE millionths_of(rest) END AS millionths
)
FROM covering
LEFT JOIN rests
    ON rests.source = covering.source AND rests.transaction_id = covering.transaction_id
    AND rests.role = covering.role AND rests.program = covering.program
    AND rests.lever = covering.lever;
