//! Finding the one whose things staff look for.

use std::collections::HashMap;

use domain::account::Account;
use domain::email::Email;
use domain::id::UserId;
use domain::text::sort_key;

use crate::App;

/// How many people with a name are offered.
const MOST_OFFERED: usize = 20;

/// What staff type of a person: an address, an id, or the beginning of a last name.
pub(crate) enum Person {
    Id(UserId),
    Email(Email),
    Named(String),
}

impl Person {
    /// What was typed; `None` when nothing was.
    pub(crate) fn typed(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Some(Self::Id(id));
        }
        if let Ok(email) = Email::parse(text) {
            return Some(Self::Email(email));
        }
        Some(sort_key(text)).filter(|prefix| !prefix.is_empty()).map(Self::Named)
    }

    /// Who may be meant, by name: nobody, one, or the first of several. The indexes may lag a
    /// moment.
    pub(crate) async fn find(&self, app: &App) -> Result<Vec<UserId>, store::Error> {
        match self {
            Self::Id(id) => Ok(vec![*id]),
            Self::Email(email) => {
                Ok(app.store.find_user_by_email(email).await?.into_iter().collect())
            }
            Self::Named(prefix) => {
                let page = app.store.list_users_by_name(prefix, MOST_OFFERED, None).await?;
                Ok(page.items.into_iter().map(|(id, _)| id).collect())
            }
        }
    }
}

/// What somebody is called in a list: names, or the id of one who is gone.
pub(crate) fn called(people: &HashMap<UserId, Account>, id: UserId) -> String {
    people.get(&id).map_or_else(|| id.to_string(), |account| short(&account.full_name(), BEGINNING))
}

/// How much of what somebody has written a list shows, in characters. Each may take five bytes of a
/// page, which has at most 100 KB.
pub(crate) const BEGINNING: usize = 100;

/// The beginning of a text.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(short("été", 3), "été");
        assert_eq!(short("étés", 3), "été…");
        assert_eq!(short("", 3), "");
    }
}
