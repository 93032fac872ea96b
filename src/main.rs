//! Arguments in, exit code out.

use std::process::ExitCode;

/// Columns of megabytes come and go by the thousand: the system's allocator gives each back to the
/// kernel and asks for it again, page by page.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(earnest::cli::main(std::env::args_os()))
}
