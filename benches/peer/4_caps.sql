-- Caps. First what every scope earns; then, only where that can reach a limit, line by line what is
-- credited: clamp(running gross) - clamp(running gross before), by date and id. Gross is in program
-- currency: minor units of what is earned, or base with twelve decimals.

create table cap_limits as
select k.*, g.currency as program_currency, g.minor,
       (k.cap_limit::decimal(38,3) * 1000)::bigint::hugeint * case when on_base then 1000000000
           else 1 end // case when on_base then 1 else (10 ** (3 - g.minor))::int end as limit_n
from caps k join programs g using (program);

create table capped_sums as
with gross as (
    select {scope} as scope, {scope_customer} as customer, {gross} as gross, false as follows
    from ({capped_lines})
    union all
    select {scope}, {scope_customer},
           case when on_base then own_thousandths * exchange_9 else program_earned end,
           original_on < on_day or original_on = on_day and original_transaction_id <= transaction_id
    from reversals where cap_no is not null
), sums as (
    select scope, customer, sum(gross)::hugeint as gross,
           sum(greatest(gross, 0))::hugeint as positive, bool_or(gross < 0 and not follows) as loose
    from gross group by all
)
select s.*, k.cap_no, k.limit_n, positive > limit_n or loose as is_reached
from sums s join cap_limits k on k.cap_no = scope >> 31;

create table reached as select scope, customer, limit_n from capped_sums where is_reached;

-- Every line of the scopes that can reach their limit, and the pieces of refunds that give room back.
-- Only what is in order goes through the window; numbers stand for the rest.
create table credited as
with items as (
    select paid_no, cover_no, lever_no, role_no, source, transaction_id,
           null::text as original_transaction_id, null::bigint as refunded, customer_id, transaction_on as on_day,
           month_no as own_month_no, base::decimal(18,3) as own_base, earned, rebate, program_earned,
           program_rebate, r.limit_n, {scope} as scope, r.customer as scope_customer,
           {gross}::hugeint as gross
    from ({capped_lines}) o join reached r on r.scope = {scope} and r.customer = {scope_customer}
    union all
    select paid_no, cover_no, lever_no, role_no, source, transaction_id, original_transaction_id, refunded,
           refund_customer_id, on_day, own_month_no, own_base, earned, rebate, program_earned,
           program_rebate, r.limit_n, {scope}, r.customer,
           case when on_base then own_thousandths * exchange_9 else program_earned end
    from reversals v join reached r on r.scope = {scope} and r.customer = {scope_customer}
    where cap_no is not null
), running as (
    select *, sum(gross) over (
        partition by scope, scope_customer
        order by on_day, transaction_id, source, original_transaction_id nulls first, lever_no, role_no
        rows unbounded preceding) as reached
    from items
)
select * exclude (reached, limit_n), (least(greatest(reached, 0), limit_n)
           - least(greatest(reached - gross, 0), limit_n))::hugeint as credit
from running;

copy (
    with used as (
        select scope, scope_customer as customer, sum(credit)::hugeint as used
        from credited group by all
    ), windows as (
        select k.*, s.customer, s.gross, coalesce(u.used, s.gross) as used,
               (s.scope >> 16) & 32767 as month_no, s.scope & 65535 as participant_no
        from capped_sums s join cap_limits k using (cap_no) left join used u using (scope, customer)
    ), money as (
        select *, (case when on_base then rdiv_big(gross, (10 ** (12 - minor))::bigint)
                        else gross end)::bigint as gross_n,
               (case when on_base then rdiv_big(used, (10 ** (12 - minor))::bigint)
                     else used end)::bigint as used_n, (10 ** (3 - minor))::bigint as unit
        from windows
    )
    select m.program, cap, case when on_base then 'base' else 'payout' end as limits,
           case when per_participant then p.participant end as participant_id,
           case when per_customer then nullif(customer, '') end as customer_id,
           strftime(first_day(month_no), '%Y-%m') as window_from,
           strftime(first_day(month_no + months - 1), '%Y-%m') as window_until,
           program_currency, cap_limit,
           ((gross_n * unit)::decimal(18,0) * 0.001::decimal(4,3))::decimal(18,3) as gross,
           ((used_n * unit)::decimal(18,0) * 0.001::decimal(4,3))::decimal(18,3) as used,
           (cap_limit - ((used_n * unit)::decimal(18,0) * 0.001::decimal(4,3)))::decimal(18,3) as left
    from money m left join (select distinct participant_no, participant from paid) p
      using (participant_no)
) to '{out}/cap_balances.parquet' ({file_format});
