-- One row per measured earning, and the share of every line in it: by what it adds, at nine decimals; the
-- last line takes what the others leave.

create macro thousandths_of(amount, minor) as
    ((amount * (10 ** (3 - minor))::bigint)::decimal(18,0) * 0.001::decimal(4,3))::decimal(18,3);
create macro amount_of(twelfths) as
    (twelfths::decimal(38,0) * 0.000000000001::decimal(12,12))::decimal(38,12);

copy (
    select id_high, id_low, e.program, term, e.lever, earning_type, period,
           last_day(first_day(month_no)) as transaction_on, p.participant as participant_id,
           b.partner as earning_participant_id,
           case role_no when 0 then 'direct' when 1 then 'provider' else 'reseller' end as role,
           '{source}' as source, null::text as transaction_id, null::text as original_transaction_id,
           aggregate_key, nullif(customer, '') as customer_id, product_groups as product_group,
           g.currency as transaction_currency, g.currency as program_currency,
           amount_of(measure - measure_before) as base, pays as earning_rate,
           case earning_type when 'coop' then 1::decimal(18,9) - share else share end::decimal(18,9)
               as share,
           1::decimal(18,9) as exchange_rate, thousandths_of(amount, g.minor) as gross_amount,
           0::decimal(18,3) as forgone_amount, thousandths_of(amount, g.minor) as earning_amount,
           thousandths_of(amount, g.minor) as program_amount, null::text as tier_detail,
           case when earning_type = 'coop' then fund_half(first_day(rules_in), g.fiscal_start) end
               as fund_half,
           case when earning_type != 'coop' then strftime(first_day(month_no + g.months_after), '%Y-%m')
           end as estimated_payment_month
    from measured_earnings e join programs g using (program)
    join (select distinct participant_no, participant from paid) p using (participant_no)
    join (select distinct partner_no, partner from paid) b using (partner_no)
) to '{out}/earnings_measured' ({format});

create table to_share as
select slot, customer, window_no, month_no < window_no + months as is_open, id_high, id_low,
       last.id as last_id, last.original as last_original, abs(measured) as total,
       amount * (10 ** (9 - minor))::bigint * sign(measured)::bigint as nanos, amount, minor, period,
       lever_no, of_quantity
from measured_earnings;

create macro share_of(nanos, measured, total) as ((case when total = 0 then 0::bigint
    else rdiv_big(nanos::hugeint * measured, total) end)::decimal(18,0)
    * 0.000000001::decimal(10,9))::decimal(38,12);

copy (
    select id_high, id_low, s.period, source, transaction_id, base,
           share_of(nanos, l.measured, total) as earning_share, earning_share as program_share,
           null::text as original_transaction_id, transaction_currency,
           case when s.of_quantity then quantity else amount_of(l.measured) end as measured
    from (
        select *, lever_slot + participant_no as slot,
               case when per_customer then coalesce(customer_id, '') else '' end as customer,
               case when of_quantity then units * 1000000000 else thousandths * exchange_9 end
                   as measured
        from ({measured_lines}) where counts
    ) l join to_share s on s.slot = l.slot and s.customer = l.customer
    where s.is_open and (l.transaction_id != s.last_id or s.last_original != '')
) to '{out}/earning_sources' ({format});

copy (
    select id_high, id_low, s.period, source, id as transaction_id,
           (thousandths::decimal(14,0) * 0.001::decimal(4,3))::decimal(38,12) as base,
           share_of(nanos, p.measured, total) as earning_share, earning_share as program_share,
           original as original_transaction_id, transaction_currency, amount_of(p.measured) as measured
    from measured_pieces p join levers l using (lever_no) join programs g using (program)
    join to_share s on s.slot = slot(p.lever_no, p.month_no, p.participant_no)
     and s.customer = p.customer and s.window_no = window_of(p.counts_in, l.months, g.fiscal_start)
    where counts and (p.id != s.last_id or p.original != s.last_original)
) to '{out}/earning_sources_refunds' ({format});

copy (
    with given as (
        select id_high, id_low, sum(earning_share) as share
        from read_parquet(['{out}/earning_sources/*.parquet',
                           '{out}/earning_sources_refunds/*.parquet'])
        group by all
    ), lasts as (
        select s.*, (thousandths_of(amount, minor) - coalesce(share, 0))::decimal(38,12) as share
        from to_share s left join given using (id_high, id_low)
    )
    select id_high, id_low, l.period, source, transaction_id, base, share as earning_share,
           share as program_share, null::text as original_transaction_id, transaction_currency,
           case when of_quantity then quantity else amount_of(thousandths * f.exchange_9) end
               as measured
    from (select transaction_id, source, base, quantity, transaction_currency, transaction_on,
                 (base::decimal(14,3) * 1000::decimal(4,0))::bigint as thousandths
          from transactions) t
    join lasts l on l.last_id = t.transaction_id and last_original = ''
    join (select distinct lever_no, program from levers) v using (lever_no)
    join (select distinct program, currency, period, exchange_9 from paid) f
      on f.program = v.program and f.currency = t.transaction_currency and f.period = l.period
    union all
    select id_high, id_low, l.period, p.source, p.id,
           (thousandths::decimal(14,0) * 0.001::decimal(4,3))::decimal(38,12), share, share, p.original,
           transaction_currency, amount_of(p.measured)
    from lasts l join measured_pieces p on p.id = last_id and p.original = last_original
     and slot(p.lever_no, p.month_no, p.participant_no) = l.slot and p.customer = l.customer
) to '{out}/earning_sources_last' ({format});
