//! Tests of the contents of files: which are accepted, and why others are rejected.

use super::*;

/// Inspects a content, served in the pieces that are asked for.
fn verdict(content_type: ContentType, content: &[u8]) -> Result<(), Rejection> {
    let mut inspection = Inspection::new(content_type, content.len() as u64);
    for _ in 0..10_000 {
        match inspection.step() {
            InspectionStep::Decided(verdict) => return verdict.rejection().map_or(Ok(()), Err),
            InspectionStep::Read(range) => {
                assert!(range.start < range.end && range.end <= content.len() as u64, "{range:?}");
                let part = &content[range.start as usize..range.end as usize];
                inspection.take(range.start, part.to_vec());
            }
        }
    }
    panic!("the inspection does not end");
}

/// Makes a ZIP file whose parts are empty.
fn zip(names: &[&str]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut directory = Vec::new();
    for name in names {
        let at = file.len() as u32;
        let length = (name.len() as u16).to_le_bytes();
        file.extend([zip::SIGNATURE, &[0; 22], &length, &[0; 2], name.as_bytes()].concat());
        let header = [&b"PK\x01\x02"[..], &[0; 24], &length, &[0; 12], &at.to_le_bytes()];
        directory.extend([&header.concat()[..], name.as_bytes()].concat());
    }
    let (count, start) = ((names.len() as u16).to_le_bytes(), file.len() as u32);
    let size = (directory.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend([&count[..], &count, &size, &start.to_le_bytes(), &[0, 0]].concat());
    file
}

/// Makes a compound file with these entries below its root, with `before` sectors of zeros before
/// its directory.
fn compound(names: &[&str], before: u32) -> Vec<u8> {
    let mut file = vec![0; 512];
    let number = |value: u32| value.to_le_bytes();
    let directory_sectors = (names.len() as u32 + 1).div_ceil(4);
    let tables = (before + directory_sectors).div_ceil(127).max(1);
    file[..8].copy_from_slice(compound::SIGNATURE);
    file[30] = 9;
    file[44..48].copy_from_slice(&number(tables));
    file[48..52].copy_from_slice(&number(tables + before));
    file[68..72].copy_from_slice(&number(0xffff_fffe));
    for index in 0..109 {
        let sector = if index < tables { index } else { u32::MAX };
        let at = 76 + 4 * index as usize;
        file[at..at + 4].copy_from_slice(&number(sector));
    }
    let last = tables + before + directory_sectors - 1;
    if tables > 109 {
        file[68..72].copy_from_slice(&number(last + 1));
    }
    for sector in 0..tables * 128 {
        let in_directory = sector >= tables + before && sector < last;
        file.extend(number(if in_directory { sector + 1 } else { 0xffff_fffe }));
    }
    file.extend(vec![0; 512 * before as usize]);
    for index in 0..directory_sectors as usize * 4 {
        let mut entry = vec![0; 128];
        let (name, kind) = match index {
            0 => ("Root Entry", 5),
            _ => names.get(index - 1).map_or(("", 0), |name| (*name, 2)),
        };
        for (position, unit) in name.encode_utf16().enumerate() {
            entry[2 * position..2 * position + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[64] = 2 * (name.len() as u8 + 1);
        entry[66] = kind;
        let right = if index > 0 && index < names.len() { index as u32 + 1 } else { u32::MAX };
        entry[68..72].copy_from_slice(&number(u32::MAX));
        entry[72..76].copy_from_slice(&number(right));
        entry[76..80].copy_from_slice(&number(if index == 0 { 1 } else { u32::MAX }));
        file.extend(entry);
    }
    if tables > 109 {
        file.extend(
            (0..127).flat_map(|it| number(if 109 + it < tables { 109 + it } else { u32::MAX })),
        );
        file.extend(number(0xffff_fffe));
    }
    file
}

fn dicom(preamble: &[u8]) -> Vec<u8> {
    let mut file = preamble.to_vec();
    file.resize(128, 0);
    file.extend(b"DICM\x02\0\0\0UL\x04\0\xc0\0\0\0");
    file
}

const MISMATCH: Result<(), Rejection> = Err(Rejection::ContentMismatch);
const DAMAGED_FILE: Result<(), Rejection> = Err(Rejection::DamagedFile);
const MACROS: Result<(), Rejection> = Err(Rejection::ContainsMacros);

#[test]
fn types_are_recognised_by_their_content() {
    use ContentType::*;
    let dicom = dicom(b"");
    let docx = zip(&["[Content_Types].xml", "_rels/.rels", "word/document.xml"]);
    let xlsx = zip(&["[Content_Types].xml", "xl/workbook.xml"]);
    let doc = compound(&["1Table", "WordDocument"], 0);
    let xls = compound(&["Workbook"], 0);
    let contents: [(&[u8], &[ContentType]); 14] = [
        (b"%PDF-1.7\n", &[Pdf]),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &[Png]),
        (b"\xff\xd8\xff\xe0", &[Jpeg]),
        (b"GIF89a", &[Gif]),
        (b"RIFF\x24\0\0\0WEBPVP8 ", &[Webp]),
        (b"MM\0*\0\0\0\x08", &[Tiff]),
        (&dicom, &[Dicom]),
        (&docx, &[Docx]),
        (&xlsx, &[Xlsx]),
        (&doc, &[Doc]),
        (&xls, &[Xls]),
        (b"{\"resourceType\":\"Bundle\"}", &[Text, Csv, Json]),
        (b"a,b\n1,2\n", &[Text, Csv]),
        (b"MZ\x90\0\x03\0", &[]),
    ];
    for (content, types) in contents {
        for content_type in ContentType::ALL {
            assert_eq!(
                verdict(*content_type, content).is_ok(),
                types.contains(content_type),
                "{content_type} for {content:?}"
            );
        }
    }
}

#[test]
fn a_program_is_no_dicom() {
    let inspect = |content: &[u8]| verdict(ContentType::Dicom, content);
    assert_eq!(inspect(&dicom(b"MZ")), MISMATCH);
    assert_eq!(inspect(&dicom(b"\x7fELF")), MISMATCH);
    assert_eq!(inspect(&dicom(b"#!/bin/sh\n")), MISMATCH);
    assert_eq!(inspect(&dicom(b"%PDF-1.7")), MISMATCH);
    let mut late = vec![0; 127];
    late.push(1);
    assert_eq!(inspect(&dicom(&late)), MISMATCH);
    for preamble in [&b""[..], b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"] {
        assert_eq!(inspect(&dicom(preamble)), Ok(()));
    }
}

#[test]
fn dicom_needs_no_preamble_if_its_first_element_is_plausible() {
    let inspect = |content: &[u8]| verdict(ContentType::Dicom, content);
    for content in [
        // Group length, explicit and implicit; a character set; an image type, big-endian.
        &b"\x08\0\0\0UL\x04\0\x10\0\0\0"[..],
        b"\x02\0\0\0UL\x04\0\x10\0\0\0",
        b"\x08\0\0\0\x04\0\0\0\x10\0\0\0",
        b"\x08\0\x05\0CS\x0a\0ISO_IR 100",
        b"\0\x08\0\x08CS\0\x08ORIGINAL",
    ] {
        assert_eq!(inspect(content), Ok(()), "{content:?}");
    }
    for content in [
        &b"\x08\0\0\0UL\x03\0\x10\0\0\0"[..],
        b"\x10\0\x10\0PN\x04\0Jane",
        b"\x08\0\x05\0\xff\xff\xff\x7f1",
        b"\x08\0\x05\0CS",
        b"MZ\0\0\x04\0\0\0\x10\0\0\0",
    ] {
        assert_eq!(inspect(content), MISMATCH, "{content:?}");
    }
}

#[test]
fn office_documents_have_their_parts_and_no_macros() {
    let docx = |names: &[&str]| verdict(ContentType::Docx, &zip(names));
    let xlsx = |names: &[&str]| verdict(ContentType::Xlsx, &zip(names));
    let types = "[Content_Types].xml";
    assert_eq!(docx(&[types, "word/document.xml"]), Ok(()));
    assert_eq!(docx(&["a.txt"]), MISMATCH);
    assert_eq!(docx(&["word/document.xml"]), MISMATCH);
    assert_eq!(docx(&[types, "xl/workbook.xml"]), MISMATCH);
    assert_eq!(xlsx(&[types, "xl/workbook.xml"]), Ok(()));
    assert_eq!(xlsx(&[types, "word/document.xml"]), MISMATCH);
    assert_eq!(docx(&[types, "word/document.xml", "word/vbaProject.bin"]), MACROS);
    assert_eq!(xlsx(&[types, "xl/workbook.xml", "XL\\VBAPROJECT.BIN"]), MACROS);
}

#[test]
fn a_document_of_many_parts_is_read_to_its_end() {
    let names: Vec<String> = (0..3_000).map(|part| format!("word/media/image{part}.png")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.insert(0, "[Content_Types].xml");
    let file = zip(&names);
    assert!(file.len() as u64 > 4 * HEAD_BYTES);
    assert_eq!(verdict(ContentType::Docx, &file), Ok(()));
    names.push("word/vbaProject.bin");
    assert_eq!(verdict(ContentType::Docx, &zip(&names)), MACROS);
}

#[test]
fn damaged_documents_are_rejected() {
    let file = zip(&["[Content_Types].xml", "word/document.xml"]);
    let docx = |content: &[u8]| verdict(ContentType::Docx, content);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let end = file.len() - 22;
    assert_eq!(docx(&file[..file.len() - 1]), DAMAGED_FILE);
    assert_eq!(docx(&[&file[..], b"MZ"].concat()), DAMAGED_FILE, "something is appended");
    assert_eq!(docx(&with(end + 10, &[9])), DAMAGED_FILE, "another number of parts");
    assert_eq!(docx(&with(end + 12, &[0xff; 4])), DAMAGED_FILE, "a directory beyond the end");
    assert_eq!(docx(&with(end + 16, &[1])), DAMAGED_FILE, "a directory elsewhere");
    assert_eq!(docx(b"PK\x03\x04\x14\0"), DAMAGED_FILE);
    for length in 0..512 {
        let file = compound(&["WordDocument"], 0);
        assert!(verdict(ContentType::Doc, &file[..length + 1]).is_err());
    }
    for at in 0..1_536 {
        let mut file = compound(&["WordDocument"], 0);
        file[at] ^= 0xff;
        let _ = verdict(ContentType::Doc, &file);
    }
}

#[test]
fn office_before_2007_is_told_by_its_streams() {
    let doc = |names: &[&str], before| verdict(ContentType::Doc, &compound(names, before));
    let xls = |names: &[&str], before| verdict(ContentType::Xls, &compound(names, before));
    for before in [0, 1, 500, 20_000] {
        assert_eq!(doc(&["1Table", "\u{5}SummaryInformation", "WordDocument"], before), Ok(()));
        assert_eq!(xls(&["Workbook"], before), Ok(()));
        assert_eq!(xls(&["Book"], before), Ok(()));
        assert_eq!(doc(&["Workbook"], before), MISMATCH);
        assert_eq!(xls(&["WordDocument"], before), MISMATCH);
        assert_eq!(doc(&["__nameid_version1.0"], before), MISMATCH, "a mail of Outlook");
        assert_eq!(doc(&["WordDocument", "_VBA_PROJECT"], before), MACROS);
    }
}

#[test]
fn a_stream_inside_another_document_does_not_count() {
    let mut file = compound(&["Package", "WordDocument"], 0);
    // The first child of the root has no siblings any more.
    let at = file.len() - 512 + 128 + 72;
    file[at..at + 4].copy_from_slice(&[0xff; 4]);
    assert_eq!(verdict(ContentType::Doc, &file), MISMATCH);
}

#[test]
fn encrypted_documents_are_accepted_as_such() {
    let encrypted = compound(&["EncryptionInfo", "EncryptedPackage"], 0);
    assert_eq!(verdict(ContentType::Docx, &encrypted), Ok(()));
    assert_eq!(verdict(ContentType::Xlsx, &encrypted), Ok(()));
    assert_eq!(verdict(ContentType::Doc, &encrypted), MISMATCH);
    assert_eq!(verdict(ContentType::Docx, &compound(&["WordDocument"], 0)), MISMATCH);
}

#[test]
fn office_before_2007_may_have_a_password() {
    // It encrypts what is in the streams, not their names ([MS-DOC] 2.2.6, [MS-XLS] 2.2.10).
    for (content_type, stream) in
        [(ContentType::Doc, "WordDocument"), (ContentType::Xls, "Workbook")]
    {
        let mut file = compound(&[stream], 4);
        let (streams, directory) = (2 * 512, file.len() - 512);
        for (at, byte) in file[streams..directory].iter_mut().enumerate() {
            *byte = (at * 167 + 13) as u8;
        }
        assert_eq!(verdict(content_type, &file), Ok(()));
    }
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn text_is_decoded_to_its_end() {
    use ContentType::{Csv, Json, Text};
    let undecodable = Err(Rejection::UndecodableText);
    let json = "{\"name\": \"Müller 😀\"}";
    let all = [Text, Csv, Json];
    for content_type in all {
        assert_eq!(verdict(content_type, json.as_bytes()), Ok(()));
        assert_eq!(verdict(content_type, &[b"\xef\xbb\xbf", json.as_bytes()].concat()), Ok(()));
        let marked = format!("\u{feff}{json}");
        assert_eq!(verdict(content_type, &utf_16(&marked, u16::to_le_bytes)), Ok(()));
        assert_eq!(verdict(content_type, &utf_16(&marked, u16::to_be_bytes)), Ok(()));
        assert_eq!(verdict(content_type, b"\xff\xfe{\0\0\xd8{\0"), undecodable, "half a pair");
        assert_eq!(verdict(content_type, b"\xff\xfe{\0}"), undecodable, "half a character");
        assert_eq!(verdict(content_type, b"\xef\xbb\xbf{\xff}"), undecodable);
        assert!(verdict(content_type, &utf_16(json, u16::to_le_bytes)).is_err(), "without a mark");
        assert_eq!(verdict(content_type, b"{\x01}"), MISMATCH);
    }
    let latin_1 = b"[\"M\xfcller\", \"\x80\"]";
    assert_eq!(verdict(Text, latin_1), Ok(()));
    assert_eq!(verdict(Csv, latin_1), Ok(()));
    assert_eq!(verdict(Json, latin_1), undecodable);
    assert_eq!(verdict(Json, b" \r\n"), MISMATCH);
    assert_eq!(verdict(Json, b"<html>"), MISMATCH);
}

#[test]
fn the_end_of_a_text_counts_as_well_as_its_beginning() {
    use ContentType::{Csv, Json, Text};
    // Longer than a piece, and characters lie across the borders of pieces.
    let long = format!("[\"{}\"]", "ä😀".repeat(1_000_000));
    for content_type in [Text, Csv, Json] {
        assert_eq!(verdict(content_type, long.as_bytes()), Ok(()));
        let program = [long.as_bytes(), b"\0\x01"].concat();
        assert_eq!(verdict(content_type, &program), MISMATCH);
    }
    let cut = &long.as_bytes()[..long.len() - 3];
    assert_eq!(verdict(Json, cut), Err(Rejection::UndecodableText));
}

#[test]
fn a_large_file_of_another_type_is_not_read() {
    let mut inspection = Inspection::new(ContentType::Pdf, u64::MAX);
    assert_eq!(inspection.step(), InspectionStep::Read(0..HEAD_BYTES));
    let mut head = b"%PDF-1.7".to_vec();
    head.resize(HEAD_BYTES as usize, b' ');
    inspection.take(0, head);
    assert_eq!(inspection.step(), InspectionStep::Decided(Verdict::Available));
}

#[test]
fn a_pdf_may_have_text_before_its_header() {
    let pdf = |before: &[u8]| verdict(ContentType::Pdf, &[before, b"%PDF-1.4\n"].concat());
    for before in [
        &b""[..],
        b"\xef\xbb\xbf",
        b"\r\n\r\n",
        b"\x1b%-12345X@PJL ENTER LANGUAGE=PDF\r\n",
        &[b' '; 1024],
    ] {
        assert_eq!(pdf(before), Ok(()), "{before:?}");
    }
    for before in [
        &b"MZ"[..],
        b"#!/bin/sh\n",
        b"PK\x03\x04",
        b"GIF89a",
        b"%!PS\x00",
        b" <script>",
        b"{\\rtf1",
        &[b' '; 1025],
    ] {
        assert_eq!(pdf(before), MISMATCH, "{before:?}");
    }
    for content_type in [ContentType::Text, ContentType::Csv] {
        assert_eq!(verdict(content_type, b"%PDF-1.4"), MISMATCH);
    }
}

#[test]
fn photos_of_telephones_are_told_by_their_brands() {
    use ContentType::{Avif, Heic, Heif};
    let photo = |brands: &[u8]| {
        let size = (brands.len() as u32 + 8).to_be_bytes();
        [&size[..], b"ftyp", brands, b"\0\0\0\x08meta"].concat()
    };
    for content_type in [Heic, Heif] {
        assert_eq!(verdict(content_type, &photo(b"heic\0\0\0\0mif1MiHEheic")), Ok(()));
        assert_eq!(verdict(content_type, &photo(b"mif1\0\0\0\0mif1heic")), Ok(()));
        assert_eq!(verdict(content_type, &photo(b"MiHE\0\0\0\0heix")), Ok(()));
        assert_eq!(verdict(content_type, &photo(b"isom\0\0\0\0mp42")), MISMATCH, "a video");
        assert_eq!(verdict(content_type, &photo(b"isomheic")), MISMATCH, "a version, not a brand");
        assert_eq!(verdict(content_type, b"\0\0\xff\xffftypheic"), MISMATCH);
        assert_eq!(verdict(content_type, b"\0\0\0\x03ftypheic"), MISMATCH);
        assert_eq!(verdict(content_type, b"\xff\xd8\xff"), MISMATCH);
    }
    assert_eq!(verdict(Avif, &photo(b"avif\0\0\0\0mif1miaf")), Ok(()));
    assert_eq!(verdict(Avif, &photo(b"heic\0\0\0\0mif1")), MISMATCH);
}

#[test]
fn a_document_of_word_may_be_rtf() {
    assert_eq!(verdict(ContentType::Doc, b"{\\rtf1\\ansi Befund}"), Ok(()));
    assert_eq!(verdict(ContentType::Xls, b"{\\rtf1\\ansi Befund}"), MISMATCH);
}
