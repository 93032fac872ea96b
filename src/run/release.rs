//! Memory that was freed goes back to the system. The allocator keeps it for a second, and looks only when
//! some large block is freed: while DuckDB works, which has an allocator of its own, nobody else would.

use std::hint::black_box;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often the allocator gets to look.
const PAUSE: Duration = Duration::from_millis(100);

/// Large enough that the allocator doesn't keep it for the next.
const BLOCK: usize = 1 << 20;

/// Acts, while what was freed before goes back to the system.
pub fn meanwhile<T>(act: impl FnOnce() -> T) -> T {
    let (acts, done) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while done.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
            }
        });
        let result = act();
        drop(acts);
        result
    })
}
