//! Who and what there is: partners, customers, products, currencies, days. Made once from the seed.

use super::random::{Random, mix};
use super::text::guid;
use chrono::NaiveDate;
use earnest_core::calendar::Period;

/// Partners that are billed directly, and resellers below the one provider.
const DIRECT: u64 = 180;
const RESELLERS: u64 = 120;
const PRODUCTS: u64 = 240;
/// Slots of the tables that pick a partner by its weight.
const SLOTS: u64 = 4096;

/// Share of rows, per mille, of the largest partner (the provider, through its resellers) and of
/// the largest customer (one of a reseller).
pub const LARGEST_PARTNER: u64 = 200;
pub const LARGEST_CUSTOMER: u64 = 50;

/// Currencies of customers with their decimals and share per mille.
pub const CURRENCIES: [(&str, u32, u64); 3] = [("USD", 2, 600), ("EUR", 2, 300), ("JPY", 0, 100)];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Provider,
    Reseller,
    Direct,
}

/// A partner location.
pub struct Partner {
    pub kind: Kind,
    /// The id on transactions, with leading zeros.
    pub id: String,
    /// The enrolled location that earns for it.
    pub participant: String,
    pub global_id: String,
    pub country: &'static str,
    /// What is wrong with it, if anything, see [`super::partners`].
    pub fate: u64,
}

pub struct Customer {
    pub id: [u8; 36],
    pub number: u64,
    /// Index into [`World::partners`], a reseller or a direct-bill partner.
    pub partner: usize,
    /// Index into [`CURRENCIES`].
    pub currency: usize,
    pub country: &'static str,
}

pub struct Product {
    pub id: String,
    pub sku: String,
    pub name: String,
    /// The groups it belongs to; none is legitimate.
    pub groups: &'static [&'static str],
    pub usage: bool,
    /// Unit price in hundredths, before it becomes a currency's.
    pub price: i64,
}

/// Everything that rows refer to.
pub struct World {
    pub seed: u64,
    pub first: Period,
    pub months: u32,
    pub partners: Vec<Partner>,
    pub customers: Vec<Customer>,
    /// Customers 1 up to this one buy from resellers, as does customer 0, the largest.
    pub indirect_customers: usize,
    pub products: Vec<Product>,
    /// `2025-01-31T00:00:00Z` of each day from the first period on.
    pub days: Vec<[u8; 20]>,
    /// Position in `days` of each month's first day.
    pub month_starts: Vec<usize>,
}

impl World {
    #[must_use]
    pub fn new(seed: u64, rows: u64, first: Period, months: u32) -> World {
        let partners = partners(seed);
        let count = (rows / 100).clamp(60, 120_000);
        let indirect = count * (LARGEST_PARTNER - LARGEST_CUSTOMER) / 950;
        let resellers = pick_table(1, RESELLERS);
        let direct = pick_table(1 + RESELLERS, DIRECT);
        let customers = (0..count)
            .map(|number| {
                let table = if number <= indirect { &resellers } else { &direct };
                customer(seed, number, table)
            })
            .collect();
        let last = first.plus(months.cast_signed() + 26);
        let start = first.first_day();
        let days =
            start.iter_days().take_while(|day| *day < last.first_day()).map(instant).collect();
        let month_starts = first
            .through(last)
            .map(|month| (month.first_day() - start).num_days().cast_unsigned() as usize)
            .collect();
        World {
            seed,
            first,
            months,
            partners,
            customers,
            indirect_customers: indirect as usize,
            products: (0..PRODUCTS).map(|number| product(seed, number)).collect(),
            days,
            month_starts,
        }
    }

    /// The provider that is billed for every reseller.
    #[must_use]
    pub fn provider(&self) -> &Partner {
        &self.partners[0]
    }
}

fn partners(seed: u64) -> Vec<Partner> {
    let kinds = std::iter::once(Kind::Provider)
        .chain(std::iter::repeat_n(Kind::Reseller, RESELLERS as usize))
        .chain(std::iter::repeat_n(Kind::Direct, DIRECT as usize));
    let mut partners: Vec<Partner> = Vec::new();
    for (number, kind) in (0_u64..).zip(kinds) {
        let mut random = Random::at(mix(seed, 0x7061_7274), number);
        let id = format!("{:07}", 412_000 + number * 37 + random.below(37));
        // Every twelfth partner id earns for the participant before it.
        let shared = number % 12 == 11 && partners.last().is_some_and(|before| before.kind == kind);
        let participant = match partners.last() {
            Some(before) if shared => before.participant.clone(),
            _ => id.clone(),
        };
        partners.push(Partner {
            kind,
            id,
            participant,
            global_id: format!("{:07}", 9_100_000 + number / 3),
            country: ["US", "DE", "JP", "IT", "FR", "GB"][random.below(6) as usize],
            fate: if kind == Kind::Provider { u64::MAX } else { random.below(1000) },
        });
    }
    partners
}

/// Slots that hold indexes from `first` on, so that a few get many slots and many get few.
fn pick_table(first: u64, count: u64) -> Vec<u16> {
    let weights: Vec<u64> = (0..count).map(|rank| 1_000_000 / (rank + 6)).collect();
    let total: u64 = weights.iter().sum();
    let mut table = Vec::with_capacity(SLOTS as usize);
    let mut sum = 0;
    for (rank, weight) in (0..count).zip(&weights) {
        sum += weight;
        let index = u16::try_from(first + rank).unwrap_or(u16::MAX);
        table.resize((sum * SLOTS / total) as usize, index);
    }
    table
}

fn customer(seed: u64, number: u64, table: &[u16]) -> Customer {
    let mut random = Random::at(mix(seed, 0x6375_7374), number);
    let id = guid(random.next(), random.next());
    let partner = if number == 0 { 1 } else { random.below(SLOTS) };
    let draw = random.below(1000);
    let currency = usize::from(draw >= 600) + usize::from(draw >= 900);
    Customer {
        id,
        number,
        partner: usize::from(table[if number == 0 { 0 } else { partner as usize }]),
        currency: if number == 0 { 0 } else { currency },
        country: [["US", "CA"], ["DE", "IT"], ["JP", "JP"]][currency][random.below(2) as usize],
    }
}

/// Strategic products, by what programs called them over the years.
const PREMIUM: &[&str] = &["modern-work-security", "strategic", "strategic-tier-1"];

fn product(seed: u64, number: u64) -> Product {
    let mut random = Random::at(mix(seed, 0x7072_6f64), number);
    let (name, groups, usage): (_, &'static [&'static str], _) = match number % 20 {
        0..=6 => ("Azure plan", &["azure"], true),
        7..=12 => ("Modern Work", &["modern-work-security"], false),
        13..=15 => ("Modern Work Premium", PREMIUM, false),
        16..=17 => ("Business Applications", &["business-applications"], false),
        _ => ("Perpetual software", &[], false),
    };
    let letters: Vec<u8> =
        (0..8).map(|_| b"0123456789BCDFGHJKLMNPQRSTVWXZ"[random.below(30) as usize]).collect();
    Product {
        id: format!("CFQ7TT{}{number:03}", String::from_utf8_lossy(&letters)),
        sku: format!("{:04}", random.below(400)),
        name: format!("{name} {number:03}"),
        groups,
        usage,
        price: 199 + random.below(9_000).cast_signed(),
    }
}

fn instant(day: NaiveDate) -> [u8; 20] {
    let text = day.format("%Y-%m-%dT00:00:00Z").to_string();
    let mut bytes = [b'0'; 20];
    bytes.copy_from_slice(&text.as_bytes()[..20]);
    bytes
}
