//! The codes of problems: use [`Code`] to say why a request was refused. Each has a page that
//! explains it.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! codes {
    ($($(#[doc = $happened:literal])+ $variant:ident = $word:literal, $resolution:literal;)+) => {
        /// What kind of problem it is. Stable: programs tell problems apart by it.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[doc = $happened])+ $variant,)+
        }

        impl Code {
            /// Every code, by its word.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands for it outside.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What has happened, for people.
            pub fn happened(self) -> &'static str {
                match self { $(Self::$variant => concat!($($happened,)+).trim_ascii(),)+ }
            }

            /// What to do about it, for people.
            pub fn resolution(self) -> &'static str {
                match self { $(Self::$variant => $resolution,)+ }
            }
        }
    };
}

codes! {
    /// What staff wanted to decide cannot be decided about a doctor of whom that is said already.
    ApprovalNotPossible = "approval_not_possible", "Read the doctor's approval again and decide \
         about that.";
    /// Another request changed the object between the moment it was read and the moment it was to
    /// be written.
    ChangedMeanwhile = "changed_meanwhile", "Read the object again and repeat the change. With \
                                             If-Match you say which version you mean to change.";
    /// The form that was sent was not made for this session of the console.
    CsrfFailed = "csrf_failed", "Open the page again and send its form from there.";
    /// More was asked for than one user or address may have in a day.
    DailyLimitReached = "daily_limit_reached", "Wait for as many seconds as Retry-After says.";
    /// Another account has taken the address since the mail was sent.
    EmailTaken = "email_taken", "Ask for the change to another address.";
    /// The header Idempotency-Key holds no key: one string of printable ASCII characters in double
    /// quotes, with these at most 255.
    IdempotencyKeyInvalid = "idempotency_key_invalid", "Send one key, such as a random UUID in \
         double quotes.";
    /// The key was used with another body within the last day.
    IdempotencyKeyReused = "idempotency_key_reused", "Send a new request with a new key; repeat a \
         request only as it was.";
    /// The first request with this key is still running.
    IdempotencyRequestInProgress = "idempotency_request_in_progress", "Send the request again \
         after as many seconds as Retry-After says.";
    /// The user to whom it was to be done is not active.
    Inactive = "inactive", "Activate the user first.";
    /// Something went wrong on our side. It has been logged under the request's id.
    InternalError = "internal_error", "Try again later, and tell us the request_id if it lasts.";
    /// The code of the app or the recovery code is wrong, or was used before.
    InvalidCode = "invalid_code", "Enter the code that the app shows now; after a success each \
                                   code works no second time.";
    /// There is no active account with this address and this password. Which of them is wrong is
    /// never said.
    InvalidCredentials = "invalid_credentials", "Check address and password, or set a new password \
                                                 by mail.";
    /// It would leave nobody who could administer.
    LastAdmin = "last_admin", "Make somebody else an admin first.";
    /// What the mail asks for has been done.
    MailNotNeeded = "mail_not_needed", "Nothing: what the mail asks for was done, or the user has \
                                        another password or address since.";
    /// The mail that was to be sent again is still on its way, or waits for another try.
    MailUnderWay = "mail_under_way", "Wait until it was sent or given up.";
    /// The body is not well-formed JSON in UTF-8.
    MalformedJson = "malformed_json", "Correct the syntax of the body.";
    /// The path is known, but not with this method.
    MethodNotAllowed = "method_not_allowed", "Use one of the methods that the header Allow names.";
    /// The password is right, and the account takes a second factor too.
    MfaRequired = "mfa_required", "Send the mfa_token of this answer with a code to \
                                   /api/accounts/login/second-factor/ within minutes.";
    /// The token of the first half of the sign-in is invalid or expired, or the account has changed
    /// since.
    MfaTokenNotValid = "mfa_token_not_valid", "Sign in with the password again.";
    /// There is no profile to which it could be done.
    NoProfile = "no_profile", "The profile must be created first, by the user.";
    /// The body is JSON, but not an object.
    NotAnObject = "not_an_object", "Send one JSON object.";
    /// Staff have not approved the doctor's licence to practise, or have suspended the doctor
    /// since.
    NotApproved = "not_approved", "Wait for the approval; notifications tell when it is decided.";
    /// The request needs a bearer token and has none.
    NotAuthenticated = "not_authenticated", "Sign in and send the access token in the header \
                                             Authorization.";
    /// There is nothing at this address, or nothing for you: the two are never told apart.
    NotFound = "not_found", "Check the path and the id, and as whom you are signed in.";
    /// Nobody deactivates themself or changes their own role.
    OwnAccount = "own_account", "Ask another admin.";
    /// The body is longer than any valid one.
    PayloadTooLarge = "payload_too_large", "Send less. Files are uploaded by URLs of their own, \
                                            not in the body.";
    /// The object has another version than the one that If-Match names.
    PreconditionFailed = "precondition_failed", "Read the object again and decide whether the \
                                                 change still holds.";
    /// The user has a profile already.
    ProfileExists = "profile_exists", "Change it with PATCH or PUT at \
                                       /api/accounts/profile-update/.";
    /// There is a second factor already.
    SecondFactorExists = "second_factor_exists", "Disable it before you set up another one.";
    /// There is no second factor to which it could be done.
    SecondFactorNotSetUp = "second_factor_not_set_up", "Ask for a secret at \
         /api/accounts/second-factor/setup/ first.";
    /// Users of this role must have a second factor, and sign in with it to do this.
    SecondFactorRequired = "second_factor_required", "Set up a second factor and sign in with it.";
    /// The token is invalid, used or expired, or its session has ended.
    TokenNotValid = "token_not_valid", "Get new tokens with the refresh token, or sign in again.";
    /// Too many attempts have failed, of this account or from this network.
    TooManyAttempts = "too_many_attempts", "Wait for as many seconds as Retry-After says. Each \
                                            failure makes the next wait longer.";
    /// Something that the request needs did not answer in time.
    Unavailable = "unavailable", "Send the request again after as many seconds as Retry-After \
                                  says.";
    /// The body is of a type that is not understood here.
    UnsupportedMediaType = "unsupported_media_type", "Send JSON in UTF-8 with the header \
         Content-Type: application/json.";
    /// Fields of the body or parameters of the query were refused. All of them are in errors, each
    /// with its own code.
    ValidationFailed = "validation_failed", "Correct the fields that errors names.";
    /// The operation is for users of another role.
    WrongRole = "wrong_role", "Sign in as somebody whom it is for.";
}

impl Code {
    /// A few words for people: `wrong_role` is "Wrong role".
    pub fn title(self) -> String {
        let mut title = self.as_str().replace('_', " ");
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        title
    }

    /// Where it is explained, the type of a problem (RFC 9457, section 3.1.1).
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
