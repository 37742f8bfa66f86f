//! Invisible characters: controls of the direction of writing, joiners, fillers, variation
//! selectors and tags.
//!
//! They make two texts look alike that differ, turn `fdp.exe` into something that reads as
//! `exe.pdf`, and let a blank text pass as filled. Where a script or an emoji needs one, it stays.

use icu_properties::props::{
    DefaultIgnorableCodePoint, Emoji, EmojiModifier, ExtendedPictographic, GeneralCategory,
    Ideographic, JoiningType, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::char::canonical_combining_class;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';
const EMOJI_STYLE: char = '\u{fe0f}';
const ENCLOSING_KEYCAP: char = '\u{20e3}';
const BLACK_FLAG: char = '\u{1f3f4}';
const CANCEL_TAG: char = '\u{e007f}';

/// The combining class of the sign that suppresses a vowel in the scripts of India and its
/// neighbours.
const VIRAMA: u8 = 9;

/// Returns the text without invisible characters, except for those that a script or an emoji needs.
pub(crate) fn without_invisible(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if !is_invisible(c) || is_needed(c, &kept, rest.as_str()) {
            kept.push(c);
        } else if c == CANCEL_TAG || tag(c).is_some() {
            // Tags are kept as a sequence that selects a flag, or not at all.
            let all = c.len_utf8() + rest.as_str().len();
            if let Some(tags) = flag_tags(&kept, &text[text.len() - all..]) {
                kept.push_str(tags);
                rest = text[text.len() - all + tags.len()..].chars();
            }
        }
    }
    kept
}

/// Returns whether a text contains no visible character.
pub(crate) fn is_blank(text: &str) -> bool {
    !text.chars().any(is_visible)
}

/// Returns whether a character is visible: neither white space nor invisible. Control characters
/// count as visible.
pub(crate) fn is_visible(c: char) -> bool {
    !(is_space(c) || is_invisible(c))
}

/// Invisible, although Unicode counts it as a symbol. It is kept within a text.
pub(crate) const BRAILLE_BLANK: char = '\u{2800}';

/// Returns whether a character looks like white space.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || c == BRAILLE_BLANK
}

/// Returns whether a character is invisible: it is ignored by default, or it is a format character.
/// The format characters before Arabic numbers are visible.
pub(crate) fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || (CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
            && !CodePointSetData::new::<PrependedConcatenationMark>().contains(c))
}

/// Returns whether an invisible character changes how its neighbours are shown.
fn is_needed(c: char, before: &str, after: &str) -> bool {
    let (Some(last), next) = (before.chars().next_back(), after.chars().next()) else {
        return c == ZERO_WIDTH_JOINER && joins_to_next(after);
    };
    match c {
        ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER if is_joiner(last) => false,
        ZERO_WIDTH_JOINER => {
            next_to_virama(last, next)
                || joins_to_last(before)
                || joins_to_next(after)
                || (ends_emoji(last) && next.is_some_and(is_pictograph))
        }
        ZERO_WIDTH_NON_JOINER => {
            next_to_virama(last, next)
                || (is_cursive(before.chars().rev()) && is_cursive(after.chars()))
        }
        // Text or emoji style. A digit takes one only as a keycap.
        '\u{fe0e}' | EMOJI_STYLE => {
            CodePointSetData::new::<Emoji>().contains(last)
                && (!last.is_ascii() || next == Some(ENCLOSING_KEYCAP))
        }
        '\u{fe00}'..='\u{fe0d}' | '\u{e0100}'..='\u{e01ef}' => {
            CodePointSetData::new::<Ideographic>().contains(last)
        }
        // Mongolian variation selectors and vowel separator.
        '\u{180b}'..='\u{180f}' => matches!(last, '\u{1820}'..='\u{18aa}'),
        _ => false,
    }
}

fn is_joiner(c: char) -> bool {
    matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER)
}

fn next_to_virama(last: char, next: Option<char>) -> bool {
    let is_virama = |c: char| canonical_combining_class(c) == VIRAMA;
    is_virama(last) || (last.is_alphabetic() && next.is_some_and(is_virama))
}

/// Returns how the first letter connects to its neighbours, past the marks on letters.
fn joining(mut letters: impl Iterator<Item = char>) -> Option<JoiningType> {
    let types = CodePointMapData::<JoiningType>::new();
    letters.find_map(|c| {
        let joining = if is_joiner(c) { JoiningType::NonJoining } else { types.get(c) };
        (joining != JoiningType::Transparent).then_some(joining)
    })
}

fn is_cursive(letters: impl Iterator<Item = char>) -> bool {
    matches!(
        joining(letters),
        Some(JoiningType::DualJoining | JoiningType::LeftJoining | JoiningType::RightJoining)
    )
}

fn joins_to_last(before: &str) -> bool {
    let last = joining(before.chars().rev());
    matches!(last, Some(JoiningType::DualJoining | JoiningType::LeftJoining))
}

fn joins_to_next(after: &str) -> bool {
    let next = joining(after.chars());
    matches!(next, Some(JoiningType::DualJoining | JoiningType::RightJoining))
}

fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

fn ends_emoji(c: char) -> bool {
    c == EMOJI_STYLE
        || c == CANCEL_TAG
        || is_pictograph(c)
        || CodePointSetData::new::<EmojiModifier>().contains(c)
}

/// Returns the letter or digit that a tag stands for.
fn tag(c: char) -> Option<char> {
    let plain = u32::from(c).checked_sub(0xe0000).and_then(char::from_u32)?;
    plain.is_ascii_alphanumeric().then_some(plain)
}

/// Returns the tags at the beginning of `text` that turn a black flag before them into the flag of
/// a region (UTS #51): three to six letters and digits, and the tag that ends them.
fn flag_tags<'a>(before: &str, text: &'a str) -> Option<&'a str> {
    if !before.ends_with(BLACK_FLAG) {
        return None;
    }
    let end = text.find(|c| tag(c).is_none())?;
    let count = end / CANCEL_TAG.len_utf8();
    let is_sequence = (3..=6).contains(&count) && text[end..].starts_with(CANCEL_TAG);
    is_sequence.then(|| &text[..end + CANCEL_TAG.len_utf8()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_nobody_sees_are_removed() {
        let invisible = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200c}\
             \u{200d}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\
             \u{2064}\u{2065}\u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{3164}\u{fe00}\u{fe0e}\
             \u{fe0f}\u{feff}\u{ffa0}\u{fff0}\u{fff9}\u{fffb}\u{1bca0}\u{1d173}\u{e0001}\
             \u{e0041}\u{e007f}\u{e0100}\u{e01ef}\u{e0fff}";
        for c in invisible.chars() {
            let code = u32::from(c);
            assert_eq!(without_invisible(&format!("Ja{c}ne")), "Jane", "U+{code:04X}");
            assert_eq!(without_invisible(&format!("{c}Jane{c}")), "Jane", "U+{code:04X}");
            assert!(is_blank(&format!(" {c}")), "U+{code:04X}");
        }
        assert_eq!(without_invisible(&format!("Jane{invisible}")), "Jane");
        assert_eq!(without_invisible("Befund \u{202e}fdp.exe"), "Befund fdp.exe");
        assert!(is_blank("\u{2800}\u{2028}\u{a0}"));
    }

    #[test]
    fn scripts_and_emoji_keep_what_they_need() {
        for text in [
            "שָׁלוֹם כהן",
            "مُحَمَّد عبد الله",
            // Persian: ZWNJ between letters, after one that does not connect as well.
            "علی\u{200c}رضا",
            "کار\u{200c}خانه\u{200c}ها",
            "ه\u{200d}.ق",
            // Devanagari, Bengali, Malayalam and Sinhala: joiners beside the virama.
            "क्\u{200d}ष",
            "क्\u{200c}ष",
            "র\u{200d}্যাব",
            "അവന്\u{200d}",
            "ශ්\u{200d}රී",
            // A family, a rainbow flag, a health worker, a keycap, a heart, the flag of England.
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "🏳\u{fe0f}\u{200d}🌈",
            "👩🏽\u{200d}⚕\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            // A variant of an ideograph in a Japanese name, and a sign before an Arabic number.
            "葛\u{e0100}城",
            "\u{600}12",
        ] {
            assert_eq!(without_invisible(text), text);
            assert!(!is_blank(text));
        }
    }

    #[test]
    fn what_is_needed_is_kept_once() {
        assert_eq!(without_invisible("ب\u{200c}\u{200c}ب"), "ب\u{200c}ب");
        assert_eq!(without_invisible("ب\u{200d}\u{200d}ب"), "ب\u{200d}ب");
        assert_eq!(without_invisible("❤\u{fe0f}\u{fe0f}"), "❤\u{fe0f}");
        assert_eq!(without_invisible("葛\u{e0100}\u{e0101}"), "葛\u{e0100}");
        assert_eq!(without_invisible("❤\u{200d}Jane"), "❤Jane");
        assert_eq!(without_invisible("1\u{fe0f}"), "1");
        assert_eq!(without_invisible("🏴\u{e0067}\u{e0062}"), "🏴");
    }
}
