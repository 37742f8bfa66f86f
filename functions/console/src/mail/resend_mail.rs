//! `POST /admin/mail/resend/`

use axum::extract::State;
use axum::response::Response;
use domain::field::Reason;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::MailMessage;
use http_api::caller::Admin;
use http_api::form::Form;
use http_api::problem::Problem;

use crate::App;
use crate::web::form::FormBody;
use crate::web::layout::see_other;

/// Reads the order: a `mail`, or a `notification` and its `recipient`.
fn read_order(form: &mut Form) -> Option<MailMessage> {
    let mail = form.optional::<MailId>("mail");
    let recipient = form.optional::<UserId>("recipient");
    let notification = form.optional::<NotificationId>("notification");
    match (mail?, recipient?, notification?) {
        (Some(mail_id), None, None) => Some(MailMessage::Mail { mail_id }),
        (None, Some(recipient_id), Some(notification_id)) => {
            Some(MailMessage::Notification { recipient_id, notification_id })
        }
        _ => {
            form.reject(
                "mail",
                Reason::new("required", "Must be given, or else recipient and notification."),
            );
            None
        }
    }
}

/// Resends a mail whose sending is over.
pub(crate) async fn resend_mail(
    State(app): State<App>,
    admin: Admin,
    body: FormBody,
) -> Result<Response, Problem> {
    let order = body.form().parse(read_order)?;
    let caller = admin.authorize().await?;
    let user = app.pipeline.resend(&caller, order).await?;
    let about = match order {
        MailMessage::Mail { .. } => "",
        MailMessage::Notification { .. } => "?about=notifications",
    };
    see_other(&format!("/admin/mail/users/{user}/{about}"), Some("resent"))
}
