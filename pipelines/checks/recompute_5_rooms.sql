-- What cycles take of the caps that several participants share: running gross by the cycle that settled an
-- earning, or that it enters, clamped to [0, limit].

CREATE OR REPLACE TEMP TABLE frozen_rooms AS
SELECT program, subject, "window", measured, threshold, decided_on, source, transaction_id
FROM determinations
WHERE kind = 'cap_room' AND frozen_by IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY program, subject, "window" ORDER BY cycle DESC) = 1;

-- The oldest open cycle; blank if none is closed.
CREATE OR REPLACE TEMP MACRO open_cycle() AS coalesce(
    (SELECT strftime((max(cycle) || '-01')::DATE + INTERVAL 1 MONTH, '%Y-%m') FROM closed_cycles), '');

-- The first cycle in which a part of what is earned in a month is paid; what is all co-op is never.
CREATE OR REPLACE TEMP MACRO due_cycles() AS TABLE
SELECT earned.*, min(strftime(
        first_of(period, due_every, fiscal_start) + to_months(due_every - 1 + due_months), '%Y-%m'
    )) AS due_cycle
FROM (
    SELECT DISTINCT program, period, share <> 0 AS as_rebate, fee_share <> 0 AS as_fee FROM capped_items
) AS earned
JOIN program_calendar USING (program)
WHERE CASE earning_type WHEN 'rebate' THEN as_rebate WHEN 'fee' THEN as_fee
    ELSE NOT as_rebate AND NOT as_fee END
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE room_levels AS
WITH entries AS (
    SELECT capped_items.program,
        concat(cap, ', company ' || scope_company, ', customer ' || scope_customer) AS subject,
        strftime(window_on, '%Y-%m') || '..'
            || strftime(window_on + to_months(months - 1), '%Y-%m') AS "window",
        coalesce(settled_in, greatest(due_cycle, open_cycle())) AS cycle,
        participant_id, gross, cap_on, cap_limit, program_minor AS minor, transaction_on,
        transaction_id, source
    FROM capped_items
    JOIN due_cycles() AS due
        ON due.program = capped_items.program AND due.period = capped_items.period
        AND as_rebate = (share <> 0) AND as_fee = (fee_share <> 0)
    WHERE scope_participant IS NULL AND gross <> 0
),
shared AS (
    SELECT program, subject, "window"
    FROM entries
    GROUP BY ALL
    HAVING count(DISTINCT participant_id) > 1
    UNION
    SELECT program, subject, "window" FROM frozen_rooms
),
cycles AS (
    SELECT program, subject, "window", cycle, sum(gross) AS gross, any_value(cap_on) AS cap_on,
        any_value(cap_limit) AS cap_limit, any_value(minor) AS minor,
        max({'decided_on': transaction_on, 'transaction_id': transaction_id, 'source': source})
            AS last
    FROM entries
    SEMI JOIN shared USING (program, subject, "window")
    GROUP BY program, subject, "window", cycle
)
SELECT program, subject, "window", cycle,
    cap_money(
        cap_on,
        least(greatest(sum(gross) OVER (
            PARTITION BY program, subject, "window" ORDER BY cycle
        ), 0), cap_limit),
        minor, program_rounding(program)
    ) AS measured,
    cap_money(cap_on, cap_limit, minor, program_rounding(program)) AS threshold, last.decided_on AS decided_on,
    nullif(last.source, '') AS source, last.transaction_id AS transaction_id
FROM cycles;

-- As rows of `determinations` of open cycles: what enters them, and what closed cycles don't take any
-- longer as their newest row says.
CREATE OR REPLACE TEMP VIEW recomputed_rooms AS
WITH settled AS (
    FROM room_levels
    WHERE cycle < open_cycle()
    QUALIFY row_number() OVER (PARTITION BY program, subject, "window" ORDER BY cycle DESC) = 1
)
FROM room_levels
WHERE cycle >= open_cycle()
UNION ALL BY NAME
SELECT frozen_rooms.* REPLACE (coalesce(settled.measured, 0) AS measured), open_cycle() AS cycle
FROM frozen_rooms
LEFT JOIN settled USING (program, subject, "window")
ANTI JOIN (FROM room_levels WHERE cycle = open_cycle()) AS entering
    ON entering.program = frozen_rooms.program AND entering.subject = frozen_rooms.subject
    AND entering."window" = frozen_rooms."window"
WHERE frozen_rooms.measured <> coalesce(settled.measured, 0);
