//! What all pages need: session, forms, layout, assets.

pub(crate) mod assets;
pub(crate) mod form;
pub(crate) mod frame;
pub(crate) mod session;
pub(crate) mod sign_in;
