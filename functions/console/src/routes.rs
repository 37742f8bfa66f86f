//! The console at `/admin/`: pages for staff, made by the same use cases as the API.
//!
//! A page takes [`frame::Frame`] and, as any handler for staff, [`http_api::caller::Admin`]; a form
//! is read with [`form::Posted`], which refuses what was not sent by a page of ours.
//! [`session::guard`] knows who the browser is, turns problems into pages, and sets the headers of
//! pages. A route says of which operation it is, so that [`domain::access`] decides here too.

use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, any, on};
use axum::{Extension, Router};
use domain::access::Operation;
use http_api::problem::Problem;
use http_api::routes::{Arguments, check_audience};

use crate::dashboard::{export_counts, show_dashboard};
use crate::mail::{list_mails, redrive_mails, resend_mail, show_pipeline};
use crate::records::{
    break_glass, correct_assignment, list_annotations, list_files, list_notifications,
    list_records, read_record,
};
use crate::web::{assets, session, sign_in};
use crate::{App, audit, users};

/// All routes of the console.
fn routes() -> Routes {
    Routes::default()
        .get("/admin/", Operation::ShowDashboard, show_dashboard::show_dashboard)
        .get("/admin/export.json", Operation::ShowDashboard, export_counts::export_counts)
        .get("/admin/mail/", Operation::ListMails, show_pipeline::show_pipeline)
        .get("/admin/mail/users/{id}/", Operation::ListMails, list_mails::list_mails)
        .post("/admin/mail/redrive/", Operation::RedriveMails, redrive_mails::redrive_mails)
        .post("/admin/mail/resend/", Operation::ResendMail, resend_mail::resend_mail)
        .get("/admin/users/", Operation::ListUsers, users::pages::list_users)
        .post("/admin/users/", Operation::CreateUser, users::pages::create_user)
        .get("/admin/users/new/", Operation::CreateUser, users::pages::new_user)
        .get("/admin/users/{id}/", Operation::ReadUser, users::pages::read_user)
        .post("/admin/users/{id}/", Operation::UpdateUser, users::pages::update_user)
        .get("/admin/users/{id}/edit/", Operation::UpdateUser, users::pages::edit_user)
        .post("/admin/users/{id}/edit/", Operation::UpdateUser, users::pages::correct_user)
        .post(
            "/admin/users/{id}/email-change/",
            Operation::StartEmailChange,
            users::pages::start_email_change,
        )
        .post("/admin/users/{id}/end-sessions/", Operation::EndSessions, users::pages::end_sessions)
        .post(
            "/admin/users/{id}/password-reset/",
            Operation::StartPasswordReset,
            users::pages::start_password_reset,
        )
        .get("/admin/doctors/", Operation::ListDoctorsByApproval, users::approvals::list_doctors)
        .post(
            "/admin/doctors/{id}/approve/",
            Operation::ApproveDoctor,
            users::approvals::approve_doctor,
        )
        .post(
            "/admin/doctors/{id}/refuse/",
            Operation::RefuseDoctor,
            users::approvals::refuse_doctor,
        )
        .post(
            "/admin/doctors/{id}/suspend/",
            Operation::SuspendDoctor,
            users::approvals::suspend_doctor,
        )
        .get("/admin/doctor-profiles/", Operation::ListUsers, users::profiles::list_doctor_profiles)
        .get(
            "/admin/patient-profiles/",
            Operation::ListUsers,
            users::profiles::list_patient_profiles,
        )
        .get("/admin/audit/", Operation::ListEvents, audit::list_events::list_events)
        .get("/admin/records/", Operation::StaffListRecords, list_records::list_records)
        .get("/admin/records/{id}/", Operation::LookUpRecord, read_record::read_record)
        .post("/admin/records/{id}/break-glass/", Operation::BreakGlass, break_glass::break_glass)
        .post(
            "/admin/records/{id}/assignment/",
            Operation::CorrectAssignment,
            correct_assignment::correct_assignment,
        )
        .get("/admin/files/", Operation::StaffListFiles, list_files::list_files)
        .get(
            "/admin/annotations/",
            Operation::StaffListAnnotations,
            list_annotations::list_annotations,
        )
        .get(
            "/admin/notifications/",
            Operation::StaffListNotifications,
            list_notifications::list_notifications,
        )
        .post("/admin/sign-out/", Operation::OpenConsole, sign_in::sign_out)
        .post(session::OPENING, Operation::OpenConsole, sign_in::open_session)
}

/// The routes of the console, and what it takes to be in it.
pub(crate) fn router(app: &App) -> Router<App> {
    routes()
        .router
        .route("/admin/sign-in/", on(MethodFilter::GET, sign_in::sign_in))
        .route("/admin/assets/console.css", on(MethodFilter::GET, assets::style))
        .route("/admin/assets/console.js", on(MethodFilter::GET, assets::script))
        .route("/admin/{*rest}", any(async || Problem::not_found()))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(app.clone(), session::guard))
}

/// Method and path of every page and form that is for staff alone.
pub(crate) fn paths() -> Vec<(&'static str, &'static str)> {
    routes().paths
}

#[derive(Default)]
struct Routes {
    router: Router<App>,
    paths: Vec<(&'static str, &'static str)>,
}

impl Routes {
    fn get<H: Handler<T, App>, T: Arguments + 'static>(
        self,
        path: &'static str,
        operation: Operation,
        handler: H,
    ) -> Self {
        self.route(("GET", MethodFilter::GET), path, operation, handler)
    }

    fn post<H: Handler<T, App>, T: Arguments + 'static>(
        self,
        path: &'static str,
        operation: Operation,
        handler: H,
    ) -> Self {
        self.route(("POST", MethodFilter::POST), path, operation, handler)
    }

    /// Adds a route.
    ///
    /// # Panics
    /// When the handler is not for the audience of the operation.
    fn route<H: Handler<T, App>, T: Arguments + 'static>(
        mut self,
        (method, filter): (&'static str, MethodFilter),
        path: &'static str,
        operation: Operation,
        handler: H,
    ) -> Self {
        check_audience::<T>(operation);
        self.paths.push((method, path));
        let router = self.router.route(path, on(filter, handler).layer(Extension(operation)));
        Self { router, paths: self.paths }
    }
}
