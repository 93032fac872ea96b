-- Lines that counted when a close froze who added a customer, who reached trailing revenue or what a window is
-- compared with, and no longer do, or not as they were: only they undo it. Run only where some program asks.

-- The days that frozen determinations looked at; of baselines, whatever takes back from then on, too: a refund
-- counts where what it refunds does.
CREATE OR REPLACE TEMP TABLE frozen_days AS
SELECT DISTINCT frozen_by AS closed_by, kind = 'baseline' AS with_refunds,
    regexp_extract("window", ' ([^ ]*)[.][.][^ ]*$', 1)::DATE AS first_on,
    regexp_extract("window", '[.][.]([^ ]*)$', 1)::DATE AS last_on
FROM determinations
ANTI JOIN (FROM program_trailing WHERE for_good) AS never
    ON never.program = determinations.program AND kind = 'trailing_revenue'
    AND never.name = regexp_extract("window", '^(.*) [^ ]*$', 1)
WHERE kind IN ('trailing_revenue', 'customer_add', 'baseline') AND frozen_by NOT NULL AND frozen_by <> 'never';

-- The deliveries that were staged when their cycle was closed.
CREATE OR REPLACE TEMP TABLE closed_deliveries AS
WITH closings AS (
    SELECT cycle AS closed_by, max(closes.snapshot) AS closed_snapshot
    FROM closes
    WHERE state = 'closed' AND cycle IN (SELECT closed_by FROM frozen_days)
    GROUP BY ALL
)
SELECT DISTINCT closed_by, delivery_id
FROM closings
JOIN runs ON runs.snapshot <= closed_snapshot
JOIN run_inputs USING (run_id)
WHERE run_inputs.state = 'staged';

-- Lines that counted then and no longer do in that delivery.
CREATE OR REPLACE TEMP TABLE replaced_transactions AS
WITH replaced AS (
    SELECT known.closed_by, known.delivery_id, slice_key, row_key
    FROM supersessions
    JOIN closed_deliveries AS known USING (delivery_id)
    LEFT JOIN closed_deliveries AS before
        ON before.closed_by = known.closed_by AND before.delivery_id = by_delivery_id
    WHERE table_name = 'transactions' AND known_on <= (SELECT as_of FROM snapshot)
    GROUP BY ALL
    HAVING count(before.delivery_id) = 0
),
lines AS (
    SELECT closed_by, line.* FROM transactions AS line
    JOIN replaced ON replaced.delivery_id = line.delivery_id AND replaced.row_key = line.row_key
    UNION
    SELECT closed_by, line.* FROM transactions AS line
    JOIN replaced
        ON replaced.delivery_id = line.delivery_id AND replaced.slice_key = line.slice_key
        AND replaced.row_key IS NULL
)
FROM lines
SEMI JOIN frozen_days
    ON frozen_days.closed_by = lines.closed_by AND first_on <= transaction_on
    AND (transaction_on <= last_on OR with_refunds AND base < 0);

-- Those that didn't come again as they were.
CREATE OR REPLACE TEMP TABLE gone_transactions AS
SELECT line.* FROM replaced_transactions AS line
ANTI JOIN transactions_in_force AS same
    ON same.source = line.source AND same.transaction_id = line.transaction_id
    AND same.transaction_on = line.transaction_on AND same.data_role = line.data_role
    AND same.base = line.base AND same.transaction_currency = line.transaction_currency
    AND same.billed_partner_id IS NOT DISTINCT FROM line.billed_partner_id
    AND same.reseller_partner_id IS NOT DISTINCT FROM line.reseller_partner_id
    AND same.customer_id IS NOT DISTINCT FROM line.customer_id
    AND same.product_id IS NOT DISTINCT FROM line.product_id
    AND same.sku_id IS NOT DISTINCT FROM line.sku_id;

-- Lines that counted at the closes of some rows, wherever they stand now.
CREATE OR REPLACE TEMP MACRO lines_of_then(closes) AS TABLE
SELECT closed_by, source, transaction_id
FROM transactions_in_force
JOIN closed_deliveries USING (delivery_id)
SEMI JOIN query_table(closes) AS closes USING (closed_by)
UNION
SELECT closed_by, source, transaction_id
FROM replaced_transactions
SEMI JOIN query_table(closes) AS closes USING (closed_by);
