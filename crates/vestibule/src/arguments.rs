//! What can be typed on the command line.

mod keys;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use keys::{KeysCommand, KeysImport, KeysPlan, KeysRetire, KeysRotate};

/// Publishes FastAPI apps behind sign-in, and runs the server that hosts them.
#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    arg_required_else_help = true,
    after_help = "Examples:\n  vestibule up examples/guestbook      start a server and publish a folder on it\n  \
                  vestibule login http://localhost:8080\n  vestibule publish .\n  vestibule logs guestbook -f\n\n\
                  Exit codes: 0 fine, 1 internal error, 2 usage, 3 findings of severity error, 4 build failed, 5 start \
                  or verify failed (the old version keeps serving), 6 not signed in or no right, 7 network, \
                  8 configuration missing, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Prints JSON on standard output, and nothing else there.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The server to talk to; otherwise the one signed in to last.
    #[arg(long, global = true, env = "VESTIBULE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Says only what went wrong.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Prints without colour (so does the environment variable `NO_COLOR`).
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Answers yes to questions.
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts a server here and publishes a folder on it: everything in one step.
    #[command(after_help = "Example:\n  vestibule up examples/guestbook")]
    Up(Up),
    /// Runs the server.
    #[command(
        after_help = "Example:\n  vestibule serve --data-dir /var/lib/vestibule --public-url https://vestibule.example.com \
                            --apps-domain apps.example.com"
    )]
    Serve(Serving),
    /// Explains the server's configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Manages accounts, on the data directory; the server may be running or not.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Tries the way to the mail server.
    #[command(subcommand)]
    Mail(MailCommand),
    /// Manages services that call the issuer in their own name, on the data directory; the server may be running or not.
    #[command(subcommand)]
    Services(ServicesCommand),
    /// Rotates the keys that sign access tokens, on the data directory; the server may be running or not.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Signs in to a server.
    #[command(
        after_help = "Examples:\n  vestibule login http://localhost:8080\n  printf %s \"$PASSWORD\" | vestibule login \
                            --email ada@example.com --password-stdin"
    )]
    Login(Login),
    /// Signs out and forgets the token.
    Logout,
    /// Shows who is signed in, and where.
    Whoami,
    /// Finds the app in a folder and checks it, offline.
    #[command(
        visible_alias = "doctor",
        after_help = "Example:\n  vestibule check . --json"
    )]
    Check(Project),
    /// Shows what publishing would change in the source; the folder itself stays as it is.
    Diff(Project),
    /// Publishes a folder.
    #[command(
        after_help = "Examples:\n  vestibule publish examples/guestbook\n  vestibule publish . --slug notes --message \
                            'sort by date'\n  VESTIBULE_SERVER=https://vestibule.example.com VESTIBULE_TOKEN=… vestibule publish . --json"
    )]
    Publish(Publish),
    /// Lists apps: yours and those shared with you.
    List,
    /// Shows one app.
    Info(App),
    /// Prints an app's log.
    #[command(
        after_help = "Examples:\n  vestibule logs guestbook -f\n  vestibule logs guestbook --build --version 3"
    )]
    Logs(Logs),
    /// Lists the releases of an app.
    Versions(App),
    /// Serves an earlier release again; data is not rolled back.
    #[command(
        after_help = "Examples:\n  vestibule rollback guestbook      the release before the live one\n  vestibule rollback guestbook 3"
    )]
    Rollback(Rollback),
    /// Restarts an app at the same release.
    Restart(App),
    /// Invites people to an app by their mail addresses.
    #[command(
        after_help = "Example:\n  vestibule share guestbook ada@example.com bob@example.com --own-copy"
    )]
    Share(Share),
    /// Lists who may open an app.
    People(App),
    /// Takes access away from a person, or takes back an invitation.
    Unshare(Unshare),
    /// Changes an app's flags.
    #[command(after_help = "Example:\n  vestibule set guestbook --public on --requires-auth off")]
    Set(Set),
    /// Reads and writes an app's stored data as its owner.
    #[command(subcommand)]
    Kv(KvCommand),
    /// Deletes an app and its data.
    Delete(Delete),
}

/// How to run the server; everything else is in `vestibule.toml` or the environment.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Serving {
    /// Where everything is kept [default: ./vestibule-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// The address people type to reach the shell [default: `http://localhost:PORT`].
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Apps are served at SLUG.DOMAIN [default: localhost].
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) apps_domain: Option<String>,
    /// Where Prometheus metrics are served; `off` for nowhere [default: 127.0.0.1:9464].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) admin_listen: Option<String>,
    /// A PostgreSQL address, to use instead of the embedded SQLite.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The configuration file [default: ./vestibule.toml if there is one].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The folder to publish; without one only the server starts.
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    pub(crate) options: PublishOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows each setting's value and where it comes from, secrets masked.
    Explain(Serving),
    /// Says what is wrong with the configuration, all of it at once; ends with 8 then, with 0 when it is good.
    #[command(
        after_help = "Examples:\n  vestibule config check\n  vestibule config check --config /etc/vestibule.toml --json"
    )]
    Check(Serving),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Makes an account.
    #[command(
        after_help = "Example:\n  printf %s \"$PASSWORD\" | vestibule account create --email ada@example.com --username ada \
                            --role user --password-stdin"
    )]
    Create(AccountCreate),
    /// Takes somebody's passkeys, authenticator app and recovery codes away.
    ///
    /// For a person who lost them: the password alone signs them in again, and they are told at their next sign-in. Make
    /// sure first that it is they who ask.
    #[command(after_help = "Example:\n  vestibule account reset-factors ada@example.com")]
    ResetFactors(AccountResetFactors),
    /// Takes over accounts of another program, with their password hashes.
    #[command(
        after_help = "Examples:\n  vestibule account import accounts.jsonl --dry-run\n  vestibule account import accounts.jsonl\n  \
                            psql -c \"copy (select …) to stdout csv header\" | vestibule account import - --format csv\n\n\
                            Fields: email, and any of id, username, full_name, avatar, role, is_active, email_verified,\n\
                            password_hash, providers, provider, oauth_user_id, created_at. Accounts that are there already\n\
                            are skipped, so the same can be run again. Ends with 3 when a line has a problem."
    )]
    Import(AccountImport),
    /// Shows the links that wait to be mailed, for a server without a mail server. That they were shown is on record.
    #[command(after_help = "Example:\n  vestibule account links ada@example.com")]
    Links(AccountLinks),
}

#[derive(Debug, Args)]
pub(crate) struct AccountResetFactors {
    /// The mail address or the username.
    #[arg(value_name = "EMAIL")]
    pub(crate) login: String,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct AccountImport {
    /// The file; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is written [default: by the file's name, or how it begins].
    #[arg(long, value_enum)]
    pub(crate) format: Option<ImportFormat>,
    /// Tries everything and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Takes names, roles and outside ids over for accounts that are there already; their passwords stay.
    #[arg(long)]
    pub(crate) update: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

/// How accounts are written in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated, the fields' names in the first line.
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct AccountLinks {
    /// Only those for this address.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Sends a test message through the configured mail server.
    #[command(after_help = "Example:\n  vestibule mail test ada@example.com")]
    Test(MailTest),
}

#[derive(Debug, Args)]
pub(crate) struct MailTest {
    /// Where to send it.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct AccountCreate {
    /// The mail address.
    #[arg(long)]
    pub(crate) email: String,
    /// The username: 3 to 30 of a-z, 0-9 and hyphens.
    #[arg(long)]
    pub(crate) username: String,
    /// user, reader, writer, admin or superadmin.
    #[arg(long, default_value = "user")]
    pub(crate) role: String,
    /// Reads the password from standard input; asked for otherwise.
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServicesCommand {
    /// Registers a service and shows its secret, once.
    #[command(
        after_help = "Examples:\n  vestibule services add item-service --audience items\n  printf %s \"$PRIVATE_API_SECRET\" | \
                            vestibule services add item-service --secret-stdin"
    )]
    Add(ServiceAdd),
    /// Lists the services.
    List(Serving),
    /// Shows one service.
    Show(ServiceNamed),
    /// Gives a service another secret; the old one, its tokens and its open streams end at once.
    #[command(after_help = "Example:\n  vestibule services rotate-secret item-service")]
    RotateSecret(ServiceRotate),
    /// Removes a service; what it was given is worthless at once.
    Remove(ServiceNamed),
}

#[derive(Debug, Args)]
pub(crate) struct ServiceAdd {
    /// The id it gives with each call: letters, digits, dots, underscores and hyphens.
    #[arg(value_name = "SERVICE")]
    pub(crate) id: String,
    /// The name people see [default: the id].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The audience of access tokens that are issued for it [default: the issuer's].
    #[arg(long)]
    pub(crate) audience: Option<String>,
    /// What it may ask; may be repeated. Known are introspection, api-key-introspection, event-stream and user-create.
    #[arg(long = "scope", visible_alias = "scopes", value_name = "SCOPE", value_delimiter = ',', default_values = ["introspection", "event-stream"])]
    pub(crate) scopes: Vec<String>,
    /// Takes the secret from standard input, for a service that has one already.
    #[arg(long)]
    pub(crate) secret_stdin: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceRotate {
    /// The service's id.
    #[arg(value_name = "SERVICE")]
    pub(crate) id: String,
    /// Takes the new secret from standard input instead of making one.
    #[arg(long)]
    pub(crate) secret_stdin: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceNamed {
    /// The service's id.
    #[arg(value_name = "SERVICE")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The server's address.
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Email address or username; signs in by password instead of by browser.
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// Reads the password from standard input; the code of a second factor may follow on the next line.
    #[arg(long, requires = "email")]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Project {
    /// The folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    /// The app object, for example `app.main:app`; found by itself otherwise.
    #[arg(long, value_name = "MODULE:ATTRIBUTE")]
    pub(crate) entry: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) options: PublishOptions,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PublishOptions {
    /// The name in the app's address [default: made from the folder's name].
    #[arg(long)]
    pub(crate) slug: Option<String>,
    /// The name people see [default: the folder's name].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The app object, for example `app.main:app`; found by itself otherwise.
    #[arg(long, value_name = "MODULE:ATTRIBUTE")]
    pub(crate) entry: Option<String>,
    /// A note kept with the version.
    #[arg(long, short)]
    pub(crate) message: Option<String>,
    /// Lists the app on discovery pages.
    #[arg(long, overrides_with = "private")]
    pub(crate) public: bool,
    /// Does not list it.
    #[arg(long, overrides_with = "public")]
    pub(crate) private: bool,
    /// Lets people in without sign-in.
    #[arg(long, overrides_with = "gated")]
    pub(crate) open: bool,
    /// Asks for sign-in.
    #[arg(long, overrides_with = "open")]
    pub(crate) gated: bool,
    /// Publishes even when nothing changed since the live version.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct App {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
    /// Keeps printing new lines until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The build log instead of the run log.
    #[arg(long)]
    pub(crate) build: bool,
    /// Of this release [default: the live one].
    #[arg(long, id = "release", value_name = "N")]
    pub(crate) version: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
    /// The release to serve [default: the one before the live one].
    #[arg(value_name = "N")]
    pub(crate) release: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Share {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
    /// Mail addresses.
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<String>,
    /// Invitees see and edit the same shared data as you (the default).
    #[arg(long, conflicts_with = "own_copy")]
    pub(crate) join: bool,
    /// Each invitee gets shared data of their own, which only they and you see.
    #[arg(long)]
    pub(crate) own_copy: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Unshare {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
    /// A mail address or username.
    #[arg(value_name = "WHO")]
    pub(crate) who: String,
}

/// A switch as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl From<Switch> for bool {
    fn from(switch: Switch) -> Self {
        switch == Switch::On
    }
}

/// What uninvited viewers of an app open to all get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Newcomers {
    /// Shared data of their own.
    OwnGroup,
    /// The owner's shared data.
    Join,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
    /// Listed on discovery pages.
    #[arg(long, value_name = "ON|OFF")]
    pub(crate) public: Option<Switch>,
    /// Sign-in is needed to open it.
    #[arg(long, value_name = "ON|OFF")]
    pub(crate) requires_auth: Option<Switch>,
    /// The name people see.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What uninvited viewers of an app open to all get.
    #[arg(long, value_name = "WHAT")]
    pub(crate) newcomers: Option<Newcomers>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Prints the value of a key.
    Get {
        /// The app's slug.
        #[arg(value_name = "APP")]
        slug: String,
        /// The key, for example `shared:entries`.
        key: String,
    },
    /// Stores a JSON value; read from standard input when it is `-`.
    Set {
        /// The app's slug.
        #[arg(value_name = "APP")]
        slug: String,
        /// The key, for example `shared:entries`.
        key: String,
        /// The value as JSON.
        value: String,
    },
    /// Deletes a key.
    Delete {
        /// The app's slug.
        #[arg(value_name = "APP")]
        slug: String,
        /// The key, for example `shared:entries`.
        key: String,
    },
    /// Lists keys that start with a prefix.
    List {
        /// The app's slug.
        #[arg(value_name = "APP")]
        slug: String,
        /// For example `shared:`; your own personal keys when left out.
        #[arg(default_value = "")]
        prefix: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The app's slug.
    #[arg(value_name = "APP")]
    pub(crate) slug: String,
    /// Repeats the slug, instead of being asked.
    #[arg(long, value_name = "APP")]
    pub(crate) confirm: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
