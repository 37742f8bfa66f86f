//! Access to the files of the repository.

use std::path::{Path, PathBuf};

/// Returns the path of a file or folder, given from the root of the repository.
pub(crate) fn path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(path(file))
        .unwrap_or_else(|error| panic!("{file} cannot be read: {error}"))
}

pub(crate) fn toml(file: &str) -> toml::Table {
    read(file).parse().unwrap_or_else(|error| panic!("{file} is not TOML: {error}"))
}

/// Returns the names of the entries of a folder, without hidden ones.
pub(crate) fn list(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(folder))
        .unwrap_or_else(|error| panic!("{folder} cannot be read: {error}"));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

/// Returns the Rust files below a folder.
pub(crate) fn rust_files(folder: &str) -> Vec<String> {
    let below = list(folder).into_iter().flat_map(|name| {
        let path = format!("{folder}/{name}");
        match self::path(&path).is_dir() {
            true if name != "node_modules" => rust_files(&path),
            true => Vec::new(),
            false => vec![path],
        }
    });
    below.filter(|path| path.ends_with(".rs")).collect()
}
