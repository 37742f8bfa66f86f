//! `GET /admin/notifications/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::id::UserId;
use domain::notification::NotificationType;
use http_api::page::Paging;
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use runtime::clock;
use store::staff::lists::NotificationEntry;

use crate::App;
use crate::records::listing::{
    Asked, Cell, Field, Found, Listing, PAGE, Page, Position, Whose, after_place, find_everybodys,
    looks,
};
use crate::records::people::{called, short};
use crate::web::frame::{Frame, Staff, render};

/// How much of a message the list shows, in characters: the names in it may be long.
const BEGINNING: usize = 200;

struct Filters {
    asked: Asked,
    notification_type: Option<NotificationType>,
    is_read: Option<bool>,
}

fn read(parameters: &mut Parameters) -> Option<Filters> {
    let asked = Asked::read(parameters, &["recipient"]);
    let notification_type = parameters.optional("notification_type");
    let is_read = parameters.flag("is_read");
    Some(Filters { asked: asked?, notification_type: notification_type?, is_read: is_read? })
}

/// Notifications, newest first; or those of a recipient, or one. Their messages are behind the
/// glass.
pub(crate) async fn list_notifications(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    query: Query,
) -> Result<Response, Problem> {
    let (filters, paging) = query.parse(&app.http, staff.id(), "console-notifications", read)?;
    let (asked, looking, now) = (&filters.asked, staff.id(), clock::now());
    let reads = async {
        let whose = asked.whose(&app).await?;
        let (found, grants) = tokio::try_join!(
            find(&app, &filters, &whose, &paging),
            app.store.list_grants(looking, now)
        )?;
        Ok::<_, store::Error>((whose, found, grants))
    };
    let (caller, (whose, (notifications, next), grants)) = staff.authorize_with(reads).await?;
    // Of one recipient: a doctor's notifications are about many patients' records, which are not
    // named in the doctor's log.
    let mut events =
        vec![caller.audit(Action::StaffListNotifications, whose.concerns(looking), None)];
    events.extend(looks(
        &caller,
        &grants,
        notifications.iter().map(|notification| notification.record_id),
    ));
    let named: Vec<UserId> = notifications
        .iter()
        .map(|notification| notification.recipient_id)
        .chain(whose.people())
        .collect();
    let (people, opened, ()) = tokio::try_join!(
        app.store.get_accounts(named),
        app.store.get_granted_notifications(&grants, &notifications),
        app.store.create_events(&events)
    )?;
    let row = |notification: &NotificationEntry| {
        let message = opened.get(&notification.id).map(|it| short(&it.message, BEGINNING));
        vec![
            Cell::Text(notification.id.to_string()),
            Cell::user(notification.recipient_id, called(&people, notification.recipient_id)),
            Cell::Word(notification.notification_type.as_str()),
            Cell::behind_glass(message, notification.record_id),
            notification.read_at.map_or(Cell::Word("unread"), Cell::Time),
            Cell::Time(notification.id.created_at()),
        ]
    };
    let types = NotificationType::ALL.iter().map(|kind| kind.as_str());
    let listing = Listing {
        title: "Notifications",
        path: "/admin/notifications/",
        help: "A recipient is found by email address, by the beginning of the last name, or by id. \
               Messages cannot be searched.",
        fields: vec![
            Field::typed("recipient", "Recipient", asked.typed("recipient")),
            Field::typed("id", "Notification", asked.id_text()),
            Field::chosen(
                "notification_type",
                "Type",
                types,
                filters.notification_type.map(NotificationType::as_str),
            ),
            Field::chosen(
                "is_read",
                "Read",
                ["true", "false"].into_iter(),
                filters.is_read.map(|is| if is { "true" } else { "false" }),
            ),
            Field::created(asked.created),
        ],
        columns: &["Notification", "Recipient", "Type", "Message", "Read", "Created"],
        rows: notifications.iter().map(row).collect(),
        filtered: filters.notification_type.is_some() || filters.is_read.is_some(),
        ..Listing::of(asked, &whose, &people, paging.next_url(next.as_ref())?)
    };
    render(&Page { frame, list: listing })
}

async fn find(
    app: &App,
    filters: &Filters,
    whose: &Whose,
    paging: &Paging<Position>,
) -> Result<Found<NotificationEntry>, store::Error> {
    let Filters { asked, notification_type, is_read } = filters;
    let is_wanted = |it: &NotificationEntry| {
        notification_type.is_none_or(|wanted| wanted == it.notification_type)
            && is_read.is_none_or(|wanted| wanted == it.read_at.is_some())
    };
    match whose {
        Whose::OneOf(_) => Ok((Vec::new(), None)),
        Whose::Of(_, recipient) => {
            let shows = |it: &NotificationEntry| asked.holds(it) && is_wanted(it);
            let page =
                app.store.list_in_inbox(*recipient, PAGE, after_place(paging), shows).await?;
            Ok((page.items, page.next.map(Position::Place)))
        }
        Whose::Everybody => find_everybodys(app, asked, paging, is_wanted).await,
    }
}
