//! Ingest: from files as sources write them to staged tables, rejects and supersessions.

mod config;
mod deliveries;
mod failures;
mod feed;
mod readers;
mod rejects;
