//! The binary: what was typed becomes a command, its outcome an exit code.

mod arguments;
mod client;
mod commands;
mod credentials;
mod failure;
mod lines;
mod output;
#[cfg(test)]
mod reference;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{AccountCommand, Arguments, Command, ConfigCommand, MailCommand};
use crate::commands::{
    access, account, account_import, apps, config, connect, inspect, keys, kv, login, logs, mail,
    publish, serve, services, up,
};
use crate::failure::{Code, Failure, Outcome};
use crate::output::Output;

// Small allocations by many threads are what a gateway does all day; measured 1.2 times the system's throughput.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(&arguments.global);
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("nothing installed a provider before main");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the runtime starts");
    match runtime.block_on(run(arguments, output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code as u8)
        }
    }
}

async fn run(arguments: Arguments, output: Output) -> Outcome {
    let Arguments { global, command } = arguments;
    let runs_server = matches!(command, Command::Up(_) | Command::Serve(_));
    let works_there = matches!(
        command,
        Command::Publish(_) | Command::Rollback(_) | Command::Restart(_)
    );
    let work = async {
        match command {
            Command::Up(arguments) => up::run(&arguments, output).await,
            Command::Serve(serving) => serve::run(&serving, output).await,
            Command::Config(ConfigCommand::Explain(serving)) => config::explain(&serving, output),
            Command::Account(AccountCommand::ResetFactors(arguments)) => {
                account::reset_factors(&arguments, output).await
            }
            Command::Config(ConfigCommand::Check(serving)) => config::check(&serving, output),
            Command::Account(AccountCommand::Create(arguments)) => {
                account::create(&arguments, output).await
            }
            Command::Account(AccountCommand::Import(arguments)) => {
                account_import::import(&arguments, output).await
            }
            Command::Account(AccountCommand::Links(arguments)) => {
                mail::links(&arguments, output).await
            }
            Command::Mail(MailCommand::Test(arguments)) => mail::test(&arguments, output).await,
            Command::Services(command) => services::run(command, output).await,
            Command::Keys(command) => keys::run(&command, output).await,
            Command::Login(arguments) => login::login(&global, &arguments, output).await,
            Command::Logout => login::logout(&global, output).await,
            Command::Whoami => login::whoami(&global, output).await,
            Command::Check(project) => inspect::check(&project, output),
            Command::Diff(project) => inspect::diff(&project, output),
            Command::Publish(arguments) => publish::run(
                &connect(&global)?,
                &arguments.directory,
                &arguments.options,
                output,
            )
            .await
            .map(drop),
            Command::List => apps::list(&connect(&global)?, output).await,
            Command::Info(app) => apps::info(&connect(&global)?, &app.slug, output).await,
            Command::Logs(arguments) => logs::run(&connect(&global)?, &arguments, output).await,
            Command::Versions(app) => apps::versions(&connect(&global)?, &app.slug, output).await,
            Command::Rollback(arguments) => {
                apps::rollback(&connect(&global)?, &arguments, output).await
            }
            Command::Restart(app) => apps::restart(&connect(&global)?, &app.slug, output).await,
            Command::Share(arguments) => {
                access::share(&connect(&global)?, &arguments, output).await
            }
            Command::People(app) => access::people(&connect(&global)?, &app.slug, output).await,
            Command::Unshare(arguments) => {
                access::unshare(&connect(&global)?, &arguments, output).await
            }
            Command::Set(arguments) => apps::set(&connect(&global)?, &arguments, output).await,
            Command::Kv(command) => kv::run(&connect(&global)?, &command, output).await,
            Command::Delete(arguments) => {
                apps::delete(&connect(&global)?, &arguments, global.yes, output).await
            }
        }
    };
    // The server commands stop by themselves on Ctrl-C, in order; the others are simply cut off.
    if runs_server {
        return work.await;
    }
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Code::Interrupted, if works_there {
            "interrupted; what the server has begun goes on there"
        } else {
            "interrupted"
        })),
    }
}
