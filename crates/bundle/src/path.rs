//! Which paths may stand in a bundle, and which cannot stand beside each other.

use std::collections::HashMap;

use crate::Limits;

/// What is wrong with a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No name at all, or an empty part (`a//b`).
    #[error("it has an empty part")]
    Empty,
    /// It starts at the root or names a drive.
    #[error("it is absolute")]
    Absolute,
    /// A part is `.` or `..`.
    #[error("it has a `.` or `..` part")]
    Dots,
    /// A backslash, NUL, line end or another control character, also one that turns the direction of text around, so that a
    /// name shows as another one.
    #[error("it has a backslash or a control character")]
    Character,
    /// Not UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// Longer than the limit, or a part over 255 bytes.
    #[error("it is too long")]
    TooLong,
    /// More folders than the limit.
    #[error("it is too deep")]
    TooDeep,
    /// The same path stands twice.
    #[error("it occurs twice")]
    Duplicate,
    /// Another path differs in upper and lower case only.
    #[error("it differs from `{other}` in upper and lower case only")]
    CaseCollision {
        /// The other path.
        other: String,
    },
    /// It is a file here and a folder there.
    #[error("it is both a file and a folder")]
    FileAndFolder,
}

const fn turns_text(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Checks the form of a relative path with `/` between its parts.
pub(crate) fn check(path: &str, limits: &Limits) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.len() > limits.path_bytes {
        return Err(PathFault::TooLong);
    }
    if path
        .chars()
        .any(|character| character == '\\' || character.is_control() || turns_text(character))
    {
        return Err(PathFault::Character);
    }
    let bytes = path.as_bytes();
    if bytes[0] == b'/' || (bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':') {
        return Err(PathFault::Absolute);
    }
    let mut depth = 0;
    for part in path.split('/') {
        match part {
            "" => return Err(PathFault::Empty),
            "." | ".." => return Err(PathFault::Dots),
            _ if part.len() > 255 => return Err(PathFault::TooLong),
            _ => depth += 1,
        }
    }
    if depth > limits.depth + 1 {
        Err(PathFault::TooDeep)
    } else {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// Paths seen so far, folded to lower case.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    paths: HashMap<String, (String, Kind)>,
}

impl Seen {
    /// Records a file and its folders.
    pub(crate) fn file(&mut self, path: &str) -> Result<(), PathFault> {
        self.folders_of(path)?;
        if self.paths.contains_key(&path.to_lowercase()) {
            let (other, kind) = &self.paths[&path.to_lowercase()];
            return Err(match kind {
                _ if other != path => PathFault::CaseCollision {
                    other: other.clone(),
                },
                Kind::Folder => PathFault::FileAndFolder,
                Kind::File => PathFault::Duplicate,
            });
        }
        self.paths
            .insert(path.to_lowercase(), (path.to_owned(), Kind::File));
        Ok(())
    }

    /// Records a folder and its folders. The same folder may be named again.
    pub(crate) fn folder(&mut self, path: &str) -> Result<(), PathFault> {
        self.folders_of(path)?;
        self.one_folder(path)
    }

    fn folders_of(&mut self, path: &str) -> Result<(), PathFault> {
        path.match_indices('/')
            .try_for_each(|(end, _)| self.one_folder(&path[..end]))
    }

    fn one_folder(&mut self, path: &str) -> Result<(), PathFault> {
        match self.paths.get(&path.to_lowercase()) {
            Some((other, _)) if other != path => Err(PathFault::CaseCollision {
                other: other.clone(),
            }),
            Some((_, Kind::File)) => Err(PathFault::FileAndFolder),
            Some((_, Kind::Folder)) => Ok(()),
            None => {
                self.paths
                    .insert(path.to_lowercase(), (path.to_owned(), Kind::Folder));
                Ok(())
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_relative_paths_pass() {
        let limits = Limits {
            depth: 2,
            ..Limits::default()
        };
        for good in ["a", "a/b.py", "ä/ö", ".gitignore", "a b", "...", "a/b/c"] {
            assert_eq!(check(good, &limits), Ok(()), "{good}");
        }
        let cases = [
            ("", PathFault::Empty),
            ("a//b", PathFault::Empty),
            ("a/", PathFault::Empty),
            ("/etc/passwd", PathFault::Absolute),
            ("C:/x", PathFault::Absolute),
            ("c:x", PathFault::Absolute),
            ("../x", PathFault::Dots),
            ("a/../b", PathFault::Dots),
            ("./a", PathFault::Dots),
            ("a\\b", PathFault::Character),
            ("a\nb", PathFault::Character),
            ("a\0b", PathFault::Character),
            ("a\u{85}b", PathFault::Character),
            ("a\u{202e}yp.b", PathFault::Character),
            ("a/b/c/d", PathFault::TooDeep),
        ];
        for (bad, fault) in cases {
            assert_eq!(check(bad, &limits), Err(fault), "{bad:?}");
        }
        assert_eq!(check(&"a".repeat(256), &limits), Err(PathFault::TooLong));
        assert_eq!(check(&"a/".repeat(600), &limits), Err(PathFault::TooLong));
    }

    #[test]
    fn paths_that_cannot_stand_together_are_told_apart() {
        let mut seen = Seen::default();
        assert_eq!(seen.file("Src/a.py"), Ok(()));
        assert_eq!(seen.file("Src/a.py"), Err(PathFault::Duplicate));
        assert_eq!(
            seen.file("Src/A.py"),
            Err(PathFault::CaseCollision {
                other: "Src/a.py".into()
            })
        );
        assert_eq!(
            seen.file("src/b.py"),
            Err(PathFault::CaseCollision {
                other: "Src".into()
            })
        );
        assert_eq!(seen.file("Src"), Err(PathFault::FileAndFolder));
        assert_eq!(seen.file("Src/a.py/x"), Err(PathFault::FileAndFolder));
        assert_eq!(seen.folder("Src"), Ok(()));
        assert_eq!(seen.file("STRASSE"), Ok(()));
    }

    proptest! {
        #[test]
        fn a_path_that_passes_stays_inside(path in "[./\\\\a:\u{0}-\u{20}é]{0,12}") {
            if check(&path, &Limits::default()).is_ok() {
                let inside = std::path::Path::new(&path)
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(inside);
            }
        }
    }
}
