-- Caps: `credited = clamp(running gross) − clamp(running gross before)`, clamp to [0, limit], line by line
-- in order of date and transaction id; refunds give room back to the scope of what they refund.

CREATE OR REPLACE TEMP VIEW cappable_lines AS
SELECT * FROM plain_lines WHERE any_capped();

CREATE OR REPLACE TEMP VIEW capped_outcomes AS
SELECT *
FROM outcomes_of('cappable_lines')
WHERE cap IS NOT NULL AND participant_id IS NOT NULL AND reason IS NULL;

-- Gross is in program currency: minor units of what is earned, or base with 12 decimals.
CREATE OR REPLACE TEMP TABLE capped_items AS
WITH items AS (
    SELECT source, transaction_id, NULL AS original_transaction_id, program, lever, cap, role,
        participant_id, customer_id, transaction_on, period, period AS window_period,
        transaction_currency, base, exchange_rate, pays_as, share, fee_share, share_part, share_whole,
        minor, program_minor, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM amounts_of('capped_outcomes')
    UNION ALL BY NAME
    SELECT source, transaction_id, original_transaction_id, program, lever, cap, role,
        participant_id, customer_id, transaction_on, period, original_period AS window_period,
        transaction_currency, base, exchange_rate, pays_as, share, fee_share, share_part, share_whole,
        minor, program_minor, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM reversals
    WHERE cap IS NOT NULL
),
scoped AS (
    SELECT items.*, lever_place, cap_on,
        CASE WHEN per_participant THEN participant_id END AS scope_participant,
        CASE WHEN per_customer THEN customer_id END AS scope_customer,
        first_of(window_period, months, fiscal_start) AS window_on,
        CASE cap_on
            WHEN 'payout' THEN cap_limit * 1000 // program_minor
            ELSE cap_limit * 1000000000
        END AS cap_limit,
        CASE cap_on
            WHEN 'payout' THEN program_earned::HUGEINT
            ELSE divided(added('amount', base, exchange_rate, NULL), 1000000000::HUGEINT)
        END AS gross
    FROM items
    JOIN program_cap USING (program, lever, cap)
    JOIN program_lever USING (program, lever)
),
running AS (
    SELECT *, sum(gross) OVER (
        PARTITION BY program, cap, scope_participant, scope_customer, window_on
        ORDER BY transaction_on, transaction_id, source, original_transaction_id NULLS FIRST,
            lever_place, role, participant_id
        ROWS UNBOUNDED PRECEDING
    ) AS reached
    FROM scoped
)
SELECT *, least(greatest(reached, 0), cap_limit) - least(greatest(reached - gross, 0), cap_limit)
    AS credited
FROM running;

CREATE OR REPLACE TEMP MACRO credited_part(amount, credited, gross) AS
    divided(amount::HUGEINT * abs(credited), abs(gross))::BIGINT;

CREATE OR REPLACE TEMP TABLE credited_amounts AS
WITH parts AS (
    SELECT *, credited = gross AS whole,
        CASE WHEN credited <> gross THEN credited_part(earned, credited, gross) END AS part_earned,
        CASE
            WHEN credited = gross THEN NULL
            WHEN cap_on = 'payout' THEN credited::BIGINT
            ELSE credited_part(program_earned, credited, gross)
        END AS part_program_earned
    FROM capped_items
),
split AS (
    SELECT *, scaled(part_earned, share_part, share_whole) AS part_rebate,
        scaled(part_program_earned, share_part, share_whole) AS part_program_rebate
    FROM parts
)
SELECT * EXCLUDE (
        earned, rebate, fee, program_earned, program_rebate, program_fee, part_earned, part_rebate,
        part_program_earned, part_program_rebate
    ),
    CASE WHEN whole THEN earned ELSE part_earned END AS earned,
    CASE WHEN whole THEN rebate ELSE part_rebate END AS rebate,
    CASE WHEN whole THEN fee ELSE fee_of(part_earned - part_rebate, share, fee_share) END AS fee,
    CASE WHEN whole THEN program_earned ELSE part_program_earned END AS program_earned,
    CASE WHEN whole THEN program_rebate ELSE part_program_rebate END AS program_rebate,
    CASE
        WHEN whole THEN program_fee
        ELSE fee_of(part_program_earned - part_program_rebate, share, fee_share)
    END AS program_fee
FROM split;

CREATE OR REPLACE TEMP MACRO cap_money(cap_on, amount, minor) AS money_of(
    CASE cap_on
        WHEN 'payout' THEN amount
        ELSE divided(amount, minor::HUGEINT * 1000000)
    END,
    minor
);

CREATE OR REPLACE TEMP VIEW recomputed_caps AS
SELECT program, cap, participant_id, customer_id, strftime(window_on, '%Y-%m') AS window_from,
    cap_money(cap_on, gross, minor) AS gross, cap_money(cap_on, used, minor) AS used
FROM (
    SELECT program, cap, scope_participant AS participant_id, scope_customer AS customer_id, window_on,
        cap_on, program_minor AS minor, sum(gross) AS gross, sum(credited) AS used
    FROM capped_items
    GROUP BY ALL
);
