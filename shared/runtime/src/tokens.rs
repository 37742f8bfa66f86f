//! Tokens: signing and verifying access tokens, starting and continuing sessions with refresh
//! tokens, single-use tokens in mails, tokens between the two steps of a sign-in, and tokens of
//! known devices.

mod access;
mod device;
mod mailed;
mod mfa;
mod refresh;

pub use access::{AUDIENCE, Claims, Signer, TokenError, Verifier};
pub use device::DeviceToken;
pub use mailed::MailTokenSecret;
pub use mfa::MfaToken;
pub use refresh::{Lifetimes, RefreshToken, Rotation};
