//! The new-commerce invoice reconciliation file: its published columns, in order, line by line.
//! Source: Partner Center documentation, "modern invoice reconciliation file".

use super::lines::Line;
use super::random::mix;
use super::text::{Csv, guid};
use super::world::{CURRENCIES, Kind, World};

pub const HEADER: &str = "PartnerId,CustomerId,CustomerName,CustomerDomainName,CustomerCountry,\
InvoiceNumber,MpnId,ResellerMpnId,OrderId,OrderDate,ProductId,SkuId,AvailabilityId,SkuName,\
ProductName,ChargeType,UnitPrice,Quantity,Subtotal,TaxTotal,Total,Currency,\
PriceAdjustmentDescription,PublisherName,PublisherId,SubscriptionDescription,SubscriptionId,\
ChargeStartDate,ChargeEndDate,TermAndBillingCycle,EffectiveUnitPrice,UnitType,AlternateId,\
BillableQuantity,BillingFrequency,PricingCurrency,PCToBCExchangeRate,PCToBCExchangeRateDate,\
MeterDescription,ReservationOrderId,CreditReasonCode,SubscriptionStartDate,SubscriptionEndDate,\
ReferenceID,ProductQualifiers,PromotionID\n";

/// Parts of lines that repeat, put together once.
pub struct Snippets {
    /// `PartnerId,` to `CustomerCountry,` per customer.
    customers: Vec<Vec<u8>>,
    /// `,MpnId,ResellerMpnId,` per customer.
    partners: Vec<Vec<u8>>,
    /// `ProductId,` to `ProductName,` per product.
    products: Vec<Vec<u8>>,
}

impl Snippets {
    #[must_use]
    pub fn new(world: &World) -> Snippets {
        let customers = world.customers.iter().map(|customer| {
            let id = String::from_utf8_lossy(&customer.id);
            let (number, country) = (customer.number, customer.country);
            let tenant = "2f4e1c6a-9b0d-4a53-8c77-1d2e3f405162";
            format!("{tenant},{id},Customer {number:06},customer{number:06}.example.com,{country},")
                .into_bytes()
        });
        let partners = world.customers.iter().map(|customer| {
            let partner = &world.partners[customer.partner];
            match partner.kind {
                Kind::Reseller => format!(",{},{},", world.provider().id, partner.id),
                Kind::Direct | Kind::Provider => format!(",{},,", partner.id),
            }
            .into_bytes()
        });
        let products = world.products.iter().map(|product| {
            let (id, sku, name) = (&product.id, &product.sku, &product.name);
            format!("{id},{sku},{id}{sku},{name} seat,{name},").into_bytes()
        });
        Snippets {
            customers: customers.collect(),
            partners: partners.collect(),
            products: products.collect(),
        }
    }
}

/// Appends a line of the delivery of that month.
pub fn write(out: &mut Vec<u8>, world: &World, snippets: &Snippets, month: u64, line: &Line) {
    let customer = &world.customers[line.customer];
    let (currency, decimals, _) = CURRENCIES[customer.currency];
    let product = &world.products[line.product];
    let ordered = &world.days[line.start - line.start.min(28)];

    out.text(&snippets.customers[line.customer]);
    write_invoice(out, world, line, month);
    out.text(&snippets.partners[line.customer]);
    write_order(out, line.subscription);
    out.field(ordered);
    out.text(&snippets.products[line.product]);
    out.field(line.charge.as_bytes());
    out.amount(line.price, decimals);
    out.comma();
    out.integer(line.quantity);
    out.comma();
    let tax = line.base / 10;
    for amount in [line.base, tax, line.base + tax] {
        out.amount(amount, decimals);
        out.comma();
    }
    out.field(currency.as_bytes());
    out.text(b",Microsoft,1,");
    out.text(if product.usage { b"Azure plan" } else { b"Online service" });
    out.comma();
    out.text(&guid(line.subscription, mix(line.subscription, 2)));
    out.comma();
    out.field(&world.days[line.start]);
    out.field(&world.days[line.end]);
    out.field(line.term.as_bytes());
    out.amount(line.price, decimals);
    out.text(if product.usage { b",1 Hour,," } else { b",,," });
    out.integer(line.quantity);
    out.text(if line.term == "P1Y-Annual" { b",Annual," } else { b",Monthly," });
    out.field(currency.as_bytes());
    out.text(b"1,");
    out.field(&world.days[line.start]);
    out.text(b",,,");
    out.field(&world.days[line.start]);
    out.field(&world.days[line.end]);
    if let Some(reference) = line.reference {
        out.text(b"R");
        out.integer((mix(world.seed, reference) >> 1).cast_signed());
    }
    out.text(b",,\n");
}

/// One invoice per billed partner, currency and delivery; late lines come on one of their own.
fn write_invoice(out: &mut Vec<u8>, world: &World, line: &Line, month: u64) {
    let customer = &world.customers[line.customer];
    let billed = match world.partners[customer.partner].kind {
        Kind::Reseller | Kind::Provider => 0,
        Kind::Direct => customer.partner,
    };
    let number =
        (month * 10_000 + billed as u64) * 10 + customer.currency as u64 * 2 + u64::from(line.late);
    out.text(b"G");
    out.integer((100_000_000 + number).cast_signed());
}

fn write_order(out: &mut Vec<u8>, subscription: u64) {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut order = [0_u8; 13];
    for (place, letter) in order.iter_mut().enumerate() {
        *letter = LETTERS[((subscription >> (place * 5)) & 31) as usize];
    }
    out.text(&order[..12]);
    out.comma();
}
