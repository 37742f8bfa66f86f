//! The list pages of records, files, annotations and notifications: one handler, to which each
//! entity gives columns, search and row by implementing [`ListPage`].

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use domain::account::Account;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use http_api::caller::Admin;
use http_api::page::Paging;
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use runtime::clock;
use store::staff::emergency_access::Grant;
use store::staff::lists::ListEntry;
use uuid::Uuid;

use crate::App;
use crate::records::clinical_reads::clinical_reads;
use crate::records::list_query::{ListEntries, ListPosition, ListQuery, Owner};
use crate::records::list_view::{Cell, ListTemplate, ListView, SearchField};
use crate::web::layout::{PageLayout, render};

/// An entity that has a list page.
pub(crate) trait ListPage: ListEntry + Send + Sync + 'static {
    const TITLE: &'static str;
    const PATH: &'static str;
    /// What can be searched, and what cannot.
    const HELP: &'static str;
    /// The parameters that name an owner, with their labels.
    const OWNER_PARAMETERS: &'static [(&'static str, &'static str)];
    /// The label of the field that takes an id.
    const ID_LABEL: &'static str;
    const COLUMNS: &'static [&'static str];
    /// The order of one owner's entries.
    const ORDER: &'static str;
    /// The purpose for which cursors of the list are sealed.
    const CURSOR: &'static str;
    const ACTION: Action;
    /// Whether rows have clinical text, which is shown where a grant allows it.
    const HAS_CLINICAL_TEXT: bool;

    /// What the list is filtered by beside owner, id and time.
    type Filters: Send + Sync;

    /// Reads the filters.
    fn read_filters(parameters: &mut Parameters) -> Option<Self::Filters>;

    /// Returns the fields of the form for the filters.
    fn filter_fields(filters: &Self::Filters) -> Vec<SearchField>;

    /// Finds the entries of a page.
    fn find(
        app: &App,
        query: &ListQuery,
        filters: &Self::Filters,
        owner: &Owner,
        paging: &Paging<ListPosition>,
    ) -> impl Future<Output = Result<ListEntries<Self>, store::Error>> + Send;

    /// Reads the clinical text of the entries to which a grant applies, shortened, by id.
    fn read_clinical_text(
        app: &App,
        grants: &[Grant],
        entries: &[Self],
    ) -> impl Future<Output = Result<HashMap<Uuid, String>, store::Error>> + Send;

    /// Returns the record to which the entry belongs.
    fn record_id(&self) -> Option<RecordId>;

    /// Returns the users whose names the row shows.
    fn user_ids(&self) -> Vec<UserId>;

    /// Returns the cells of the row.
    fn row(&self, accounts: &HashMap<UserId, Account>, clinical_text: Option<String>) -> Vec<Cell>;
}

/// Shows a page of entries, newest first: all of them, those of one owner, or the one with an id.
pub(crate) async fn list<T: ListPage>(
    State(app): State<App>,
    layout: PageLayout,
    admin: Admin,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let read = |parameters: &mut Parameters| {
        let query = ListQuery::read(parameters, T::OWNER_PARAMETERS.iter().map(|(name, _)| *name));
        let filters = T::read_filters(parameters);
        Some((query?, filters?))
    };
    let ((query, filters), paging) = query.parse(&app.http, admin.id(), T::CURSOR, read)?;
    let (reader, now) = (admin.id(), clock::now());
    let reads = async {
        let owner = query.owner(&app).await?;
        let grants = async {
            if T::HAS_CLINICAL_TEXT {
                app.store.list_grants(reader, now).await
            } else {
                Ok(Vec::new())
            }
        };
        let entries = T::find(&app, &query, &filters, &owner, &paging);
        let (entries, grants) = tokio::try_join!(entries, grants)?;
        Ok::<_, store::Error>((owner, entries, grants))
    };
    let (caller, (owner, (entries, next), grants)) = admin.authorize_with(reads).await?;
    let record_ids = || entries.iter().filter_map(T::record_id);
    let event = caller.audit(T::ACTION, owner.audit_subject(reader), None);
    let mut events = vec![owner.name_records(event, record_ids())];
    events.extend(clinical_reads(&caller, &grants, record_ids()));
    let users = entries.iter().flat_map(T::user_ids).chain(owner.user_ids());
    let users: Vec<UserId> = users.collect();
    let (accounts, mut texts, ()) = tokio::try_join!(
        app.store.get_accounts(users),
        T::read_clinical_text(&app, &grants, &entries),
        app.store.create_events(&events)
    )?;
    let rows = entries.iter().map(|entry| {
        let text = texts.remove(&entry.id().into());
        entry.row(&accounts, text)
    });
    let filter_fields = T::filter_fields(&filters);
    let filtered = filter_fields.iter().any(|field| !field.value.is_empty());
    let owners = T::OWNER_PARAMETERS
        .iter()
        .map(|(name, label)| SearchField::typed(name, label, query.owner_text(name)));
    let fields = owners
        .chain([SearchField::typed("id", T::ID_LABEL, query.id_text())])
        .chain(filter_fields)
        .chain([SearchField::created(query.created)]);
    let view = ListView {
        title: T::TITLE,
        path: T::PATH,
        help: T::HELP,
        fields: fields.collect(),
        columns: T::COLUMNS,
        order: owner.order(T::ORDER),
        rows: rows.collect(),
        filtered,
        next: paging.next_url(next.as_ref())?,
        created: query.created,
        ..ListView::of_owner(&query, &owner, &accounts)
    };
    render(&ListTemplate { layout, list: view })
}
