//! The function `console`: the pages at `/admin/`, for staff.
//!
//! [`routes`] lists every page and form with its operation. Pages about users and the audit trail
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
use http_api::state::HttpState;
use runtime::aws::{self, CallPolicy};
use runtime::config;
use staff::StaffService;
use store::proof::AuditKey;
use store::{Store, Table};

use crate::mail::pipeline::Pipeline;

/// The routes as a service.
pub fn service(app: App) -> Router {
    http_api::middleware::service(routes::router(&app).into(), app)
}

/// Returns method and path of every page and form that is for staff alone.
pub fn paths() -> Vec<(&'static str, &'static str)> {
    routes::paths()
}

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    store: Store,
    staff: StaffService,
    keys: Arc<web::session::Keys>,
    pipeline: Pipeline,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let (http, doctors) = (config::Http::from_env()?, config::Doctors::from_env()?);
        let keys = Arc::new(web::session::Keys::new(&config::Console::from_env()?));
        let queues = config::Pipeline::from_env()?;
        let sdk = aws::sdk(CallPolicy::Interactive).await;
        let table = Table::new(aws::dynamodb(&sdk), &http.table_name);
        let store = Store::new(table, AuditKey::new(http.audit_key.expose()));
        let pipeline = Pipeline::new(&aws::sqs(&sdk), queues);
        let http = HttpState::new(http, store.clone());
        let staff = StaffService::new(store.clone(), http.clone(), doctors.approval_is_required);
        Ok(Self { http, store, staff, keys, pipeline })
    }
}
