//! Claims that were allowed before. In: what was published of one, and its rows in force. Out: the claim as it
//! was sent, whatever its rows, its fund or the exchange rate have become since, and whether its rows still
//! say so; or as it was allowed, if it wasn't sent. Source: RULES 5 (a payment's row is unchanged), 6 (decided
//! claims are not tested again).

use super::{Claim, ClaimRow, Rules, decide};
use crate::Error;
use crate::calendar::{FiscalHalf, Period};
use crate::fund::ledger::{FundTerms, Ledger};
use crate::fund::status::Status;
use crate::program::Program;
use crate::reason::ClaimReason;
use chrono::NaiveDate;

/// What was published of a claim that was allowed. Amounts in the claim's currency, money scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub half: FiscalHalf,
    pub activity: String,
    pub month: Period,
    pub currency: String,
    pub asked: i128,
    pub allowed: i128,
    pub refused: Vec<(ClaimReason, i128)>,
    /// Program units per claim unit, at rate scale.
    pub rate: i128,
    pub submitted_on: NaiveDate,
    pub decided_on: NaiveDate,
    /// `None`: the claims export didn't say so.
    pub sent_on: Option<NaiveDate>,
    /// It was more than was asked, or than the fund had: that is tested again.
    pub overclaimed: bool,
    pub note: Option<String>,
}

impl Claim {
    /// Lets a claim stay as it was sent, if it was; rows in force that say something else give way to rows of
    /// what was sent, and the claim `differs`. One that wasn't sent, and of which the rows still say what was
    /// published, isn't tested again; if it is sent now, it was paid as it was ordered.
    ///
    /// # Errors
    /// On overflow.
    pub fn keep(
        &mut self,
        program: &Program,
        (ordered, is_sent): (Ordered, bool),
        as_of: NaiveDate,
    ) -> Result<(), Error> {
        let says = self.says(program, &ordered, as_of)?;
        let sent_now = self.rows.iter().any(|row| row.status == Status::Sent);
        if is_sent && !says {
            self.rows = ordered.rows(&self.rows);
            self.differs = true;
        }
        if is_sent || says && sent_now {
            self.sent = Some(ordered);
        } else if says && !ordered.overclaimed {
            self.allowed = Some(ordered);
        }
        Ok(())
    }

    /// Whether the rows come to what was sent. Once sent, a claim depends on no fund, so any will do.
    fn says(&self, program: &Program, sent: &Ordered, as_of: NaiveDate) -> Result<bool, Error> {
        let terms = |_| FundTerms { settled_on: NaiveDate::MIN, converted: false, end: None };
        let mut ledger = Ledger::new(terms, []);
        let rules = Rules { program, rate: |_: &str, _| Some(sent.rate), as_of };
        let claim = Claim { sent: Some(sent.clone()), ..self.clone() };
        let outcomes = decide(&rules, std::slice::from_ref(&claim), &mut ledger)?;
        Ok(outcomes.first().is_some_and(|found| {
            let tested = found.tested;
            let paid = found.items.iter().find(|item| item.decision.pays());
            (tested.month, tested.asked, found.submitted_on, found.decided_on)
                == (sent.month, sent.asked, sent.submitted_on, Some(sent.decided_on))
                && !tested.names_another(sent.half, program)
                && (&tested.activity, &tested.currency) == (&sent.activity, &sent.currency)
                && (sent.sent_on.is_none() || found.sent_on == sent.sent_on)
                && paid.is_some_and(|item| item.allowed == sent.allowed)
                && paid.is_some_and(|item| item.reason != Some(ClaimReason::SentDiffers))
        }))
    }
}

impl Ordered {
    /// Rows that say what was sent. If only the bank said so, the day of sending is the export's, of `known`.
    fn rows(&self, known: &[ClaimRow]) -> Vec<ClaimRow> {
        let sent_now =
            known.iter().find(|row| row.status == Status::Sent && row.status_on >= self.decided_on);
        let sent_on = self.sent_on.or(sent_now.map(|row| row.status_on));
        let days = [
            (Status::Submitted, Some(self.submitted_on)),
            (Status::Approved, Some(self.decided_on)),
            (Status::Sent, sent_on),
        ];
        let row = |(status, day): (Status, Option<NaiveDate>)| {
            Some(ClaimRow {
                status,
                status_on: day?,
                submitted_on: Some(self.submitted_on),
                half: Some(self.half.to_string()),
                activity: self.activity.clone(),
                month: self.month,
                currency: self.currency.clone(),
                asked: self.asked,
                decided: (status == Status::Approved).then_some(self.allowed),
                note: self.note.clone(),
            })
        };
        days.into_iter().filter_map(row).collect()
    }
}
