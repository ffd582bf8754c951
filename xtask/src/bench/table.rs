//! The one table at the end.

use super::statistics::Spread;

/// One line.
pub(super) struct Row {
    what: String,
    ours: String,
    peer: String,
    ratio: String,
    bar: &'static str,
}

impl Row {
    pub(super) fn new(what: impl Into<String>, ours: impl Into<String>, bar: &'static str) -> Self {
        Self {
            what: what.into(),
            ours: ours.into(),
            peer: String::new(),
            ratio: String::new(),
            bar,
        }
    }

    pub(super) fn against(mut self, peer: impl Into<String>) -> Self {
        self.peer = peer.into();
        self
    }

    pub(super) fn ratio(mut self, ratio: &Spread) -> Self {
        self.ratio = ratio.show(2);
        self
    }
}

/// All lines so far.
pub(super) struct Table(Vec<Row>);

impl Table {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a line and shows it at once.
    pub(super) fn add(&mut self, row: Row) {
        println!("{}", cells(&row).join(" | "));
        self.0.push(row);
    }

    /// Prints it as Markdown.
    pub(super) fn print(&self) {
        let head = ["what", "ours", "peer", "ratio", "bar"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head)
            .chain(self.0.iter().map(cells))
            .collect();
        let widths: Vec<usize> = (0..5)
            .map(|column| {
                rows.iter()
                    .map(|row| row[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for (number, row) in rows.iter().enumerate() {
            let line: Vec<_> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            println!("| {} |", line.join(" | "));
            if number == 0 {
                let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
                println!("| {} |", rules.join(" | "));
            }
        }
    }
}

fn cells(row: &Row) -> [String; 5] {
    [
        row.what.clone(),
        row.ours.clone(),
        row.peer.clone(),
        row.ratio.clone(),
        row.bar.to_owned(),
    ]
}
