//! Finding the user whose records, files or notifications staff look for.

use std::collections::HashMap;

use domain::account::Account;
use domain::email::Email;
use domain::id::UserId;
use domain::name_search::NameSearch;

use crate::App;

/// How many users with a name are offered.
const MAX_CANDIDATES: usize = 20;

/// How many characters of a text a list shows. Each may take five bytes of a page, which has at
/// most 100 KB.
pub(crate) const EXCERPT: usize = 100;

/// A search for a user: by address, by id, or by name.
pub(crate) enum PersonSearch {
    Id(UserId),
    Email(Email),
    Name(NameSearch),
}

impl PersonSearch {
    /// Parses what was typed; `None` when nothing can be searched for.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(id) = text.to_ascii_lowercase().parse() {
            return Some(Self::Id(id));
        }
        if let Ok(email) = Email::parse(text) {
            return Some(Self::Email(email));
        }
        Some(NameSearch::of(text)).filter(|name| !name.is_empty()).map(Self::Name)
    }

    /// Finds the users, by name: nobody, one, or the first of several. The indexes may lag a
    /// moment.
    pub(crate) async fn find(&self, app: &App) -> Result<Vec<UserId>, store::Error> {
        match self {
            Self::Id(id) => Ok(vec![*id]),
            Self::Email(email) => {
                Ok(app.store.get_user_id_by_email(email).await?.into_iter().collect())
            }
            Self::Name(name) => {
                let page = app.store.list_users_by_name(name, MAX_CANDIDATES, None).await?;
                Ok(page.items.into_iter().map(|(id, _)| id).collect())
            }
        }
    }
}

/// Returns a user's name as a list shows it, or the id if the user is gone.
pub(crate) fn display_name(accounts: &HashMap<UserId, Account>, id: UserId) -> String {
    let name = accounts.get(&id).map(|account| shorten(&account.full_name(), EXCERPT));
    name.unwrap_or_else(|| id.to_string())
}

/// Returns the beginning of a text, with an ellipsis if it was cut.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_cut_ends_in_an_ellipsis() {
        assert_eq!(shorten("été", 3), "été");
        assert_eq!(shorten("étés", 3), "été…");
        assert_eq!(shorten("", 3), "");
    }
}
