//! Whether the content of a file is of its declared type.
//!
//! [`Inspection`] reads nothing itself: it says which part of the content it needs next, so that
//! files of any size are checked in little memory.

mod compound;
mod text;
mod zip;

use std::ops::Range;

use crate::content::text::TextCheck;
use crate::file::{Content, ContentType, FORMATS, Rejection, TIFF, Verdict};

/// How much of a file's content to read first, in bytes. Enough to decide on small files, and on
/// files of most types whatever their size.
pub const HEAD_BYTES: u64 = 64 * 1024;

/// How much of a text is read at once.
const TEXT_BYTES: u64 = 4 * 1024 * 1024;

/// How much of a container is read at most. Directories of real files are far smaller.
const MAX_CONTAINER_BYTES: usize = 16 * 1024 * 1024;

/// What an inspection does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InspectionStep {
    /// It needs these bytes of the content.
    Read(Range<u64>),
    /// It is done.
    Decided(Verdict),
}

/// The inspection of a file's content.
pub struct Inspection {
    content: Content,
    pieces: Pieces,
    text: Option<TextCheck>,
}

impl Inspection {
    /// Begins to inspect the content of a file of this declared type and size.
    pub fn new(content_type: ContentType, size: u64) -> Self {
        let content = content_type.format().content;
        let text = match content {
            Content::Text => Some(TextCheck::text()),
            Content::Json => Some(TextCheck::json()),
            _ => None,
        };
        Self { content, pieces: Pieces { size, read: Vec::new() }, text }
    }

    /// Returns what to do next.
    pub fn step(&mut self) -> InspectionStep {
        match self.check() {
            Ok(()) => InspectionStep::Decided(Verdict::Available),
            Err(Stop::Reject(reason)) => InspectionStep::Decided(Verdict::Rejected(reason)),
            Err(Stop::Missing(range)) => InspectionStep::Read(range),
        }
    }

    /// Takes the bytes at `start` of the content.
    pub fn take(&mut self, start: u64, bytes: Vec<u8>) {
        if let Some(text) = &mut self.text {
            text.take(start, &bytes, self.pieces.size);
        }
        // The beginning of a text is enough to recognise other types.
        if self.text.is_none() || start == 0 {
            self.pieces.read.push((start, bytes));
        }
    }

    fn check(&self) -> Result<(), Stop> {
        let head = self.pieces.head()?;
        match self.content {
            Content::Begins(signatures) => {
                accept_if(signatures.iter().any(|signature| head.starts_with(signature)))
            }
            Content::Pdf => accept_if(is_pdf(head)),
            Content::Webp => accept_if(is_webp(head)),
            Content::Branded(brands) => accept_if(has_brand(head, brands)),
            Content::Dicom => accept_if(is_dicom(head)),
            Content::Text | Content::Json => {
                accept_if(!is_binary(head))?;
                let Some(text) = &self.text else { return Ok(()) };
                text.result(self.pieces.size, TEXT_BYTES)
            }
            Content::OfficeOpenXml { folder } if head.starts_with(zip::SIGNATURE) => {
                zip::check_office(&self.pieces, folder)
            }
            // Encrypted documents are streams of a compound file.
            Content::OfficeOpenXml { .. } => {
                compound::check_streams(&self.pieces, &["EncryptedPackage"])
            }
            Content::CompoundOrRtf { .. } if head.starts_with(RTF) => Ok(()),
            Content::Compound { streams } | Content::CompoundOrRtf { streams } => {
                compound::check_streams(&self.pieces, streams)
            }
        }
    }
}

/// Why a check ends.
#[derive(PartialEq, Eq, Debug)]
enum Stop {
    /// The content is not acceptable.
    Reject(Rejection),
    /// These bytes have to be read first.
    Missing(Range<u64>),
}

/// The end of a check of a container that is damaged.
const DAMAGED: Stop = Stop::Reject(Rejection::DamagedFile);

fn accept_if(is_acceptable: bool) -> Result<(), Stop> {
    if is_acceptable { Ok(()) } else { Err(Stop::Reject(Rejection::ContentMismatch)) }
}

/// The parts of a file's content that have been read.
struct Pieces {
    size: u64,
    read: Vec<(u64, Vec<u8>)>,
}

impl Pieces {
    /// Returns the beginning of the content.
    fn head(&self) -> Result<&[u8], Stop> {
        self.bytes(0..self.size.min(HEAD_BYTES))
    }

    /// Returns a part of the content.
    fn bytes(&self, range: Range<u64>) -> Result<&[u8], Stop> {
        if range.end > self.size || range.start > range.end {
            return Err(DAMAGED);
        }
        let found = self.read.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            bytes.get(from..to)
        });
        if let Some(found) = found {
            return Ok(found);
        }
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let read: usize = self.read.iter().map(|(_, bytes)| bytes.len()).sum();
        if read.saturating_add(wanted) > MAX_CONTAINER_BYTES {
            return Err(DAMAGED);
        }
        // Neighbours are likely to be needed next.
        let end = range.end.max((range.start + HEAD_BYTES).min(self.size));
        Err(Stop::Missing(range.start..end))
    }

    /// Returns a little-endian number of two bytes.
    fn u16(&self, at: u64) -> Result<u16, Stop> {
        let bytes = self.bytes(at..at.saturating_add(2))?;
        Ok(u16::from_le_bytes(bytes.try_into().map_err(|_| DAMAGED)?))
    }

    /// Returns a little-endian number of four bytes.
    fn u32(&self, at: u64) -> Result<u32, Stop> {
        let bytes = self.bytes(at..at.saturating_add(4))?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| DAMAGED)?))
    }
}

/// Returns whether a file's content begins like a type other than text, even if it could be read as
/// text.
fn is_binary(head: &[u8]) -> bool {
    let begins = |content: Content| match content {
        Content::Begins(signatures) => signatures.iter().any(|it| head.starts_with(it)),
        _ => false,
    };
    head.starts_with(PDF)
        || is_webp(head)
        || head.starts_with(zip::SIGNATURE)
        || head.starts_with(compound::SIGNATURE)
        || FORMATS.iter().any(|format| begins(format.content))
}

const PDF: &[u8] = b"%PDF-";

/// How many bytes readers of PDF accept before its header.
pub const MAX_BEFORE_PDF: usize = 1024;

const RTF: &[u8] = b"{\\rtf";

/// Returns whether a file's content is PDF. Before the header, laboratories and
/// printers put text: a byte order mark, blank lines, commands for the printer. Anything else could
/// make the file valid as a second type, too, such as a program, an archive or a web page.
fn is_pdf(head: &[u8]) -> bool {
    let begins = |at: &usize| head.get(*at..).is_some_and(|rest| rest.starts_with(PDF));
    let Some(before) = (0..=MAX_BEFORE_PDF).find(begins).and_then(|at| head.get(..at)) else {
        return false;
    };
    let is_other = before.trim_ascii_start().first().is_some_and(|first| *first == b'<')
        || [&b"MZ"[..], b"#!", RTF].iter().any(|signature| before.starts_with(signature))
        || (!before.is_empty() && is_binary(before));
    !is_other && !before.iter().any(|byte| text::is_binary(char::from(*byte)))
}

/// Returns whether a file's content begins with a box `ftyp` that names one of these brands, as the
/// main one or among the compatible ones.
fn has_brand(head: &[u8], brands: &[&[u8; 4]]) -> bool {
    let Some((size, rest)) = head.split_first_chunk::<4>() else { return false };
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    let Some(names) = head.get(8..size).filter(|_| rest.starts_with(b"ftyp")) else { return false };
    // After the main brand there is its version.
    let named = names.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1);
    named.into_iter().any(|(_, name)| brands.iter().any(|brand| name == *brand))
}

fn is_webp(head: &[u8]) -> bool {
    head.starts_with(b"RIFF") && head.get(8..).is_some_and(|rest| rest.starts_with(b"WEBP"))
}

/// Returns whether a file's content is DICOM (PS3.10): a preamble of 128 bytes, which is empty or
/// the header of a TIFF, and `DICM`; or a data set alone, as old devices and archives write it. Any
/// other preamble could make the file valid as a second type, too, such as a program.
fn is_dicom(head: &[u8]) -> bool {
    match head.split_at_checked(128) {
        Some((preamble, rest)) if rest.starts_with(b"DICM") => {
            preamble.iter().all(|byte| *byte == 0)
                || TIFF.iter().any(|signature| preamble.starts_with(signature))
        }
        _ => begins_with_element(head),
    }
}

/// Returns whether a data set of DICOM begins here: with an element of group 0002 or 0008, with or
/// without the type of its value, and with a length that is plausible.
fn begins_with_element(head: &[u8]) -> bool {
    /// The longest plausible value of a first element: the first ones are lengths, versions and
    /// names of character sets.
    const MAX_VALUE: u32 = 1024;
    let Some(&[g0, g1, e0, e1, v0, v1, l0, l1]) = head.first_chunk::<8>() else { return false };
    let is_plausible = |group: u16, element: u16, short: u16, long: u32| {
        let is_first = match group {
            0x0002 => element <= 0x0002,
            0x0008 => element <= 0x0018,
            _ => false,
        };
        let has_type = matches!(
            &[v0, v1],
            b"UL" | b"UI" | b"CS" | b"SH" | b"LO" | b"DA" | b"TM" | b"ST" | b"LT" | b"US"
        );
        let length = if has_type { u32::from(short) } else { long };
        is_first && length % 2 == 0 && length <= MAX_VALUE && head.len() > 8
    };
    is_plausible(
        u16::from_le_bytes([g0, g1]),
        u16::from_le_bytes([e0, e1]),
        u16::from_le_bytes([l0, l1]),
        u32::from_le_bytes([v0, v1, l0, l1]),
    ) || is_plausible(
        u16::from_be_bytes([g0, g1]),
        u16::from_be_bytes([e0, e1]),
        u16::from_be_bytes([l0, l1]),
        u32::from_be_bytes([v0, v1, l0, l1]),
    )
}

#[cfg(test)]
mod tests;
