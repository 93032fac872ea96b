//! Programs and currencies as tables of the connection, so that SQL can recompute from them.

use super::program_filters::lever_filters;
use super::program_measures;
use crate::error::{Error, Result};
use crate::query::{literal, text_rows};
use chrono::NaiveDate;
use duckdb::Connection;
use earnest_core::calendar::Period;
use earnest_core::currency::{codes, minor_units};
use earnest_core::decimal::{RATE_SCALE, Rounding, format};
use earnest_core::earning::EarningType;
use earnest_core::program::cap::{CapOn, ProgramCap};
use earnest_core::program::{
    Days, First, Follow, Lever, LeverRate, PaysAs, Program, Redecide, Unmapped,
};
use std::collections::BTreeMap;

/// Makes the macros `minor_units`, `round_to`, `filters_passed`, `passes_filter`, `any_customer_countries`,
/// `any_partner_countries`, `any_rounding` and `program_rounding`, and fills the tables `program`, `program_name`, `program_role`, `program_term`, `program_split`,
/// `program_lever`, `program_customer_add`, `program_after`, `program_payees`, `program_rate`,
/// `program_cap`, `program_measure`, `program_company_payee`, `program_tier`, `program_trailing`,
/// `program_fund_window`, `program_fund_threshold`, `program_fund_rollover`, `program_tax`, `program_due`, `program_last_due`,
/// `program_calendar`. Dates are half-open, null is open.
///
/// # Errors
/// If DuckDB refuses.
pub fn load(connection: &Connection, programs: &[Program]) -> Result<()> {
    let mut tables = Tables::default();
    let cycles = text_rows(connection, "SELECT DISTINCT cycle FROM settlement_changes", &[])?;
    let cycles = cycles.into_iter().flatten().flatten().map(|cycle| cycle.parse());
    let cycles: Vec<Period> = cycles.collect::<Result<_, _>>()?;
    let (as_of, closed) = as_of(connection)?;
    for program in programs {
        tables.add(program);
        tables.add_due_days(program, &cycles);
        tables.add_last_due(program, as_of, closed);
    }
    connection.execute_batch(&currencies())?;
    connection.execute_batch(ROUNDING)?;
    connection.execute_batch(&lever_filters(programs))?;
    connection.execute_batch(&any(programs))?;
    for (name, columns) in TABLES {
        connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE {name} ({columns})"))?;
        if let Some(rows) = tables.0.get(name).filter(|rows| !rows.is_empty()) {
            connection.execute_batch(&format!("INSERT INTO {name} VALUES {}", rows.join(", ")))?;
        }
    }
    Ok(())
}

/// The day of the tables, and the last closed cycle.
fn as_of(connection: &Connection) -> Result<(NaiveDate, Option<Period>)> {
    let sql = "SELECT as_of::VARCHAR, (SELECT max(cycle) FROM closed_cycles) FROM snapshot";
    let rows = text_rows(connection, sql, &[])?;
    let mut cells = rows.into_iter().next().unwrap_or_default().into_iter();
    let (as_of, closed) = (cells.next().flatten(), cells.next().flatten());
    let as_of = as_of.and_then(|day| day.parse().ok());
    let as_of = as_of.ok_or_else(|| Error::broken("snapshot: expected a day, found none"))?;
    Ok((as_of, closed.map(|cycle| cycle.parse()).transpose()?))
}

/// An amount with so many digits; `round` on decimals wants constant ones, and rounds half away from zero.
const ROUNDING: &str = "
    CREATE OR REPLACE TEMP MACRO round_to(amount, digits) AS CASE digits
        WHEN 0 THEN round(amount, 0)::DECIMAL(18, 3)
        WHEN 2 THEN round(amount, 2)::DECIMAL(18, 3)
        ELSE round(amount, 3)::DECIMAL(18, 3) END;
    CREATE OR REPLACE TEMP MACRO unit_of(digits) AS
        CASE digits WHEN 0 THEN 1 WHEN 2 THEN 0.01 ELSE 0.001 END::DECIMAL(18, 3);
    CREATE OR REPLACE TEMP MACRO round_as(amount, digits, rounding) AS round_to(amount, digits) - CASE
        WHEN rounding = 'down' AND abs(round_to(amount, digits)) > abs(amount)
            OR rounding = 'half_even' AND 2 * abs(round_to(amount, digits) - amount) = unit_of(digits)
                AND round_to(amount, digits) % (2 * unit_of(digits)) <> 0
        THEN sign(amount) * unit_of(digits) ELSE 0 END::DECIMAL(18, 3)";

/// Two decimals are the rule; the others are named. Staging has refused unknown currencies. A list is
/// searched, because DuckDB plans a join for `IN`, wherever the macro is used.
fn currencies() -> String {
    let exceptions: Vec<String> = [0, 3]
        .map(|digits| {
            let codes: Vec<&str> =
                codes().filter(|code| minor_units(code) == Some(digits)).collect();
            format!("WHEN list_contains(['{}'], code) THEN {digits}", codes.join("', '"))
        })
        .into();
    format!(
        "CREATE OR REPLACE TEMP MACRO minor_units(code) AS CASE {} ELSE 2 END",
        exceptions.join(" ")
    )
}

/// Whether there is a rate by country, a program or split that doesn't round half away from zero: if not,
/// nothing needs to be looked at for one.
fn any(programs: &[Program]) -> String {
    let of_customers = programs.iter().any(Program::asks_for_customer_countries);
    let of_partners = programs.iter().any(Program::asks_for_partner_countries);
    let ways = |program: &Program| {
        let splits = program.splits.iter().map(|split| split.shares.rounding);
        splits.chain([program.rounding]).any(|way| way != Rounding::default())
    };
    let any_rounding = programs.iter().any(ways);
    let other = programs.iter().filter(|program| program.rounding != Rounding::default());
    let other: Vec<String> = other
        .map(|program| format!("{}: '{}'", literal(&program.program), rounding(program.rounding)))
        .collect();
    // A variable is a constant for the planner; a `CASE` of many programs would be planned wherever it is used.
    let program_rounding = match other.is_empty() {
        true => "'half_up'",
        false => "getvariable('roundings')[program]",
    };
    format!(
        "CREATE OR REPLACE TEMP MACRO any_customer_countries() AS {of_customers};
        CREATE OR REPLACE TEMP MACRO any_partner_countries() AS {of_partners};
        CREATE OR REPLACE TEMP MACRO any_rounding() AS {any_rounding};
        SET VARIABLE roundings = MAP {{{}}};
        CREATE OR REPLACE TEMP MACRO program_rounding(program) AS {program_rounding}",
        other.join(", ")
    )
}

/// A way to round, as the recomputation calls it.
pub(super) fn rounding(way: Rounding) -> &'static str {
    match way {
        Rounding::HalfAwayFromZero => "half_up",
        Rounding::HalfEven => "half_even",
        Rounding::TowardZero | Rounding::Floor => "down",
        Rounding::Ceiling => "ceiling",
    }
}

/// Rows by table, as SQL.
#[derive(Default)]
pub(super) struct Tables(BTreeMap<&'static str, Vec<String>>);

impl Tables {
    fn add(&mut self, program: &Program) {
        let key = literal(&program.program);
        let itself = program.unmapped == Unmapped::Itself;
        let (currency, as_earned) = (literal(&program.currency), program.pays_as_earned());
        let group = program.payment.offset_group.as_deref().map_or("NULL".to_owned(), literal);
        self.row("program", format!("({key}, {currency}, {itself}, {as_earned}, {group})"));
        let mut names: Vec<&String> = vec![&program.program, &program.name];
        names.extend(program.aliases.iter().map(|alias| &alias.name));
        names.sort();
        names.dedup();
        for name in names {
            let called = program.called(name);
            self.rows(
                "program_name",
                called.map(|on| format!("({key}, {}, {})", literal(name), days(&on))),
            );
        }
        self.rows(
            "program_role",
            program.pays.iter().map(|role| format!("({key}, '{}')", role.name())),
        );
        for term in &program.terms {
            self.row(
                "program_term",
                format!("({key}, {}, {})", literal(&term.term), days(&term.days)),
            );
        }
        self.rows(super::trailing::TABLE.0, super::trailing::rows(program));
        for split in &program.splits {
            let (rebate, fee) = (rate(split.shares.rebate), rate(split.shares.fee));
            let (days, way) = (days(&split.days), rounding(split.shares.rounding));
            self.row("program_split", format!("({key}, {days}, {rebate}, {fee}, '{way}')"));
        }
        for (place, lever) in program.levers.iter().enumerate() {
            self.add_lever(program, place, lever);
        }
        for cap in &program.caps {
            self.add_cap(program, cap);
        }
        self.add_fund(program);
        self.rows(
            "program_calendar",
            EarningType::ALL.map(|of| {
                let calendar = program.calendar(of);
                let (every, after) = (calendar.every.months(), calendar.months_after);
                let start = program.fiscal_year_start;
                format!("({key}, '{}', {every}, {after}, {start})", of.name())
            }),
        );
        self.rows(super::life::TAX_TABLE.0, super::life::tax_rows(program));
    }

    /// When co-op of cycles is due that changes of closed ones enter.
    fn add_due_days(&mut self, program: &Program, cycles: &[Period]) {
        let key = literal(&program.program);
        let due = |cycle: &Period| program.due_day(*cycle, EarningType::Coop);
        let row = |cycle: &Period| format!("({key}, '{cycle}', '{}')", due(cycle));
        self.rows("program_due", cycles.iter().map(row));
    }

    /// The last cycle that is due by a day, of each earning type; what is closed was due.
    fn add_last_due(&mut self, program: &Program, as_of: NaiveDate, closed: Option<Period>) {
        let key = literal(&program.program);
        let tomorrow = as_of.succ_opt().unwrap_or(as_of);
        let rows = EarningType::ALL.map(|of| {
            let due = program.first_cycle_from(tomorrow, of).plus(-1);
            let last = closed.map_or(due, |closed| due.max(closed));
            format!("({key}, '{}', '{last}')", of.name())
        });
        self.rows("program_last_due", rows);
    }

    /// A rollover of everybody has no participant.
    fn add_fund(&mut self, program: &Program) {
        let key = literal(&program.program);
        for window in &program.coop.windows {
            let (days, used, claimed) = (days(&window.days), window.use_months, window.claim_days);
            self.row("program_fund_window", format!("({key}, {days}, {used}, {claimed})"));
        }
        for threshold in &program.coop_thresholds {
            self.row("program_fund_threshold", format!("({key}, {})", days(&threshold.days)));
        }
        for rollover in &program.coop.rollovers {
            let on = rollover.on.map_or("NULL".to_owned(), |day| format!("'{day}'"));
            let halves = format!("'{}', '{}'", rollover.from, rollover.to);
            let mut whom: Vec<String> =
                rollover.participants.iter().map(|id| literal(id)).collect();
            if whom.is_empty() {
                whom.push("NULL".to_owned());
            }
            let rows = whom.iter().map(|whom| format!("({key}, {halves}, {on}, {whom})"));
            self.rows("program_fund_rollover", rows);
        }
    }

    /// One row per lever that shares the cap.
    fn add_cap(&mut self, program: &Program, cap: &ProgramCap) {
        for &lever in &cap.levers {
            self.row(
                "program_cap",
                format!(
                    "({}, {}, {}, {}, '{}', {}, {}, {}, {}, {}, {})",
                    literal(&program.program),
                    literal(&program.levers[lever].lever),
                    literal(&cap.cap),
                    cap.limit,
                    if cap.on == CapOn::Payout { "payout" } else { "base" },
                    cap.per.has_participant(),
                    cap.follow == Follow::Company,
                    cap.per.has_customer(),
                    cap.window.months(),
                    program.fiscal_year_start,
                    days(&cap.days),
                ),
            );
        }
    }

    fn add_lever(&mut self, program: &Program, place: usize, lever: &Lever) {
        let key = format!("{}, {}", literal(&program.program), literal(&lever.lever));
        let pays_as = match lever.pays_as {
            PaysAs::Split => "split",
            PaysAs::Rebate => "rebate",
            PaysAs::Fee => "fee",
        };
        let aggregated = lever.sums();
        let draws = lever.draws.name();
        let measured = lever.measured.is_some();
        let engagement = lever.engagement.map(|engagement| &program.engagements[engagement]);
        let (engagement, selects) = match engagement {
            Some(found) => (literal(&found.engagement), format!("'{}'", found.select.name())),
            None => ("NULL".to_owned(), "NULL".to_owned()),
        };
        let filtered = lever.filter.is_some();
        self.row("program_lever", format!(
            "({key}, {place}, '{draws}', {aggregated}, {measured}, '{pays_as}', {engagement}, {selects}, \
             {filtered})"
        ));
        self.add_meeting(program, &key, lever);
        if let Some(measured) = &lever.measured {
            program_measures::add(self, program, &key, measured);
        }
        for (place, lever_rate) in lever.rates.iter().enumerate() {
            self.add_rate(program, &key, place, lever_rate);
        }
    }

    /// What a lever asks of customers, of levers before it, and of its payees.
    fn add_meeting(&mut self, program: &Program, key: &str, lever: &Lever) {
        if let Some(asked) = &lever.customer_add {
            let by_product = asked.first == First::Products;
            let (months, minimum) = (asked.months, asked.minimum);
            let redecide = redecide(asked.redecide);
            let row = format!("({key}, {months}, {by_product}, {minimum}, '{redecide}')");
            self.row("program_customer_add", row);
        }
        let chain = std::iter::successors(lever.after, |&before| program.levers[before].after);
        let chain = chain.map(|before| literal(&program.levers[before].lever));
        let on_earned = lever.on_earned;
        self.rows("program_after", chain.map(|before| format!("({key}, {before}, {on_earned})")));
        for payees in &lever.payees {
            self.row(
                "program_payees",
                format!("({key}, {}, {})", days(&payees.days), rate(payees.reseller)),
            );
        }
    }

    /// One row per group and role that the rate names.
    fn add_rate(&mut self, program: &Program, key: &str, place: usize, lever_rate: &LeverRate) {
        let roles = if lever_rate.partner_types.is_empty() {
            &program.pays
        } else {
            &lever_rate.partner_types
        };
        let (amount, typed) = (integer(lever_rate.amount), !lever_rate.partner_types.is_empty());
        let countries = &lever_rate.countries;
        let (customer, partner) = (texts(&countries.customer), texts(&countries.partner));
        for (group_place, group) in lever_rate.product_groups.iter().enumerate() {
            for role in roles {
                self.row("program_rate", format!(
                    "({key}, {place}, {}, {}, {amount}, '{}', {}, {group_place}, {customer}, {partner}, {typed})",
                    days(&lever_rate.days),
                    rate(lever_rate.rate),
                    role.name(),
                    literal(group),
                ));
            }
        }
    }

    pub(super) fn row(&mut self, table: &'static str, row: String) {
        self.rows(table, [row]);
    }

    fn rows(&mut self, table: &'static str, rows: impl IntoIterator<Item = String>) {
        self.0.entry(table).or_default().extend(rows);
    }
}

/// Every table with its columns.
const TABLES: [(&str, &str); 22] = [
    (
        "program",
        "program TEXT, currency TEXT, unmapped_itself BOOLEAN, pays_as_earned BOOLEAN, \
                 offset_group TEXT",
    ),
    ("program_name", "program TEXT, name TEXT, named_from DATE, named_until DATE"),
    ("program_role", "program TEXT, role TEXT"),
    ("program_term", "program TEXT, term TEXT, from_on DATE, until_on DATE"),
    (
        "program_split",
        "program TEXT, from_on DATE, until_on DATE, share DECIMAL(18, 9), \
                 fee_share DECIMAL(18, 9), rounding TEXT",
    ),
    (
        "program_lever",
        "program TEXT, lever TEXT, lever_place INTEGER, data_role TEXT, aggregated BOOLEAN, measured BOOLEAN, \
                 pays_as TEXT, engagement TEXT, selects TEXT, filtered BOOLEAN",
    ),
    (
        "program_customer_add",
        "program TEXT, lever TEXT, months INTEGER, by_product BOOLEAN, minimum HUGEINT, redecide TEXT",
    ),
    ("program_after", "program TEXT, lever TEXT, before TEXT, on_earned BOOLEAN"),
    (
        "program_payees",
        "program TEXT, lever TEXT, from_on DATE, until_on DATE, reseller_share DECIMAL(18, 9)",
    ),
    (
        "program_rate",
        "program TEXT, lever TEXT, place INTEGER, from_on DATE, until_on DATE, \
                 rate DECIMAL(18, 9), amount BIGINT, role TEXT, product_group TEXT, \
                 group_place INTEGER, customer_countries TEXT[], partner_countries TEXT[], typed BOOLEAN",
    ),
    (
        "program_cap",
        "program TEXT, lever TEXT, cap TEXT, cap_limit HUGEINT, cap_on TEXT, \
                 per_participant BOOLEAN, of_company BOOLEAN, per_customer BOOLEAN, months INTEGER, \
                 fiscal_start INTEGER, from_on DATE, until_on DATE",
    ),
    (
        "program_measure",
        "program TEXT, lever TEXT, quantity_of TEXT, per TEXT, months INTEGER, \
                 fiscal_start INTEGER, side TEXT, minimum HUGEINT, baseline TEXT, \
                 baseline_amount HUGEINT, trailing_days INTEGER, flat_on_zero BOOLEAN, at_least HUGEINT, \
                 at_most HUGEINT, guarantee TEXT, recover_from INTEGER, recover_share HUGEINT, \
                 redecide TEXT",
    ),
    ("program_company_payee", "program TEXT, lever TEXT, company TEXT, payee TEXT"),
    (
        "program_tier",
        "program TEXT, lever TEXT, place INTEGER, from_on DATE, until_on DATE, shape TEXT, \
                 edge TEXT, lower HUGEINT, upper HUGEINT, pays HUGEINT, flat HUGEINT, \
                 per_units HUGEINT, whole_amount HUGEINT, divide_by HUGEINT, scale_rounding TEXT",
    ),
    super::trailing::TABLE,
    (
        "program_fund_window",
        "program TEXT, from_on DATE, until_on DATE, use_months INTEGER, claim_days INTEGER",
    ),
    ("program_fund_threshold", "program TEXT, from_on DATE, until_on DATE"),
    (
        "program_fund_rollover",
        "program TEXT, from_half TEXT, to_half TEXT, on_day DATE, participant_id TEXT",
    ),
    super::life::TAX_TABLE,
    ("program_due", "program TEXT, cycle TEXT, due_on DATE"),
    ("program_last_due", "program TEXT, earning_type TEXT, last TEXT"),
    (
        "program_calendar",
        "program TEXT, earning_type TEXT, due_every INTEGER, due_months INTEGER, fiscal_start INTEGER",
    ),
];

fn texts(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("[{}]::TEXT[]", texts.join(", "))
}

/// Until when something may be decided otherwise.
pub(super) fn redecide(redecide: Redecide) -> &'static str {
    match redecide {
        Redecide::Always => "always",
        Redecide::UntilClose => "until_close",
        Redecide::Never => "never",
    }
}

pub(super) fn integer(number: Option<i128>) -> String {
    number.map_or("NULL".to_owned(), |number| number.to_string())
}

pub(super) fn days(days: &Days) -> String {
    let day = |day: Option<NaiveDate>| day.map_or("NULL".to_owned(), |day| format!("'{day}'"));
    format!("{}, {}", day(days.from), day(days.until))
}

pub(super) fn rate(rate: i128) -> String {
    format(rate, RATE_SCALE, 0)
}
