//! `GET /admin/mail/users/{id}/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::field::Reason;
use domain::id::UserId;
use domain::mail::{Mail, MailMessage};
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use store::Page;
use store::staff::lists::NotificationEntry;
use store::staff::mail::Mailed;
use uuid::Uuid;

use crate::App;
use crate::mail::mails::Row;
use crate::users::pages::PAGE;
use crate::web::frame::{Frame, Staff, render};

#[derive(Template)]
#[template(path = "mail/mails.html")]
struct Mails {
    frame: Frame,
    user: UserId,
    about: About,
    is_active: bool,
    letters: Vec<Row>,
    next: Option<String>,
}

/// Which mails are listed.
#[derive(Clone, Copy, PartialEq)]
enum About {
    Account,
    Notifications,
}

impl About {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        match parameters.optional::<String>("about")?.as_deref() {
            None => Some(Self::Account),
            Some("notifications") => Some(Self::Notifications),
            Some(_) => {
                parameters.reject(
                    "about",
                    Reason::new("invalid_choice", "Must be notifications, or not be given."),
                );
                None
            }
        }
    }
}

/// The mails to a user about the account, or about notifications, newest first, with how far they
/// are.
pub(crate) async fn list_mails(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    Id(user): Id<UserId>,
    query: Query,
) -> Result<Response, Problem> {
    let (about, paging) =
        query.parse::<_, Uuid>(&app.http, staff.id(), "console-mails", About::read)?;
    let reads = async {
        tokio::try_join!(app.store.get_account(user), find(&app, user, about, paging.after))
    };
    let (caller, (account, page)) = staff.authorize_with(reads).await?;
    let account = account.ok_or_else(Problem::not_found)?;
    app.store.create_events(&[caller.audit(Action::ListMails, user, None)]).await?;
    let letters = page.items.into_iter().map(|(row, mail)| {
        let is_needed =
            account.is_active && mail.is_none_or(|mail| mail.is_still_needed_by(&account));
        Row { can_be_sent: row.can_be_sent && is_needed, ..row }
    });
    let (letters, next) = (letters.collect(), paging.next_url(page.next.as_ref())?);
    render(&Mails { frame, user, about, is_active: account.is_active, letters, next })
}

/// A page of mails; with the mails themselves, where they are about the account.
async fn find(
    app: &App,
    user: UserId,
    about: About,
    after: Option<Uuid>,
) -> Result<Page<(Row, Option<Mail>), Uuid>, store::Error> {
    Ok(match about {
        About::Account => {
            let page = app.store.list_mails_of_user(user, PAGE, after.map(Into::into)).await?;
            let row = |mail: Mailed<Mail>| {
                let (id, kind) = (mail.what.id, mail.what.kind);
                let row = Row::of_mail(
                    user,
                    MailMessage::Mail { mail_id: id },
                    mail.what.requested_at(),
                    kind.as_str(),
                    &mail.delivery,
                );
                (row, Some(mail.what))
            };
            Page {
                items: page.items.into_iter().map(row).collect(),
                next: page.next.map(Into::into),
            }
        }
        About::Notifications => {
            let page =
                app.store.list_mailed_notifications(user, PAGE, after.map(Into::into)).await?;
            let row = |mail: &Mailed<NotificationEntry>| {
                let (id, kind) = (mail.what.id, mail.what.notification_type);
                let order = MailMessage::Notification { recipient_id: user, notification_id: id };
                (Row::of_mail(user, order, id.created_at(), kind.as_str(), &mail.delivery), None)
            };
            Page { items: page.items.iter().map(row).collect(), next: page.next.map(Into::into) }
        }
    })
}
