//! What all pages need: sign-in and session, forms, layout, assets.

pub(crate) mod assets;
pub(crate) mod form;
pub(crate) mod guard;
pub(crate) mod layout;
pub(crate) mod session;
pub(crate) mod sign_in;
