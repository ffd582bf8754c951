//! Use cases: load, decide, save. One file each, named by what is done.

pub mod accounts;
pub mod api_keys;
pub mod apps;
pub mod housekeeping;
pub mod kv;
pub mod publish;
pub mod services;
pub mod signing_keys;
