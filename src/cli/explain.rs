//! `earnest explain`
use super::{Done, Global};
use crate::error::Result;

/// explain
#[derive(clap::Args)]
pub struct Args {}

pub fn execute(_global: &Global, _args: &Args) -> Result<Done> {
    Ok(Done::Well)
}
