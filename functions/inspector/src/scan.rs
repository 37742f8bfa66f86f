//! Events about scans for malware: "Monitoring S3 object scans with Amazon EventBridge" in the user
//! guide of GuardDuty.

use serde::Deserialize;

/// What GuardDuty says of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// It found no threat in this version of the object.
    NoThreatsFound {
        /// The version.
        version: Option<String>,
    },
    /// It found malware.
    ThreatsFound,
    /// It cannot look into the object, which may be encrypted, nested too deeply or too large.
    Unsupported,
    /// It had no right to read the object, or failed.
    Failed,
}

/// The result of a scan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScanEvent {
    /// The key of the object.
    pub(crate) object_key: String,
    /// The result.
    pub(crate) scan: Scan,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScanDetail {
    s3_object_details: ObjectDetails,
    scan_result_details: Option<ResultDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectDetails {
    object_key: String,
    version_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultDetails {
    scan_result_status: String,
}

impl ScanEvent {
    /// Reads a message; `None` if it is about something else.
    ///
    /// # Errors
    /// When the message is no JSON, or lacks what such an event contains.
    pub(crate) fn read(message: &str) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct ScanMessage {
            #[serde(rename = "detail-type", default)]
            detail_type: String,
            #[serde(default)]
            detail: serde_json::Value,
        }
        let message: ScanMessage = serde_json::from_str(message)?;
        if message.detail_type != "GuardDuty Malware Protection Object Scan Result" {
            return Ok(None);
        }
        let detail: ScanDetail = serde_json::from_value(message.detail)?;
        let object = detail.s3_object_details;
        let result = detail.scan_result_details.map(|details| details.scan_result_status);
        let scan = match result.as_deref() {
            Some("NO_THREATS_FOUND") => Scan::NoThreatsFound { version: object.version_id },
            Some("THREATS_FOUND") => Scan::ThreatsFound,
            Some("UNSUPPORTED") => Scan::Unsupported,
            // ACCESS_DENIED and FAILED.
            _ => Scan::Failed,
        };
        Ok(Some(Self { object_key: object.object_key, scan }))
    }
}
