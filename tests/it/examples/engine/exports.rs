//! The files of a job: program files and exports, in folders of their formats.

use super::Named;
use crate::support::project;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A line of the export of transactions.
#[derive(Clone, Default)]
pub struct Sold {
    /// What tells products of the case apart.
    pub product: &'static str,
    pub day: String,
    pub quantity: String,
    pub amount: String,
    /// The line that it refunds.
    pub refunds: Option<usize>,
    /// The line's id, if it is known by one; else its place.
    pub id: Option<String>,
    pub workload: String,
    /// What tells partners of the case apart.
    pub partner: usize,
    /// What tells customers of the case apart.
    pub customer: usize,
    /// The program's, if it isn't named.
    pub currency: Option<String>,
    /// The day on which the line becomes known, if it isn't known from the start.
    pub known_on: Option<String>,
}

/// The day on which everything is known, and in force.
const START: &str = "2010-01-01";

const TRANSACTIONS: &str = "transactions";

/// Formats with their columns.
const FORMATS: [(&str, &str); 9] = [
    (
        TRANSACTIONS,
        "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,CustomerId,\
         ProductId,Workload,Quantity,Amount,Currency",
    ),
    ("memberships", "global_id,location_id,location_name,country,status,from,until"),
    (
        "enrollments",
        "location_id,program,status,payout_profile,tax_profile,payment_currency,payment_method,\
         hold,from,until",
    ),
    ("participant-map", "partner_id,program,participant_id,from,until"),
    ("product-groups", "product_group,product_id,sku_id,from,until"),
    ("agreements", "location_id,agreement_type,status,from,until"),
    ("exchange-rates", "rate_type,from_currency,to_currency,period,rate"),
    (
        "claims",
        "claim_id,program,location_id,fund_half,activity,activity_month,submitted_on,status,\
         status_on,asked_amount,currency,decided_amount,reason",
    ),
    (
        "manual-adjustments",
        "adjustment_id,kind,program,location_id,earning_type,period,amount,currency,reason,\
         explanation,requested_by,approved_by,approved_on,taxable,counts_toward_minimum",
    ),
];

/// What was written.
pub struct Exports {
    pub job: PathBuf,
    pub programs: Vec<PathBuf>,
    /// With their formats.
    pub files: Vec<(String, PathBuf)>,
}

/// Rows by format and the day on which they become known.
type Rows = BTreeMap<(&'static str, String), Vec<String>>;

impl Exports {
    pub fn write(folder: &Path, trials: &[Named]) -> Exports {
        let mut written =
            Exports { job: folder.join("job.toml"), programs: Vec::new(), files: Vec::new() };
        let mut rows = Rows::new();
        for named in trials {
            let path = folder.join(format!("programs/{}.toml", named.key));
            put(&path, &named.trial.program.replace("KEY", &named.key));
            written.programs.push(path);
            add(named, &mut rows);
        }
        let pipelines = project().join("pipelines");
        let mut job = format!(
            "warehouse = \"warehouse\"\nprograms = \"programs/*.toml\"\nformats = {:?}\nreports = {:?}\n",
            pipelines.join("sources"),
            pipelines.join("reports"),
        );
        for (format, columns) in FORMATS {
            let files = rows.iter().filter(|((of, _), _)| *of == format);
            for (place, ((_, known_on), rows)) in files.enumerate() {
                if place == 0 {
                    job.push_str(&format!(
                        "[sources.{format}]\nformat = \"{format}\"\npath = \"{format}/*.csv\"\n"
                    ));
                }
                let path = folder.join(format!("{format}/{format}_{known_on}.csv"));
                let lines: Vec<&str> = rows.iter().map(String::as_str).collect();
                put(&path, &format!("{columns}\n{}\n", lines.join("\n")));
                written.files.push((format.to_owned(), path));
            }
        }
        put(&written.job, &job);
        written
    }
}

/// Adds the rows of a case.
fn add(named: &Named, all: &mut Rows) {
    let (key, trial) = (&named.key, &named.trial);
    let currency = currency(&trial.program);
    let mut add = |format: &'static str, known_on: &str, row: String| {
        let rows = all.entry((format, known_on.to_owned())).or_default();
        // Lines may be equal; what they are read by is said once.
        if format == TRANSACTIONS || !rows.contains(&row) {
            rows.push(row);
        }
    };
    let partner = |partner: usize| match partner {
        0 => format!("P{key}"),
        _ => format!("P{key}-{partner}"),
    };
    let last = trial.lines.iter().map(|line| line.partner).max().unwrap_or_default();
    for id in (0..=last).map(partner) {
        add("memberships", START, format!("G{id},{id},P,US,Active,{START},"));
        let paid = format!("{currency},transfer,no,{START},");
        add("enrollments", START, format!("{id},{key},Enrolled,PP,TX,{paid}"));
        add("participant-map", START, format!("{id},{key},{id},{START},"));
    }
    let mut products = BTreeSet::new();
    for (number, line) in trial.lines.iter().enumerate() {
        let product = format!("{key}-{}", line.product);
        products.insert(product.clone());
        let refunds = line.refunds.map_or(String::new(), |place| format!("{key}-{place}"));
        let id = line.id.clone().unwrap_or_else(|| number.to_string());
        let row = format!(
            "{key}-{id},{refunds},{},{},,C{key}-{},{product},{},{},{},{}",
            line.day,
            partner(line.partner),
            line.customer,
            line.workload,
            line.quantity,
            line.amount,
            line.currency.as_deref().unwrap_or(currency)
        );
        add(TRANSACTIONS, line.known_on.as_deref().unwrap_or(START), row);
    }
    for product in products {
        add("product-groups", START, format!("{product},{product},,{START},"));
    }
    for (format, row) in &trial.others {
        add(format, START, row.replace("KEY", key));
    }
}

fn put(path: &Path, text: &str) {
    let parent = path.parent().expect("a folder");
    fs::create_dir_all(parent).expect("a folder");
    fs::write(path, text).expect("a file");
}

fn currency(program: &str) -> &str {
    let line = program.lines().find_map(|line| line.strip_prefix("currency = "));
    line.map_or("KWD", |text| text.trim_matches('"'))
}
