//! `GET /admin/notifications/`

use std::collections::HashMap;

use domain::account::Account;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use domain::notification::NotificationType;
use http_api::page::Paging;
use http_api::query::Parameters;
use store::staff::emergency_access::Grant;
use store::staff::lists::NotificationEntry;
use uuid::Uuid;

use crate::App;
use crate::records::list::ListPage;
use crate::records::list_query::{
    ListEntries, ListPosition, ListQuery, NEWEST_FIRST, Owner, after_owner_position, find_of_anyone,
};
use crate::records::list_view::{Cell, SearchField};
use crate::records::person_search::shorten;
use crate::web::layout::PAGE_SIZE;

/// How many characters of a message the list shows: the names in it may be long.
const MESSAGE_EXCERPT: usize = 200;

pub(crate) struct NotificationFilters {
    notification_type: Option<NotificationType>,
    is_read: Option<bool>,
}

impl NotificationFilters {
    fn match_entry(&self, notification: &NotificationEntry) -> bool {
        self.notification_type.is_none_or(|wanted| wanted == notification.notification_type)
            && self.is_read.is_none_or(|wanted| wanted == notification.read_at.is_some())
    }
}

impl ListPage for NotificationEntry {
    const TITLE: &'static str = "Notifications";
    const PATH: &'static str = "/admin/notifications/";
    const HELP: &'static str = "Search for a recipient by email address, by \
        name, or by id. Messages cannot be searched.";
    const OWNER_PARAMETERS: &'static [(&'static str, &'static str)] = &[("recipient", "Recipient")];
    const ID_LABEL: &'static str = "Notification";
    const COLUMNS: &'static [&'static str] =
        &["Notification", "Recipient", "Type", "Message", "Read", "Created"];
    const ORDER: &'static str = NEWEST_FIRST;
    const CURSOR: &'static str = "console-notifications";
    const ACTION: Action = Action::StaffListNotifications;
    const HAS_CLINICAL_TEXT: bool = true;

    type Filters = NotificationFilters;

    fn read_filters(parameters: &mut Parameters) -> Option<NotificationFilters> {
        let notification_type = parameters.optional("notification_type");
        let is_read = parameters.flag("is_read");
        Some(NotificationFilters { notification_type: notification_type?, is_read: is_read? })
    }

    fn filter_fields(filters: &NotificationFilters) -> Vec<SearchField> {
        let types = NotificationType::ALL.iter().map(|kind| kind.as_str());
        let kind = filters.notification_type.map(NotificationType::as_str);
        let is_read = filters.is_read.map(|is_read| if is_read { "true" } else { "false" });
        vec![
            SearchField::chosen("notification_type", "Type", types, kind),
            SearchField::chosen("is_read", "Read", ["true", "false"].into_iter(), is_read),
        ]
    }

    async fn find(
        app: &App,
        query: &ListQuery,
        filters: &NotificationFilters,
        owner: &Owner,
        paging: &Paging<ListPosition>,
    ) -> Result<ListEntries<Self>, store::Error> {
        let passes = |notification: &Self| filters.match_entry(notification);
        match owner {
            Owner::Candidates(_) => Ok((Vec::new(), None)),
            Owner::One(_, recipient) => {
                let passes =
                    |notification: &Self| query.matches(notification) && passes(notification);
                let after = after_owner_position(paging);
                let page =
                    app.store.list_entries_of_inbox(*recipient, PAGE_SIZE, after, passes).await?;
                Ok((page.items, page.next.map(ListPosition::OfOwner)))
            }
            Owner::Anyone => find_of_anyone(app, query, paging, passes).await,
        }
    }

    async fn read_clinical_text(
        app: &App,
        grants: &[Grant],
        notifications: &[Self],
    ) -> Result<HashMap<Uuid, String>, store::Error> {
        let notifications = app.store.get_granted_notifications(grants, notifications).await?;
        let notifications = notifications.into_iter();
        Ok(notifications
            .map(|(id, it)| (id.into(), shorten(&it.message, MESSAGE_EXCERPT)))
            .collect())
    }

    fn record_id(&self) -> Option<RecordId> {
        self.record_id
    }

    fn user_ids(&self) -> Vec<UserId> {
        vec![self.recipient_id]
    }

    fn row(&self, accounts: &HashMap<UserId, Account>, message: Option<String>) -> Vec<Cell> {
        vec![
            Cell::Text(self.id.to_string()),
            Cell::user(self.recipient_id, accounts),
            Cell::Word(self.notification_type.as_str()),
            Cell::clinical_text(message, self.record_id),
            self.read_at.map_or(Cell::Word("unread"), Cell::Time),
            Cell::Time(self.id.created_at()),
        ]
    }
}
