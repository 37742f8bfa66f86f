//! Use [`Authenticated`] and its aliases to authenticate and authorize the caller of an operation.

use std::future::Future;
use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use domain::access::{self, Actor, Decision, Operation, Relation, Rules};
use domain::account::Account;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{RecordId, SessionId, UserId};
use domain::record::Record;
use domain::session::Session;
use lambda_http::request::RequestContext;
use runtime::clock;
use runtime::tokens::Claims;
use store::Store;
use uuid::Uuid;

use crate::path::PathId;
use crate::problem::Problem;
use crate::state::HttpState;

/// What the gateway says about every request.
#[derive(Clone)]
pub struct RequestInfo {
    /// The gateway's id of the request, in the response, the logs and audit events.
    pub request_id: String,
    /// The address of the last hop before the gateway; empty without a gateway.
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

    /// Returns the header User-Agent as it was sent.
    pub fn device(&self) -> &str {
        &self.user_agent
    }

    /// Makes the event that `actor` does something to the chart or account of `subject` now.
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

    /// Makes the event that users do something to their own account now, before it is read.
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
            file_id: None,
            reason: None,
            before: None,
            after: None,
            request_id: self.request_id.clone(),
            source_ip: self.source_ip.clone(),
            user_agent: self.user_agent.chars().take(MAX_USER_AGENT).collect(),
        }
    }
}

/// The length of the header User-Agent in an audit event, in characters.
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

/// An authorized caller: the token was valid, and account and session have been read.
pub struct Caller {
    /// The account. It is active and has the role that the token claims.
    pub account: Account,
    /// The session. It is live.
    pub session: Session,
    /// The request.
    pub request: RequestInfo,
    operation: Operation,
    actor: Actor,
    rules: Rules,
}

impl Caller {
    /// Returns whether the operation is allowed on an object with this relation to the caller. If
    /// not, respond that the object is not found.
    pub fn may(&self, relation: Relation) -> bool {
        access::decide(self.rules, self.actor, self.operation, relation) == Decision::Allow
    }

    /// Returns the same for something on the chart of a patient.
    pub fn may_on_chart_of(&self, patient: UserId) -> bool {
        self.may(Relation::to_chart(self.account.id, patient))
    }

    /// Returns the same for a record, by its present patient and doctor.
    pub fn may_on(&self, record: &Record) -> bool {
        self.may(Relation::to_record(self.account.id, record))
    }

    /// Returns whether the caller may read a record with this relation to them. For operations
    /// other than reading the record.
    pub fn may_read(&self, relation: Relation) -> bool {
        access::may_read(self.rules, self.actor, relation)
    }

    /// Makes the event that the caller does something to the chart or account of `subject` now.
    pub fn audit(&self, action: Action, subject: UserId, record: Option<RecordId>) -> AuditEvent {
        AuditEvent {
            session_id: Some(self.session.id),
            ..self.request.audit(&self.account, action, subject, record)
        }
    }

    /// Writes a denied event to the audit trail and returns the problem. The subject of the event
    /// is the chart's patient, or the caller if the chart is unknown.
    pub async fn refuse(&self, store: &Store, event: AuditEvent, problem: Problem) -> Problem {
        match store.create_events(&[event.with_outcome(Outcome::Denied)]).await {
            Ok(()) => problem,
            Err(error) => error.into(),
        }
    }

    /// Writes to the audit trail that the caller may not use the operation, and returns the
    /// problem. The record in the path, if there is one, has not been read.
    async fn forbid(&self, store: &Store, record: Option<RecordId>, problem: Problem) -> Problem {
        let reason = Some(problem.code().to_owned());
        let event = AuditEvent {
            reason,
            ..self.audit(Action::ForbiddenOperation, self.account.id, record)
        };
        self.refuse(store, event, problem).await
    }
}

/// The audience of a handler as a type. It must be that of the operation's row in
/// [`Operation`]; [`routes!`](crate::routes!) compares the two.
pub trait AudienceMarker {
    /// The audience.
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
/// Marks handlers for those who may read a record.
#[derive(Clone)]
pub enum Readers {}
/// Marks handlers for doctors whom staff have approved.
#[derive(Clone)]
pub enum Doctors {}
/// Marks handlers for staff who have signed in with a second factor.
#[derive(Clone)]
pub enum Admins {}

impl AudienceMarker for Anyone {
    const AUDIENCE: access::Audience = access::Audience::SignedIn;
}
impl AudienceMarker for PatientsAndDoctors {
    const AUDIENCE: access::Audience = access::Audience::PatientsAndDoctors;
}
impl AudienceMarker for Patients {
    const AUDIENCE: access::Audience = access::Audience::Patients;
}
impl AudienceMarker for Readers {
    const AUDIENCE: access::Audience = access::Audience::Readers;
}
impl AudienceMarker for Doctors {
    const AUDIENCE: access::Audience = access::Audience::Doctors;
}
impl AudienceMarker for Admins {
    const AUDIENCE: access::Audience = access::Audience::Admins;
}

/// A user of any role.
pub type SignedIn = Authenticated<Anyone>;
/// A patient or a doctor, approved or not.
pub type PatientOrDoctor = Authenticated<PatientsAndDoctors>;
/// A patient.
pub type Patient = Authenticated<Patients>;
/// A patient, or a doctor, approved.
pub type Reader = Authenticated<Readers>;
/// A doctor, approved.
pub type Doctor = Authenticated<Doctors>;
/// An admin, signed in with a second factor.
pub type Admin = Authenticated<Admins>;

/// A caller with a valid token. Only the id can be used before [`Authenticated::authorize`] has
/// read account and session.
///
/// The extractor refuses with 401 without a valid token, and with 403 for users with another role.
/// [`Claims`] among the request's extensions count as those of a token: a layer that authenticates
/// in another way inserts them.
#[must_use = "the caller is not authorized before account and session are read"]
#[derive(Clone)]
pub struct Authenticated<A> {
    http: HttpState,
    claims: Claims,
    request: RequestInfo,
    operation: Operation,
    /// The record in the path, if the operation names one.
    record: Option<RecordId>,
    // `fn() -> A` is Send for every A.
    audience: PhantomData<fn() -> A>,
}

impl<A: AudienceMarker> Authenticated<A> {
    /// Returns the user's id.
    pub fn id(&self) -> UserId {
        self.claims.user_id
    }

    /// Returns the id of the session, which may have ended.
    pub fn session_id(&self) -> SessionId {
        self.claims.session_id
    }

    /// Reads account and session, and decides whether the caller may use the operation.
    ///
    /// # Errors
    /// 401 when the session has ended, or the account is inactive, deleted or has another role than
    /// the token; 403 when the caller may not use the operation.
    pub async fn authorize(self) -> Result<Caller, Problem> {
        let Self { http, claims, request, operation, record, .. } = self;
        let found = http.store.get_caller(claims.user_id, claims.session_id).await?;
        let known = found.as_ref().map(|(account, session)| (account, session));
        let actor = Actor::confirmed(known, claims.role, clock::now());
        let problem = problem_of(access::decide(http.rules, actor, operation, Relation::Unknown));
        let caller = found.map(|(account, session)| Caller {
            account,
            session,
            request,
            operation,
            actor,
            rules: http.rules,
        });
        match (caller, problem) {
            (Some(caller), None) => Ok(caller),
            // Refusals of users are in the audit trail.
            (Some(caller), Some(problem)) if actor != Actor::InvalidToken => {
                Err(caller.forbid(&http.store, record, problem).await)
            }
            (_, problem) => Err(problem.unwrap_or_else(Problem::token_not_valid)),
        }
    }

    /// Does the same concurrently with the first read of the operation.
    ///
    /// # Errors
    /// Those of [`Authenticated::authorize`], and then those of the read.
    pub async fn authorize_with<T, E: Into<Problem>>(
        self,
        first_read: impl Future<Output = Result<T, E>>,
    ) -> Result<(Caller, T), Problem> {
        let (caller, read) = futures_util::future::join(self.authorize(), first_read).await;
        Ok((caller?, read.map_err(Into::into)?))
    }
}

/// Returns the problem of a decision, `None` for [`Decision::Allow`].
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

impl<A: AudienceMarker, S: Send + Sync> FromRequestParts<S> for Authenticated<A>
where
    HttpState: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let http = HttpState::from_ref(state);
        let operation = parts.extensions.get().copied().ok_or_else(|| {
            Problem::internal("the route names no operation: register it with http_api::routes!")
        })?;
        let claims = match parts.extensions.get::<Claims>() {
            Some(claims) => *claims,
            None => claims(&http, &parts.headers, operation).await?,
        };
        let request = RequestInfo::from_request_parts(parts, state).await?;
        let record = if operation.names_record() {
            PathId::from_request_parts(parts, state).await.ok().map(|PathId(id)| id)
        } else {
            None
        };
        let decision =
            access::decide(http.rules, Actor::Claimed(claims.role), operation, Relation::Unknown);
        let claimed = Self { http, claims, request, operation, record, audience: PhantomData };
        match problem_of(decision) {
            None => Ok(claimed),
            // A session that has ended is reported before a missing permission.
            Some(problem) => Err(claimed.authorize().await.err().unwrap_or(problem)),
        }
    }
}

/// Returns the claims of the request's bearer token (RFC 6750).
///
/// # Errors
/// 401 without a token, or with an invalid one.
pub(crate) async fn claims(
    http: &HttpState,
    headers: &HeaderMap,
    operation: Operation,
) -> Result<Claims, Problem> {
    let verified = match bearer(headers) {
        Ok(token) => http
            .keys
            .verify(token, clock::now(), http.store.list_signing_keys())
            .await?
            .ok_or(Actor::InvalidToken),
        Err(actor) => Err(actor),
    };
    verified.map_err(|actor| {
        let decision = access::decide(http.rules, actor, operation, Relation::Unknown);
        let problem = problem_of(decision)
            .unwrap_or_else(|| Problem::internal("an operation for anyone asks for a token"));
        match mistake(headers) {
            Some(mistake) => problem.with_detail(mistake),
            None => problem,
        }
    })
}

/// Returns what is wrong with the form of the header Authorization, which does not depend on the
/// token.
fn mistake(headers: &HeaderMap) -> Option<&'static str> {
    const FORM: &str =
        "The header Authorization must be the word Bearer, a space and the access token.";
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next()?.to_str().ok()?.trim();
    if lines.next().is_some() || line.contains(',') {
        return Some("The header Authorization must be sent once.");
    }
    let mut words = line.split_ascii_whitespace();
    let is_bearer = |word: &str| word.eq_ignore_ascii_case("bearer");
    match (words.next().is_some_and(is_bearer), words.next()) {
        (true, Some(word)) if is_bearer(word) => Some(
            "The header Authorization has the word Bearer twice; it must be Bearer, a space and \
             the access token.",
        ),
        (true, Some(word)) => {
            (word.contains(['"', '\'', '<']) || words.next().is_some()).then_some(FORM)
        }
        (_, _) => Some(FORM),
    }
}

/// Returns the bearer token of a request, or the kind of caller if there is not exactly one.
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
    use crate::state::tests::{http_state, token};

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (header::AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
            .collect()
    }

    #[tokio::test]
    async fn only_a_good_bearer_token_is_a_caller() {
        let (http, signer) = http_state().with_key().await;
        let token = token(&signer, Role::Doctor, clock::now());
        for scheme in ["Bearer", "bearer", "BEARER", " Bearer "] {
            assert_eq!(
                claims(&http, &headers(&[&format!("{scheme} {token}")]), Operation::Me)
                    .await
                    .unwrap()
                    .role,
                Role::Doctor
            );
        }
        let refused = async |lines: &[&str]| {
            claims(&http, &headers(lines), Operation::Me).await.unwrap_err().code()
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

    #[tokio::test]
    async fn a_mistake_in_the_form_of_the_header_is_named() {
        let (http, signer) = http_state().with_key().await;
        let token = token(&signer, Role::Doctor, clock::now());
        let refused = async |lines: &[&str]| {
            let problem = claims(&http, &headers(lines), Operation::Me).await.unwrap_err();
            assert_eq!(problem.status(), 401);
            assert!(problem.header(&header::WWW_AUTHENTICATE).is_some());
            problem.detail().to_owned()
        };
        let twice = refused(&[&format!("Bearer Bearer {token}")]).await;
        assert!(twice.contains("the word Bearer twice"), "{twice}");
        assert_eq!(refused(&[&format!("bearer  BEARER {token}")]).await, twice);
        for line in
            ["", "Bearer", &token, &format!("Token {token}"), &format!("Bearer \"{token}\"")]
        {
            let detail = refused(&[line]).await;
            assert!(detail.contains("must be the word Bearer"), "{line}: {detail}");
        }
        assert!(refused(&["Bearer x", "Bearer x"]).await.contains("sent once"));
        assert!(refused(&["Bearer x"]).await.contains("invalid or expired"));
        assert!(refused(&[]).await.contains("not provided"));
    }
}
