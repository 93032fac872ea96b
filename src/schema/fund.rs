//! Result tables of the co-op fund: funds, and what became of claims.

use super::Kind::{Date, Money, Rate, Text};
use super::{Table, content, optional};

pub const COOP_FUND: Table = Table {
    name: "coop_fund",
    version: 2,
    description: "The co-op fund of each fiscal half",
    grain: "one row per participant × program × fiscal half",
    key: &["participant_id", "program", "fund_half"],
    partition: "",
    columns: &[
        content("program", Text, "The program"),
        content("participant_id", Text, "The location that may claim"),
        content("fund_half", Text, "The fiscal half, e.g. FY21H2"),
        content("half_from", Date, "First day of the half"),
        content("half_until", Date, "First day after the half"),
        content("program_currency", Text, "Currency of all amounts"),
        content("earned", Money, "Co-op earned, refunds included"),
        content("adjusted", Money, "Adjustments"),
        content(
            "rolled_in",
            Money,
            "Rolled over from another half; negative: what another half was short of",
        ),
        content("converted", Money, "Converted to rebate"),
        content("claims_paid", Money, "Paid for claims that the export says were sent"),
        content(
            "expired",
            Money,
            "Expired: left, without what was reserved, on its last day; later what came late or was refused",
        ),
        content("expiry_reversed", Money, "Expiry taken back by refunds and disputes"),
        content(
            "rolled_out",
            Money,
            "Rolled over to another half; negative: what it is short of, which the next half bears",
        ),
        content(
            "left",
            Money,
            "earned + adjusted + rolled_in − converted − claims_paid − expired + expiry_reversed − rolled_out",
        ),
        content("reserved", Money, "Part of left reserved for claims"),
        content("available", Money, "left − reserved"),
        optional(
            "use_from",
            Date,
            "First day on which it is used; null: the program has no windows",
        ),
        optional("use_until", Date, "First day after it is used"),
        optional(
            "claim_from",
            Date,
            "First day on which it is claimed: the window is open, and the half settled",
        ),
        optional("claim_until", Date, "First day after it is claimed"),
        optional(
            "settled_on",
            Date,
            "First day on which it counts whole: the half is over, and its threshold decided",
        ),
        optional(
            "ends_on",
            Date,
            "The day on which what is available expires, or rolls over; null: never",
        ),
        optional("rolls_to", Text, "The half that it rolls over to; null: it expires"),
    ],
};

pub const CLAIM_ITEMS: Table = Table {
    name: "claim_items",
    version: 1,
    description: "What became of each part of a claim against the co-op fund",
    grain: "one row per claim × fund × activity × decision × reason; claims never submitted have none",
    key: &["claim_id", "program", "participant_id", "fund_half", "activity", "decision", "reason"],
    partition: "",
    columns: &[
        content("claim_id", Text, "The claim"),
        content("program", Text, "The program; as written if no program has that name"),
        content("participant_id", Text, "The location that claims"),
        optional("fund_half", Text, "The fiscal half whose fund bears it; null: none does"),
        content("activity", Text, "What was done"),
        content("activity_period", Text, "The month in which it was done"),
        content("decision", Text, "`pending` (reserved), `approved`, `paid`, `refused` or `held`"),
        optional(
            "reason",
            Text,
            "Reason code of what is refused, held, or allowed and not ordered, and of what was sent and \
             the export says otherwise",
        ),
        content("status", Text, "The newest status, as published"),
        content("submitted_on", Date, "The day on which it was submitted and tested"),
        optional("decided_on", Date, "The day on which it was decided"),
        optional("sent_on", Date, "The day on which it was sent; what was sent stays as it was"),
        content("claim_currency", Text, "Currency of asked, allowed and refused amount"),
        content("asked_amount", Money, "Asked; the rows of a claim re-add to what it asks"),
        content("allowed_amount", Money, "Allowed, if it is not held"),
        content("refused_amount", Money, "Refused"),
        content("program_currency", Text, "Currency of the amounts below"),
        optional("exchange_rate", Rate, "Program units per claim unit; the same rate pays it"),
        optional("exchange_period", Text, "The month of the rate, which is the activity's"),
        content(
            "program_amount",
            Money,
            "round(allowed_amount × exchange_rate): what the fund bears",
        ),
        content("reserved", Money, "Reserved in the fund: not paid yet"),
        content("paid", Money, "Paid from the fund"),
        content(
            "expired",
            Money,
            "Its reserve that expired when it was refused after the fund's end",
        ),
        optional("payment_id", Text, "The order that pays it"),
        optional("note", Text, "The source's reason, in words"),
    ],
};
