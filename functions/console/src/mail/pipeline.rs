//! The mail pipeline: what waits in the queues, which orders for mails were set aside and why, and
//! another try of them.
//!
//! Orders are put back one by one, by receiving, sending and deleting them: SQS itself moves only
//! all of a queue at once. That an order is there twice for a moment does no harm, because the
//! mailer sends for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::account::Account;
use domain::audit::{Action, AuditEvent};
use domain::id::UserId;
use domain::mail::{Delivery, Mail, MailFailure, MailMessage, MailState};
use domain::problem::Code;
use domain::rate::LimitedAction;
use futures_util::future::{join_all, try_join_all};
use http_api::caller::Caller;
use http_api::problem::{Limit, Problem};
use jiff::Timestamp;
use runtime::queue::{Depth, Message, Queue, QueueError};
use runtime::{clock, config};
use store::staff::mail::{Mailed, ResendMailError};

use crate::App;

/// The queues, and how much may be sent again.
#[derive(Clone)]
pub(crate) struct Pipeline(Arc<Queues>);

struct Queues {
    mails: Queue,
    dead_mails: Queue,
    /// Each with its name for people and programs.
    all: [(&'static str, Queue); 5],
    mails_per_day: u64,
}

/// The name of the queue of orders that were set aside.
pub(crate) const DEAD_MAILS: &str = "mail_dead_letters";

/// So many orders are listed, and no more are put back at once.
pub(crate) const MOST_LETTERS: usize = 25;

/// For so long nobody else sees the orders that are being listed or put back; longer than a request
/// can take. A lister puts them back at once, so that who looks at the same moment misses some for
/// hardly longer than that.
const HIDDEN: Duration = Duration::from_secs(15);

/// So many orders a request looks through for those that it is to put back ...
const MOST_LOOKED_AT: usize = 500;

/// ... and for so long: the rest of the function's ten seconds is for what it does with them.
const LOOKING: Duration = Duration::from_secs(4);

/// An order that was set aside, and what is known of its mail.
pub(crate) struct DeadLetter {
    message: Message,
    /// The order; none when the message is something else.
    pub(crate) order: Option<MailMessage>,
    /// What was to be mailed, while it is there.
    pub(crate) found: Option<Found>,
}

/// What is to be mailed, or was.
pub(crate) struct Found {
    /// To whom.
    pub(crate) user_id: UserId,
    /// The type of a notification, or the kind of a mail without one.
    pub(crate) about: &'static str,
    /// How far it is.
    pub(crate) delivery: Delivery,
    /// The account of the one it goes to, if there is one.
    account: Option<Account>,
    /// The mail when it is about no notification.
    mail: Option<Mail>,
}

impl Found {
    fn is_active(&self) -> bool {
        self.account.as_ref().is_some_and(|account| account.is_active)
    }

    fn is_needed(&self) -> bool {
        self.mail
            .as_ref()
            .zip(self.account.as_ref())
            .is_none_or(|(mail, account)| mail.is_still_needed_by(account))
    }
}

/// What can be done about an order that was set aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    /// Put it back: the mail was surely not sent.
    PutBack,
    /// Have the mail sent again if that is wanted: perhaps it was sent.
    SendAgain,
    /// Wait: it may be under way at the moment.
    Wait,
    /// Activate the one it is for, then have it sent again: perhaps it was sent.
    Activate,
    /// Put it back to be rid of it: there is nothing to be sent any more.
    Drop,
    /// Nothing: it is no order.
    Nothing,
}

impl DeadLetter {
    /// The id under which the queue knows it.
    pub(crate) fn id(&self) -> &str {
        &self.message.id
    }

    /// When the order was given.
    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        self.message.sent_at
    }

    /// What can be done about it.
    pub(crate) fn resolution(&self, now: Timestamp) -> Resolution {
        match (&self.order, &self.found) {
            (None, _) => Resolution::Nothing,
            (Some(_), None) => Resolution::Drop,
            (Some(_), Some(found)) => match found.delivery.mail_state {
                Some(MailState::Sending) if !found.delivery.is_interrupted(now) => Resolution::Wait,
                _ if !found.is_needed() => Resolution::Drop,
                None | Some(MailState::Failed | MailState::ResendRequested) => Resolution::PutBack,
                Some(MailState::Sending | MailState::InDoubt) if !found.is_active() => {
                    Resolution::Activate
                }
                Some(MailState::Sending | MailState::InDoubt) => Resolution::SendAgain,
                Some(MailState::Sent) => Resolution::Drop,
            },
        }
    }

    /// Why it was set aside, as a stable code.
    pub(crate) fn reason(&self, now: Timestamp) -> &'static str {
        match (&self.order, &self.found) {
            (None, _) => "no_order",
            (Some(_), None) => "gone",
            (Some(_), Some(found @ Found { delivery, .. })) => {
                match (delivery.failure(now), delivery.mail_state) {
                    (_, Some(MailState::Sent)) => "sent",
                    (_, Some(MailState::Sending)) if !delivery.is_interrupted(now) => "under_way",
                    _ if !found.is_needed() => MailFailure::NotNeeded.as_str(),
                    (Some(failure), _) => failure.as_str(),
                    (None, Some(MailState::InDoubt)) => MailFailure::Interrupted.as_str(),
                    (None, _) => "not_noted",
                }
            }
        }
    }
}

/// What came of putting orders back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Redriven {
    /// So many were put back.
    pub(crate) put_back: usize,
    /// So many were left, because putting them back would do nothing.
    pub(crate) left: usize,
}

impl Pipeline {
    /// The queues of the configuration.
    pub(crate) fn new(sqs: &aws_sdk_sqs::Client, config: config::Pipeline) -> Self {
        let queue = |url: String| Queue::new(sqs.clone(), url);
        let (mails, dead_mails) =
            (queue(config.mail_queue_url), queue(config.mail_dead_letter_queue_url));
        let all = [
            ("mail", mails.clone()),
            (DEAD_MAILS, dead_mails.clone()),
            ("upload", queue(config.upload_queue_url)),
            ("upload_dead_letters", queue(config.upload_dead_letter_queue_url)),
            ("stream_failures", queue(config.stream_failure_queue_url)),
        ];
        Self(Arc::new(Queues { mails, dead_mails, all, mails_per_day: config.mails_per_day }))
    }

    /// How much is in each queue, by its name.
    ///
    /// # Errors
    /// 503 when SQS does not answer.
    pub(crate) async fn depths(&self) -> Result<Vec<(&'static str, Depth)>, Problem> {
        let depths =
            self.0.all.iter().map(|(name, queue)| async move { Ok((*name, queue.depth().await?)) });
        try_join_all(depths).await.map_err(unavailable)
    }

    fn look_through(&self) -> Looking<'_> {
        Looking { queue: &self.0.dead_mails, begun: Instant::now(), seen: 0, is_over: false }
    }

    /// What is not put back comes back by itself, a little later.
    async fn put_back(&self, messages: impl IntoIterator<Item = &Message>) {
        let messages: Vec<&Message> = messages.into_iter().collect();
        for some in messages.chunks(MOST_LETTERS) {
            for done in
                join_all(some.iter().map(|message| self.0.dead_mails.put_back(message))).await
            {
                if let Err(error) = done {
                    tracing::warn!(
                        error = runtime::serve::sentence(&error),
                        "an order that was looked at stays hidden for a moment"
                    );
                }
            }
        }
    }
}

/// A walk through the orders that were set aside. What it has come by stays hidden, so that it goes
/// on to others.
struct Looking<'a> {
    queue: &'a Queue,
    begun: Instant,
    seen: usize,
    is_over: bool,
}

impl Looking<'_> {
    /// The next orders, up to [`MOST_LETTERS`]; none when there are no more, or it was looked for
    /// long enough.
    async fn next(&mut self) -> Result<Option<Vec<Message>>, Problem> {
        if self.is_over || self.seen >= MOST_LOOKED_AT || self.begun.elapsed() >= LOOKING {
            return Ok(None);
        }
        let messages = self.queue.take(MOST_LETTERS, HIDDEN).await.map_err(unavailable)?;
        self.seen += messages.len();
        self.is_over = messages.len() < MOST_LETTERS;
        Ok(Some(messages))
    }
}

fn unavailable(error: QueueError) -> Problem {
    Problem::unavailable_because(error)
}

fn order_in(message: &Message) -> Option<MailMessage> {
    serde_json::from_str(&message.body).ok()
}

/// What an order is about, while that is there.
pub(crate) async fn find(app: &App, order: MailMessage) -> Result<Option<Found>, store::Error> {
    let found = match order {
        MailMessage::Notification { recipient_id, notification_id } => {
            app.store.get_notification_delivery(recipient_id, notification_id).await?.map(
                |Mailed { what, delivery }| Found {
                    user_id: recipient_id,
                    about: what.notification_type.as_str(),
                    delivery,
                    account: None,
                    mail: None,
                },
            )
        }
        MailMessage::Mail { mail_id } => {
            app.store.get_mail_delivery(mail_id).await?.map(|Mailed { what, delivery }| Found {
                user_id: what.user_id,
                about: what.kind.as_str(),
                delivery,
                account: None,
                mail: Some(what),
            })
        }
    };
    let Some(found) = found else { return Ok(None) };
    Ok(Some(Found { account: app.store.get_account(found.user_id).await?, ..found }))
}

async fn letters(app: &App, messages: Vec<Message>) -> Result<Vec<DeadLetter>, store::Error> {
    let letters = messages.into_iter().map(|message| async move {
        let order = order_in(&message);
        let found = match order {
            Some(order) => find(app, order).await?,
            None => None,
        };
        Ok(DeadLetter { message, order, found })
    });
    try_join_all(letters).await
}

/// Orders that were set aside, the newest first as far as they are found; up to [`MOST_LETTERS`].
///
/// # Errors
/// 503 when SQS or the table does not answer.
pub(crate) async fn list_letters(app: &App) -> Result<Vec<DeadLetter>, Problem> {
    let messages = app.pipeline.look_through().next().await?.unwrap_or_default();
    app.pipeline.put_back(&messages).await;
    let mut letters = letters(app, messages).await?;
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.sent_at()));
    Ok(letters)
}

/// Puts the order with an id back into the queue of mails, or all that are found, up to
/// [`MOST_LETTERS`]; each with its event, which is written before. What is behind many others may
/// not be found: see [`MOST_LOOKED_AT`].
///
/// # Errors
/// 503 when SQS or the table does not answer: some may have been put back.
pub(crate) async fn redrive(
    app: &App,
    caller: &Caller,
    id: Option<&str>,
) -> Result<Redriven, Problem> {
    let (mut able, mut unable, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut looking = app.pipeline.look_through();
    while let Some(messages) = looking.next().await? {
        let (chosen, rest): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| id.is_none_or(|id| message.id == id));
        others.extend(rest);
        for letter in letters(app, chosen).await? {
            let is_able =
                matches!(letter.resolution(clock::now()), Resolution::PutBack | Resolution::Drop);
            if is_able { &mut able } else { &mut unable }.push(letter);
        }
        if able.len() >= MOST_LETTERS || (id.is_some() && !(able.is_empty() && unable.is_empty())) {
            break;
        }
    }
    others.extend(
        able.split_off(able.len().min(MOST_LETTERS)).into_iter().map(|letter| letter.message),
    );
    app.pipeline.put_back(unable.iter().map(|letter| &letter.message).chain(&others)).await;
    try_join_all(able.iter().map(|letter| redrive_letter(app, caller, letter))).await?;
    Ok(Redriven { put_back: able.len(), left: unable.len() })
}

async fn redrive_letter(app: &App, caller: &Caller, letter: &DeadLetter) -> Result<(), Problem> {
    let user_id = letter.found.as_ref().map_or(caller.account.id, |found| found.user_id);
    let event = AuditEvent {
        before: Some(letter.reason(clock::now()).to_owned()),
        after: Some("queued".to_owned()),
        ..caller.audit(Action::RedriveMail, user_id, None)
    };
    app.store.create_events(&[event]).await?;
    app.pipeline.0.mails.send(letter.message.body.as_str()).await.map_err(unavailable)?;
    app.pipeline.0.dead_mails.delete(&letter.message).await.map_err(unavailable)
}

/// Has a mail sent again whose sending is over, however it ended, or was interrupted; answers to
/// whom. The stream brings the order to the queue; one that was set aside is not needed any more.
///
/// # Errors
/// 404 when there is nothing to be mailed or nobody to mail it to, 409 when its sending is not
/// over, the user is not active or what it asks for was done, 429 when the address has had too many
/// today.
pub(crate) async fn resend(
    app: &App,
    caller: &Caller,
    order: MailMessage,
) -> Result<UserId, Problem> {
    let found = find(app, order).await?.ok_or_else(Problem::not_found)?;
    let is_needed = found.is_needed();
    let Found { user_id, delivery, account, mail, .. } = found;
    let now = clock::now();
    let Some(state) = delivery.mail_state.filter(|_| delivery.can_be_resent(now)) else {
        return Err(not_over());
    };
    let account = account.ok_or_else(Problem::not_found)?;
    if !account.is_active {
        return Err(Problem::conflict(
            Code::Inactive,
            "The user is not active: activate the user first.",
        ));
    }
    if !is_needed {
        return Err(Problem::conflict(
            Code::MailNotNeeded,
            "What the mail asks for was done, or the user has another password or address since: \
             it is not needed any more.",
        ));
    }
    let most = app.pipeline.0.mails_per_day;
    let limit = Limit::of_a_day(LimitedAction::Mails, most);
    let address = mail.and_then(|mail| mail.address).unwrap_or(account.email);
    let event = AuditEvent {
        reason: delivery.failure(now).map(|failure| failure.to_string()),
        before: Some(state.to_string()),
        after: Some(MailState::ResendRequested.to_string()),
        ..caller.audit(Action::ResendMail, user_id, None)
    };
    app.store.resend_mail(order, &address.normalized(), most, &event, now).await.map_err(
        |error| match error {
            ResendMailError::InProgress => not_over(),
            ResendMailError::Locked(locked) => Problem::too_many_requests(&limit, locked, now),
            ResendMailError::Store(error) => error.into(),
        },
    )?;
    if state != MailState::Sent {
        forget(app, order).await?;
    }
    Ok(user_id)
}

/// Deletes an order that was set aside and is not needed any more, if it is found. See
/// [`MOST_LOOKED_AT`].
async fn forget(app: &App, order: MailMessage) -> Result<(), Problem> {
    let (mut needless, mut others) = (Vec::new(), Vec::new());
    let mut looking = app.pipeline.look_through();
    while needless.is_empty()
        && let Some(messages) = looking.next().await?
    {
        for message in messages {
            if order_in(&message) == Some(order) { &mut needless } else { &mut others }
                .push(message);
        }
    }
    app.pipeline.put_back(&others).await;
    try_join_all(needless.iter().map(|message| app.pipeline.0.dead_mails.delete(message)))
        .await
        .map_err(unavailable)?;
    Ok(())
}

fn not_over() -> Problem {
    Problem::conflict(
        Code::MailUnderWay,
        "The mail is on its way, or waits for it: see what becomes of it first.",
    )
}
