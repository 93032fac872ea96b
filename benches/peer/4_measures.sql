-- Levers over a measure. One pass adds up what lines add, per lever, month and subject; windows are earned
-- on those sums, month by month. What is measured has twelve decimals.

create table added as
select lever_slot + participant_no as slot,
       case when per_customer then coalesce(customer_id, '') else '' end as customer, counts,
       exchange_9, sum(thousandths)::hugeint as thousandths, sum(units)::hugeint as units,
       min(role_no) as role_no, min(partner_no) as partner_no, max(transaction_id) as last_id
from ({measured_lines}) group by all;

-- Pieces of linked refunds count in the window of what they refund, in their own month.
create table measured_pieces as
select lever_no, participant_no, o.month_no as counts_in, d.month_no,
       case when per_customer then coalesce(o.customer_id, '') else '' end as customer, counts,
       role_no, partner_no, p.id, p.original, o.source, o.transaction_currency,
       (p.before - p.cumulated)::bigint as thousandths,
       case when of_quantity
            then rdiv_big(o.units::hugeint * 1000000000 * p.before, p.base)
                - rdiv_big(o.units::hugeint * 1000000000 * p.cumulated, p.base)
            else (p.before - p.cumulated) * o.exchange_9 end::hugeint as measured
from ({measured_originals}) o join pieces p on p.original = o.transaction_id
join negatives n on n.transaction_id = p.id join days d on d.day = n.transaction_on;

create table window_parts as
with parts as (
    select (slot >> 31)::int as lever_no, (slot & 65535)::int as participant_no,
           ((slot >> 16) & 32767)::int as counts_in, ((slot >> 16) & 32767)::int as month_no,
           customer, counts, l.of_quantity, role_no, partner_no, last_id, '' as last_original,
           case when of_quantity then units * 1000000000 else thousandths * exchange_9 end as measured
    from added join levers l on l.lever_no = slot >> 31
    union all
    select lever_no, participant_no, counts_in, month_no, customer, counts, of_quantity, role_no,
           partner_no, id, original, measured
    from measured_pieces join levers l using (lever_no)
)
select lever_no, participant_no, customer, counts,
       window_of(counts_in, l.months, g.fiscal_start) as window_no, month_no,
       sum(measured)::hugeint as measured, min(role_no) as role_no, min(partner_no) as partner_no,
       max({{'id': last_id, 'original': last_original}}) as last
from parts p join levers l using (lever_no) join programs g using (program)
group by all;

-- What baselines look at: all lines, whatever became of them.
create table revenue as
select lever_no, participant_no, customer, window_no, sum(measured)::hugeint as measured
from window_parts join levers using (lever_no)
where baseline in ('last_year', 'previous') group by all;

create table window_months as
with running as (
    select * exclude (counts), sum(measured) over window_up_to as up_to,
           sum(measured) over window_up_to - measured as up_to_before
    from window_parts where counts
    window window_up_to as (
        partition by lever_no, participant_no, customer, window_no order by month_no)
), scaled as (
    select r.*, l.program, l.of_quantity, l.months, l.at_end, g.minor, l.baseline,
           case when of_quantity then 1 else (10 ** (12 - g.minor))::bigint end::hugeint as grid,
           (l.minimum * 1000000000000)::hugeint as minimum,
           case when l.baseline = 'fixed' then (l.baseline_amount * 1000000000000)::hugeint end
               as fixed, b.measured as compared
    from running r join levers l using (lever_no) join programs g using (program)
    left join revenue b on b.lever_no = r.lever_no and b.participant_no = r.participant_no
     and b.customer = r.customer
     and b.window_no = r.window_no - case l.baseline when 'last_year' then 12 else l.months end
), rounded as (
    select *, case when of_quantity then up_to else rdiv_big(up_to, grid) * grid end as measure,
           case when of_quantity then up_to_before else rdiv_big(up_to_before, grid) * grid end
               as measure_before,
           coalesce(fixed, case when of_quantity then compared
                                else rdiv_big(compared, grid) * grid end, 0) as against
    from scaled
)
select * exclude (grid, fixed, compared, up_to, up_to_before),
       measure < coalesce(minimum, measure) as is_below,
       (case when measure < minimum then 0 when baseline is null then measure
             else greatest(measure - against, 0) end)::hugeint as counted,
       row_number() over () as place
from rounded;

-- The table of a window: the first that is in force in it, or the last if the end rules.
create table ruling as
select lever_no, window_no, case when at_end then max(from_on) else min(from_on) end as from_on
from (select distinct lever_no, window_no, months, at_end from window_months) w
join (select distinct lever_no, from_on, until_on from tiers) t using (lever_no)
where t.from_on < first_day(window_no + months) and first_day(window_no) < t.until_on
group by lever_no, window_no, at_end;

create table window_totals as
with slices as (
    select w.place, w.minor, w.counted, t.tier, t.pays,
           (t.pays::decimal(38,9) * 1000000000)::bigint as pays_n, (t.flat::decimal(38,9) * 1000000000)::hugeint as flat_n,
           (t.lower_end * 1000000000000)::hugeint as lower_n,
           (t.upper_end * 1000000000000)::hugeint as upper_n, abs(w.counted) as size, t.whole,
           case when t.whole then (tier = 1 or lower_n < size or t.upper_edge and lower_n = size)
                    and (upper_n is null or size < upper_n or not t.upper_edge and size = upper_n)
                else size > 0 and (tier = 1 or lower_n < size or t.upper_edge and lower_n = size)
           end as is_entered
    from window_months w join ruling r using (lever_no, window_no)
    join tiers t on t.lever_no = r.lever_no and t.from_on = r.from_on
    where not is_below
), totals as (
    select place, minor, sign(any_value(counted)) as side, arg_max(pays, tier) as pays,
           sum((case when whole then size else least(size, coalesce(upper_n, size)) - lower_n end)
                   * pays_n + case when size > 0 then flat_n * 1000000000000 else 0 end)::hugeint
               as exact
    from slices where is_entered group by place, minor
)
select place, pays, side * rdiv_big(exact, 1000000000000::hugeint * (10 ** (9 - minor))::bigint) as total from totals;

-- One row per earning: a window in a month, as each of its types.
create table measured_earnings as
with steps as (
    select w.*, coalesce(t.pays, 0)::decimal(18,9) as pays,
           (coalesce(t.total, 0) - coalesce(lag(t.total) over window_so_far, 0))::bigint as earned,
           least(w.month_no, w.window_no + w.months - 1) as rules_in,
           case when w.at_end then last_day(first_day(rules_in)) else first_day(rules_in) end
               as rules_on
    from window_months w left join window_totals t using (place)
    window window_so_far as (
        partition by lever_no, participant_no, customer, window_no order by month_no)
), shared as (
    select s.*, l.lever, l.pays_as, l.product_groups,
           case when l.pays_as = 'split' then coalesce(x.share, 1) else 1 end::decimal(18,9) as share,
           n.term, strftime(first_day(window_no), '%Y-%m') as window_from,
           strftime(first_day(window_no + s.months - 1), '%Y-%m') as window_until,
           strftime(first_day(month_no), '%Y-%m') as period
    from steps s join levers l using (lever_no)
    left join splits x on x.program = l.program and x.from_on <= rules_on and rules_on < x.until_on
    left join terms n on n.program = l.program and n.from_on <= rules_on and rules_on < n.until_on
), typed as (
    select *, unnest(types_of(pays_as, share)) as earning_type,
           rdiv_big(earned::hugeint * (share::decimal(38,9) * 1000000000)::bigint, 1000000000) as rebate,
           concat_ws('/', customer, window_from, window_until, period) as aggregate_key
    from shared
)
select *, slot(lever_no, month_no, participant_no) as slot,
       case when earning_type = 'coop' then earned - rebate else rebate end as amount,
       hash(aggregate_key, lever_no, participant_no, earning_type) as id_high,
       -- By MD5: of four million, two pairs had both the same `hash` of the values and of one text.
       md5_number_lower(concat_ws('/', aggregate_key, lever_no, participant_no, earning_type))
           as id_low
from typed;
