//! Checks of the co-op fund: what leaves it, and what claims make of it.

use super::{Check, How};

pub const CHECKS: &[Check] = &[
    Check {
        name: "coop_expiry",
        description: "DuckDB's own recomputation of what expired and rolled over in each fund = ours",
        global: true,
        tables: &["coop_fund"],
        how: How::Sql(include_str!("../../pipelines/checks/coop_fund.sql")),
    },
    Check {
        name: "coop_journal",
        description: "co-op payable in the journal = what is left in the funds, and what came back of \
                      claims and isn't paid again",
        global: true,
        tables: &["coop_fund"],
        how: How::Sql(JOURNAL),
    },
    Check {
        name: "claim_returns",
        description: "what pays a claim again is what came back, once",
        global: false,
        tables: &["payments"],
        how: How::Sql(RETURNS),
    },
    Check {
        name: "claim_items",
        description: "items of claims re-add to what is asked, to what their funds bear and to their \
                      payments; every submitted claim has items",
        global: true,
        tables: &["claim_items", "coop_fund"],
        how: How::Sql(CLAIM_ITEMS),
    },
    Check {
        name: "claims",
        description: "no claim contradicts itself or its fund, else payments of its participant are held; nor \
                      what was sent",
        global: false,
        tables: &["claim_items"],
        how: How::Sql(CLAIMS),
    },
];

const CLAIMS: &str = "
    WITH faults AS (
        SELECT * FROM claim_items
        WHERE reason IN ('STATUS', 'OVERCLAIMED', 'SENT_DIFFERS')
            OR decision = 'held' AND reason = 'NO_FUND'
    ),
    -- What the export says now of claims that were sent, wherever it has them
    said AS (
        SELECT claim_id, string_agg(concat('`', status, '` on ', status_on, ' of ', location_id, ', ',
                claim_currency, ' ', coalesce(decided_amount, asked_amount)),
            '; ' ORDER BY status_on, status, location_id) AS now
        FROM claims_in_force CROSS JOIN snapshot WHERE status_on <= as_of GROUP BY claim_id
    )
    SELECT concat(program, '/', participant_id, ', claim ', claim_id, ': ', sentence, ' (',
        CASE WHEN reason <> 'SENT_DIFFERS' THEN concat('status `', status, '`')
            WHEN decision = 'refused' THEN concat('asked ', claim_currency, ' ', asked_amount)
            ELSE concat(decision, ' ', claim_currency, ' ', allowed_amount, ', the export says ',
                coalesce(now, 'nothing'))
        END, ')')
    FROM faults JOIN reasons ON code = reason AND kind = 'claim'
    LEFT JOIN said USING (claim_id)";

const JOURNAL: &str = "
    WITH standing AS (
        SELECT program, participant_id, sum(amount) AS amount FROM (
            SELECT program, participant_id, \"left\" AS amount FROM coop_fund
            UNION ALL
            SELECT program, participant_id, gross_program_amount
            FROM payments
            SEMI JOIN (FROM payment_history WHERE accepted AND returns_in IS NOT NULL) AS came_back
                USING (payment_id)
            WHERE earning_type = 'coop'
            UNION ALL
            SELECT program, participant_id, -gross_program_amount
            FROM payments WHERE earning_type = 'coop' AND order_kind = 'reissue'
        ) GROUP BY ALL
    )
    SELECT concat(program, '/', participant_id, ': expected ', coalesce(amount, 0),
        ' of co-op payable, found ', coalesce(payable, 0))
    FROM standing FULL JOIN (
        SELECT program, participant_id, sum(credit - debit) AS payable
        FROM journal WHERE account = 'coop_payable' GROUP BY ALL
    ) USING (program, participant_id)
    WHERE coalesce(amount, 0) <> coalesce(payable, 0)";

const RETURNS: &str = "
    WITH came_back AS (
        SELECT payment_id AS reissue_of, program, participant_id, payment_currency, gross_amount,
            gross_program_amount, min(returns_in) AS returns_in
        FROM payments
        JOIN (SELECT payment_id, returns_in FROM payment_history WHERE accepted AND returns_in IS NOT NULL)
            USING (payment_id)
        WHERE earning_type = 'coop' GROUP BY ALL
    ),
    reissued AS (FROM payments WHERE earning_type = 'coop' AND order_kind = 'reissue')
    SELECT concat('payment ', payment_id, ': expected that ', reissue_of, ' came back, of ',
        payment_currency, ' ', gross_amount, ' (', gross_program_amount, '), found otherwise')
    FROM reissued ANTI JOIN came_back ON reissued.reissue_of = came_back.reissue_of
        AND reissued.program = came_back.program
        AND reissued.participant_id = came_back.participant_id
        AND reissued.payment_currency = came_back.payment_currency
        AND reissued.gross_amount = came_back.gross_amount
        AND reissued.gross_program_amount = came_back.gross_program_amount
        AND reissued.cycle >= came_back.returns_in
    UNION ALL
    SELECT concat('payment ', reissue_of, ': expected one order that pays it again, found ', count(*))
    FROM reissued GROUP BY reissue_of HAVING count(*) > 1";

const CLAIM_ITEMS: &str = "
    SELECT concat(program, '/', participant_id, '/', fund_half, ': expected ', coalesce(reserved, 0),
        ' reserved and ', coalesce(claims_paid, 0), ' paid, found claims of ',
        coalesce(item_reserved, 0), ' and ', coalesce(item_paid, 0))
    FROM coop_fund FULL JOIN (
        SELECT program, participant_id, fund_half, sum(reserved) AS item_reserved,
            sum(paid) AS item_paid
        FROM claim_items WHERE fund_half IS NOT NULL GROUP BY ALL
    ) USING (program, participant_id, fund_half)
    WHERE coalesce(reserved, 0) <> coalesce(item_reserved, 0)
        OR coalesce(claims_paid, 0) <> coalesce(item_paid, 0)
    UNION ALL
    SELECT concat('claim ', claim_id, ', ', decision, ': expected ', asked_amount, ' = ',
        allowed_amount, ' + ', refused_amount, ', and ', program_amount, ' = ', reserved, ' + ', paid,
        ' at ', exchange_rate)
    FROM claim_items
    WHERE decision <> 'held' AND (
        asked_amount <> allowed_amount + refused_amount
            AND (reason IS DISTINCT FROM 'OVERCLAIMED' OR asked_amount > allowed_amount)
        OR program_amount <> reserved + paid
        OR program_amount <> coalesce(round_as(allowed_amount::DECIMAL(38, 3) * exchange_rate,
            minor_units(program_currency), program_rounding(program)), 0))
    UNION ALL
    SELECT concat('payment ', payment_id, ': expected ', coalesce(allowed, 0), ' (',
        coalesce(program_allowed, 0), '), found ', coalesce(gross_amount, 0), ' (',
        coalesce(gross_program_amount, 0), ')')
    FROM (SELECT * FROM payments WHERE order_kind = 'claim') FULL JOIN (
        SELECT payment_id, sum(allowed_amount) AS allowed, sum(program_amount) AS program_allowed
        FROM claim_items WHERE payment_id IS NOT NULL GROUP BY ALL
    ) USING (payment_id)
    WHERE gross_amount IS DISTINCT FROM allowed
        OR gross_program_amount IS DISTINCT FROM program_allowed
    UNION ALL
    SELECT concat('claim ', claim_id, ': expected its items, found none')
    FROM (
        SELECT DISTINCT claim_id FROM claims_in_force CROSS JOIN snapshot
        WHERE status_on <= as_of AND coalesce(submitted_on, status_on) <= as_of
            AND status NOT IN ('Editing', 'Not submitted expired')
    ) ANTI JOIN claim_items USING (claim_id)
    UNION ALL
    SELECT concat('claim ', claim_id, ' of ', participant_id, ': expected ', asked, ' asked, found ', found)
    FROM (
        -- Rows of a claim that name several payees or programs are claims of each
        SELECT claim_id, location_id AS participant_id, arg_max(asked_amount, status_on) AS asked
        FROM claims_in_force CROSS JOIN snapshot WHERE status_on <= as_of
        GROUP BY claim_id, location_id
        HAVING count(DISTINCT asked_amount) = 1 AND count(DISTINCT program) = 1
    ) JOIN (
        SELECT claim_id, participant_id, sum(asked_amount) AS found FROM claim_items GROUP BY ALL
        HAVING NOT coalesce(bool_or(reason = 'SENT_DIFFERS'), false)
    ) USING (claim_id, participant_id)
    WHERE asked <> found
    UNION ALL
    SELECT concat('claim ', claim_id, ' of ', participant_id, ': expected ', allowed_amount,
        ', sent on ', sent_on, ', as the export says, or a reason, found none')
    FROM claim_items
    LEFT JOIN (
        SELECT claim_id, location_id AS participant_id, count(*) FILTER (lower(status) = 'sent') AS sent,
            list(decided_amount) FILTER (lower(status) = 'sent' AND decided_amount IS NOT NULL) AS sent_of,
            count(*) FILTER (lower(status) = 'approved' AND decided_amount IS NULL) AS undecided,
            list(decided_amount) FILTER (lower(status) = 'approved') AS approved
        FROM claims_in_force CROSS JOIN snapshot WHERE status_on <= as_of GROUP BY ALL
    ) AS said USING (claim_id, participant_id)
    WHERE decision = 'paid' AND reason IS NULL
        AND (coalesce(sent, 0) = 0
            OR undecided > 0 AND len(coalesce(sent_of, [])) + len(coalesce(approved, [])) = 0
                AND (claim_id, participant_id) IN
                    (SELECT (claim_id, participant_id) FROM claim_items WHERE reason = 'DECIDED')
            OR len(list_filter(sent_of, lambda amount: amount <> allowed_amount)) > 0
            OR undecided = 0 AND len(approved) > 0 AND NOT list_contains(approved, allowed_amount))";
