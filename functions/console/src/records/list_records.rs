//! `GET /admin/records/`

use std::collections::HashMap;

use domain::account::Account;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use domain::record::RecordType;
use http_api::page::Paging;
use http_api::query::Parameters;
use store::Span;
use store::records::RecordFilter;
use store::staff::emergency_access::Grant;
use store::staff::lists::RecordEntry;
use uuid::Uuid;

use crate::App;
use crate::records::list::ListPage;
use crate::records::list_query::{
    ListEntries, ListPosition, ListQuery, NEWEST_FIRST, Owner, after_id, find_in_charts,
};
use crate::records::list_view::{Cell, SearchField};
use crate::web::layout::PAGE_SIZE;

impl ListPage for RecordEntry {
    const TITLE: &'static str = "Records";
    const PATH: &'static str = "/admin/records/";
    const HELP: &'static str = "Search for a patient or a doctor by email address, by \
        name, or by id. Descriptions cannot be searched.";
    const OWNER_PARAMETERS: &'static [(&'static str, &'static str)] =
        &[("patient", "Patient"), ("doctor", "Doctor")];
    const ID_LABEL: &'static str = "Record";
    const COLUMNS: &'static [&'static str] = &["Record", "Patient", "Doctor", "Type", "Created"];
    const ORDER: &'static str = NEWEST_FIRST;
    const CURSOR: &'static str = "console-records";
    const ACTION: Action = Action::StaffListRecords;
    const HAS_CLINICAL_TEXT: bool = false;

    type Filters = Option<RecordType>;

    fn read_filters(parameters: &mut Parameters) -> Option<Option<RecordType>> {
        parameters.optional("record_type")
    }

    fn filter_fields(record_type: &Option<RecordType>) -> Vec<SearchField> {
        let types = RecordType::ALL.iter().map(|kind| kind.as_str());
        let kind = record_type.map(RecordType::as_str);
        vec![SearchField::chosen("record_type", "Type", types, kind)]
    }

    async fn find(
        app: &App,
        query: &ListQuery,
        record_type: &Option<RecordType>,
        owner: &Owner,
        paging: &Paging<ListPosition>,
    ) -> Result<ListEntries<Self>, store::Error> {
        let Owner::One("doctor", doctor) = owner else {
            let passes =
                |record: &Self| record_type.is_none_or(|wanted| wanted == record.record_type);
            return find_in_charts(app, query, owner, paging, passes).await;
        };
        let Span { created_after, created_before } = query.span();
        let filter =
            RecordFilter { record_type: *record_type, other: None, created_after, created_before };
        let after = after_id(paging);
        let page = app.store.list_assignments_of_doctor(*doctor, &filter, PAGE_SIZE, after).await?;
        let records = page.items.iter().map(Self::from).filter(|record| query.matches(record));
        Ok((records.collect(), page.next.map(|id| ListPosition::Id(id.into()))))
    }

    async fn read_clinical_text(
        _: &App,
        _: &[Grant],
        _: &[Self],
    ) -> Result<HashMap<Uuid, String>, store::Error> {
        Ok(HashMap::new())
    }

    fn record_id(&self) -> Option<RecordId> {
        Some(self.id)
    }

    fn user_ids(&self) -> Vec<UserId> {
        vec![self.patient_id, self.doctor_id]
    }

    fn row(&self, accounts: &HashMap<UserId, Account>, _: Option<String>) -> Vec<Cell> {
        vec![
            Cell::record(self.id),
            Cell::user(self.patient_id, accounts),
            Cell::user(self.doctor_id, accounts),
            Cell::Word(self.record_type.as_str()),
            Cell::Time(self.id.created_at()),
        ]
    }
}
