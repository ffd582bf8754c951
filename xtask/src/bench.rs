//! `cargo xtask bench`: ratios against real peers and bare baselines, in one run on one machine.

use anyhow::Result;

use crate::steps::{self, Step};

const MEASUREMENTS: &[Step] = &[];

pub(crate) fn run(only: &[String]) -> Result<()> {
    steps::run(MEASUREMENTS, only, &[])
}
