//! Who a partner earns for on a day of a period, program by program: the participant, the requirements
//! it doesn't meet, its countries. Looked up once per partner and span of days.

use super::context::Context;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::reason::Reason;
use std::sync::Arc;

/// A participant in a period, with the requirements it doesn't meet, by precedence.
pub struct Holder {
    pub participant: i32,
    pub unmet: Arc<[Reason]>,
    /// Its countries on these days; none if no program asks for them.
    pub countries: Vec<String>,
}

/// Who a partner earns for until a day, program by program.
struct Span {
    /// First day after, since 1970.
    until: i32,
    holders: Vec<Result<Holder, Reason>>,
}

/// The holders of all partners in a period.
pub struct Holders<'a> {
    context: &'a Context<'a>,
    period: Period,
    /// By partner key.
    spans: Vec<Vec<Span>>,
}

impl<'a> Holders<'a> {
    pub fn new(context: &'a Context<'a>, period: Period) -> Holders<'a> {
        let spans = context.names.partners.values.iter().map(|_| Vec::new()).collect();
        Holders { context, period, spans }
    }

    /// Who a partner earns for on a day, by program.
    pub fn on(&mut self, partner: i32, on: i32) -> &[Result<Holder, Reason>] {
        let key = usize::try_from(partner).unwrap_or_default();
        if self.spans[key].is_empty() {
            self.spans[key] = self.find(partner);
        }
        let spans = &self.spans[key];
        let found = spans.iter().position(|span| on < span.until).unwrap_or(spans.len() - 1);
        &spans[found].holders
    }

    fn find(&self, partner: i32) -> Vec<Span> {
        let context = self.context;
        let within = |day: &NaiveDate| self.period.first_day() < *day && *day < self.period.end();
        let days = context.mapping_days(partner).chain(context.country_days(partner));
        let mut ends: Vec<NaiveDate> = days.filter(within).collect();
        ends.push(self.period.end());
        ends.sort_unstable();
        ends.dedup();
        let holders = |last: NaiveDate| {
            let holder = |program| {
                let participant = context.participant(program, partner, last)?;
                let countries = context.countries.on(participant, last);
                Ok(Holder { participant, unmet: self.unmet(program, participant), countries })
            };
            (0..context.programs.len()).map(holder).collect()
        };
        ends.iter()
            .map(|end| Span {
                until: end.to_epoch_days(),
                holders: holders(end.pred_opt().unwrap_or(*end)),
            })
            .collect()
    }

    /// The requirements that a participant doesn't meet in the period.
    fn unmet(&self, program: usize, participant: i32) -> Arc<[Reason]> {
        let participant = self.context.names.participants.text(participant);
        match self.context.decisions.verdict(program, participant, self.period) {
            Some(verdict) if verdict.eligible => Arc::new([]),
            Some(verdict) => verdict.reasons.clone().into(),
            None => Arc::new([Reason::NotEnrolled]),
        }
    }
}
