//! The pages and forms of the console, each with its operation.
//!
//! A page takes [`PageLayout`](crate::web::layout::PageLayout) and, as every handler for staff,
//! [`Admin`](http_api::caller::Admin); a form is extracted as
//! [`FormBody`](crate::web::form::FormBody), which refuses cross-site requests. The operation of a
//! route is what [`domain::access`] decides about.

use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, any, on};
use axum::{Extension, Router};
use domain::access::Operation;
use http_api::problem::Problem;
use http_api::routes::{Arguments, check_audience};
use store::staff::lists::{AnnotationEntry, FileEntry, NotificationEntry, RecordEntry};

use crate::App;
use crate::audit::list_events;
use crate::dashboard::{export_counts, show_dashboard};
use crate::mail::{list_mails, redrive_mails, resend_mail, show_pipeline};
use crate::records::{break_glass, correct_assignment, list, read_record};
use crate::users::{
    approvals, create_user, edit_user, list_users, profiles, read_user, recoveries, search,
    update_user,
};
use crate::web::guard::{self, SESSION_PATH, SIGN_IN_PATH};
use crate::web::{assets, sign_in};

/// Returns the routes for staff.
fn routes() -> Routes {
    Routes::default()
        .get("/admin/", Operation::ShowDashboard, show_dashboard::show_dashboard)
        .get("/admin/export.json", Operation::ShowDashboard, export_counts::export_counts)
        .get("/admin/mail/", Operation::ListMails, show_pipeline::show_pipeline)
        .get("/admin/mail/users/{id}/", Operation::ListMails, list_mails::list_mails)
        .post("/admin/mail/redrive/", Operation::RedriveMails, redrive_mails::redrive_mails)
        .post("/admin/mail/resend/", Operation::ResendMail, resend_mail::resend_mail)
        .post("/admin/search/", Operation::SearchUsers, search::search)
        .get("/admin/users/", Operation::ListUsers, list_users::list_users)
        .post("/admin/users/", Operation::CreateUser, create_user::create_user)
        .get("/admin/users/new/", Operation::CreateUser, create_user::new_user)
        .get("/admin/users/{id}/", Operation::ReadUser, read_user::read_user)
        .post("/admin/users/{id}/", Operation::UpdateUser, update_user::update_user)
        .get("/admin/users/{id}/edit/", Operation::UpdateUser, edit_user::edit_user)
        .post("/admin/users/{id}/edit/", Operation::UpdateUser, edit_user::correct_user)
        .post(
            "/admin/users/{id}/email-change/",
            Operation::StartEmailChange,
            edit_user::start_email_change,
        )
        .post("/admin/users/{id}/end-sessions/", Operation::EndSessions, update_user::end_sessions)
        .post(
            "/admin/users/{id}/password-reset/",
            Operation::StartPasswordReset,
            update_user::start_password_reset,
        )
        .post(
            "/admin/users/{id}/second-factor-removal/",
            Operation::StartSecondFactorRemoval,
            recoveries::start_second_factor_removal,
        )
        .post(
            "/admin/users/{id}/recovery/approve/",
            Operation::ApproveRecovery,
            recoveries::approve_recovery,
        )
        .post(
            "/admin/users/{id}/recovery/cancel/",
            Operation::StaffCancelRecovery,
            recoveries::cancel_recovery,
        )
        .get("/admin/recoveries/", Operation::ListRecoveries, recoveries::list_recoveries)
        .get("/admin/doctors/", Operation::ListDoctorsByApproval, approvals::list_doctors)
        .post("/admin/doctors/{id}/approve/", Operation::ApproveDoctor, approvals::approve_doctor)
        .post("/admin/doctors/{id}/refuse/", Operation::RefuseDoctor, approvals::refuse_doctor)
        .post("/admin/doctors/{id}/suspend/", Operation::SuspendDoctor, approvals::suspend_doctor)
        .get("/admin/doctor-profiles/", Operation::ListUsers, profiles::list_doctor_profiles)
        .get("/admin/patient-profiles/", Operation::ListUsers, profiles::list_patient_profiles)
        .get("/admin/audit/", Operation::ListEvents, list_events::list_events)
        .get("/admin/records/", Operation::StaffListRecords, list::list::<RecordEntry>)
        .get("/admin/records/{id}/", Operation::LookUpRecord, read_record::read_record)
        .post("/admin/records/{id}/break-glass/", Operation::BreakGlass, break_glass::break_glass)
        .post(
            "/admin/records/{id}/assignment/",
            Operation::CorrectAssignment,
            correct_assignment::correct_assignment,
        )
        .get("/admin/files/", Operation::StaffListFiles, list::list::<FileEntry>)
        .get("/admin/annotations/", Operation::StaffListAnnotations, list::list::<AnnotationEntry>)
        .get(
            "/admin/notifications/",
            Operation::StaffListNotifications,
            list::list::<NotificationEntry>,
        )
        .post("/admin/sign-out/", Operation::OpenConsole, sign_in::sign_out)
        .post(SESSION_PATH, Operation::OpenConsole, sign_in::open_session)
}

/// Returns the router of the console, with the guard around it.
pub(crate) fn router(app: &App) -> Router<App> {
    routes()
        .router
        .route(SIGN_IN_PATH, on(MethodFilter::GET, sign_in::sign_in))
        .route("/admin/assets/console.css", on(MethodFilter::GET, assets::style))
        .route("/admin/assets/console.js", on(MethodFilter::GET, assets::script))
        .route("/admin/{*rest}", any(async || Problem::not_found()))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(from_fn_with_state(app.clone(), guard::guard))
}

/// Returns method and path of every page and form that is for staff alone.
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
