//! Searching people by name: which names a typed text finds, whatever the case, the accents and the
//! order of first and last name.
//!
//! A name is found by the beginning of any of its parts, and by several words in a row: of the last
//! name and then the first name, or the first name and then the last name, from any part on. All
//! words but the last are whole. The keys of a name are stored sorted, so that one range of them
//! answers a search; a search of one word has keys of its own, so that it meets each part once.
//!
//! Names and searches are folded alike: decomposed for compatibility (NFKD), in lower case, without
//! accents and points, and with other letters for those that have no decomposition. Unicode keeps
//! decompositions stable, so that stored keys stay valid when the libraries change.

use icu_properties::props::{GeneralCategory, GeneralCategoryGroup, Ideographic};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use utoipa::openapi::schema::Object;

use crate::field::{FieldValue, Reason, string};
use crate::invisible::is_invisible;
use crate::schema::{self, Lines};
use crate::text::Name;

/// How many parts of a name can be found. A name of 255 characters may have 128.
const MAX_PARTS: usize = 12;

/// The text of a search for people, folded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameSearch(String);

impl NameSearch {
    /// Folds a text.
    pub fn of(text: &str) -> Self {
        Self(shown(&fold(text)))
    }

    /// Returns the folded text: the beginning of the keys that it finds. Empty without letters,
    /// digits and symbols: then the search does not filter.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the folded text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the text has several words.
    pub fn has_several_words(&self) -> bool {
        self.0.contains(WORD)
    }
}

impl FieldValue for NameSearch {
    fn from_json(value: &Value) -> Result<Self, Reason> {
        Name::parse(string(value)?).map(|name| Self::of(name.as_str()))
    }

    fn schema() -> Object {
        let description = "The beginning of any part of a first or last name, or several words in \
            a row, of the last and then the first name or the other way round: `mul`, `anna mu`, \
            `muller an`, `de la cruz`, `cruz`. Case, accents, ligatures and apostrophes are \
            ignored, and a hyphen is a blank. Without a letter, digit or symbol it counts as \
            absent.";
        schema::text(description, Lines::One, true, Name::MAX, "muller an")
    }
}

/// The keys under which a name is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameKeys {
    /// For a search of one word, sorted: one for each part.
    pub one_word: Vec<String>,
    /// For a search of several words, sorted.
    pub several_words: Vec<String>,
}

impl NameKeys {
    /// Makes the keys of a name.
    pub fn of(first: &Name, last: &Name) -> Self {
        let (first, last) = (fold(first.as_str()), fold(last.as_str()));
        // Parts of both names by turns, so that a long last name does not displace the first name.
        let mut parts: Vec<(usize, bool, usize)> = [(&last, false), (&first, true)]
            .into_iter()
            .flat_map(|(name, is_first)| {
                beginnings(name).enumerate().map(move |(rank, at)| (rank, is_first, at))
            })
            .collect();
        parts.sort_unstable();
        parts.truncate(MAX_PARTS);
        let from_part = |(_, is_first, at): (usize, bool, usize)| {
            let (name, other) = if is_first { (&first, &last) } else { (&last, &first) };
            shown(&join(&join(&name[at..], other), name[..at].trim_end_matches([WORD, JOINT])))
        };
        let one_word: Vec<String> = parts.into_iter().map(from_part).collect();
        // Some people leave out middle names, or a part of a double last name.
        let some = |name: Option<&str>, other: Option<&str>| Some(shown(&join(name?, other?)));
        let (first_word, last_words) = (first.split(WORD).next(), last.split(WORD));
        let shorter = [
            some(first_word, Some(&last)),
            some(first_word, last_words.clone().next_back()),
            some(last_words.clone().next(), Some(&first)),
        ];
        let several = one_word.iter().cloned().chain(shorter.into_iter().flatten());
        let several_words = several.filter(|key| key.contains(WORD)).collect();
        Self { one_word: sorted(one_word), several_words: sorted(several_words) }
    }
}

/// Sorts keys, and removes those that begin another one.
fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort_unstable_by(|one, other| other.cmp(one));
    keys.dedup_by(|shorter, longer| longer.starts_with(shorter.as_str()));
    keys.reverse();
    keys
}

/// Separates words in a folded text.
const WORD: char = ' ';

/// Stands in a folded text where a part of a name begins within a word: behind an apostrophe, and
/// between names in scripts without blanks.
const JOINT: char = '\'';

/// Returns a folded text without joints.
fn shown(folded: &str) -> String {
    folded.replace(JOINT, "")
}

/// Returns where the parts of a folded name begin.
fn beginnings(folded: &str) -> impl Iterator<Item = usize> {
    let first = (!folded.is_empty()).then_some(0);
    first.into_iter().chain(folded.match_indices([WORD, JOINT]).map(|(at, _)| at + 1))
}

/// Joins two folded texts.
fn join(one: &str, other: &str) -> String {
    let (Some(last), Some(next)) = (one.chars().next_back(), other.chars().next()) else {
        return format!("{one}{other}");
    };
    let between = if is_unspaced(last) && is_unspaced(next) { JOINT } else { WORD };
    format!("{one}{between}{other}")
}

/// Folds a text: words with one blank between them, and joints.
fn fold(text: &str) -> String {
    // Apostrophes first: the acute accent would become a blank with an accent.
    let plain = text.chars().map(|c| if is_apostrophe(c) { JOINT } else { c });
    let letters = plain.nfkd().filter(|c| !is_ignored(*c)).flat_map(char::to_lowercase);
    let mut folded = String::with_capacity(text.len());
    let mut boundary = None;
    for c in letters {
        if is_apostrophe(c) {
            boundary = boundary.or(Some(JOINT));
        } else if separates(c) {
            boundary = Some(WORD);
        } else {
            if let Some((boundary, last)) = boundary.take().zip(folded.chars().next_back()) {
                let is_joined = is_unspaced(last) && is_unspaced(c);
                folded.push(if is_joined { JOINT } else { boundary });
            }
            match base_letters(c) {
                Some(letters) => folded.push_str(letters),
                None => folded.push(c),
            }
        }
    }
    folded
}

/// Returns whether a character is not compared: accents, points and invisible characters.
///
/// The combining class tells accents from the vowel signs of Indic scripts, viramas and the voicing
/// marks of kana, which are as good as letters: overlays have 1, the points of Hebrew, Arabic and
/// Syriac 10 to 36, and attached or placed accents 202 to 240.
fn is_ignored(c: char) -> bool {
    const TATWEEL: char = '\u{640}';
    matches!(canonical_combining_class(c), 1 | 10..=36 | 202..=240)
        || c == TATWEEL
        || is_invisible(c)
}

/// Returns whether a character is an apostrophe, or is typed or printed as one.
fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '`' | '\u{b4}' | '\u{2b9}'..='\u{2c1}' | '\u{2c8}' | '\u{384}' | '\u{55a}'
            | '\u{5f3}' | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{a78b}'
            | '\u{a78c}'
    )
}

/// Returns whether words end at a character.
fn separates(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    c.is_whitespace() || GeneralCategoryGroup::Punctuation.contains(category)
}

/// Returns whether a character is of a script that has no blank between last and first name: Han,
/// kana and Hangul.
fn is_unspaced(c: char) -> bool {
    CodePointSetData::new::<Ideographic>().contains(c)
        || matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3041}'..='\u{30ff}')
}

/// Returns the letters for a lower-case letter without a decomposition.
///
/// Those of Latin letters are the ones of CLDR (`Latin-ASCII`), for letters of alphabets in use;
/// those that CLDR does not have are named.
fn base_letters(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ƣ' => "oi",
        'ƕ' => "hv",
        'ⱥ' => "a",
        'ƀ' | 'ƃ' | 'ɓ' => "b",
        'ƈ' | 'ȼ' => "c",
        'ð' | 'đ' | 'ƌ' | 'ɖ' | 'ɗ' => "d",
        // The schwa of Azerbaijani as in its passports (ICAO 9303), and the turned e.
        'ɇ' | 'ɛ' | 'ə' | 'ǝ' => "e",
        'ƒ' => "f",
        'ǥ' | 'ɠ' => "g",
        'ħ' | 'ɦ' | 'ⱨ' => "h",
        'ı' | 'ɨ' => "i",
        'ɉ' => "j",
        'ƙ' | 'ⱪ' | 'ꞣ' => "k",
        'ł' | 'ƚ' | 'ɫ' | 'ⱡ' => "l",
        'ŋ' | 'ƞ' | 'ɲ' | 'ꞑ' | 'ꞥ' => "n",
        // The open o of African alphabets.
        'ø' | 'ɔ' | 'ꝋ' => "o",
        'ƥ' | 'ᵽ' => "p",
        'ĸ' => "q",
        'ɍ' | 'ɽ' | 'ꞧ' => "r",
        'ꞩ' => "s",
        'ŧ' | 'ƭ' | 'ʈ' | 'ⱦ' => "t",
        'ʉ' => "u",
        'ʋ' => "v",
        'ⱳ' => "w",
        'ƴ' | 'ɏ' => "y",
        'ƶ' | 'ȥ' | 'ⱬ' => "z",
        // The final sigma, which lower case alone tells from the other one.
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    /// Returns whether a search finds a person.
    fn finds(search: &str, first: &str, last: &str) -> bool {
        let search = NameSearch::from_json(&search.into()).unwrap();
        let keys = NameKeys::of(&name(first), &name(last));
        let keys = if search.has_several_words() { keys.several_words } else { keys.one_word };
        keys.iter().any(|key| key.starts_with(search.as_str()))
    }

    fn folded(text: &str) -> String {
        NameSearch::of(text).0
    }

    #[test]
    fn case_accents_and_ligatures_are_ignored() {
        for (typed, last) in [
            ("muller", "Müller"),
            ("MÜLLER", "Müller"),
            ("Mu\u{308}ller", "Müller"),
            ("müller", "Muller"),
            ("weiss", "Weiß"),
            ("WEISS", "Weiß"),
            ("WEIẞ", "Weiss"),
            ("sahin", "Şahin"),
            ("yildiz", "Yıldız"),
            ("YILDIZ", "Yıldız"),
            ("Yıldız", "YILDIZ"),
            ("ipek", "İpek"),
            ("İPEK", "ipek"),
            ("isik", "IŞIK"),
            ("lukasz", "Łukasz"),
            ("walesa", "Wałęsa"),
            ("zolc", "Żółć"),
            ("nguyen", "Nguyễn"),
            ("dang", "Đặng"),
            ("sorensen", "Sørensen"),
            ("aberg", "Åberg"),
            ("aegir", "Ægir"),
            ("thordur", "Þórður"),
            ("stefan", "Ștefan"),
            ("stefan", "Ştefan"),
            ("tarlea", "Țârlea"),
            ("tarlea", "Ţârlea"),
            ("oeuvre", "Œuvre"),
            ("offir", "Oﬃr"),
            ("fischer", "ﬁscher"),
            ("smith", "ＳＭＩＴＨ"),
            ("aliyev", "Aliyev"),
            ("eliyev", "Əliyev"),
            ("dvorak", "Dvořák"),
            ("novak", "NOVÁK"),
            ("dikic", "Đikić"),
            ("hagi", "Ħaġi"),
            ("ijsselstein", "Ĳsselstein"),
            ("papadopoulos", "Papadopoulos"),
            ("παπας", "ΠΑΠΑΣ"),
            ("παπάς", "ΠΑΠΑΣ"),
        ] {
            assert!(finds(typed, "Anna", last), "{typed} {last}");
        }
    }

    #[test]
    fn apostrophes_of_all_kinds_are_ignored_and_begin_a_part() {
        for last in ["O'Connor", "O’Connor", "OʼConnor", "O`Connor", "O´Connor", "O‘Connor"] {
            for typed in
                ["o'con", "o’con", "oconnor", "O´CONNOR", "connor", "anna o'c", "o'connor a"]
            {
                assert!(finds(typed, "Anna", last), "{typed} {last}");
            }
        }
        assert!(finds("oconnor", "Anna", "O＇Connor"));
        assert!(finds("o'connor", "Anna", "OConnor"));
        assert!(finds("angelo", "Luca", "D'Angelo") && finds("dangelo", "Luca", "D’Angelo"));
        assert!(finds("ali", "Muḥammad", "ʿAlī") && finds("'ali", "Muḥammad", "Ali"));
    }

    #[test]
    fn every_part_of_a_name_is_found_by_its_beginning() {
        for typed in
            ["garcia", "marquez", "marq", "garcia m", "garcia-m", "García–Már", "gabriel", "g"]
        {
            assert!(finds(typed, "Gabriel", "Garcia-Marquez"), "{typed}");
        }
        for typed in
            ["cruz", "cru", "de la", "la cruz", "de la cruz", "la", "de", "maria", "DE LA C"]
        {
            assert!(finds(typed, "Maria", "de la Cruz"), "{typed}");
        }
        for typed in ["uz", "lacruz", "ruz", "aria", "cruz de"] {
            assert!(!finds(typed, "Maria", "de la Cruz"), "{typed}");
        }
        assert!(finds("st john", "Ann", "St. John") && finds("st. j", "Ann", "St John"));
        assert!(finds("jean luc", "Jean-Luc", "X") && finds("luc x", "Jean-Luc", "X"));
    }

    #[test]
    fn words_are_found_in_either_order_of_first_and_last_name() {
        for typed in ["anna mu", "muller an", "Anna Müller", "müller, anna", " muller  anna "] {
            assert!(finds(typed, "Anna", "Müller"), "{typed}");
        }
        for typed in ["an mu", "mu anna", "anna x", "anna anna"] {
            assert!(!finds(typed, "Anna", "Müller"), "{typed}");
        }
        for typed in ["john smith", "smith john", "john paul s", "paul smith", "smith john paul"] {
            assert!(finds(typed, "John Paul", "Smith"), "{typed}");
        }
        for typed in
            ["maria cruz", "cruz maria", "maria de la cruz", "de la cruz m", "la cruz maria de"]
        {
            assert!(finds(typed, "Maria", "de la Cruz"), "{typed}");
        }
        for typed in ["anna schmidt", "anna muller", "muller anna", "schmidt anna", "muller-schm"] {
            assert!(finds(typed, "Anna", "Müller-Schmidt"), "{typed}");
        }
        for typed in ["ana garcia", "ana lopez", "ana maria garcia", "garcia ana", "lopez ana"] {
            assert!(finds(typed, "Ana Maria", "Garcia Lopez"), "{typed}");
        }
    }

    #[test]
    fn names_in_other_scripts_are_found_by_their_beginning() {
        for (typed, first, last) in [
            ("Иван", "Иван", "Петров"),
            ("ПЕТР", "Иван", "Петров"),
            ("петров и", "Иван", "Петров"),
            ("ελ", "Ελένη", "Παππά"),
            ("محمد", "مُحَمَّد", "عبد الله"),
            ("الله", "محمد", "عبد الله"),
            ("علیر", "علی\u{200c}رضا", "کریمی"),
            ("שלום", "שָׁלוֹם", "כהן"),
            ("כה", "שלום", "כהן"),
            ("कुमार", "राज", "कुमार"),
            ("王", "小明", "王"),
            ("王小", "小明", "王"),
            ("王 小明", "小明", "王"),
            ("小明", "小明", "王"),
            ("山田太郎", "太郎", "山田"),
            ("たろ", "たろう", "やまだ"),
            ("김민", "민수", "김"),
            ("민수", "민수", "김"),
            ("葛城", "A", "葛\u{e0100}城"),
        ] {
            assert!(finds(typed, first, last), "{typed}: {first} {last}");
        }
        // Vowel signs and voicing marks are letters.
        assert!(!finds("कमार", "राज", "कुमार"));
        assert!(!finds("が", "かく", "X"));
        assert!(!finds("明", "小明", "王"));
    }

    #[test]
    fn a_text_without_letters_searches_for_nothing() {
        for text in ["", " ", "-", "'", "’ ", "#", "...", "\u{301}\u{308}", "\u{200b}", "\u{640}"]
        {
            assert!(NameSearch::of(text).is_empty(), "{text:?}");
        }
        assert_eq!(folded("❤ +"), "❤ +", "symbols are compared");
        let none = NameKeys { one_word: Vec::new(), several_words: Vec::new() };
        assert_eq!(NameKeys::of(&name(""), &name(" - ")), none);
        assert!(finds("#n", "Odd", "#Name"));
    }

    #[test]
    fn a_search_is_a_text_of_one_line() {
        let code = |text: &str| NameSearch::from_json(&text.into()).unwrap_err().code;
        assert_eq!(code("a\nb"), "invalid");
        assert_eq!(code(&"x".repeat(256)), "too_long");
        assert_eq!(NameSearch::from_json(&1.into()).unwrap_err().code, "invalid");
    }

    #[test]
    fn each_part_has_one_key_for_a_word() {
        let keys = |first, last| NameKeys::of(&name(first), &name(last));
        let anna = keys("Anna", "Müller");
        assert_eq!(anna.one_word, ["anna muller", "muller anna"]);
        assert_eq!(anna.several_words, anna.one_word);
        let maria = keys("Maria", "de la Cruz");
        assert_eq!(
            maria.one_word,
            ["cruz maria de la", "de la cruz maria", "la cruz maria de", "maria de la cruz"]
        );
        assert_eq!(
            maria.several_words,
            [
                "cruz maria de la",
                "de la cruz maria",
                "de maria",
                "la cruz maria de",
                "maria cruz",
                "maria de la cruz",
            ]
        );
        assert_eq!(keys("Anna", "").one_word, ["anna"]);
        assert!(keys("Anna", "").several_words.is_empty());
        assert_eq!(keys("Anna", "Anna").one_word, ["anna anna"]);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let long = "a b c d e f g h i j k l m n o p";
        let keys = NameKeys::of(&name("First"), &name(long));
        assert_eq!(keys.one_word.len(), MAX_PARTS);
        assert!(keys.several_words.len() <= MAX_PARTS + 3);
        assert!(finds("first", "First", long) && finds("k l", "First", long));
        assert!(!finds("p", "First", long));
    }

    #[test]
    fn folding_ignores_the_case_of_every_letter_and_is_done_at_once() {
        // The iota below old Greek letters, whose capital is a letter, and letters of old Cyrillic
        // prints. Both are for books.
        let is_old = |c: char| {
            matches!(c, '\u{1c80}'..='\u{1c88}') || c.to_string().nfd().any(|c| c == '\u{345}')
        };
        let differs = |c: char| {
            let (text, once) = (c.to_string(), fold(&c.to_string()));
            let same = [text.to_uppercase(), text.to_lowercase(), once.clone()];
            same.iter().any(|text| fold(text) != once)
        };
        let letters = ('\0'..=char::MAX).filter(|c| c.is_lowercase() || c.is_uppercase());
        let differing: Vec<char> = letters.filter(|c| differs(*c) && !is_old(*c)).collect();
        assert!(differing.is_empty(), "{differing:?}");
    }
}
