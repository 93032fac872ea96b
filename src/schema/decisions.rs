//! Tables of what is decided before anything is paid: who is eligible, and what is decided once.

use super::Kind::{Amount, Boolean, Date, Integer, Money, Text};
use super::{Table, content, optional, provenance};

pub const ELIGIBILITY: Table = Table {
    name: "eligibility",
    version: 2,
    description: "Whether a participant may earn in a program in a month, requirement by requirement",
    grain: "one row per participant × program × period × requirement; `all` is the verdict",
    key: &["participant_id", "program", "period", "requirement"],
    partition: "",
    columns: &[
        content("program", Text, "The program"),
        content("participant_id", Text, "The location that is paid"),
        optional("global_id", Text, "Its company"),
        content("period", Text, "The month"),
        content(
            "requirement_order",
            Integer,
            "Place in the program file, which is the precedence of reasons; `all` comes last",
        ),
        content(
            "requirement",
            Text,
            "The requirement, or `all`: whether on at least one day every requirement held together",
        ),
        content("met", Boolean, "Held on at least one day of the month"),
        optional("first_on", Date, "First day of the month on which it held"),
        optional("last_on", Date, "Last day of the month on which it held"),
        optional(
            "decided_from",
            Date,
            "First day of the fact that decided (may lie before the month)",
        ),
        optional("decided_until", Date, "First day after that fact; null: open"),
        optional("reason", Text, "Reason code when not met"),
        optional(
            "status",
            Text,
            "On `all` rows: enrollment status as published (`Invited`, `Action required`, `Enrolled`, …)",
        ),
        optional(
            "any_of",
            Text,
            "The requirement of which this is one of several alternatives; null: it must hold itself",
        ),
    ],
};

pub const DETERMINATIONS: Table = Table {
    name: "determinations",
    version: 6,
    description: "What is decided once: whether a half's co-op reached the threshold, when trailing revenue did, what a year's end took, who added a customer, what is taken of a shared cap, what a measure is compared with",
    grain: "one row per program × kind × subject × window × cycle that decides it",
    key: &["program", "kind", "subject", "window", "cycle"],
    partition: "",
    columns: &[
        content("program", Text, "The program"),
        content(
            "kind",
            Text,
            "`coop_threshold`, `trailing_revenue`, `customer_add`, `cap_room`, `baseline` or `forfeiture`",
        ),
        content(
            "subject",
            Text,
            "Whom it is about: the participant, `company` and the company's id, the customer, or the cap and the company and customer that it is per; of a baseline the participant, its customer too or its company, as the measure is",
        ),
        content(
            "window",
            Text,
            "What it is about: the fiscal half; the requirement and the first and last day that were measured; term, earning type and cycle of a forfeiture; the lever and the days on which the customer is new; the first and last month of the cap's window; of a baseline the lever, the first and last month that it is for, the first and last day that were measured (`0001-01-01`: all before)",
        ),
        content(
            "cycle",
            Text,
            "The cycle that decides it: the half's last month, or that of the day that decided, is due in it, or the oldest open one if that is later",
        ),
        content(
            "outcome",
            Text,
            "`qualified`, also below the threshold if a claim of the half was allowed before; `added`: the customer was; `undone`: it was, but a correction of the rows that decided it took it away after their close; `converted`: the co-op became rebate; `left` or `exhausted`: what cycles up to this one leave of the cap; `set`: a baseline is; `forfeited`; `reversed`: it was forfeited before, and came back",
        ),
        content("program_currency", Text, "Currency of the amounts"),
        content(
            "measured",
            Money,
            "What was measured: co-op of the half, of months up to its last; revenue of the window; the amount that is forfeited, negative if it came back; what was sold to the customer by the transaction that decided; what cycles up to this one take of the cap; the baseline, of units rounded",
        ),
        content(
            "threshold",
            Money,
            "What it had to reach; the cap's limit; the baseline, above which something is earned",
        ),
        content(
            "decided_on",
            Date,
            "The cycle's due day; the day of the assessment, of the transaction (that decided first, if it is undone); the last day that a baseline measures",
        ),
        provenance("known_on", Date, "The as-of date of the run that first decided it so"),
        optional(
            "frozen_by",
            Text,
            "The cycle whose close froze it; `never`: an earlier run did, and its rule never decides again; null: it is decided anew",
        ),
        optional(
            "awarded_to",
            Text,
            "The participant that added the customer, or for which the partner of that transaction earns now; null: none does any longer",
        ),
        optional("source", Text, "The source of the transaction that decided"),
        optional(
            "transaction_id",
            Text,
            "The transaction that decided; of a cap, the last one that counts in the cycle, or its aggregate's key",
        ),
        optional(
            "role",
            Text,
            "Of the transaction that decided who added a customer: the role in which its partner earned",
        ),
        optional(
            "transactions",
            Integer,
            "How many transactions of the subject were measured within the window, of trailing revenue: all that were in force then. If it is undone, how many of them are now",
        ),
        optional("baseline", Amount, "The baseline, exactly: in program currency, or units"),
    ],
};
