//! The function `records`: the records of patients, with files and annotations, and the assignment
//! to doctors.

mod allowance;
mod assignable_doctor;
mod chart;
mod create_annotation;
mod create_record;
mod delete_file;
mod download_file;
mod list_doctor_records;
mod list_patient_records;
mod new_files;
mod notice;
mod read_access_log;
mod read_annotation_history;
mod read_doctor_record;
mod read_patient_record;
mod read_record_history;
mod renew_upload;
mod response;
mod update_annotation;
mod update_record;

use std::sync::Arc;

use axum::extract::FromRef;
use http_api::idempotency::ResponseKeys;
use http_api::routes;
use http_api::state::{self, HttpKeys, HttpState};
use runtime::aws;
use runtime::bucket::Bucket;
use runtime::config;
use runtime::serve::Error;
use store::Store;
use utoipa_axum::router::OpenApiRouter;

/// Returns the routes of the function.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_patient_records::list_patient_records, create_record::create_record))
        .routes(routes!(
            read_patient_record::read_patient_record,
            update_record::update_record,
            update_record::replace_record
        ))
        .routes(routes!(delete_file::delete_file))
        .routes(routes!(download_file::download_file))
        .routes(routes!(renew_upload::renew_upload))
        .routes(routes!(list_doctor_records::list_doctor_records))
        .routes(routes!(create_annotation::create_annotation))
        .routes(routes!(
            update_annotation::update_annotation,
            update_annotation::replace_annotation
        ))
        .routes(routes!(read_doctor_record::read_doctor_record))
        .routes(routes!(read_access_log::read_access_log))
        .routes(routes!(read_record_history::read_patient_record_history))
        .routes(routes!(read_record_history::read_doctor_record_history))
        .routes(routes!(read_annotation_history::read_patient_history))
        .routes(routes!(read_annotation_history::read_doctor_history))
}

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function that serves HTTP needs.
    pub http: config::Http,
    /// How repeated requests are recognized.
    pub idempotency: config::Idempotency,
    /// How files are received and handed out.
    pub uploads: config::Uploads,
    /// What a patient may create.
    pub allowance: config::Allowance,
}

impl Config {
    /// Reads the configuration from environment variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn read(
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, config::ConfigError> {
        Ok(Self {
            http: config::Http::read(&lookup)?,
            idempotency: config::Idempotency::read(&lookup)?,
            uploads: config::Uploads::read(&lookup)?,
            allowance: config::Allowance::read(&lookup)?,
        })
    }
}

/// The state of the handlers.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    responses: ResponseKeys,
    store: Store,
    bucket: Bucket,
    uploads: Arc<config::Uploads>,
    allowance: config::Allowance,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete, or a secret cannot be read.
    pub async fn start() -> Result<Self, Error> {
        let config = Config::read(config::environment)?;
        let own = [config.idempotency.idempotency_secret_arn.as_str()];
        let connection = state::connect(&config.http, own).await?;
        let bucket = Bucket::new(aws::s3(&connection.sdk), &config.uploads.bucket_name);
        let [responses] = connection.own;
        let responses = ResponseKeys::new(responses);
        Ok(Self::new(config, connection.store, connection.keys, responses, bucket))
    }

    /// Builds the state from its parts.
    pub fn new(
        config: Config,
        store: Store,
        keys: HttpKeys,
        responses: ResponseKeys,
        bucket: Bucket,
    ) -> Self {
        Self {
            http: HttpState::new(config.http, store.clone(), keys),
            responses,
            store,
            bucket,
            uploads: Arc::new(config.uploads),
            allowance: config.allowance,
        }
    }
}
