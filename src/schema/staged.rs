//! Staged tables: what was received, typed, append-only, one set of files per delivery.
//! `from_on` is the first day, `until_on` the first day after (half-open); null means open.

use super::Kind::{Amount, Date, Integer, Money, Rate, Text};
use super::{Column, Table, content, optional, provenance};

const DELIVERY: Column = provenance("delivery_id", Text, "The delivery that brought the row");
const SOURCE_FILE: Column = provenance("source_file", Text, "The file, as the source names it");
const RECORD: Column = provenance(
    "record",
    Integer,
    "The record's number in its file, 1 is the first after the header",
);
const KNOWN_ON: Column = content("known_on", Date, "The day the row became known");
const SOURCE: Column = content("source", Text, "The source in the job file");
const SLICE: Column = optional(
    "slice_key",
    Text,
    "The slice that a newer delivery replaces whole (e.g. the invoice); null for `key` formats",
);
const ROW_KEY: Column = optional(
    "row_key",
    Text,
    "The key by which a newer row supersedes this one; null for `replace_by` formats",
);
const FROM_ON: Column = optional("from_on", Date, "First day that counts; null: always");
const UNTIL_ON: Column = optional("until_on", Date, "First day that no longer counts; null: open");

pub const TRANSACTIONS: Table = Table {
    name: "transactions",
    version: 1,
    description: "Lines of billing and usage exports, typed and renamed, nothing else",
    grain: "one row per staged line of an export",
    key: &["source", "transaction_id", "delivery_id"],
    partition: "source/period",
    columns: &[
        content(
            "transaction_id",
            Text,
            "The source's line id, else a digest of format, slice key and all business columns, plus the occurrence among equal lines",
        ),
        SOURCE,
        content("format", Text, "The export format"),
        content("data_role", Text, "`billing` or `detail` of the same money"),
        SLICE,
        ROW_KEY,
        content(
            "transaction_on",
            Date,
            "The transaction date, in UTC, of the column the format names",
        ),
        content("period", Text, "The month of the transaction date, YYYY-MM"),
        optional("billed_partner_id", Text, "The partner that was billed (`MpnId`)"),
        optional("reseller_partner_id", Text, "The reseller on the line (`ResellerMpnId`)"),
        optional("customer_id", Text, "The end customer"),
        optional("customer_name", Text, "The end customer's name on the line"),
        optional("customer_country", Text, "The end customer's country"),
        optional("product_id", Text, "Product or offer"),
        optional("sku_id", Text, "SKU of the product"),
        optional("product_name", Text, "Product name on the line"),
        optional("invoice_number", Text, "Invoice"),
        optional("order_id", Text, "Order"),
        optional("subscription_id", Text, "Subscription"),
        optional("charge_type", Text, "Kind of charge, e.g. `new`, `renew`, `cancelImmediate`"),
        optional("charge_start_on", Date, "First day of the charge period"),
        optional("charge_end_on", Date, "Last day of the charge period, inclusive"),
        optional("term_and_billing_cycle", Text, "Commitment and billing cycle"),
        optional("publisher_name", Text, "Publisher of the product"),
        optional("workload", Text, "Meter category or workload of usage"),
        optional("quantity", Amount, "Billed or consumed quantity"),
        optional("unit_price", Amount, "Unit price"),
        content(
            "base",
            Amount,
            "What rates apply to, in transaction currency: pre-tax, after credits, at the source's scale",
        ),
        content("transaction_currency", Text, "ISO 4217 code"),
        optional(
            "reference_id",
            Text,
            "What links a refund to its original, where the format has such a column",
        ),
        optional("reference_target", Text, "What an original is found by through `reference_id`"),
        optional(
            "link_key",
            Integer,
            "Hash of the columns that link refunds to originals when there is no reference id",
        ),
        KNOWN_ON,
        DELIVERY,
        SOURCE_FILE,
        RECORD,
    ],
};

/// Declares a partner-side table: its own columns, then what every staged row carries.
macro_rules! partner_side {
    ($constant:ident, $version:literal, $name:literal, $description:literal, $grain:literal, [$($column:expr),* $(,)?]) => {
        pub const $constant: Table = Table {
            name: $name,
            version: $version,
            description: $description,
            grain: $grain,
            key: &[],
            partition: "source",
            columns: &[$($column),*, SOURCE, SLICE, ROW_KEY, KNOWN_ON, DELIVERY, SOURCE_FILE, RECORD],
        };
    };
}

partner_side!(
    MEMBERSHIPS,
    2,
    "memberships",
    "Partner locations, the companies they belong to, and their network membership",
    "one row per location × dates",
    [
        content("global_id", Text, "The company (partner global account)"),
        content(
            "location_id",
            Text,
            "The location (partner location account), which is what is paid"
        ),
        optional("location_name", Text, "Registered name"),
        optional("country", Text, "ISO 3166 country of the location"),
        content("status", Text, "Membership status; `Active` counts"),
        optional(
            "first_transaction_on",
            Date,
            "The location's first transaction, where it is older than the exports of transactions"
        ),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    AGREEMENTS,
    1,
    "agreements",
    "Agreements that locations have signed",
    "one row per location × agreement × dates",
    [
        content("location_id", Text, "The location"),
        content("agreement_type", Text, "e.g. `MPN`, `Cloud Distributor`, `Cloud Reseller`"),
        optional("status", Text, "`Active` (or blank) counts"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    COMPETENCIES,
    1,
    "competencies",
    "Competencies, counted for every location of the company",
    "one row per location × competency × dates",
    [
        content("location_id", Text, "The location that holds it"),
        content("competency", Text, "Name of the competency"),
        content("level", Text, "`Silver` or `Gold`"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    DESIGNATIONS,
    1,
    "designations",
    "Designations with their capability points, counted for every location of the company",
    "one row per location × designation × dates",
    [
        content("location_id", Text, "The location that it is listed for"),
        content("designation", Text, "Name of the designation, e.g. its solution area"),
        content("held", Text, "`yes` if it is held, else `no`"),
        optional("points", Amount, "Capability points in it"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    ENROLLMENTS,
    1,
    "enrollments",
    "Enrollments of locations in programs, with how they are paid",
    "one row per location × program × dates",
    [
        content("location_id", Text, "The location"),
        content("program", Text, "The program, by its key, name or an old name"),
        content(
            "status",
            Text,
            "As published: `Invited`, `Action required`, `Validating enrollment`, `Enrolled`, …"
        ),
        optional("payout_profile", Text, "Validated payout profile; blank: missing"),
        optional("tax_profile", Text, "Validated tax profile; blank: missing"),
        optional(
            "payment_currency",
            Text,
            "ISO 4217 code payments are made in; blank: the program's"
        ),
        optional("payment_method", Text, "e.g. `electronic bank transfer`, `credit note`"),
        content("hold", Text, "`yes` if the partner holds payments, else `no`"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    PARTICIPANT_MAP,
    1,
    "participant_map",
    "Which participant a partner id on a transaction earns for",
    "one row per partner id × program × dates",
    [
        content("partner_id", Text, "The earning participant: the partner id on transactions"),
        content("program", Text, "The program, by its key, name or an old name"),
        content("participant_id", Text, "The enrolled location that is paid"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    USERS,
    1,
    "users",
    "Who may see what",
    "one row per user × role × program × location × dates",
    [
        content("user", Text, "Sign-in name"),
        content("user_role", Text, "`incentive admin` or `incentive user`"),
        optional("program", Text, "Blank: all programs"),
        content("location_id", Text, "The location"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    PRODUCT_GROUPS,
    1,
    "product_groups",
    "Which products belong to which group",
    "one row per product group × product × dates",
    [
        content("product_group", Text, "The group that programs name"),
        content("product_id", Text, "Product or offer"),
        optional("sku_id", Text, "SKU; blank: every SKU of the product"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    CUSTOMERS,
    1,
    "customers",
    "End customers",
    "one row per customer",
    [
        content("customer_id", Text, "Tenant id"),
        optional("customer_name", Text, "Name"),
        optional("country", Text, "ISO 3166 country"),
        optional("segment", Text, "e.g. `commercial`, `public sector`, `nonprofit`"),
    ]
);

partner_side!(
    EXCHANGE_RATES,
    1,
    "exchange_rates",
    "Monthly exchange rates",
    "one row per rate type × currencies × period",
    [
        content("rate_type", Text, "`earning` or `payment`"),
        content("from_currency", Text, "The foreign currency"),
        content("to_currency", Text, "The program currency"),
        content("period", Text, "The month, YYYY-MM"),
        content("rate", Rate, "Program units per one foreign unit"),
    ]
);

partner_side!(
    INELIGIBILITIES,
    1,
    "ineligibilities",
    "Products, customers and transactions that may not earn, whoever sells them",
    "one row per kind × id × reason × program × dates",
    [
        content("kind", Text, "`product`, `customer` or `transaction`"),
        content("id", Text, "The product, customer or transaction id, as transactions have it"),
        content("reason", Text, "The published reason code"),
        optional("program", Text, "The program, by its key, name or an old name; blank: all"),
        FROM_ON,
        UNTIL_ON,
    ]
);

partner_side!(
    CLAIMS,
    1,
    "claims",
    "Claims against the co-op fund, status by status",
    "one row per claim × status × day of the status",
    [
        content("claim_id", Text, "The claim"),
        content("program", Text, "The program, by its key, name or an old name"),
        content("location_id", Text, "The location that claims"),
        optional(
            "fund_half",
            Text,
            "The fiscal half whose fund it claims, e.g. FY21H1; null: the one that is used in the activity's month"
        ),
        content("activity", Text, "What was done, by its key in the program file"),
        content("activity_period", Text, "The month in which it was done, YYYY-MM"),
        optional(
            "submitted_on",
            Date,
            "The day on which it was submitted; null: the day of the first status after `Editing`"
        ),
        content(
            "status",
            Text,
            "As published: `Submitted`, `Under review`, `Approved`, …; `Sent`: paid"
        ),
        content("status_on", Date, "The day of the status"),
        content("claim_currency", Text, "ISO 4217 code of the amounts"),
        content("asked_amount", Money, "What is asked"),
        optional(
            "decided_amount",
            Money,
            "What was allowed, where the source decides; null: what the program's rules allow"
        ),
        optional("reason", Text, "The source's reason, in words"),
    ]
);

partner_side!(
    PAYMENT_STATUSES,
    1,
    "payment_statuses",
    "What the bank or the ERP says of payments",
    "one row per payment × status × day of the status",
    [
        content("payment_id", Text, "The payment, as it was ordered"),
        content("program", Text, "The program, by its key, name or an old name"),
        content("location_id", Text, "The location that is paid"),
        content("status", Text, "As published: `In progress`, `Sent`, `Reversed`, …"),
        content("status_on", Date, "The day of the status"),
        optional("reference", Text, "The bank's reference"),
        optional("note", Text, "In words"),
    ]
);

partner_side!(
    MANUAL_ADJUSTMENTS,
    1,
    "manual_adjustments",
    "Adjustments of balances that people decide",
    "one row per adjustment",
    [
        content("adjustment_id", Text, "The adjustment"),
        content(
            "kind",
            Text,
            "`adjustment`, `write_off`, `escheat`, `recovery` (outside) or `transfer` (to the successor)"
        ),
        content("program", Text, "The program, by its key, name or an old name"),
        content("location_id", Text, "The location whose balance it changes"),
        content("earning_type", Text, "`rebate` or `fee`"),
        content("period", Text, "The month that it concerns, YYYY-MM"),
        content("amount", Money, "What it adds to the balance"),
        content("currency", Text, "ISO 4217 code of amount: the program's"),
        content("reason", Text, "The published adjustment reason"),
        content("explanation", Text, "Why, in words"),
        content("requested_by", Text, "Who asks for it"),
        optional("approved_by", Text, "Who approved it; null: nobody yet"),
        optional("approved_on", Date, "The day of the approval"),
        content("taxable", Text, "`yes` if it is taxed like an earning, else `no`"),
        content(
            "counts_toward_minimum",
            Text,
            "`yes` if it helps a balance to reach the minimum, else `no`"
        ),
    ]
);

pub const REJECTS: Table = Table {
    name: "rejects",
    version: 2,
    description: "Input records that could not be staged, kept as they came",
    grain: "one row per rejected record × first fault",
    key: &["source", "source_file", "file_digest", "record"],
    partition: "source",
    columns: &[
        SOURCE,
        content("format", Text, "The export format"),
        provenance("delivery_id", Text, "The delivery"),
        content("source_file", Text, "The file"),
        content("file_digest", Text, "BLAKE3 of the file's bytes (`b3sum`)"),
        content(
            "record",
            Integer,
            "The record's number in its file, 1 is the first after the header",
        ),
        optional("column_name", Text, "The column at fault; null for structural faults"),
        content("reason", Text, "Reason code"),
        optional("found", Text, "The value at fault"),
        content("expected", Text, "What was expected"),
        content("hint", Text, "What to do"),
        content("raw", Text, "The record as it came"),
        KNOWN_ON,
    ],
};

pub const SUPERSESSIONS: Table = Table {
    name: "supersessions",
    version: 1,
    description: "Staged rows and slices that a later delivery replaced or withdrew; readers leave these out from `known_on` on",
    grain: "one row per superseded slice or row × delivery that superseded it",
    key: &["table_name", "source", "delivery_id", "slice_key", "row_key", "by_delivery_id"],
    partition: "",
    columns: &[
        content("table_name", Text, "The staged table"),
        SOURCE,
        content("delivery_id", Text, "The delivery whose rows no longer count"),
        optional("slice_key", Text, "The slice, for `replace_by` formats"),
        optional("row_key", Text, "The row's key, for `key` formats"),
        content("kind", Text, "`superseded`, `withdrawn` or `conflicting_versions`"),
        content("by_delivery_id", Text, "The delivery that replaced or withdrew it"),
        KNOWN_ON,
        content("rows", Integer, "Staged rows concerned"),
    ],
};
