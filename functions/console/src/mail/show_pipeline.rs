//! `GET /admin/mail/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::mail::MailMessage;
use http_api::caller::Admin;
use http_api::problem::Problem;
use runtime::clock;
use runtime::queue::Depth;

use crate::App;
use crate::mail::mail_row::MailRow;
use crate::mail::pipeline::{MAX_DEAD_LETTERS, Resolution};
use crate::web::layout::{PageLayout, render};

#[derive(Template)]
#[template(path = "mail/pipeline.html")]
struct PipelinePage {
    layout: PageLayout,
    queues: Vec<QueueRow>,
    dead_letters: Vec<MailRow>,
    max_dead_letters: usize,
}

struct QueueRow {
    title: &'static str,
    depth: Depth,
}

fn title(name: &str) -> &'static str {
    match name {
        "mail" => "Mails about notifications to be sent",
        "account_mail" => "Account mails to be sent",
        "mail_dead_letters" => "Mails: dead letters",
        "upload" => "Uploads to be inspected",
        "upload_dead_letters" => "Uploads: dead letters",
        "stream_failures" => "Changes of the table that could not be processed",
        _ => "",
    }
}

/// Shows the depths of the queues, and the dead letters with their reasons.
pub(crate) async fn show_pipeline(
    State(app): State<App>,
    layout: PageLayout,
    admin: Admin,
) -> Result<Response, Problem> {
    // One after the other: dead letters that are being listed would count as in flight.
    let reads = async {
        let depths = app.pipeline.depths().await?;
        Ok::<_, Problem>((depths, app.pipeline.list_dead_letters().await?))
    };
    let (caller, (depths, dead_letters)) = admin.authorize_with(reads).await?;
    app.store.create_events(&[caller.audit(Action::ListMails, caller.account.id, None)]).await?;
    let now = clock::now();
    let queues =
        depths.into_iter().map(|(name, depth)| QueueRow { title: title(name), depth }).collect();
    let dead_letters =
        dead_letters.iter().map(|letter| MailRow::of_dead_letter(letter, now)).collect();
    render(&PipelinePage { layout, queues, dead_letters, max_dead_letters: MAX_DEAD_LETTERS })
}
