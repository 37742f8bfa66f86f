//! `GET /admin/mail/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::mail::MailMessage;
use http_api::problem::Problem;
use runtime::clock;
use runtime::queue::Depth;

use crate::App;
use crate::mail::mails::Row;
use crate::mail::pipeline::{MOST_LETTERS, Resolution, list_letters};
use crate::web::frame::{Frame, Staff, render};

#[derive(Template)]
#[template(path = "mail/pipeline.html")]
struct MailPipeline {
    frame: Frame,
    queues: Vec<Queue>,
    letters: Vec<Row>,
    most: usize,
}

struct Queue {
    title: &'static str,
    depth: Depth,
}

fn title(name: &str) -> &'static str {
    match name {
        "mail" => "Mails to be sent",
        "mail_dead_letters" => "Mails that were set aside",
        "upload" => "Uploads to be inspected",
        "upload_dead_letters" => "Uploads that were set aside",
        "stream_failures" => "Changes of the table that were set aside",
        _ => "",
    }
}

/// How much is in the queues, and which mails were set aside, with the reason of each.
pub(crate) async fn show_pipeline(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
) -> Result<Response, Problem> {
    // One after the other: orders that are being listed would count as under way.
    let reads = async {
        let depths = app.pipeline.depths().await?;
        Ok::<_, Problem>((depths, list_letters(&app).await?))
    };
    let (caller, (depths, letters)) = staff.authorize_with(reads).await?;
    app.store.create_events(&[caller.audit(Action::ListMails, caller.account.id, None)]).await?;
    let now = clock::now();
    let queues =
        depths.into_iter().map(|(name, depth)| Queue { title: title(name), depth }).collect();
    let letters = letters.iter().map(|letter| Row::of_letter(letter, now)).collect();
    render(&MailPipeline { frame, queues, letters, most: MOST_LETTERS })
}
