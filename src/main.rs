//! The `intransit` command.

fn main() -> std::process::ExitCode {
    intransit::cli::main()
}
