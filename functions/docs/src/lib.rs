//! The function `docs`: the API's document, Swagger UI, the pages of problems, health. All of it is
//! for anyone.
//!
//! The document is made from the routers of all functions by `make openapi` and committed; this
//! function links none of them.

mod health;
mod problem_page;
mod schema;
mod swagger_ui;

use std::sync::Arc;

use axum::Router;
use http_api::problem::Problem;
use http_api::{middleware, routes};
use runtime::aws::{self, CallPolicy};
use runtime::config;
use store::Table;
use utoipa_axum::router::OpenApiRouter;

pub use crate::health::healthy;
pub use crate::schema::schema_with_slash;

use crate::schema::Schema;
use crate::swagger_ui::SwaggerUi;

/// Returns the routes of the function.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(schema::read_schema))
        .routes(routes!(swagger_ui::swagger_ui))
        .routes(routes!(swagger_ui::swagger_ui_bundle))
        .routes(routes!(swagger_ui::swagger_ui_style))
        .routes(routes!(swagger_ui::swagger_ui_start))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(problem_page::problem_page))
}

/// Builds the service of the function.
pub fn service(app: App) -> Router {
    let allowed_origins = Arc::clone(&app.allowed_origins);
    middleware::public_service(router(), app, &allowed_origins)
}

/// The state of the handlers.
#[derive(Clone)]
pub struct App {
    store: Table,
    allowed_origins: Arc<[String]>,
    published: Option<Arc<Published>>,
}

/// The document and Swagger UI, which the operator may choose not to publish.
struct Published {
    schema: Schema,
    swagger_ui: SwaggerUi,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Docs::from_env()?;
        let sdk = aws::sdk(CallPolicy::Interactive).await;
        let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
        Ok(Self::new(config, store))
    }

    /// Puts the parts together.
    pub fn new(config: config::Docs, store: Table) -> Self {
        let published = config
            .publish
            .then(|| Arc::new(Published { schema: Schema::new(), swagger_ui: SwaggerUi::new() }));
        Self { store, allowed_origins: config.allowed_origins.into(), published }
    }

    /// Returns the document and Swagger UI.
    ///
    /// # Errors
    /// 404 when the operator has chosen not to.
    fn published(&self) -> Result<&Published, Problem> {
        self.published.as_deref().ok_or_else(Problem::not_found)
    }
}
