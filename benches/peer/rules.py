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
MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}
# Whom a cap is per: participant, customer.
PER = {"participant": (True, False), "customer": (False, True),
       "participant_customer": (True, True), "program": (False, False)}
KNOWN_OF_LEVER = {"lever", "name", "draws", "product_groups", "pays_as", "rate", "measure", "tiers",
                  "customer_add"}


def days(row):
    """Inclusive dates of a file as a half-open range."""
    first = row.get("from")
    last = row.get("until")
    return (
        datetime.date.fromisoformat(first) if first else datetime.date(1, 1, 1),
        datetime.date.fromisoformat(last) + datetime.timedelta(1) if last else FOREVER,
    )


def load(connection, pattern):
    """Makes `programs`, `roles`, `terms`, `levers`, `rates`, `tiers`, `caps`, `cap_levers`, `splits`
    and `requirements`."""
    connection.execute("""
        create table programs (
            program text, currency text, minor int, day int, months_after int,
            minimum decimal(18,3), fiscal_start int);
        create table names (name text, program text);
        create table roles (role text primary key, program text);
        create table terms (program text, term text, from_on date, until_on date);
        create table levers (
            lever_no int primary key, program text, lever text, pays_as text, product_groups text,
            has_measure bool, of_quantity bool, per_customer bool, months int, at_end bool,
            minimum decimal(38,12), baseline text, baseline_amount decimal(38,12), asks bool,
            new_months int, new_by_product bool, new_minimum decimal(18,3));
        create table rates (
            program text, lever_no int, rate_no int, group_no int, product_group text,
            roles text[], from_on date, until_on date, rate decimal(18,9));
        create table tiers (
            lever_no int, from_on date, until_on date, whole bool, upper_edge bool, tier int,
            lower_end decimal(38,12), upper_end decimal(38,12), pays decimal(18,9),
            flat decimal(18,9));
        create table caps (
            cap_no int primary key, program text, cap text, cap_limit decimal(18,3), on_base bool,
            per_participant bool, per_customer bool, months int, from_on date, until_on date);
        create table cap_levers (cap_no int, lever_no int);
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
    def next_number(table, column):
        return connection.execute(f"select coalesce(max({column}), 0) + 1 from {table}").fetchone()[0]

    numbers = {}
    for lever_no, lever in enumerate(program["lever"], next_number("levers", "lever_no")):
        unknown = lever.keys() - KNOWN_OF_LEVER
        if unknown:
            raise SystemExit(f"{key}: the peer knows no levers with {', '.join(sorted(unknown))}")
        if lever["draws"] != "billing":
            continue
        numbers[lever["lever"]] = lever_no
        rates = lever.get("rate") or [{**table, "rate": "0"} for table in lever["tiers"]]
        named = [rate.get("product_groups", lever.get("product_groups", [])) for rate in rates]
        distinct = dict.fromkeys(group for groups in named for group in groups)
        insert("levers", [(lever_no, key, lever["lever"], lever.get("pays_as", "split"),
                           ",".join(distinct), *measure(key, lever), *customer_add(lever))])
        for rate_no, (rate, groups) in enumerate(zip(rates, named)):
            insert("rates", [
                (key, lever_no, rate_no, group_no, group,
                 rate.get("partner_types") or program["pays"], *days(rate), rate["rate"])
                for group_no, group in enumerate(groups)
            ])
        for table in lever.get("tiers", []):
            insert("tiers", [(lever_no, *row) for row in tiers(table)])
    for cap_no, cap in enumerate(program.get("cap", []), next_number("caps", "cap_no")):
        per_participant, per_customer = PER[cap["per"]]
        insert("caps", [(cap_no, key, cap["cap"], cap["limit"], cap.get("on") == "base",
                         per_participant, per_customer, MONTHS[cap["window"]], *days(cap))])
        insert("cap_levers", [(cap_no, numbers[lever]) for lever in cap.get("levers", numbers)])
    asking = connection.execute("""select count(*) from cap_levers join levers using (lever_no)
                                   where asks""").fetchone()[0]
    if asking:
        raise SystemExit(f"{key}: the peer knows no caps on levers with `customer_add`")


def measure(key, lever):
    """Columns of `levers` from `has_measure` on."""
    measured = lever.get("measure")
    if measured is None:
        return (False, False, False, 1, False, None, None, None)
    baseline = measured.get("baseline")
    looks_back = baseline in ("last_year", "previous")
    if looks_back and any("from" in table or "until" in table for table in lever["tiers"]):
        raise SystemExit(f"{key}: the peer knows no dated tiers beside a baseline")
    return (True, measured.get("of") == "quantity", measured.get("per") == "customer",
            MONTHS[measured["window"]], measured.get("at") == "end", measured.get("minimum"),
            baseline if looks_back or baseline is None else "fixed",
            None if looks_back else baseline)


def customer_add(lever):
    """Columns of `levers` from `asks` on: in how many months from which first line a customer is new."""
    asked = lever.get("customer_add")
    if asked is None:
        return (False, None, None, None)
    return (True, asked["months"], asked.get("first") == "products", asked.get("minimum", "0"))


def tiers(table):
    """Rows of a table of tiers: dates, shape, edge, place, edges, what it pays, the flat."""
    lower = "0"
    for place, tier in enumerate(table["tier"], 1):
        yield (*days(table), table["shape"] == "whole", table.get("edge") == "upper", place, lower,
               tier.get("up_to"), tier.get("rate") or tier.get("price", "0"), tier.get("flat", "0"))
        lower = tier.get("up_to")


def requirement(key, place, row):
    name = row["requirement"]
    accepted = row.get("types") or row.get("statuses") or row.get("levels")
    return (key, place, name, REASONS[name], accepted or DEFAULTS.get(name, []),
            row.get("names", []), *days(row))


def last_day(period):
    year, month = map(int, period.split("-"))
    return datetime.date(year, month, calendar.monthrange(year, month)[1])
