//! Accounts that go through their cycles together. In: the accounts of one participant whose programs name
//! the same offset group, sorted by program and earning type; an account of no group is alone. Out: each
//! settled; in every cycle, before anything is decided, what is negative in one was taken from what is
//! positive in others. Closed cycles take what they recorded.

use super::cycles::{Account, Walk, World};
use crate::closes::Offset;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::offset::offset;
use earnest_core::waterfall::Movements;
use std::collections::BTreeMap;

/// The lever under which what was offset stands among a payment's items.
pub const LEVER: &str = "offset";

/// Groups accounts, which are sorted by participant, program and earning type.
pub fn groups<'g, 'a>(
    accounts: impl Iterator<Item = &'g mut Account<'a>>,
) -> Vec<Vec<&'g mut Account<'a>>> {
    let (mut alone, mut together) = (Vec::new(), BTreeMap::new());
    for account in accounts {
        match account.program.payment.offset_group.as_deref() {
            None => alone.push(vec![account]),
            Some(group) => {
                let key = (account.participant, group);
                together.entry(key).or_insert_with(Vec::new).push(account);
            }
        }
    }
    alone.extend(together.into_values());
    alone
}

/// Settles every cycle of a group that is due.
///
/// # Errors
/// If an account doesn't go on from what closed cycles recorded, or an amount overflows.
pub fn settle<'a>(accounts: &mut [&mut Account<'a>], world: &World<'_, 'a>) -> Result<()> {
    match accounts {
        [account] => alone(account, world),
        accounts => together(accounts, world),
    }
}

/// Nothing is offset in open cycles; closed ones may have recorded it.
fn alone<'a>(account: &mut Account<'a>, world: &World<'_, 'a>) -> Result<()> {
    let (kind, participant) = (account.earning_type, account.participant);
    let offsets = world.closed.offsets(account.position, kind, participant);
    let Some(mut walk) = account.start(world) else { return Ok(()) };
    while account.goes_on(world, &walk) {
        let mut movements = account.enter(world, &mut walk);
        let cycle = walk.cycle;
        for offset in offsets.iter().filter(|offset| offset.cycle == cycle) {
            account.offset(&mut walk, &mut movements, offset.clone())?;
        }
        account.advance(world, &mut walk, movements)?;
    }
    Ok(())
}

fn together<'a>(accounts: &mut [&mut Account<'a>], world: &World<'_, 'a>) -> Result<()> {
    let mut walks: Vec<Option<Walk>> =
        accounts.iter_mut().map(|account| account.start(world)).collect();
    while let Some(cycle) = next(accounts, &walks, world) {
        let mut entered: Vec<(usize, Movements)> = Vec::new();
        for (place, walk) in walks.iter_mut().enumerate() {
            if let Some(walk) = walk.as_mut().filter(|walk| walk.cycle == cycle)
                && accounts[place].goes_on(world, walk)
            {
                entered.push((place, accounts[place].enter(world, walk)));
            }
        }
        let offsets = match world.closed.is_closed(cycle) {
            true => recorded(accounts, world, cycle),
            false => decided(accounts, &entered, cycle),
        };
        for (place, offset) in offsets {
            let of = entered.iter_mut().find(|(entered, _)| *entered == place);
            if let (Some((_, movements)), Some(walk)) = (of, &mut walks[place]) {
                accounts[place].offset(walk, movements, offset)?;
            }
        }
        for (place, movements) in entered {
            if let Some(walk) = &mut walks[place] {
                accounts[place].advance(world, walk, movements)?;
            }
        }
    }
    Ok(())
}

/// The next cycle that some account passes.
fn next(accounts: &[&mut Account], walks: &[Option<Walk>], world: &World) -> Option<Period> {
    let walks = accounts.iter().zip(walks);
    let walks = walks.filter_map(|(account, walk)| Some((account, walk.as_ref()?)));
    walks.filter(|(account, walk)| account.goes_on(world, walk)).map(|(_, walk)| walk.cycle).min()
}

/// What a closed cycle recorded, by account.
fn recorded(accounts: &[&mut Account], world: &World, cycle: Period) -> Vec<(usize, Offset)> {
    let each = accounts.iter().enumerate().flat_map(|(place, account)| {
        let (kind, participant) = (account.earning_type, account.participant);
        let offsets = world.closed.offsets(account.position, kind, participant).iter();
        offsets.filter(|offset| offset.cycle == cycle).map(move |offset| (place, offset.clone()))
    });
    each.collect()
}

/// What an open cycle offsets, both sides of each transfer.
fn decided(
    accounts: &[&mut Account],
    entered: &[(usize, Movements)],
    cycle: Period,
) -> Vec<(usize, Offset)> {
    let balances: Vec<i128> = entered.iter().map(|(_, movements)| movements.closing()).collect();
    let side = |of: usize, other: usize, amount: i128| {
        let (place, other) = (entered[of].0, &accounts[entered[other].0]);
        let counterpart = (other.program.program.clone(), other.earning_type);
        (place, Offset { cycle, amount, counterpart })
    };
    let transfers = offset(&balances).into_iter();
    transfers
        .flat_map(|one| [side(one.from, one.to, -one.amount), side(one.to, one.from, one.amount)])
        .collect()
}
