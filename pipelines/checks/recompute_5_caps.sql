-- Caps: `credited = clamp(running gross) − clamp(running gross before)`, clamp to [0, limit], earning by
-- earning in order of the closed cycle that settled them, of date and transaction id, or of the
-- aggregate's key and last day; refunds give room back to the scope of what they refund.

-- What closed cycles settled has its room before all else. Earnings are told apart by what they are. Under a
-- cap that participants share, which is that of a blank one, it has it whoever earns it now.
CREATE OR REPLACE TEMP TABLE settled_first AS
WITH settled AS (
    SELECT program, lever, participant_id,
        -- An aggregate's row names the source of its first line.
        CASE WHEN transaction_id IS NULL THEN '' ELSE source END AS source,
        coalesce(transaction_id, aggregate_key) AS transaction_id, original_transaction_id, cycle
    FROM (
        SELECT earning_id, program, lever, participant_id, source, transaction_id, original_transaction_id,
            aggregate_key
        FROM settled_earnings
        UNION
        SELECT earning_id, program, lever, participant_id, source, transaction_id, original_transaction_id,
            aggregate_key
        FROM settlement_changes
    )
    JOIN (SELECT DISTINCT earning_id, cycle FROM cycle_entries WHERE closed) AS entries
        USING (earning_id)
    JOIN (SELECT DISTINCT program, lever FROM program_cap) USING (program, lever)
)
SELECT * EXCLUDE (cycle), min(cycle) AS settled_in
FROM settled
GROUP BY ALL
UNION ALL
SELECT * EXCLUDE (cycle) REPLACE ('' AS participant_id), min(cycle)
FROM settled
GROUP BY ALL;

-- The last day of their segment of constant rules, and the key that tells them apart; of what refunds of
-- another period take back, what it is taken back of.
CREATE OR REPLACE TEMP MACRO capped_aggregates() AS TABLE
SELECT *, concat_ws('/', coalesce(customer_id, ''), product_group, period, transaction_currency,
    last_on::VARCHAR) AS aggregate_key,
    CASE WHEN period <> summed_period THEN concat_ws('/', coalesce(customer_id, ''), product_group,
        summed_period, transaction_currency, last_on::VARCHAR) END AS takes_back,
    CASE WHEN period <> summed_period THEN last_day((period || '-01')::DATE) ELSE last_on END
        AS counted_on
FROM (
    SELECT sums.*,
        least(
            coalesce(changes.segment_on, DATE 'infinity'),
            (period_on + INTERVAL 1 MONTH)::DATE
        ) - 1 AS last_on
    FROM (
        SELECT *, (summed_period || '-01')::DATE AS period_on,
            greatest(period_on, coalesce(segment_on, DATE '-infinity')) AS begins_on
        FROM aggregate_amounts
        WHERE cap IS NOT NULL
    ) AS sums
    ASOF LEFT JOIN changes
        ON changes.program = sums.program AND changes.lever = sums.lever
        AND sums.begins_on < changes.segment_on
);

CREATE OR REPLACE TEMP VIEW capped_outcomes AS
SELECT *
FROM outcomes_of('plain_lines')
WHERE cap IS NOT NULL AND participant_id IS NOT NULL AND reason IS NULL AND NOT aggregated
    AND NOT measured;

-- Gross is in program currency: minor units of what is earned, or base with 12 decimals.
CREATE OR REPLACE TEMP TABLE cap_items AS
WITH items AS (
    SELECT source, transaction_id, NULL AS original_transaction_id, program, lever, cap, role,
        participant_id, customer_id, transaction_on, period, period AS window_period,
        transaction_currency, base, exchange_rate, pays_as, share, fee_share, share_part, share_whole, rebate_rounding,
        minor, program_minor, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM amounts_of('capped_outcomes')
    UNION ALL BY NAME
    SELECT source, transaction_id, original_transaction_id, original_transaction_id AS takes_back,
        program, lever, cap, role, participant_id, customer_id, transaction_on, period,
        original_period AS window_period,
        transaction_currency, base, refunded, exchange_rate, pays_as, share, fee_share, share_part, share_whole, rebate_rounding,
        minor, program_minor, earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM reversals
    WHERE cap IS NOT NULL
    UNION ALL BY NAME
    SELECT '' AS source, aggregate_key AS transaction_id, takes_back, program, lever, cap, role, participant_id,
        customer_id, counted_on AS transaction_on, period, summed_period AS window_period,
        transaction_currency, base, -rated_base AS refunded, exchange_rate, pays_as, share, fee_share, share_part, share_whole, rebate_rounding, minor, program_minor,
        earned, rebate, fee, program_earned, program_rebate, program_fee
    FROM capped_aggregates()
    UNION ALL BY NAME
    SELECT '' AS source,
        concat_ws('/', coalesce(customer_id, company, ''), strftime(window_on, '%Y-%m'),
            strftime(window_end - INTERVAL 1 MONTH, '%Y-%m'), period,
            CASE WHEN rules_on <> least((period || '-01')::DATE, (window_end - INTERVAL 1 MONTH)::DATE)
                THEN strftime(rules_on, '%Y-%m')
            END) AS transaction_id,
        program, lever, cap, participant_id, company, customer_id, last_day((period || '-01')::DATE)
            AS transaction_on,
        period, strftime(rules_on, '%Y-%m') AS window_period, currency AS transaction_currency, pays_as,
        share, fee_share, part_of(share) AS share_part, whole_of(share) AS share_whole, rebate_rounding, minor,
        minor AS program_minor, earned, rebate, fee, earned AS program_earned,
        rebate AS program_rebate, fee AS program_fee
    FROM measured_earnings
    WHERE cap IS NOT NULL
),
-- Who has a company shares what follows it with all its locations; a measure per company is its company's. A
-- customer that isn't known is nobody whom participants share.
whose AS (
    SELECT items.* EXCLUDE (company), lever_place, cap_on, program_cap.months, program_cap.fiscal_start,
        cap_limit,
        CASE WHEN of_company THEN
            CASE WHEN program_measure.per = 'company' THEN company ELSE month_company END
        END AS scope_company,
        CASE
            WHEN scope_company IS NULL AND (per_participant OR (per_customer AND customer_id IS NULL))
            THEN participant_id
        END AS scope_participant,
        CASE WHEN per_customer THEN customer_id END AS scope_customer
    FROM items
    JOIN program_cap USING (program, lever, cap)
    JOIN program_lever USING (program, lever)
    LEFT JOIN program_measure USING (program, lever)
    LEFT JOIN (
        SELECT program, participant_id, period AS window_period, global_id AS month_company
        FROM eligibility
        WHERE requirement = 'all' AND program IN (SELECT program FROM program_cap WHERE of_company)
    ) AS month_companies USING (program, participant_id, window_period)
),
scoped AS (
    SELECT items.* EXCLUDE (fiscal_start, cap_limit), settled_in,
        first_of(window_period, months, fiscal_start) AS window_on,
        CASE cap_on
            WHEN 'payout' THEN cap_limit * 1000 // program_minor
            ELSE cap_limit * 1000000000
        END AS cap_limit,
        CASE cap_on
            WHEN 'payout' THEN program_earned::HUGEINT
            ELSE divided(added('amount', base, exchange_rate, NULL), 1000000000::HUGEINT)
        END AS gross,
        hash(items.program, cap, scope_participant, scope_company, scope_customer, window_on) AS scope
    FROM whose AS items
    LEFT JOIN settled_first
        ON settled_first.program = items.program AND settled_first.lever = items.lever
        AND settled_first.participant_id = coalesce(scope_participant, '')
        AND settled_first.source = coalesce(items.source, '')
        AND settled_first.transaction_id = items.transaction_id
        AND settled_first.original_transaction_id IS NOT DISTINCT FROM items.original_transaction_id
)
SELECT source, transaction_id, original_transaction_id, takes_back, program, lever, lever_place, cap, role,
    participant_id, transaction_on, period, transaction_currency, refunded, share, fee_share, share_part,
    share_whole, rebate_rounding, minor, program_minor, earned, rebate, fee, program_earned,
    program_rebate, program_fee, cap_on, cap_limit, months, scope_participant, scope_company,
    scope_customer, window_on, settled_in, gross, scope, row_number() OVER () AS item
FROM scoped;

-- Where nothing is taken back and the limit isn't passed, all is credited. Else in order, over as few columns
-- as order and amount have: a window of any scope must fit in memory.
CREATE OR REPLACE TEMP TABLE cap_credits AS
WITH ordered AS (
    SELECT scope, any_value(cap_limit) AS cap_limit
    FROM cap_items
    GROUP BY scope
    HAVING min(gross) < 0 OR sum(greatest(gross, 0)) > any_value(cap_limit)
),
running AS (
    SELECT item, gross, cap_limit, sum(gross) OVER (
        PARTITION BY scope
        ORDER BY settled_in NULLS LAST, transaction_on, transaction_id, source,
            original_transaction_id NULLS FIRST,
            lever_place, role, participant_id
        ROWS UNBOUNDED PRECEDING
    ) AS reached
    FROM (
        SELECT item, scope, gross, ordered.cap_limit, settled_in, transaction_on, transaction_id, source,
            original_transaction_id, lever_place, role, participant_id
        FROM cap_items
        JOIN ordered USING (scope)
    )
)
SELECT item, credited
FROM (
    SELECT item, gross, least(greatest(reached, 0), cap_limit)
            - least(greatest(reached - gross, 0), cap_limit) AS credited
    FROM running
)
WHERE credited <> gross;

CREATE OR REPLACE TEMP VIEW capped_items AS
SELECT items.* EXCLUDE (item, scope, lever_place), coalesce(cap_credits.credited, gross) AS credited
FROM cap_items AS items
LEFT JOIN cap_credits USING (item);

CREATE OR REPLACE TEMP MACRO credited_part(amount, credited, gross, rounding) AS
    rounded(amount::HUGEINT * abs(credited), abs(gross), rounding)::BIGINT;

-- Of refunds all that they take back of a line up to one of them is split, less what was before it: so the
-- refunds of a line add up to what was credited of it.
CREATE OR REPLACE TEMP VIEW credited_amounts AS
WITH cumulated AS (
    SELECT * FROM capped_items WHERE takes_back IS NULL
    UNION ALL BY NAME
    SELECT * REPLACE (
        sum(gross) OVER pieces AS gross, sum(credited) OVER pieces AS credited,
        (sum(earned) OVER pieces)::BIGINT AS earned, (sum(rebate) OVER pieces)::BIGINT AS rebate,
        (sum(fee) OVER pieces)::BIGINT AS fee,
        (sum(program_earned) OVER pieces)::BIGINT AS program_earned,
        (sum(program_rebate) OVER pieces)::BIGINT AS program_rebate,
        (sum(program_fee) OVER pieces)::BIGINT AS program_fee
    )
    FROM capped_items
    WHERE takes_back IS NOT NULL
    WINDOW pieces AS (
        PARTITION BY program, lever, role, participant_id, source, takes_back
        ORDER BY refunded
        ROWS UNBOUNDED PRECEDING
    )
),
parts AS (
    SELECT *, credited = gross AS whole,
        CASE
            WHEN credited <> gross
            THEN credited_part(earned, credited, gross, program_rounding(program))
        END AS part_earned,
        CASE
            WHEN credited = gross THEN NULL
            WHEN cap_on = 'payout' THEN credited::BIGINT
            ELSE credited_part(program_earned, credited, gross, program_rounding(program))
        END AS part_program_earned
    FROM cumulated
),
split AS (
    SELECT *, rebate_of(part_earned, share_part, share_whole, rebate_rounding) AS part_rebate,
        rebate_of(part_program_earned, share_part, share_whole, rebate_rounding) AS part_program_rebate
    FROM parts
),
credited AS (
    SELECT * EXCLUDE (
            earned, rebate, fee, program_earned, program_rebate, program_fee, part_earned, part_rebate,
            part_program_earned, part_program_rebate
        ),
        CASE WHEN whole THEN earned ELSE part_earned END AS earned,
        CASE WHEN whole THEN rebate ELSE part_rebate END AS rebate,
        CASE WHEN whole THEN fee ELSE fee_of(
            part_earned - part_rebate, share, fee_share, program_rounding(program)
        ) END AS fee,
        CASE WHEN whole THEN program_earned ELSE part_program_earned END AS program_earned,
        CASE WHEN whole THEN program_rebate ELSE part_program_rebate END AS program_rebate,
        CASE
            WHEN whole THEN program_fee
            ELSE fee_of(
                part_program_earned - part_program_rebate, share, fee_share, program_rounding(program)
            )
        END AS program_fee
    FROM split
)
SELECT * FROM credited WHERE takes_back IS NULL
UNION ALL BY NAME
SELECT * REPLACE (
    earned - lag(earned, 1, 0) OVER pieces AS earned, rebate - lag(rebate, 1, 0) OVER pieces AS rebate,
    fee - lag(fee, 1, 0) OVER pieces AS fee,
    program_earned - lag(program_earned, 1, 0) OVER pieces AS program_earned,
    program_rebate - lag(program_rebate, 1, 0) OVER pieces AS program_rebate,
    program_fee - lag(program_fee, 1, 0) OVER pieces AS program_fee
)
FROM credited
WHERE takes_back IS NOT NULL
WINDOW pieces AS (
    PARTITION BY program, lever, role, participant_id, source, takes_back ORDER BY refunded
);

CREATE OR REPLACE TEMP MACRO cap_money(cap_on, amount, minor, rounding) AS money_of(
    CASE cap_on
        WHEN 'payout' THEN amount
        ELSE rounded(amount, minor::HUGEINT * 1000000, rounding)
    END,
    minor
);

CREATE OR REPLACE TEMP VIEW recomputed_caps AS
SELECT program, cap, participant_id, global_id, customer_id, strftime(window_on, '%Y-%m') AS window_from,
    cap_money(cap_on, gross, minor, program_rounding(program)) AS gross,
    cap_money(cap_on, used, minor, program_rounding(program)) AS used
FROM (
    SELECT program, cap, scope_participant AS participant_id, scope_company AS global_id,
        scope_customer AS customer_id, window_on, cap_on, program_minor AS minor, sum(gross) AS gross,
        sum(credited) AS used
    FROM capped_items
    GROUP BY ALL
);
