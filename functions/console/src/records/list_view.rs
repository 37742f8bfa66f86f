//! How a list page is shown.

use std::collections::HashMap;

use askama::Template;
use domain::account::Account;
use domain::id::{RecordId, UserId};
use jiff::Timestamp;
use runtime::clock;

use crate::records::created_period::CreatedPeriod;
use crate::records::list_query::{CREATED, ListQuery, Owner};
use crate::records::person_search::{EXCERPT, display_name, shorten};
use crate::web::layout::PageLayout;

/// A cell of a table.
pub(crate) enum Cell {
    Text(String),
    /// A word of the domain, as `lab_result`.
    Word(&'static str),
    Time(Timestamp),
    Link(PageLink),
    /// Clinical text, readable by emergency access.
    Readable(String),
    /// Clinical text that is hidden, with the page where access can be had.
    Hidden {
        href: Option<String>,
    },
}

impl Cell {
    /// Makes a link to a record.
    pub(crate) fn record(id: RecordId) -> Self {
        Self::Link(PageLink { href: format!("/admin/records/{id}/"), text: id.to_string() })
    }

    /// Makes a link to a user, by name.
    pub(crate) fn user(id: UserId, accounts: &HashMap<UserId, Account>) -> Self {
        Self::Link(PageLink::to_user(id, accounts))
    }

    /// Makes a cell with clinical text of a record, hidden unless it was read with a grant.
    pub(crate) fn clinical_text(text: Option<String>, record: Option<RecordId>) -> Self {
        match text {
            Some(text) => Self::Readable(text),
            None => Self::Hidden {
                href: record.map(|id| format!("/admin/records/{id}/#clinical-content")),
            },
        }
    }
}

/// A field of the form above a list.
pub(crate) struct SearchField {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) value: String,
    /// The values to choose from, and whether each is chosen; empty for free text.
    pub(crate) choices: Vec<(&'static str, bool)>,
}

impl SearchField {
    /// Makes a field for free text.
    pub(crate) fn typed(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self { name, label, value: value.into(), choices: Vec::new() }
    }

    /// Makes the field that narrows a list by time.
    pub(crate) fn created(value: Option<CreatedPeriod>) -> Self {
        let value = value.map(|created| created.to_string()).unwrap_or_default();
        Self::typed(CREATED, "Created (year, month or day)", value)
    }

    /// Makes a field with values to choose from.
    pub(crate) fn chosen(
        name: &'static str,
        label: &'static str,
        values: impl Iterator<Item = &'static str>,
        chosen: Option<&str>,
    ) -> Self {
        let choices = values.map(|value| (value, chosen == Some(value))).collect();
        Self { name, label, value: chosen.unwrap_or_default().to_owned(), choices }
    }
}

/// A link with its text.
pub(crate) struct PageLink {
    pub(crate) href: String,
    pub(crate) text: String,
}

impl PageLink {
    fn to_user(id: UserId, accounts: &HashMap<UserId, Account>) -> Self {
        Self { href: format!("/admin/users/{id}/"), text: display_name(accounts, id) }
    }

    /// Makes a link that chooses one of the users whom a search finds.
    fn to_candidate(parameter: &str, account: &Account) -> Self {
        let name = shorten(&account.full_name(), EXCERPT);
        Self {
            href: format!("?{parameter}={}", account.id),
            text: format!("{name} <{}>, {}", account.email.as_str(), account.role),
        }
    }
}

/// The template of a list page.
#[derive(Template)]
#[template(path = "records/list.html")]
pub(crate) struct ListTemplate {
    pub(crate) layout: PageLayout,
    pub(crate) list: ListView,
}

/// A list as its page shows it.
#[derive(Default)]
pub(crate) struct ListView {
    pub(crate) title: &'static str,
    pub(crate) path: &'static str,
    pub(crate) help: &'static str,
    pub(crate) fields: Vec<SearchField>,
    pub(crate) columns: &'static [&'static str],
    pub(crate) order: &'static str,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Whether a filter was applied after the keys were read, so that a page may be short.
    pub(crate) filtered: bool,
    pub(crate) next: Option<String>,
    pub(crate) created: Option<CreatedPeriod>,
    /// The users whom the search for an owner finds.
    pub(crate) owners: Vec<PageLink>,
    /// Whether the search for an owner finds nobody.
    pub(crate) nobody_found: bool,
}

impl ListView {
    /// Makes a list without entries, with the users whom the search for an owner finds.
    pub(crate) fn of_owner(
        query: &ListQuery,
        owner: &Owner,
        accounts: &HashMap<UserId, Account>,
    ) -> Self {
        let owners: Vec<PageLink> = match owner {
            Owner::Anyone => Vec::new(),
            Owner::One(_, user) => vec![PageLink::to_user(*user, accounts)],
            Owner::Candidates(users) => {
                let known = users.iter().filter_map(|id| accounts.get(id));
                known
                    .map(|account| PageLink::to_candidate(query.owner_parameter(), account))
                    .collect()
            }
        };
        let nobody_found = matches!(owner, Owner::Candidates(_)) && owners.is_empty();
        Self { owners, nobody_found, ..Self::default() }
    }

    /// Returns the address of the list of a period, or of any time, with the rest of the search
    /// kept.
    fn href(&self, created: Option<CreatedPeriod>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let fields = self.fields.iter();
        for field in fields.filter(|field| !field.value.is_empty() && field.name != CREATED) {
            query.append_pair(field.name, &field.value);
        }
        if let Some(created) = created {
            query.append_pair(CREATED, &created.to_string());
        }
        format!("{}?{}", self.path, query.finish())
    }

    fn link(&self, created: CreatedPeriod) -> PageLink {
        PageLink { href: self.href(Some(created)), text: created.to_string() }
    }

    /// Returns links to the period that is shown and to the longer ones that contain it.
    fn breadcrumbs(&self) -> Vec<PageLink> {
        let periods = self.created.map(CreatedPeriod::breadcrumbs).unwrap_or_default();
        periods.into_iter().map(|created| self.link(created)).collect()
    }

    /// Returns links to the periods to which the list can be narrowed.
    fn parts(&self) -> Vec<PageLink> {
        let parts = CreatedPeriod::parts(self.created, clock::now());
        parts.into_iter().map(|created| self.link(created)).collect()
    }
}
