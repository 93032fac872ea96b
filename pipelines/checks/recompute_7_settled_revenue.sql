
-- What was decided for good stays, whatever is known now, unless lines that decided it were replaced or
-- withdrawn and what is there of them misses the amount: then it is undone, and decided anew by all lines.

-- The newest row of everybody who qualified, and the cycle whose close froze it; null: nothing undoes it.
CREATE OR REPLACE TEMP TABLE settled_revenue AS
SELECT settled.program, name, from_on, subject, "window", outcome, threshold, decided_on,
    regexp_extract("window", ' ([^ ]*)[.][.][^ ]*$', 1)::DATE AS first_on,
    CASE WHEN NOT for_good THEN frozen_by END AS closed_by
FROM determinations AS settled
JOIN program_trailing AS asked
    ON asked.program = settled.program
    AND asked.name = regexp_extract("window", '^(.*) [^ ]*$', 1)
    AND coalesce(from_on <= decided_on, true) AND coalesce(decided_on < until_on, true)
WHERE kind = 'trailing_revenue' AND frozen_by IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY settled.program, name, from_on, subject ORDER BY cycle DESC, outcome = 'undone'
) = 1;

-- Whose they were, by today's map, companies and product groups. They aren't in force: the tables of days
-- above don't have theirs.
CREATE OR REPLACE TEMP TABLE corrected_revenue AS
WITH sold AS (
    SELECT line.*, asked.program, asked.name, asked.from_on, by_company,
        CASE WHEN overlapping THEN NULL WHEN map_row IS NOT NULL THEN map.participant_id
            WHEN unmapped_itself THEN line.partner_id END AS participant_id
    FROM concerned_in('gone_transactions') AS line
    JOIN program_trailing AS asked ON asked.data_role = line.data_role
    JOIN program_role ON program_role.program = asked.program AND program_role.role = line.role
    JOIN program ON program.program = asked.program
    LEFT JOIN map_ranges AS map
        ON map.program = asked.program AND map.partner_id = line.partner_id
        AND map.first_on <= transaction_on AND transaction_on < map.end_on
    LEFT JOIN product_groups_in_force AS members
        ON members.product_id = line.product_id
        AND coalesce(members.sku_id, '') IN ('', line.sku_id)
        AND coalesce(members.from_on <= transaction_on, true)
        AND coalesce(transaction_on < members.until_on, true)
    WHERE len(product_groups) = 0 OR list_contains(product_groups, members.product_group)
)
SELECT DISTINCT settled.*
FROM sold
LEFT JOIN memberships_in_force AS members
    ON members.location_id = CASE WHEN by_company THEN participant_id END
    AND coalesce(members.from_on <= transaction_on, true)
    AND coalesce(transaction_on < members.until_on, true)
JOIN settled_revenue AS settled
    ON settled.program = sold.program AND settled.name = sold.name
    AND settled.from_on IS NOT DISTINCT FROM sold.from_on AND settled.closed_by = sold.closed_by
    AND settled.subject = coalesce('company ' || global_id, participant_id)
    AND first_on <= transaction_on AND transaction_on <= decided_on
WHERE outcome = 'qualified';

-- The lines of then, as they are now.
CREATE OR REPLACE TEMP TABLE deciding AS
FROM lines_of_then('corrected_revenue');

CREATE OR REPLACE TEMP TABLE deciding_transactions AS
FROM transactions_in_force
SEMI JOIN deciding USING (source, transaction_id);

CREATE OR REPLACE TEMP TABLE undone_revenue AS
WITH sold AS (
    SELECT closed_by, lines.* FROM trailing_lines_of('deciding_transactions') AS lines
    JOIN deciding USING (source, transaction_id)
),
measured AS (
    SELECT corrected.*, minor_of(currency) AS minor, count(exact) AS transactions,
        coalesce(sum(exact), 0)::HUGEINT AS exact
    FROM corrected_revenue AS corrected
    JOIN program USING (program)
    LEFT JOIN sold
        ON sold.closed_by = corrected.closed_by AND sold.program = corrected.program
        AND sold.name = corrected.name AND sold.from_on IS NOT DISTINCT FROM corrected.from_on
        AND sold.subject = corrected.subject
        AND first_on <= transaction_on AND transaction_on <= decided_on
    GROUP BY ALL
)
SELECT * EXCLUDE (exact),
    money_of(rounded(exact, minor::HUGEINT * 1000000000000000, program_rounding(program)), minor)
        AS measured
FROM measured
WHERE money_of(rounded(exact, minor::HUGEINT * 1000000000000000, program_rounding(program)), minor)
    < threshold;

-- As rows of `determinations` that an open cycle decides.
CREATE OR REPLACE TEMP VIEW recomputed_revenue AS
WITH standing AS (
    FROM settled_revenue AS settled
    ANTI JOIN undone_revenue AS undone
        ON undone.program = settled.program AND undone.subject = settled.subject
        AND undone."window" = settled."window"
    WHERE outcome = 'qualified'
),
anew AS (
    FROM reached_revenue AS reached
    ANTI JOIN standing
        ON standing.program = reached.program AND standing.name = reached.name
        AND standing.from_on IS NOT DISTINCT FROM reached.from_on
        AND standing.subject = reached.subject
)
SELECT program, subject, "window", 'qualified' AS outcome, decided_on, measured, threshold, transactions
FROM anew
UNION ALL
SELECT program, subject, "window", 'undone', decided_on, measured, threshold, transactions
FROM undone_revenue
ANTI JOIN anew USING (program, subject, "window");
