//! What can be typed after `vestibule keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Serving;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Lists the keys: the one that signs, the one that will, and those that only verify.
    List(Serving),
    /// Makes the next key and publishes it; it signs nothing until `rotate`.
    #[command(
        after_help = "Examples:\n  vestibule keys plan\n  vestibule keys plan --then-rotate     the running server switches when it may"
    )]
    Plan(KeysPlan),
    /// Makes the next key sign. Tokens of the old key stay good until they expire.
    #[command(
        after_help = "Examples:\n  vestibule keys rotate --wait\n  vestibule keys rotate --emergency     the key that signs has leaked"
    )]
    Rotate(KeysRotate),
    /// Takes out a key that is planned, or that was retired and has no tokens left.
    #[command(after_help = "Example:\n  vestibule keys retire fd92ea097db0775f")]
    Retire(KeysRetire),
    /// Takes over a private key from a PEM file: RSA of 2048 bits and more, or EC on P-256.
    #[command(
        after_help = "Examples:\n  vestibule keys import next.pem\n  vestibule keys import issuer.pem --current     services verify with it already"
    )]
    Import(KeysImport),
}

#[derive(Debug, Args)]
pub(crate) struct KeysPlan {
    /// Lets the running server switch to the key as soon as it may sign.
    #[arg(long)]
    pub(crate) then_rotate: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRotate {
    /// Waits until the next key may sign.
    #[arg(long)]
    pub(crate) wait: bool,
    /// The current key has leaked: takes it out at once, and all tokens that it signed end.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) emergency: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct KeysRetire {
    /// The key's id.
    #[arg(value_name = "KID")]
    pub(crate) kid: String,
    /// The key has leaked: takes it out even if it signs or its tokens are still good; they end.
    #[arg(long)]
    pub(crate) emergency: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}

#[derive(Debug, Args)]
pub(crate) struct KeysImport {
    /// The file; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Publishes it as the next key (the default).
    #[arg(long, conflicts_with = "current")]
    pub(crate) next: bool,
    /// Lets it sign at once. Only for a key that every service knows already.
    #[arg(long)]
    pub(crate) current: bool,
    #[command(flatten)]
    pub(crate) serving: Serving,
}
