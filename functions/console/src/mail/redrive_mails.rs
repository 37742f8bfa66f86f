//! `POST /admin/mail/redrive/`

use axum::extract::State;
use axum::response::Response;
use http_api::caller::Admin;
use http_api::problem::Problem;

use crate::App;
use crate::mail::pipeline::RedriveOutcome;
use crate::web::form::FormBody;
use crate::web::layout::see_other;

/// Redrives the dead letter with the id `message`, or all that redriving resolves.
pub(crate) async fn redrive_mails(
    State(app): State<App>,
    admin: Admin,
    body: FormBody,
) -> Result<Response, Problem> {
    let message = body.form().parse(|form| form.nullable::<String>("message"))?;
    let caller = admin.authorize().await?;
    let done = match app.pipeline.redrive(&caller, message.as_deref()).await? {
        RedriveOutcome { redriven: 0, .. } => "none-redriven",
        RedriveOutcome { left: 0, .. } => "redriven",
        RedriveOutcome { .. } => "some-redriven",
    };
    see_other("/admin/mail/", Some(done))
}
