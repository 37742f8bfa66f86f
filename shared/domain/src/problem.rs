//! The codes of problems: use [`Code`] to say why a request was refused. Each has a page that
//! explains it.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! codes {
    ($($(#[doc = $happened:literal])+ $variant:ident = $word:literal, $resolution:literal;)+) => {
        /// The kind of a problem. Stable: programs tell problems apart by it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[doc = $happened])+ $variant,)+
        }

        impl Code {
            /// Every code, in the order of the words.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the code as it appears in responses.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Returns what has happened, in a sentence or two.
            pub fn happened(self) -> &'static str {
                match self { $(Self::$variant => concat!($($happened,)+).trim_ascii(),)+ }
            }

            /// Returns what to do about it, in a sentence or two.
            pub fn resolution(self) -> &'static str {
                match self { $(Self::$variant => $resolution,)+ }
            }
        }
    };
}

codes! {
    /// The doctor is already in that state, or cannot get into it from the present one.
    ApprovalNotPossible = "approval_not_possible", "Read the doctor's present approval and decide \
         again.";
    /// Another request changed the object between the read and the write of this one.
    ChangedMeanwhile = "changed_meanwhile", "Read the object again and repeat the change. Send \
         If-Match to say which version you mean to change.";
    /// The code of the app is right, and was used before.
    CodeAlreadyUsed = "code_already_used", "Wait until the app shows the next code.";
    /// The form was not made for this session of the console.
    CsrfFailed = "csrf_failed", "Open the page again and send its form from there.";
    /// The daily limit of this user or address is reached.
    DailyLimitReached = "daily_limit_reached", "Wait for the number of seconds in Retry-After.";
    /// The email address of the account is not confirmed.
    EmailNotConfirmed = "email_not_confirmed", "Follow the link in the mail that asks to confirm \
         it. Ask for another one at /api/accounts/verify-email/resend/.";
    /// Another account has taken the address since the mail was sent.
    EmailTaken = "email_taken", "Ask for the change to another address.";
    /// The file is not there to download: it was not uploaded yet, or was rejected.
    FileNotAvailable = "file_not_available", "Read the record to see the state of its file.";
    /// The file does not wait for an upload: it is available or was rejected.
    FileNotPending = "file_not_pending", "Read the record to see the state of its file. Add a new \
         file instead of uploading this one again.";
    /// The header Idempotency-Key is not a key: one string of printable ASCII characters in double
    /// quotes, at most 255 characters with the quotes.
    IdempotencyKeyInvalid = "idempotency_key_invalid", "Send one key, such as a random UUID in \
         double quotes.";
    /// The key was used with another body within the last day.
    IdempotencyKeyReused = "idempotency_key_reused", "Use a new key for a new request. Repeat a \
         request without changes.";
    /// The first request with this key is still running.
    IdempotencyRequestInProgress = "idempotency_request_in_progress", "Send the request again \
         after the number of seconds in Retry-After.";
    /// The user is not active.
    Inactive = "inactive", "Activate the user first.";
    /// Something went wrong on our side. It has been logged under the request's id.
    InternalError = "internal_error", "Try again later. If it persists, tell us the request_id.";
    /// The code from the app or the recovery code is wrong, or was used before.
    InvalidCode = "invalid_code", "Enter the code that the app shows now. Each code works once.";
    /// There is no active account with this address and password. The response does not say which
    /// of the two is wrong.
    InvalidCredentials = "invalid_credentials", "Check address and password, or reset the password \
         by mail.";
    /// No active admin would be left.
    LastAdmin = "last_admin", "Make somebody else an admin first.";
    /// The mail is not needed any more: the user has done what it asks for, or has another password
    /// or address since.
    MailNotNeeded = "mail_not_needed", "There is nothing to do.";
    /// The mail is still being sent, or waits for another try.
    MailUnderWay = "mail_under_way", "Wait until it has been sent or has failed.";
    /// The body is not well-formed JSON in UTF-8.
    MalformedJson = "malformed_json", "Correct the syntax of the body.";
    /// The path does not support this method.
    MethodNotAllowed = "method_not_allowed", "Use one of the methods in the header Allow.";
    /// The password is right, and the account needs a second factor too.
    MfaRequired = "mfa_required", "Send the mfa_token of this response with a code to \
         /api/accounts/login/second-factor/ within minutes.";
    /// The token of the first step of the sign-in is invalid or expired, or the account has changed
    /// since.
    MfaTokenNotValid = "mfa_token_not_valid", "Sign in with the password again.";
    /// The user has no profile.
    NoProfile = "no_profile", "The user must create the profile first.";
    /// The body is JSON, but not an object.
    NotAnObject = "not_an_object", "Send one JSON object.";
    /// The doctor's licence to practise is not approved, or the doctor is suspended.
    NotApproved = "not_approved", "Wait for the approval. A notification announces the decision.";
    /// The request needs a bearer token and has none.
    NotAuthenticated = "not_authenticated", "Sign in and send the access token in the header \
         Authorization.";
    /// There is nothing at this address, or nothing that you may see. The response does not say
    /// which.
    NotFound = "not_found", "Check the path, the id, and the account you are signed in with.";
    /// The header Token-Transport asks for cookies. Cookies are only for pages of this service;
    /// Origin and Sec-Fetch-Site do not show that one of them has sent the request.
    NotSameOrigin = "not_same_origin", "Open the web client at the address of the service. Other \
         clients leave the header Token-Transport out and keep the tokens themselves.";
    /// Admins cannot deactivate themselves, change their own role or recover their own account, nor
    /// approve a recovery that is theirs, that they started, or that was started before they had
    /// been admins for three days.
    OwnAccount = "own_account", "Ask another admin.";
    /// The body is longer than any valid one.
    PayloadTooLarge = "payload_too_large", "Send a shorter body. Files are uploaded to URLs of \
         their own.";
    /// The object is not in the version that If-Match names.
    PreconditionFailed = "precondition_failed", "Read the object again and decide whether you \
         still want the change.";
    /// The user already has a profile.
    ProfileExists = "profile_exists", "Change it with PATCH or PUT at \
         /api/accounts/profile-update/.";
    /// A change of address or the removal of a second factor waits for the account already.
    RecoveryWaiting = "recovery_waiting", "Wait until it is carried out, or cancel it first.";
    /// The account already has a second factor.
    SecondFactorExists = "second_factor_exists", "Disable it before you set up another one.";
    /// Too many codes in a row were wrong. Codes of the app are not checked any more.
    SecondFactorLocked = "second_factor_locked", "Use a recovery code. Or ask for a mail at \
         /api/accounts/login/link/ and follow its link: then codes are checked again.";
    /// The account has no second factor.
    SecondFactorNotSetUp = "second_factor_not_set_up", "Get a secret at \
         /api/accounts/second-factor/setup/ first.";
    /// This requires a sign-in with a second factor.
    SecondFactorRequired = "second_factor_required", "Set up a second factor and sign in with it.";
    /// Too many sign-ins with this address have failed in a row from devices that are not known.
    /// Passwords from such devices are not checked any more, whether there is an account or not.
    SignInLinkRequired = "sign_in_link_required", "Ask for a mail at /api/accounts/login/link/ and \
         follow its link: then this device is known. Known devices are not concerned.";
    /// The token is invalid, used or expired, or its session has ended.
    TokenNotValid = "token_not_valid", "Get new tokens with the refresh token, or sign in again.";
    /// Too many attempts for this account or from this network have failed.
    TooManyAttempts = "too_many_attempts", "Wait for the number of seconds in Retry-After. Each \
         failure makes the next wait longer.";
    /// A service that the request needs did not respond in time.
    Unavailable = "unavailable", "Send the request again after the number of seconds in \
         Retry-After.";
    /// The media type of the body is not supported.
    UnsupportedMediaType = "unsupported_media_type", "Send JSON in UTF-8 with the header \
         Content-Type: application/json.";
    /// Fields of the body or query parameters are invalid. Each of them is in errors, with a code
    /// of its own.
    ValidationFailed = "validation_failed", "Correct the fields in errors.";
    /// The operation is for users with another role.
    WrongRole = "wrong_role", "Sign in as a user with the right role.";
}

impl Code {
    /// Returns the title: "Wrong role" for `wrong_role`.
    pub fn title(self) -> String {
        let mut title = self.as_str().replace('_', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        title
    }

    /// Returns the path of the page that explains it: the type of the problem (RFC 9457, section
    /// 3.1.1).
    pub fn page(self) -> String {
        format!("/problems/{}", self.as_str())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.iter().map(|code| code.as_str());
        let description = "The kind of problem. Stable: programs tell problems apart by it.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(description))
            .enum_values(Some(words))
            .into()
    }
}

impl ToSchema for Code {}

impl std::str::FromStr for Code {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_in_order_and_explained() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
        for code in Code::ALL {
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code:?}");
            assert_eq!(code.as_str().parse(), Ok(*code));
            for sentence in [code.happened(), code.resolution()] {
                assert!(
                    sentence.ends_with('.') && !sentence.starts_with(' '),
                    "{code:?}: {sentence}"
                );
            }
        }
        assert_eq!(
            (Code::WrongRole.title().as_str(), Code::WrongRole.page().as_str()),
            ("Wrong role", "/problems/wrong_role")
        );
        assert!("unknown".parse::<Code>().is_err());
    }
}
