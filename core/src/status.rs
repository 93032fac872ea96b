//! The statuses of a payment, as published, and which may follow which. In: the day an order was due,
//! and what the bank or the ERP says of it. Out: each row's verdict, the newest status, and whether the
//! money came back. Source: Partner Center docs, earnings and payment statuses; RULES 5.

use crate::reason::StatusReason;
use chrono::NaiveDate;

/// A payment's status, in the order in which those of one day count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Its cycle is not due.
    Unprocessed,
    /// Ordered.
    Upcoming,
    PendingTaxInvoice,
    TaxInvoiceUnderReview,
    TaxInvoiceRejected,
    RejectedDuringReview,
    InProgress,
    /// The payer's system failed.
    Failed,
    Reprocessing,
    /// Sent to the bank.
    Sent,
    IncorrectPayment,
    /// The bank refused it.
    Rejected,
    /// The bank returned it.
    Reversed,
    Forfeited,
    Escheated,
    /// None that is published.
    Unknown,
}

impl Status {
    /// Every published one.
    pub const ALL: [Status; 15] = [
        Status::Unprocessed,
        Status::Upcoming,
        Status::PendingTaxInvoice,
        Status::TaxInvoiceUnderReview,
        Status::TaxInvoiceRejected,
        Status::RejectedDuringReview,
        Status::InProgress,
        Status::Failed,
        Status::Reprocessing,
        Status::Sent,
        Status::IncorrectPayment,
        Status::Rejected,
        Status::Reversed,
        Status::Forfeited,
        Status::Escheated,
    ];

    /// As exports spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Unprocessed => "Unprocessed",
            Status::Upcoming => "Upcoming",
            Status::PendingTaxInvoice => "Pending tax invoice",
            Status::TaxInvoiceUnderReview => "Tax invoice under review",
            Status::TaxInvoiceRejected => "Tax invoice rejected",
            Status::RejectedDuringReview => "Rejected during review",
            Status::InProgress => "In progress",
            Status::Failed => "Failed",
            Status::Reprocessing => "Reprocessing",
            Status::Sent => "Sent",
            Status::IncorrectPayment => "Incorrect payment",
            Status::Rejected => "Rejected",
            Status::Reversed => "Reversed",
            Status::Forfeited => "Forfeited",
            Status::Escheated => "Escheated",
            Status::Unknown => "unknown",
        }
    }

    /// The status of that name, in any case.
    #[must_use]
    pub fn named(text: &str) -> Status {
        let mut all = Status::ALL.into_iter();
        all.find(|status| status.name().eq_ignore_ascii_case(text)).unwrap_or(Status::Unknown)
    }

    /// True if the money came back: it is ordered again.
    #[must_use]
    pub fn is_return(self) -> bool {
        matches!(self, Status::Rejected | Status::Reversed)
    }

    /// True if no other status may come after it.
    #[must_use]
    pub fn is_last(self) -> bool {
        Status::ALL.into_iter().all(|next| !self.may_become(next))
    }

    /// Whether another status may come next. Exports are looked at from time to time, so reviews,
    /// `In progress` and `Reprocessing` may be missed; that it was sent, or failed, may not.
    #[must_use]
    pub fn may_become(self, next: Status) -> bool {
        use Status::{
            Escheated, Failed, Forfeited, InProgress, IncorrectPayment, PendingTaxInvoice,
            Rejected, RejectedDuringReview, Reprocessing, Reversed, Sent, TaxInvoiceRejected,
            TaxInvoiceUnderReview, Unknown, Unprocessed, Upcoming,
        };
        let invoice = matches!(
            next,
            PendingTaxInvoice | TaxInvoiceUnderReview | TaxInvoiceRejected | RejectedDuringReview
        );
        let paying = matches!(next, InProgress | Sent | Failed);
        let lost = matches!(next, Forfeited | Escheated);
        match self {
            Unprocessed => next == Upcoming,
            Upcoming | PendingTaxInvoice | TaxInvoiceUnderReview => {
                next != self && (invoice || paying || lost)
            }
            TaxInvoiceRejected => matches!(next, PendingTaxInvoice | TaxInvoiceUnderReview) || lost,
            RejectedDuringReview => next == Upcoming || invoice && next != self || lost,
            InProgress => matches!(next, Sent | Failed | Reprocessing | Rejected),
            Failed => matches!(next, Reprocessing | InProgress | Sent) || lost,
            Reprocessing => matches!(next, InProgress | Sent | Failed | Rejected),
            Sent => matches!(next, Rejected | Reversed | IncorrectPayment),
            IncorrectPayment => next == Reversed,
            Rejected | Reversed | Forfeited | Escheated | Unknown => false,
        }
    }
}

/// Where a row of a payment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The export says it.
    Export,
    /// The export says it, and a closed cycle recorded it.
    Recorded,
    /// A closed cycle recorded it, and no export says it now.
    Record,
}

/// What is said of one payment on a day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusRow {
    pub status_on: NaiveDate,
    pub status: Status,
    /// The status as it was written.
    pub written: String,
    pub reference: Option<String>,
    pub note: Option<String>,
    pub origin: Origin,
}

impl StatusRow {
    /// Whether a closed cycle recorded it: it counts, whatever else is said.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.origin != Origin::Export
    }

    /// Whether the row, refused, holds the participant's payments: money came back of which nobody
    /// knows where it went, or the status says nothing. Source: RULES 8.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.status.is_return() || self.status == Status::Unknown
    }
}

/// What became of the rows of one payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Of each row, in their order: why it can't be.
    pub refused: Vec<Option<StatusReason>>,
    /// The newest status, `Upcoming` if nothing is said, and since when.
    pub status: Status,
    pub status_on: NaiveDate,
    /// The day on which the money came back.
    pub returned_on: Option<NaiveDate>,
    pub sent_on: Option<NaiveDate>,
}

/// Follows a payment that was due on a day through its rows, sorted. A status that is said again
/// changes nothing; one that can't follow is refused, and what comes after it is tested without it.
/// Where a closed cycle recorded that the money came back, it can't come back otherwise, nor end before.
#[must_use]
pub fn follow(due_on: NaiveDate, rows: &[StatusRow]) -> History {
    let mut history = History {
        refused: Vec::with_capacity(rows.len()),
        status: Status::Upcoming,
        status_on: due_on,
        returned_on: None,
        sent_on: None,
    };
    let recorded = rows.iter().any(StatusRow::is_recorded);
    for (place, row) in rows.iter().enumerate() {
        let possible =
            history.status.may_become(row.status) && !(recorded && row.status.is_return());
        let refused = if row.is_recorded() {
            None
        } else if row.status == Status::Unknown {
            Some(StatusReason::UnknownStatus)
        } else if row.status_on < due_on {
            Some(StatusReason::BeforeOrder)
        } else if row.status != history.status && !possible
            || row.status.is_last() && rows[place..].iter().any(StatusRow::is_recorded)
        {
            Some(StatusReason::Impossible)
        } else {
            None
        };
        if refused.is_none() && row.status != history.status {
            (history.status, history.status_on) = (row.status, row.status_on);
            if row.status.is_return() {
                history.returned_on = Some(row.status_on);
            } else if row.status == Status::Sent {
                history.sent_on = Some(row.status_on);
            }
        }
        history.refused.push(refused);
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    /// Rows of a payment due on 15 June 2021, from `16 Sent`, the day of June.
    fn after(rows: &[&str]) -> History {
        let row = |text: &&str| {
            let (on, status) = text.split_once(' ').expect("a day and a status");
            StatusRow {
                status_on: day(&format!("2021-06-{on}")),
                status: Status::named(status),
                written: status.to_owned(),
                reference: None,
                note: None,
                origin: Origin::Export,
            }
        };
        let rows: Vec<StatusRow> = rows.iter().map(row).collect();
        follow(day("2021-06-15"), &rows)
    }

    #[test]
    fn every_status_has_its_name() {
        for status in Status::ALL {
            assert_eq!(Status::named(status.name()), status);
        }
        assert_eq!(Status::named("IN PROGRESS"), Status::InProgress);
        assert_eq!(Status::named("Paid"), Status::Unknown);
        assert!(Status::ALL.is_sorted());
    }

    #[test]
    fn a_payment_is_sent_and_comes_back() {
        let found = after(&["15 In progress", "16 Sent", "20 Reversed"]);
        assert_eq!(found.refused, [None, None, None]);
        assert_eq!((found.status, found.returned_on), (Status::Reversed, Some(day("2021-06-20"))));
        assert_eq!(found.sent_on, Some(day("2021-06-16")));
        let nothing = after(&[]);
        assert_eq!((nothing.status, nothing.status_on), (Status::Upcoming, day("2021-06-15")));
        assert_eq!(after(&["16 Upcoming", "18 Sent", "19 SENT"]).refused, [None, None, None]);
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let impossible = Some(StatusReason::Impossible);
        let never_sent = after(&["20 Reversed"]);
        assert_eq!((never_sent.refused, never_sent.returned_on), (vec![impossible], None));
        let twice = after(&["16 Sent", "20 Reversed", "22 Sent", "25 Rejected"]);
        assert_eq!(twice.refused, [None, None, impossible, impossible]);
        assert_eq!(twice.returned_on, Some(day("2021-06-20")));
        let early = after(&["14 Sent", "16 Sent"]);
        assert_eq!(early.refused, [Some(StatusReason::BeforeOrder), None]);
        let unknown = after(&["16 Paid", "17 Sent"]);
        assert_eq!(unknown.refused, [Some(StatusReason::UnknownStatus), None]);
    }

    #[test]
    fn what_a_closed_cycle_recorded_stands() {
        let row = |on: &str, status: Status, origin: Origin| StatusRow {
            status_on: day(on),
            status,
            written: status.name().to_owned(),
            reference: None,
            note: None,
            origin,
        };
        let back = row("2021-06-20", Status::Reversed, Origin::Record);
        let due_on = day("2021-06-15");
        let alone = follow(due_on, std::slice::from_ref(&back));
        assert_eq!((alone.refused, alone.returned_on), (vec![None], Some(day("2021-06-20"))));
        let rows = [
            row("2021-06-15", Status::Escheated, Origin::Export),
            row("2021-06-16", Status::Sent, Origin::Recorded),
            row("2021-06-18", Status::Rejected, Origin::Export),
            back,
            row("2021-06-24", Status::Reversed, Origin::Export),
            row("2021-06-25", Status::Sent, Origin::Export),
        ];
        let found = follow(due_on, &rows);
        let impossible = Some(StatusReason::Impossible);
        assert_eq!(found.refused, [impossible, None, impossible, None, None, impossible]);
        assert_eq!((found.status, found.returned_on), (Status::Reversed, Some(day("2021-06-20"))));
    }

    #[test]
    fn transitions_are_those_published() {
        use Status::{
            Escheated, Failed, Forfeited, InProgress, IncorrectPayment, PendingTaxInvoice,
            Rejected, RejectedDuringReview, Reprocessing, Reversed, Sent, TaxInvoiceRejected,
            TaxInvoiceUnderReview, Unprocessed, Upcoming,
        };
        for path in [
            &[Unprocessed, Upcoming, InProgress, Sent][..],
            &[Upcoming, PendingTaxInvoice, TaxInvoiceUnderReview, TaxInvoiceRejected],
            &[TaxInvoiceRejected, PendingTaxInvoice, TaxInvoiceUnderReview, InProgress],
            &[Upcoming, RejectedDuringReview, Upcoming, Sent, IncorrectPayment, Reversed],
            &[InProgress, Failed, Reprocessing, Sent, Rejected],
            &[Failed, Forfeited],
            &[PendingTaxInvoice, Escheated],
        ] {
            assert!(path.windows(2).all(|pair| pair[0].may_become(pair[1])), "{path:?}");
        }
        let ends = [Rejected, Reversed, Forfeited, Escheated, Status::Unknown];
        assert!(ends.iter().all(|end| Status::ALL.iter().all(|next| !end.may_become(*next))));
        for (from, to) in [
            (Upcoming, Reversed),
            (Upcoming, Rejected),
            (Upcoming, Unprocessed),
            (Unprocessed, Sent),
            (Sent, InProgress),
            (Sent, Forfeited),
            (TaxInvoiceRejected, Sent),
            (Reprocessing, Reversed),
        ] {
            assert!(!from.may_become(to), "{from:?} to {to:?}");
        }
        assert!(Status::ALL.iter().all(|status| !status.may_become(*status)));
        assert!(Status::ALL.iter().all(|status| !status.may_become(Status::Unknown)));
    }
}
