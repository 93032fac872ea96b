//! The one integration binary.

mod examples;
mod faults;
mod golden;
mod properties;
mod support;
mod tidy;
