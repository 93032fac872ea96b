"""Program files as DuckDB tables: what the peer's SQL reads instead of TOML."""

import calendar
import datetime
import glob
import pathlib
import tomllib

REASONS = {
    "mpn_agreement": "NO_MPN_AGREEMENT",
    "cloud_distributor_agreement": "NO_DISTRIBUTOR_AGREEMENT",
    "reseller_agreement": "NO_RESELLER_AGREEMENT",
    "mpn_membership": "IVDMPN",
    "first_transaction": "NO_FIRST_TRANSACTION",
    "competency": "IVDCOMP",
    "enrollment": "NOT_ENROLLED",
}
DEFAULTS = {
    "mpn_agreement": ["MPN"],
    "cloud_distributor_agreement": ["Cloud Distributor"],
    "reseller_agreement": ["Cloud Reseller"],
    "mpn_membership": ["Active"],
    "competency": ["Silver", "Gold"],
}
MINOR_UNITS = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3}
FOREVER = datetime.date(9999, 1, 1)


def days(row):
    """Inclusive dates of a file as a half-open range."""
    first = row.get("from")
    last = row.get("until")
    return (
        datetime.date.fromisoformat(first) if first else datetime.date(1, 1, 1),
        datetime.date.fromisoformat(last) + datetime.timedelta(1) if last else FOREVER,
    )


def load(connection, pattern):
    """Makes `programs`, `roles`, `terms`, `rates`, `splits` and `requirements`."""
    connection.execute("""
        create table programs (
            program text, currency text, minor int, day int, months_after int,
            minimum decimal(18,3), fiscal_start int);
        create table names (name text, program text);
        create table roles (role text primary key, program text);
        create table terms (program text, term text, from_on date, until_on date);
        create table rates (
            program text, lever_no int, lever text, pays_as text, rate_no int, group_no int,
            product_group text, roles text[], from_on date, until_on date, rate decimal(18,9));
        create table splits (program text, from_on date, until_on date, share decimal(18,9));
        create table requirements (
            program text, place int, requirement text, reason text, accepted text[],
            competencies text[], from_on date, until_on date);
        create table minor_units (currency text, minor int);
    """)
    connection.executemany("insert into minor_units values (?, ?)", list(MINOR_UNITS.items()))
    for path in sorted(glob.glob(pattern)):
        add(connection, tomllib.loads(pathlib.Path(path).read_text()))


def add(connection, program):
    def insert(table, rows):
        for row in rows:
            marks = ", ".join("?" * len(row))
            connection.execute(f"insert into {table} values ({marks})", row)

    key, payment = program["program"], program["payment"]
    if program.get("unmapped", "out_of_scope") != "out_of_scope":
        raise SystemExit(f"{key}: the peer knows no other `unmapped` than `out_of_scope`")
    currency = program["currency"]
    insert("programs", [(
        key, currency, MINOR_UNITS[currency], payment.get("day", 15),
        payment.get("months_after", 2), payment["minimum"], program.get("fiscal_year_start", 7),
    )])
    called = [key, program["name"], *program.get("aliases", [])]
    insert("names", [(name, key) for name in called])
    # A role that two programs pay would need another plan; the primary key refuses it.
    insert("roles", [(role, key) for role in program["pays"]])
    insert("terms", [(key, term["term"], *days(term)) for term in program["term"]])
    insert("splits", [(key, *days(split), split["rebate"]) for split in program.get("split", [])])
    insert("requirements", [requirement(key, place, row) for place, row in
                            enumerate(program.get("requirement", []), 1)])
    for lever_no, lever in enumerate(program["lever"]):
        if "filter" in lever:
            raise SystemExit(f"{key}: the peer knows no filters")
        if lever["draws"] != "billing":
            continue
        for rate_no, rate in enumerate(lever["rate"]):
            groups = rate.get("product_groups", lever.get("product_groups", []))
            insert("rates", [
                (key, lever_no, lever["lever"], lever.get("pays_as", "split"), rate_no, group_no,
                 group, rate.get("partner_types") or program["pays"], *days(rate), rate["rate"])
                for group_no, group in enumerate(groups)
            ])


def requirement(key, place, row):
    name = row["requirement"]
    accepted = row.get("types") or row.get("statuses") or row.get("levels")
    return (key, place, name, REASONS[name], accepted or DEFAULTS.get(name, []),
            row.get("names", []), *days(row))


def last_day(period):
    year, month = map(int, period.split("-"))
    return datetime.date(year, month, calendar.monthrange(year, month)[1])
