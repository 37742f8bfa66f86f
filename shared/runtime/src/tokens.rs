//! Tokens: signing and verifying access tokens, starting and continuing sessions with refresh
//! tokens, single-use tokens in mails, and tokens between the two steps of a sign-in.

mod access;
mod mailed;
mod mfa;
mod refresh;

pub use access::{AUDIENCE, Claims, Signer, TokenError, Verifier};
pub use mailed::MailTokenSecret;
pub use mfa::MfaToken;
pub use refresh::{Lifetimes, RefreshToken, Rotation};
