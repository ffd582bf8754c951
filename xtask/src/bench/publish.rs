//! Publish with unchanged dependencies, and rollback, by the command line.

use std::time::Instant;

use anyhow::Result;

use super::{
    Bench,
    server::{Server, copy_app},
    statistics::Spread,
    table::Row,
};

const ROUNDS: usize = 5;

pub(super) fn measure(bench: &mut Bench) -> Result<()> {
    let server = bench.server()?;
    let origin = format!("http://{}", server.shell_host());
    server.home.run(
        &[
            "login",
            &origin,
            "--email",
            &server.owner.email,
            "--password-stdin",
        ],
        &server.owner.password,
    )?;
    let folder = server.home.folder.join("app");
    copy_app(&folder)?;
    let path = folder.display().to_string();
    let publish = |number: usize| -> Result<f64> {
        let main = folder.join("main.py");
        let text = std::fs::read_to_string(&main)?;
        std::fs::write(&main, format!("{text}\n# change {number}\n"))?;
        timed(server, &["publish", &path, "--slug", "measured", "--json"])
    };
    // The first brings the environment, unless another app with the same requirements did.
    publish(0)?;
    let (mut published, mut rolled_back) = (Spread::default(), Spread::default());
    for number in 1..=ROUNDS {
        published.push(publish(number)?);
    }
    for _ in 0..ROUNDS {
        rolled_back.push(timed(server, &["rollback", "measured", "--json"])?);
    }
    bench.table.add(Row::new(
        "publish, unchanged dependencies, by the command line",
        format!("{} s", published.show(2)),
        "< 3 s",
    ));
    bench.table.add(Row::new(
        "rollback, by the command line",
        format!("{} s", rolled_back.show(2)),
        "< 1 s",
    ));
    Ok(())
}

fn timed(server: &Server, arguments: &[&str]) -> Result<f64> {
    let begun = Instant::now();
    server.home.run(arguments, "")?;
    Ok(begun.elapsed().as_secs_f64())
}
