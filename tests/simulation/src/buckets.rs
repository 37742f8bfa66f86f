//! Buckets of S3: versions, conditional writes, and events of the bucket of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::choices::Choices;
use crate::clock::timestamp;
use crate::settings::FILES;

/// How many objects are listed at once: few, so that there are several pages.
const LISTED_AT_ONCE: usize = 2;

/// A version of an object, or a delete marker.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its id.
    pub id: u64,
    /// The content; none for a delete marker.
    pub content: Option<Vec<u8>>,
    /// The type.
    pub content_type: String,
    /// When it was stored, in ms.
    pub stored_at: u64,
}

/// All buckets. The versions of an object are in the order of their creation.
#[derive(Default)]
pub struct Buckets {
    /// Versions by bucket and key.
    pub objects: BTreeMap<(String, String), Vec<Version>>,
    /// Keys of which the bucket of files still has to tell.
    pub events: Vec<String>,
    /// Is notified of them.
    pub changed: Arc<Notify>,
    ids: u64,
}

/// A request.
pub struct S3Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The name of the bucket.
    pub bucket: &'a str,
    /// The key; empty for the bucket itself.
    pub key: &'a str,
    /// Arguments by name.
    pub query: BTreeMap<String, String>,
    /// Whether an object must not be there.
    pub if_none_match: bool,
    /// The type of what is stored.
    pub content_type: &'a str,
    /// The range of what is read.
    pub range: Option<&'a str>,
    /// What is stored.
    pub body: &'a [u8],
}

/// A response.
pub struct S3Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl S3Response {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    fn error(status: u16, code: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code></Error>"))
    }
}

impl Buckets {
    /// Returns the present version of an object.
    pub fn present(&self, bucket: &str, key: &str) -> Option<&Version> {
        let versions = self.objects.get(&(bucket.to_owned(), key.to_owned()))?;
        versions.last().filter(|version| version.content.is_some())
    }

    /// Carries out a request.
    pub fn act(&mut self, request: &S3Request<'_>, now: u64, choices: &mut Choices) -> S3Response {
        let at = (request.bucket.to_owned(), request.key.to_owned());
        let wanted = request.query.get("versionId").map(|id| id.parse::<u64>().unwrap());
        match request.method {
            "GET" if request.query.contains_key("versions") => self.list(request),
            "GET" if request.query.contains_key("list-type") => self.list_objects(request),
            "GET" => {
                let versions = self.objects.get(&at).map(Vec::as_slice).unwrap_or_default();
                let found = match wanted {
                    Some(id) => versions.iter().find(|version| version.id == id),
                    None => versions.last(),
                };
                let Some(content) = found.and_then(|found| found.content.as_ref()) else {
                    return S3Response::error(404, "NoSuchKey");
                };
                let content_type = ("content-type", found.unwrap().content_type.clone());
                let range = request.range.and_then(|range| {
                    let (start, last) = range.strip_prefix("bytes=")?.split_once('-')?;
                    Some((start.parse::<usize>().ok()?, last.parse::<usize>().ok()?))
                });
                match range {
                    Some((start, _)) if start >= content.len() => {
                        S3Response::error(416, "InvalidRange")
                    }
                    Some((start, last)) => {
                        let end = content.len().min(last + 1);
                        let range = format!("bytes {start}-{}/{}", end - 1, content.len());
                        let headers = vec![content_type, ("content-range", range)];
                        S3Response { status: 206, headers, body: content[start..end].to_vec() }
                    }
                    None => S3Response {
                        status: 200,
                        headers: vec![content_type],
                        body: content.clone(),
                    },
                }
            }
            "PUT" => {
                if request.if_none_match && self.present(request.bucket, request.key).is_some() {
                    return S3Response::error(412, "PreconditionFailed");
                }
                if request.if_none_match && choices.chance(10) {
                    return S3Response::error(409, "ConditionalRequestConflict");
                }
                let content = Some(request.body.to_vec());
                self.add(at.clone(), content, request.content_type, now);
                if at.0 == FILES {
                    self.events.push(at.1);
                    self.changed.notify_one();
                }
                S3Response::new(200, "")
            }
            "DELETE" => {
                match wanted {
                    Some(id) => {
                        let versions = self.objects.entry(at.clone()).or_default();
                        versions.retain(|version| version.id != id);
                        if versions.is_empty() {
                            self.objects.remove(&at);
                        }
                    }
                    None => self.add(at, None, "", now),
                }
                S3Response::new(204, "")
            }
            other => panic!("the buckets have no {other}"),
        }
    }

    fn add(
        &mut self,
        at: (String, String),
        content: Option<Vec<u8>>,
        content_type: &str,
        stored_at: u64,
    ) {
        self.ids += 1;
        let content_type = content_type.to_owned();
        let version = Version { id: self.ids, content, content_type, stored_at };
        self.objects.entry(at).or_default().push(version);
    }

    /// Lists the keys of objects, a few at a time.
    fn list_objects(&self, request: &S3Request<'_>) -> S3Response {
        let argument = |name| request.query.get(name).map(String::as_str).unwrap_or_default();
        let (prefix, after) = (argument("prefix"), argument("start-after"));
        let present = self.objects.iter().filter_map(|((bucket, key), versions)| {
            let last = versions.last().filter(|version| version.content.is_some())?;
            let is_listed =
                bucket == request.bucket && key.starts_with(prefix) && key.as_str() > after;
            is_listed.then_some((key, last.stored_at))
        });
        let mut body = "<ListBucketResult>".to_owned();
        for (key, stored_at) in present.clone().take(LISTED_AT_ONCE) {
            let at = timestamp(stored_at);
            body +=
                &format!("<Contents><Key>{key}</Key><LastModified>{at}</LastModified></Contents>");
        }
        let is_truncated = present.count() > LISTED_AT_ONCE;
        body += &format!("<IsTruncated>{is_truncated}</IsTruncated></ListBucketResult>");
        S3Response::new(200, body)
    }

    /// Lists versions, the newest of a key first.
    fn list(&self, request: &S3Request<'_>) -> S3Response {
        let prefix = request.query.get("prefix").map(String::as_str).unwrap_or_default();
        let mut body = "<ListVersionsResult><IsTruncated>false</IsTruncated>".to_owned();
        for ((bucket, key), versions) in &self.objects {
            if bucket != request.bucket || !key.starts_with(prefix) {
                continue;
            }
            for version in versions.iter().rev() {
                let kind = if version.content.is_some() { "Version" } else { "DeleteMarker" };
                let id = version.id;
                body += &format!("<{kind}><Key>{key}</Key><VersionId>{id}</VersionId></{kind}>");
            }
        }
        S3Response::new(200, body + "</ListVersionsResult>")
    }
}
