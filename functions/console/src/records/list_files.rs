//! `GET /admin/files/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use http_api::problem::Problem;
use http_api::query::Query;
use runtime::clock;
use store::staff::lists::FileEntry;

use crate::App;
use crate::records::listing::{Asked, Cell, Field, Listing, Page, find, looks};
use crate::records::people::{BEGINNING, short};
use crate::web::frame::{Frame, Staff, render};

/// Files, newest first; or those of a patient, or one. Their names are behind the glass.
pub(crate) async fn list_files(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    query: Query,
) -> Result<Response, Problem> {
    let read = |parameters: &mut _| Asked::read(parameters, &["patient"]);
    let (asked, paging) = query.parse(&app.http, staff.id(), "console-files", read)?;
    let (looking, now) = (staff.id(), clock::now());
    let reads = async {
        let whose = asked.whose(&app).await?;
        let (found, grants) = tokio::try_join!(
            find(&app, &asked, &whose, &paging, |_: &FileEntry| true),
            app.store.list_grants(looking, now)
        )?;
        Ok::<_, store::Error>((whose, found, grants))
    };
    let (caller, (whose, (files, next), grants)) = staff.authorize_with(reads).await?;
    let event = caller.audit(Action::StaffListFiles, whose.concerns(looking), None);
    let mut events = vec![whose.name_records(event, files.iter().map(|file| file.record_id))];
    events.extend(looks(&caller, &grants, files.iter().map(|file| Some(file.record_id))));
    let (people, opened, ()) = tokio::try_join!(
        app.store.get_accounts(whose.people()),
        app.store.get_granted_files(&grants, &files),
        app.store.create_events(&events)
    )?;
    let row = |file: &FileEntry| {
        let name = opened.get(&file.id).map(|file| short(file.name.as_str(), BEGINNING));
        vec![
            Cell::Text(file.id.to_string()),
            Cell::record(file.record_id),
            Cell::behind_glass(name, Some(file.record_id)),
            Cell::Time(file.id.created_at()),
        ]
    };
    let listing = Listing {
        title: "Files",
        path: "/admin/files/",
        help: "A patient is found by email address, by the beginning of the last name, \
            or by id; a patient's files are listed by record. The names of \
               files cannot be searched.",
        fields: vec![
            Field::typed("patient", "Patient", asked.typed("patient")),
            Field::typed("id", "File", asked.id_text()),
            Field::created(asked.created),
        ],
        columns: &["File", "Record", "Name", "Created"],
        order: whose.order_in_charts(),
        rows: files.iter().map(row).collect(),
        ..Listing::of(&asked, &whose, &people, paging.next_url(next.as_ref())?)
    };
    render(&Page { frame, list: listing })
}
