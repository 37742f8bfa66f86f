//! `GET /admin/mail/users/{id}/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::id::UserId;
use domain::mail::MailMessage;
use http_kit::path::Id;
use http_kit::problem::Problem;

use crate::App;
use crate::console::frame::{Frame, Staff, render};
use crate::console::mails::Row;

/// So many mails of each sort are shown.
const NEWEST: usize = 25;

#[derive(Template)]
#[template(path = "mails.html")]
struct Mails {
    frame: Frame,
    user: UserId,
    lists: [List; 2],
}

struct List {
    id: &'static str,
    title: &'static str,
    caption: &'static str,
    letters: Vec<Row>,
}

/// The newest mails to a user, with how far they are.
pub(crate) async fn list_mails(State(app): State<App>, frame: Frame, staff: Staff, Id(user): Id<UserId>) -> Result<Response, Problem> {
    let reads = async {
        tokio::try_join!(
            app.store.account(user),
            app.store.mails_of(user, NEWEST, None),
            app.store.newest_mailed_notifications(user, NEWEST)
        )
    };
    let (caller, (account, mails, notifications)) = staff.beside(reads).await?;
    account.ok_or_else(Problem::not_found)?;
    app.store.audit(&[caller.audit(Action::ListMails, user, None)]).await?;
    let account_mails = mails.items.iter().map(|mail| {
        let (id, kind) = (mail.what.id, mail.what.kind);
        Row::of_mail(user, MailMessage::Mail { mail_id: id }, mail.what.ordered_at(), kind.as_str(), &mail.delivery)
    });
    let mailed = notifications.iter().filter(|mail| mail.what.notification_type.is_mailed());
    let notification_mails = mailed.map(|mail| {
        let (id, kind) = (mail.what.id, mail.what.notification_type);
        let order = MailMessage::Notification { recipient_id: user, notification_id: id };
        Row::of_mail(user, order, id.created_at(), kind.as_str(), &mail.delivery)
    });
    let lists = [
        List {
            id: "account",
            title: "About the account",
            caption: "The newest mails about the account, kept for two weeks",
            letters: account_mails.collect(),
        },
        List {
            id: "notifications",
            title: "About notifications",
            caption: "The newest mails about notifications",
            letters: notification_mails.collect(),
        },
    ];
    render(&Mails { frame, user, lists })
}
