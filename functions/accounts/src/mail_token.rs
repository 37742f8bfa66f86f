//! Use [`VerifiedMailToken`] for requests with a token from a mail.

use domain::account::{Account, Role};
use domain::field::Reason;
use domain::mail::{AccountSnapshot, MailKind, MailToken};
use domain::problem::Code;
use domain::rate::LimitedAction;
use http_api::caller::RequestInfo;
use http_api::problem::Problem;
use http_api::request;
use runtime::clock;
use runtime::tokens::MailTokenSecret;
use store::credentials::UseTokenError;

use crate::App;
use crate::throttle::failures_by_network;

request! {
    /// A request that carries nothing but a token.
    pub(crate) struct TokenRequest {
        pub(crate) token: String = required,
    }
}

/// A valid token for an active account.
pub(crate) struct VerifiedMailToken {
    pub(crate) hash: String,
    pub(crate) token: MailToken,
    pub(crate) account: Account,
}

impl VerifiedMailToken {
    /// Finds the account of a token.
    ///
    /// # Errors
    /// 400 when the token is invalid, or of another kind; 429 instead of it when the network has
    /// failed too often.
    pub(crate) async fn find(
        app: &App,
        info: &RequestInfo,
        text: &str,
        kinds: &[MailKind],
    ) -> Result<Self, Problem> {
        let read = Self::read(app, text, kinds);
        failures_by_network(app, info, LimitedAction::MailToken, read).await
    }

    async fn read(app: &App, text: &str, kinds: &[MailKind]) -> Result<Self, Problem> {
        let (hash, token) = find_token(app, text, kinds).await?;
        let account = app
            .store
            .get_account(token.user_id)
            .await?
            .filter(|account| account.is_active)
            .ok_or_else(bad_token)?;
        Ok(Self { hash, token, account })
    }

    /// Refuses a token that was sent to another address than the account has now.
    pub(crate) fn of_present_address(self) -> Result<Self, Problem> {
        self.only_if(|token, account| token.email.normalized() == account.email.normalized())
    }

    /// Refuses a token that was sent before all sessions were last ended, as by a new password,
    /// unless the address was never confirmed: somebody without the mailbox may have ended them.
    pub(crate) fn of_present_password(self) -> Result<Self, Problem> {
        self.only_if(|token, account| {
            !account.email_verified
                || token.basis.sessions_ended_through == account.sessions_ended_through
        })
    }

    /// Refuses a token that was sent before the present address and password were set.
    pub(crate) fn of_present_account(self) -> Result<Self, Problem> {
        self.only_if(|token, account| token.basis == AccountSnapshot::of(account))
    }

    /// Refuses a token for a confirmed or a staff account: neither can be discarded by mail.
    pub(crate) fn of_unconfirmed(self) -> Result<Self, Problem> {
        self.only_if(|_, account| !account.email_verified && account.role != Role::Admin)
    }

    fn only_if(self, holds: impl FnOnce(&MailToken, &Account) -> bool) -> Result<Self, Problem> {
        if holds(&self.token, &self.account) { Ok(self) } else { Err(bad_token()) }
    }
}

/// Finds a token of one of these kinds, with its hash. Its account may be inactive by now.
///
/// # Errors
/// 400 when the token is invalid, or for another purpose.
pub(crate) async fn find_token(
    app: &App,
    text: &str,
    kinds: &[MailKind],
) -> Result<(String, MailToken), Problem> {
    let hash = MailTokenSecret::parse(text).ok_or_else(bad_token)?.hash();
    let token = app
        .store
        .get_mail_token(&hash)
        .await?
        .filter(|token| token.is_valid_for(kinds, clock::now()))
        .ok_or_else(bad_token)?;
    Ok((hash, token))
}

/// Returns the 400 for a token that is unknown, used or expired: the same for all three.
pub(crate) fn bad_token() -> Problem {
    Problem::field("token", Reason::new("invalid", "The token is invalid, used or expired."))
}

pub(crate) fn refused(error: UseTokenError) -> Problem {
    match error {
        UseTokenError::Used => bad_token(),
        UseTokenError::Stale => Problem::conflict(
            Code::ChangedMeanwhile,
            "The account has changed meanwhile; try again.",
        ),
        UseTokenError::EmailTaken => {
            Problem::conflict(Code::EmailTaken, "Another account has this address by now.")
        }
        UseTokenError::Store(error) => error.into(),
    }
}
