-- Which refund takes back what of which line. Refunds are taken in order of date, then id; their
-- candidates by latest charge start, then id; each refund consumes base.

create table negatives as
select {columns}, reference_id, link_key, charge_start_on, charge_end_on,
       (-base::decimal(14,3) * 1000::decimal(4,0))::bigint as thousandths
from transactions where base < 0;

create table refunds as
select transaction_id as id, source, transaction_currency as currency, transaction_on,
       charge_start_on, charge_end_on, reference_id, link_key, thousandths
from negatives where link_key is not null or reference_id is not null;

create table candidates as
select {columns}, reference_target, link_key, charge_start_on, charge_end_on,
       (base::decimal(14,3) * 1000::decimal(4,0))::bigint as thousandths
from transactions t
where base >= 0 and (link_key in (select link_key from refunds)
    or reference_target in (select reference_id from refunds where reference_id is not null));

create table steps_by_reference as
with pairs as (
    select r.source, r.currency, r.reference_id as key, r.id, c.transaction_id as original,
           r.thousandths as refund, c.thousandths as base, r.transaction_on, c.charge_start_on
    from refunds r join candidates c
      on c.source = r.source and c.transaction_currency = r.currency
     and c.reference_target = r.reference_id
)
select dense_rank() over (order by source, currency, key) as family,
       row_number() over (partition by source, currency, key
           order by transaction_on, id, charge_start_on desc nulls last, original) as step,
       row_number() over (partition by source, currency, key, id
           order by charge_start_on desc nulls last, original) = 1 as opens,
       row_number() over (partition by source, currency, key, id
           order by charge_start_on nulls first, original desc) = 1 as closes,
       id, original, refund, base, 0::bigint as before
from pairs;

create table walk_by_reference as {walk_by_reference};

create table steps_by_key as
with consumed as (
    select original, sum(taken)::bigint as taken from walk_by_reference group by all
), pairs as (
    select r.source, r.currency, r.link_key as key, r.id, c.transaction_id as original,
           r.thousandths as refund, c.thousandths as base, r.transaction_on, c.charge_start_on
    from refunds r join candidates c
      on c.source = r.source and c.transaction_currency = r.currency and c.link_key = r.link_key
     and c.charge_start_on <= r.charge_start_on and r.charge_end_on <= c.charge_end_on
    where r.id not in (select id from steps_by_reference)
)
select dense_rank() over (order by source, currency, key) as family,
       row_number() over (partition by source, currency, key
           order by transaction_on, id, charge_start_on desc nulls last, p.original) as step,
       row_number() over (partition by source, currency, key, id
           order by charge_start_on desc nulls last, p.original) = 1 as opens,
       row_number() over (partition by source, currency, key, id
           order by charge_start_on nulls first, p.original desc) = 1 as closes,
       id, p.original, refund, base, coalesce(c.taken, 0) as before
from pairs p left join consumed c on c.original = p.original;

create table walk_by_key as {walk_by_key};

create table walked as
select * from walk_by_reference union all select * from walk_by_key;

create table pieces as
select id, original, before, before + taken as cumulated, base from walked where taken > 0;
create table excess as
select id, original, rest from walked where closes and rest > 0;
create table linked as select distinct id from walked;

-- Lines that stand for themselves beside the ones with a positive base.
create table unlinked as
select {columns} from negatives where transaction_id not in (select id from linked);
create table originals as
select {columns} from candidates where transaction_id in (select original from walked);
