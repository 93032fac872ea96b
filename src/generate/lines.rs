//! Invoice lines, each a function of the seed, its delivery's month and its number in the delivery,
//! so that a refund makes its original again instead of remembering it.

use super::random::{Random, mix};
use super::world::{LARGEST_CUSTOMER, LARGEST_PARTNER, World};

/// Per mille of rows that are refunds, of those the ones that link to no earlier line, and of the
/// other rows the ones that come one or two deliveries after their month.
const REFUNDS: u64 = 20;
const UNLINKED: u64 = 100;
const LATE: u64 = 50;

/// One line of an invoice. Days are positions in [`World::days`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What order, subscription and reference ids are made of.
    pub subscription: u64,
    pub customer: usize,
    pub product: usize,
    pub start: usize,
    pub end: usize,
    pub quantity: i64,
    /// In minor units of the customer's currency.
    pub price: i64,
    pub base: i64,
    pub charge: &'static str,
    pub term: &'static str,
    pub late: bool,
    /// Makes a reference id, shared by a refund and its original; `None`: blank.
    pub reference: Option<u64>,
}

/// How many rows each delivery has.
pub struct Rows {
    pub rows: u64,
    pub months: u64,
}

impl Rows {
    #[must_use]
    pub fn of(&self, month: u64) -> u64 {
        self.rows / self.months + u64::from(month < self.rows % self.months)
    }
}

/// The line of that number in the delivery of that month.
#[must_use]
pub fn line(world: &World, rows: &Rows, month: u64, number: u64) -> Line {
    if is_refund(world, month, number) {
        refund(world, rows, month, number)
    } else {
        charge(world, month, number)
    }
}

fn place(month: u64, number: u64) -> u64 {
    (month << 40) | number
}

fn is_refund(world: &World, month: u64, number: u64) -> bool {
    // The first line of a delivery never is, so that every delivery has something to refund.
    number > 0 && mix(world.seed ^ 0x7265_6675, place(month, number)) % 1000 < REFUNDS
}

/// A charge. The same number is the same subscription in every delivery; every twentieth adds a
/// second line to the subscription before it.
fn charge(world: &World, month: u64, number: u64) -> Line {
    let adds = number % 20 == 19;
    let subscription = mix(world.seed ^ 0x7375_6273, if adds { number - 1 } else { number });
    let mut lasting = Random(subscription);
    let customer = pick_customer(world, &mut lasting);
    let product_number = lasting.below(world.products.len() as u64) as usize;
    let product = &world.products[product_number];
    let day = lasting.below(28) as usize;
    let yearly = lasting.permille(120);

    let mut random = Random::at(world.seed ^ 0x6c69_6e65, place(month, number));
    let late = month > 0 && random.permille(LATE);
    let back = if late { 1 + u64::from(month > 1 && random.permille(300)) } else { 0 };
    let charged = (month - back) as usize;
    let (start, end, term) = match (product.usage, yearly) {
        (true, _) => (world.month_starts[charged], world.month_starts[charged + 1] - 1, "P1M"),
        (false, false) => (
            world.month_starts[charged] + day,
            world.month_starts[charged + 1] + day - 1,
            "P1Y-Monthly",
        ),
        (false, true) => (
            world.month_starts[charged] + day,
            world.month_starts[charged + 12] + day - 1,
            "P1Y-Annual",
        ),
    };
    let currency = world.customers[customer].currency;
    let (quantity, hundredths) = if product.usage {
        (1, 1 + random.below(40_000).cast_signed() * (1 + random.below(12).cast_signed()))
    } else {
        let seats = 1 + random.below(12) * random.below(12);
        (seats.cast_signed(), product.price * if yearly { 12 } else { 1 })
    };
    // A yen is near a cent, so hundredths serve as yen after a mark-up.
    let price = if currency == 2 { hundredths + hundredths / 2 } else { hundredths };
    Line {
        subscription,
        customer,
        product: product_number,
        start,
        end,
        quantity,
        price,
        base: price * quantity,
        charge: match (adds, month) {
            (true, _) => "addQuantity",
            (false, 0) => "new",
            (false, _) if yearly => "renew",
            (false, _) => "cycleCharge",
        },
        term,
        late,
        reference: random.permille(50).then(|| place(month, number)),
    }
}

fn pick_customer(world: &World, random: &mut Random) -> usize {
    let indirect = world.indirect_customers as u64;
    let draw = random.below(1000);
    let number = if draw < LARGEST_CUSTOMER {
        0
    } else if draw < LARGEST_PARTNER {
        1 + random.below(indirect)
    } else {
        1 + indirect + random.below(world.customers.len() as u64 - 1 - indirect)
    };
    number as usize
}

/// A refund: whole or in part, of a line of this delivery or an earlier one, sometimes of a line
/// that is refunded more than once, and sometimes of none at all.
fn refund(world: &World, rows: &Rows, month: u64, number: u64) -> Line {
    let repeated = mix(world.seed ^ 0x7265_7065, place(month, number)).is_multiple_of(10);
    let block = if repeated { (1 << 39) | (number >> 11) } else { number };
    let original = pick_original(world, rows, month, place(month, block));
    let mut random = Random::at(world.seed ^ 0x616d_6f75, place(month, number));

    let last = world.month_starts[month as usize + 1] - 1;
    let start = if random.permille(400) {
        original.start
    } else {
        let days = original.end.min(last) - original.start;
        original.start + random.below(days as u64 + 1) as usize
    };
    let unlinked = random.permille(UNLINKED);
    let (quantity, base, charge) = match random.below(10) {
        0..=3 if !repeated => (original.quantity, original.base, "cancelImmediate"),
        4..=6 => {
            let seats = 1 + random.below(original.quantity.cast_unsigned()).cast_signed();
            (seats, seats * original.price, "removeQuantity")
        }
        _ => {
            let part = 1 + random.below(600).cast_signed();
            (1, (original.base * part / 1000).max(1), "customerCredit")
        }
    };
    Line {
        subscription: if unlinked {
            mix(original.subscription, number)
        } else {
            original.subscription
        },
        start,
        quantity: -quantity,
        base: -base,
        price: if quantity == 1 { base } else { original.price },
        charge,
        late: start < world.month_starts[month as usize],
        reference: original.reference.filter(|_| !unlinked),
        ..original
    }
}

fn pick_original(world: &World, rows: &Rows, month: u64, place: u64) -> Line {
    let mut random = Random::at(world.seed ^ 0x6f72_6967, place);
    let back = match random.below(10) {
        0..=3 => 0,
        4..=7 => 1,
        _ => random.below(month + 1),
    };
    let month = month.saturating_sub(back);
    let number = (0..64)
        .map(|_| random.below(rows.of(month)))
        .find(|&number| !is_refund(world, month, number))
        .unwrap_or(0);
    charge(world, month, number)
}
