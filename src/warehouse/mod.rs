//! The only code that writes. In: record batches of a declared table. Out: immutable Parquet files
//! and snapshots that name them.

mod digest;
mod publisher;
mod snapshot;
mod spill;
mod store;
mod writer;

pub use digest::Digest;
pub use publisher::Publisher;
pub use snapshot::{Snapshot, TableState};
pub use spill::{Records, Spill, SpillWriter};
pub use store::{Fault, Store};
pub use writer::{DataFile, ROW_GROUP_ROWS, SealedFile, TableWriter, hex, sha256_of};
