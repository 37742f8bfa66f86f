//! Tests of `/api/accounts/...`, and of the keys of access tokens.

mod access_log;
mod access_tokens;
mod bounces;
mod ceilings;
mod doctors;
mod email;
mod jwks;
mod login;
mod me;
pub(crate) mod passwords;
mod profile;
mod register;
mod registration_settings;
mod second_factor;
mod sessions;
mod squatting;
mod stuffing;
mod throttling;
mod token_refresh;
mod token_transport;

const SIGNED_IN: [&str; 9] = [
    "device_token",
    "email",
    "first_name",
    "last_name",
    "phone_number",
    "pk",
    "profile",
    "role",
    "tokens",
];
const USER: [&str; 8] =
    ["email", "first_name", "last_name", "phone_number", "pk", "profile", "role", "tokens"];
