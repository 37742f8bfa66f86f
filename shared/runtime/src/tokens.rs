//! Access tokens, which say who is calling for minutes, and refresh tokens, which keep a session alive.

mod access;
mod refresh;

pub use access::{AUDIENCE, Claims, Signer, TokenError, Verifier};
pub use refresh::{Lifetimes, RefreshToken, Rotation};
