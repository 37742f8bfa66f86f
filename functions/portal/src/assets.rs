//! What the pages load, below one folder whose name is a hash of all of it, so that browsers may
//! keep each file for ever.

use std::collections::BTreeMap;

use crypto::sha256_base64url;
use web::StaticBody;

/// Name, type and content of each file, compressed by `build.rs`.
const FILES: &[(&str, &str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page, with the folder of the assets left open.
const PAGE: &str = include_str!("../assets/index.html");

/// What stands in the page for the folder of the assets.
const PLACE: &str = "{{assets}}";

/// How many characters of the hash are in the name of the folder.
const HASH_LENGTH: usize = 16;

/// The page and what it loads.
pub(crate) struct Assets {
    /// The document of every page.
    pub(crate) page: StaticBody,
    hash: String,
    files: BTreeMap<&'static str, StaticBody>,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let files: BTreeMap<_, _> = FILES
            .iter()
            .map(|(name, media_type, content)| (*name, StaticBody::packed(media_type, content)))
            .collect();
        let versions: String =
            files.iter().map(|(name, file)| format!("{name} {}\n", file.version())).collect();
        let hash: String =
            sha256_base64url(versions.as_bytes()).chars().take(HASH_LENGTH).collect();
        let page = PAGE.replace(PLACE, &format!("/assets/{hash}"));
        Self { page: StaticBody::text("text/html; charset=utf-8", page), hash, files }
    }

    /// Returns a file of the folder with this hash; `None` for files of other versions.
    pub(crate) fn find(&self, hash: &str, name: &str) -> Option<&StaticBody> {
        self.files.get(name).filter(|_| hash == self.hash)
    }
}
