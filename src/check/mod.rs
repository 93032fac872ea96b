//! Named checks.
