//! `GET /admin/users/`, the page of one user, and what its forms do

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, Approval, Profile, Role};
use domain::approval::ApprovalDecision;
use domain::audit::AuditEvent;
use domain::field::Reason;
use domain::id::UserId;
use domain::text::{Justification, Name, PhoneNumber};
use http_api::etag::IfMatch;
use http_api::form::{Form, FromForm};
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use staff::{NewEmail, NewUser, UserChange, UserFilters};

use crate::App;
use crate::web::form::{Filled, Posted};
use crate::web::frame::{Frame, Staff, render, render_refused, see_other};

/// Entries on a page of the console.
pub(crate) const PAGE: usize = 25;

/// How many events the page of a user shows.
const EVENTS: usize = 10;

#[derive(Template)]
#[template(path = "users/list_users.html")]
struct Users {
    frame: Frame,
    asked: Asked,
    users: Vec<Account>,
    next: Option<String>,
}

/// What was asked for, to be shown again in the form.
struct Asked {
    id: String,
    email: String,
    last_name: String,
    role: String,
    is_active: String,
    created_after: String,
    created_before: String,
}

impl Asked {
    fn of(query: &Query) -> Self {
        let typed = |name| query.typed(name).to_owned();
        Self {
            id: typed("id"),
            email: typed("email"),
            last_name: typed("last_name"),
            role: typed("role"),
            is_active: typed("is_active"),
            created_after: typed("created_after"),
            created_before: typed("created_before"),
        }
    }

    /// Whether something is asked for that keys do not know.
    fn is_filtered(&self) -> bool {
        !self.role.is_empty() || !self.is_active.is_empty()
    }
}

/// Users, newest first, or those that a search finds.
pub(crate) async fn list_users(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    query: Query,
) -> Result<Response, Problem> {
    let asked = Asked::of(&query);
    let (filters, mut paging) =
        query.parse(&app.http, staff.id(), "console-users", |parameters: &mut Parameters| {
            UserFilters::read(parameters)
        })?;
    paging.limit = PAGE;
    let (users, next) = app.staff.list_users(staff, &filters, &paging).await?;
    render(&Users { frame, asked, users, next: paging.next_url(next.as_ref())? })
}

/// A field of a form: its name, its label, the type of its input, and what is there at present.
type Field<'a> = (&'static str, &'static str, &'static str, &'a str);

#[derive(Template)]
#[template(path = "users/new_user.html")]
struct NewUserPage<'a> {
    frame: Frame,
    fields: [Field<'a>; 4],
    filled: Filled<'a>,
}

impl<'a> NewUserPage<'a> {
    fn new(frame: Frame, filled: Filled<'a>) -> Self {
        let fields = [
            ("email", "Email address", "email", ""),
            ("first_name", "First name", "text", ""),
            ("last_name", "Last name", "text", ""),
            ("phone_number", "Telephone number", "tel", ""),
        ];
        Self { frame, fields, filled }
    }
}

/// The form for a new user.
pub(crate) async fn new_user(
    State(_): State<App>,
    staff: Staff,
    frame: Frame,
) -> Result<Response, Problem> {
    staff.authorize().await?;
    render(&NewUserPage::new(frame, Filled::default()))
}

/// Creates the user.
pub(crate) async fn create_user(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    posted: Posted,
) -> Result<Response, Problem> {
    let created = match posted.form().parse(NewUser::from_form) {
        Ok(new) => app.staff.create_user(staff, new).await,
        Err(problem) => staff.authorize().await.and(Err(problem)),
    };
    match created {
        Ok(account) => see_other(&format!("/admin/users/{}/", account.id), Some("created")),
        Err(problem) if !problem.errors().is_empty() => {
            render_refused(&NewUserPage::new(frame, Filled::refused(&posted, &problem)), &problem)
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "users/user.html")]
struct UserPage {
    frame: Frame,
    user: Account,
    is_oneself: bool,
    decisions: Vec<(&'static str, &'static str)>,
    events: Vec<AuditEvent>,
    events_caption: &'static str,
}

#[derive(Template)]
#[template(path = "users/edit_user.html")]
struct EditUserPage<'a> {
    frame: Frame,
    user: &'a Account,
    version: String,
    names: [Field<'a>; 3],
    filled_names: Filled<'a>,
    email: [Field<'a>; 1],
    filled_email: Filled<'a>,
}

impl<'a> EditUserPage<'a> {
    fn new(
        frame: Frame,
        user: &'a Account,
        filled_names: Filled<'a>,
        filled_email: Filled<'a>,
    ) -> Self {
        let names = [
            ("first_name", "First name", "text", user.first_name.as_str()),
            ("last_name", "Last name", "text", user.last_name.as_str()),
            ("phone_number", "Telephone number", "tel", user.phone_number.as_str()),
        ];
        let email = [("email", "New email address", "email", "")];
        // Names that were typed belong to the version that was shown with them, whatever has come
        // since.
        let version = filled_names.value("version", &user.version.to_string()).to_owned();
        Self { frame, user, version, names, filled_names, email, filled_email }
    }
}

/// The decisions that can be taken about a doctor now: the words of their paths, and their names.
fn decisions(user: &Account) -> Vec<(&'static str, &'static str)> {
    let present = user.approval.unwrap_or(Approval::Pending);
    let all = [
        (ApprovalDecision::Approve, "approve", "Approve"),
        (ApprovalDecision::Refuse, "refuse", "Refuse"),
        (ApprovalDecision::Suspend, "suspend", "Suspend"),
    ];
    let has_licence = user.doctor_profile().is_some();
    let possible = all.into_iter().filter(|(decision, ..)| {
        decision.is_allowed_from(present) && (has_licence || *decision == ApprovalDecision::Suspend)
    });
    match user.role {
        Role::Doctor => possible.map(|(_, word, label)| (word, label)).collect(),
        Role::Patient | Role::Admin => Vec::new(),
    }
}

/// A user's account, and what was done to it lately.
pub(crate) async fn read_user(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    Id(id): Id<UserId>,
) -> Result<Response, Problem> {
    let (caller, user) = app.staff.get_user(staff, id).await?;
    let events = app.store.list_events_of_subject(id, None, EVENTS, None).await?.items;
    let events_caption = "What was done to the user, newest first, at most 10";
    render(&UserPage {
        frame,
        is_oneself: caller.account.id == id,
        decisions: decisions(&user),
        user,
        events,
        events_caption,
    })
}

/// The forms with which a user's names and address are corrected.
pub(crate) async fn edit_user(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    Id(id): Id<UserId>,
) -> Result<Response, Problem> {
    let (_, user) = app.staff.get_user(staff, id).await?;
    render(&EditUserPage::new(frame, &user, Filled::default(), Filled::default()))
}

/// Corrects the user's names and telephone number. An empty field is an empty name.
pub(crate) async fn correct_user(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    Id(id): Id<UserId>,
    posted: Posted,
) -> Result<Response, Problem> {
    let corrected = posted.form().parse(|form| {
        let if_match = version(form);
        let first_name = form.or_default("first_name", Name::default());
        let last_name = form.or_default("last_name", Name::default());
        let phone_number = form.or_default("phone_number", PhoneNumber::default());
        let reason = form.optional::<Justification>("reason");
        let change = UserChange {
            first_name: Some(first_name?),
            last_name: Some(last_name?),
            phone_number: Some(phone_number?),
            reason: reason?,
            ..UserChange::default()
        };
        Some((if_match?, change))
    });
    match corrected {
        Ok((if_match, change)) => app.staff.update_user(staff, id, &if_match, &change).await?,
        Err(problem) => {
            let (_, user) = app.staff.get_user(staff, id).await?;
            return render_refused(
                &EditUserPage::new(
                    frame,
                    &user,
                    Filled::refused(&posted, &problem),
                    Filled::default(),
                ),
                &problem,
            );
        }
    };
    see_other(&format!("/admin/users/{id}/"), Some("changed"))
}

/// Has a mail sent to a new address, with which it becomes the user's.
pub(crate) async fn start_email_change(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    Id(id): Id<UserId>,
    posted: Posted,
) -> Result<Response, Problem> {
    let started = match posted.form().parse(NewEmail::from_form) {
        Ok(new) => app.staff.start_email_change(staff.clone(), id, new).await,
        Err(problem) => Err(problem),
    };
    match started {
        Ok(()) => see_other(&format!("/admin/users/{id}/"), Some("email-change-started")),
        Err(problem) if !problem.errors().is_empty() => {
            let (_, user) = app.staff.get_user(staff, id).await?;
            render_refused(
                &EditUserPage::new(
                    frame,
                    &user,
                    Filled::default(),
                    Filled::refused(&posted, &problem),
                ),
                &problem,
            )
        }
        Err(problem) => Err(problem),
    }
}

/// The version of the object that the page has shown.
pub(crate) fn version(form: &mut Form) -> Option<IfMatch> {
    match form.required::<String>("version")?.parse() {
        Ok(version) => Some(IfMatch::version(version)),
        Err(_) => {
            form.reject("version", Reason::new("invalid", "Must be a version."));
            None
        }
    }
}

/// Activates or deactivates the user, or changes the role.
pub(crate) async fn update_user(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<UserId>,
    posted: Posted,
) -> Result<Response, Problem> {
    let (if_match, change) = posted.form().parse(|form| {
        let if_match = version(form);
        let is_active = form.nullable::<String>("is_active");
        let role = form.optional::<Role>("role");
        let reason = form.optional::<Justification>("reason");
        let is_active = is_active?.map(|word| word == "true");
        Some((
            if_match?,
            UserChange { is_active, role: role?, reason: reason?, ..UserChange::default() },
        ))
    })?;
    app.staff.update_user(staff, id, &if_match, &change).await?;
    see_other(&format!("/admin/users/{id}/"), Some("changed"))
}

/// Ends all sessions of the user.
pub(crate) async fn end_sessions(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<UserId>,
    _: Posted,
) -> Result<Response, Problem> {
    app.staff.end_sessions(staff, id).await?;
    see_other(&format!("/admin/users/{id}/"), Some("sessions-ended"))
}

/// Has the user sent a mail with which to set a new password.
pub(crate) async fn start_password_reset(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<UserId>,
    _: Posted,
) -> Result<Response, Problem> {
    app.staff.start_password_reset(staff, id).await?;
    see_other(&format!("/admin/users/{id}/"), Some("reset-started"))
}
