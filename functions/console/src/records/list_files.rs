//! `GET /admin/files/`

use std::collections::HashMap;

use domain::account::Account;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use http_api::page::Paging;
use http_api::query::Parameters;
use store::staff::emergency_access::Grant;
use store::staff::lists::FileEntry;
use uuid::Uuid;

use crate::App;
use crate::records::list::ListPage;
use crate::records::list_query::{ListEntries, ListPosition, ListQuery, Owner, find_in_charts};
use crate::records::list_view::{Cell, SearchField};
use crate::records::person_search::{EXCERPT, shorten};

impl ListPage for FileEntry {
    const TITLE: &'static str = "Files";
    const PATH: &'static str = "/admin/files/";
    const HELP: &'static str = "Search for a patient by email address, by \
        name, or by id. A patient's files are listed by record. File names cannot be \
        searched.";
    const OWNER_PARAMETERS: &'static [(&'static str, &'static str)] = &[("patient", "Patient")];
    const ID_LABEL: &'static str = "File";
    const COLUMNS: &'static [&'static str] = &["File", "Record", "Name", "Created"];
    const ORDER: &'static str = "by record, the newest record first";
    const CURSOR: &'static str = "console-files";
    const ACTION: Action = Action::StaffListFiles;
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
        files: &[Self],
    ) -> Result<HashMap<Uuid, String>, store::Error> {
        let files = app.store.get_granted_files(grants, files).await?;
        let files = files.into_iter();
        Ok(files.map(|(id, file)| (id.into(), shorten(file.name.as_str(), EXCERPT))).collect())
    }

    fn record_id(&self) -> Option<RecordId> {
        Some(self.record_id)
    }

    fn user_ids(&self) -> Vec<UserId> {
        Vec::new()
    }

    fn row(&self, _: &HashMap<UserId, Account>, name: Option<String>) -> Vec<Cell> {
        vec![
            Cell::Text(self.id.to_string()),
            Cell::record(self.record_id),
            Cell::clinical_text(name, Some(self.record_id)),
            Cell::Time(self.id.created_at()),
        ]
    }
}
