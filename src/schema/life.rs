//! Result tables of the payment life cycle: what became of payments, lots of balances, adjustments.

use super::Kind::{Boolean, Date, Integer, Money, Text};
use super::{Table, content, optional};

pub const PAYMENT_HISTORY: Table = Table {
    name: "payment_history",
    version: 1,
    description: "Statuses of payments: ordered when due, then what the bank or the ERP says",
    grain: "one row per payment × status",
    key: &["payment_id", "program", "participant_id", "step"],
    partition: "",
    columns: &[
        content("payment_id", Text, "The payment, as the export names it"),
        content("step", Integer, "1 is the order; in order of day and status"),
        content("program", Text, "The program; as written if no program has that name"),
        content("participant_id", Text, "The payee"),
        optional("earning_type", Text, "`rebate`, `fee` or `coop`; null: no such payment"),
        content("status", Text, "As published; as written if it is none of those"),
        content("status_on", Date, "The day of the status"),
        content(
            "origin",
            Text,
            "`cycle`, `export`, or `record`: a closed cycle recorded it, and no export says it now",
        ),
        content("accepted", Boolean, "Whether it counts"),
        optional("reason", Text, "Why it doesn't"),
        content("newest", Boolean, "Whether it is the status of the payment"),
        optional(
            "returns_in",
            Text,
            "Of money that came back: the cycle that it enters; of claims the one that is due next, closed or not",
        ),
        optional("reference", Text, "The bank's reference"),
        optional("note", Text, "In words"),
    ],
};

pub const BALANCE_LOTS: Table = Table {
    name: "balance_lots",
    version: 1,
    description: "What is left, at the end of a cycle, of what each cycle brought: first in, first out",
    grain: "one row per participant × program × earning type × cycle × origin cycle",
    key: &["participant_id", "program", "earning_type", "cycle", "origin_cycle"],
    partition: "",
    columns: &[
        content("program", Text, "The program"),
        content("earning_type", Text, "`rebate` or `fee`"),
        content("participant_id", Text, "The location that is paid"),
        content("cycle", Text, "The cycle at whose end it is left"),
        content("origin_cycle", Text, "The cycle that brought it"),
        content("program_currency", Text, "Currency of amount_left"),
        content("amount_left", Money, "What is left; lots add up to a balance that is positive"),
        content("due_on", Date, "The day on which it was due first"),
        optional("missing_since", Date, "The first due day, up to now, without a profile"),
        optional("lapses_on", Date, "The day from which it is forfeited if that stays so"),
    ],
};

pub const ADJUSTMENTS: Table = Table {
    name: "adjustments",
    version: 1,
    description: "What became of manual adjustments",
    grain: "one row per adjustment; of transfers one per program; of one that was refused and corrected one per cycle",
    key: &["adjustment_id", "program", "state", "cycle"],
    partition: "",
    columns: &[
        content("adjustment_id", Text, "The adjustment"),
        content(
            "kind",
            Text,
            "`adjustment`, `write_off`, `escheat`, `recovery` (outside) or `transfer`",
        ),
        content("program", Text, "The program; as written if no program has that name"),
        content("participant_id", Text, "The location whose balance it changes"),
        content("earning_type", Text, "`rebate` or `fee`"),
        content("period", Text, "The month that it concerns"),
        content("state", Text, "`posted`, `waiting` or `refused`"),
        optional("reason", Text, "Why it isn't posted"),
        optional("cycle", Text, "The cycle that it enters; null: it isn't approved"),
        content("currency", Text, "Currency of amount"),
        content("amount", Money, "What it adds to the balance"),
        content("adjustment_reason", Text, "The published reason"),
        content("explanation", Text, "Why, in words"),
        content("requested_by", Text, "Who asks for it"),
        optional("approved_by", Text, "Who approved it"),
        optional("approved_on", Date, "The day of the approval"),
        content("taxable", Boolean, "Whether it is taxed like an earning"),
        content(
            "counts_toward_minimum",
            Boolean,
            "Whether it helps a balance to reach the minimum",
        ),
        optional("counterpart", Text, "Of transfers: the other program"),
    ],
};

pub const OFFSETS: Table = Table {
    name: "offsets",
    version: 1,
    description: "What negative balances took from positive ones of the same offset group, before anything was \
                  ordered",
    grain: "one row per participant × cycle × balance (program × earning type) × other balance",
    key: &[
        "participant_id",
        "program",
        "earning_type",
        "cycle",
        "other_program",
        "other_earning_type",
    ],
    partition: "",
    columns: &[
        content("program", Text, "The program"),
        content("earning_type", Text, "`rebate` or `fee`"),
        content("participant_id", Text, "The location that is paid"),
        content("cycle", Text, "The payment month"),
        content("other_program", Text, "The program of the other balance"),
        content("other_earning_type", Text, "The earning type of the other balance"),
        content("program_currency", Text, "Currency of amount"),
        content(
            "amount",
            Money,
            "What it adds to the balance; the other balance has a row with the opposite amount",
        ),
    ],
};
