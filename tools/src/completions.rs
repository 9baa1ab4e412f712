//! `completions`: what a shell needs to complete the command line.

use crate::cli::Cli;
use crate::error::{Result, ToolError};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use std::io::Write as _;

/// Options of `completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  selvedge completions bash > /etc/bash_completion.d/selvedge
  selvedge completions zsh > \"${fpath[1]}/_selvedge\"
  selvedge completions fish > ~/.config/fish/completions/selvedge.fish")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints them.
pub fn run(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "selvedge", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(ToolError::host("print the completions"))
}
