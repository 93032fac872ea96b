//! What is used and left of every cap, as a table.

use super::context::Context;
use super::credits::Balance;
use crate::columns;
use crate::error::Result;
use crate::schema::{self, Kind};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use earnest_core::program::cap::CapOn;
use std::sync::Arc;

/// One row per balance, in their order.
///
/// # Errors
/// Never, but for a bug.
pub fn table(context: &Context, balances: &[Balance]) -> Result<RecordBatch> {
    let texts = |text: &dyn Fn(&Balance) -> Option<String>| -> ArrayRef {
        Arc::new(balances.iter().map(text).collect::<StringArray>())
    };
    let money = |amount: &dyn Fn(&Balance) -> i128| {
        columns::decimals(Kind::Money, balances.iter().map(amount).collect::<Vec<i128>>())
    };
    let program = |balance: &Balance| &context.programs[balance.scope.program];
    let cap = |balance: &Balance| &program(balance).caps[balance.scope.cap];
    let participants = &context.names.participants;
    let columns: Vec<ArrayRef> = vec![
        texts(&|balance| Some(program(balance).program.clone())),
        texts(&|balance| Some(cap(balance).cap.clone())),
        texts(&|balance| {
            let limits = if cap(balance).on == CapOn::Payout { "payout" } else { "base" };
            Some(limits.to_owned())
        }),
        texts(&|balance| balance.scope.participant.map(|key| participants.text(key).to_owned())),
        texts(&|balance| balance.scope.customer.clone()),
        texts(&|balance| Some(balance.scope.window.to_string())),
        texts(&|balance| Some(cap(balance).window.last(balance.scope.window).to_string())),
        texts(&|balance| Some(program(balance).currency.clone())),
        money(&|balance| cap(balance).limit)?,
        money(&|balance| balance.gross)?,
        money(&|balance| balance.used)?,
        money(&|balance| balance.left)?,
        texts(&|balance| balance.scope.company.clone()),
    ];
    columns::batch(&schema::CAP_BALANCES, columns)
}
