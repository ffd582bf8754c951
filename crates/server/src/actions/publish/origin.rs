//! From the lines of the rewritten copy back to those of the person's own files: a traceback names the latter.

use std::collections::HashMap;

/// Which lines publishing added to and took from each file, read from the release's diff.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// By path: the changed lines, in order.
    files: HashMap<String, Vec<Edit>>,
}

/// One changed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// This line of the copy is ours.
    Added(usize),
    /// Before this line of the copy one of the person's is missing.
    Removed(usize),
}

/// Where the app sees its tree.
const TREE: &str = "/app/";

impl Origin {
    /// Reads a unified diff. What cannot be read changes no line.
    pub fn from_diff(diff: &str) -> Self {
        let mut files: HashMap<String, Vec<Edit>> = HashMap::new();
        let mut file: Option<&str> = None;
        // The next line of the copy, and the lines left in the hunk on both sides.
        let (mut line, mut old_left, mut new_left) = (0_usize, 0_usize, 0_usize);
        for text in diff.lines() {
            let in_hunk = old_left > 0 || new_left > 0;
            if !in_hunk {
                if let Some(path) = text.strip_prefix("+++ ") {
                    let path = path.split('\t').next().unwrap_or(path);
                    file = Some(path.strip_prefix("b/").unwrap_or(path));
                } else if let Some((old, new)) = hunk(text) {
                    // An empty side begins at the line after the named one.
                    line = new.0.saturating_add(usize::from(new.1 == 0));
                    (old_left, new_left) = (old.1, new.1);
                }
                continue;
            }
            let edits = files
                .entry(file.unwrap_or_default().to_owned())
                .or_default();
            match text.as_bytes().first() {
                Some(b'+') => {
                    edits.push(Edit::Added(line));
                    line = line.saturating_add(1);
                    new_left = new_left.saturating_sub(1);
                }
                Some(b'-') => {
                    edits.push(Edit::Removed(line));
                    old_left = old_left.saturating_sub(1);
                }
                Some(b'\\') => {}
                _ => {
                    line = line.saturating_add(1);
                    old_left = old_left.saturating_sub(1);
                    new_left = new_left.saturating_sub(1);
                }
            }
        }
        Self { files }
    }

    /// The line of the person's file that a line of the copy came from; for an added one, the line above it.
    fn line(&self, file: &str, line: usize) -> usize {
        let edits = self.files.get(file).map_or(&[][..], Vec::as_slice);
        let (mut added, mut removed) = (0, 0);
        for edit in edits {
            match edit {
                Edit::Added(at) if *at <= line => added += 1,
                Edit::Removed(at) if *at <= line => removed += 1,
                _ => {}
            }
        }
        line.saturating_add(removed).saturating_sub(added).max(1)
    }

    /// A line of output as the person should read it: `File "/app/main.py", line 7` becomes `File "main.py", line 5`.
    pub fn translate(&self, text: &str) -> String {
        let quoted = format!("File \"{TREE}");
        let Some((before, rest)) = text.split_once(&quoted) else {
            return text.to_owned();
        };
        let Some((file, after)) = rest.split_once('"') else {
            return text.to_owned();
        };
        let digits = after.strip_prefix(", line ").map_or(0, |after| {
            after.bytes().take_while(u8::is_ascii_digit).count()
        });
        let Some(line) = after
            .get(", line ".len()..)
            .and_then(|after| after.get(..digits))
            .and_then(|digits| digits.parse().ok())
        else {
            return format!("{before}File \"{file}\"{after}");
        };
        let line = self.line(file, line);
        let after = &after[", line ".len() + digits..];
        format!("{before}File \"{file}\", line {line}{after}")
    }
}

/// First line and count of both sides of a hunk's head.
fn hunk(text: &str) -> Option<((usize, usize), (usize, usize))> {
    let (old, new) = text.strip_prefix("@@ -")?.split_once(" +")?;
    let side = |text: &str| {
        let text = text.split(' ').next()?;
        let (first, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((first.parse().ok()?, count.parse().ok()?))
    };
    Some((side(old)?, side(new)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use similar::TextDiff;

    use super::*;

    fn diff(old: &str, new: &str) -> String {
        TextDiff::from_lines(old, new)
            .unified_diff()
            .header("a/main.py", "b/main.py")
            .to_string()
    }

    #[test]
    fn a_traceback_names_the_line_that_the_person_wrote() {
        let old = "from fastapi import FastAPI\napp = FastAPI()\n\nraise ValueError\n";
        let new = "from fastapi import FastAPI\napp = FastAPI()\nimport x\nx.wire(app)\n\nraise ValueError\n";
        let origin = Origin::from_diff(&diff(old, new));
        for (shown, written) in [
            (
                "  File \"/app/main.py\", line 6, in <module>",
                "  File \"main.py\", line 4, in <module>",
            ),
            (
                "  File \"/app/main.py\", line 1",
                "  File \"main.py\", line 1",
            ),
            (
                "  File \"/app/other.py\", line 6, in f",
                "  File \"other.py\", line 6, in f",
            ),
            (
                "  File \"/usr/lib/x.py\", line 6, in f",
                "  File \"/usr/lib/x.py\", line 6, in f",
            ),
            ("File \"/app/main.py\", line ", "File \"main.py\", line "),
            ("File \"/app/main.py", "File \"/app/main.py"),
            ("nothing of the kind", "nothing of the kind"),
        ] {
            assert_eq!(origin.translate(shown), written);
        }
    }

    proptest! {
        #[test]
        fn every_line_that_was_kept_is_found_again(
            kept in prop::collection::vec("[a-z]{3}", 1..30),
            added in prop::collection::vec((0_usize..30, "[A-Z]{2}"), 0..6),
        ) {
            // Unique lines, so that the diff has one reading.
            let kept: Vec<_> = kept.iter().enumerate().map(|(n, text)| format!("{text}{n}\n")).collect();
            let mut new = kept.clone();
            for (at, text) in &added {
                new.insert(at % (new.len() + 1), format!("{text}\n"));
            }
            let origin = Origin::from_diff(&diff(&kept.concat(), &new.concat()));
            for (index, text) in new.iter().enumerate() {
                if let Some(written) = kept.iter().position(|line| line == text) {
                    prop_assert_eq!(origin.line("main.py", index + 1), written + 1);
                }
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(diff: String, line: String) {
            Origin::from_diff(&diff).translate(&line);
        }

        #[test]
        fn any_hunks_are_read_without_a_panic(lines in prop::collection::vec("(@@ -[0-9]{1,3},[0-9] \\+[0-9]{1,3},[0-9] @@|[-+ \\\\]x|\\+\\+\\+ b/main.py)", 0..20), at: usize) {
            let origin = Origin::from_diff(&lines.join("\n"));
            origin.translate(&format!("File \"/app/main.py\", line {at}"));
        }
    }
}
