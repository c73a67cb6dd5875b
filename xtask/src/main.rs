use std::process::ExitCode;
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == xtask::process::GUARD) {
        return xtask::process::guard(arguments.skip(1).collect()).unwrap_or(ExitCode::FAILURE);
    }
    ExitCode::SUCCESS
}
