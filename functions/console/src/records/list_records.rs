//! `GET /admin/records/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::id::UserId;
use domain::record::RecordType;
use http_api::page::Paging;
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use store::Span;
use store::records::RecordFilter;
use store::staff::lists::RecordEntry;

use crate::App;
use crate::records::listing::{
    self, Asked, Cell, Field, Found, Listing, PAGE, Page, Position, Whose, after_id,
};
use crate::records::people::called;
use crate::web::frame::{Frame, Staff, render};

struct Filters {
    asked: Asked,
    record_type: Option<RecordType>,
}

fn read(parameters: &mut Parameters) -> Option<Filters> {
    let asked = Asked::read(parameters, &["patient", "doctor"]);
    let record_type = parameters.optional("record_type");
    Some(Filters { asked: asked?, record_type: record_type? })
}

/// Records, newest first; or those of a patient, or those that are assigned to a doctor, or one.
pub(crate) async fn list_records(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    query: Query,
) -> Result<Response, Problem> {
    let (filters, paging) = query.parse(&app.http, staff.id(), "console-records", read)?;
    let reads = async {
        let whose = filters.asked.whose(&app).await?;
        let found = find(&app, &filters, &whose, &paging).await?;
        Ok::<_, store::Error>((whose, found))
    };
    let (caller, (whose, (records, next))) = staff.authorize_with(reads).await?;
    let event = caller.audit(Action::StaffListRecords, whose.concerns(caller.account.id), None);
    let event = whose.name_records(event, records.iter().map(|record| record.id));
    let named: Vec<UserId> = records
        .iter()
        .flat_map(|record| [record.patient_id, record.doctor_id])
        .chain(whose.people())
        .collect();
    let (people, ()) = tokio::try_join!(
        app.store.get_accounts(named),
        app.store.create_events(std::slice::from_ref(&event))
    )?;
    let row = |record: &RecordEntry| {
        vec![
            Cell::record(record.id),
            Cell::user(record.patient_id, called(&people, record.patient_id)),
            Cell::user(record.doctor_id, called(&people, record.doctor_id)),
            Cell::Word(record.record_type.as_str()),
            Cell::Time(record.id.created_at()),
        ]
    };
    let asked = &filters.asked;
    let types = RecordType::ALL.iter().map(|kind| kind.as_str());
    let listing = Listing {
        title: "Records",
        path: "/admin/records/",
        help: "A patient or a doctor is found by email address, by the beginning of the last name, \
               or by id. What records say cannot be searched.",
        fields: vec![
            Field::typed("patient", "Patient", asked.typed("patient")),
            Field::typed("doctor", "Doctor", asked.typed("doctor")),
            Field::typed("id", "Record", asked.id_text()),
            Field::chosen(
                "record_type",
                "Type",
                types,
                filters.record_type.map(RecordType::as_str),
            ),
            Field::created(asked.created),
        ],
        columns: &["Record", "Patient", "Doctor", "Type", "Created"],
        rows: records.iter().map(row).collect(),
        filtered: filters.record_type.is_some(),
        ..Listing::of(asked, &whose, &people, paging.next_url(next.as_ref())?)
    };
    render(&Page { frame, list: listing })
}

async fn find(
    app: &App,
    filters: &Filters,
    whose: &Whose,
    paging: &Paging<Position>,
) -> Result<Found<RecordEntry>, store::Error> {
    let Filters { asked, record_type } = filters;
    let Whose::Of("doctor", doctor) = whose else {
        return listing::find(app, asked, whose, paging, |it: &RecordEntry| {
            record_type.is_none_or(|wanted| wanted == it.record_type)
        })
        .await;
    };
    let Span { created_after, created_before } = asked.span();
    let filter =
        RecordFilter { record_type: *record_type, other: None, created_after, created_before };
    let page =
        app.store.list_assignments_of_doctor(*doctor, &filter, PAGE, after_id(paging)).await?;
    let records = page.items.iter().map(RecordEntry::from).filter(|record| asked.holds(record));
    Ok((records.collect(), page.next.map(|id| Position::Id(id.into()))))
}
