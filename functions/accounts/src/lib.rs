//! The function `accounts`: registration, sessions, profiles, the directory of doctors.

mod access_log;
mod change_email;
mod change_password;
mod create_profile;
mod doctors;
mod jwks;
mod login;
mod logout;
mod mail_token;
mod me;
mod recovery;
mod refresh;
mod register;
mod registration;
mod reset_password;
mod second_factor;
mod sessions;
mod sign_in_link;
mod throttle;
mod token_transport;
mod update_profile;
mod verify_email;
mod views;

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use axum::extract::FromRef;
use domain::account::{Account, Role};
use domain::session::Session;
use domain::signing_key::SigningKey;
use http_api::idempotency::ResponseKeys;
use http_api::problem::Problem;
use http_api::routes;
use http_api::state::{self, HttpKeys, HttpState};
use jiff::Timestamp;
use runtime::aws;
use runtime::credentials::CredentialSealer;
use runtime::passwords::Hasher;
use runtime::secrets::{self, READ_AGAIN_AFTER};
use runtime::serve::Error;
use runtime::tokens::{Lifetimes, RefreshToken, Signer};
use runtime::{clock, config};
use store::Store;
use utoipa_axum::router::OpenApiRouter;

use crate::token_transport::TokenCookies;

/// Returns the routes of the function.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(second_factor::login_with_second_factor))
        .routes(routes!(sign_in_link::request_sign_in_link))
        .routes(routes!(sign_in_link::confirm_device))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(logout::revoke_refresh_token))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(sessions::logout_all))
        .routes(routes!(change_password::change_password))
        .routes(routes!(reset_password::request_password_reset))
        .routes(routes!(reset_password::reset_password))
        .routes(routes!(verify_email::verify_email))
        .routes(routes!(verify_email::resend_verification))
        .routes(routes!(registration::read_registration))
        .routes(routes!(registration::discard_registration))
        .routes(routes!(change_email::request_email_change))
        .routes(routes!(change_email::change_email))
        .routes(routes!(recovery::confirm_recovery))
        .routes(routes!(recovery::cancel_recovery))
        .routes(routes!(second_factor::set_up_second_factor))
        .routes(routes!(second_factor::confirm_second_factor))
        .routes(routes!(second_factor::disable_second_factor))
        .routes(routes!(me::me))
        .routes(routes!(access_log::access_log))
        .routes(routes!(create_profile::create_profile))
        .routes(routes!(update_profile::update_profile, update_profile::replace_profile))
        .routes(routes!(doctors::list_doctors))
        .routes(routes!(jwks::jwks))
}

/// The configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// What every function that serves HTTP needs.
    pub http: config::Http,
    /// How repeated requests are recognized.
    pub idempotency: config::Idempotency,
    /// How password hashes and TOTP secrets are sealed.
    pub credentials: config::Credentials,
    /// What it takes to issue tokens.
    pub tokens: config::Tokens,
    /// How users are registered.
    pub registration: config::Registration,
    /// Rules for the approval of doctors.
    pub doctors: config::Doctors,
    /// Throttling limits.
    pub throttling: config::ThrottleLimits,
    /// What new passwords must have.
    pub passwords: config::Passwords,
}

impl Config {
    /// Reads the configuration from environment variables.
    ///
    /// # Errors
    /// The first variable that is missing or invalid.
    pub fn read(
        lookup: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, config::ConfigError> {
        Ok(Self {
            http: config::Http::read(&lookup)?,
            idempotency: config::Idempotency::read(&lookup)?,
            credentials: config::Credentials::read(&lookup)?,
            tokens: config::Tokens::read(&lookup)?,
            registration: config::Registration::read(&lookup)?,
            doctors: config::Doctors::read(&lookup)?,
            throttling: config::ThrottleLimits::read(&lookup)?,
            passwords: config::Passwords::read(&lookup)?,
        })
    }
}

/// The state of the handlers.
#[derive(Clone, FromRef)]
pub struct App {
    http: HttpState,
    responses: ResponseKeys,
    store: Store,
    hasher: Hasher,
    tokens: Arc<TokenIssuer>,
    cookies: TokenCookies,
    registration: config::Registration,
    doctors: config::Doctors,
    throttling: config::ThrottleLimits,
    passwords: config::Passwords,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete, or a secret cannot be read.
    pub async fn start() -> Result<Self, Error> {
        let config = Config::read(config::environment)?;
        let own = [
            config.idempotency.idempotency_secret_arn.as_str(),
            &config.credentials.credentials_secret_arn,
        ];
        let connection = state::connect(&config.http, own).await?;
        let [responses, credentials] = connection.own;
        let hasher = Hasher::new(CredentialSealer::new(credentials));
        let secrets = aws::secrets_manager(&connection.sdk);
        let responses = ResponseKeys::new(responses);
        Ok(Self::new(config, connection.store, connection.keys, responses, secrets, hasher))
    }

    /// Puts the parts together.
    pub fn new(
        config: Config,
        store: Store,
        keys: HttpKeys,
        responses: ResponseKeys,
        secrets: Client,
        hasher: Hasher,
    ) -> Self {
        let tokens = TokenIssuer {
            secrets,
            issuer: config.http.token_issuer.clone(),
            config: config.tokens,
            store: store.clone(),
            known: Mutex::new(None),
        };
        Self {
            cookies: TokenCookies::new(&config.http.public_url),
            http: HttpState::new(config.http, store.clone(), keys),
            responses,
            store,
            hasher,
            tokens: Arc::new(tokens),
            registration: config.registration,
            doctors: config.doctors,
            throttling: config.throttling,
            passwords: config.passwords,
        }
    }
}

/// Issues tokens: the only holder of the signing key.
struct TokenIssuer {
    secrets: Client,
    issuer: String,
    config: config::Tokens,
    store: Store,
    known: Mutex<Option<CachedSigner>>,
}

/// The signing key as it was when the secret was last read.
#[derive(Clone)]
struct CachedSigner {
    signer: Arc<Signer>,
    read_at: Timestamp,
}

impl TokenIssuer {
    /// Returns the signing key. It is read when a token is first issued and again every few
    /// minutes, and its public half is published before any token it signs.
    ///
    /// # Errors
    /// 503 when Secrets Manager or the table does not respond, and no key is cached.
    async fn signer(&self) -> Result<Arc<Signer>, Problem> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, now) = (known().clone(), clock::now());
        if let Some(fresh) =
            before.as_ref().filter(|before| now.duration_since(before.read_at) < READ_AGAIN_AFTER)
        {
            return Ok(Arc::clone(&fresh.signer));
        }
        let signer = match (self.read_signer(now).await, before) {
            (Ok(signer), _) => Arc::new(signer),
            (Err(problem), None) => return Err(problem),
            (Err(problem), Some(before)) => {
                tracing::warn!(problem = problem.code(), "the signing key was not read again");
                before.signer
            }
        };
        *known() = Some(CachedSigner { signer: Arc::clone(&signer), read_at: now });
        Ok(signer)
    }

    async fn read_signer(&self, now: Timestamp) -> Result<Signer, Problem> {
        let secret = secrets::read(&self.secrets, &self.config.signing_secret_arn, now)
            .await
            .map_err(Problem::unavailable_because)?;
        let signer = Signer::new(secret, &self.issuer);
        let (kid, x) = (signer.kid().to_owned(), signer.public_key().to_owned());
        let key = SigningKey { kid, x, created_at: now, retire_after: None };
        // Other sandboxes sign with the previous key until they read the secret again; one such
        // read may fail. Tokens that they sign until then are valid for their whole lifetime.
        let others_end = now
            .saturating_add(self.config.access_token + 2 * READ_AGAIN_AFTER)
            .unwrap_or(Timestamp::MAX);
        self.store.publish_signing_key(&key, others_end).await?;
        Ok(signer)
    }

    fn lifetimes(&self, role: Role) -> Lifetimes {
        self.config.lifetimes(role)
    }

    /// Makes the tokens of a session.
    fn issue(
        &self,
        signer: Arc<Signer>,
        account: &Account,
        session: &Session,
        refresh: &RefreshToken,
        now: Timestamp,
    ) -> views::Tokens {
        let access =
            signer.sign(account.id, session.id, account.role, now, self.config.access_token);
        views::Tokens { access, refresh: refresh.reveal() }
    }
}
