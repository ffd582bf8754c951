//! The commands, a file each or a file a family.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod account_import;
pub(crate) mod apps;
pub(crate) mod config;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod kv;
pub(crate) mod login;
pub(crate) mod logs;
pub(crate) mod mail;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod services;
pub(crate) mod up;

use crate::arguments::Global;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::failure::Failure;

/// A client for the server that the options name.
pub(crate) fn connect(global: &Global) -> Result<Client, Failure> {
    Client::new(Credentials::load()?.target(global.server.as_deref())?)
}
