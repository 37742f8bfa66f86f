//! The function `console`: the pages at `/admin/`, for staff.
//!
//! `routes` lists every page and form with its operation. Pages about users and the audit trail
//! use the use cases of the crate [`staff`]; those about records, mails and numbers have theirs
//! here. What staff look at is an event of the audit trail itself.

mod audit;
mod dashboard;
mod mail;
mod records;
mod routes;
mod users;
mod web;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use crypto::RotatingSecret;
use http_api::state::{self, HttpKeys, HttpState};
use runtime::aws;
use runtime::config;
use runtime::serve::Error;
use staff::StaffService;
use store::Store;

use crate::mail::pipeline::Pipeline;

/// Builds the service of the function.
pub fn service(app: App) -> Router {
    http_api::middleware::service(routes::router(&app).into(), app)
}

/// Returns method and path of every page and form that is for staff alone.
pub fn paths() -> Vec<(&'static str, &'static str)> {
    routes::paths()
}

/// What the function is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function that serves HTTP needs.
    pub http: config::Http,
    /// How doctors are let in.
    pub doctors: config::Doctors,
    /// What the console needs.
    pub console: config::Console,
    /// The queues, and how much may be sent again.
    pub pipeline: config::Pipeline,
}

impl Config {
    /// Reads it from variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn read(
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, config::ConfigError> {
        Ok(Self {
            http: config::Http::read(&lookup)?,
            doctors: config::Doctors::read(&lookup)?,
            console: config::Console::read(&lookup)?,
            pipeline: config::Pipeline::read(&lookup)?,
        })
    }
}

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    store: Store,
    staff: StaffService,
    keys: Arc<web::session::ConsoleKeys>,
    pipeline: Pipeline,
    app_url: Arc<str>,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete, or a secret cannot be read.
    pub async fn start() -> Result<Self, Error> {
        let config = Config::read(config::environment)?;
        let own = [config.console.console_secret_arn.as_str()];
        let connection = state::connect(&config.http, own).await?;
        let ([secret], queues) = (connection.own, aws::sqs(&connection.sdk));
        Ok(Self::new(config, connection.store, connection.keys, secret, &queues))
    }

    /// Puts the parts together. `secret` is for cookies and forms.
    pub fn new(
        config: Config,
        store: Store,
        keys: HttpKeys,
        secret: RotatingSecret,
        queues: &aws_sdk_sqs::Client,
    ) -> Self {
        let http = HttpState::new(config.http, store.clone(), keys);
        let console_keys = web::session::ConsoleKeys::new(secret, &http.public_url);
        let approval_is_required = config.doctors.approval_is_required;
        Self {
            staff: StaffService::new(store.clone(), http.clone(), approval_is_required),
            keys: Arc::new(console_keys),
            pipeline: Pipeline::new(queues, config.pipeline, store.clone()),
            app_url: config.console.app_url.into(),
            http,
            store,
        }
    }
}
