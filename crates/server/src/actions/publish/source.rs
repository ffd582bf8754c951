//! Moving a project between disk and `pysource`, which knows only values.

use std::{collections::BTreeMap, fs, io, path::Path};

use pysource::Project;

/// Files larger than this are never source text; their names count, their contents do not.
const LARGEST_TEXT: u64 = 8 * 1024 * 1024;

/// Reads a project from a folder that was unpacked by us: no links, no devices, checked names.
pub fn read(root: &Path) -> io::Result<Project> {
    let mut files = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(path);
            } else {
                let contents = if metadata.len() <= LARGEST_TEXT {
                    fs::read(entry.path())?
                } else {
                    Vec::new()
                };
                files.insert(path, contents);
            }
        }
    }
    Ok(Project::new(files))
}

/// Writes the tree that runs: the source, and over it the files that were rewritten or added.
pub(crate) fn write_tree(
    source: &Path,
    tree: &Path,
    rewritten: &BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    copy(source, tree)?;
    for (path, contents) in rewritten {
        let target = tree.join(path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        // A hard link to the source must not be written through.
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::write(&target, contents)?,
        }
    }
    Ok(())
}

/// Copies a folder by hard links: both copies are read-only to the app, and the large files in them exist once.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if fs::hard_link(entry.path(), &target).is_err() {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewriting_the_tree_leaves_the_source_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (source, tree) = (folder.path().join("source"), folder.path().join("tree"));
        fs::create_dir_all(source.join("pkg")).unwrap();
        fs::write(source.join("pkg/main.py"), "original").unwrap();
        fs::write(source.join("data.bin"), [0, 1, 2]).unwrap();
        let rewritten = BTreeMap::from([
            ("pkg/main.py".to_owned(), b"rewritten".to_vec()),
            ("vestibule_auth.py".to_owned(), b"added".to_vec()),
        ]);
        write_tree(&source, &tree, &rewritten).unwrap();
        // A second time, as when the gate has to be put around the app after all.
        write_tree(&source, &tree, &rewritten).unwrap();
        assert_eq!(
            fs::read_to_string(source.join("pkg/main.py")).unwrap(),
            "original"
        );
        assert_eq!(
            fs::read_to_string(tree.join("pkg/main.py")).unwrap(),
            "rewritten"
        );
        assert_eq!(
            fs::read_to_string(tree.join("vestibule_auth.py")).unwrap(),
            "added"
        );
        assert_eq!(fs::read(tree.join("data.bin")).unwrap(), [0, 1, 2]);
    }
}
