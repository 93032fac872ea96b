//! The random program and its exports as files.

use super::{DIRECT, FIRST_MONTH, Lever, Line, MONTHS, MOVED, PROVIDERS, RESELLERS, Select};
use crate::measured::{date, money};
use crate::support::project;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

pub fn text_of(levers: &[Lever], selects: &[Select]) -> String {
    let mut text = String::new();
    let mut add = |line: String| writeln!(text, "{line}").expect("memory");
    for (number, select) in selects.iter().enumerate() {
        let select = match select {
            Select::All => "all",
            Select::First => "first",
            Select::MostSpecific => "most_specific",
            Select::Best => "best",
        };
        add(format!("[[engagement]]\nengagement = \"e{number}\"\nselect = \"{select}\""));
    }
    for (number, lever) in levers.iter().enumerate() {
        let group = if lever.azure_only { "azure" } else { "*" };
        add(format!(
            "[[lever]]\nlever = \"lever-{number:02}\"\nname = \"L\"\ndraws = \"billing\"\n\
             product_groups = [\"{group}\"]"
        ));
        if let Some(engagement) = lever.engagement {
            add(format!("engagement = \"e{engagement}\""));
        }
        if let Some(before) = lever.after {
            add(format!("on = \"after lever-{before:02}\""));
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

pub fn write_job(folder: &Path, rules: &str, lines: &[Line]) {
    let template = project().join("tests/golden/tiers-marginal-customer");
    fs::create_dir(folder.join("in")).expect("a folder");
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
    let job = fs::read_to_string(template.join("job.toml")).expect("a job");
    let pipelines = project().join("pipelines").display().to_string();
    write("job.toml", job.replace("../../../pipelines", &pipelines));
    let top = "program = \"meet\"\nname = \"Meet\"\ncurrency = \"USD\"\n\
               pays = [\"direct\", \"provider\", \"reseller\"]\n[[term]]\nterm = \"T1\"\n";
    let end = "[[split]]\nrebate = \"0.50\"\ncoop = \"0.30\"\nfee = \"0.20\"\n[payment]\nminimum = \"0\"\n";
    write("program.toml", format!("{top}{rules}{end}"));
    let ids = || DIRECT.iter().chain(&PROVIDERS).chain(&RESELLERS);
    let each = |row: &dyn Fn(&str) -> String| ids().map(|id| row(id)).collect::<String>();
    let member = |id: &str| {
        let row = |country, days| format!("0{id},{id},P{id},{country},Active,{days}\n");
        if id == DIRECT[0] {
            let before = date((MOVED.0, MOVED.1 - 1));
            row("US", format!("2019-01-01,{before}")) + &row("IT", format!("{},", date(MOVED)))
        } else {
            row("US", "2019-01-01,".to_owned())
        }
    };
    write(
        "in/memberships_2019-01-01.csv",
        "global_id,location_id,location_name,country,status,from,until\n".to_owned()
            + &each(&member),
    );
    write(
        "in/enrollments_2019-01-01.csv",
        "location_id,program,status,payout_profile,tax_profile,payment_currency,payment_method,hold,from,until\n"
            .to_owned()
            + &each(&|id| format!("{id},meet,Enrolled,PP,TX,USD,electronic bank transfer,no,2019-01-01,\n")),
    );
    write(
        "in/participant_map_2019-01-01.csv",
        "partner_id,program,participant_id,from,until\n".to_owned()
            + &each(&|id| format!("{id},meet,{id},2019-01-01,\n")),
    );
    write(
        "in/product_groups_2019-01-01.csv",
        "product_group,product_id,sku_id,from,until\nazure,AZ,,2019-01-01,\n".to_owned(),
    );
    let rates = (0..MONTHS)
        .map(|month| format!("earning,EUR,USD,{},1.10\n", &date((FIRST_MONTH + month, 1))[..7]));
    write(
        "in/exchange_rates_2019-01-01.csv",
        "rate_type,from_currency,to_currency,period,rate\n".to_owned() + &rates.collect::<String>(),
    );
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
    write("in/lines_2022-02-08.csv", text);
}
