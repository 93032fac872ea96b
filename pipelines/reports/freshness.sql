-- How fresh each source is, and the gaps between its deliveries
-- one row per source
WITH files AS (
    SELECT DISTINCT source, format, delivery_id, source_file, file_digest, known_on, sequence,
        rows_staged, rows_rejected
    FROM run_inputs
    CROSS JOIN snapshot
    WHERE state = 'staged' AND known_on <= as_of
),
deliveries AS (
    SELECT source, delivery_id, known_on, max(sequence) AS sequence, count(*) AS files,
        sum(rows_staged) AS rows_staged, sum(rows_rejected) AS rows_rejected
    FROM files
    GROUP BY ALL
),
days AS (
    SELECT source, known_on,
        known_on - lag(known_on) OVER (PARTITION BY source ORDER BY known_on) AS gap
    FROM (SELECT DISTINCT source, known_on FROM deliveries)
),
gaps AS (
    SELECT source, quantile_disc(gap, 0.5) AS usual, max(gap) AS longest,
        arg_max(known_on, (gap, known_on)) AS longest_until
    FROM days
    WHERE gap IS NOT NULL
    GROUP BY source
)
SELECT source, count(*) AS deliveries, sum(files)::BIGINT AS files,
    min(deliveries.known_on) AS first_known_on, max(deliveries.known_on) AS last_known_on,
    arg_max(delivery_id, (deliveries.known_on, sequence, delivery_id)) AS last_delivery,
    arg_max(rows_staged, (deliveries.known_on, sequence, delivery_id))::BIGINT AS last_rows,
    sum(rows_staged)::BIGINT AS rows, sum(rows_rejected)::BIGINT AS rows_rejected,
    (any_value(as_of) - max(deliveries.known_on))::BIGINT AS days_since_last,
    any_value(usual)::BIGINT AS usual_gap_days,
    any_value(longest)::BIGINT AS longest_gap_days,
    any_value(longest_until) AS longest_gap_until
FROM deliveries
LEFT JOIN gaps USING (source)
CROSS JOIN snapshot
GROUP BY source
ORDER BY source
