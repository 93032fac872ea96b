//! Claims that were allowed before. In: claims as staged, and what the snapshot before published of them. Out:
//! those that were sent as they were then, whatever the export, the fund or an exchange rate says since, where
//! the export says something else `SENT_DIFFERS`; those that were allowed, which aren't tested again; and the
//! halves of both, whose co-op stays.

use super::claims::{Claims, Stray};
use super::statuses::Statuses;
use crate::closes::Closed;
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::fund::claims::Claim;
use earnest_core::program::Program;
use earnest_core::reason::ClaimReason;
use earnest_core::status::follow;
use std::collections::BTreeSet;

impl Claims {
    /// Lets claims stay as they were sent, or allowed.
    ///
    /// # Errors
    /// On overflow.
    pub fn keep(
        mut self,
        programs: &[Program],
        closed: &Closed,
        statuses: &Statuses,
        as_of: NaiveDate,
    ) -> Result<Claims> {
        let mut differing: BTreeSet<&str> = BTreeSet::new();
        for ((position, participant, claim_id), (order, known)) in &closed.published.allowed {
            let mut known = known.clone();
            known.sent_on = known.sent_on.filter(|day| *day <= as_of);
            let by_bank = order.as_deref().and_then(|order| {
                let said = statuses.of(*position, participant, order);
                follow(closed.claimed(order)?.due_on, said).sent_on
            });
            let is_sent = known.sent_on.or(by_bank).is_some();
            // As of an earlier day, what was allowed later isn't known.
            if !is_sent && closed.published.as_of.is_some_and(|day| as_of < day) {
                continue;
            }
            let account = (*position, participant.clone());
            let claims = self.by_account.get_mut(&account);
            let claims = claims.map_or(&mut [][..], Vec::as_mut_slice);
            let place = claims.binary_search_by(|claim| claim.claim_id.cmp(claim_id));
            let mut gone = Claim { claim_id: claim_id.clone(), ..Claim::default() };
            let claim = match place {
                Ok(place) => &mut claims[place],
                Err(_) if is_sent => &mut gone,
                Err(_) => continue,
            };
            let program = &programs[*position];
            let (half, overclaimed) = (known.half, known.overclaimed);
            claim.keep(program, (known, is_sent), as_of)?;
            differing.extend(claim.differs.then_some(claim_id.as_str()));
            let of_half = (*position, participant.clone(), half);
            let still = claim.sent.is_some() || !overclaimed && claim.is_allowed(half, program);
            if still && !closed.published.converted.contains(&of_half) {
                self.stay.insert(of_half);
            }
            if let Err(place) = place {
                self.by_account.entry(account).or_default().insert(place, gone);
            }
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
