//! Reason codes: each with one sentence and what to do. Messages, reports and documents come from here.

/// Declares the codes once: identifier, code as published, sentence, remedy.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal, $sentence:literal, $remedy:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $sentence] $variant,)* }

        impl $name {
            /// All codes, in order of precedence.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The code as tables and reports show it.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $($name::$variant => $code,)* }
            }

            /// The one that tables and reports call so.
            #[must_use]
            pub fn named(code: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|reason| reason.code() == code)
            }

            /// One sentence that states the broken rule.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $($name::$variant => $sentence,)* }
            }

            /// What to do about it.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $($name::$variant => $remedy,)* }
            }
        }
    };
}

reasons! {
    /// Why a transaction earned nothing, in order of precedence.
    Reason {
        NoProgram = "NO_PROGRAM", "No program pays the partner of this line in this role", "add the role to a program's `pays`, or leave it";
        NoLever = "NO_LEVER", "No lever covers the product on that day", "add the product to a product group of a lever, or leave it";
        Unmapped = "UNMAPPED", "The partner id on the line maps to no participant on that day", "add it to the participant map export";
        MapDup = "MAPDUP", "The participant map has overlapping rows for the partner id, so both are rejected", "correct the dates in the participant map export";
        OutOfTerm = "OUT_OF_TERM", "The transaction date lies outside every term of the program", "add a term to the program file, or leave it";
        NoMpnAgreement = "NO_MPN_AGREEMENT", "No active partner network agreement in the month", "sign or renew the agreement";
        NoDistributorAgreement = "NO_DISTRIBUTOR_AGREEMENT", "No valid cloud distributor agreement in the month", "sign or renew the agreement";
        NoResellerAgreement = "NO_RESELLER_AGREEMENT", "No reseller agreement in the month", "sign or renew the agreement";
        NoMembership = "IVDMPN", "The location is not an active member of the partner network in the month", "renew the membership";
        NoFirstTransaction = "NO_FIRST_TRANSACTION", "No completed first transaction by the end of the month", "complete a first transaction";
        NoCompetency = "IVDCOMP", "No location of the company holds a Silver or Gold competency in the month", "attain or renew a competency";
        NoDesignation = "NO_DESIGNATION", "No location of the company holds the designation, or the points it asks for, in the month", "attain or renew the designation, or the points";
        LowRevenue = "LOW_REVENUE", "Trailing revenue reached the amount at no assessment until the end of the month", "reach the amount within the window; what has no exchange rate is not counted";
        NotEnrolled = "NOT_ENROLLED", "Not enrolled with validated payout and tax profile in the month", "accept the invitation and complete both profiles";
        NotTogether = "NOT_TOGETHER", "Each requirement held on some day of the month, but never all on one day", "see the dates of each requirement";
        CustomerPublicSector = "CUSPUBSEC", "The customer is public sector", "supply proof of execution where the program allows it";
        CustomerNotNew = "CUSNOTNEW", "The tenant was created outside the valid window", "nothing, the window is fixed";
        NoSpecialization = "IVDADV", "The advanced specialization is missing", "attain the specialization";
        NoCoSell = "IVDCOSELL", "Co-sell is not established or expired", "establish co-sell";
        NoMpa = "IVDMPA", "The partner agreement is unsigned or expired", "sign the agreement";
        WrongGeography = "IVDGEO", "The partner location is not eligible", "transact through an eligible location";
        CustomerUsed = "IVDCUST", "The customer was already used for a customer-add", "nothing, it counts once";
        CustomerIsPartner = "CUSEQPTR", "The partner sells to itself", "nothing, own use does not earn";
        ChinaRevenue = "CHREVNONCH", "China revenue with a partner outside China", "transact through a partner in China";
        WrongPartnerRole = "IVDPTRROLE", "Wrong partner role", "check the role on the subscription";
        ProofNotApproved = "IVDPOE", "The proof of execution is not approved", "supply proof of execution";
        CreditOffer = "INVTNXACO", "An Azure credit offer is active", "nothing, credits do not earn";
        ActiveUsersNotAbove = "PAULWPHWM", "Paid active users are not above the earlier high-water mark", "grow usage";
        MonthlyUsersNotAbove = "MAULWPHWM", "Monthly active users are not above the earlier high-water mark", "grow usage";
        WrongCloud = "IVDCLD", "Wrong cloud", "check the customer's cloud";
        MinimumNotMet = "MINTHNTMT", "The minimum threshold is missed", "reach the minimum";
        MaximumTime = "MXTMCPMT", "The maximum earning time since the claim was reached", "nothing, the time is over";
        RefundExcess = "REFUND_EXCESS", "Refunds exceed everything they can be linked to", "check the refund against its invoice";
        NoRate = "NORATE", "No exchange rate for the currency and month", "add the rate to the exchange rate export";
        Outranked = "OUTRANKED", "Another lever of the engagement earns on the line", "nothing, one of them earns";
    }
}

impl Reason {
    /// The codes that Partner Center publishes for revenue that is not eligible, which the export of
    /// ineligible products, customers and transactions names. Source: Partner Center docs, earnings
    /// and revenue.
    pub const PUBLISHED: [Reason; 19] = [
        Reason::NoMembership,
        Reason::NoCompetency,
        Reason::CustomerPublicSector,
        Reason::CustomerNotNew,
        Reason::NoSpecialization,
        Reason::NoCoSell,
        Reason::NoMpa,
        Reason::WrongGeography,
        Reason::CustomerUsed,
        Reason::CustomerIsPartner,
        Reason::ChinaRevenue,
        Reason::WrongPartnerRole,
        Reason::ProofNotApproved,
        Reason::CreditOffer,
        Reason::ActiveUsersNotAbove,
        Reason::MonthlyUsersNotAbove,
        Reason::WrongCloud,
        Reason::MinimumNotMet,
        Reason::MaximumTime,
    ];

    /// The published reason of that code.
    #[must_use]
    pub fn published(code: &str) -> Option<Reason> {
        Reason::PUBLISHED.into_iter().find(|reason| reason.code() == code)
    }

    /// True if a requirement of a program file may name it.
    #[must_use]
    pub fn is_of_participant(self) -> bool {
        let own = Reason::NoMpnAgreement <= self && self <= Reason::NotEnrolled;
        own || Reason::PUBLISHED.contains(&self)
    }
}

reasons! {
    /// Why an input record could not be staged.
    RejectReason {
        ShortRecord = "SHORT_RECORD", "The record has fewer fields than the header", "check the delimiter and quoting of the record";
        LongRecord = "LONG_RECORD", "The record has more fields than the header", "check the delimiter and quoting of the record";
        OpenQuote = "OPEN_QUOTE", "A quoted field is not closed", "close the quote or double it";
        BadEncoding = "BAD_ENCODING", "The record has bytes that the declared encoding does not have", "declare the file's true encoding in the format";
        Missing = "MISSING_VALUE", "A required value is missing", "fill the column in the export";
        BadDate = "BAD_DATE", "The value is not a date of the declared pattern", "correct it, or the format's `date`";
        BadDecimal = "BAD_DECIMAL", "The value is not a plain decimal number", "correct it, or the format's `decimal_mark` and `thousands_mark`";
        TooManyDecimals = "TOO_MANY_DECIMALS", "The value has more decimals than the format declares", "correct it, or raise the column's `decimals`";
        TooLarge = "TOO_LARGE", "The number is too large", "correct the value";
        BadInteger = "BAD_INTEGER", "The value is not a whole number", "correct the value";
        BadPeriod = "BAD_PERIOD", "The value is not a month YYYY-MM", "correct the value";
        UnknownCurrency = "UNKNOWN_CURRENCY", "The value is not an ISO 4217 currency", "correct the currency code";
        NotAllowed = "NOT_ALLOWED", "The value is not one of those the format allows", "correct it, or add it to the column's `allowed`";
        DatesReversed = "DATES_REVERSED", "The range of dates ends before it starts", "correct the dates";
        NotPositive = "NOT_POSITIVE", "The value must be positive", "correct the value";
    }
}

reasons! {
    /// Why a cycle ordered nothing although the balance is not zero, in order of precedence.
    CarryReason {
        Negative = "NEGATIVE", "The balance is negative and is carried to the next cycle", "nothing, later earnings make up for it";
        Hold = "HOLD", "The partner holds its payments", "switch the hold off in the enrollment";
        Check = "CHECK", "A claim of the participant contradicts itself or its fund, or a payment is said to have come back that was never made, so payments of the program are held", "correct the export: `earnest check claims` and `earnest check payment_statuses` name the rows";
        Profile = "PROFILE", "No enrollment with payout profile, tax profile and payment method is in force on the due day", "complete the profiles of the enrollment";
        BelowMinimum = "BELOW_MINIMUM", "The balance is below the minimum payment and is carried to the next cycle", "nothing, it is paid once it reaches the minimum";
        Forfeited = "FORFEITED", "The balance was below the minimum payment and is lost", "nothing, the program pays no less than its minimum";
        NoRate = "NORATE", "No payment rate for the payment currency and the cycle's month", "add the rate to the exchange rate export";
    }
}

reasons! {
    /// Why a claim, or a part of it, is refused or held, in order of precedence.
    ClaimReason {
        Status = "STATUS", "The claim's status can't follow the one before", "correct the claim's statuses in the export";
        SentDiffers = "SENT_DIFFERS", "The export says of a claim that was sent something else than was paid, which stays", "say again in the export what was paid; settle the difference by a claim of its own or an approved manual adjustment";
        NoProgram = "NO_PROGRAM", "No program has the name on the claim", "correct the program in the export";
        NoFund = "NO_FUND", "No co-op fund is used in the month of the activity, or there is none of that half", "correct the half or the month in the export";
        NoActivity = "NO_ACTIVITY", "The program has no such activity in that month", "correct the activity in the export, or add it to the program file";
        OutsideUse = "OUTSIDE_USE", "The month of the activity lies outside the fund's usage window", "claim it against the fund that is used in that month";
        TooEarly = "TOO_EARLY", "The claim was submitted before the fund could be claimed", "submit it when the claim window has opened";
        TooLate = "TOO_LATE", "The claim was submitted after the fund's claim window", "nothing, what is left has expired";
        Converted = "CONVERTED", "The half's co-op was below the threshold and became rebate", "nothing, it is paid as rebate";
        NoRate = "NORATE", "No payment rate for the claim's currency and the month of the activity", "add the rate to the exchange rate export";
        SubLimit = "SUB_LIMIT", "The activity's part of the fund is used up", "nothing, the rest of the fund may be claimed for other activities";
        Fund = "FUND_USED_UP", "The fund has less left than was asked", "nothing, the fund is used up";
        Decided = "DECIDED", "Less was allowed than was asked", "see the export's reason";
        Rejected = "REJECTED", "The claim was rejected", "see the export's reason; dispute it if it is wrong";
        Withdrawn = "WITHDRAWN", "The claim was canceled, or expired before it was decided", "nothing";
        Overclaimed = "OVERCLAIMED", "More was allowed than was asked, or than the fund had", "correct the decided amount in the export";
        Hold = "HOLD", "Allowed, but the partner holds its payments", "switch the hold off in the enrollment";
        Check = "CHECK", "Allowed, but payments of the program are held because another claim contradicts itself or its fund", "correct that claim in the export: `earnest check claims` names it";
        Profile = "PROFILE", "Allowed, but no enrollment with payout profile, tax profile and payment method is in force", "complete the profiles of the enrollment";
    }
}

reasons! {
    /// Why what the bank or the ERP says of a payment doesn't count, in order of precedence.
    StatusReason {
        NoProgram = "NO_PROGRAM", "No program has the name on the status", "correct the program in the export";
        UnknownPayment = "UNKNOWN_PAYMENT", "No payment of the participant in the program has that id", "correct the payment id, or the location, in the export";
        UnknownStatus = "UNKNOWN_STATUS", "The status is none of the published ones", "correct the status in the export";
        BeforeOrder = "BEFORE_ORDER", "The status is older than the payment", "correct the day in the export";
        ClaimReturned = "CLAIM_RETURNED", "The payment of a claim came back before the day on which the claim was `Sent`, so nothing that was paid could come back", "deliver the claim's `Sent`, or correct the day in one of the exports; then it is ordered again";
        Impossible = "IMPOSSIBLE", "The status can't follow the one before", "correct the payment's statuses in the export";
        Proposed = "PROPOSED", "It is said to have been sent, but no close ordered it: it is a proposal, and the next run may propose another amount", "close its cycle, or correct the status in the export";
    }
}

reasons! {
    /// Why a manual adjustment isn't posted, in order of precedence.
    PostingReason {
        Posted = "POSTED", "A closed cycle posted it otherwise, and stays", "post the difference by an adjustment of its own";
        NoProgram = "NO_PROGRAM", "No program has the name on the adjustment", "correct the program in the export";
        Currency = "CURRENCY", "The amount is not in program currency", "state it in program currency";
        Sign = "SIGN", "A write-off or a recovery adds to a negative balance, what escheats takes from it, and none of them is zero", "correct the sign of the amount";
        NoSuccessor = "NO_SUCCESSOR", "The program names no successor of its currency to which a balance could move", "name the `successor` in the program file";
        Exceeds = "EXCEEDS", "The balance is not as large as what is written off, recovered, escheated or moved", "correct the amount: no more than the balance can leave it";
        NotApproved = "NOT_APPROVED", "Nobody has approved it yet", "have it approved: `approved_by` and `approved_on`";
        SelfApproved = "SELF_APPROVED", "Who asks for it may not approve it", "have it approved by someone else";
        NotDue = "NOT_DUE", "The cycle that it enters is not due yet", "nothing, it is posted when the cycle is due";
    }
}

reasons! {
    /// Why a settled amount changed, as Partner Center publishes the reasons of adjustments.
    AdjustmentReason {
        ArCompliance = "AR Compliance", "The partner paid its invoices late", "see the approval of the adjustment";
        CoopRollover = "Co-op rollover", "Co-op moved to another period, or became rebate", "nothing, the half was below the threshold";
        OpsAdjustment = "Ops Adjustment", "Data of a closed month was corrected", "compare the deliveries of the transaction";
        OpsIncorrectCalc = "Ops Adjustment Microsoft incorrect calc", "A closed month was calculated wrong", "see the approval of the adjustment";
        OpsIncorrectEnrollment = "Ops Adjustment Microsoft incorrect enrollment", "An enrollment of a closed month was wrong", "see the approval of the adjustment";
        PartnerMapping = "Partner mapping", "The participant map changed for a closed month: one participant gives back what another gets", "compare the versions of the participant map";
        PolicyException = "Policy Exception", "An exception from the rules was granted", "see the approval of the adjustment";
        PreviousPeriod = "Previous period earnings", "It became known after its month's cycle was closed", "nothing, it is paid late";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        let codes: HashSet<_> = RejectReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), RejectReason::ALL.len());
        let codes: HashSet<_> = CarryReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), CarryReason::ALL.len());
        let codes: HashSet<_> = ClaimReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), ClaimReason::ALL.len());
        let codes: HashSet<_> = AdjustmentReason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), AdjustmentReason::ALL.len());
    }
}
