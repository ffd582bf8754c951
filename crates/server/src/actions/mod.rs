//! Use cases: load, decide, save. One file each, named by what is done.

pub mod accounts;
pub mod apps;
pub mod kv;
pub mod publish;
