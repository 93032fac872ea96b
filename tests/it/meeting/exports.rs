//! A random program's rules, and the exports, as text.

use super::{DIRECT, Lever, Line, MOVED, Select, partners};
use crate::random::{date, money};
use std::fmt::Write as _;

pub fn text_of(levers: &[Lever], select: Select) -> String {
    let mut text = String::new();
    let mut add = |line: String| writeln!(text, "{line}").expect("memory");
    let select = match select {
        Select::All => "all",
        Select::First => "first",
        Select::MostSpecific => "most_specific",
        Select::Best => "best",
    };
    add(format!("[[engagement]]\nengagement = \"e\"\nselect = \"{select}\""));
    for (number, lever) in levers.iter().enumerate() {
        let group = if lever.azure_only { "azure" } else { "*" };
        add(format!(
            "[[lever]]\nlever = \"lever-{number:02}\"\nname = \"L\"\ndraws = \"billing\"\n\
             product_groups = [\"{group}\"]"
        ));
        if lever.engagement {
            add("engagement = \"e\"".to_owned());
        }
        if let Some(before) = lever.after {
            let how = if lever.on_earned { "earned by" } else { "after" };
            add(format!("on = \"{how} lever-{before:02}\""));
        }
        if let Some((months, minimum, by_product)) = lever.add {
            let first = if by_product { "products" } else { "any" };
            let minimum = money(minimum);
            add(format!(
                "[lever.customer_add]\nmonths = {months}\nfirst = \"{first}\"\nminimum = \"{minimum}\""
            ));
        }
        for rate in &lever.rates {
            let list = |countries: &[&str]| {
                let texts: Vec<String> =
                    countries.iter().map(|country| format!("\"{country}\"")).collect();
                texts.join(", ")
            };
            let pays = if rate.fixed {
                format!("amount = \"{}\"", money(rate.pays))
            } else {
                format!("rate = \"0.{:04}\"", rate.pays)
            };
            add(format!(
                "[[lever.rate]]\n{pays}\ncustomer_countries = [{}]\npartner_countries = [{}]",
                list(&rate.customer),
                list(&rate.partner)
            ));
        }
        if let Some(share) = lever.payees {
            let (own, other) = (money(share), money(100 - share));
            add(format!("[[lever.payees]]\nreseller = \"{own}\"\nprovider = \"{other}\""));
        }
    }
    text
}

/// Rows of the membership export; one participant moves.
pub fn memberships() -> String {
    let member = |id: &str| {
        let row = |country, days| format!("0{id},{id},P{id},{country},Active,{days}\n");
        if id == DIRECT[0] {
            let before = date((MOVED.0, MOVED.1 - 1));
            row("US", format!("2019-01-01,{before}")) + &row("IT", format!("{},", date(MOVED)))
        } else {
            row("US", "2019-01-01,".to_owned())
        }
    };
    partners().map(member).collect()
}

/// The export of lines.
pub fn lines_text(lines: &[Line]) -> String {
    let mut text = "LineId,OriginalLineId,TransactionDate,BilledPartnerId,ResellerPartnerId,\
                    CustomerId,CustomerCountry,ProductId,Amount,Currency\n"
        .to_owned();
    for line in lines {
        writeln!(
            text,
            "{},{},{},{},{},C{},{},{},{},{}",
            line.id,
            line.refunds.map_or("", |place| lines[place].id.as_str()),
            date(line.on),
            line.billed,
            line.reseller.unwrap_or_default(),
            line.customer,
            line.country,
            if line.modern_work { "MW" } else { "AZ" },
            money(line.cents),
            if line.euro { "EUR" } else { "USD" },
        )
        .expect("memory");
    }
    text
}
