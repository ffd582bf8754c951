//! Times classifying, checking and rewriting a project whose `main.py` has 20,000 lines.
//!
//! Run it with `cargo run --release -p pysource --example large_file`.

use std::fmt::Write;
use std::time::Instant;

use pysource::{Options, Project};

fn main() {
    let mut text = String::from("from fastapi import FastAPI\n\napp = FastAPI()\n");
    let mut index = 0;
    while text.lines().count() < 20_000 {
        for _ in 0..100 {
            index += 1;
            let _ = write!(
                text,
                "\n\n@app.get(\"/items/{index}\")\nasync def item_{index}(q: str = \"\"):\n    \
                 rows = [x + {index} for x in range(10) if x]\n    name_{index} = f\"item {{q}}\"\n    \
                 return {{\"rows\": rows, \"name\": name_{index}}}\nLIMIT_{index} = min({index}, 10)\n"
            );
        }
    }
    let lines = text.lines().count();
    let project = Project::new([("main.py".to_owned(), text.into_bytes())].into());
    let begun = Instant::now();
    let classified = pysource::classify(&project, &Options::default()).expect("it has an app");
    report("classify", lines, begun);
    let begun = Instant::now();
    let rewritten = pysource::rewrite(&project, &classified, &[]);
    report("rewrite", lines, begun);
    assert!(!rewritten.wrapped);
    let begun = Instant::now();
    let findings = pysource::check(&project, &classified);
    report("check", lines, begun);
    let begun = Instant::now();
    pysource::dependencies(&project, &classified);
    report("dependencies", lines, begun);
    assert!(findings.iter().all(|finding| !finding.is_error()));
}

#[expect(
    clippy::print_stdout,
    reason = "an example that reports its measurements"
)]
fn report(what: &str, lines: usize, begun: Instant) {
    println!("{what}: {lines} lines in {:?}", begun.elapsed());
}
