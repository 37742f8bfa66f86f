//! Access tokens, which say who is calling for minutes, refresh tokens, which keep a session alive, and tokens in mails.

mod access;
mod mailed;
mod refresh;

pub use access::{AUDIENCE, Claims, Signer, TokenError, Verifier};
pub use mailed::MailedToken;
pub use refresh::{Lifetimes, RefreshToken, Rotation};
