//! The function `accounts`: registration, sessions, profiles, the directory of doctors.

mod access_log;
mod change_email;
mod change_password;
mod create_profile;
mod doctors;
mod jwks;
mod login;
mod logout;
mod mailed;
mod me;
mod refresh;
mod register;
mod reset_password;
mod sessions;
mod shapes;
mod update_profile;
mod verify_email;

use std::sync::Arc;

use axum::extract::FromRef;
use domain::account::{Account, Role};
use domain::key::SigningKey;
use domain::session::Session;
use http_kit::kit::Kit;
use http_kit::problem::Problem;
use jiff::Timestamp;
use runtime::aws::{self, Patience};
use runtime::passwords::Hasher;
use runtime::tokens::{Lifetimes, RefreshToken, Signer};
use runtime::{clock, config};
use store::Store;
use store::archive::AuditKey;
use tokio::sync::OnceCell;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes of the group.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(sessions::logout_all))
        .routes(routes!(change_password::change_password))
        .routes(routes!(reset_password::request_password_reset))
        .routes(routes!(reset_password::reset_password))
        .routes(routes!(verify_email::verify_email))
        .routes(routes!(verify_email::resend_verification))
        .routes(routes!(change_email::request_email_change))
        .routes(routes!(change_email::change_email))
        .routes(routes!(me::me))
        .routes(routes!(access_log::access_log))
        .routes(routes!(create_profile::create_profile))
        .routes(routes!(update_profile::update_profile, update_profile::replace_profile))
        .routes(routes!(doctors::list_doctors))
        .routes(routes!(jwks::jwks))
}

/// What the handlers work with.
#[derive(Clone, FromRef)]
pub struct App {
    kit: Kit,
    store: Store,
    hasher: Hasher,
    tokens: Arc<Tokens>,
    registration: config::Registration,
    doctors: config::Doctors,
}

impl App {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let (http, tokens, registration) = (config::Http::from_env()?, config::Tokens::from_env()?, config::Registration::from_env()?);
        let doctors = config::Doctors::from_env()?;
        let sdk = aws::sdk(Patience::Interactive).await;
        let store = Store::new(aws::dynamodb(&sdk), &http.table_name).proving(AuditKey::new(http.audit_key.expose()));
        let tokens = Tokens {
            secrets: aws::secrets_manager(&sdk),
            issuer: http.token_issuer.clone(),
            config: tokens,
            store: store.clone(),
            signer: OnceCell::new(),
        };
        Ok(Self { kit: Kit::new(http, store.clone()), store, hasher: Hasher::new(), tokens: Arc::new(tokens), registration, doctors })
    }
}

/// Issues tokens: the only holder of the signing key.
struct Tokens {
    secrets: aws_sdk_secretsmanager::Client,
    issuer: String,
    config: config::Tokens,
    store: Store,
    signer: OnceCell<Signer>,
}

impl Tokens {
    /// The signing key, read when a token is first issued, its public half published before any token it signs.
    ///
    /// # Errors
    /// 503 when Secrets Manager or the table does not answer.
    async fn signer(&self) -> Result<&Signer, Problem> {
        self.signer
            .get_or_try_init(|| async {
                let secret = aws::secret(&self.secrets, &self.config.signing_secret_arn).await.map_err(Problem::unavailable_because)?;
                let signer = Signer::new(&secret, &self.issuer);
                let key = SigningKey {
                    kid: signer.kid().to_owned(),
                    x: signer.public_key().to_owned(),
                    created_at: clock::now(),
                    retire_after: None,
                };
                self.store.publish_signing_key(&key).await?;
                Ok(signer)
            })
            .await
    }

    fn lifetimes(&self, role: Role) -> Lifetimes {
        self.config.lifetimes(role)
    }

    /// The tokens of a session, as they are answered.
    fn issue(&self, signer: &Signer, account: &Account, session: &Session, refresh: &RefreshToken, now: Timestamp) -> shapes::Tokens {
        let access = signer.sign(account.id, session.id, account.role, now, self.config.access_token);
        shapes::Tokens { access, refresh: refresh.reveal() }
    }
}
