"""Compares earnest's tables with the peer's, row by row and cent by cent, whatever their order.

Ids that are digests are left out: the peer makes its own. Columns that only earnest fills are too.
"""

import pathlib

import duckdb

# Table → the peer's files, columns that are not compared.
EARNINGS = ["earnings/*.parquet", "earnings_refunds/*.parquet", "earnings_capped/*.parquet",
            "earnings_measured/*.parquet", "earnings_added/*.parquet"]
TABLES = {
    "earnings": (EARNINGS, {"earning_id", "tier_detail"}),
    "earning_sources": (["earning_sources/*.parquet", "earning_sources_refunds/*.parquet",
                         "earning_sources_last/*.parquet"], set()),
    "cap_balances": (["cap_balances.parquet"], set()),
    "unearned": (["unearned/*.parquet", "unearned_refunds/*.parquet", "unearned_excess/*.parquet",
                  "unearned_added/*.parquet"], set()),
    "out_of_scope": (["out_of_scope/*.parquet", "out_of_scope_refunds/*.parquet"], set()),
    "payments": (["payments.parquet"], {"payment_id"}),
    "payment_items": (["payment_items.parquet"], {"payment_id"}),
    "balances": (["balances.parquet"], set()),
    "coop_fund": (["coop_fund.parquet"], set()),
    "journal": (["journal.parquet"], {"entry_id", "source_key"}),
    "eligibility": (["eligibility.parquet"], {"requirement_order"}),
}


def compare(snapshot, warehouse, peer, report=print):
    """True if every table agrees; what differs is reported with examples."""
    connection = duckdb.connect(config={"disabled_optimizers": "common_subplan"})
    agree = True
    for table, (patterns, left_out) in TABLES.items():
        ours = ours_of(snapshot, warehouse, table)
        theirs = [str(path) for pattern in patterns for path in pathlib.Path(peer).glob(pattern)]
        if not theirs and not snapshot["tables"].get(table, {}).get("rows"):
            continue
        ours, theirs = reading(ours), reading(theirs)
        if table == "earning_sources":
            earnings = reading(ours_of(snapshot, warehouse, "earnings"))
            ours = keyed(ours, earnings, "earning_id")
            paths = [path for pattern in EARNINGS for path in pathlib.Path(peer).glob(pattern)]
            theirs = keyed(theirs, reading(paths), "id_high, id_low")
        types = columns(connection, ours)
        shared = [name for name in columns(connection, theirs) if name in types]
        shared = [name for name in shared if name not in left_out]
        selected = ", ".join(f'"{name}"::{types[name]} as "{name}"' for name in shared)
        # What the peer leaves out is empty or zero by design.
        same = totals(connection, ours, selected) == totals(connection, theirs, selected)
        rows = connection.execute(f"select count(*) from {ours}").fetchone()[0]
        report(f"{table}: {rows} rows, {len(shared)} columns: {'equal' if same else 'DIFFERENT'}")
        if not same:
            agree = False
            for label, left, right in [("ours", ours, theirs), ("theirs", theirs, ours)]:
                examples(connection, label, left, right, selected, report)
    return agree


def ours_of(snapshot, warehouse, table):
    return [warehouse / file["path"] for file in snapshot["tables"].get(table, {}).get("files", [])]


def keyed(sources, earnings, ids):
    """Shares with the key of their earning, since the peer makes ids of its own."""
    return f"""(select s.* exclude ({ids}), e.program, e.lever, e.earning_type, e.participant_id,
                       e.aggregate_key
                from {sources} s join {earnings} e using ({ids}))"""


def reading(files):
    quoted = ", ".join(f"'{file}'" for file in files)
    return f"read_parquet([{quoted}], hive_partitioning = false)"


def columns(connection, relation):
    described = connection.execute(f"describe select * from {relation}").fetchall()
    return {name: kind for name, kind, *_ in described}


def totals(connection, relation, selected):
    """Rows and the order-free sum of their hashes."""
    return connection.execute(f"""
        select count(*), sum(hash(line)::hugeint)
        from (select {{{braced(selected)}}} as line from {relation})""").fetchone()


def braced(selected):
    """`a::t as a, …` as the fields of a struct."""
    fields = []
    for part in selected.split(", "):
        value, name = part.rsplit(" as ", 1)
        fields.append(f"{name}: {value}")
    return ", ".join(fields)


def examples(connection, label, left, right, selected, report):
    rows = connection.execute(f"""
        select {selected} from {left} except all select {selected} from {right}
        limit 3""").fetchall()
    names = [part.rsplit(" as ", 1)[1] for part in selected.split(", ")]
    for row in rows:
        shown = ", ".join(f"{name} {value}" for name, value in zip(names, row) if value is not None)
        report(f"  only {label}: {shown}")
