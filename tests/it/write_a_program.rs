//! `docs/write-a-program.md` on its own files: its blocks are written where they say, its commands run in
//! their order, and print what it shows.

use crate::support::project;
use std::fs;
use std::process::Command;

/// A fenced block: its language, the file after it, its lines.
struct Block {
    language: String,
    file: String,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(_), true) => inside = false,
            (Some(info), false) => {
                let (language, file) = info.split_once(' ').unwrap_or((info, ""));
                let (language, file) = (language.to_owned(), file.to_owned());
                blocks.push(Block { language, file, lines: Vec::new() });
                inside = true;
            }
            (None, true) => blocks.last_mut().expect("a block").lines.push(line.to_owned()),
            (None, false) => {}
        }
    }
    blocks
}

#[test]
fn the_page_s_files_and_commands_do_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipelines = project().join("pipelines");
    std::os::unix::fs::symlink(pipelines, folder.path().join("pipelines")).expect("a link");
    let page = fs::read_to_string(project().join("docs/write-a-program.md")).expect("the page");
    let blocks = blocks(&page);
    for block in blocks.iter().filter(|block| !block.file.is_empty()) {
        let path = folder.path().join(&block.file);
        let before = fs::read_to_string(&path).unwrap_or_default();
        let between = if before.is_empty() { "" } else { "\n" };
        let text = format!("{before}{between}{}\n", block.lines.join("\n"));
        fs::write(&path, text).expect("written");
    }
    let (mut commands, mut shown) = (0, 0);
    let mut printed = String::new();
    for block in &blocks {
        match block.language.as_str() {
            "sh" => {
                printed.clear();
                for line in &block.lines {
                    let mut words = line.split(' ');
                    assert_eq!(words.next(), Some("earnest"), "`{line}`");
                    let output = Command::new(env!("CARGO_BIN_EXE_earnest"))
                        .current_dir(folder.path())
                        .args(words)
                        .output()
                        .expect("the binary runs");
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert_eq!(output.status.code(), Some(0), "`{line}`: {said}");
                    printed.push_str(&String::from_utf8_lossy(&output.stdout));
                    commands += 1;
                }
            }
            "text" => {
                shown += 1;
                let mut printed = printed.lines();
                for line in block.lines.iter().filter(|line| line.trim() != "…") {
                    let same = |found: &str| found == line;
                    assert!(printed.any(same), "expected `{line}`, in this order");
                }
            }
            _ => {}
        }
    }
    assert!(commands >= 5 && shown >= 2, "{commands} commands, {shown} outputs");
}
