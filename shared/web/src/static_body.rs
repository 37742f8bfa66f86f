//! Use [`StaticBody`] for constant bodies: compressed if the client accepts gzip, 304 if it has
//! them.

use std::io::{Error, Read, Write};
use std::sync::OnceLock;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crypto::sha256;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_api::problem::Problem;

/// A body that never changes while the function lives.
pub struct StaticBody {
    media_type: &'static str,
    version: String,
    plain: OnceLock<Bytes>,
    packed: OnceLock<Bytes>,
}

/// How long the response may be kept.
#[derive(Clone, Copy)]
pub enum Caching {
    /// For ever: its address names the version.
    Immutable,
    /// Until it is asked for again.
    Revalidated,
}

impl StaticBody {
    /// Makes a body from a text.
    pub fn text(media_type: &'static str, text: impl Into<Bytes>) -> Self {
        let plain = text.into();
        Self {
            media_type,
            version: version(&plain),
            plain: OnceLock::from(plain),
            packed: OnceLock::new(),
        }
    }

    /// Makes a body from bytes that were packed with gzip before the function was built.
    pub fn packed(media_type: &'static str, packed: &'static [u8]) -> Self {
        let packed = Bytes::from_static(packed);
        Self {
            media_type,
            version: version(&packed),
            plain: OnceLock::new(),
            packed: OnceLock::from(packed),
        }
    }

    /// Returns a hash that tells the body from every other.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the response to a request with these headers.
    ///
    /// # Errors
    /// 500 when the body cannot be packed or unpacked.
    pub fn response(&self, request: &HeaderMap, caching: Caching) -> Result<Response, Problem> {
        let packs = takes_gzip(request);
        let tag = if packs {
            format!("\"{}-gzip\"", self.version)
        } else {
            format!("\"{}\"", self.version)
        };
        let mut response = if has(request, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(self.bytes(packs).map_err(Problem::internal)?).into_response()
        };
        let headers = response.headers_mut();
        let kept = match caching {
            Caching::Immutable => "public, max-age=31536000, immutable",
            Caching::Revalidated => "no-cache",
        };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(header::ETAG, HeaderValue::try_from(tag).map_err(Problem::internal)?);
        headers.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
        if packs {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }

    fn bytes(&self, packs: bool) -> std::io::Result<Bytes> {
        let (wanted, other) =
            if packs { (&self.packed, &self.plain) } else { (&self.plain, &self.packed) };
        if let Some(bytes) = wanted.get() {
            return Ok(bytes.clone());
        }
        let other = other.get().ok_or_else(|| Error::other("the body has neither form"))?;
        let made = Bytes::from(if packs { pack(other)? } else { unpack(other)? });
        Ok(wanted.get_or_init(|| made).clone())
    }
}

fn version(bytes: &[u8]) -> String {
    sha256(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn pack(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Returns the members of a list in a header, in lower case.
fn members(request: &HeaderMap, name: HeaderName) -> impl Iterator<Item = String> {
    let lines = request.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|member| member.trim().to_ascii_lowercase())
        .collect::<Vec<_>>()
        .into_iter()
}

/// Returns whether the client takes gzip (RFC 9110, section 12.5.3).
fn takes_gzip(request: &HeaderMap) -> bool {
    members(request, header::ACCEPT_ENCODING).any(|member| {
        let (coding, weight) = member.split_once(';').unwrap_or((&member, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        matches!(coding.trim(), "gzip" | "*") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Returns whether the client has this version already (RFC 9110, section 13.1.2).
fn has(request: &HeaderMap, tag: &str) -> bool {
    members(request, header::IF_NONE_MATCH)
        .any(|member| member == "*" || member.strip_prefix("w/").unwrap_or(&member) == tag)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn request(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    async fn body(response: Response) -> Vec<u8> {
        to_bytes(response.into_body(), 10_000_000).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn it_is_packed_for_those_who_take_that() {
        let text = StaticBody::text("text/plain", "a text ".repeat(100));
        let packed: &'static [u8] = Box::leak(pack(b"a text").unwrap().into_boxed_slice());
        let packed = StaticBody::packed("text/plain", packed);
        for (content, expected) in [(&text, "a text ".repeat(100)), (&packed, "a text".to_owned())]
        {
            for encodings in ["", "br", "gzip;q=0", "identity"] {
                let response = content
                    .response(
                        &request(&[(header::ACCEPT_ENCODING, encodings)]),
                        Caching::Revalidated,
                    )
                    .unwrap();
                assert!(!response.headers().contains_key(header::CONTENT_ENCODING), "{encodings}");
                assert_eq!(body(response).await, expected.as_bytes());
            }
            for encodings in ["gzip", "br, GZIP", "gzip;q=0.5", "*"] {
                let response = content
                    .response(&request(&[(header::ACCEPT_ENCODING, encodings)]), Caching::Immutable)
                    .unwrap();
                assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
                assert_eq!(unpack(&body(response).await).unwrap(), expected.as_bytes());
            }
        }
    }

    #[tokio::test]
    async fn those_who_have_it_are_not_sent_it_again() {
        let content = StaticBody::text("text/plain", "a text");
        assert_eq!(content.version(), "734194ede5b063e6", "of SHA-256");
        let tag = content.response(&HeaderMap::new(), Caching::Revalidated).unwrap().headers()
            [header::ETAG]
            .clone();
        for tags in [
            tag.to_str().unwrap().to_owned(),
            format!("\"x\", W/{}", tag.to_str().unwrap()),
            "*".to_owned(),
        ] {
            let headers = HeaderMap::from_iter([(
                header::IF_NONE_MATCH,
                HeaderValue::try_from(tags).unwrap(),
            )]);
            let response = content.response(&headers, Caching::Revalidated).unwrap();
            assert_eq!(
                (response.status(), &response.headers()[header::ETAG]),
                (StatusCode::NOT_MODIFIED, &tag)
            );
            assert!(body(response).await.is_empty());
        }
        let other = request(&[(header::IF_NONE_MATCH, "\"x\"")]);
        assert_eq!(
            content.response(&other, Caching::Revalidated).unwrap().status(),
            StatusCode::OK
        );
        let packed = request(&[(header::ACCEPT_ENCODING, "gzip")]);
        assert_ne!(
            content.response(&packed, Caching::Revalidated).unwrap().headers()[header::ETAG],
            tag,
            "other bytes, another tag"
        );
    }
}
