//! Tables of closed cycles: what was closed and by whom, and what closed cycles settled.

use super::Kind::{Date, Instant, Integer, Money, Rate, Text, Uuid};
use super::{Column, EARNINGS, Table, content, optional, provenance};

pub const CLOSES: Table = Table {
    name: "closes",
    version: 1,
    description: "Every close of a cycle, with what became of it; the last event but exports counts",
    grain: "one row per event",
    key: &["event"],
    partition: "",
    columns: &[
        content("event", Integer, "1 for the first, then on"),
        content("cycle", Text, "The payment month"),
        content("state", Text, "`closed`, `voided`, `approved` or `exported`"),
        content("closed_on", Date, "The cycle's due day, the latest of all programs"),
        content("approval", Text, "`required` or `none`, as the job said at the close"),
        content("orders", Integer, "Payment orders of the cycle"),
        content(
            "orders_digest",
            Text,
            "SHA-256 over table, rows and digest of everything that the close keeps; an approval names it",
        ),
        optional("reason", Text, "Why it was voided"),
        provenance("snapshot", Integer, "The snapshot that the event published"),
        provenance("as_of", Date, "The as-of date of what was closed"),
        provenance("os_user", Text, "Who ran the command, by the operating system"),
        provenance("host", Text, "On which machine"),
        provenance("done_at", Instant, "When"),
        provenance(
            "file",
            Text,
            "Of approvals: the file that names the digest; of exports the file written",
        ),
        provenance("file_owner", Text, "Of approvals: to whom the file belongs"),
    ],
};

pub const CLOSED_RATES: Table = Table {
    name: "closed_rates",
    version: 1,
    description: "Exchange rates that closed cycles used: they stay, whatever exports say later",
    grain: "one row per rate type × currencies × month, of the cycle that used it first",
    key: &["rate_type", "from_currency", "to_currency", "period"],
    partition: "",
    columns: &[
        content("cycle", Text, "The cycle that used it first"),
        content("rate_type", Text, "`earning` or `payment`"),
        content("from_currency", Text, "The foreign currency"),
        content("to_currency", Text, "The program currency"),
        content("period", Text, "The month, YYYY-MM"),
        content("rate", Rate, "Program units per one foreign unit"),
    ],
};

pub const SETTLED_EARNINGS: Table = Table {
    name: "settled_earnings",
    version: EARNINGS.version,
    description: "The files of `earnings` that closes settled, as they were: each close names those of \
                  the months that are due in its cycle. Without what other cycles settle of them: \
                  `settlements`",
    grain: "one row per earning of a settled file",
    key: &[],
    partition: "cycle",
    columns: EARNINGS.columns,
};

pub const SETTLEMENT_CHANGES: Table = Table {
    name: "settlement_changes",
    version: 2,
    description: "What changed in earnings whose cycle was closed: it enters the oldest open cycle. Also of \
                  co-op, which enters its fund",
    grain: "one row per earning × period × cycle",
    key: &["earning_id", "period", "cycle"],
    partition: "",
    columns: SETTLEMENT_CHANGE_COLUMNS,
};

const SETTLEMENT_CHANGE_COLUMNS: &[Column] = &[
    content("earning_id", Uuid, "The earning"),
    content("cycle", Text, "The cycle that it enters"),
    content(
        "kind",
        Text,
        "`late`: never settled before; `adjustment`: it changes a settled amount",
    ),
    content("cause", Text, "The published reason of adjustments"),
    optional("corrects", Text, "The cycle that settled the earning first; null: none did"),
    content("program", Text, "The program"),
    content("program_currency", Text, "Currency of the amounts"),
    content("term", Text, "The dated version of its rules"),
    content("lever", Text, "The rule that earned"),
    content("earning_type", Text, "`rebate`, `coop` or `fee`"),
    content("participant_id", Text, "The location that is paid"),
    content("period", Text, "The month the earning belongs to"),
    content("transaction_on", Date, "The transaction date"),
    optional("earning_participant_id", Text, "The partner id on the transaction, if any"),
    content("role", Text, "`direct`, `provider` or `reseller`"),
    optional("source", Text, "The source of the transaction, if any"),
    optional("transaction_id", Text, "The transaction; null for aggregates"),
    optional("original_transaction_id", Text, "For a linked refund: the transaction it reverses"),
    optional("aggregate_key", Text, "For aggregates: their key"),
    optional("customer_id", Text, "The end customer"),
    content("product_group", Text, "The product group that matched"),
    content("transaction_currency", Text, "Currency of the transaction"),
    optional("fund_half", Text, "For co-op: the fiscal half in whose fund it lies"),
    optional("settled_before", Money, "What was settled before; null: it never was"),
    optional("earned_now", Money, "What the earning is now; null: it is gone"),
    content("program_amount", Money, "earned_now − settled_before: what enters the cycle"),
    optional(
        "earning_amount",
        Money,
        "The same in transaction currency, of programs that pay in it; null: others",
    ),
];

/// A view over [`SETTLED_EARNINGS`] and [`SETTLEMENT_CHANGES`]; see `query/settlements.rs`.
pub const SETTLEMENTS: Table = Table {
    name: "settlements",
    version: 1,
    description: "What closed cycles settled of each earning, a view: over cycles it adds up to the earning \
                  as of the last close. Co-op is never settled",
    grain: "one row per earning × period × cycle",
    key: &["earning_id", "period", "cycle"],
    partition: "",
    columns: &[
        content("earning_id", Uuid, "The earning"),
        content("program", Text, "The program"),
        content("term", Text, "The dated version of its rules"),
        content("lever", Text, "The rule that earned"),
        content("earning_type", Text, "`rebate` or `fee`"),
        content("participant_id", Text, "The location that is paid"),
        content("period", Text, "The month the earning belongs to"),
        content("cycle", Text, "The cycle that settled it"),
        content("kind", Text, "`regular`, `late` or `adjustment`"),
        optional("cause", Text, "Of late ones and adjustments: the published reason"),
        optional("corrects", Text, "Of adjustments: the cycle that settled the earning first"),
        content("program_currency", Text, "Currency of program_amount"),
        content("program_amount", Money, "Settled in the cycle: the difference to earlier cycles"),
        optional(
            "payment_id",
            Text,
            "The first order that releases the balance; null: none has yet, or it was forfeited",
        ),
    ],
};
