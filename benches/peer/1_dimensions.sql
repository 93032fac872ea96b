-- Small look-up tables, so that every line needs only inner joins with few, small hash tables.
-- Days are cut into segments on which every rule is constant.

create macro rdiv(x, d) as (x + case when x < 0 then -(d // 2) else d // 2 end) // d;

-- The same for 128 bits, where DuckDB's own division takes twenty times as long: a quotient in floating
-- point, corrected by its exact rest, twice. It is exact for quotients that fit 64 bits.
create macro guessed(x, d) as (x::double / d::double)::bigint;
create macro guessed_again(x, d) as
    guessed(x, d) + guessed(x - guessed(x, d)::hugeint * d, d);
create macro left_over(x, d) as x - guessed_again(x, d)::hugeint * d;
create macro rdiv_positive(x, d) as
    guessed_again(x, d) + case when 2 * left_over(x, d) >= d then 1
                               when 2 * left_over(x, d) < -d then -1 else 0 end;
create macro rdiv_big(x, d) as sign(x) * rdiv_positive(abs(x::hugeint), d::hugeint);

-- Months count from the year 0; a window is named by its first.
create macro month_of(day) as extract(year from day)::int * 12 + extract(month from day)::int - 1;
create macro first_day(month_no) as make_date(month_no // 12, month_no % 12 + 1, 1);
create macro window_of(month_no, months, opens) as
    month_no - (month_no % 12 + 13 - opens) % 12 % months;
-- Numbers within one: of a lever or cap, a month, a participant.
create macro slot(number, month_no, participant_no) as
    (number::bigint << 31) + (month_no::bigint << 16) + participant_no::bigint;

-- A fiscal half is named by the year in which its fiscal year ends.
create macro half_start(month, opens) as
    month - to_months(((extract(month from month)::int + 12 - opens) % 12) % 6);
create macro fund_half(month, opens) as
    'FY' || strftime(half_start(month, opens)
                     - to_months(case when extract(month from half_start(month, opens)) = opens
                                      then 0 else 6 end) + to_months(11), '%y')
         || case when extract(month from half_start(month, opens)) = opens then 'H1' else 'H2' end;

create table lines as
select billed_partner_id as billed, reseller_partner_id as reseller, product_id, sku_id,
       transaction_currency as currency, min(transaction_on) as first_on,
       max(transaction_on) as last_on, grouping(product_id) as no_product,
       grouping(transaction_currency) as no_currency
from transactions
group by grouping sets ((billed_partner_id, reseller_partner_id), (product_id, sku_id),
                        (transaction_currency));

-- Numbers stand for what is joined on; a segment takes the last three digits of a number.
create table pairs as
select billed, reseller, first_on, row_number() over () * 1000 as pair
from lines where no_product = 1 and no_currency = 1;
create table products as
select product_id, sku_id, row_number() over () * 1000 as product from lines where no_product = 0;
create table currencies as select currency, minor from lines join minor_units using (currency)
where no_currency = 0;

create table span as
select date_trunc('month', min(first_on))::date as from_on,
       (date_trunc('month', max(last_on)) + interval 1 month)::date as until_on
from lines;

create table mapping as
select partner_id, n.program, participant_id, coalesce(from_on, date '0001-01-01') as from_on,
       coalesce(until_on, date '9999-01-01') as until_on
from participant_map m join names n on n.name = m.program;

create table segments as
with boundaries as (
    select unnest(generate_series(from_on, until_on - 1, interval 1 month))::date as day from span
    union select from_on from terms union select until_on from terms
    union select from_on from rates union select until_on from rates
    union select from_on from caps union select until_on from caps
    union select from_on from splits union select until_on from splits
    union select from_on from mapping union select until_on from mapping
    union select from_on from product_groups union select until_on from product_groups
)
select row_number() over (order by day) as segment, day as from_on,
       lead(day, 1, (select until_on from span)) over (order by day) as until_on,
       strftime(day, '%Y-%m') as period, month_of(day) as month_no
from boundaries
where day >= (select from_on from span) and day < (select until_on from span);

create table days as
select unnest(generate_series(from_on, until_on - 1, interval 1 day))::date as day, segment, period, month_no
from segments;

create table pair_roles as
select pair, 'reseller' as role, 2 as role_no, reseller as partner, first_on
from pairs where reseller is not null
union all
select pair, case when reseller is null then 'direct' else 'provider' end,
       case when reseller is null then 0 else 1 end, billed, first_on
from pairs where billed is not null;

create table mapped as
select partner_id as partner, m.program, segment, any_value(participant_id) as participant,
       count(*) as rows
from mapping m join segments s on m.from_on <= s.from_on and s.from_on < m.until_on
group by all;

-- Eligibility, day by day.

create table roster as
with firsts as (
    select role, partner, min(first_on) as first_on from pair_roles group by all
), mapped_firsts as (
    select r.program, m.participant_id as participant, min(greatest(f.first_on, m.from_on)) as day
    from firsts f join roles r using (role)
    join mapping m on m.partner_id = f.partner and m.program = r.program
    join mapped s on s.partner = f.partner and s.program = r.program and s.rows = 1
    join segments g using (segment)
    where f.first_on < m.until_on and m.from_on < (select until_on from span)
      and g.from_on >= m.from_on and g.from_on < m.until_on
    group by all
), enrolled as (
    select distinct n.program, location_id as participant
    from enrollments e join names n on n.name = e.program
)
select coalesce(e.program, m.program) as program,
       coalesce(e.participant, m.participant) as participant, day as first_on
from enrolled e full join mapped_firsts m
  on m.program = e.program and m.participant = e.participant;

create table facts as
with company_days as (
    select distinct global_id, location_id, day
    from memberships join days
      on day >= coalesce(from_on, date '0001-01-01') and day < coalesce(until_on, date '9999-01-01')
), held as (
    select q.program, q.place, c.location_id, day
    from competencies c
    join requirements q on q.requirement = 'competency' and list_contains(q.accepted, c.level)
     and (len(q.competencies) = 0 or list_contains(q.competencies, c.competency))
    join days on day >= coalesce(c.from_on, date '0001-01-01')
             and day < coalesce(c.until_on, date '9999-01-01')
), company_held as (
    select distinct program, place, global_id, day
    from held join company_days using (location_id, day)
)
select q.program, q.place, a.location_id as participant, day
from agreements a
join requirements q on q.requirement like '%agreement' and list_contains(q.accepted, agreement_type)
join days on day >= coalesce(a.from_on, date '0001-01-01')
         and day < coalesce(a.until_on, date '9999-01-01')
where coalesce(a.status, '') in ('', 'Active')
union
select q.program, q.place, m.location_id, day
from memberships m
join requirements q on q.requirement = 'mpn_membership' and list_contains(q.accepted, m.status)
join days on day >= coalesce(m.from_on, date '0001-01-01')
         and day < coalesce(m.until_on, date '9999-01-01')
union
select q.program, q.place, r.participant, day
from roster r
join requirements q on q.requirement = 'first_transaction' and q.program = r.program
join days on day >= r.first_on
union
select program, place, location_id, day from held
union
select program, place, c.location_id, day
from company_held join company_days c using (global_id, day)
union
select q.program, q.place, e.location_id, day
from enrollments e
join names n on n.name = e.program
join requirements q on q.requirement = 'enrollment' and q.program = n.program
join days on day >= coalesce(e.from_on, date '0001-01-01')
         and day < coalesce(e.until_on, date '9999-01-01')
where e.status = 'Enrolled' and coalesce(payout_profile, '') != '' and coalesce(tax_profile, '') != '';

create table met as
select q.program, r.participant, q.place, day
from requirements q join roster r using (program) cross join days
where day < q.from_on or day >= q.until_on
union
select f.program, f.participant, f.place, f.day
from facts f join requirements q using (program, place)
join roster r on r.program = f.program and r.participant = f.participant
where f.day >= q.from_on and f.day < q.until_on;

create table together as
select program, participant, period, min(day) as first_on, max(day) as last_on
from (
    select program, participant, day
    from met join (select program, count(*) as asked from requirements group by all) using (program)
    group by program, participant, day, asked having count(*) = asked
) join days using (day)
group by all;

create table eligibility as
with periods as (select distinct period from segments),
by_requirement as (
    select r.program, r.participant, p.period, q.place, q.requirement, q.reason, m.first_on, m.last_on
    from roster r join requirements q using (program) cross join periods p
    left join (
        select program, participant, place, period, min(day) as first_on, max(day) as last_on
        from met join days using (day) group by all
    ) m on m.program = r.program and m.participant = r.participant and m.place = q.place
       and m.period = p.period
)
select program, participant, period, place, requirement, first_on is not null as met, first_on,
       last_on, case when first_on is null then reason end as reason
from by_requirement
union all
select r.program, r.participant, p.period, 99, 'all', t.first_on is not null, t.first_on, t.last_on,
       case when t.first_on is null then coalesce(
           (select arg_min(b.reason, b.place) from by_requirement b
            where b.program = r.program and b.participant = r.participant and b.period = p.period
              and b.first_on is null), 'NOT_TOGETHER') end
from roster r cross join periods p
left join together t on t.program = r.program and t.participant = r.participant
 and t.period = p.period;

create table verdicts as
select program, participant, period,
       case when bool_or(met) filter (requirement = 'all') then []
            else coalesce(list(reason order by place)
                              filter (requirement != 'all' and reason is not null), ['NOT_TOGETHER'])
       end as reasons
from eligibility group by all;

-- Who is concerned by a pair of partners on a segment; what covers a product there; at what rate.

create table payees as
select p.pair, s.segment, p.pair + s.segment as place, s.period, s.month_no, p.role, p.role_no,
       p.partner, dense_rank() over (order by p.partner) as partner_no,
       dense_rank() over (order by case when m.rows = 1 then m.participant end) as participant_no,
       r.program, g.currency as program_currency, case when m.rows = 1 then m.participant end as participant,
       case when m.rows is null then 'UNMAPPED' when m.rows > 1 then 'MAPDUP' end as unmapped,
       coalesce(v.reasons, ['NOT_ENROLLED']) as reasons,
       strftime(strptime(s.period || '-01', '%Y-%m-%d') + to_months(g.months_after), '%Y-%m')
           as payment_month,
       fund_half(strptime(s.period || '-01', '%Y-%m-%d'), g.fiscal_start) as fund_half
from pair_roles p cross join segments s
left join roles r using (role)
left join programs g on g.program = r.program
left join mapped m on m.partner = p.partner and m.program = r.program and m.segment = s.segment
left join verdicts v on v.program = r.program and v.participant = m.participant and m.rows = 1
 and v.period = s.period;

create table covers as
with grouped as (
    select p.product, g.product_group, s.segment
    from products p join product_groups g using (product_id)
    join segments s on coalesce(g.from_on, date '0001-01-01') <= s.from_on
                   and s.from_on < coalesce(g.until_on, date '9999-01-01')
    where coalesce(g.sku_id, '') = '' or g.sku_id = p.sku_id
    union select product, '*', segment from products cross join segments
)
select g.product, g.segment, g.from_on, g.month_no, r.program, r.role, r.lever_no, t.term,
       arg_min(r.product_group, (r.rate_no, r.group_no)) as product_group,
       arg_min(case when t.term is null then 0 else r.rate end, (r.rate_no, r.group_no)) as rate,
       any_value(case when r.pays_as = 'split' then coalesce(x.share, 1) else 1 end) as share
from (select g.*, s.from_on, s.month_no from grouped g join segments s using (segment)) g
join (select rates.* exclude (roles), unnest(roles) as role, pays_as
      from rates join levers using (program, lever_no)) r
  on r.product_group = g.product_group
semi join roles o on o.role = r.role and o.program = r.program
left join terms t on t.program = r.program and t.from_on <= g.from_on and g.from_on < t.until_on
left join splits x on x.program = r.program and x.from_on <= g.from_on and g.from_on < x.until_on
where t.term is null or (r.from_on <= g.from_on and g.from_on < r.until_on)
group by all;

create table rate_scales as
select max(case when rate = 0 then 0 else length(rtrim(split_part(rate::text, '.', 2), '0')) end)
           as rate_scale,
       max(length(rtrim(split_part(share::text, '.', 2), '0'))) as share_scale
from covers;

create macro types_of(pays_as, share) as case
    when pays_as = 'fee' then ['fee'] when share = 1 then ['rebate'] when share = 0 then ['coop']
    else ['rebate', 'coop'] end;

-- Amounts are in thousandths or minor units, rates as whole numbers over powers of ten.
create table cover as
select row_number() over () as cover_no, c.* exclude (from_on, month_no), l.lever,
       hash(c.program, c.term, l.lever) as lever_id, l.pays_as, types_of(l.pays_as, share) as types,
       term is not null as in_term, (product + segment) * 4
           + case role when 'direct' then 0 when 'provider' then 1 else 2 end as place,
       (rate * (10 ** rate_scale)::int)::bigint as rate_n,
       (share * (10 ** share_scale)::int)::bigint as share_n,
       l.has_measure, l.asks, l.of_quantity, l.per_customer, slot(c.lever_no, c.month_no, 0) as lever_slot,
       k.cap_no, k.on_base, k.per_participant as cap_per_participant,
       k.per_customer as cap_per_customer,
       slot(k.cap_no, window_of(c.month_no, k.months, g.fiscal_start), 0) as cap_slot
from covers c join levers l using (program, lever_no) join programs g using (program)
left join (select n.lever_no, m.* from cap_levers n join caps m using (cap_no)) k
  on k.lever_no = c.lever_no and k.from_on <= c.from_on and c.from_on < k.until_on
cross join rate_scales;

-- Who is paid for a pair of partners on a segment, with the exchange rate of a currency.
create table paid as
with fx as (
    select c.currency, c.minor, g.program, g.minor as program_minor, p.period,
           case when c.currency = g.currency then 1::decimal(18,9) else e.rate end as rate
    from currencies c cross join programs g
    cross join (select distinct period from segments) p
    left join exchange_rates e on e.rate_type = 'earning' and e.from_currency = c.currency
     and e.to_currency = g.currency and e.period = p.period
), scale as (
    select greatest(max(length(rtrim(split_part(rate::text, '.', 2), '0'))), 1) as n from fx
)
select row_number() over () as paid_no, hash(y.program, y.participant, y.role) as payee_id, y.*,
       x.currency, x.rate as exchange_rate,
       x.rate is not null as known,
       (x.rate * (10 ** n)::bigint)::bigint * (10 ** greatest(program_minor - minor, 0))::bigint
           as exchange_n,
       (10 ** (n + greatest(minor - program_minor, 0)))::bigint as exchange_d,
       (x.rate::decimal(38,9) * 1000000000)::bigint as exchange_9, len(y.reasons) = 0 and known as eligible,
       (10 ** (3 - minor))::bigint as unit, (10 ** (3 - program_minor))::bigint as program_unit
from payees y join fx x on x.program = y.program and x.period = y.period cross join scale
where y.unmapped is null;
