//! The partner-side exports: most participants are eligible all along, and each way of not being
//! so is there, decided by a partner's `fate` (0 to 999).

use super::random::mix;
use super::world::{CURRENCIES, Kind, Partner, World};
use std::fmt::Write;

/// Name and content of each export; the file is `<name>_<first day>.csv`.
#[must_use]
pub fn exports(world: &World) -> Vec<(&'static str, String)> {
    let enrolled: Vec<&Partner> =
        world.partners.iter().filter(|partner| partner.participant == partner.id).collect();
    vec![
        ("memberships", memberships(world, &enrolled)),
        ("agreements", agreements(world, &enrolled)),
        ("competencies", competencies(world, &enrolled)),
        ("enrollments", enrollments(&enrolled)),
        ("participant-map", participant_map(world)),
        ("users", users(&enrolled)),
        ("product-groups", product_groups(world)),
        ("customers", customers(world)),
        ("exchange-rates", exchange_rates(world)),
    ]
}

fn program(kind: Kind) -> &'static str {
    match kind {
        Kind::Provider => "csp-indirect-provider",
        Kind::Reseller => "csp-indirect-reseller",
        Kind::Direct => "csp-direct-bill",
    }
}

/// The last day of what ends in the middle of the generated months.
fn middle(world: &World) -> String {
    let middle = world.first.plus((world.months / 2).cast_signed());
    middle.day(17).format("%Y-%m-%d").to_string()
}

fn memberships(world: &World, enrolled: &[&Partner]) -> String {
    let mut csv = "global_id,location_id,location_name,country,status,from,until\n".to_owned();
    for partner in enrolled {
        let (global, id, country) = (&partner.global_id, &partner.id, partner.country);
        let until = if (0..20).contains(&partner.fate) { middle(world) } else { String::new() };
        let _ = writeln!(csv, "{global},{id},Partner {id},{country},Active,2019-01-01,{until}");
    }
    csv
}

fn agreements(world: &World, enrolled: &[&Partner]) -> String {
    let mut csv = "location_id,agreement_type,status,from,until\n".to_owned();
    for partner in enrolled {
        let id = &partner.id;
        let until = if (20..50).contains(&partner.fate) { middle(world) } else { String::new() };
        let _ = writeln!(csv, "{id},MPN,Active,2019-01-01,{until}");
        let agreement = match partner.kind {
            Kind::Provider => "Cloud Distributor",
            Kind::Direct => "Cloud Reseller",
            Kind::Reseller => continue,
        };
        if !(50..70).contains(&partner.fate) {
            let _ = writeln!(csv, "{id},{agreement},Active,2019-01-01,");
        }
    }
    csv
}

fn competencies(world: &World, enrolled: &[&Partner]) -> String {
    let mut csv = "location_id,competency,level,from,until\n".to_owned();
    for partner in enrolled {
        let id = &partner.id;
        let (from, until) = match partner.fate {
            70..110 => continue,
            110..130 => (middle(world), String::new()),
            130..150 => ("2019-01-01".to_owned(), middle(world)),
            _ => ("2019-01-01".to_owned(), String::new()),
        };
        let level = if partner.fate % 2 == 0 { "Gold" } else { "Silver" };
        let _ = writeln!(csv, "{id},Cloud Platform,{level},{from},{until}");
    }
    csv
}

fn enrollments(enrolled: &[&Partner]) -> String {
    let mut csv = "location_id,program,status,payout_profile,tax_profile,payment_currency,\
                   payment_method,hold,from,until\n"
        .to_owned();
    for partner in enrolled {
        let (id, program) = (&partner.id, program(partner.kind));
        let status = if (150..170).contains(&partner.fate) { "Invited" } else { "Enrolled" };
        let tax = if (170..190).contains(&partner.fate) { "" } else { "T-1" };
        let hold = if (190..205).contains(&partner.fate) { "yes" } else { "no" };
        let currency = match partner.country {
            "US" | "GB" => "USD",
            "JP" => "JPY",
            _ => "EUR",
        };
        let _ = writeln!(
            csv,
            "{id},{program},{status},P-1,{tax},{currency},electronic bank transfer,{hold},\
             2019-01-01,"
        );
    }
    csv
}

fn participant_map(world: &World) -> String {
    let mut csv = "partner_id,program,participant_id,from,until\n".to_owned();
    for partner in &world.partners {
        let (id, program, participant) = (&partner.id, program(partner.kind), &partner.participant);
        match partner.fate {
            // Unmapped.
            205..225 => {}
            // Overlapping.
            225..235 => {
                let _ = writeln!(csv, "{id},{program},{participant},2019-01-01,");
                let _ = writeln!(csv, "{id},{program},{participant},2019-06-01,");
            }
            _ => {
                let _ = writeln!(csv, "{id},{program},{participant},2019-01-01,");
            }
        }
    }
    csv
}

fn users(enrolled: &[&Partner]) -> String {
    let mut csv = "user,user_role,program,location_id,from,until\n".to_owned();
    for partner in enrolled {
        let id = &partner.id;
        let _ = writeln!(csv, "admin@{id}.example.com,incentive admin,,{id},2019-01-01,");
        let _ = writeln!(csv, "user@{id}.example.com,incentive user,,{id},2019-01-01,");
    }
    csv
}

fn product_groups(world: &World) -> String {
    let mut csv = "product_group,product_id,sku_id,from,until\n".to_owned();
    for (number, product) in (0_u64..).zip(&world.products) {
        for group in product.groups {
            // Some belong by their product, some by their SKU.
            let sku = if number % 3 == 0 { &product.sku } else { "" };
            let _ = writeln!(csv, "{group},{},{sku},,", product.id);
        }
    }
    csv
}

fn customers(world: &World) -> String {
    let mut csv = "customer_id,customer_name,country,segment\n".to_owned();
    for customer in &world.customers {
        let (id, number) = (String::from_utf8_lossy(&customer.id), customer.number);
        let segment = if number % 10 == 9 { "nonprofit" } else { "commercial" };
        let _ = writeln!(csv, "{id},Customer {number:06},{},{segment}", customer.country);
    }
    csv
}

fn exchange_rates(world: &World) -> String {
    let mut csv = "rate_type,from_currency,to_currency,period,rate\n".to_owned();
    let last = world.first.plus(world.months.cast_signed() + 6);
    for (month, period) in (0_u64..).zip(world.first.through(last)) {
        for (place, rate_type) in (0_u64..).zip(["earning", "payment"]) {
            let jitter = mix(world.seed ^ place, month) % 600;
            for (currency, _, _) in CURRENCIES {
                let rate = match currency {
                    "EUR" => format!("1.{:04}", 600 + jitter),
                    "JPY" => format!("0.00{:06}", 660_000 + jitter * 37),
                    _ => continue,
                };
                let _ = writeln!(csv, "{rate_type},{currency},USD,{period},{rate}");
            }
        }
    }
    csv
}
