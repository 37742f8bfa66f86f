//! What mails without a notification say. Nothing in them is clinical, and nothing is told that the
//! reader did not know, but for the token.

use domain::mail::MailKind;

const TEXT: &str = include_str!("../templates/account.txt");
const HTML: &str = include_str!("../templates/account.html");

/// How long a token is good, as [`MailToken::LIFETIME`](domain::mail::MailToken::LIFETIME) has it.
const TOKEN_RULE: &str =
    "The token is good once, for 30 minutes. Never pass it on: we do not ask for it.";

/// The words of a kind of mail.
pub(crate) struct Words {
    pub(crate) subject: &'static str,
    paragraphs: &'static [&'static str],
    /// What the link says.
    label: &'static str,
    /// Where it leads in the web client.
    path: &'static str,
}

/// A mail as it is sent.
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) html: String,
}

impl Words {
    /// The words of a kind; `None` for the mail that goes to nobody.
    pub(crate) fn of(kind: MailKind) -> Option<Self> {
        Some(match kind {
            MailKind::VerifyEmail => Self {
                subject: "Health Record Account - Confirm Your Email Address",
                paragraphs: &[
                    "please confirm that this is your email address.",
                    "If you have no account with us, somebody has mistyped theirs, and you can \
                     forget this mail.",
                ],
                label: "Confirm the address",
                path: "/verify-email",
            },
            MailKind::ResetPassword => Self {
                subject: "Health Record Account - Set Your Password",
                paragraphs: &[
                    "here is what it takes to set a new password for your account.",
                    "If you did not ask for it, you can forget this mail: nothing has changed.",
                ],
                label: "Set a password",
                path: "/password-reset",
            },
            MailKind::ConfirmEmailChange => Self {
                subject: "Health Record Account - Confirm Your New Email Address",
                paragraphs: &[
                    "please confirm that this is to be the email address of your account. You will \
                     sign in with it from then on.",
                    "If you did not ask for it, you can forget this mail: nothing has changed.",
                ],
                label: "Confirm the new address",
                path: "/email-change",
            },
            MailKind::EmailChanged => Self {
                subject: "Health Record Account - Email Address Changed",
                paragraphs: &[
                    "your account has another email address now, and this one is no longer \
                     connected with it.",
                    "If that was not you, tell us at once.",
                ],
                label: "Sign in",
                path: "",
            },
            MailKind::PasswordChanged => Self {
                subject: "Health Record Account - Password Changed",
                paragraphs: &[
                    "the password of your account was changed, and everybody who was signed in \
                     with it is signed out.",
                    "If that was not you, set a new password at once, and tell us.",
                ],
                label: "Set a password",
                path: "/password-reset",
            },
            MailKind::SecondFactorEnabled => Self {
                subject: "Health Record Account - Second Factor Set Up",
                paragraphs: &[
                    "signing in to your account takes a code of an authenticator app from now on, \
                     besides the password.",
                    "If that was not you, set a new password at once, and tell us.",
                ],
                label: "Set a password",
                path: "/password-reset",
            },
            MailKind::SecondFactorDisabled => Self {
                subject: "Health Record Account - Second Factor Removed",
                paragraphs: &[
                    "signing in to your account takes nothing but the password from now on: the \
                     second factor was removed.",
                    "If that was not you, set a new password at once, and tell us.",
                ],
                label: "Set a password",
                path: "/password-reset",
            },
            MailKind::RecoveryCodeUsed => Self {
                subject: "Health Record Account - Recovery Code Used",
                paragraphs: &[
                    "somebody signed in to your account with one of your recovery codes, which \
                     does not work a second time.",
                    "If that was not you, set a new password at once, \
                        and tell us. If you have lost your app, remove the second factor \
                     and set up another one while you have codes left.",
                ],
                label: "Set a password",
                path: "/password-reset",
            },
            MailKind::TokenReused => Self {
                subject: "Health Record Account - A Session Was Ended",
                paragraphs: &[
                    "one of your sessions was used from two places, as if somebody had copied it. \
                     We have ended it.",
                    "Sign in again. If you do not know how that came about, change your password \
                     and look at the list of your devices.",
                ],
                label: "Sign in",
                path: "",
            },
            MailKind::AlreadyRegistered => Self {
                subject: "Health Record Account - You Have an Account Already",
                paragraphs: &[
                    "somebody, perhaps you, wanted to use this email address for an account. It \
                     has one already, and nothing has changed.",
                    "If it was you, sign in, or set a new password if you have forgotten yours.",
                ],
                label: "Sign in",
                path: "",
            },
            MailKind::DoctorApproved => Self {
                subject: "Health Record Account - Licence Approved",
                paragraphs: &[
                    "your licence to practise has been approved. Patients can find you and assign \
                     records to you from now on.",
                ],
                label: "Sign in",
                path: "",
            },
            MailKind::DoctorRefused => Self {
                subject: "Health Record Account - Licence Not Approved",
                paragraphs: &[
                    "your licence to practise could not be approved. Sign in to read why.",
                ],
                label: "Sign in",
                path: "",
            },
            MailKind::DoctorSuspended => Self {
                subject: "Health Record Account - Suspended",
                paragraphs: &["you cannot work with records at present. Sign in to read why."],
                label: "Sign in",
                path: "",
            },
            MailKind::Decoy => return None,
        })
    }

    /// The mail, with its token if it has one. The token stands behind a `#`, which browsers keep
    /// to themselves.
    pub(crate) fn fill(&self, app_url: &str, token: Option<&str>) -> Content {
        let link = match token {
            Some(token) => format!("{app_url}{}#token={token}", self.path),
            None => format!("{app_url}{}", self.path),
        };
        let mut rest = String::new();
        let mut rest_html = String::new();
        if let Some(token) = token {
            rest = format!(
                "Or enter this token where you are asked for it: {token}\n\n{TOKEN_RULE}\n\n"
            );
            rest_html = format!(
                "<p>Or enter this token where you are asked for \
                 it:</p>\n<p><code>{token}</code></p>\n<p>{TOKEN_RULE}</p>\n"
            );
        }
        let paragraphs: Vec<String> =
            self.paragraphs.iter().map(|paragraph| format!("<p>{paragraph}</p>")).collect();
        let fill = |template: &str, paragraphs: &str, rest: &str| {
            template
                .replace("{subject}", self.subject)
                .replace("{paragraphs}", paragraphs)
                .replace("{label}", self.label)
                .replace("{link}", &link)
                .replace("{rest}", rest)
        };
        Content {
            text: fill(TEXT, &self.paragraphs.join("\n\n"), &rest),
            html: fill(HTML, &paragraphs.join("\n"), &rest_html),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mail_to_somebody_has_words() {
        for kind in MailKind::ALL {
            let Some(words) = Words::of(*kind) else {
                assert_eq!(*kind, MailKind::Decoy);
                continue;
            };
            let token = kind.includes_token().then_some("a-token");
            let Content { text, html } = words.fill("https://app.example.org", token);
            for body in [&text, &html] {
                assert!(!body.contains(['{', '}']), "{body}");
                assert!(body.contains("https://app.example.org"), "{body}");
                assert_eq!(body.contains("#token=a-token"), kind.includes_token(), "{body}");
            }
            assert_eq!(kind.includes_token(), text.contains(": a-token\n"), "{text}");
            assert!(words.subject.starts_with("Health Record Account - "));
            assert!(!text.contains('<') && text.lines().all(|line| line.len() < 200), "{text}");
        }
    }
}
