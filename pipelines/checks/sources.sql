-- The transactions behind an aggregate earning re-add to it, and so do its tiers. Of the months checked.
SELECT concat(earning_id, ': expected ', earning_amount, ' (', program_amount,
    '), found ', coalesce(shares, 0), ' (',
    coalesce(program_shares, 0), ')')
FROM (
    SELECT * FROM earnings WHERE aggregate_key IS NOT NULL AND checked(period)
) AS earnings
FULL JOIN (
    SELECT earning_id, sum(earning_share) AS shares, sum(program_share) AS program_shares,
        sum(base) AS base_of_sources
    FROM earning_sources WHERE checked(period) GROUP BY ALL
) USING (earning_id)
-- What a window earns in a month may be due to somebody who sold nothing in it.
WHERE NOT (tier_detail IS NOT NULL AND base = 0 AND shares IS NULL) AND (
    earning_amount IS DISTINCT FROM shares
    OR program_amount IS DISTINCT FROM program_shares
    OR tier_detail IS NULL AND base IS DISTINCT FROM base_of_sources)
UNION ALL
SELECT concat(earning_id, ': expected a window of ', tier_detail ->> 'window_amount',
    ' less ', tier_detail ->> 'booked_before', ' before, found tiers, topped up, of ', tiers,
    ' and earnings of ', earned)
FROM (
    SELECT *,
        coalesce(list_sum(list_transform(
            json_extract_string(tier_detail, '$.tiers[*].amount'),
            lambda amount: amount::DECIMAL(18, 3)
        )), 0) + coalesce((tier_detail ->> 'topped_up')::DECIMAL(18, 3), 0) AS tiers
    FROM (
        SELECT min(earning_id) AS earning_id, tier_detail, sum(gross_amount) AS earned
        FROM earnings
        WHERE tier_detail IS NOT NULL AND aggregate_key IS NOT NULL AND checked(period)
        GROUP BY program, lever, aggregate_key, tier_detail,
            CASE WHEN (tier_detail ->> 'company') IS NULL THEN participant_id END
    )
)
WHERE tiers <> (tier_detail ->> 'window_amount')::DECIMAL(18, 3)
    OR earned <> (tier_detail ->> 'window_amount')::DECIMAL(18, 3)
        - (tier_detail ->> 'booked_before')::DECIMAL(18, 3)
