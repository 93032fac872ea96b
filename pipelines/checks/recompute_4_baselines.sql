-- What windows are compared with. What a close froze stays, unless lines that it was measured by were replaced
-- or withdrawn: then it is what is there of the lines of then.

-- The windows, named as `determinations` name them, and the days that are measured.
CREATE OR REPLACE TEMP TABLE compared_windows AS
WITH windows AS (
    SELECT DISTINCT program, lever, whose, window_on FROM own_months
),
days AS (
    SELECT windows.*, quantity_of, baseline, months, redecide, minor_of(currency) AS minor, CASE baseline
            WHEN 'last_year' THEN (window_on - INTERVAL 1 YEAR)::DATE
            WHEN 'previous' THEN (window_on - to_months(months))::DATE
            ELSE DATE '0001-01-01' END AS first_on,
        CASE baseline WHEN 'last_year' THEN (window_on - INTERVAL 1 YEAR + to_months(months))::DATE
            ELSE window_on END - 1 AS last_on
    FROM windows
    JOIN program_measure USING (program, lever)
    JOIN program USING (program)
    WHERE baseline IN ('last_year', 'previous', 'high_water')
)
SELECT *,
    CASE WHEN starts_with(whose, 'participant ') THEN substr(whose, 13) ELSE whose END AS subject,
    concat(lever, ' ', strftime(window_on, '%Y-%m'), '..',
        strftime(window_on + to_months(months - 1), '%Y-%m'), ' ', first_on, '..', last_on) AS "window"
FROM days;

-- The newest row of each, and the close that froze it first; null: nothing is measured anew.
CREATE OR REPLACE TEMP TABLE settled_baselines AS
SELECT windows.program, windows.lever, whose, window_on, any_value(first_on) AS first_on,
    any_value(last_on) AS last_on, arg_max(trillionths_of(settled.baseline), cycle) AS amount,
    CASE WHEN any_value(redecide) <> 'never' THEN min(frozen_by) END AS closed_by
FROM compared_windows AS windows
JOIN determinations AS settled
    ON settled.program = windows.program AND settled.subject = windows.subject
    AND settled."window" = windows."window"
WHERE kind = 'baseline' AND frozen_by IS NOT NULL AND redecide <> 'always'
GROUP BY ALL;

-- Those of whom a line of those days is gone, by today's map and companies.
CREATE OR REPLACE TEMP TABLE corrected_baselines AS
WITH gone AS (
    SELECT line.*, measures.program, measures.lever, per,
        CASE WHEN overlapping THEN NULL WHEN map_row IS NOT NULL THEN map.participant_id
            WHEN unmapped_itself THEN line.partner_id END AS participant_id
    FROM concerned_in('gone_transactions') AS line
    CROSS JOIN program_measure AS measures
    JOIN program_role ON program_role.program = measures.program AND program_role.role = line.role
    JOIN program ON program.program = measures.program
    LEFT JOIN map_ranges AS map
        ON map.program = measures.program AND map.partner_id = line.partner_id
        AND map.first_on <= transaction_on AND transaction_on < map.end_on
)
SELECT DISTINCT settled.*
FROM gone
LEFT JOIN month_companies
    ON month_companies.program = gone.program AND month_companies.period = gone.period
    AND month_companies.participant_id = gone.participant_id
JOIN settled_baselines AS settled
    ON settled.program = gone.program AND settled.lever = gone.lever
    AND settled.closed_by = gone.closed_by
    AND settled.whose = whose_of(per, gone.participant_id, company, customer_id)
    AND first_on <= transaction_on AND (transaction_on <= last_on OR base < 0)
WHERE gone.participant_id IS NOT NULL;

-- What the lines of then are now.
CREATE OR REPLACE TEMP TABLE baseline_lines AS
FROM lines_of_then('corrected_baselines');

CREATE OR REPLACE TEMP VIEW plain_lines_of_then AS
FROM plain_lines SEMI JOIN baseline_lines USING (source, transaction_id);

CREATE OR REPLACE TEMP VIEW pieces_of_then AS
FROM pieces
SEMI JOIN baseline_lines
    ON baseline_lines.source = pieces.source AND baseline_lines.transaction_id = pieces.refund;

CREATE OR REPLACE TEMP VIEW original_lines_of_then AS
FROM original_lines
SEMI JOIN pieces_of_then AS pieces
    ON pieces.source = original_lines.source AND pieces.original = original_lines.transaction_id;

CREATE OR REPLACE TEMP TABLE revenue_of_then AS
SELECT closed_by, program, lever, whose, counts_on, sum(adds) AS adds, bool_or(adds IS NULL) AS missing
FROM sold_by('plain_lines_of_then', 'pieces_of_then', 'original_lines_of_then')
JOIN baseline_lines USING (source, transaction_id)
GROUP BY ALL;

CREATE OR REPLACE TEMP MACRO baselines_by(windows, revenues) AS TABLE
SELECT windows.program, windows.lever, windows.whose, windows.window_on,
    CASE any_value(baseline)
        WHEN 'high_water'
        THEN greatest(coalesce(max(
            measure_of(quantity_of, adds, minor, program_rounding(windows.program))
        ), 0), 0)
        ELSE measure_of(
            any_value(quantity_of), coalesce(sum(adds), 0)::HUGEINT, any_value(minor),
            any_value(program_rounding(windows.program))
        )
    END AS amount,
    coalesce(bool_or(missing), false) AS missing
FROM query_table(windows) AS windows
LEFT JOIN query_table(revenues) AS revenues
    ON revenues.program = windows.program AND revenues.lever = windows.lever
    AND revenues.whose = windows.whose AND revenues.closed_by = windows.closed_by
    AND counts_on >= first_on AND counts_on <= last_on
GROUP BY ALL;

CREATE OR REPLACE TEMP VIEW corrected_windows AS
SELECT windows.*, closed_by
FROM compared_windows AS windows
JOIN corrected_baselines USING (program, lever, whose, window_on);

CREATE OR REPLACE TEMP VIEW open_windows AS
SELECT *, '' AS closed_by
FROM compared_windows
ANTI JOIN settled_baselines USING (program, lever, whose, window_on);

CREATE OR REPLACE TEMP VIEW revenue_now AS
SELECT '' AS closed_by, * FROM revenue;

CREATE OR REPLACE TEMP TABLE baselines AS
SELECT *, true AS anew FROM baselines_by('open_windows', 'revenue_now')
UNION ALL
SELECT measured.*, measured.amount <> settled.amount
FROM baselines_by('corrected_windows', 'revenue_of_then') AS measured
JOIN settled_baselines AS settled USING (program, lever, whose, window_on)
UNION ALL
SELECT program, lever, whose, window_on, amount, false, false
FROM settled_baselines
ANTI JOIN corrected_baselines USING (program, lever, whose, window_on);

-- As rows of `determinations` that an open cycle decides.
CREATE OR REPLACE TEMP VIEW recomputed_baselines AS
SELECT program, subject, "window", last_on AS decided_on, amount,
    CASE quantity_of WHEN 'amount' THEN money_of(rounded(amount, minor::HUGEINT * 1000000, program_rounding(program)), minor)
        ELSE divided(amount, 1000000000::HUGEINT)::DECIMAL(38, 0) * 0.001::DECIMAL(4, 3) END AS measured
FROM baselines
JOIN compared_windows USING (program, lever, whose, window_on)
WHERE anew AND NOT missing;
