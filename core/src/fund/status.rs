//! Statuses of claims, as published, and which may follow which.
//! Source: Partner Center docs, claims and engagement claim statuses; `Sent` is the payment's status.

/// A claim's status, in the order in which those of one day count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Editing,
    Submitted,
    UnderReview,
    ActionRequired,
    NotSubmittedExpired,
    PostSubmissionExpired,
    Rejected,
    Disputed,
    DisputedExpired,
    Approved,
    RejectedFinal,
    Canceled,
    Sent,
    /// None that is published.
    Unknown,
}

impl Status {
    /// Every published one.
    pub const ALL: &'static [Status] = &[
        Status::Editing,
        Status::Submitted,
        Status::UnderReview,
        Status::ActionRequired,
        Status::NotSubmittedExpired,
        Status::PostSubmissionExpired,
        Status::Rejected,
        Status::Disputed,
        Status::DisputedExpired,
        Status::Approved,
        Status::RejectedFinal,
        Status::Canceled,
        Status::Sent,
    ];

    /// As exports spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Editing => "Editing",
            Status::Submitted => "Submitted",
            Status::UnderReview => "Under review",
            Status::ActionRequired => "Action required",
            Status::NotSubmittedExpired => "Not submitted expired",
            Status::PostSubmissionExpired => "Post submission expired",
            Status::Rejected => "Rejected",
            Status::Disputed => "Disputed",
            Status::DisputedExpired => "Disputed expired",
            Status::Approved => "Approved",
            Status::RejectedFinal => "Rejected final",
            Status::Canceled => "Canceled",
            Status::Sent => "Sent",
            Status::Unknown => "unknown",
        }
    }

    /// The status of that name; `Partner action required` is `Action required`.
    #[must_use]
    pub fn named(text: &str) -> Option<Status> {
        if text.eq_ignore_ascii_case("Partner action required") {
            return Some(Status::ActionRequired);
        }
        Status::ALL.iter().copied().find(|status| status.name().eq_ignore_ascii_case(text))
    }

    /// Whether another status may come next. Exports are looked at from time to time, so `Submitted` and
    /// `Under review` may be missed; a decision, a dispute or a payment may not.
    #[must_use]
    pub fn may_become(self, next: Status) -> bool {
        use Status::{
            ActionRequired, Approved, Canceled, Disputed, DisputedExpired, Editing,
            NotSubmittedExpired, PostSubmissionExpired, Rejected, RejectedFinal, Sent, Submitted,
            UnderReview, Unknown,
        };
        match self {
            Editing => !matches!(
                next,
                Disputed | DisputedExpired | RejectedFinal | Sent | PostSubmissionExpired | Unknown
            ),
            Submitted | UnderReview | ActionRequired => {
                matches!(next, UnderReview | ActionRequired | Approved | Rejected | Canceled)
                    || next == PostSubmissionExpired
                    || self == ActionRequired && matches!(next, Submitted | NotSubmittedExpired)
            }
            Rejected => matches!(next, Disputed | RejectedFinal),
            Disputed => matches!(
                next,
                UnderReview
                    | ActionRequired
                    | Approved
                    | Rejected
                    | RejectedFinal
                    | DisputedExpired
            ),
            Approved => next == Sent,
            NotSubmittedExpired
            | PostSubmissionExpired
            | DisputedExpired
            | RejectedFinal
            | Canceled
            | Sent
            | Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_name() {
        for &status in Status::ALL {
            assert_eq!(Status::named(status.name()), Some(status));
        }
        assert_eq!(Status::named("SENT"), Some(Status::Sent));
        assert_eq!(Status::named("Partner Action Required"), Some(Status::ActionRequired));
        assert_eq!(Status::named("Paid"), None);
        assert!(Status::ALL.is_sorted());
    }

    #[test]
    fn what_is_decided_or_paid_stays_so() {
        use Status::{Approved, Disputed, Editing, Rejected, Sent, Submitted, UnderReview};
        let path = [Editing, Submitted, UnderReview, Rejected, Disputed, Approved, Sent];
        assert!(path.windows(2).all(|pair| pair[0].may_become(pair[1])));
        assert!(Editing.may_become(Approved), "what lies between may be missed");
        for (from, to) in [
            (Approved, Rejected),
            (Approved, Submitted),
            (Sent, Approved),
            (Rejected, Approved),
            (Submitted, Sent),
            (Submitted, Editing),
            (Status::Canceled, Submitted),
            (Editing, Status::Unknown),
            (Submitted, Status::Unknown),
        ] {
            assert!(!from.may_become(to), "{from:?} to {to:?}");
        }
    }
}
