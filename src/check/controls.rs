//! What segregation of duties lacks, as far as the file system tells. In: the job and its warehouse. Out:
//! doubts. Who may write what is the file system's or CI's to say, not `earnest`'s; this only looks.

use super::doubt::Doubt;
use crate::job::{ApprovalBy, Job};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who runs this process.
pub struct Who {
    pub uid: u32,
    pub groups: Vec<u32>,
}

impl Who {
    /// The user and groups of this process; `None` where the system doesn't tell.
    #[must_use]
    pub fn runs() -> Option<Who> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let numbers = |key: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
        };
        let uid = *numbers("Uid:").get(1)?;
        let mut groups = numbers("Groups:");
        groups.extend(numbers("Gid:").get(1));
        Some(Who { uid, groups })
    }

    fn may_write(&self, metadata: &Metadata) -> bool {
        let mode = metadata.mode();
        let own = metadata.uid() == self.uid && mode & 0o200 != 0;
        let group = self.groups.contains(&metadata.gid()) && mode & 0o020 != 0;
        self.uid == 0 || own || group || mode & 0o002 != 0
    }
}

/// What lacks segregation: of the rules, the exports, and the warehouse.
#[must_use]
pub fn controls(job: &Job, warehouse: &Path, who: Option<&Who>) -> Vec<Doubt> {
    let rules = rules(job);
    let mut doubts = Vec::new();
    let sources = job.sources.iter().map(|source| source.root.clone());
    let mut all: Vec<PathBuf> = rules.iter().cloned().chain(sources).collect();
    all.push(warehouse.to_owned());
    all.sort();
    all.dedup();
    doubts.extend(all.iter().filter_map(|path| open_to_others(path)));
    if let Some(who) = who {
        doubts.extend(one_hand(job, &rules, warehouse, who));
    }
    if !job.approval_required {
        let message = "expected that orders of a closed cycle wait for somebody else's approval, found that \
                       they don't";
        let remedy = "set `approval = \"required\"` in the job; `earnest approve` then takes a file of the \
                      approver's, on a path that who closes can't write";
        doubts.push(Doubt::warning(job.file.display().to_string(), message, remedy));
    }
    if job.approval_required && job.approval_by == ApprovalBy::File {
        let message = "expected approvals whose file belongs to somebody else than who closed the cycle, found \
                       `approval_by = \"file\"`: whoever may write the file approves, its owner isn't looked \
                       at";
        let remedy = "leave it out where files belong to people; in an object store or a checkout of CI, \
                      where they don't, let only approvers write the path";
        doubts.push(Doubt::warning(job.file.display().to_string(), message, remedy));
    }
    if !versioned(&job.file) {
        let message =
            "expected the job and its programs under version control, found no repository";
        let remedy = "keep them in one, and let CI deliver them: its history says who changed what";
        doubts.push(Doubt::warning(job.file.display().to_string(), message, remedy));
    }
    doubts
}

/// The files that say what is earned and paid, and the folders that hold them.
fn rules(job: &Job) -> Vec<PathBuf> {
    let folder = |path: &Path| path.parent().map(Path::to_owned);
    let mut rules = vec![job.file.clone()];
    rules.extend(folder(&job.file));
    rules.extend(job.programs.iter().cloned());
    rules.extend(job.programs.iter().filter_map(|path| folder(path)));
    rules.push(job.reports.clone());
    rules.retain(|path| !path.as_os_str().is_empty());
    rules.sort();
    rules.dedup();
    rules
}

/// Others than the owner may write it.
fn open_to_others(path: &Path) -> Option<Doubt> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    // In a folder with the sticky bit everybody only reaches their own files.
    let reach = if mode & 0o1000 != 0 { 0o020 } else { 0o022 };
    let whose = match mode & reach {
        0 => return None,
        0o020 => "its group",
        _ => "everybody",
    };
    let message =
        format!("expected that only its owner writes it, found mode {mode:04o}: {whose} may");
    let remedy = format!("chmod go-w {}", path.display());
    Some(Doubt::warning(path.display().to_string(), message, remedy))
}

/// Who runs the job may also change its rules, or what was received.
fn one_hand(job: &Job, rules: &[PathBuf], warehouse: &Path, who: &Who) -> Vec<Doubt> {
    let may_write =
        |path: &Path| std::fs::metadata(path).is_ok_and(|metadata| who.may_write(&metadata));
    let mut doubts = Vec::new();
    let place = warehouse.display().to_string();
    if who.uid == 0 {
        let message = "expected a user of its own that runs `earnest`, found root, who may do all";
        let remedy = "run it as a user that owns the warehouse and nothing else";
        doubts.push(Doubt::warning(place, message, remedy));
        return doubts;
    }
    if !may_write(warehouse) {
        return doubts;
    }
    if let Some(path) = rules.iter().find(|path| may_write(path)) {
        let message = format!(
            "expected rules that who writes the warehouse can't change, found that this user (uid {}) may \
             write `{}`",
            who.uid,
            path.display()
        );
        let remedy = "let another user, or CI, own the job, the programs and the reports";
        doubts.push(Doubt::warning(&place, message, remedy));
    }
    if let Some(source) = job.sources.iter().find(|source| may_write(&source.root)) {
        let message = format!(
            "expected exports that who writes the warehouse can't change, found that this user (uid {}) \
             may write `{}`",
            who.uid,
            source.root.display()
        );
        let remedy =
            "let whoever delivers the exports own their folders; `earnest` only reads them";
        doubts.push(Doubt::warning(&place, message, remedy));
    }
    doubts
}

/// A repository lies in a folder above.
fn versioned(path: &Path) -> bool {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().any(|folder| folder.join(".git").exists())
}
