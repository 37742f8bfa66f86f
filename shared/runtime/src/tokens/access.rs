//! Access tokens: JWTs (RFC 7519, profile of RFC 9068), signed with Ed25519 (RFC 8037) only. Use
//! [`Signer`] where tokens are issued and [`Verifier`] where they are presented.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use crypto::{RotatingSecret, Sealer, derive_key, sha256_base64url};
use domain::account::Role;
use domain::id::{SessionId, UserId};
use domain::signing_key::SigningKey;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock;

/// The audience of every access token: this API.
pub const AUDIENCE: &str = "health-records-api";

/// The type of an access token (RFC 9068, section 2.1), which no other token of ours has.
const TYPE: &str = "at+jwt";

/// The longest token that is parsed, in bytes. Ours have about 500.
const MAX_LENGTH: usize = 4096;

/// The longest key id that is accepted, in bytes. Ours have 43.
const MAX_KID_LENGTH: usize = 64;

/// How far the clocks of two functions may differ. Applied to the times at which a token begins to
/// be valid, never to its expiry.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// The content of a verified access token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claims {
    /// The caller.
    pub user_id: UserId,
    /// The caller's session.
    pub session_id: SessionId,
    /// The caller's role when the token was issued. The current one is that of the account.
    pub role: Role,
    /// When the token was issued, in whole seconds.
    pub issued_at: Timestamp,
    /// When the token expires, in whole seconds.
    pub expires_at: Timestamp,
}

/// Why a token is rejected.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// It does not have the form of an access token: three parts, and a header with the right
    /// algorithm and type.
    #[error("not an access token")]
    Malformed,
    /// It has the form of an access token, but none of the keys has its key id. New keys may have
    /// been published.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The key is retired, the signature is wrong, or the claims are not valid.
    #[error("invalid access token")]
    Invalid,
    /// It is genuine and has expired.
    #[error("expired access token")]
    Expired,
}

/// The claims as written in a token.
#[derive(serde::Serialize, serde::Deserialize)]
struct Payload {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    role: Role,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

/// Signs access tokens. Only the function `accounts` can do so, because only its role may read the
/// secret.
pub struct Signer {
    issuer: String,
    key: EncodingKey,
    kid: String,
    public_key: String,
    sealer: Sealer,
}

impl Signer {
    /// Creates a signer with the key derived from the current version of `secret`.
    pub fn new(secret: impl Into<RotatingSecret>, issuer: impl Into<String>) -> Self {
        install_provider();
        let secret = secret.into();
        let current = secret.versions().current().1.clone();
        let seed = derive_key(current.expose().as_bytes(), "access tokens: Ed25519 seed 1");
        let public_key = BASE64_URL_SAFE_NO_PAD
            .encode(infallible(Ed25519KeyPair::from_seed_unchecked(&seed)).public_key());
        Self {
            issuer: issuer.into(),
            key: EncodingKey::from_ed_der(&seed),
            kid: thumbprint(&public_key),
            public_key,
            sealer: Sealer::new(secret),
        }
    }

    /// Returns a sealer for values that only the function that signs tokens can create.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Returns the id of the key: its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the public key, the `x` of its JWK (RFC 8037): base64url.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Signs a token for a user and a session, valid from `now` on for `lifetime`.
    pub fn sign(
        &self,
        user_id: UserId,
        session_id: SessionId,
        role: Role,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> String {
        let header = Header {
            typ: Some(TYPE.to_owned()),
            kid: Some(self.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let issued_at = now.as_second();
        let payload = Payload {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user_id.to_string(),
            sid: session_id.to_string(),
            role,
            iat: issued_at,
            nbf: issued_at,
            exp: issued_at.saturating_add(lifetime.as_secs()),
            jti: clock::new_id(),
        };
        infallible(jsonwebtoken::encode(&header, &payload, &self.key))
    }
}

/// Returns the value of an operation on our own key and claims, which cannot fail.
#[expect(
    clippy::expect_used,
    reason = "fails only when the derived seed or the claims' type is wrong, whatever the request"
)]
fn infallible<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("the seed is a key and the claims are JSON")
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Returns the thumbprint of a key: SHA-256 over the required members of its JWK in lexical order
/// (RFC 7638; RFC 8037, section 2).
fn thumbprint(x: &str) -> String {
    sha256_base64url(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes())
}

/// Verifies access tokens.
#[derive(Clone, Debug)]
pub struct Verifier {
    validation: Validation,
}

impl Verifier {
    /// Creates a verifier for tokens of `issuer`.
    pub fn new(issuer: impl Into<String>) -> Self {
        install_provider();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer.into()]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // The library would read the system's clock; here the time is an argument.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self { validation }
    }

    /// Verifies that `token` was signed with one of `keys` for this API and is valid at `now`;
    /// returns its claims. The key id alone selects the key.
    ///
    /// # Errors
    /// [`TokenError::UnknownKey`] after checking only the form of the token, so that the caller can
    /// load new keys and try again. The other errors are final.
    pub fn verify(
        &self,
        token: &str,
        keys: &[SigningKey],
        now: Timestamp,
    ) -> Result<Claims, TokenError> {
        let kid = checked_kid(token)?;
        let key = keys.iter().find(|key| key.kid == kid).ok_or(TokenError::UnknownKey)?;
        if key.is_retired(now) {
            return Err(TokenError::Invalid);
        }
        let key = DecodingKey::from_ed_components(&key.x).map_err(|_| TokenError::Invalid)?;
        let payload: Unique<Payload> = jsonwebtoken::decode(token, &key, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        payload.0.claims(now)
    }
}

impl Payload {
    fn claims(&self, now: Timestamp) -> Result<Claims, TokenError> {
        let time = |seconds| Timestamp::from_second(seconds).map_err(|_| TokenError::Invalid);
        let (issued_at, not_before, expires_at) =
            (time(self.iat)?, time(self.nbf)?, time(self.exp)?);
        let latest_start = now.saturating_add(CLOCK_SKEW).unwrap_or(now);
        if issued_at > latest_start || not_before > latest_start {
            return Err(TokenError::Invalid);
        }
        let claims = Claims {
            user_id: self.sub.parse().map_err(|_| TokenError::Invalid)?,
            session_id: self.sid.parse().map_err(|_| TokenError::Invalid)?,
            role: self.role,
            issued_at,
            expires_at,
        };
        if expires_at > now { Ok(claims) } else { Err(TokenError::Expired) }
    }
}

/// Checks the form of a token and returns its key id.
fn checked_kid(token: &str) -> Result<String, TokenError> {
    if token.len() > MAX_LENGTH {
        return Err(TokenError::Malformed);
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(TokenError::Malformed);
    };
    // Base64url without padding and with zeroes in spare bits, so that each token has only one
    // valid spelling.
    let decode = |part| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let (header, _, _) = (decode(header)?, decode(payload)?, decode(signature)?);
    let Unique(header) = serde_json::from_slice::<Unique<Map<String, Value>>>(&header)
        .map_err(|_| TokenError::Malformed)?;
    let is = |name, value: &str| header.get(name).and_then(Value::as_str) == Some(value);
    // No other members: `crit` would require extensions (RFC 7515, section 4.1.11), `b64` is one
    // that changes what is signed (RFC 7797), and `jwk`, `jku`, `x5c` and `x5u` name other keys.
    if !is("alg", "EdDSA") || !is("typ", TYPE) || header.len() != 3 {
        return Err(TokenError::Malformed);
    }
    let kid = header.get("kid").and_then(Value::as_str).ok_or(TokenError::Malformed)?;
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if kid.is_empty() || kid.len() > MAX_KID_LENGTH || !kid.bytes().all(base64url) {
        return Err(TokenError::Malformed);
    }
    Ok(kid.to_owned())
}

/// A JSON object without duplicate members (RFC 7519, section 4, leaves them to the
/// implementation). Otherwise two parsers could see different users in one token.
struct Unique<T>(T);

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueMembers;

        impl<'de> Visitor<'de> for UniqueMembers {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object without duplicate members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("duplicate member"));
                    }
                }
                Ok(members)
            }
        }

        let members = deserializer.deserialize_map(UniqueMembers)?;
        serde_json::from_value(Value::Object(members)).map(Unique).map_err(serde::de::Error::custom)
    }
}

/// Installs ring's Ed25519 as the only algorithm of the JWT library, for the whole process.
fn install_provider() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: ed25519_signer,
        verifier_factory: ed25519_verifier,
        key_utils: KeyUtils::new_unimplemented(),
    };
    // Fails only if it has been installed before: the library is built without providers of its
    // own.
    let _ = PROVIDER.install_default();
}

struct Ed25519Signer(Ed25519KeyPair);

struct Ed25519Verifier(UnparsedPublicKey<Vec<u8>>);

fn ed25519_signer(
    algorithm: &Algorithm,
    key: &EncodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::EdDSA || key.family() != algorithm.family() {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    let pair = Ed25519KeyPair::from_seed_unchecked(key.as_bytes())
        .map_err(|_| ErrorKind::InvalidEddsaKey)?;
    Ok(Box::new(Ed25519Signer(pair)))
}

fn ed25519_verifier(
    algorithm: &Algorithm,
    key: &DecodingKey,
) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
    if *algorithm != Algorithm::EdDSA || key.family() != algorithm.family() {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(Ed25519Verifier(UnparsedPublicKey::new(
        &ED25519,
        key.try_get_as_bytes()?.to_vec(),
    ))))
}

impl signature::Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).as_ref().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl signature::Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.0.verify(message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
