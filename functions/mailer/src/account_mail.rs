//! The texts of account mails. They contain no clinical data, and nothing personal but the token.

use domain::mail::MailKind;

const TEXT: &str = include_str!("../templates/account.txt");
const HTML: &str = include_str!("../templates/account.html");

/// Returns what holds for the token in mails of a kind.
fn token_rule(kind: MailKind) -> String {
    // The lifetimes of [`MailKind::token_lifetime`].
    let time = if kind.cancels_recovery() { "14 days" } else { "30 minutes" };
    format!(
        "The token can be used once, within {time}. Do not share it with anybody: we will never \
         ask you for it."
    )
}

const DISCARD_RULE: &str = "If you do not know of this account, somebody else has used your \
    address. Discard the account with this link, and nobody can use it any more";

/// The path in the web client of the link that discards an account.
const DISCARD_PATH: &str = "/discard-account";

/// Returns the paths in the web client to which account mails lead.
pub(crate) fn link_paths() -> Vec<&'static str> {
    let templates = MailKind::ALL.iter().filter_map(|kind| MailTemplate::of(*kind));
    templates.map(|template| template.link_path).chain([DISCARD_PATH]).collect()
}

/// The text of one kind of account mail.
pub(crate) struct MailTemplate {
    pub(crate) subject: &'static str,
    paragraphs: &'static [&'static str],
    link_text: &'static str,
    /// The path of the link in the web client.
    link_path: &'static str,
}

/// A rendered mail.
pub(crate) struct MailBody {
    pub(crate) text: String,
    pub(crate) html: String,
}

impl MailTemplate {
    /// Returns the template of a kind; `None` for decoys, which are not sent.
    pub(crate) fn of(kind: MailKind) -> Option<Self> {
        Some(match kind {
            MailKind::VerifyEmail => Self {
                subject: "Health Record Account - Confirm Your Email Address",
                paragraphs: &[
                    "Somebody has registered an account with this email address. If it was you, \
                     please confirm that the address is yours.",
                    "You see the name and the role of the account first. Do not confirm the \
                     address of an account that is not yours.",
                ],
                link_text: "Confirm the address",
                link_path: "/verify-email",
            },
            MailKind::ResetPassword => Self {
                subject: "Health Record Account - Set Your Password",
                paragraphs: &[
                    "You can set a new password for your account with the link below.",
                    "If you did not request this, you can ignore this mail: nothing has changed.",
                ],
                link_text: "Set a password",
                link_path: "/password-reset",
            },
            MailKind::SignInLink => Self {
                subject: "Health Record Account - Sign In From This Device",
                paragraphs: &[
                    "There were too many failed sign-ins to your account. Follow the link on the \
                     device from which you want to sign in, and then sign in as usual.",
                    "If you did not request this, you can ignore this mail: nothing has changed.",
                ],
                link_text: "Sign in from this device",
                link_path: "/sign-in-link",
            },
            MailKind::ConfirmEmailChange => Self {
                subject: "Health Record Account - Confirm Your New Email Address",
                paragraphs: &[
                    "Please confirm this email address for your account. From then on, you will \
                     sign in with it.",
                    "If you did not request this, you can ignore this mail: nothing has changed.",
                ],
                link_text: "Confirm the new address",
                link_path: "/email-change",
            },
            MailKind::EmailChangeStarted => Self {
                subject: "Health Record Account - Change of Your Email Address Started",
                paragraphs: &[
                    "Our staff have started to give your account another email address. The \
                     change waits for three days.",
                    "If you did not ask for this, cancel it now with the link below. Your access \
                     log says who started it and why.",
                ],
                link_text: "Cancel the change",
                link_path: "/recovery-cancel",
            },
            MailKind::ConfirmRecoveryAddress => Self {
                subject: "Health Record Account - Confirm the New Email Address",
                paragraphs: &[
                    "Our staff have entered this email address for your account. Please confirm \
                     that it is yours.",
                    "The change waits for three days. Then you can set a new password and sign \
                     in with this address.",
                    "If you did not ask for this, you can ignore this mail: nothing has changed.",
                ],
                link_text: "Confirm the address",
                link_path: "/recovery-confirm",
            },
            MailKind::SecondFactorRemovalStarted => Self {
                subject: "Health Record Account - Removal of Your Second Factor Started",
                paragraphs: &[
                    "Our staff have started to remove the second factor of your account. The \
                     removal waits for three days.",
                    "If you did not ask for this, cancel it now with the link below. Your access \
                     log says who started it and why.",
                ],
                link_text: "Cancel the removal",
                link_path: "/recovery-cancel",
            },
            MailKind::EmailChanged => Self {
                subject: "Health Record Account - Email Address Changed",
                paragraphs: &[
                    "The email address of your account was changed. This address no longer belongs \
                     to the account.",
                    "If you did not do this, contact us immediately.",
                ],
                link_text: "Sign in",
                link_path: "/",
            },
            MailKind::PasswordChanged => Self {
                subject: "Health Record Account - Password Changed",
                paragraphs: &[
                    "The password of your account was changed, and all devices were signed out.",
                    "If you did not do this, set a new password immediately and contact us.",
                ],
                link_text: "Set a password",
                link_path: "/forgot-password",
            },
            MailKind::SecondFactorEnabled => Self {
                subject: "Health Record Account - Second Factor Set Up",
                paragraphs: &[
                    "From now on, signing in to your account requires a code from an authenticator \
                     app in addition to the password.",
                    "If you did not do this, set a new password immediately and contact us.",
                ],
                link_text: "Set a password",
                link_path: "/forgot-password",
            },
            MailKind::SecondFactorDisabled => Self {
                subject: "Health Record Account - Second Factor Removed",
                paragraphs: &[
                    "The second factor of your account was removed. From now on, signing in \
                     requires only the password.",
                    "If you did not do this, set a new password immediately and contact us.",
                ],
                link_text: "Set a password",
                link_path: "/forgot-password",
            },
            MailKind::CodesFailed => Self {
                subject: "Health Record Account - Wrong Codes",
                paragraphs: &[
                    "Somebody entered your password and then several wrong codes.",
                    "If it was not you, somebody knows your password: set a new one immediately. \
                     After some more wrong codes, no codes are accepted until you follow the link \
                     in a mail or use a recovery code.",
                ],
                link_text: "Set a password",
                link_path: "/forgot-password",
            },
            MailKind::RecoveryCodeUsed => Self {
                subject: "Health Record Account - Recovery Code Used",
                paragraphs: &[
                    "One of your recovery codes was used to sign in to your account. It cannot be \
                     used again.",
                    "If you did not do this, set a new password immediately and contact us.",
                    "If you have lost your authenticator app, remove the second factor and set up \
                     a new one while you still have codes left.",
                ],
                link_text: "Set a password",
                link_path: "/forgot-password",
            },
            MailKind::TokenReused => Self {
                subject: "Health Record Account - A Session Was Ended",
                paragraphs: &[
                    "One of your sessions was used in two places, as if somebody had copied it. We \
                     have ended it.",
                    "Please sign in again. If you cannot explain this, change your password and \
                     check the list of your devices.",
                ],
                link_text: "Sign in",
                link_path: "/",
            },
            MailKind::AlreadyRegistered => Self {
                subject: "Health Record Account - You Have an Account Already",
                paragraphs: &[
                    "Somebody, perhaps you, tried to use this email address for an account. The \
                     address already belongs to an account, and nothing has changed.",
                    "If it was you, please sign in, or set a new password if you have forgotten \
                     yours.",
                ],
                link_text: "Sign in",
                link_path: "/",
            },
            MailKind::DoctorApproved => Self {
                subject: "Health Record Account - Licence Approved",
                paragraphs: &[
                    "Your licence to practise has been approved. From now on, patients can find \
                     you and assign records to you.",
                ],
                link_text: "Sign in",
                link_path: "/",
            },
            MailKind::DoctorRefused => Self {
                subject: "Health Record Account - Licence Not Approved",
                paragraphs: &[
                    "Your licence to practise could not be approved. Sign in to read the reason.",
                ],
                link_text: "Sign in",
                link_path: "/",
            },
            MailKind::DoctorSuspended => Self {
                subject: "Health Record Account - Suspended",
                paragraphs: &["Your access to records is suspended. Sign in to read the reason."],
                link_text: "Sign in",
                link_path: "/",
            },
            MailKind::Decoy => return None,
        })
    }

    /// Renders the mail, with its token if it has one. The token is in the fragment of the link,
    /// which browsers do not send to servers; `kind` is that of the template. With
    /// `is_unconfirmed`, a second link discards the account.
    pub(crate) fn render(
        &self,
        kind: MailKind,
        app_url: &str,
        token: Option<&str>,
        is_unconfirmed: bool,
    ) -> MailBody {
        let token_rule = token_rule(kind);
        let link = match token {
            Some(token) => format!("{app_url}{}#token={token}", self.link_path),
            None => format!("{app_url}{}", self.link_path),
        };
        let mut token_text = String::new();
        let mut token_html = String::new();
        if let Some(token) = token {
            token_text =
                format!("Or enter this token when asked for it: {token}\n\n{token_rule}\n\n");
            token_html = format!(
                "<p>Or enter this token when asked for \
                 it:</p>\n<p><code>{token}</code></p>\n<p>{token_rule}</p>\n"
            );
            if is_unconfirmed {
                let discard = format!("{app_url}{DISCARD_PATH}#token={token}");
                token_text.push_str(&format!("{DISCARD_RULE}: {discard}\n\n"));
                token_html.push_str(&format!(
                    "<p>{DISCARD_RULE}: <a href=\"{discard}\">Discard the account</a></p>\n"
                ));
            }
        }
        let paragraphs: Vec<String> =
            self.paragraphs.iter().map(|paragraph| format!("<p>{paragraph}</p>")).collect();
        let render = |template: &str, paragraphs: &str, token: &str| {
            template
                .replace("{subject}", self.subject)
                .replace("{paragraphs}", paragraphs)
                .replace("{link_text}", self.link_text)
                .replace("{link}", &link)
                .replace("{token}", token)
        };
        MailBody {
            text: render(TEXT, &self.paragraphs.join("\n\n"), &token_text),
            html: render(HTML, &paragraphs.join("\n"), &token_html),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_but_decoys_has_a_complete_mail() {
        for kind in MailKind::ALL {
            let Some(template) = MailTemplate::of(*kind) else {
                assert_eq!(*kind, MailKind::Decoy);
                continue;
            };
            let token = kind.includes_token().then_some("a-token");
            let render = |is_unconfirmed| {
                template.render(*kind, "https://app.example.org", token, is_unconfirmed)
            };
            let (MailBody { text, html }, unconfirmed) = (render(false), render(true));
            for body in [&unconfirmed.text, &unconfirmed.html] {
                assert!(!body.contains(['{', '}']), "{body}");
                let discards = body.contains("/discard-account#token=a-token");
                assert_eq!(discards, kind.includes_token(), "{body}");
            }
            for body in [&text, &html] {
                assert!(!body.contains("discard"), "{body}");
                assert!(!body.contains(['{', '}']), "{body}");
                assert!(body.contains("https://app.example.org"), "{body}");
                assert_eq!(body.contains("#token=a-token"), kind.includes_token(), "{body}");
            }
            assert_eq!(kind.includes_token(), text.contains(": a-token\n"), "{text}");
            assert!(template.subject.starts_with("Health Record Account - "));
            assert!(!text.contains('<') && text.lines().all(|line| line.len() < 200), "{text}");
        }
    }
}
