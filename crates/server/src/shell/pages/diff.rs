//! A unified diff as rows of a page.

/// What changed in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Its path.
    pub path: String,
    /// It is new.
    pub is_new: bool,
    /// How many lines were added.
    pub added: usize,
    /// How many lines were cut.
    pub cut: usize,
    /// Its lines, hunk after hunk.
    pub lines: Vec<DiffLine>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// What became of it.
    pub kind: LineKind,
    /// Its number in the user's file.
    pub old: Option<u32>,
    /// Its number in the published file.
    pub new: Option<u32>,
    /// Without its sign and line end.
    pub text: String,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// It stayed.
    Same,
    /// It was added.
    Added,
    /// It was cut.
    Cut,
    /// Lines are left out here.
    Hunk,
}

/// Reads a unified diff (POSIX `diff -u`). Lines that belong to no hunk are left out; nothing is an error.
///
/// The line counts in the heads of hunks are not relied on, since not every maker of diffs gets them right: a file
/// begins where three lines in a row look like its head.
pub fn parse_unified(text: &str) -> Vec<FileDiff> {
    let mut files: Vec<FileDiff> = Vec::new();
    let (mut old, mut new) = (0_u32, 0_u32);
    let mut lines = text.split_terminator('\n');
    while let Some(line) = lines.next() {
        if let Some(file) = file_head(line, lines.clone()) {
            files.push(file);
            lines.next();
            continue;
        }
        let Some(file) = files.last_mut() else {
            continue;
        };
        if let Some(first) = hunk_head(line) {
            (old, new) = first;
            if !file.lines.is_empty() || old > 1 {
                let text = format!("line {new}");
                file.lines.push(DiffLine {
                    kind: LineKind::Hunk,
                    old: None,
                    new: None,
                    text,
                });
            }
            continue;
        }
        let (kind, text) = match line.as_bytes().first() {
            Some(b'+') => (LineKind::Added, &line[1..]),
            Some(b'-') => (LineKind::Cut, &line[1..]),
            Some(b' ') => (LineKind::Same, &line[1..]),
            // "\ No newline at end of file" says something about the line before.
            _ => continue,
        };
        file.added += usize::from(kind == LineKind::Added);
        file.cut += usize::from(kind == LineKind::Cut);
        let mut row = DiffLine {
            kind,
            old: None,
            new: None,
            text: text.trim_end_matches('\r').into(),
        };
        if kind != LineKind::Added {
            row.old = Some(old);
            old = old.saturating_add(1);
        }
        if kind != LineKind::Cut {
            row.new = Some(new);
            new = new.saturating_add(1);
        }
        file.lines.push(row);
    }
    files
}

/// The file that begins at `line`, if it does.
fn file_head<'a>(line: &str, mut following: impl Iterator<Item = &'a str>) -> Option<FileDiff> {
    let old = line.strip_prefix("--- ")?;
    let new = following.next()?.strip_prefix("+++ ")?;
    hunk_head(following.next()?)?;
    Some(FileDiff {
        path: clean_path(new),
        is_new: old.trim_end() == "/dev/null",
        added: 0,
        cut: 0,
        lines: Vec::new(),
    })
}

/// `b/main.py<TAB>2026-…` is `main.py`.
fn clean_path(path: &str) -> String {
    let path = path.split('\t').next().unwrap_or(path).trim_end();
    path.strip_prefix("b/").unwrap_or(path).to_owned()
}

/// `@@ -1,3 +1,4 @@`: the first line before and after.
fn hunk_head(line: &str) -> Option<(u32, u32)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let first = |range: &str| range.split(',').next()?.parse().ok();
    Some((first(old)?, first(new)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_diff_becomes_numbered_lines() {
        let files = parse_unified(
            "--- a/main.py\n+++ b/main.py\n@@ -1,3 +1,4 @@\n import os\n-app = 1\n+app = 2\n+wire(app)\n \n\
             --- /dev/null\n+++ b/vestibule.py\n@@ -0,0 +1 @@\n+-- looks like a head\n",
        );
        assert_eq!(files.len(), 2);
        let rows: Vec<_> = files[0]
            .lines
            .iter()
            .map(|row| (row.kind, row.old, row.new))
            .collect();
        assert_eq!(
            rows,
            [
                (LineKind::Same, Some(1), Some(1)),
                (LineKind::Cut, Some(2), None),
                (LineKind::Added, None, Some(2)),
                (LineKind::Added, None, Some(3)),
                (LineKind::Same, Some(3), Some(4)),
            ]
        );
        assert_eq!(
            (files[0].added, files[0].cut, files[0].is_new),
            (2, 1, false)
        );
        assert_eq!(
            (files[1].path.as_str(), files[1].is_new),
            ("vestibule.py", true)
        );
        assert_eq!(files[1].lines[0].text, "-- looks like a head");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "([-+@ \\\\é][-+@ 0-9,é]{0,12}\n){0,30}") {
            let _ = parse_unified(&text);
        }

        #[test]
        fn a_made_diff_keeps_every_line(old in "([a-c+@-]{0,4}\n){0,12}", new in "([a-c+@-]{0,4}\n){0,12}") {
            let diff = similar::TextDiff::from_lines(old.as_str(), new.as_str());
            let text = diff.unified_diff().header("a/f", "b/f").to_string();
            let count = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
            let files = parse_unified(&text);
            let added: usize = files.iter().map(|file| file.added).sum();
            let cut: usize = files.iter().map(|file| file.cut).sum();
            prop_assert_eq!(added, count(similar::ChangeTag::Insert));
            prop_assert_eq!(cut, count(similar::ChangeTag::Delete));
        }
    }
}
