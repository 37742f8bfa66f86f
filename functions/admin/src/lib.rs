//! The function `admin`: the JSON API of staff below `/api/admin/`.
//!
//! The use cases are those of the crate [`staff`]; here is how requests and responses are written.
//! The function has no right on records, notifications or queues.

mod create_user;
mod decide_approval;
mod end_sessions;
mod list_doctors;
mod list_events;
mod list_users;
mod read_user;
mod recoveries;
mod response;
mod search_users;
mod start_email_change;
mod start_password_reset;
mod start_second_factor_removal;
mod update_user;

use axum::Router;
use axum::extract::FromRef;
use http_api::idempotency::ResponseKeys;
use http_api::routes;
use http_api::state::{self, HttpKeys, HttpState};
use runtime::config;
use runtime::serve::Error;
use staff::StaffService;
use store::Store;
use utoipa_axum::router::OpenApiRouter;

/// Returns the routes of the function.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_users::list_users, create_user::create_user))
        .routes(routes!(search_users::search_users))
        .routes(routes!(read_user::read_user, update_user::update_user))
        .routes(routes!(end_sessions::end_sessions))
        .routes(routes!(start_password_reset::start_password_reset))
        .routes(routes!(start_email_change::start_email_change))
        .routes(routes!(start_second_factor_removal::start_second_factor_removal))
        .routes(routes!(recoveries::list_recoveries))
        .routes(routes!(recoveries::approve_recovery))
        .routes(routes!(recoveries::staff_cancel_recovery))
        .routes(routes!(list_doctors::list_doctors_by_approval))
        .routes(routes!(decide_approval::approve_doctor))
        .routes(routes!(decide_approval::refuse_doctor))
        .routes(routes!(decide_approval::suspend_doctor))
        .routes(routes!(list_events::list_events))
}

/// Builds the service of the function.
pub fn service(app: App) -> Router {
    http_api::middleware::service(router(), app)
}

/// What the function is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function that serves HTTP needs.
    pub http: config::Http,
    /// How repeated requests are recognized.
    pub idempotency: config::Idempotency,
    /// How doctors are let in.
    pub doctors: config::Doctors,
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
            idempotency: config::Idempotency::read(&lookup)?,
            doctors: config::Doctors::read(&lookup)?,
        })
    }
}

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    responses: ResponseKeys,
    staff: StaffService,
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
        let [responses] = connection.own;
        Ok(Self::new(config, connection.store, connection.keys, ResponseKeys::new(responses)))
    }

    /// Puts the parts together.
    pub fn new(config: Config, store: Store, keys: HttpKeys, responses: ResponseKeys) -> Self {
        let http = HttpState::new(config.http, store.clone(), keys);
        let staff = StaffService::new(store, http.clone(), config.doctors.approval_is_required);
        Self { http, responses, staff }
    }
}
