//! Whether the orders of a close wait for an approval, and by whom. In: the job's keys `approval` and
//! `approval_by`. Out: both, checked.

use crate::error::Result;
use crate::ingest::toml_file::{Text, TomlFile};

/// What makes the file of an approval somebody else's than who closed the cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalBy {
    /// The operating system says that another user owns it.
    #[default]
    Owner,
    /// Who may write its path is seen to elsewhere; its owner isn't looked at.
    File,
}

/// Whether orders wait for an approval.
pub(super) fn required(file: &TomlFile, written: Option<&Text>) -> Result<bool> {
    let Some(written) = written else { return Ok(false) };
    match written.get_ref().as_str() {
        "none" => Ok(false),
        "required" => Ok(true),
        found => {
            let message = format!("expected `approval` `required` or `none`, found `{found}`");
            Err(file.error(Some(written.span()), message))
        }
    }
}

/// What makes it somebody else's.
pub(super) fn by(file: &TomlFile, written: Option<&Text>, required: bool) -> Result<ApprovalBy> {
    let Some(written) = written else { return Ok(ApprovalBy::default()) };
    if !required {
        let message = "expected `approval = \"required\"` beside `approval_by`, found none";
        return Err(file
            .error(Some(written.span()), message)
            .hint("without it no order waits for an approval"));
    }
    match written.get_ref().as_str() {
        "owner" => Ok(ApprovalBy::Owner),
        "file" => Ok(ApprovalBy::File),
        found => {
            let message = format!("expected `approval_by` `owner` or `file`, found `{found}`");
            Err(file.error(Some(written.span()), message))
        }
    }
}
