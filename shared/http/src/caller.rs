//! Who is calling, and from where.

use std::future::Future;
use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::access::{self, Actor, Decision, Operation, Relation, Rules};
use domain::account::Account;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{RecordId, UserId};
use domain::record::Record;
use domain::session::Session;
use lambda_http::request::RequestContext;
use runtime::clock;
use runtime::tokens::Claims;
use store::Store;
use uuid::Uuid;

use crate::path::Id;
use crate::problem::Problem;
use crate::state::HttpState;

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
        let request_id = context
            .and_then(|context| context.request_id.clone())
            .filter(|id| HeaderValue::from_str(id).is_ok());
        let user_agent = request
            .headers()
            .get(header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            request_id: request_id.unwrap_or_else(|| clock::new_id::<Uuid>().to_string()),
            source_ip: context
                .and_then(|context| context.http.source_ip.clone())
                .unwrap_or_default(),
            user_agent: user_agent.unwrap_or_default(),
        }
    }

    /// What the caller's device calls itself, as it was sent.
    pub fn device(&self) -> &str {
        &self.user_agent
    }

    /// The event that `actor` did something to the chart or account of `subject`, now.
    pub fn audit(
        &self,
        actor: &Account,
        action: Action,
        subject: UserId,
        record: Option<RecordId>,
    ) -> AuditEvent {
        let own = self.audit_of(actor.id, action);
        AuditEvent {
            actor_role: Some(actor.role),
            actor_name: actor.full_name(),
            subject_id: subject,
            record_id: record,
            ..own
        }
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
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Problem::internal("the router is not served through the middleware"))
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
    operation: Operation,
    actor: Actor,
    rules: Rules,
}

impl Caller {
    /// Whether the caller may do what was asked for to an object that is this to them. Else it is
    /// not found.
    pub fn may(&self, relation: Relation) -> bool {
        access::decide(self.rules, self.actor, self.operation, relation) == Decision::Allow
    }

    /// The same for something on the chart of a patient.
    pub fn may_on_chart_of(&self, patient: UserId) -> bool {
        self.may(Relation::to_chart(self.account.id, patient))
    }

    /// The same for a record, by whom it names now.
    pub fn may_on(&self, record: &Record) -> bool {
        self.may(Relation::to_record(self.account.id, record))
    }

    /// Whether the caller may see a record that is this to them, where it is not what was asked
    /// for.
    pub fn sees(&self, relation: Relation) -> bool {
        access::sees(self.rules, self.actor, relation)
    }

    /// The event that the caller did something to the chart or account of `subject`, now.
    pub fn audit(&self, action: Action, subject: UserId, record: Option<RecordId>) -> AuditEvent {
        AuditEvent {
            session_id: Some(self.session.id),
            ..self.request.audit(&self.account, action, subject, record)
        }
    }

    /// The problem that refuses an attempt at a chart, once the audit trail tells of the attempt.
    /// The subject of the event is the chart's patient, or the caller where nobody knows whose
    /// chart it is.
    pub async fn refuse(&self, store: &Store, attempt: AuditEvent, problem: Problem) -> Problem {
        match store.create_events(&[attempt.with_outcome(Outcome::Denied)]).await {
            Ok(()) => problem,
            Err(error) => error.into(),
        }
    }

    /// The problem that refuses an operation which is not for the caller, whatever it is about: the
    /// record, perhaps, that the path names. Nobody has looked whether there is one.
    async fn forbid(&self, store: &Store, record: Option<RecordId>, problem: Problem) -> Problem {
        let reason = Some(problem.code().to_owned());
        let attempt = AuditEvent {
            reason,
            ..self.audit(Action::ForbiddenOperation, self.account.id, record)
        };
        self.refuse(store, attempt, problem).await
    }
}

/// For whom a handler is. [`access`] decides; what the handler says must be what is said there of
/// its operation.
pub trait Audience {
    /// What is said of it there.
    const AUDIENCE: access::Audience;
}

/// Marks handlers for every user.
#[derive(Clone)]
pub enum Anyone {}
/// Marks handlers for patients and doctors.
#[derive(Clone)]
pub enum PatientsAndDoctors {}
/// Marks handlers for patients.
#[derive(Clone)]
pub enum Patients {}
/// Marks handlers for doctors whom staff have approved.
#[derive(Clone)]
pub enum Doctors {}
/// Marks handlers for staff who have signed in with a second factor.
#[derive(Clone)]
pub enum Admins {}

impl Audience for Anyone {
    const AUDIENCE: access::Audience = access::Audience::SignedIn;
}
impl Audience for PatientsAndDoctors {
    const AUDIENCE: access::Audience = access::Audience::PatientsAndDoctors;
}
impl Audience for Patients {
    const AUDIENCE: access::Audience = access::Audience::Patients;
}
impl Audience for Doctors {
    const AUDIENCE: access::Audience = access::Audience::Doctors;
}
impl Audience for Admins {
    const AUDIENCE: access::Audience = access::Audience::Admins;
}

/// A user of any role.
pub type SignedIn = Authenticated<Anyone>;
/// A patient or a doctor, whatever staff say of them.
pub type PatientOrDoctor = Authenticated<PatientsAndDoctors>;
/// A patient.
pub type Patient = Authenticated<Patients>;
/// A doctor, approved.
pub type Doctor = Authenticated<Doctors>;
/// An admin, signed in with a second factor.
pub type Admin = Authenticated<Admins>;

/// Who a good token says is calling. Only the id is told before account and session confirm the
/// rest.
///
/// As an extractor it refuses with 401 without a good token, and with 403 users of another role.
/// What a layer has put among the request's extensions, because it knows another proof, counts as
/// the claims of a token.
#[must_use = "nothing is known of the caller before account and session are read"]
#[derive(Clone)]
pub struct Authenticated<A> {
    kit: HttpState,
    claims: Claims,
    request: RequestInfo,
    operation: Operation,
    /// Of the path, where it names one.
    record: Option<RecordId>,
    // As of a function, so that it can be sent between threads whatever the mark is.
    audience: PhantomData<fn() -> A>,
}

impl<A: Audience> Authenticated<A> {
    /// The user's id.
    pub fn id(&self) -> UserId {
        self.claims.user_id
    }

    /// Reads account and session.
    ///
    /// # Errors
    /// 401 when the session has ended, the account is inactive or gone, or its role is not the
    /// claimed one any more; 403 when the operation is not for the caller.
    pub async fn authorize(self) -> Result<Caller, Problem> {
        let Self { kit, claims, request, operation, record, .. } = self;
        let found = kit.store.get_caller(claims.user_id, claims.session_id).await?;
        let known = found.as_ref().map(|(account, session)| (account, session));
        let actor = Actor::confirmed(known, claims.role, clock::now());
        let problem = problem_of(access::decide(kit.rules, actor, operation, Relation::Unknown));
        let caller = found.map(|(account, session)| Caller {
            account,
            session,
            request,
            operation,
            actor,
            rules: kit.rules,
        });
        match (caller, problem) {
            (Some(caller), None) => Ok(caller),
            // Whoever could show that they are a user is in the audit trail.
            (Some(caller), Some(problem)) if actor != Actor::InvalidToken => {
                Err(caller.forbid(&kit.store, record, problem).await)
            }
            (_, problem) => Err(problem.unwrap_or_else(Problem::token_not_valid)),
        }
    }

    /// Reads account and session beside the first read of the operation.
    ///
    /// # Errors
    /// As [`Authenticated::authorize`], whatever the read gave; then those of the read.
    pub async fn authorize_with<T, E: Into<Problem>>(
        self,
        first_read: impl Future<Output = Result<T, E>>,
    ) -> Result<(Caller, T), Problem> {
        let (caller, read) = futures_util::future::join(self.authorize(), first_read).await;
        Ok((caller?, read.map_err(Into::into)?))
    }
}

/// The problem that says what is decided, `None` when nothing speaks against it.
fn problem_of(decision: Decision) -> Option<Problem> {
    match decision {
        Decision::Allow => None,
        Decision::NotAuthenticated => Some(Problem::not_authenticated()),
        Decision::TokenNotValid => Some(Problem::token_not_valid()),
        Decision::WrongRole => Some(Problem::wrong_role()),
        Decision::NotApproved => Some(Problem::not_approved()),
        Decision::SecondFactorRequired => Some(Problem::second_factor_required()),
        Decision::NotFound => Some(Problem::not_found()),
        Decision::OwnAccount => Some(Problem::own_account()),
    }
}

impl<A: Audience, S: Send + Sync> FromRequestParts<S> for Authenticated<A>
where
    HttpState: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let kit = HttpState::from_ref(state);
        let operation = parts.extensions.get().copied().ok_or_else(|| {
            Problem::internal("the route names no operation: register it with http_api::routes!")
        })?;
        let claims = match parts.extensions.get::<Claims>() {
            Some(claims) => *claims,
            None => claims(&kit, &parts.headers, operation).await?,
        };
        let request = RequestInfo::from_request_parts(parts, state).await?;
        let record = if operation.names_record() {
            Id::from_request_parts(parts, state).await.ok().map(|Id(id)| id)
        } else {
            None
        };
        let decision =
            access::decide(kit.rules, Actor::Claimed(claims.role), operation, Relation::Unknown);
        let claimed = Self { kit, claims, request, operation, record, audience: PhantomData };
        match problem_of(decision) {
            None => Ok(claimed),
            // Those whose session has ended are told that, and not what they would not have been
            // allowed.
            Some(problem) => Err(claimed.authorize().await.err().unwrap_or(problem)),
        }
    }
}

/// What the request's bearer token (RFC 6750) claims, when `operation` takes one.
///
/// # Errors
/// 401 without one, or with one that is not good.
pub(crate) async fn claims(
    kit: &HttpState,
    headers: &HeaderMap,
    operation: Operation,
) -> Result<Claims, Problem> {
    let verified = match bearer(headers) {
        Ok(token) => kit
            .keys
            .verify(token, clock::now(), kit.store.list_signing_keys())
            .await?
            .ok_or(Actor::InvalidToken),
        Err(actor) => Err(actor),
    };
    verified.map_err(|actor| {
        let decision = access::decide(kit.rules, actor, operation, Relation::Unknown);
        problem_of(decision)
            .unwrap_or_else(|| Problem::internal("an operation for anyone asks for a token"))
    })
}

/// The one bearer token of a request; or who asks without.
fn bearer(headers: &HeaderMap) -> Result<&str, Actor> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next().ok_or(Actor::Anonymous)?;
    if lines.next().is_some() {
        return Err(Actor::InvalidToken);
    }
    let line = line.to_str().map_err(|_| Actor::InvalidToken)?.trim();
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Actor::Anonymous) }
}

#[cfg(test)]
mod tests {
    use domain::account::Role;

    use super::*;
    use crate::state::tests::{kit, token};

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (header::AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
            .collect()
    }

    #[tokio::test]
    async fn only_a_good_bearer_token_is_a_caller() {
        let (kit, signer) = kit().with_key().await;
        let token = token(&signer, Role::Doctor, clock::now());
        for scheme in ["Bearer", "bearer", "BEARER", " Bearer "] {
            assert_eq!(
                claims(&kit, &headers(&[&format!("{scheme} {token}")]), Operation::Me)
                    .await
                    .unwrap()
                    .role,
                Role::Doctor
            );
        }
        let refused = async |lines: &[&str]| {
            claims(&kit, &headers(lines), Operation::Me).await.unwrap_err().code()
        };
        let good = format!("Bearer {token}");
        assert_eq!(refused(&[]).await, "not_authenticated");
        assert_eq!(refused(&[""]).await, "not_authenticated");
        assert_eq!(refused(&[&format!("Basic {token}")]).await, "not_authenticated");
        assert_eq!(refused(&[&token]).await, "not_authenticated");
        assert_eq!(refused(&["Bearer"]).await, "token_not_valid");
        assert_eq!(refused(&["Bearer x"]).await, "token_not_valid");
        assert_eq!(refused(&["Bearer \u{e9}"]).await, "token_not_valid");
        assert_eq!(refused(&[&good, &good]).await, "token_not_valid", "two lines");
        assert_eq!(
            refused(&[&format!("{good}, {good}")]).await,
            "token_not_valid",
            "two lines, as the gateway joins them"
        );
    }
}
