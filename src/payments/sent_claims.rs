//! Claims whose payment was sent. In: claims as staged, and what the snapshot before published of them. Out:
//! those that were sent as they were then, whatever the export, the fund or an exchange rate says since; where
//! the export says something else, `SENT_DIFFERS`.

use super::claims::{Claims, Stray};
use super::statuses::Statuses;
use crate::closes::Closed;
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::fund::claims::{Claim, Sent};
use earnest_core::fund::status::Status;
use earnest_core::program::Program;
use earnest_core::reason::ClaimReason;
use earnest_core::status::follow;
use std::collections::BTreeSet;

impl Claims {
    /// Lets claims stay as they were sent.
    ///
    /// # Errors
    /// On overflow.
    pub fn stay(
        mut self,
        programs: &[Program],
        closed: &Closed,
        statuses: &Statuses,
        as_of: NaiveDate,
    ) -> Result<Claims> {
        let mut differing: BTreeSet<&str> = BTreeSet::new();
        for (key, (payment_id, sent)) in &closed.published.ordered {
            let (position, participant, claim_id) = key;
            let program = &programs[*position];
            let mut sent = sent.clone();
            sent.sent_on = sent.sent_on.filter(|day| *day <= as_of);
            let said = statuses.of(*position, participant, payment_id);
            let order = closed.claimed(payment_id);
            let by_bank = order.and_then(|order| follow(order.due_on, said).sent_on);
            let is_sent = sent.sent_on.or(by_bank).is_some();
            let account = (*position, participant.clone());
            let of = self.by_account.get_mut(&account);
            let known =
                of.and_then(|claims| claims.iter_mut().find(|claim| claim.claim_id == *claim_id));
            match known {
                Some(claim) if is_sent => claim.stay(program, sent, as_of)?,
                Some(claim) => becomes_sent(claim, program, sent, as_of)?,
                None if is_sent => {
                    let mut claim = Claim { claim_id: claim_id.clone(), ..Claim::default() };
                    claim.stay(program, sent, as_of)?;
                    let claims = self.by_account.entry(account.clone()).or_default();
                    claims.push(claim);
                    claims.sort_by(|a, b| a.claim_id.cmp(&b.claim_id));
                }
                None => {}
            }
            let claims = self.by_account.get(&account).into_iter().flatten();
            let differs = claims.filter(|claim| claim.claim_id == *claim_id && claim.differs);
            differing.extend(differs.map(|_| claim_id.as_str()).next());
        }
        self.refuse_moved(programs, closed, &differing);
        Ok(self)
    }

    /// A claim that was sent to somebody else isn't paid a second time: refused whole, unless there were two
    /// of that id before.
    fn refuse_moved(&mut self, programs: &[Program], closed: &Closed, differing: &BTreeSet<&str>) {
        if differing.is_empty() {
            return;
        }
        for ((position, participant), claims) in &mut self.by_account {
            let moved = |claim: &mut Claim| {
                let key = (*position, participant.clone(), claim.claim_id.clone());
                differing.contains(claim.claim_id.as_str())
                    && claim.sent.is_none()
                    && !closed.published.known.contains(&key)
            };
            let program = &programs[*position];
            self.stray.extend(claims.extract_if(.., moved).map(|claim| Stray {
                program: program.program.clone(),
                currency: program.currency.clone(),
                participant: participant.clone(),
                claim,
                reason: ClaimReason::SentDiffers,
            }));
        }
        self.by_account.retain(|_, claims| !claims.is_empty());
    }
}

/// A claim that becomes `Sent` was paid as it was ordered, unless the export says something else.
fn becomes_sent(claim: &mut Claim, program: &Program, sent: Sent, as_of: NaiveDate) -> Result<()> {
    if claim.rows.iter().any(|row| row.status == Status::Sent) {
        let mut paid = claim.clone();
        paid.stay(program, sent, as_of)?;
        if !paid.differs {
            *claim = paid;
        }
    }
    Ok(())
}
