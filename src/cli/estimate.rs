//! `earnest estimate`: what would this earn and pay?

use super::summary::{self, Block, RESULTS};
use super::{Done, Global, output};
use crate::error::{Error, Result};
use crate::estimate::Request;
use crate::job::Limits;
use crate::query::{Format, render, select};
use chrono::{NaiveDate, Utc};
use duckdb::Connection;
use std::path::{Path, PathBuf};

/// Calculate what transactions would earn and pay under program files; no warehouse needed
///
/// The calculation is the daily job's, its checks included. What isn't given is assumed in the
/// partner's favor and said on stderr: a requirement whose deciding export is missing counts as met, a
/// partner id is its own participant, everybody is enrolled and paid in the program's currency. Without
/// `--products`, only levers for every product (`*`) earn.
#[derive(clap::Args)]
pub struct Args {
    /// A program file; several by `--program FILE --program FILE`
    #[arg(long, value_name = "FILE", required = true)]
    program: Vec<PathBuf>,
    /// What was sold; several files by `--transactions FILE --transactions FILE`
    #[arg(long, value_name = "FILE", required = true)]
    transactions: Vec<PathBuf>,
    /// The format of the transactions
    #[arg(long, value_name = "NAME", default_value = "transactions")]
    format: String,
    /// Product groups
    #[arg(long, value_name = "FILE")]
    products: Option<PathBuf>,
    /// Exchange rates
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    /// Locations and their companies
    #[arg(long, value_name = "FILE")]
    memberships: Option<PathBuf>,
    /// Agreements of locations
    #[arg(long, value_name = "FILE")]
    agreements: Option<PathBuf>,
    /// Competencies of locations
    #[arg(long, value_name = "FILE")]
    competencies: Option<PathBuf>,
    /// Designations and capability points of locations
    #[arg(long, value_name = "FILE")]
    designations: Option<PathBuf>,
    /// Products, customers and transactions that may not earn
    #[arg(long, value_name = "FILE")]
    ineligibilities: Option<PathBuf>,
    /// Enrollments with how they are paid
    #[arg(long, value_name = "FILE")]
    enrollments: Option<PathBuf>,
    /// Which partner id is which participant
    #[arg(long, value_name = "FILE")]
    participant_map: Option<PathBuf>,
    /// Only this lever of the one program
    #[arg(long, value_name = "ID")]
    lever: Option<String>,
    /// Only this term of the one program
    #[arg(long, value_name = "ID")]
    term: Option<String>,
    /// Order what is due by this day [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
    /// The folder of export formats [default: `sources` beside the job file]
    #[arg(long, value_name = "DIR")]
    formats: Option<PathBuf>,
    /// How the result is written: `csv` has the earnings, `json` everything
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Every earning, as people check it.
const EARNINGS: &[Block] = &[Block {
    title: "Earnings",
    header: &[
        "month",
        "transaction",
        "participant",
        "lever",
        "type",
        "base",
        "",
        "rate",
        "share",
        "gross",
        "",
        "forgone",
        "",
        "earned",
        "",
        "exchange",
        "amount",
        "",
        "paid in",
    ],
    kinds: "lllllmlrrmlmlmlrmll",
    sql: "SELECT period, coalesce(transaction_id, concat(lines, ' lines')), participant_id,
            lever, earning_type, base::VARCHAR, transaction_currency,
            rtrim(rtrim(earning_rate::VARCHAR, '0'), '.'), rtrim(rtrim(share::VARCHAR, '0'), '.'),
            gross_amount::VARCHAR, transaction_currency, forgone_amount::VARCHAR,
            transaction_currency, earning_amount::VARCHAR, transaction_currency,
            rtrim(rtrim(exchange_rate::VARCHAR, '0'), '.'), program_amount::VARCHAR,
            program_currency, coalesce(estimated_payment_month, 'co-op fund')
        FROM earnings
        LEFT JOIN (SELECT earning_id, count(*) AS lines FROM earning_sources GROUP BY ALL)
            USING (earning_id)
        ORDER BY period, transaction_id, lever, earning_type DESC, earning_id",
    none: "nothing",
}];

/// How measured earnings came about, and what is left of caps.
const RULES: &[Block] = &[
    Block {
        title: "Tiers",
        header: &["month", "participant", "customer", "lever", "how"],
        kinds: "lllll",
        sql: "SELECT DISTINCT period, participant_id, customer_id, lever, tier_text(tier_detail)
            FROM earnings WHERE tier_detail IS NOT NULL ORDER BY ALL",
        none: "nothing is measured",
    },
    Block {
        title: "Caps",
        header: &[
            "cap",
            "limits",
            "participant",
            "customer",
            "from",
            "until",
            "limit",
            "",
            "gross",
            "",
            "used",
            "",
            "left",
            "",
        ],
        kinds: "llllllmlmlmlml",
        sql: "SELECT cap, limits, coalesce(participant_id, 'company ' || global_id), customer_id,
                window_from, window_until, cap_limit::VARCHAR, program_currency, gross::VARCHAR, program_currency,
                used::VARCHAR, program_currency, \"left\"::VARCHAR, program_currency
            FROM cap_balances ORDER BY ALL",
        none: "nothing is capped",
    },
];

/// What JSON has, in this order.
const TABLES: &[&str] = &[
    "earnings",
    "earning_sources",
    "cap_balances",
    "unearned",
    "out_of_scope",
    "payments",
    "payment_items",
    "balances",
    "offsets",
    "coop_fund",
    "rejects",
];

const TOTALS: &str = "SELECT program, term, lever, earning_type, transaction_currency,
        program_currency, count(*) AS earnings, sum(earning_amount)::DECIMAL(18,3) AS earning_amount,
        sum(program_amount)::DECIMAL(18,3) AS program_amount
    FROM earnings GROUP BY ALL ORDER BY ALL";

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    if args.output == Format::Parquet {
        return Err(Error::usage(
            "estimate: expected `-o table`, `csv` or `json`, found `parquet`",
        ));
    }
    let beside = global.pipeline.parent().unwrap_or(Path::new("")).join("sources");
    let sold = args.transactions.iter();
    let mut exports: Vec<(String, PathBuf)> =
        sold.map(|path| (args.format.clone(), path.clone())).collect();
    let others = [
        ("product-groups", &args.products),
        ("exchange-rates", &args.rates),
        ("memberships", &args.memberships),
        ("agreements", &args.agreements),
        ("competencies", &args.competencies),
        ("designations", &args.designations),
        ("ineligibilities", &args.ineligibilities),
        ("enrollments", &args.enrollments),
        ("participant-map", &args.participant_map),
    ];
    for (format, path) in others {
        exports.extend(path.iter().map(|path| (format.to_owned(), path.clone())));
    }
    for path in args.program.iter().chain(exports.iter().map(|(_, path)| path)) {
        std::fs::File::open(path).map_err(|error| {
            Error::usage(format!("{}: expected a file, found {error}", path.display()))
        })?;
    }
    let now = Utc::now();
    let estimate = crate::estimate::estimate(&Request {
        programs: &args.program,
        formats: args.formats.as_deref().unwrap_or(&beside),
        exports: &exports,
        lever: args.lever.as_deref(),
        term: args.term.as_deref(),
        as_of: args.as_of.unwrap_or_else(|| now.date_naive()),
        started_at: now,
    })?;
    let outcome = &estimate.outcome;
    let connection = crate::query::connect(&outcome.store, &outcome.snapshot, &Limits::default())?;
    let bytes = match args.output {
        Format::Csv => {
            let sql = "SELECT * FROM earnings ORDER BY period, transaction_id, lever, earning_id";
            render(&select(&connection, sql)?, Format::Csv, &[])?
        }
        Format::Json => json(&connection)?,
        Format::Table | Format::Parquet => {
            let blocks = [EARNINGS, RULES, RESULTS];
            let texts = blocks.map(|blocks| summary::blocks(&connection, blocks));
            texts.into_iter().collect::<Result<String>>()?.into_bytes()
        }
    };
    output::data(&bytes);
    for line in &estimate.assumed {
        tracing::warn!("assumed: {line}");
    }
    for line in &outcome.attention {
        tracing::warn!("needs attention: {line}");
    }
    Ok(if outcome.attention.is_empty() { Done::Well } else { Done::Attention })
}

/// An object with every table as an array, and the totals.
fn json(connection: &Connection) -> Result<Vec<u8>> {
    let mut object = Vec::from(b"{");
    for (place, name) in TABLES.iter().chain(&["totals"]).enumerate() {
        let all = format!("SELECT * FROM {name} ORDER BY ALL");
        let sql = if *name == "totals" { TOTALS } else { &all };
        let rows = render(&select(connection, sql)?, Format::Json, &[])?;
        object.extend_from_slice(if place == 0 { b"\n" } else { b",\n" });
        object.extend_from_slice(format!("\"{name}\": ").as_bytes());
        object.extend_from_slice(rows.trim_ascii_end());
    }
    object.extend_from_slice(b"\n}\n");
    Ok(object)
}
