//! `earnest explain`: why this amount, down to the transactions.

mod conversion;
mod life;
mod page;
mod participant;
mod payment;
mod transaction;

use super::{Done, Global, output};
use crate::error::Result;
use clap::Subcommand;

/// Say why: from a payment down to its transactions, for a participant, or for a transaction
///
/// What is added up again is marked ✓; exit 1 if something doesn't add up.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// As JSON; decimals are strings
    #[arg(long, global = true)]
    json: bool,
    /// Transactions shown per item
    #[arg(long, global = true, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// The snapshot to read [default: the newest]
    #[arg(long, global = true, value_name = "SNAPSHOT")]
    at: Option<u64>,
}

#[derive(Subcommand)]
enum What {
    /// A payment order: its items, their levers and rates, their transactions
    Payment { id: String },
    /// A participant: eligibility, earned, not earned and why, ordered, carried
    Participant {
        id: String,
        /// One month, YYYY-MM [default: all]
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
    },
    /// A transaction: every outcome with its reason, and its refunds
    Transaction { id: String },
}

pub fn execute(global: &Global, args: &Args) -> Result<Done> {
    let (connection, _) = global.reader()?.connect(args.at)?;
    let page = match &args.what {
        What::Payment { id } => payment::explain(&connection, id, args.lines)?,
        What::Participant { id, period } => {
            participant::explain(&connection, id, period.as_deref())?
        }
        What::Transaction { id } => transaction::explain(&connection, id)?,
    };
    if args.json {
        output::line(&format!("{:#}", page.json()));
    } else {
        output::data(page.text().as_bytes());
    }
    Ok(if page.adds_up() { Done::Well } else { Done::Attention })
}
