-- One pass over the lines per output, each with only the rows that it writes.

copy (
    with outcomes as ({earned_lines}),
    typed as (
        select *, unnest(types) as earning_type from outcomes
    )
    select {earning_columns}
    from (
        select *, null::text as original_transaction_id, transaction_on as on_day,
               period as own_period, payment_month as own_month, base as own_base,
               case earning_type when 'coop' then earned - rebate else rebate end * unit as gross_n,
               gross_n as amount_n,
               case earning_type when 'coop' then program_earned - program_rebate
                    else program_rebate end * program_unit as program_n
        from typed
    )
) to '{out}/earnings' ({format});

copy (
    with typed as (
        select * exclude (customer_id), refund_customer_id as customer_id,
               unnest(types) as earning_type
        from reversals {beyond_reversals}
    )
    select {earning_columns}
    from (
        select *, case earning_type when 'coop' then earned - rebate else rebate end * unit as gross_n,
               gross_n as amount_n,
               case earning_type when 'coop' then program_earned - program_rebate
                    else program_rebate end * program_unit as program_n
        from typed
    )
) to '{out}/earnings_refunds' ({format});

create table omitted as
with outcome as (
    select y.pair, y.segment, y.role, y.partner, p.product,
           case when y.program is null then 'NO_PROGRAM'
                when c.place is null then 'NO_LEVER' else y.unmapped end as reason
    from payees y cross join products p
    left join (select distinct place from cover) c
      on c.place = (p.product + y.segment) * 4 + y.role_no
), whole as (
    select *, bool_and(reason is not null) over (partition by pair, segment, product) as whole
    from outcome
)
select *, pair * 1000000 + product + segment as place from whole where reason is not null
union all
select p.pair, s.segment, 'none', null, q.product, 'NO_PROGRAM', true,
       p.pair * 1000000 + q.product + s.segment
from pairs p cross join segments s cross join products q
where p.billed is null and p.reseller is null;

-- The few lines that did not simply earn, found once for both tables of refusals.
create table rest as
select t.* from {own} t semi join (
    select place from omitted
    union
    select distinct y.pair * 1000000 + c.product + y.segment
    from paid y join cover c on c.segment = y.segment and c.role = y.role
    where not (y.eligible and c.in_term)
) o on o.place = t.pair * 1000000 + t.product + t.segment;

copy (
    with outcomes as ({refused_lines})
    select program, term, lever, period, transaction_on, participant as participant_id,
           partner as earning_participant_id, role, source, transaction_id,
           null::text as original_transaction_id, customer_id, product_group,
           transaction_currency, base, {forgone} as forgone_amount,
           why[1] as reason, nullif(array_to_string(why[2:], ','), '') as other_reasons
    from outcomes
) to '{out}/unearned' ({format});

-- Two or three of the refunds that exceed what was bought have lost an id in 4 of 11 benchmark runs of 12 million
-- rows (DuckDB 2.0.0), in none of 13 runs alone, and in none of the last five; as one union as well as in two
-- statements.
create table refunded as {refunded_outcomes};

copy (
    select o.program, o.term, o.lever, d.period, n.transaction_on, o.participant as participant_id,
           o.partner as earning_participant_id, o.role, n.source, n.transaction_id,
           o.transaction_id as original_transaction_id, n.customer_id, o.product_group,
           n.transaction_currency,
           ((p.before - p.cumulated)::decimal(14,0) * 0.001::decimal(4,3))::decimal(38,12) as base,
           case when o.in_term and not o.has_measure then
               (((rdiv(o.earned::hugeint * p.before, p.base)
                   - rdiv(o.earned::hugeint * p.cumulated, p.base)) * o.unit)::decimal(14,0)
                * 0.001::decimal(4,3))::decimal(38,12) end as forgone_amount,
           why[1] as reason, nullif(array_to_string(why[2:], ','), '') as other_reasons
    from refunded o join pieces p on p.original = o.transaction_id
    join negatives n on n.transaction_id = p.id join days d on d.day = n.transaction_on
    where not o.eligible
) to '{out}/unearned_refunds' ({format});

copy (
    select o.program, o.term, o.lever, d.period, n.transaction_on, o.participant as participant_id,
           o.partner as earning_participant_id, o.role, n.source, n.transaction_id,
           o.transaction_id as original_transaction_id, n.customer_id, o.product_group,
           n.transaction_currency,
           (-x.rest::decimal(14,0) * 0.001::decimal(4,3))::decimal(38,12) as base,
           0::decimal(38,12) as forgone_amount, 'REFUND_EXCESS' as reason, null::text as other_reasons
    from refunded o join excess x on x.original = o.transaction_id
    join negatives n on n.transaction_id = x.id join days d on d.day = n.transaction_on
) to '{out}/unearned_excess' ({format});

copy (
    select t.period, t.transaction_on, t.source, t.transaction_id,
           null::text as original_transaction_id, o.role, o.partner as earning_participant_id,
           t.customer_id, t.transaction_currency, t.base, o.whole, o.reason
    from rest t join omitted o on o.place = t.pair * 1000000 + t.product + t.segment
) to '{out}/out_of_scope' ({format});

copy (
    with refunds as (
        select id, original, (before - cumulated) as thousandths, true as is_piece from pieces
        union all select id, original, -rest, false from excess
    )
    select e.period, n.transaction_on, n.source, n.transaction_id,
           case when r.is_piece then r.original end as original_transaction_id, o.role,
           o.partner as earning_participant_id, n.customer_id, n.transaction_currency,
           (r.thousandths::decimal(14,0) * 0.001::decimal(4,3))::decimal(38,12) as base,
           o.whole, o.reason
    from refunds r join {originals} t on t.transaction_id = r.original
    join omitted o on o.place = t.pair * 1000000 + t.product + t.segment
    join negatives n on n.transaction_id = r.id join days e on e.day = n.transaction_on
) to '{out}/out_of_scope_refunds' ({format});

copy (
    select program, participant as participant_id, period, place as requirement_order, requirement,
           met, first_on, last_on, reason
    from eligibility
) to '{out}/eligibility.parquet' ({file_format});
