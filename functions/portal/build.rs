//! Compresses what browsers load and writes a list of it, which `src/assets.rs` includes.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The folders, and where their files are below the folder of all assets.
const FOLDERS: [(&str, &str); 2] = [("assets", ""), ("../../shared/web/assets", "web/")];

/// The page itself, which is not an asset.
const PAGE: &str = "index.html";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut files = Vec::new();
    for (folder, prefix) in FOLDERS {
        println!("cargo::rerun-if-changed={folder}");
        collect(Path::new(folder), prefix, &mut files)?;
    }
    files.sort();
    let mut list = "[\n".to_owned();
    for (number, (name, path)) in files.iter().enumerate() {
        let Some(media_type) = media_type(name) else { continue };
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&fs::read(path)?)?;
        let file = out.join(format!("{number}.gz"));
        fs::write(&file, packed.finish()?)?;
        writeln!(list, "({name:?}, {media_type:?}, include_bytes!({file:?}).as_slice()),")?;
    }
    list.push(']');
    fs::write(out.join("assets.rs"), list)?;
    Ok(())
}

fn collect(
    folder: &Path,
    prefix: &str,
    files: &mut Vec<(String, PathBuf)>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let (path, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name().into_string().map_err(|_| "a name is not UTF-8")?)
        };
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else if name != PAGE {
            files.push((name, path));
        }
    }
    Ok(())
}

/// Returns the type of a file that browsers load; licences are for people.
fn media_type(name: &str) -> Option<&'static str> {
    if name.ends_with("LICENSE") || name.ends_with("LICENSE.md") {
        return Some("text/plain; charset=utf-8");
    }
    match name.rsplit('.').next()? {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}
