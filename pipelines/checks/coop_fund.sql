-- What expired, rolled over or went missing in each co-op fund, from earnings, claims and program data; one
-- text per fund in which the published table differs.
WITH earned AS (
    SELECT program, participant_id, fund_half, sum(amount) AS amount
    FROM (
        SELECT program, participant_id, fund_half, period, program_amount AS amount
        FROM earnings
        WHERE earning_type = 'coop'
        UNION ALL
        -- What changes a closed cycle doesn't count before the cycle that it enters is due.
        SELECT change.program, participant_id, fund_half, period, -program_amount
        FROM settlement_changes AS change
        JOIN program_due ON program_due.program = change.program AND program_due.cycle = change.cycle
        CROSS JOIN snapshot
        WHERE earning_type = 'coop' AND due_on > as_of
    )
    CROSS JOIN snapshot
    WHERE last_day((period || '-01')::DATE) <= as_of
    GROUP BY ALL
),
claimed AS (
    SELECT program, participant_id, fund_half, sum(paid + reserved) AS amount
    FROM claim_items
    GROUP BY ALL
),
rollovers AS (
    SELECT fund.program, fund.participant_id, fund.fund_half, rollover.to_half, rollover.on_day
    FROM coop_fund AS fund
    JOIN program_fund_rollover AS rollover
        ON rollover.program = fund.program AND rollover.from_half = fund.fund_half
        AND coalesce(rollover.participant_id, fund.participant_id) = fund.participant_id
),
funds AS (
    SELECT fund.*, rollovers.to_half, outcome,
        coalesce(earned.amount, 0) AS earned_by_now, coalesce(claimed.amount, 0) AS claimed,
        coalesce(rollovers.on_day,
            (fund.half_until + to_months(use_months) + to_days(claim_days))::DATE) AS over_on,
        -- Halves without co-op of their own have no determination.
        coalesce(
            determinations.decided_on,
            CASE WHEN threshold.program IS NULL THEN fund.half_until ELSE settled_on END
        ) <= as_of AS settled
    FROM coop_fund AS fund
    CROSS JOIN snapshot
    LEFT JOIN program_fund_window AS span
        ON span.program = fund.program
        AND fund.half_until - 1 >= coalesce(span.from_on, DATE '0001-01-01')
        AND fund.half_until - 1 < coalesce(span.until_on, DATE '9999-12-31')
    LEFT JOIN program_fund_threshold AS threshold
        ON threshold.program = fund.program
        AND fund.half_until - 1 >= coalesce(threshold.from_on, DATE '0001-01-01')
        AND fund.half_until - 1 < coalesce(threshold.until_on, DATE '9999-12-31')
    LEFT JOIN rollovers
        ON rollovers.program = fund.program AND rollovers.participant_id = fund.participant_id
        AND rollovers.fund_half = fund.fund_half
    LEFT JOIN determinations
        ON determinations.program = fund.program AND kind = 'coop_threshold'
        AND subject = fund.participant_id AND determinations.window = fund.fund_half
    LEFT JOIN earned
        ON earned.program = fund.program AND earned.participant_id = fund.participant_id
        AND earned.fund_half = fund.fund_half
    LEFT JOIN claimed
        ON claimed.program = fund.program AND claimed.participant_id = fund.participant_id
        AND claimed.fund_half = fund.fund_half
),
known AS (
    SELECT *, settled AND over_on IS NOT NULL AS kept,
        CASE WHEN outcome = 'converted' THEN 0 ELSE earned_by_now END + adjusted + rolled_in - claimed
            AS free
    FROM funds
),
expected AS (
    SELECT program, participant_id, fund_half, half_until, to_half, expired - expiry_reversed AS found,
        rolled_out,
        CASE WHEN kept AND over_on <= as_of AND to_half IS NULL THEN greatest(free, 0) ELSE 0 END
            AS net_expired,
        CASE WHEN kept AND over_on <= as_of AND to_half IS NOT NULL THEN greatest(free, 0) ELSE 0 END
            AS rolled,
        CASE WHEN kept THEN greatest(-free, 0) ELSE 0 END AS missing
    FROM known
    CROSS JOIN snapshot
),
moved AS (
    SELECT program, participant_id, to_half AS fund_half, rolled AS amount
    FROM expected
    WHERE rolled <> 0
    UNION ALL
    SELECT expected.program, expected.participant_id, following.fund_half, -missing
    FROM expected
    LEFT JOIN coop_fund AS following
        ON following.program = expected.program
        AND following.participant_id = expected.participant_id
        AND following.half_from = expected.half_until
    WHERE missing <> 0
)
SELECT concat(program, '/', participant_id, '/', fund_half, ': expected ', net_expired, ' expired and ',
    rolled - missing, ' rolled out, found ', found, ' and ', rolled_out) AS fault
FROM expected
WHERE found <> net_expired OR rolled_out <> rolled - missing
UNION ALL
SELECT concat(program, '/', participant_id, '/', fund_half, ': expected ', coalesce(amount, 0),
    ' rolled in, found ', coalesce(rolled_in, 0))
FROM coop_fund
FULL JOIN (SELECT program, participant_id, fund_half, sum(amount) AS amount FROM moved GROUP BY ALL)
    USING (program, participant_id, fund_half)
WHERE coalesce(amount, 0) <> coalesce(rolled_in, 0)
