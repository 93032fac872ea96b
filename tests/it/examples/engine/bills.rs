//! Worked examples of the vendor's billing through `check sources`: each case is a format whose columns
//! the check computes again, and a line of it. Column after column is written wrong, so that the check
//! says what it should be; once all are as it says, it must find nothing.

use crate::examples::Case;
use crate::examples::compare::{Found, Row};
use crate::examples::fields::{Failure, Fields, Reader};
use crate::support::project;
use earnest::check::sources::plausible;
use earnest::job::Job;
use earnest_core::decimal::{EXACT_SCALE, MONEY_SCALE, parse};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Columns beside those of the generic export.
const COLUMNS: [&str; 10] = [
    "Credit",
    "ExchangeRate",
    "EffectiveUnitPrice",
    "UsedQuantity",
    "IncludedQuantity",
    "OverageQuantity",
    "BaseFee",
    "Total",
    "FeeRate",
    "Fee",
];

/// What the check is asked of a case.
struct Bill {
    key: String,
    id: String,
    /// By column.
    given: Vec<(&'static str, String)>,
    /// In the order in which one is computed from the others.
    asked: Vec<Asked>,
    /// What the check said so far, in the order of what is asked.
    said: Vec<String>,
}

/// A column that the check computes.
struct Asked {
    /// As the case calls it.
    name: &'static str,
    column: &'static str,
    /// The format's rule.
    rule: String,
    /// How many decimals the case shows.
    decimals: usize,
}

fn asked(expected: &Table, name: &'static str, column: &'static str, rule: &str) -> Asked {
    let text = expected.get(name).and_then(Value::as_str).unwrap_or_default();
    let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let rule = format!("[[plausible]]\ncolumn = \"{column}\"\n{rule}\n");
    Asked { name, column, rule, decimals }
}

/// What the check found of the cases that are lines of a bill, by id.
pub fn run(cases: &[Case]) -> BTreeMap<String, Result<Row, Failure>> {
    let number = |(number, case): (usize, &Case)| bill(case, format!("c{number:03}"));
    let mut bills: Vec<Bill> = cases.iter().enumerate().filter_map(number).collect();
    let most = bills.iter().map(|bill| bill.asked.len()).max().unwrap_or_default();
    for place in 0..most {
        let doubts = doubts(&bills, Some(place));
        for bill in bills.iter_mut().filter(|bill| place < bill.asked.len()) {
            let begin = format!("expected `{}` ", bill.asked[place].column);
            let mut own = doubts.iter().filter(|(key, _)| *key == bill.key);
            let said = own.find_map(|(_, message)| message.strip_prefix(begin.as_str()));
            let said = said.and_then(|said| said.split(' ').next()).unwrap_or_default();
            bill.said.push(said.to_owned());
        }
    }
    let doubts = if bills.is_empty() { Vec::new() } else { doubts(&bills, None) };
    let read = |bill: Bill| {
        let left = doubts.iter().find(|(key, _)| *key == bill.key);
        let row = match left {
            Some((_, message)) => Err(Failure(message.clone())),
            None => bill.row(),
        };
        (bill.id, row)
    };
    bills.into_iter().map(read).collect()
}

impl Bill {
    fn row(&self) -> Result<Row, Failure> {
        let value = |(asked, said): (&Asked, &String)| {
            let found = parse(said, EXACT_SCALE)
                .map_err(|_| Failure(format!("expected a doubt about `{}`", asked.column)))?;
            Ok((asked.name, Found::Decimal(found, EXACT_SCALE)))
        };
        self.asked.iter().zip(&self.said).map(value).collect()
    }

    /// The line's columns, one of them wrong.
    fn line(&self, wrong: Option<usize>) -> BTreeMap<&str, String> {
        let mut columns: BTreeMap<&str, String> = self.given.iter().cloned().collect();
        for (asked, said) in self.asked.iter().zip(&self.said) {
            columns.insert(asked.column, said.clone());
        }
        if let Some(asked) = wrong.and_then(|place| self.asked.get(place)) {
            let decimals = match asked.decimals {
                0 => String::new(),
                shown => format!(".{}1", "0".repeat(shown - 1)),
            };
            let whole = if asked.rule.contains("quotient") { &*decimals } else { "" };
            columns.insert(asked.column, format!("999999999{whole}"));
        }
        columns
    }
}

/// What `check sources` says of all lines, by case.
fn doubts(bills: &[Bill], wrong: Option<usize>) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    // No program is asked.
    put("program.toml", "");
    let mut job = String::from(
        "warehouse = \"warehouse\"\nprograms = \"program.toml\"\nformats = \"formats\"\n\
         reports = \"reports\"\n",
    );
    let generic = fs::read_to_string(project().join("pipelines/sources/transactions.toml"));
    let generic = generic.expect("the generic export");
    for bill in bills {
        let key = &bill.key;
        let mut format = generic.replace("\"transactions\"\ntitle", &format!("\"{key}\"\ntitle"));
        for column in COLUMNS.iter().chain(&["Net"]) {
            format.push_str(&format!("\n[[column]]\nname = \"{column}\"\ntype = \"decimal\"\n"));
        }
        for asked in &bill.asked {
            format.push_str(&asked.rule);
        }
        put(&format!("formats/{key}.toml"), &format);
        job.push_str(&format!(
            "[sources.{key}]\nformat = \"{key}\"\npath = \"{key}/*.csv\"\nrequired = true\n"
        ));
        let mut columns = bill.line(wrong);
        for required in [
            "LineId",
            "OriginalLineId",
            "TransactionDate",
            "BilledPartnerId",
            "ResellerPartnerId",
            "CustomerId",
            "ProductId",
            "Amount",
        ] {
            columns.entry(required).or_default();
        }
        let header: Vec<&str> = columns.keys().copied().collect();
        let values: Vec<&str> = columns.values().map(String::as_str).collect();
        let text = format!("{}\n{}\n", header.join(","), values.join(","));
        put(&format!("{key}/{key}_2010-01-01.csv"), &text);
    }
    put("job.toml", &job);
    let job = Job::load(&folder.path().join("job.toml")).expect("a job");
    let key = |file: &str| {
        let name = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_default().split('_').next().unwrap_or_default().to_owned()
    };
    let doubts = plausible(&job).expect("readable").into_iter();
    doubts.map(|doubt| (key(&doubt.file), doubt.message)).collect()
}

/// A case as a line of a bill; `None`: it is none, or one that the check can't compute.
fn bill(case: &Case, key: String) -> Option<Bill> {
    let reader = Reader::default();
    let part = |name: &str| case.table.get(name).and_then(Value::as_table);
    let rule = Fields::new(&reader, "rule", part("rule")?);
    let input = Fields::new(&reader, "input", part("input")?);
    let expected = part("expected")?;
    let (given, mut asked) = columns(&case.kind, &rule, &input, expected).ok().flatten()?;
    // What nothing is computed from need not be asked if the case doesn't say it.
    while asked.last().is_some_and(|last| !expected.contains_key(last.name)) {
        asked.pop();
    }
    let too_fine =
        |asked: &Asked| asked.decimals > MONEY_SCALE as usize && !asked.rule.contains("quotient");
    if asked.iter().any(too_fine) {
        return None;
    }
    let id = case.id.clone();
    (!asked.is_empty()).then_some(Bill { key, id, given, asked, said: Vec::new() })
}

type Columns = Result<Option<(Vec<(&'static str, String)>, Vec<Asked>)>, Failure>;

/// The columns that a case gives and asks for.
fn columns(kind: &str, rule: &Fields, input: &Fields, expected: &Table) -> Columns {
    // Cases state a price in the rule or in the input.
    let stated = |name: &str| Fields::with(name, &[rule, input]).optional_text(name);
    let price = |name: &str| Fields::with(name, &[rule, input]).text(name);
    let currency = match rule.optional_count("decimals")? {
        Some(0) => "JPY",
        Some(2) => "USD",
        None | Some(3) => "KWD",
        Some(_) => return Ok(None),
    };
    let mut given = vec![("Currency", currency)];
    let product = "price = \"UnitPrice\"\nquantity = \"Quantity\"\n";
    let factors = format!("{product}credit = \"Credit\"\nexchange_rate = \"ExchangeRate\"\n");
    let nearest = "any_of = [\"nearest\"]";
    let way = match rule.optional_text("rounding")? {
        Some("half_up") => nearest,
        None | Some("down") => "any_of = [\"once\"]",
        Some(_) => return Ok(None),
    };
    let ask = |name, column, rule: &str| asked(expected, name, column, rule);
    let asked = match kind {
        "billable_cost" => {
            given.extend([
                ("UnitPrice", price("unit_price")?),
                ("Quantity", input.text("quantity")?),
            ]);
            given.extend(stated("credit")?.map(|credit| ("Credit", credit)));
            let effective = "quotient = \"Amount\"\ndivisor = \"Quantity\"";
            vec![
                ask("billable_cost", "Amount", &(factors + way)),
                ask("effective_price", "EffectiveUnitPrice", effective),
            ]
        }
        "line_subtotal" => {
            let formula = match rule.text("formula")? {
                "round_amount_then_exchange" => "any_of = [\"amount_then_exchange\"]",
                "round_once" => "any_of = [\"once\"]",
                "round_price_then_quantity" => "any_of = [\"price_then_quantity\"]",
                _ => return Ok(None),
            };
            given.extend([
                ("UnitPrice", price("unit_price")?),
                ("Quantity", input.text("quantity")?),
            ]);
            for (name, column) in [("credit", "Credit"), ("exchange_rate", "ExchangeRate")] {
                given.extend(stated(name)?.map(|value| (column, value)));
            }
            vec![ask("subtotal", "Amount", &(factors + formula))]
        }
        "seats" => {
            given.extend([("UnitPrice", price("seat_price")?), ("Quantity", input.text("seats")?)]);
            vec![ask("total", "Amount", &format!("{product}{nearest}"))]
        }
        "included_quantity" => {
            given.extend([
                ("UsedQuantity", input.text("used")?),
                ("IncludedQuantity", rule.text("included")?),
                ("UnitPrice", rule.text("overage_price")?),
                ("BaseFee", rule.text("base")?),
            ]);
            let over =
                "sum = [\"UsedQuantity\"]\nless = [\"IncludedQuantity\"]\nnot_negative = true";
            let product = product.replace("\"Quantity\"", "\"OverageQuantity\"");
            vec![
                ask("overage_quantity", "OverageQuantity", over),
                ask("overage", "Amount", &format!("{product}{way}")),
                ask("total", "Total", "sum = [\"BaseFee\", \"Amount\"]"),
            ]
        }
        "fee" => {
            given.extend([("FeeRate", price("fee_rate")?), ("Amount", input.text("amount")?)]);
            let fee = "price = \"FeeRate\"\nquantity = \"Amount\"\n";
            vec![
                ask("fee", "Fee", &format!("{fee}{nearest}")),
                ask("net", "Net", "sum = [\"Amount\"]\nless = [\"Fee\"]"),
            ]
        }
        _ => return Ok(None),
    };
    let given = given.into_iter().map(|(column, value)| (column, value.to_owned())).collect();
    Ok(Some((given, asked)))
}
