//! Use [`HttpState`] for functions that authenticate callers: it holds what extractors and
//! middleware need.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crypto::{RotatingSecret, Sealer};
use domain::access::Rules;
use domain::id::{SessionId, UserId};
use domain::signing_key::SigningKey;
use futures_util::future::{join, join_all, try_join};
use jiff::{SignedDuration, Timestamp};
use runtime::aws::{self, CallPolicy, SdkConfig};
use runtime::secrets::{SecretError, SecretReader};
use runtime::tokens::{Claims, TokenError, Verifier};
use runtime::{clock, config};
use store::proof::AuditKey;
use store::{Store, Table};

use crate::problem::Problem;

/// What extractors and middleware need. The state of a function gives it by `FromRef`.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The table.
    pub store: Store,
    /// Entries on a page when the client asks for no number.
    pub page_size: usize,
    /// Base of the links in responses, without a slash at the end.
    pub public_url: Arc<str>,
    pub(crate) rules: Rules,
    pub(crate) allowed_origins: Arc<[String]>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) secrets: Arc<[SecretReader]>,
}

/// The keys that a function has when it starts.
#[derive(Clone, Debug)]
pub struct HttpKeys {
    cursors: RotatingSecret,
    /// The public keys of access tokens, if they are known.
    published: Option<Vec<SigningKey>>,
    secrets: Arc<[SecretReader]>,
}

impl HttpKeys {
    /// Reads the secrets of every function that serves HTTP, and those of one function with the
    /// ARNs in `own`, all at once. Returns the audit key for the store as well.
    ///
    /// # Errors
    /// When Secrets Manager does not give one of them.
    pub async fn read<const N: usize>(
        client: &aws_sdk_secretsmanager::Client,
        config: &config::Http,
        own: [&str; N],
    ) -> Result<(Self, AuditKey, [RotatingSecret; N]), SecretError> {
        let common = [config.cursor_secret_arn.as_str(), &config.audit_secret_arn];
        let (common, own) =
            try_join(SecretReader::read(client, common), SecretReader::read(client, own)).await?;
        let (common, [cursors, audit]) = common;
        let (reader, own) = own;
        let secrets = [common, reader].into();
        Ok((Self { cursors, published: None, secrets }, AuditKey::new(audit), own))
    }

    /// Makes keys that are never read again.
    pub fn fixed(cursors: impl Into<RotatingSecret>) -> Self {
        Self { cursors: cursors.into(), published: None, secrets: [].into() }
    }
}

/// What a function that serves HTTP has when it starts. `N` is the number of its own secrets.
pub struct Connection<const N: usize> {
    /// The configuration for the clients of other services.
    pub sdk: SdkConfig,
    /// The table.
    pub store: Store,
    /// The keys for [`HttpState::new`].
    pub keys: HttpKeys,
    /// The secrets of this function alone.
    pub own: [RotatingSecret; N],
}

/// How long a start waits for the public keys. If the table does not respond, requests say so.
const PUBLIC_KEYS_TIMEOUT: Duration = Duration::from_millis(500);

/// Builds the client of the table, and reads the secrets and the public keys of access tokens.
///
/// They are read side by side: the first authenticated request would begin with the public keys,
/// and the connections to both services are there then.
///
/// # Errors
/// When Secrets Manager does not give one of the secrets.
pub async fn connect<const N: usize>(
    config: &config::Http,
    own: [&str; N],
) -> Result<Connection<N>, SecretError> {
    let sdk = aws::sdk(CallPolicy::Interactive).await;
    let table = Table::new(aws::dynamodb(&sdk), &config.table_name);
    let client = aws::secrets_manager(&sdk);
    let published = tokio::time::timeout(PUBLIC_KEYS_TIMEOUT, table.list_signing_keys());
    let (read, published) = join(HttpKeys::read(&client, config, own), published).await;
    let (keys, audit_key, own) = read?;
    // Without them the first request reads them.
    let keys = HttpKeys { published: published.ok().and_then(Result::ok), ..keys };
    Ok(Connection { sdk, store: Store::new(table, audit_key), keys, own })
}

impl HttpState {
    /// Makes the state from the configuration.
    pub fn new(config: config::Http, store: Store, keys: HttpKeys) -> Self {
        // Old enough to be read again as soon as a token has an unknown key.
        let read_at = clock::now().saturating_sub(READ_AGAIN_AFTER).unwrap_or(Timestamp::MIN);
        let published = keys.published.map(|keys| Arc::new(CachedKeys { keys, read_at }));
        Self {
            store,
            page_size: config.page_size,
            public_url: config.public_url.into(),
            rules: Rules { doctors_need_second_factor: config.doctors_need_second_factor },
            allowed_origins: config.allowed_origins.into(),
            keys: Arc::new(Keys {
                verifier: Verifier::new(&config.token_issuer),
                known: Mutex::new(published),
            }),
            sealer: Arc::new(Sealer::new(keys.cursors)),
            secrets: keys.secrets,
        }
    }
}

impl HttpState {
    /// Reads the secrets again if they were read more than five minutes ago.
    pub(crate) async fn renew_secrets(&self) {
        let now = clock::now();
        join_all(self.secrets.iter().map(|reader| reader.renew(now))).await;
    }

    /// Returns an id that is not below that of any session the user has begun before now. It is
    /// taken from the clock and from the stored sessions, because the clock of another sandbox may
    /// be ahead. Ending the sessions through this id ends them all.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn latest_session(&self, user: UserId) -> Result<SessionId, store::Error> {
        let newest = self.store.get_newest_session(user).await?;
        let now = clock::new_id();
        Ok(newest.map_or(now, |newest| newest.max(now)))
    }
}

/// The public keys of access tokens, read from the table when a token is first seen and kept while
/// the sandbox is warm.
#[derive(Debug)]
pub(crate) struct Keys {
    verifier: Verifier,
    known: Mutex<Option<Arc<CachedKeys>>>,
}

#[derive(Debug)]
struct CachedKeys {
    keys: Vec<SigningKey>,
    read_at: Timestamp,
}

/// The shortest time between two reads because of an unknown key: forged tokens must not cost a
/// read each.
const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// How long a withdrawn key is accepted at most.
const FORGET_AFTER: SignedDuration = SignedDuration::from_mins(5);

impl Keys {
    /// Returns the claims of a token, `None` when it is not valid; `read` is awaited only when the
    /// keys must be read.
    ///
    /// # Errors
    /// 503 when the keys cannot be read.
    pub(crate) async fn verify(
        &self,
        token: &str,
        now: Timestamp,
        read: impl Future<Output = Result<Vec<SigningKey>, store::Error>>,
    ) -> Result<Option<Claims>, Problem> {
        let age = |known: &Arc<CachedKeys>| now.duration_since(known.read_at);
        let known = self.known().clone().filter(|known| age(known) < FORGET_AFTER);
        let keys = known.as_ref().map(|known| known.keys.as_slice()).unwrap_or_default();
        let verified = match self.verifier.verify(token, keys, now) {
            Err(TokenError::UnknownKey)
                if known.as_ref().is_none_or(|known| age(known) >= READ_AGAIN_AFTER) =>
            {
                let known = Arc::new(CachedKeys { keys: read.await?, read_at: now });
                *self.known() = Some(Arc::clone(&known));
                self.verifier.verify(token, &known.keys, now)
            }
            verified => verified,
        };
        Ok(verified.ok())
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<CachedKeys>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use domain::account::Role;
    use runtime::tokens::Signer;
    use store::Table;
    use store::proof::AuditKey;

    use super::*;

    const ISSUER: &str = "https://issuer.example.org";

    /// Returns a state whose table cannot be reached.
    pub(crate) fn http_state() -> HttpState {
        let client = aws_sdk_dynamodb::Client::from_conf(
            aws_sdk_dynamodb::Config::builder()
                .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
                .build(),
        );
        let config = config::Http {
            table_name: "table".to_owned(),
            public_url: "https://api.example.org".to_owned(),
            allowed_origins: vec!["https://app.example.org".to_owned()],
            page_size: 20,
            audit_secret_arn: String::new(),
            cursor_secret_arn: String::new(),
            token_issuer: ISSUER.to_owned(),
            doctors_need_second_factor: false,
        };
        HttpState::new(
            config,
            Store::new(Table::new(client, "table"), AuditKey::new("a secret for tests")),
            HttpKeys::fixed("a secret for tests"),
        )
    }

    fn signer(secret: &str) -> Signer {
        Signer::new(secret, ISSUER)
    }

    pub(crate) fn token(signer: &Signer, role: Role, now: Timestamp) -> String {
        signer.sign(clock::new_id(), clock::new_id(), role, now, SignedDuration::from_mins(15))
    }

    fn key(signer: &Signer) -> SigningKey {
        SigningKey {
            kid: signer.kid().to_owned(),
            x: signer.public_key().to_owned(),
            created_at: clock::now(),
            retire_after: None,
        }
    }

    impl HttpState {
        /// Returns the state with a signing key that it has read, and the signer of tokens.
        pub(crate) async fn with_key(self) -> (Self, Signer) {
            let (signer, now) = (signer("secret"), clock::now());
            let read = async { Ok(vec![key(&signer)]) };
            self.keys.verify(&token(&signer, Role::Patient, now), now, read).await.unwrap();
            (self, signer)
        }
    }

    #[tokio::test]
    async fn keys_are_read_when_they_must_be() {
        let http = http_state();
        let (old, new) = (signer("old"), signer("new"));
        let published = Mutex::new(vec![key(&old)]);
        let reads = AtomicU32::new(0);
        let verify = async |token: &str, now: Timestamp| {
            let read = async {
                reads.fetch_add(1, Ordering::SeqCst);
                Ok(published.lock().unwrap().clone())
            };
            http.keys.verify(token, now, read).await.unwrap().is_some()
        };
        let start = clock::now();
        let after = |seconds| start + SignedDuration::from_secs(seconds);
        let reads = || reads.swap(0, Ordering::SeqCst);

        assert!(!verify("garbage", start).await);
        assert_eq!(reads(), 0, "what is no token needs no keys");
        let token_of = |signer: &Signer, now| token(signer, Role::Doctor, now);
        assert!(verify(&token_of(&old, start), start).await);
        assert!(verify(&token_of(&old, start), after(1)).await);
        assert_eq!(reads(), 1, "keys are kept");

        assert!(!verify(&token_of(&new, after(2)), after(2)).await);
        assert_eq!(reads(), 0, "an unknown key is looked up every ten seconds only");
        assert!(!verify(&token_of(&new, after(10)), after(10)).await);
        assert!(!verify(&token_of(&new, after(11)), after(11)).await);
        assert_eq!(reads(), 1);
        published.lock().unwrap().push(key(&new));
        assert!(verify(&token_of(&new, after(20)), after(20)).await);
        assert!(verify(&token_of(&old, after(20)), after(20)).await);
        assert_eq!(reads(), 1, "a new key is found");

        published.lock().unwrap().remove(0);
        assert!(verify(&token_of(&old, after(319)), after(319)).await);
        assert!(!verify(&token_of(&old, after(320)), after(320)).await);
        assert_eq!(reads(), 1, "a withdrawn key is forgotten");
    }

    #[tokio::test]
    async fn keys_that_cannot_be_read_are_nobodys_fault() {
        let unavailable = async { Err(store::Error::Unavailable("for the test".to_owned())) };
        let now = clock::now();
        let problem = http_state()
            .keys
            .verify(&token(&signer("secret"), Role::Patient, now), now, unavailable)
            .await
            .unwrap_err();
        assert_eq!(problem.status(), 503);
    }
}
