//! `GET /admin/mail/users/{id}/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::field::Reason;
use domain::id::UserId;
use domain::mail::{Mail, MailMessage};
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use store::Page;
use store::staff::lists::NotificationEntry;
use store::staff::mail::Mailed;
use uuid::Uuid;

use crate::App;
use crate::mail::mail_row::MailRow;
use crate::web::layout::{PAGE_SIZE, PageLayout, render};

#[derive(Template)]
#[template(path = "mail/mails.html")]
struct MailsPage {
    layout: PageLayout,
    user: UserId,
    topic: MailTopic,
    is_active: bool,
    /// Whether no mail is sent to the account's address.
    has_problem: bool,
    mails: Vec<MailRow>,
    next: Option<String>,
}

/// Which mails are listed.
#[derive(Clone, Copy, PartialEq)]
enum MailTopic {
    Account,
    Notifications,
}

impl MailTopic {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        match parameters.optional::<String>("about")?.as_deref() {
            None => Some(Self::Account),
            Some("notifications") => Some(Self::Notifications),
            Some(_) => {
                parameters.reject(
                    "about",
                    Reason::new("invalid_choice", "Must be notifications, or absent."),
                );
                None
            }
        }
    }
}

/// Shows the mails to a user about the account, or about notifications, newest first, with their
/// states.
pub(crate) async fn list_mails(
    State(app): State<App>,
    layout: PageLayout,
    admin: Admin,
    PathId(user): PathId<UserId>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let (topic, paging) =
        query.parse::<_, Uuid>(&app.http, admin.id(), "console-mails", MailTopic::read)?;
    let reads = async {
        tokio::try_join!(app.store.get_account(user), find(&app, user, topic, paging.after))
    };
    let (caller, (account, page)) = admin.authorize_with(reads).await?;
    let account = account.ok_or_else(Problem::not_found)?;
    app.store.create_events(&[caller.audit(Action::ListMails, user, None)]).await?;
    let mails = page.items.into_iter().map(|(row, mail)| {
        let mail = mail.as_ref();
        let is_needed =
            account.is_active && mail.is_none_or(|mail| mail.is_still_needed_by(&account));
        let address = mail.map_or(&account.email, |mail| mail.recipient(&account));
        let is_accepted = account.problem_of(address).is_none();
        MailRow { can_be_resent: row.can_be_resent && is_needed && is_accepted, ..row }
    });
    let (mails, next) = (mails.collect(), paging.next_url(page.next.as_ref())?);
    let has_problem = account.email_problem.is_some();
    let is_active = account.is_active;
    render(&MailsPage { layout, user, topic, is_active, has_problem, mails, next })
}

/// Finds a page of mails. Those about the account come with the mail itself.
async fn find(
    app: &App,
    user: UserId,
    topic: MailTopic,
    after: Option<Uuid>,
) -> Result<Page<(MailRow, Option<Mail>), Uuid>, store::Error> {
    Ok(match topic {
        MailTopic::Account => {
            let page = app.store.list_mails_of_user(user, PAGE_SIZE, after.map(Into::into)).await?;
            let row = |mail: Mailed<Mail>| {
                let (id, kind) = (mail.what.id, mail.what.kind);
                let row = MailRow::of_mail(
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
        MailTopic::Notifications => {
            let page =
                app.store.list_mailed_notifications(user, PAGE_SIZE, after.map(Into::into)).await?;
            let row = |mail: &Mailed<NotificationEntry>| {
                let (id, kind) = (mail.what.id, mail.what.notification_type);
                let order = MailMessage::Notification { recipient_id: user, notification_id: id };
                (
                    MailRow::of_mail(user, order, id.created_at(), kind.as_str(), &mail.delivery),
                    None,
                )
            };
            Page { items: page.items.iter().map(row).collect(), next: page.next.map(Into::into) }
        }
    })
}
