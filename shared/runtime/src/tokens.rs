//! Access tokens, which say who is calling for minutes, refresh tokens, which keep a session alive,
//! tokens in mails and tokens between the halves of a sign-in.

mod access;
mod mailed;
mod mfa;
mod refresh;

pub use access::{AUDIENCE, Claims, Signer, TokenError, Verifier};
pub use mailed::MailedToken;
pub use mfa::MfaToken;
pub use refresh::{Lifetimes, RefreshToken, Rotation};
