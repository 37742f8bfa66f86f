//! What the lists of people's things have in common: how they are asked for, and how they are
//! shown.

use std::collections::{BTreeSet, HashMap};

use askama::Template;
use domain::account::Account;
use domain::audit::{Action, AuditEvent};
use domain::field::Reason;
use domain::id::{RecordId, UserId};
use http_api::caller::Caller;
use http_api::page::Paging;
use http_api::query::Parameters;
use jiff::Timestamp;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::Span;
use store::staff::emergency_access::Grant;
use store::staff::lists::{InChart, Listed, Place};
use uuid::Uuid;

use crate::App;
use crate::records::created::Created;
use crate::records::people::{BEGINNING, Person, called, short};
use crate::web::frame::Frame;

/// How many entries a page has.
pub(crate) const PAGE: usize = 25;

/// The longest address or beginning of a name that somebody is looked for with, in bytes: every
/// link of the page repeats it.
const MOST_TYPED: usize = 255;

/// Where a page ends.
#[derive(Serialize, Deserialize)]
pub(crate) enum Position {
    /// In a list of everybody's things.
    Id(Uuid),
    /// In a list of somebody's.
    Place(Place),
}

/// Entries and where the next page begins.
pub(crate) type Found<T> = (Vec<T>, Option<Position>);

/// Which things a list shows, as it was asked for.
pub(crate) struct Asked {
    /// One, by its id.
    pub(crate) id: Option<Uuid>,
    /// Those of somebody: by which parameter it was asked for, what was typed, and whom it says.
    pub(crate) whose: Option<(&'static str, String, Option<Person>)>,
    /// Those created then.
    pub(crate) created: Option<Created>,
}

impl Asked {
    /// Reads what every list can be asked for; `sides` are the parameters that name somebody.
    pub(crate) fn read(parameters: &mut Parameters, sides: &[&'static str]) -> Option<Self> {
        let id = parameters.optional::<RecordId>("id").map(|id| id.map(Uuid::from));
        let mut whose = None;
        for side in sides {
            let typed = parameters.optional::<String>(side)?.unwrap_or_default().trim().to_owned();
            if typed.is_empty() {
                continue;
            }
            if whose.is_some() {
                parameters.reject(
                    side,
                    Reason::new("not_alone", "Must not be given with another search."),
                );
                return None;
            }
            if typed.len() > MOST_TYPED {
                parameters.reject(
                    side,
                    Reason::new("too_long", format!("Must have at most {MOST_TYPED} bytes.")),
                );
                return None;
            }
            let person = Person::typed(&typed);
            whose = Some((*side, typed, person));
        }
        let created =
            parameters.optional::<String>(CREATED)?.map(|typed| typed.trim().parse()).transpose();
        let created = created.map_err(|reason| parameters.reject(CREATED, reason)).ok();
        Some(Self { id: id?, whose, created: created? })
    }

    /// When the things were created that are asked for.
    pub(crate) fn span(&self) -> Span {
        self.created.map(Created::span).unwrap_or_default()
    }

    /// Whether something is among what is asked for by id and time.
    pub(crate) fn holds<T: Listed>(&self, entry: &T) -> bool {
        self.id.is_none_or(|wanted| wanted == entry.id().into())
            && self.span().holds(entry.created_at())
    }

    /// The id that is asked for.
    pub(crate) fn id_text(&self) -> String {
        self.id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// What was typed for a parameter that names somebody.
    pub(crate) fn typed(&self, side: &str) -> &str {
        self.whose
            .as_ref()
            .filter(|(asked, ..)| *asked == side)
            .map(|(_, typed, _)| typed.as_str())
            .unwrap_or_default()
    }

    /// Whose things are asked for.
    pub(crate) async fn whose(&self, app: &App) -> Result<Whose, store::Error> {
        let Some((side, _, person)) = &self.whose else { return Ok(Whose::Everybody) };
        let people = match person {
            Some(person) => person.find(app).await?,
            None => Vec::new(),
        };
        Ok(match people[..] {
            [one] => Whose::Of(side, one),
            _ => Whose::OneOf(people),
        })
    }
}

/// Whose things a list shows.
pub(crate) enum Whose {
    Everybody,
    /// Of one, to whom they are what the parameter says.
    Of(&'static str, UserId),
    /// Nobody's yet: several people may be meant, or there is none.
    OneOf(Vec<UserId>),
}

impl Whose {
    /// Whom it concerns that staff look at the list.
    pub(crate) fn concerns(&self, looking: UserId) -> UserId {
        match self {
            Self::Of(_, user) => *user,
            Self::Everybody | Self::OneOf(_) => looking,
        }
    }
}

/// What is listed of everybody's things, or one by its id: as far as the filters let it through.
pub(crate) async fn find_everybodys<T: Listed>(
    app: &App,
    asked: &Asked,
    paging: &Paging<Position>,
    shows: impl Fn(&T) -> bool,
) -> Result<Found<T>, store::Error> {
    if let Some(id) = asked.id {
        let one = app.store.get_listed::<T>(id.into()).await?;
        return Ok((
            one.into_iter().filter(|entry| asked.holds(entry) && shows(entry)).collect(),
            None,
        ));
    }
    let page =
        app.store.list_newest(clock::now(), asked.span(), PAGE, after_id(paging), shows).await?;
    Ok((page.items, page.next.map(|id| Position::Id(id.into()))))
}

/// The same of what charts hold, or of one patient's chart.
pub(crate) async fn find<T: InChart>(
    app: &App,
    asked: &Asked,
    whose: &Whose,
    paging: &Paging<Position>,
    shows: impl Fn(&T) -> bool,
) -> Result<Found<T>, store::Error> {
    match whose {
        Whose::OneOf(_) => Ok((Vec::new(), None)),
        Whose::Of(_, patient) => {
            let shows = |entry: &T| asked.holds(entry) && shows(entry);
            let page = app.store.list_in_chart(*patient, PAGE, after_place(paging), shows).await?;
            Ok((page.items, page.next.map(Position::Place)))
        }
        Whose::Everybody => find_everybodys(app, asked, paging, shows).await,
    }
}

/// The looks at what people have written on these records, as far as grants open them: one event
/// for each.
pub(crate) fn looks(
    caller: &Caller,
    grants: &[Grant],
    shown: impl Iterator<Item = Option<RecordId>>,
) -> Vec<AuditEvent> {
    let shown: BTreeSet<RecordId> = shown.flatten().collect();
    grants
        .iter()
        .filter(|grant| shown.contains(&grant.record_id()))
        .map(|grant| look(caller, grant))
        .collect()
}

/// The look of one to whom the glass is broken.
pub(crate) fn look(caller: &Caller, grant: &Grant) -> AuditEvent {
    let reason = Some(grant.reason().as_str().to_owned());
    AuditEvent {
        reason,
        ..caller.audit(Action::ReadRecord, grant.patient_id(), Some(grant.record_id()))
    }
}

impl Whose {
    /// The people whose names the page shows because of the search.
    pub(crate) fn people(&self) -> Vec<UserId> {
        match self {
            Self::Everybody => Vec::new(),
            Self::Of(_, user) => vec![*user],
            Self::OneOf(people) => people.clone(),
        }
    }

    /// The order of what charts hold: one patient's is read from the chart.
    pub(crate) fn order_in_charts(&self) -> &'static str {
        match self {
            Self::Of(..) => "by record, the newest record first",
            Self::Everybody | Self::OneOf(_) => NEWEST_FIRST,
        }
    }

    /// The event of a look at a patient's things names the records they belong to.
    pub(crate) fn name_records(
        &self,
        event: AuditEvent,
        records: impl Iterator<Item = RecordId>,
    ) -> AuditEvent {
        match self {
            Self::Of("patient", _) => {
                event.with_records(records.collect::<BTreeSet<_>>().into_iter().collect())
            }
            _ => event,
        }
    }
}

/// Position behind which a list of everybody's things goes on.
pub(crate) fn after_id<I: From<Uuid>>(paging: &Paging<Position>) -> Option<I> {
    match paging.after {
        Some(Position::Id(id)) => Some(id.into()),
        _ => None,
    }
}

/// Place behind which a list of somebody's things goes on.
pub(crate) fn after_place(paging: &Paging<Position>) -> Option<&Place> {
    match &paging.after {
        Some(Position::Place(place)) => Some(place),
        _ => None,
    }
}

/// A cell of a table.
pub(crate) enum Cell {
    Text(String),
    /// A word of ours, as `lab_result`.
    Word(&'static str),
    Time(Timestamp),
    /// What leads to a page.
    Link {
        href: String,
        text: String,
    },
    /// What somebody has written, once the glass is broken.
    Opened(String),
    /// What is behind the glass; to be broken there.
    Hidden {
        href: Option<String>,
    },
}

impl Cell {
    pub(crate) fn record(id: RecordId) -> Self {
        Self::Link { href: format!("/admin/records/{id}/"), text: id.to_string() }
    }

    pub(crate) fn user(id: UserId, name: String) -> Self {
        Self::Link { href: format!("/admin/users/{id}/"), text: name }
    }

    /// What somebody has written on a record, if the glass is broken.
    pub(crate) fn behind_glass(opened: Option<String>, record: Option<RecordId>) -> Self {
        match opened {
            Some(text) => Self::Opened(text),
            None => Self::Hidden { href: record.map(|id| format!("/admin/records/{id}/#glass")) },
        }
    }
}

/// A field of the form above a list.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) value: String,
    /// What can be chosen, where not everything can be typed: values, and whether they are.
    pub(crate) choices: Vec<(&'static str, bool)>,
}

impl Field {
    pub(crate) fn typed(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self { name, label, value: value.into(), choices: Vec::new() }
    }

    pub(crate) fn created(value: Option<Created>) -> Self {
        Self::typed(
            CREATED,
            "Created (year, month or day)",
            value.map(|created| created.to_string()).unwrap_or_default(),
        )
    }

    pub(crate) fn chosen(
        name: &'static str,
        label: &'static str,
        all: impl Iterator<Item = &'static str>,
        value: Option<&str>,
    ) -> Self {
        let choices = all.map(|choice| (choice, value == Some(choice))).collect();
        Self { name, label, value: value.unwrap_or_default().to_owned(), choices }
    }
}

/// A link with its text.
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) text: String,
}

/// The page of a list.
#[derive(Template)]
#[template(path = "records/list.html")]
pub(crate) struct Page {
    pub(crate) frame: Frame,
    pub(crate) list: Listing,
}

/// A list as its page shows it.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) title: &'static str,
    pub(crate) path: &'static str,
    /// What a search finds, and what it cannot.
    pub(crate) help: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(crate) columns: &'static [&'static str],
    /// In which order the entries are.
    pub(crate) order: &'static str,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Whether entries are left out by what keys do not know.
    pub(crate) filtered: bool,
    pub(crate) next: Option<String>,
    pub(crate) created: Option<Created>,
    /// Whom a search has found: whose things are shown, or who may be meant.
    pub(crate) found: Vec<Link>,
    /// What was searched for and was not found.
    pub(crate) missing: bool,
}

impl Listing {
    /// What follows from what was asked for; people who may be meant are offered.
    pub(crate) fn of(
        asked: &Asked,
        whose: &Whose,
        people: &HashMap<UserId, Account>,
        next: Option<String>,
    ) -> Self {
        let side = asked.whose.as_ref().map_or("", |(side, ..)| *side);
        let found: Vec<Link> = match whose {
            Whose::Everybody => Vec::new(),
            Whose::Of(_, user) => {
                vec![Link { href: format!("/admin/users/{user}/"), text: called(people, *user) }]
            }
            Whose::OneOf(users) => {
                let known = users.iter().filter_map(|id| people.get(id));
                known
                    .map(|it| Link {
                        href: format!("?{side}={}", it.id),
                        text: format!(
                            "{} <{}>, {}",
                            short(&it.full_name(), BEGINNING),
                            it.email.as_str(),
                            it.role
                        ),
                    })
                    .collect()
            }
        };
        let missing = matches!(whose, Whose::OneOf(_)) && found.is_empty();
        Self {
            order: NEWEST_FIRST,
            next,
            created: asked.created,
            found,
            missing,
            ..Self::default()
        }
    }

    /// The link that shows the list of a period, or of all, with the other filters kept.
    fn href(&self, created: Option<Created>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for field in
            self.fields.iter().filter(|field| !field.value.is_empty() && field.name != CREATED)
        {
            query.append_pair(field.name, &field.value);
        }
        if let Some(created) = created {
            query.append_pair(CREATED, &created.to_string());
        }
        format!("{}?{}", self.path, query.finish())
    }

    fn link(&self, created: Created) -> Link {
        Link { href: self.href(Some(created)), text: created.to_string() }
    }

    /// The period that is shown and what it is part of.
    fn trail(&self) -> Vec<Link> {
        self.created
            .map(Created::trail)
            .unwrap_or_default()
            .into_iter()
            .map(|created| self.link(created))
            .collect()
    }

    /// What the period can be narrowed to.
    fn parts(&self) -> Vec<Link> {
        Created::parts(self.created, clock::now())
            .into_iter()
            .map(|created| self.link(created))
            .collect()
    }
}

const CREATED: &str = "created";
const NEWEST_FIRST: &str = "newest first";
