//! `POST /admin/mail/redrive/`

use axum::extract::State;
use axum::response::Response;
use http_api::problem::Problem;

use crate::App;
use crate::mail::pipeline::{Redriven, redrive};
use crate::web::form::Posted;
use crate::web::frame::{Staff, see_other};

/// Puts the order with the id `message` back into the queue of mails, or all that it helps.
pub(crate) async fn redrive_mails(
    State(app): State<App>,
    staff: Staff,
    posted: Posted,
) -> Result<Response, Problem> {
    let message = posted.form().parse(|form| form.nullable::<String>("message"))?;
    let caller = staff.authorize().await?;
    let done = match redrive(&app, &caller, message.as_deref()).await? {
        Redriven { put_back: 0, .. } => "none-redriven",
        Redriven { left: 0, .. } => "redriven",
        Redriven { .. } => "some-redriven",
    };
    see_other("/admin/mail/", Some(done))
}
