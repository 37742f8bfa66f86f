//! `GET /admin/annotations/`

use std::collections::HashMap;

use domain::account::Account;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use domain::record::Annotation;
use http_api::page::Paging;
use http_api::query::Parameters;
use store::staff::emergency_access::Grant;
use store::staff::lists::AnnotationEntry;
use uuid::Uuid;

use crate::App;
use crate::records::list::ListPage;
use crate::records::list_query::{ListEntries, ListPosition, ListQuery, Owner, find_in_charts};
use crate::records::list_view::{Cell, SearchField};
use crate::records::person_search::{EXCERPT, shorten};

impl ListPage for AnnotationEntry {
    const TITLE: &'static str = "Annotations";
    const PATH: &'static str = "/admin/annotations/";
    const HELP: &'static str = "Search for a patient by email address, by \
        name, or by id. A patient's annotations are listed by record. Neither notes nor \
        authors can be searched: search for the doctor's records.";
    const OWNER_PARAMETERS: &'static [(&'static str, &'static str)] = &[("patient", "Patient")];
    const ID_LABEL: &'static str = "Annotation";
    const COLUMNS: &'static [&'static str] = &["Annotation", "Record", "Doctor", "Note", "Created"];
    const ORDER: &'static str = "by record, the newest record first";
    const CURSOR: &'static str = "console-annotations";
    const ACTION: Action = Action::StaffListAnnotations;
    const HAS_CLINICAL_TEXT: bool = true;

    type Filters = ();

    fn read_filters(_: &mut Parameters) -> Option<()> {
        Some(())
    }

    fn filter_fields((): &()) -> Vec<SearchField> {
        Vec::new()
    }

    async fn find(
        app: &App,
        query: &ListQuery,
        (): &(),
        owner: &Owner,
        paging: &Paging<ListPosition>,
    ) -> Result<ListEntries<Self>, store::Error> {
        find_in_charts(app, query, owner, paging, |_| true).await
    }

    async fn read_clinical_text(
        app: &App,
        grants: &[Grant],
        annotations: &[Self],
    ) -> Result<HashMap<Uuid, String>, store::Error> {
        let annotations = app.store.get_granted_annotations(grants, annotations).await?;
        let note = |annotation: Annotation| {
            (annotation.id.into(), shorten(annotation.note.as_str(), EXCERPT))
        };
        Ok(annotations.into_values().map(note).collect())
    }

    fn record_id(&self) -> Option<RecordId> {
        Some(self.record_id)
    }

    fn user_ids(&self) -> Vec<UserId> {
        vec![self.author_id]
    }

    fn row(&self, accounts: &HashMap<UserId, Account>, note: Option<String>) -> Vec<Cell> {
        vec![
            Cell::Text(self.id.to_string()),
            Cell::record(self.record_id),
            Cell::user(self.author_id, accounts),
            Cell::clinical_text(note, Some(self.record_id)),
            Cell::Time(self.id.created_at()),
        ]
    }
}
