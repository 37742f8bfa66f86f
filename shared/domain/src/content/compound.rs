//! The directory of a compound file (OLE2), the container of Office before 2007 and of encrypted
//! documents
//! (<https://learn.microsoft.com/openspecs/windows_protocols/ms-cfb>).

use crate::content::{DAMAGED, Pieces, Stop, accept_if};
use crate::file::Rejection;

/// What a compound file begins with.
pub(super) const SIGNATURE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// The number of sectors of the allocation table that the header names; further ones are in a
/// chain of their own.
const SECTORS_IN_HEADER: u64 = 109;

/// Sector numbers from here on mean something else than a sector, such as the end of a chain.
const NO_SECTOR: u32 = 0xffff_fffa;

/// The largest number of sectors of a directory. A sector has four entries or more.
const MAX_DIRECTORY_SECTORS: usize = 4096;

const ENTRY_BYTES: u64 = 128;

/// Checks that a compound file has one of these streams at its root, and no macros anywhere.
pub(super) fn check_streams(content: &Pieces, streams: &[&str]) -> Result<(), Stop> {
    accept_if(content.head()?.starts_with(SIGNATURE))?;
    let file = Compound { content, sector_shift: content.u16(30)? };
    if !matches!(file.sector_shift, 9 | 12) {
        return Err(DAMAGED);
    }
    let entries = file.entries()?;
    let children = children_of_root(&entries);
    let is_one_of = |entry: &&StorageEntry| {
        entry.kind == Kind::Stream && streams.iter().any(|it| it.eq_ignore_ascii_case(&entry.name))
    };
    accept_if(children.iter().any(is_one_of))?;
    if entries.iter().any(|entry| entry.name.eq_ignore_ascii_case("_VBA_PROJECT")) {
        return Err(Stop::Reject(Rejection::ContainsMacros));
    }
    Ok(())
}

/// What an entry of a directory is.
#[derive(PartialEq, Eq)]
enum Kind {
    Stream,
    Root,
    Other,
}

/// An entry of the directory: a node of the tree of its storage.
struct StorageEntry {
    name: String,
    kind: Kind,
    left: u32,
    right: u32,
    child: u32,
}

struct Compound<'a> {
    content: &'a Pieces,
    sector_shift: u16,
}

impl Compound<'_> {
    /// Returns where a sector begins. The header takes the place of the first one.
    fn offset(&self, sector: u32) -> Result<u64, Stop> {
        if sector >= NO_SECTOR {
            return Err(DAMAGED);
        }
        Ok((u64::from(sector) + 1) << self.sector_shift)
    }

    /// Returns how many sector numbers a sector contains.
    fn numbers_per_sector(&self) -> u64 {
        1 << (self.sector_shift - 2)
    }

    /// Returns the sector that follows in a chain.
    fn next(&self, sector: u32) -> Result<u32, Stop> {
        let per_sector = self.numbers_per_sector();
        let table = self.table_sector(u64::from(sector) / per_sector)?;
        self.content.u32(self.offset(table)? + 4 * (u64::from(sector) % per_sector))
    }

    /// Returns the sector with a part of the allocation table.
    fn table_sector(&self, index: u64) -> Result<u32, Stop> {
        if index < SECTORS_IN_HEADER {
            return self.content.u32(76 + 4 * index);
        }
        // The last number of each sector leads to the next one.
        let per_sector = self.numbers_per_sector() - 1;
        let index = index - SECTORS_IN_HEADER;
        let mut sector = self.content.u32(68)?;
        for _ in 0..index / per_sector {
            sector = self.content.u32(self.offset(sector)? + 4 * per_sector)?;
        }
        self.content.u32(self.offset(sector)? + 4 * (index % per_sector))
    }

    /// Reads the directory.
    fn entries(&self) -> Result<Vec<StorageEntry>, Stop> {
        let mut entries = Vec::new();
        let mut sector = self.content.u32(48)?;
        for _ in 0..MAX_DIRECTORY_SECTORS {
            if sector >= NO_SECTOR {
                return Ok(entries);
            }
            let start = self.offset(sector)?;
            let size = 1 << self.sector_shift;
            for at in (start..start + size).step_by(ENTRY_BYTES as usize) {
                entries.push(self.entry(at)?);
            }
            sector = self.next(sector)?;
        }
        Err(DAMAGED)
    }

    fn entry(&self, at: u64) -> Result<StorageEntry, Stop> {
        let bytes = self.content.bytes(at..at + ENTRY_BYTES)?;
        // The length counts bytes, and the zero at the end.
        let units = usize::from(self.content.u16(at + 64)? / 2).saturating_sub(1).min(31);
        let units = bytes.chunks_exact(2).take(units).map(|it| u16::from_le_bytes([it[0], it[1]]));
        Ok(StorageEntry {
            name: char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect(),
            kind: match bytes[66] {
                2 => Kind::Stream,
                5 => Kind::Root,
                _ => Kind::Other,
            },
            left: self.content.u32(at + 68)?,
            right: self.content.u32(at + 72)?,
            child: self.content.u32(at + 76)?,
        })
    }
}

/// Returns the entries directly below the root.
fn children_of_root(entries: &[StorageEntry]) -> Vec<&StorageEntry> {
    let mut seen = vec![false; entries.len()];
    let mut next: Vec<u32> = entries.iter().take(1).map(|root| root.child).collect();
    if entries.first().is_none_or(|root| root.kind != Kind::Root) {
        return Vec::new();
    }
    let mut children = Vec::new();
    while let Some(id) = next.pop() {
        let Ok(index) = usize::try_from(id) else { continue };
        // A number without an entry ends a branch; a damaged tree may have a cycle.
        let (Some(entry), Some(seen)) = (entries.get(index), seen.get_mut(index)) else { continue };
        if !std::mem::replace(seen, true) {
            children.push(entry);
            next.extend([entry.left, entry.right]);
        }
    }
    children
}
