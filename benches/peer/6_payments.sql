-- Rules of payment: the waterfall with minimum and carry, cycle after cycle; items, funds, journal.

create table postings as
select program, participant_id as participant, earning_type, lever, period, fund_half,
       sum(program_amount)::decimal(18,3) as amount, count(*) as earnings
from read_parquet('{out}/earnings*/*.parquet')
group by all;

create table cycles as
select g.program, strftime(month, '%Y-%m') as cycle, strftime(month - to_months(g.months_after), '%Y-%m') as period,
       (month + to_days(least(g.day, extract(day from last_day(month))::int) - 1))::date as due_on,
       row_number() over (partition by g.program order by month) as number
from programs g cross join (
    select unnest(generate_series(from_on, (date '{as_of}'), interval 1 month)) as month from span
);

create table methods as
select c.program, c.cycle, e.location_id as participant,
       arg_max({{'hold': coalesce(e.hold, '') = 'yes',
                 'complete': coalesce(payout_profile, '') != '' and coalesce(tax_profile, '') != ''
                             and coalesce(payment_method, '') != '' and u.minor is not null,
                 'method': payment_method, 'currency': payment_currency, 'minor': u.minor}},
               coalesce(e.from_on, date '0001-01-01')) as terms
from enrollments e join names n on n.name = e.program
join cycles c on c.program = n.program
 and coalesce(e.from_on, date '0001-01-01') <= c.due_on
 and c.due_on < coalesce(e.until_on, date '9999-01-01')
left join minor_units u on u.currency = e.payment_currency
group by all;

-- What decides on every account in every cycle that is due.
create table due as
with accounts as (
    select program, participant, earning_type, min(period) as first_period
    from postings where earning_type != 'coop' group by all
), earned as (
    select program, participant, earning_type, period, sum(amount) as amount
    from postings group by all
)
select a.program, a.participant, a.earning_type, c.cycle, c.due_on, c.number,
       coalesce(e.amount, 0)::decimal(18,3) as earned, g.minimum, g.currency as program_currency,
       m.terms.method as method, m.terms.currency as currency, m.terms.minor as minor,
       case when m.terms is null then 'PROFILE' when m.terms.hold then 'HOLD'
            when not m.terms.complete then 'PROFILE' end as hold,
       case when m.terms.currency = g.currency then 1::decimal(18,9) else x.rate end as rate
from accounts a join programs g using (program) join cycles c using (program)
left join earned e on e.program = a.program and e.participant = a.participant
 and e.earning_type = a.earning_type and e.period = c.period
left join methods m on m.program = a.program and m.participant = a.participant and m.cycle = c.cycle
left join exchange_rates x on x.rate_type = 'payment' and x.from_currency = m.terms.currency
 and x.to_currency = g.currency and x.period = c.cycle
where c.period >= a.first_period and c.due_on <= date '{as_of}';

create table settled as
with recursive walk as (
    select program, participant, earning_type, min(number) - 1 as number,
           0::decimal(18,3) as closing, 0::decimal(18,3) as opening, null::decimal(18,3) as gross
    from due group by all
    union all
    select d.program, d.participant, d.earning_type, d.number,
           (case when d.gross > 0 then 0 else d.balance end)::decimal(18,3), d.opening, d.gross
    from (
        select n.*, w.closing as opening, (w.closing + n.earned)::decimal(18,3) as balance,
               case when balance > 0 and n.hold is null and balance >= n.minimum
                     and n.rate is not null
                    then (rdiv((balance::decimal(38,3) * 1000)::hugeint * (10 ** (6 + n.minor))::hugeint,
                               (n.rate::decimal(38,9) * 1000000000)::hugeint)
                          * (10 ** (3 - n.minor))::hugeint)::decimal(18,0) * 0.001::decimal(4,3)
               end::decimal(18,3) as gross
        from walk w join due n on n.program = w.program and n.participant = w.participant
         and n.earning_type = w.earning_type and n.number = w.number + 1
    ) d
)
select d.*, w.opening, w.closing, (w.opening + d.earned)::decimal(18,3) as balance, w.gross,
       coalesce(w.gross, 0) > 0 as is_ordered,
       case when coalesce(w.gross, 0) > 0 or balance = 0 then null
            when balance < 0 then 'NEGATIVE' when d.hold is not null then d.hold
            when balance < d.minimum or w.gross = 0 then 'BELOW_MINIMUM' else 'NORATE' end as reason
from walk w join due d using (program, participant, earning_type, number)
where w.opening != 0 or d.earned != 0;

create table orders as
select md5(concat_ws('/', program, earning_type, participant, method, currency, cycle)) as payment_id, *
from settled where is_ordered;

create table shares as
with released as (
    select p.*, (select min(o.cycle) from orders o
                 where o.program = p.program and o.participant = p.participant
                   and o.earning_type = p.earning_type and o.cycle >= c.cycle) as released,
           c.cycle as origin_cycle
    from postings p join cycles c using (program, period)
    where p.earning_type != 'coop' and p.amount != 0
), weighed as (
    select o.payment_id, r.*, o.cycle, o.program_currency, o.currency,
           (o.gross * (10 ** o.minor)::hugeint)::hugeint as units, (r.amount * 1000)::hugeint as weight,
           (o.balance * 1000)::hugeint as total, (10 ** (3 - o.minor))::bigint as unit
    from released r join orders o on o.program = r.program and o.participant = r.participant
     and o.earning_type = r.earning_type and o.cycle = r.released
), parted as (
    select *, ((units * weight) % total + total) % total as rest,
           ((units * weight) - rest) // total as part
    from weighed
)
select *, part + case when row_number() over (partition by payment_id
                          order by rest desc, period, lever)
                      <= units - sum(part) over (partition by payment_id) then 1 else 0 end as share
from parted;

create table coop_fund as
with by_period as (
    select program, participant, fund_half, period, sum(amount)::decimal(18,3) as amount
    from postings where earning_type = 'coop' group by all
)
select program, participant as participant_id, fund_half, sum(amount)::decimal(18,3) as earned
from by_period group by all having bool_or(amount != 0);

create table journal as
with accruals as (
    select program, participant, earning_type, period, sum(amount)::decimal(18,3) as amount
    from postings group by all having sum(amount) != 0
), moves as (
    select 'accrual' as event, last_day(strptime(period || '-01', '%Y-%m-%d'))::date as accounting_on,
           case when earning_type != 'coop' then strftime(
               strptime(period || '-01', '%Y-%m-%d') + to_months(g.months_after), '%Y-%m') end as cycle,
           period, program, participant as participant_id, earning_type, g.currency,
           abs(amount) as amount,
           case when amount > 0 then 'incentive_expense' else earning_type || '_payable' end as debit,
           case when amount > 0 then earning_type || '_payable' else 'incentive_expense' end as credit,
           concat_ws('/', program, participant, period, earning_type) as source_key
    from accruals join programs g using (program)
    union all
    select 'order', due_on, cycle, cycle, program, participant, earning_type, program_currency,
           balance, earning_type || '_payable',
           case when currency = program_currency then 'payments_clearing' else 'fx_clearing' end,
           payment_id
    from orders
    union all
    select 'order', due_on, cycle, cycle, program, participant, earning_type, currency, gross,
           'fx_clearing', 'payments_clearing', payment_id
    from orders where currency != program_currency
)
select event, accounting_on, cycle, period, program, participant_id, earning_type,
       unnest([debit, credit]) as account, currency,
       unnest([amount, 0])::decimal(18,3) as debit, unnest([0, amount])::decimal(18,3) as credit,
       source_key
from moves;

copy (
    select payment_id, program, earning_type, participant as participant_id,
           method as payment_method, currency as payment_currency, cycle, 'cycle' as order_kind,
           1 as sequence, due_on, 'proposed' as status, program_currency,
           balance as gross_program_amount, rate as exchange_rate, gross as gross_amount,
           0::decimal(18,3) as withheld_tax, 0::decimal(18,3) as sales_tax, gross as total_payment
    from orders
) to '{out}/payments.parquet' ({file_format});
copy (
    select payment_id, program, participant as participant_id, cycle, period, origin_cycle, lever,
           earning_type, 'regular' as kind, program_currency, amount as program_amount,
           currency as payment_currency,
           ((share * unit)::decimal(18,0) * 0.001::decimal(4,3))::decimal(18,3) as payment_amount,
           earnings
    from shares
) to '{out}/payment_items.parquet' ({file_format});
copy (
    select program, earning_type, participant as participant_id, cycle, program_currency, opening,
           earned, case when is_ordered then balance else 0 end::decimal(18,3) as ordered, closing,
           case when reason in ('HOLD', 'PROFILE', 'NORATE') then balance else 0 end::decimal(18,3)
               as held,
           case when reason = 'BELOW_MINIMUM' then balance else 0 end::decimal(18,3)
               as below_minimum,
           reason
    from settled
) to '{out}/balances.parquet' ({file_format});
copy coop_fund to '{out}/coop_fund.parquet' ({file_format});
copy journal to '{out}/journal.parquet' ({file_format});
