//! Listing the doctors about whom staff decide.

use domain::account::{Account, Approval};
use domain::audit::Action;
use domain::field::Reason;
use domain::id::UserId;
use domain::schema::string_enum;
use http_api::caller::Admin;
use http_api::page::Paging;
use http_api::problem::Problem;
use http_api::query::Parameters;

use crate::StaffService;

/// The approvals by which doctors can be listed. Approved doctors are in the public directory.
pub const LISTED_APPROVALS: [Approval; 3] =
    [Approval::Pending, Approval::Refused, Approval::Suspended];

/// Reads the parameter `approval`.
pub fn read_approval(parameters: &mut Parameters) -> Option<Approval> {
    let schema = || {
        string_enum(
            "The approval of the doctors; `pending` by default.",
            LISTED_APPROVALS.map(Approval::as_str),
        )
    };
    let approval = parameters.optional_by(
        "approval",
        || schema().into(),
        |text| match text.parse() {
            Ok(approval) if LISTED_APPROVALS.contains(&approval) => Ok(approval),
            _ => Err(Reason::new("invalid_choice", "Must be one of: pending refused suspended.")),
        },
    );
    Some(approval?.unwrap_or(Approval::Pending))
}

impl StaffService {
    /// Lists the doctors on a page, with the position of the next page.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list_doctors_by_approval(
        &self,
        admin: Admin,
        approval: Approval,
        paging: &Paging<UserId>,
    ) -> Result<(Vec<Account>, Option<UserId>), Problem> {
        let page = self.store.list_doctors_by_approval(approval, paging.limit, paging.after);
        let (caller, page) = admin.authorize_with(page).await?;
        let event = caller.audit(Action::ListUsers, caller.account.id, None);
        let (mut accounts, ()) = tokio::try_join!(
            self.store.get_accounts(page.items.iter().copied()),
            self.store.create_events(std::slice::from_ref(&event))
        )?;
        // The index may lag behind a decision.
        let doctors = page
            .items
            .iter()
            .filter_map(|id| accounts.remove(id))
            .filter(|doctor| doctor.approval == Some(approval));
        Ok((doctors.collect(), page.next))
    }
}
