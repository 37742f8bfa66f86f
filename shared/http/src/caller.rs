//! Who is calling, and from where.

use std::future::Future;
use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::account::{Account, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{RecordId, UserId};
use domain::session::Session;
use jiff::Timestamp;
use lambda_http::request::RequestContext;
use runtime::clock;
use runtime::tokens::Claims;
use store::Store;
use uuid::Uuid;

use crate::kit::Kit;
use crate::problem::Problem;

/// What is known of every request, as the gateway saw it.
#[derive(Clone)]
pub struct RequestInfo {
    /// The gateway's id of the request; in the answer, in the logs, in audit events.
    pub request_id: String,
    /// The address of the last hop before the gateway; empty where there is no gateway.
    pub source_ip: String,
    user_agent: String,
}

impl RequestInfo {
    pub(crate) fn of(request: &Request) -> Self {
        let context = match request.extensions().get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => Some(context),
            _ => None,
        };
        let request_id = context.and_then(|context| context.request_id.clone()).filter(|id| HeaderValue::from_str(id).is_ok());
        let user_agent = request.headers().get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            request_id: request_id.unwrap_or_else(|| clock::new_id::<Uuid>().to_string()),
            source_ip: context.and_then(|context| context.http.source_ip.clone()).unwrap_or_default(),
            user_agent: user_agent.unwrap_or_default(),
        }
    }

    /// What the caller's device calls itself, as it was sent.
    pub fn device(&self) -> &str {
        &self.user_agent
    }

    /// The event that `actor` did something to the chart or account of `subject`, now.
    pub fn audit(&self, actor: &Account, action: Action, subject: UserId, record: Option<RecordId>) -> AuditEvent {
        let own = self.audit_of(actor.id, action);
        AuditEvent { actor_role: Some(actor.role), actor_name: actor.full_name(), subject_id: subject, record_id: record, ..own }
    }

    /// The event that a user did something to the own account, now, before the account is read.
    pub fn audit_of(&self, user_id: UserId, action: Action) -> AuditEvent {
        AuditEvent {
            id: clock::new_id(),
            subject_id: user_id,
            actor_id: user_id,
            actor_role: None,
            actor_name: String::new(),
            session_id: None,
            action,
            outcome: Outcome::Success,
            record_id: None,
            record_ids: Vec::new(),
            reason: None,
            before: None,
            after: None,
            request_id: self.request_id.clone(),
            source_ip: self.source_ip.clone(),
            user_agent: self.user_agent.chars().take(MAX_USER_AGENT).collect(),
        }
    }
}

/// How much of what a client calls itself an audit event keeps, in characters.
const MAX_USER_AGENT: usize = 256;

impl<S: Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal("the router is not served through the middleware"))
    }
}

/// The user who is calling: the token was good, and account and session have been read.
pub struct Caller {
    /// Active, and of the role that the token claims.
    pub account: Account,
    /// Live.
    pub session: Session,
    /// The request.
    pub request: RequestInfo,
}

impl Caller {
    /// The event that the caller did something to the chart or account of `subject`, now.
    pub fn audit(&self, action: Action, subject: UserId, record: Option<RecordId>) -> AuditEvent {
        AuditEvent { session_id: Some(self.session.id), ..self.request.audit(&self.account, action, subject, record) }
    }

    /// The problem that refuses an attempt at a chart, once the audit trail tells of the attempt. The subject of the event
    /// is the chart's patient, or the caller where nobody knows whose chart it is.
    pub async fn refuse(&self, store: &Store, attempt: AuditEvent, problem: Problem) -> Problem {
        match store.audit(&[attempt.with_outcome(Outcome::Denied)]).await {
            Ok(()) => problem,
            Err(error) => error.into(),
        }
    }

    /// The problem that refuses an operation which is not for the caller, whatever it is about.
    async fn forbid(&self, store: &Store, problem: Problem) -> Problem {
        let reason = Some(problem.code().to_owned());
        let attempt = AuditEvent { reason, ..self.audit(Action::ForbiddenOperation, self.account.id, None) };
        self.refuse(store, attempt, problem).await
    }
}

/// For whom an operation is.
pub trait Audience {
    /// The role it takes, `None` when any does.
    const ROLE: Option<Role>;

    /// Whether one of that role may do anything at all.
    ///
    /// # Errors
    /// 403 that says what is missing.
    fn admit(_account: &Account, _session: &Session) -> Result<(), Problem> {
        Ok(())
    }
}

/// Marks operations for every role.
pub enum Anyone {}
/// Marks operations for patients.
pub enum Patients {}
/// Marks operations for doctors whom staff have approved.
pub enum Doctors {}
/// Marks operations for staff who have signed in with a second factor.
pub enum Admins {}

impl Audience for Anyone {
    const ROLE: Option<Role> = None;
}
impl Audience for Patients {
    const ROLE: Option<Role> = Some(Role::Patient);
}
impl Audience for Doctors {
    const ROLE: Option<Role> = Some(Role::Doctor);

    fn admit(account: &Account, _: &Session) -> Result<(), Problem> {
        if account.practises() { Ok(()) } else { Err(Problem::not_approved()) }
    }
}
impl Audience for Admins {
    const ROLE: Option<Role> = Some(Role::Admin);

    fn admit(_: &Account, session: &Session) -> Result<(), Problem> {
        if session.second_factor { Ok(()) } else { Err(Problem::second_factor_required()) }
    }
}

/// A user of any role.
pub type SignedIn = Claimed<Anyone>;
/// A patient.
pub type Patient = Claimed<Patients>;
/// A doctor, approved.
pub type Doctor = Claimed<Doctors>;
/// An admin, signed in with a second factor.
pub type Admin = Claimed<Admins>;

/// Who a good token says is calling. Only the id is told before account and session confirm the rest.
///
/// As an extractor it refuses with 401 without a good token, and with 403 users of another role.
#[must_use = "nothing is known of the caller before account and session are read"]
pub struct Claimed<A> {
    kit: Kit,
    claims: Claims,
    request: RequestInfo,
    // As of a function, so that it can be sent between threads whatever the mark is.
    audience: PhantomData<fn() -> A>,
}

impl<A: Audience> Claimed<A> {
    /// The user's id.
    pub fn id(&self) -> UserId {
        self.claims.user_id
    }

    /// Reads account and session.
    ///
    /// # Errors
    /// 401 when the session has ended, the account is inactive or gone, or its role is not the claimed one any more; 403
    /// when the audience does not admit the caller.
    pub async fn confirm(self) -> Result<Caller, Problem> {
        let store = self.kit.store.clone();
        let caller = self.identify().await?;
        match A::admit(&caller.account, &caller.session) {
            Ok(()) => Ok(caller),
            Err(problem) => Err(caller.forbid(&store, problem).await),
        }
    }

    /// Reads account and session, and asks no more than whether they bear out what the token claims.
    async fn identify(self) -> Result<Caller, Problem> {
        let Self { kit, claims, request, .. } = self;
        let found = kit.store.caller(claims.user_id, claims.session_id).await?;
        let (account, session) =
            found.filter(|(account, session)| bears_out(account, session, &claims, clock::now())).ok_or_else(Problem::token_not_valid)?;
        Ok(Caller { account, session, request })
    }

    /// Reads account and session beside the first read of the operation.
    ///
    /// # Errors
    /// As [`Claimed::confirm`], whatever the read gave; then those of the read.
    pub async fn beside<T, E: Into<Problem>>(self, first_read: impl Future<Output = Result<T, E>>) -> Result<(Caller, T), Problem> {
        let (caller, read) = futures_util::future::join(self.confirm(), first_read).await;
        Ok((caller?, read.map_err(Into::into)?))
    }
}

/// Whether what is stored bears out what a token claims.
fn bears_out(account: &Account, session: &Session, claims: &Claims, now: Timestamp) -> bool {
    account.is_active && account.role == claims.role && account.holds(session.id) && session.is_live(now)
}

impl<A: Audience, S: Sync> FromRequestParts<S> for Claimed<A>
where
    Kit: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let kit = Kit::from_ref(state);
        let claims = claims(&kit, &parts.headers).await?;
        let request = RequestInfo::from_request_parts(parts, state).await?;
        let wrong_role = A::ROLE.is_some_and(|role| role != claims.role);
        let claimed = Self { kit, claims, request, audience: PhantomData };
        if wrong_role {
            // Those whose session has ended are told that, and not what they would not have been allowed.
            let store = claimed.kit.store.clone();
            return Err(claimed.identify().await?.forbid(&store, Problem::wrong_role()).await);
        }
        Ok(claimed)
    }
}

/// What the request's bearer token (RFC 6750) claims.
///
/// # Errors
/// 401 without one, or with one that is not good.
pub(crate) async fn claims(kit: &Kit, headers: &HeaderMap) -> Result<Claims, Problem> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next().ok_or_else(Problem::not_authenticated)?;
    if lines.next().is_some() {
        return Err(Problem::token_not_valid());
    }
    let line = line.to_str().map_err(|_| Problem::token_not_valid())?.trim();
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::not_authenticated());
    }
    kit.keys.verify(token.trim(), clock::now(), kit.store.signing_keys()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::tests::{kit, token};
    use domain::email::Email;
    use domain::text::{Name, PhoneNumber};
    use jiff::SignedDuration;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    #[tokio::test]
    async fn only_a_good_bearer_token_is_a_caller() {
        let (kit, signer) = kit().with_key().await;
        let token = token(&signer, Role::Doctor, clock::now());
        for scheme in ["Bearer", "bearer", "BEARER", " Bearer "] {
            assert_eq!(claims(&kit, &headers(&[&format!("{scheme} {token}")])).await.unwrap().role, Role::Doctor);
        }
        let refused = async |lines: &[&str]| claims(&kit, &headers(lines)).await.unwrap_err().code();
        let good = format!("Bearer {token}");
        assert_eq!(refused(&[]).await, "not_authenticated");
        assert_eq!(refused(&[""]).await, "not_authenticated");
        assert_eq!(refused(&[&format!("Basic {token}")]).await, "not_authenticated");
        assert_eq!(refused(&[&token]).await, "not_authenticated");
        assert_eq!(refused(&["Bearer"]).await, "token_not_valid");
        assert_eq!(refused(&["Bearer x"]).await, "token_not_valid");
        assert_eq!(refused(&["Bearer \u{e9}"]).await, "token_not_valid");
        assert_eq!(refused(&[&good, &good]).await, "token_not_valid", "two lines");
        assert_eq!(refused(&[&format!("{good}, {good}")]).await, "token_not_valid", "two lines, as the gateway joins them");
    }

    #[test]
    fn a_token_is_worth_what_is_stored() {
        let now = clock::now();
        let account = Account {
            id: clock::new_id(),
            email: Email::parse("jane@example.com").unwrap(),
            first_name: Name::default(),
            last_name: Name::default(),
            phone_number: PhoneNumber::default(),
            role: Role::Patient,
            is_active: true,
            email_verified: false,
            approval: None,
            second_factor: false,
            sessions_ended_through: None,
            profile: None,
            version: 1,
        };
        let session = Session {
            id: clock::new_id(),
            user_id: account.id,
            token_hash: String::new(),
            previous: None,
            last_used_at: now,
            second_factor: false,
            device: String::new(),
            ttl: now.as_second() + 60,
        };
        let claims = Claims { user_id: account.id, session_id: session.id, role: Role::Patient, issued_at: now, expires_at: now };
        assert!(bears_out(&account, &session, &claims, now));
        assert!(!bears_out(&account, &session, &claims, now + SignedDuration::from_secs(60)), "the session has ended");
        assert!(!bears_out(&Account { is_active: false, ..account.clone() }, &session, &claims, now), "deactivated");
        assert!(!bears_out(&Account { role: Role::Doctor, ..account }, &session, &claims, now), "another role");
    }
}
