//! House chores: `cargo xtask test` proves everything, `cargo xtask bench` measures, `cargo xtask tidy` checks the house.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its terminal"
)]

mod bench;
mod browser;
mod interop;
mod python;
mod sdk;
mod shell;
mod steps;
mod system;
mod test;
mod tidy;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "House chores of Vestibule")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs every check and every test, installing the tools they need.
    Test {
        /// Runs only these steps.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Leaves these steps out.
        #[arg(long, value_delimiter = ',')]
        skip: Vec<String>,
        /// Lists the steps and stops.
        #[arg(long)]
        list: bool,
    },
    /// Measures against real peers and bare baselines, as ratios in one run.
    Bench {
        /// Runs only these measurements.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// The cargo profile that is measured; `release` takes minutes longer to build.
        #[arg(long, default_value = "bench-fast")]
        profile: String,
    },
    /// Checks house rules that no compiler knows.
    Tidy,
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    std::env::set_current_dir(system::root())?;
    match Arguments::parse().chore {
        Chore::Test { only, skip, list } => test::run(&only, &skip, list),
        Chore::Bench { only, profile } => bench::run(&only, &profile),
        Chore::Tidy => tidy::run(),
    }
}
