"""Shows what of the programs really fired: earnings per lever, earnings that differ from zero, what caps
left out, the tiers that were reached. A bench whose rules never fire measures little.
"""

import duckdb


def report(snapshot, warehouse, show=print):
    """Prints one line per lever and one per cap; nothing if all levers are plain rates."""
    tables = snapshot["tables"]
    if not tables.get("earning_sources", {}).get("rows"):
        return
    connection = duckdb.connect()
    for table in ["earnings", "cap_balances"]:
        files = [str(warehouse / file["path"]) for file in tables.get(table, {}).get("files", [])]
        if files:
            connection.execute(f"create view {table} as select * from "
                               f"read_parquet({files}, hive_partitioning = false)")
    levers = connection.execute("""
        select program, lever, count(*), count(*) filter (earning_amount != 0),
               count(*) filter (earning_amount < 0), count(*) filter (forgone_amount != 0),
               string_agg(distinct earning_type, '+' order by earning_type),
               string_agg(distinct earning_rate::double, ' ' order by earning_rate::double)
        from earnings group by all order by all""").fetchall()
    show("lever: earnings, not zero, negative, with a forgone part; types; rates")
    for program, lever, *counts, types, rates in levers:
        show(f"  {program} {lever}: {', '.join(map(str, counts))}; {types}; {rates}")
    caps = connection.execute("""
        select program, cap, count(*), count(*) filter (used = cap_limit),
               count(*) filter (gross > used) from cap_balances group by all order by all""").fetchall()
    show("cap: scopes, used up, with something forgone")
    for program, cap, *counts in caps:
        show(f"  {program} {cap}: {', '.join(map(str, counts))}")
