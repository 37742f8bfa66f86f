//! The mail pipeline: the depths of the queues, the dead letters of the mail queue and why they are
//! there, and how mails are retried.
//!
//! Dead letters are redriven one by one, by receiving, sending and deleting them: SQS itself moves
//! only a whole queue. An order that is in both queues for a moment does no harm, because the
//! mailer sends one mail for it.

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
use runtime::queue::{Depth, MailQueues, Message, Queue, QueueError};
use runtime::{clock, config};
use store::Store;
use store::staff::mail::{Mailed, ResendMailError};

/// The queues and the mails of the table.
#[derive(Clone)]
pub(crate) struct Pipeline {
    queues: Arc<PipelineQueues>,
    store: Store,
}

struct PipelineQueues {
    mails: MailQueues,
    dead_letters: Queue,
    /// All queues by name.
    all: [(&'static str, Queue); 6],
    mails_per_day: u64,
}

/// The name of the dead-letter queue of mails.
pub(crate) const MAIL_DEAD_LETTERS: &str = "mail_dead_letters";

/// How many dead letters are listed, and how many are redriven at once, at most.
pub(crate) const MAX_DEAD_LETTERS: usize = 25;

/// How long received dead letters are hidden from other requests: longer than a request can take.
/// Listing makes them visible again at once.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(15);

/// How many dead letters a request receives at most to find those that it needs.
const MAX_SCANNED: usize = 500;

/// How long such a scan takes at most. The rest of the function's ten seconds is for its results.
const MAX_SCAN_TIME: Duration = Duration::from_secs(4);

/// A message of the dead-letter queue of mails, and what is known of its mail.
pub(crate) struct DeadLetter {
    message: Message,
    /// The order, `None` if the message is something else.
    pub(crate) order: Option<MailMessage>,
    /// The mail that was ordered, while it is in the table.
    pub(crate) mail: Option<OrderedMail>,
}

/// A mail that was ordered, about a notification or the account.
pub(crate) struct OrderedMail {
    /// The recipient.
    pub(crate) user_id: UserId,
    /// The type of the notification, or the kind of the mail.
    pub(crate) topic: &'static str,
    pub(crate) delivery: Delivery,
    /// The recipient's account, if it exists.
    account: Option<Account>,
    /// The mail, unless it is about a notification.
    mail: Option<Mail>,
}

impl OrderedMail {
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

/// How a dead letter can be resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    /// Redrive it: the mail was not sent.
    Redrive,
    /// Resend the mail if staff want to: it may have been sent.
    Resend,
    /// Wait: it may be in progress.
    Wait,
    /// Activate the recipient, then resend the mail: it may have been sent.
    Activate,
    /// Redrive it so that the mailer discards it: there is nothing to send any more.
    Discard,
    /// Nothing: it is not an order.
    Nothing,
}

impl DeadLetter {
    /// Returns the id of the message.
    pub(crate) fn id(&self) -> &str {
        &self.message.id
    }

    /// Returns the time at which the message was sent.
    pub(crate) fn sent_at(&self) -> Option<Timestamp> {
        self.message.sent_at
    }

    /// Returns how it can be resolved.
    pub(crate) fn resolution(&self, now: Timestamp) -> Resolution {
        match (&self.order, &self.mail) {
            (None, _) => Resolution::Nothing,
            (Some(_), None) => Resolution::Discard,
            (Some(_), Some(mail)) => match mail.delivery.mail_state {
                Some(MailState::Sending) if !mail.delivery.is_interrupted(now) => Resolution::Wait,
                _ if !mail.is_needed() => Resolution::Discard,
                None | Some(MailState::Failed | MailState::ResendRequested) => Resolution::Redrive,
                Some(MailState::Sending | MailState::InDoubt) if !mail.is_active() => {
                    Resolution::Activate
                }
                Some(MailState::Sending | MailState::InDoubt) => Resolution::Resend,
                Some(MailState::Sent) => Resolution::Discard,
            },
        }
    }

    /// Returns why it is there, as a stable code.
    pub(crate) fn reason(&self, now: Timestamp) -> &'static str {
        match (&self.order, &self.mail) {
            (None, _) => "no_order",
            (Some(_), None) => "gone",
            (Some(_), Some(mail @ OrderedMail { delivery, .. })) => {
                match (delivery.failure(now), delivery.mail_state) {
                    (_, Some(MailState::Sent)) => "sent",
                    (_, Some(MailState::Sending)) if !delivery.is_interrupted(now) => "under_way",
                    _ if !mail.is_needed() => MailFailure::NotNeeded.as_str(),
                    (Some(failure), _) => failure.as_str(),
                    (None, Some(MailState::InDoubt)) => MailFailure::Interrupted.as_str(),
                    (None, _) => "not_noted",
                }
            }
        }
    }
}

/// How many dead letters were redriven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RedriveOutcome {
    pub(crate) redriven: usize,
    /// Those that stay, because redriving does not resolve them.
    pub(crate) left: usize,
}

impl Pipeline {
    /// Makes the pipeline with the queues of the configuration.
    pub(crate) fn new(sqs: &aws_sdk_sqs::Client, config: config::Pipeline, store: Store) -> Self {
        let queue = |url: String| Queue::new(sqs.clone(), url);
        let mails = MailQueues::new(sqs, config.mail_queue_url, config.account_mail_queue_url);
        let [notifications, accounts] = mails.all();
        let dead_letters = queue(config.mail_dead_letter_queue_url);
        let all = [
            ("mail", notifications.clone()),
            ("account_mail", accounts.clone()),
            (MAIL_DEAD_LETTERS, dead_letters.clone()),
            ("upload", queue(config.upload_queue_url)),
            ("upload_dead_letters", queue(config.upload_dead_letter_queue_url)),
            ("stream_failures", queue(config.stream_failure_queue_url)),
        ];
        let mails_per_day = config.mails_per_day;
        Self { queues: Arc::new(PipelineQueues { mails, dead_letters, all, mails_per_day }), store }
    }

    /// Returns the depth of each queue, by name.
    ///
    /// # Errors
    /// 503 when SQS does not respond.
    pub(crate) async fn depths(&self) -> Result<Vec<(&'static str, Depth)>, Problem> {
        let queues = self.queues.all.iter();
        let depths = queues.map(|(name, queue)| async move { Ok((*name, queue.depth().await?)) });
        try_join_all(depths).await.map_err(unavailable)
    }

    /// Lists dead letters, the newest first as far as they are found, up to [`MAX_DEAD_LETTERS`].
    ///
    /// # Errors
    /// 503 when SQS or the table does not respond.
    pub(crate) async fn list_dead_letters(&self) -> Result<Vec<DeadLetter>, Problem> {
        let messages = self.scan().next().await?.unwrap_or_default();
        self.release(&messages).await;
        let mut dead_letters = self.read_dead_letters(messages).await?;
        dead_letters.sort_by_key(|dead_letter| std::cmp::Reverse(dead_letter.sent_at()));
        Ok(dead_letters)
    }

    /// Redrives the dead letter with an id, or all that are found, up to [`MAX_DEAD_LETTERS`]. Each
    /// has an event, which is stored before. A dead letter behind many others may not be found: see
    /// [`MAX_SCANNED`].
    ///
    /// # Errors
    /// 503 when SQS or the table does not respond: some may have been redriven.
    pub(crate) async fn redrive(
        &self,
        caller: &Caller,
        id: Option<&str>,
    ) -> Result<RedriveOutcome, Problem> {
        let (mut resolvable, mut left, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut scan = self.scan();
        while let Some(messages) = scan.next().await? {
            let (chosen, rest): (Vec<_>, Vec<_>) =
                messages.into_iter().partition(|message| id.is_none_or(|id| message.id == id));
            others.extend(rest);
            for dead_letter in self.read_dead_letters(chosen).await? {
                let resolution = dead_letter.resolution(clock::now());
                let is_resolvable = matches!(resolution, Resolution::Redrive | Resolution::Discard);
                if is_resolvable { &mut resolvable } else { &mut left }.push(dead_letter);
            }
            let is_found = id.is_some() && !(resolvable.is_empty() && left.is_empty());
            if is_found || resolvable.len() >= MAX_DEAD_LETTERS {
                break;
            }
        }
        let surplus = resolvable.split_off(resolvable.len().min(MAX_DEAD_LETTERS));
        others.extend(surplus.into_iter().map(|dead_letter| dead_letter.message));
        self.release(left.iter().map(|dead_letter| &dead_letter.message).chain(&others)).await;
        try_join_all(resolvable.iter().map(|dead_letter| self.redrive_one(caller, dead_letter)))
            .await?;
        Ok(RedriveOutcome { redriven: resolvable.len(), left: left.len() })
    }

    async fn redrive_one(&self, caller: &Caller, dead_letter: &DeadLetter) -> Result<(), Problem> {
        let Some(order) = dead_letter.order else { return Ok(()) };
        let user_id = dead_letter.mail.as_ref().map_or(caller.account.id, |mail| mail.user_id);
        let event = AuditEvent {
            before: Some(dead_letter.reason(clock::now()).to_owned()),
            after: Some("queued".to_owned()),
            ..caller.audit(Action::RedriveMail, user_id, None)
        };
        self.store.create_events(&[event]).await?;
        let queue = self.queues.mails.of(order);
        queue.send(dead_letter.message.body.as_str()).await.map_err(unavailable)?;
        self.queues.dead_letters.delete(&dead_letter.message).await.map_err(unavailable)
    }

    /// Resends a mail that ended, was interrupted, or has waited for an hour; returns the
    /// recipient. The stream brings the order to the queue, unless it waits: its state does not
    /// change then, so it is queued here. A dead letter of it is deleted.
    ///
    /// # Errors
    /// 404 when there is no mail or no recipient, 409 when its sending is not over, the recipient
    /// is not active or the mail is not needed any more, 429 when the address has had too many
    /// today.
    pub(crate) async fn resend(
        &self,
        caller: &Caller,
        order: MailMessage,
    ) -> Result<UserId, Problem> {
        let ordered = self.get_ordered_mail(order).await?.ok_or_else(Problem::not_found)?;
        let is_needed = ordered.is_needed();
        let OrderedMail { user_id, delivery, account, mail, .. } = ordered;
        let now = clock::now();
        let requested_at = mail.as_ref().map_or(order.requested_at(), Mail::requested_at);
        if !delivery.can_be_resent(requested_at, now) {
            return Err(under_way());
        }
        let account = account.ok_or_else(Problem::not_found)?;
        if !account.is_active {
            return Err(staff::user_inactive());
        }
        if !is_needed {
            return Err(Problem::conflict(
                Code::MailNotNeeded,
                "The mail is no longer needed: its request was completed, or the password or \
                 address has changed since.",
            ));
        }
        let most = self.queues.mails_per_day;
        let limit = Limit::of_a_day(LimitedAction::Mails, most);
        let address = mail.and_then(|mail| mail.address).unwrap_or(account.email);
        let event = AuditEvent {
            reason: delivery.failure(now).map(|failure| failure.to_string()),
            before: Some(state_word(delivery.mail_state).to_owned()),
            after: Some(MailState::ResendRequested.to_string()),
            ..caller.audit(Action::ResendMail, user_id, None)
        };
        let address = address.normalized();
        let is_overdue = delivery.is_overdue(requested_at, now);
        let resent = if is_overdue {
            self.store.note_resent_order(order, &address, most, &event, now).await
        } else {
            self.store.resend_mail(order, &address, most, &event, now).await
        };
        resent.map_err(|error| match error {
            ResendMailError::UnderWay => under_way(),
            ResendMailError::LimitReached(locked) => {
                Problem::too_many_requests(&limit, locked, now)
            }
            ResendMailError::Store(error) => error.into(),
        })?;
        if is_overdue {
            let body = serde_json::to_string(&order).map_err(Problem::internal)?;
            self.queues.mails.of(order).send(body).await.map_err(unavailable)?;
        }
        if delivery.mail_state != Some(MailState::Sent) {
            self.delete_dead_letters(order).await?;
        }
        Ok(user_id)
    }

    /// Deletes the dead letter of an order, if it is found: see [`MAX_SCANNED`].
    async fn delete_dead_letters(&self, order: MailMessage) -> Result<(), Problem> {
        let (mut of_order, mut others) = (Vec::new(), Vec::new());
        let mut scan = self.scan();
        while of_order.is_empty()
            && let Some(messages) = scan.next().await?
        {
            for message in messages {
                let is_of_order = parse_order(&message) == Some(order);
                if is_of_order { &mut of_order } else { &mut others }.push(message);
            }
        }
        self.release(&others).await;
        let deletions = of_order.iter().map(|message| self.queues.dead_letters.delete(message));
        try_join_all(deletions).await.map_err(unavailable)?;
        Ok(())
    }

    /// Reads the mail of an order, while it is in the table.
    async fn get_ordered_mail(
        &self,
        order: MailMessage,
    ) -> Result<Option<OrderedMail>, store::Error> {
        let store = &self.store;
        let ordered = match order {
            MailMessage::Notification { recipient_id, notification_id } => {
                let delivery = store.get_notification_delivery(recipient_id, notification_id);
                let mailed = delivery.await?.filter(|it| it.what.notification_type.is_mailed());
                mailed.map(|Mailed { what, delivery }| OrderedMail {
                    user_id: recipient_id,
                    topic: what.notification_type.as_str(),
                    delivery,
                    account: None,
                    mail: None,
                })
            }
            MailMessage::Mail { mail_id } => {
                let delivery = store.get_mail_delivery(mail_id);
                delivery.await?.map(|Mailed { what, delivery }| OrderedMail {
                    user_id: what.user_id,
                    topic: what.kind.as_str(),
                    delivery,
                    account: None,
                    mail: Some(what),
                })
            }
        };
        let Some(ordered) = ordered else { return Ok(None) };
        Ok(Some(OrderedMail { account: store.get_account(ordered.user_id).await?, ..ordered }))
    }

    async fn read_dead_letters(
        &self,
        messages: Vec<Message>,
    ) -> Result<Vec<DeadLetter>, store::Error> {
        let dead_letters = messages.into_iter().map(|message| async move {
            let order = parse_order(&message);
            let mail = match order {
                Some(order) => self.get_ordered_mail(order).await?,
                None => None,
            };
            Ok(DeadLetter { message, order, mail })
        });
        try_join_all(dead_letters).await
    }

    fn scan(&self) -> DeadLetterScan<'_> {
        let queue = &self.queues.dead_letters;
        DeadLetterScan { queue, begun: Instant::now(), seen: 0, is_over: false }
    }

    /// Makes messages visible to others again. After a failure they become visible by themselves, a
    /// little later.
    async fn release(&self, messages: impl IntoIterator<Item = &Message>) {
        let messages: Vec<&Message> = messages.into_iter().collect();
        for some in messages.chunks(MAX_DEAD_LETTERS) {
            let releases = some.iter().map(|message| self.queues.dead_letters.put_back(message));
            for released in join_all(releases).await {
                if let Err(error) = released {
                    tracing::warn!(
                        error = runtime::serve::sentence(&error),
                        "a dead letter stays hidden until its visibility timeout"
                    );
                }
            }
        }
    }
}

/// A walk through the dead letters. Those that it has received stay hidden, so that it proceeds to
/// others.
struct DeadLetterScan<'a> {
    queue: &'a Queue,
    begun: Instant,
    seen: usize,
    is_over: bool,
}

impl DeadLetterScan<'_> {
    /// Receives the next dead letters, up to [`MAX_DEAD_LETTERS`]; `None` when there are no more or
    /// the scan has reached its limits.
    async fn next(&mut self) -> Result<Option<Vec<Message>>, Problem> {
        if self.is_over || self.seen >= MAX_SCANNED || self.begun.elapsed() >= MAX_SCAN_TIME {
            return Ok(None);
        }
        let messages =
            self.queue.take(MAX_DEAD_LETTERS, VISIBILITY_TIMEOUT).await.map_err(unavailable)?;
        self.seen += messages.len();
        self.is_over = messages.len() < MAX_DEAD_LETTERS;
        Ok(Some(messages))
    }
}

fn unavailable(error: QueueError) -> Problem {
    Problem::unavailable_because(error)
}

fn parse_order(message: &Message) -> Option<MailMessage> {
    serde_json::from_str(&message.body).ok()
}

/// Returns the word for a state, also for that of a mail that waits.
pub(crate) fn state_word(state: Option<MailState>) -> &'static str {
    state.map_or("waiting", MailState::as_str)
}

fn under_way() -> Problem {
    Problem::conflict(
        Code::MailUnderWay,
        "The mail is being sent or waits to be sent. Try again when its state is known.",
    )
}
