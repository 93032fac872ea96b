-- Who added which customer: once per customer, whoever the partner. Run only where some lever asks.

-- What closes froze: the newest row of every customer under a lever. It stays, whatever is known now, unless
-- lines of the customer were corrected since, and the one that decided is gone or less than the minimum was
-- sold by it; never, if the rule says so.
CREATE OR REPLACE TEMP TABLE frozen_rows AS
SELECT determinations.program, asked.lever, subject AS customer_id, "window",
    regexp_extract("window", ' ([^ ]*)[.][.]', 1)::DATE AS first_on,
    regexp_extract("window", '[.][.](.*)$', 1)::DATE + 1 AS end_on, awarded_to, source, transaction_id,
    role, measured AS settled_measured, threshold, decided_on, cycle,
    CASE WHEN redecide <> 'never' THEN frozen_by END AS closed_by
FROM determinations
JOIN program_customer_add AS asked
    ON asked.program = determinations.program
    AND asked.lever = regexp_extract("window", '^(.*) [^ ]*$', 1)
WHERE kind = 'customer_add' AND frozen_by IS NOT NULL AND redecide <> 'always';

CREATE OR REPLACE TEMP TABLE settled_additions AS
WITH newest AS (
    FROM frozen_rows
    QUALIFY row_number() OVER (
        PARTITION BY program, lever, customer_id ORDER BY cycle DESC, awarded_to IS NULL
    ) = 1
),
corrected AS (
    SELECT DISTINCT program, lever, customer_id
    FROM newest
    JOIN gone_transactions AS gone USING (closed_by, customer_id)
    WHERE base > 0 AND first_on <= transaction_on AND transaction_on <= decided_on
),
-- The line that decided names other partners since.
resold AS (
    SELECT DISTINCT gone.closed_by, source, transaction_id
    FROM gone_transactions AS gone
    JOIN transactions_in_force AS line USING (source, transaction_id)
    WHERE gone.billed_partner_id IS DISTINCT FROM line.billed_partner_id
        OR gone.reseller_partner_id IS DISTINCT FROM line.reseller_partner_id
)
SELECT newest.*, corrected.program IS NOT NULL AS corrected, resold.source IS NOT NULL AS resold
FROM newest
LEFT JOIN corrected USING (program, lever, customer_id)
LEFT JOIN resold USING (closed_by, source, transaction_id);

-- What is sold to their customers now, whether or not it earns.
CREATE OR REPLACE TEMP TABLE settled_lines AS
SELECT settled.*, covering.participant_id, covering.transaction_on, covering.transaction_id AS line_id,
    covering.source AS line_source, covering.role AS line_role,
    covering.transaction_id = settled.transaction_id AND covering.source = settled.source AS decides,
    trillionths_of(base) * billionths_of(coalesce(exchange_rate, 0)) AS exact
FROM covering_of('transactions_in_force') AS covering
JOIN settled_additions AS settled
    ON settled.program = covering.program AND settled.lever = covering.lever
    AND settled.customer_id = covering.customer_id
WHERE base > 0 AND participant_id IS NOT NULL;

-- For whom the partner of the line that decided earns now, if not for whom it was awarded to.
CREATE OR REPLACE TEMP TABLE settled_owners AS
SELECT program, lever, customer_id, CASE
        WHEN bool_or(resold OR participant_id = awarded_to) THEN any_value(awarded_to)
        ELSE arg_min(participant_id, line_role)
    END AS owner
FROM settled_lines
WHERE decides AND coalesce(role = line_role, true)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE settled_sales AS
WITH theirs AS (
    SELECT program, lever, customer_id, owner AS participant_id FROM settled_owners
    UNION
    SELECT program, lever, customer_id, rows.awarded_to
    FROM frozen_rows AS rows
    SEMI JOIN settled_additions USING (program, lever, customer_id, "window", source, transaction_id)
    WHERE awarded_to IS NOT NULL
),
own AS (
    SELECT program, lever, customer_id, decides, sum(exact) OVER (
            PARTITION BY program, lever, customer_id
            ORDER BY transaction_on, line_id, line_source, line_role
            ROWS UNBOUNDED PRECEDING
        ) AS sold
    FROM settled_lines
    SEMI JOIN theirs USING (program, lever, customer_id, participant_id)
    WHERE first_on <= transaction_on AND transaction_on < end_on
)
SELECT program, lever, customer_id, minor_of(currency) AS minor,
    rounded(sold, minor_of(currency)::HUGEINT * 1000000000000000, program_rounding(program)) AS measured
FROM (
    SELECT program, lever, customer_id, max(sold) AS sold FROM own WHERE decides GROUP BY ALL
)
JOIN program USING (program);

CREATE OR REPLACE TEMP TABLE frozen_additions AS
SELECT settled.*, coalesce(owner, awarded_to) AS owner,
    CASE WHEN corrected THEN money_of(measured, minor) ELSE settled_measured END AS measured
FROM settled_additions AS settled
LEFT JOIN settled_sales USING (program, lever, customer_id)
LEFT JOIN settled_owners USING (program, lever, customer_id)
WHERE awarded_to IS NOT NULL
    AND (NOT corrected OR coalesce(money_of(measured, minor) >= threshold, false));

-- A customer's first line, whoever sold it; of any product, or of the lever's.
CREATE OR REPLACE TEMP TABLE customer_windows AS
WITH firsts AS (
    SELECT asked.program, asked.lever, customer_id, min(transaction_on) AS first_on
    FROM transactions_in_force
    CROSS JOIN program_customer_add AS asked
    WHERE NOT by_product AND base > 0 AND customer_id IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT groups.program, groups.lever, customer_id, min(line.transaction_on)
    FROM transactions_in_force AS line
    JOIN (
        SELECT DISTINCT product_id, sku_id, data_role, transaction_on, program, lever
        FROM product_day_groups
        JOIN program_rate USING (product_group)
        JOIN program_customer_add USING (program, lever)
        WHERE by_product
    ) AS groups
        ON groups.product_id IS NOT DISTINCT FROM line.product_id
        AND groups.sku_id IS NOT DISTINCT FROM line.sku_id
        AND groups.data_role = line.data_role
        AND groups.transaction_on = line.transaction_on
    WHERE base > 0 AND customer_id IS NOT NULL
    GROUP BY ALL
),
opened AS (
    SELECT program, lever,
        greatest(
            min(coalesce(program_rate.from_on, DATE '-infinity')),
            min(coalesce(program_term.from_on, DATE '-infinity'))
        ) AS opened_on
    FROM program_rate
    JOIN program_term USING (program)
    GROUP BY ALL
)
SELECT program, lever, customer_id, first_on, (first_on + to_months(months))::DATE AS end_on,
    minimum, program.currency, minor_of(program.currency) AS minor
FROM firsts
JOIN program_customer_add USING (program, lever)
JOIN opened USING (program, lever)
JOIN program USING (program)
ANTI JOIN frozen_additions USING (program, lever, customer_id)
WHERE first_on >= opened_on;

-- The first line at which its participant has sold the minimum. What is taken back doesn't count.
CREATE OR REPLACE TEMP TABLE customer_awards AS
WITH sales AS (
    SELECT windows.*, participant_id, covering.transaction_on, transaction_id, source, role,
        sum(trillionths_of(base) * billionths_of(exchange_rate))
            OVER (
                PARTITION BY windows.program, windows.lever, windows.customer_id, participant_id
                ORDER BY covering.transaction_on, transaction_id, source, role
                ROWS UNBOUNDED PRECEDING
            ) AS sold
    FROM covering_of('transactions_in_force') AS covering
    JOIN customer_windows AS windows
        ON windows.program = covering.program AND windows.lever = covering.lever
        AND windows.customer_id = covering.customer_id
    WHERE base > 0 AND participant_id IS NOT NULL AND reason IS NULL
        AND first_on <= covering.transaction_on AND covering.transaction_on < end_on
),
measured AS (
    SELECT *, rounded(sold, minor::HUGEINT * 1000000000000000, program_rounding(program)) AS measured
    FROM sales
)
SELECT * EXCLUDE (sold)
FROM measured
WHERE measured >= minimum * 1000 // minor
QUALIFY row_number() OVER (
    PARTITION BY program, lever, customer_id ORDER BY transaction_on, transaction_id, source, role
) = 1;

CREATE OR REPLACE TEMP MACRO added_of(lines) AS TABLE
SELECT covering.* REPLACE (CASE
        WHEN asked.program IS NULL OR NOT asks_customer THEN reason
        WHEN windows.first_on IS NULL OR covering.transaction_on < windows.first_on
            OR covering.transaction_on >= windows.end_on THEN 'CUSNOTNEW'
        WHEN awards.participant_id IS NULL THEN 'MINTHNTMT'
        WHEN awards.participant_id <> covering.participant_id THEN 'IVDCUST'
        ELSE reason
    END AS reason)
FROM covering_of(lines) AS covering
LEFT JOIN program_customer_add AS asked
    ON asked.program = covering.program AND asked.lever = covering.lever
LEFT JOIN (
    SELECT program, lever, customer_id, first_on, end_on FROM customer_windows
    UNION ALL
    SELECT program, lever, customer_id, first_on, end_on FROM frozen_additions
) AS windows
    ON windows.program = covering.program AND windows.lever = covering.lever
    AND windows.customer_id = covering.customer_id
LEFT JOIN (
    SELECT program, lever, customer_id, participant_id FROM customer_awards
    UNION ALL
    SELECT program, lever, customer_id, owner FROM frozen_additions
) AS awards
    ON awards.program = covering.program AND awards.lever = covering.lever
    AND awards.customer_id = covering.customer_id;

-- Of those that the rows of an open cycle undo, if these don't decide anew over the same days.
CREATE OR REPLACE TEMP VIEW undone_additions AS
SELECT program, customer_id AS subject, "window", decided_on, coalesce(measured, 0) AS measured,
    coalesce(minor, 1000) AS minor, threshold, source, transaction_id, role
FROM (
    SELECT settled_additions.* FROM settled_additions
    JOIN program_customer_add USING (program, lever)
    ANTI JOIN frozen_additions USING (program, lever, customer_id)
    WHERE awarded_to IS NOT NULL
)
LEFT JOIN settled_sales USING (program, lever, customer_id);

-- As rows of `determinations`.
CREATE OR REPLACE TEMP VIEW recomputed_additions AS
WITH added AS (
    SELECT program, customer_id AS subject, concat(lever, ' ', first_on, '..', end_on - 1) AS "window",
        'added' AS outcome, transaction_on AS decided_on, money_of(measured, minor) AS measured,
        minimum * 0.001::DECIMAL(4, 3) AS threshold, participant_id AS awarded_to, source,
        transaction_id, role
    FROM customer_awards
)
FROM added
UNION ALL
SELECT program, subject, "window", 'undone', decided_on, money_of(measured, minor), threshold, NULL,
    source, transaction_id, role
FROM undone_additions
ANTI JOIN added USING (program, subject, "window")
UNION ALL
SELECT program, customer_id, "window", 'added', decided_on, measured, threshold, owner, source,
    transaction_id, role
FROM frozen_additions
JOIN program_customer_add USING (program, lever)
WHERE owner <> awarded_to;
