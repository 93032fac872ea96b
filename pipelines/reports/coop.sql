-- The co-op fund of each half with its claims: what moved, what is left, and when it ends
-- one row per participant × program × fund half × line × claim; amounts in program currency
--
-- Lines: earned, adjusted, rolled in, converted, claims paid, expired, expiry reversed, rolled out (those that
-- are not zero, what leaves the fund negative), reserved, available; and claim: what each part of a claim has
-- of the fund, with what was asked in the claim's currency. What is available on `ends_on` expires then, or moves
-- to the half `rolls_to`.
WITH movements AS (
    SELECT program, participant_id, fund_half,
        unnest([
            {'place': 1, 'line': 'earned', 'amount': earned},
            {'place': 2, 'line': 'adjusted', 'amount': adjusted},
            {'place': 3, 'line': 'rolled in', 'amount': rolled_in},
            {'place': 4, 'line': 'converted', 'amount': -converted},
            {'place': 5, 'line': 'claims paid', 'amount': -claims_paid},
            {'place': 6, 'line': 'expired', 'amount': -expired},
            {'place': 7, 'line': 'expiry reversed', 'amount': expiry_reversed},
            {'place': 8, 'line': 'rolled out', 'amount': -rolled_out},
            {'place': 9, 'line': 'reserved', 'amount': reserved},
            {'place': 10, 'line': 'available', 'amount': available}
        ], recursive := true)
    FROM coop_fund
),
lines AS (
    SELECT program, participant_id, fund_half, place, line, NULL AS claim_id, NULL AS activity,
        NULL AS activity_period, NULL AS decision, NULL AS reason, NULL AS claim_currency,
        NULL AS asked_amount, amount
    FROM movements
    WHERE amount <> 0 OR line = 'available'
    UNION ALL
    SELECT program, participant_id, fund_half, 11, 'claim', claim_id, activity, activity_period,
        decision, reason, claim_currency, asked_amount, program_amount
    FROM claim_items
),
names AS (
    SELECT location_id AS participant_id,
        arg_max(location_name, (coalesce(from_on, DATE '0001-01-01'), location_name)) AS name
    FROM memberships_in_force
    GROUP BY location_id
)
SELECT participant_id, names.name AS participant_name, program, fund_half, line, claim_id, activity,
    activity_period, decision, reason, sentence AS reason_sentence, claim_currency,
    asked_amount::DECIMAL(18, 3) AS asked_amount, program_currency,
    amount::DECIMAL(18, 3) AS amount,
    use_from, use_until, claim_from, claim_until, ends_on, rolls_to,
    CASE WHEN line = 'available' THEN ends_on - as_of END AS days_left
FROM lines
LEFT JOIN coop_fund USING (program, participant_id, fund_half)
LEFT JOIN names USING (participant_id)
LEFT JOIN reasons ON reasons.code = lines.reason AND reasons.kind = 'claim'
CROSS JOIN snapshot
ORDER BY participant_id, program, half_from, fund_half, place, claim_id, decision, reason
