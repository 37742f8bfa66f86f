//! Text: it can be decoded from its beginning to its end.

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, WINDOWS_1252};

use crate::content::Stop;
use crate::file::Rejection;

/// How much is decoded at once.
const DECODED_BYTES: usize = 64 * 1024;

/// The check of a text, piece by piece.
pub(super) struct TextCheck {
    /// The encoding of a text that does not begin with a byte order mark.
    default: &'static Encoding,
    is_json: bool,
    decoder: Option<Decoder>,
    /// How far the text has been read.
    position: u64,
    /// Whether anything but white space was seen.
    has_begun: bool,
    problem: Option<Rejection>,
}

impl TextCheck {
    /// Checks a text in UTF-8, in UTF-16 with a byte order mark, or in Latin-1. What Windows calls
    /// Latin-1 has more printable characters (code page 1252).
    pub(super) fn text() -> Self {
        Self::new(WINDOWS_1252, false)
    }

    /// Checks JSON in UTF-8, or in UTF-16 with a byte order mark.
    pub(super) fn json() -> Self {
        Self::new(UTF_8, true)
    }

    fn new(default: &'static Encoding, is_json: bool) -> Self {
        Self { default, is_json, decoder: None, position: 0, has_begun: false, problem: None }
    }

    /// Takes the bytes at `start`, if they are the next ones, of a text of this size.
    pub(super) fn take(&mut self, start: u64, bytes: &[u8], size: u64) {
        if start != self.position || self.problem.is_some() {
            return;
        }
        self.position += bytes.len() as u64;
        let mut bytes = bytes;
        if start == 0
            && let Some((encoding, mark)) = Encoding::for_bom(bytes)
        {
            self.default = encoding;
            bytes = bytes.get(mark..).unwrap_or_default();
        }
        let is_last = self.position >= size;
        if let Err(problem) = self.decode(bytes, is_last) {
            self.problem = Some(problem);
        }
    }

    /// Returns whether the text is valid, or which part of it has to be read next.
    pub(super) fn result(&self, size: u64, at_once: u64) -> Result<(), Stop> {
        match self.problem {
            Some(problem) => Err(Stop::Reject(problem)),
            None if self.position < size => {
                Err(Stop::Missing(self.position..size.min(self.position + at_once)))
            }
            None if self.is_json && !self.has_begun => {
                Err(Stop::Reject(Rejection::ContentMismatch))
            }
            None => Ok(()),
        }
    }

    fn decode(&mut self, bytes: &[u8], is_last: bool) -> Result<(), Rejection> {
        let default = self.default;
        let decoder =
            self.decoder.get_or_insert_with(|| default.new_decoder_without_bom_handling());
        let mut text = String::new();
        let mut chunks = bytes.chunks(DECODED_BYTES).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let ends = chunks.peek().is_none();
            text.clear();
            let most = decoder.max_utf8_buffer_length_without_replacement(chunk.len());
            text.reserve(most.unwrap_or(4 * DECODED_BYTES));
            let (result, _) =
                decoder.decode_to_string_without_replacement(chunk, &mut text, is_last && ends);
            if result != DecoderResult::InputEmpty {
                return Err(Rejection::UndecodableText);
            }
            if text.chars().any(is_binary) {
                return Err(Rejection::ContentMismatch);
            }
            if !self.has_begun
                && let Some(first) = text.chars().find(|c| !c.is_whitespace())
            {
                self.has_begun = true;
                if self.is_json && !begins_json(first) {
                    return Err(Rejection::ContentMismatch);
                }
            }
            if ends {
                return Ok(());
            }
        }
    }
}

/// Returns whether no text contains this character
/// (<https://mimesniff.spec.whatwg.org/#binary-data-byte>).
pub(super) fn is_binary(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0e'..='\x1a' | '\x1c'..='\x1f')
}

fn begins_json(c: char) -> bool {
    matches!(c, '{' | '[' | '"' | '-' | '0'..='9' | 't' | 'f' | 'n')
}
