//! `GET /api/health/` and `GET /api/health/ready/`

use axum::extract::State;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// How the service is.
#[derive(Serialize, ToSchema)]
struct Health {
    #[schema(max_length = 16, example = "ok")]
    status: &'static str,
}

/// Report whether the service responds at all.
#[utoipa::path(
    get, path = "/api/health/", tag = "Service",
    responses(
        (status = 200, description = "It does.", body = Health),
    )
)]
pub(crate) async fn health() -> ApiResponse {
    healthy()
}

/// Returns that a function responds.
pub fn healthy() -> ApiResponse {
    ok(&Health { status: "ok" })
}

/// Report whether the service can do its work: the table responds, too.
#[utoipa::path(get, path = "/api/health/ready/", tag = "Service", responses((status = 200,
    description = "It can.", body = Health)))]
pub(crate) async fn ready(State(app): State<App>) -> Result<ApiResponse, Problem> {
    // Whatever is wrong with the table, the service is not ready.
    app.store.check().await.map_err(Problem::unavailable_because)?;
    Ok(ok(&Health { status: "ready" }))
}
