//! The function `admin`: what staff do with users, doctors' approvals, the audit trail.
//!
//! Staff see accounts here, and of charts nothing but who did what to them. Whatever they do or
//! look at is an event of the audit trail itself.

mod console;
mod create_user;
mod decide_approval;
mod end_sessions;
mod list_doctors;
mod list_events;
mod list_users;
mod pipeline;
mod read_user;
mod response;
mod start_email_change;
mod start_password_reset;
mod update_user;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use http_api::state::HttpState;
use runtime::aws::{self, CallPolicy};
use runtime::config;
use store::Store;
use store::archive::AuditKey;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::pipeline::Pipeline;

/// How often a change is tried when other requests come first and the client has named no version.
const MAX_RETRIES: usize = 4;

/// All routes of the group.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_users::list_users, create_user::create_user))
        .routes(routes!(read_user::read_user, update_user::update_user))
        .routes(routes!(end_sessions::end_sessions))
        .routes(routes!(start_password_reset::start_password_reset))
        .routes(routes!(start_email_change::start_email_change))
        .routes(routes!(list_doctors::list_doctors_by_approval))
        .routes(routes!(decide_approval::approve_doctor))
        .routes(routes!(decide_approval::refuse_doctor))
        .routes(routes!(decide_approval::suspend_doctor))
        .routes(routes!(list_events::list_events))
}

/// Everything that the function answers: the API, and the console for browsers.
pub fn service(app: App) -> Router {
    let console = console::router(&app);
    http_api::middleware::service(router().merge(console.into()), app)
}

/// Method and path of every page and form of the console that is for staff alone.
pub fn console_paths() -> Vec<(&'static str, &'static str)> {
    console::paths()
}

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct App {
    kit: HttpState,
    store: Store,
    doctors: config::Doctors,
    console: Arc<console::session::Keys>,
    pipeline: Pipeline,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let (http, doctors) = (config::Http::from_env()?, config::Doctors::from_env()?);
        let console = Arc::new(console::session::Keys::new(&config::Console::from_env()?));
        let queues = config::Pipeline::from_env()?;
        let sdk = aws::sdk(CallPolicy::Interactive).await;
        let store = Store::new(aws::dynamodb(&sdk), &http.table_name)
            .proving(AuditKey::new(http.audit_key.expose()));
        let pipeline = Pipeline::new(&aws::sqs(&sdk), queues);
        Ok(Self { kit: HttpState::new(http, store.clone()), store, doctors, console, pipeline })
    }
}
