//! The central directory of a ZIP file
//! (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>).

use crate::content::{DAMAGED, Pieces, Stop, accept_if};
use crate::file::Rejection;

/// What a ZIP file begins with: its first local header.
pub(super) const SIGNATURE: &[u8] = b"PK\x03\x04";

const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const CENTRAL_HEADER_BYTES: usize = 46;
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;

/// The greatest length of the comment after the end record.
const MAX_COMMENT: u64 = u16::MAX as u64;

/// The largest directory that is read. A part has some hundred bytes there.
const MAX_DIRECTORY: u64 = 8 * 1024 * 1024;

/// Checks that a ZIP file is an Office document with a folder such as `word/`, and without macros.
pub(super) fn check_office(content: &Pieces, folder: &str) -> Result<(), Stop> {
    let names = names(content)?;
    let has = |what: &dyn Fn(&str) -> bool| names.iter().any(|name| what(name));
    accept_if(has(&|name| name == "[content_types].xml") && has(&|name| name.starts_with(folder)))?;
    if has(&|name| name.rsplit('/').next() == Some("vbaproject.bin")) {
        return Err(Stop::Reject(Rejection::ContainsMacros));
    }
    Ok(())
}

/// Returns the names of all parts, in lower case and with slashes.
fn names(content: &Pieces) -> Result<Vec<String>, Stop> {
    let tail_start = content.size.saturating_sub(END_BYTES as u64 + MAX_COMMENT);
    let tail = content.bytes(tail_start..content.size)?;
    let end = tail.windows(END_BYTES).rposition(|window| window.starts_with(END)).ok_or(DAMAGED)?;
    let end_at = tail_start + end as u64;
    // The comment reaches to the end of the file: nothing may be appended.
    if end_at + END_BYTES as u64 + u64::from(content.u16(end_at + 20)?) != content.size {
        return Err(DAMAGED);
    }
    let count = content.u16(end_at + 10)?;
    let size = u64::from(content.u32(end_at + 12)?);
    let start = u64::from(content.u32(end_at + 16)?);
    if size > MAX_DIRECTORY || start + size > end_at {
        return Err(DAMAGED);
    }
    let mut rest = content.bytes(start..start + size)?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (name, next) = entry(rest).ok_or(DAMAGED)?;
        names.push(name);
        rest = next;
    }
    // Some programs use the count of the entries, others read them to the end: both must find the
    // same.
    if names.len() != usize::from(count) {
        return Err(DAMAGED);
    }
    Ok(names)
}

/// Returns the name in the first header of a directory, and the rest of the directory.
fn entry(directory: &[u8]) -> Option<(String, &[u8])> {
    let (header, rest) = directory.split_at_checked(CENTRAL_HEADER_BYTES)?;
    if !header.starts_with(CENTRAL_HEADER) {
        return None;
    }
    let length = |at: usize| {
        header.get(at..at + 2).map(|bytes| bytes.iter().rev().fold(0, |n, b| n << 8 | *b as usize))
    };
    let (name, rest) = rest.split_at_checked(length(28)?)?;
    let (_, rest) = rest.split_at_checked(length(30)? + length(32)?)?;
    let name = String::from_utf8_lossy(name).to_lowercase().replace('\\', "/");
    Some((name.trim_start_matches('/').to_owned(), rest))
}
