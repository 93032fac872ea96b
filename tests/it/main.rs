//! The one integration binary.

mod faults;
mod golden;
mod properties;
mod support;
mod tidy;
