//! What a unit's lines add to windows, found by key.

use super::{Added, WindowKey};
use earnest_core::calendar::Period;
use std::collections::HashMap;

/// What a unit's lines add, by window and the month whose rules rule. It is kept apart from the keys, so that these stay small, and in
/// chunks, so that it isn't copied while it grows.
#[derive(Default)]
pub struct AddedByWindow {
    places: HashMap<(WindowKey, Period), usize, foldhash::fast::RandomState>,
    pub chunks: Vec<Vec<(WindowKey, Added)>>,
}

/// Windows of a chunk.
const CHUNK: usize = 1024;

impl AddedByWindow {
    pub fn get_mut(&mut self, key: (WindowKey, Period)) -> Option<&mut Added> {
        let place = *self.places.get(&key)?;
        Some(&mut self.chunks[place / CHUNK][place % CHUNK].1)
    }

    pub fn insert(&mut self, key: WindowKey, added: Added) {
        self.places.insert((key, added.booked.rules), self.places.len());
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push((key, added)),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push((key, added));
                self.chunks.push(chunk);
            }
        }
    }
}
