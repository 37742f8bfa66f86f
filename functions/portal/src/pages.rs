//! The paths of the pages. All of them are one document, and the client shows the page of its
//! address (`assets/main.js`).

use domain::id::RecordId;

/// A part of a path that is an id.
const ID: &str = "{id}";

/// Every page. `functions/mailer/src/account_mail.rs` links to some of them.
pub(crate) const PAGES: &[&str] = &[
    "/",
    "/sign-in",
    "/register",
    "/forgot-password",
    "/records",
    "/records/new",
    "/records/{id}",
    "/notifications",
    "/notifications/{id}",
    "/profile",
    "/security",
    "/access-log",
    // With a token from a mail in the fragment.
    "/verify-email",
    "/discard-account",
    "/password-reset",
    "/sign-in-link",
    "/email-change",
    "/recovery-confirm",
    "/recovery-cancel",
];

/// Returns whether there is a page at a path, with or without a slash at the end.
pub(crate) fn is_page(path: &str) -> bool {
    let without_slash =
        path.strip_suffix('/').filter(|path| !path.is_empty() && !path.ends_with('/'));
    let path = without_slash.unwrap_or(path);
    let parts = || path.split('/');
    PAGES.iter().any(|page| {
        page.split('/').count() == parts().count()
            && page.split('/').zip(parts()).all(|(page, part)| match page {
                // All ids have one form.
                ID => part.parse::<RecordId>().is_ok(),
                page => page == part,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_other_paths() {
        let id = "0190a5c0-0000-7000-8000-000000000001";
        for path in ["/", "/sign-in", "/sign-in/", "/records", "/records/new"] {
            assert!(is_page(path), "{path}");
        }
        assert!(is_page(&format!("/records/{id}")) && is_page(&format!("/notifications/{id}/")));
        for path in [
            "",
            "//",
            "/sign-out",
            "/Sign-in",
            "/records/1",
            "/records/new/x",
            "/notifications/new",
        ] {
            assert!(!is_page(path), "{path}");
        }
        assert!(!is_page(&format!("/records/{id}/{id}")));
    }
}
