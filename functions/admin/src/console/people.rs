//! Finding the one whose things staff look for.

use std::collections::HashMap;

use domain::account::Account;
use domain::email::Email;
use domain::id::UserId;
use domain::text::sortable;

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
        Some(sortable(text)).filter(|prefix| !prefix.is_empty()).map(Self::Named)
    }

    /// Who may be meant, by name: nobody, one, or the first of several. The indexes may lag a moment.
    pub(crate) async fn find(&self, app: &App) -> Result<Vec<UserId>, store::Error> {
        match self {
            Self::Id(id) => Ok(vec![*id]),
            Self::Email(email) => Ok(app.store.user_with_email(email).await?.into_iter().collect()),
            Self::Named(prefix) => Ok(app.store.users_named(prefix, MOST_OFFERED, None).await?.items),
        }
    }
}

/// What somebody is called in a list: names, or else the address, or else the id of one who is gone.
pub(crate) fn called(people: &HashMap<UserId, Account>, id: UserId) -> String {
    match people.get(&id) {
        Some(account) if account.full_name().trim().is_empty() => account.email.as_str().to_owned(),
        Some(account) => account.full_name(),
        None => id.to_string(),
    }
}
