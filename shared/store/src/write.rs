//! Transactions, conditional writes and batches of deletions, with their retries.
//!
//! The SDK sends a request again when the connection is cut, also after the table has acted: a
//! conditional write can meet its own first attempt. Transactions carry a client token, under which
//! the table answers a repetition as it answered the first (for ten minutes); conditional puts
//! carry the id of the operation, which is compared with the stored one; updates are written so
//! that repeating them does no harm, or compared by their caller.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, DeleteRequest, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, WriteRequest,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::audit::AuditEvent;
use futures_util::future::try_join_all;
use uuid::Uuid;

use crate::Store;
use crate::error::{Error, classify};
use crate::item::{self, Item, text};
use crate::keys::Key;

/// What a request that meets another one on the same item does: so many tries in all ...
const TRIES: usize = 3;
/// ... so many milliseconds apart.
const CONFLICT_PAUSE: std::ops::Range<u64> = 20..100;

/// How often a batch is sent, each time with what was left unprocessed before.
pub(crate) const BATCH_TRIES: u32 = 5;

/// How many keys one BatchWriteItem takes.
const MAX_BATCH_WRITE: usize = 25;

/// A value of an expression.
pub(crate) type Value = (&'static str, AttributeValue);

pub(crate) fn string(name: &'static str, value: impl ToString) -> Value {
    (name, AttributeValue::S(value.to_string()))
}

pub(crate) fn number(name: &'static str, value: impl Into<u64>) -> Value {
    (name, AttributeValue::N(value.into().to_string()))
}

pub(crate) fn flag(name: &'static str, value: bool) -> Value {
    (name, AttributeValue::Bool(value))
}

/// One action of a transaction.
pub(crate) struct Step<E> {
    action: Action,
    rule: Option<(&'static str, E)>,
    values: Vec<Value>,
}

enum Action {
    Put(Item),
    Delete(Key),
    Check(Key),
    Update(Key, &'static str),
}

impl<E> Step<E> {
    pub(crate) fn put(item: Item) -> Self {
        Self::new(Action::Put(item))
    }

    /// Puts an event of the audit trail, which never takes another one's place.
    pub(crate) fn audit(event: &AuditEvent) -> Result<Self, Error>
    where
        E: From<Error>,
    {
        Ok(Self::put(item::audit_event(event)?)
            .only_if(IS_NEW, there_is_one("TransactWriteItems").into()))
    }

    pub(crate) fn delete(key: Key) -> Self {
        Self::new(Action::Delete(key))
    }

    /// Writes nothing; makes the transaction depend on the item.
    pub(crate) fn check(key: Key) -> Self {
        Self::new(Action::Check(key))
    }

    pub(crate) fn update(key: Key, expression: &'static str) -> Self {
        Self::new(Action::Update(key, expression))
    }

    fn new(action: Action) -> Self {
        Self { action, rule: None, values: Vec::new() }
    }

    /// The condition under which the transaction happens, and the error when it does not hold.
    pub(crate) fn only_if(mut self, condition: &'static str, otherwise: E) -> Self {
        self.rule = Some((condition, otherwise));
        self
    }

    /// Values that the expressions of this step name.
    pub(crate) fn with(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.values.extend(values);
        self
    }

    fn build(self, store: &Store) -> Result<(TransactWriteItem, Option<E>), Error> {
        let table = &store.table;
        let (condition, otherwise) = self.rule.unzip();
        let condition = condition.map(str::to_owned);
        let values = (!self.values.is_empty()).then(|| values(self.values));
        let item = TransactWriteItem::builder();
        let built = match self.action {
            Action::Put(put) => Put::builder()
                .table_name(table)
                .set_item(Some(store.prove(put)?))
                .set_condition_expression(condition)
                .set_expression_attribute_values(values)
                .build()
                .map(|put| item.put(put)),
            Action::Delete(key) => Delete::builder()
                .table_name(table)
                .set_key(Some(key.into_attributes()))
                .set_condition_expression(condition)
                .set_expression_attribute_values(values)
                .build()
                .map(|delete| item.delete(delete)),
            Action::Check(key) => ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(key.into_attributes()))
                .set_condition_expression(condition)
                .set_expression_attribute_values(values)
                .build()
                .map(|check| item.condition_check(check)),
            Action::Update(key, expression) => Update::builder()
                .table_name(table)
                .set_key(Some(key.into_attributes()))
                .update_expression(expression)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names(expression))
                .set_expression_attribute_values(values)
                .build()
                .map(|update| item.update(update)),
        };
        built.map(|item| (item.build(), otherwise)).map_err(incomplete)
    }
}

fn values(values: impl IntoIterator<Item = Value>) -> Item {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Attributes whose names are reserved words of DynamoDB's expressions stand there behind a `#`.
pub(crate) fn names(expression: &str) -> Option<HashMap<String, String>> {
    let reserved = ["#status", "#ttl"].into_iter().filter(|name| expression.contains(name));
    let names: HashMap<String, String> =
        reserved.map(|name| (name.to_owned(), name.trim_start_matches('#').to_owned())).collect();
    (!names.is_empty()).then_some(names)
}

/// Holds where there is no item yet.
const IS_NEW: &str = "attribute_not_exists(pk)";

fn there_is_one(operation: &'static str) -> Error {
    Error::Refused(format!("{operation}: there is an event with this id already"))
}

pub(crate) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::Refused(error.to_string())
}

/// How a conditional put ended.
pub(crate) enum PutOutcome {
    /// The item is stored.
    Done,
    /// The condition did not hold for the stored item, or there is none.
    Refused(Option<Item>),
}

/// How a conditional update ended.
pub(crate) enum UpdateOutcome {
    /// The item as it is now.
    Done(Item),
    /// The condition did not hold for the stored item, or there is none.
    Refused(Option<Item>),
}

impl Store {
    /// Does all steps or none of them; of a store that keeps an answer, that too.
    ///
    /// # Errors
    /// The error of the first step whose condition does not hold.
    pub(crate) async fn commit<E: From<Error>>(&self, steps: Vec<Step<E>>) -> Result<(), E> {
        let kept = self.kept.iter().map(|kept| kept.step().build(self));
        let built: Result<Vec<_>, _> =
            kept.chain(steps.into_iter().map(|step| step.build(self))).collect();
        let (items, mut rules): (Vec<_>, Vec<_>) = built?.into_iter().unzip();
        // One token for all tries: when the first is still under way, a later one must not act a
        // second time.
        let token = operation_id();
        for left in (0..TRIES).rev() {
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .client_request_token(&token)
                .send()
                .await;
            let Err(error) = sent else { return Ok(()) };
            let retry = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    let reasons = canceled.cancellation_reasons();
                    let broken =
                        reasons.iter().position(|reason| code(reason) == "ConditionalCheckFailed");
                    if let Some(rule) =
                        broken.and_then(|index| rules.get_mut(index)).and_then(Option::take)
                    {
                        return Err(rule);
                    }
                    reasons.iter().all(|reason| PASSING_REASONS.contains(&code(reason)))
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => true,
                _ => false,
            };
            if !retry {
                return Err(canceled_for(&error)
                    .unwrap_or_else(|| classify("TransactWriteItems", &error))
                    .into());
            }
            if left > 0 {
                pause(CONFLICT_PAUSE).await;
            }
        }
        Err(Error::Unavailable("TransactWriteItems: the items are in use".to_owned()).into())
    }

    /// Writes an item.
    pub(crate) async fn put(&self, item: Item) -> Result<(), Error> {
        let request =
            self.client.put_item().table_name(&self.table).set_item(Some(self.prove(item)?));
        let sent = unless_in_use(|| request.clone().send()).await;
        sent.map(drop).map_err(|error| classify("PutItem", &error))
    }

    /// Writes an item of which there must be none yet, such as an event of the audit trail.
    pub(crate) async fn put_new(&self, item: Item) -> Result<(), Error> {
        let item = self.prove(item)?;
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()))
            .condition_expression(IS_NEW)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match unless_in_use(|| request.clone().send()).await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                match failure.into_err() {
                    // The SDK sent it twice, and the first one was carried out.
                    PutItemError::ConditionalCheckFailedException(failed)
                        if failed.item.as_ref() == Some(&item) =>
                    {
                        Ok(())
                    }
                    _ => Err(there_is_one("PutItem")),
                }
            }
            Err(error) => Err(classify("PutItem", &error)),
        }
    }

    /// Writes an item if a condition holds for the one that it replaces.
    pub(crate) async fn put_if(
        &self,
        mut item: Item,
        condition: &'static str,
        condition_values: impl IntoIterator<Item = Value>,
    ) -> Result<PutOutcome, Error> {
        let operation = operation_id();
        item.insert(OPERATION.to_owned(), AttributeValue::S(operation.clone()));
        let values = values(condition_values);
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names(condition))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match unless_in_use(|| request.clone().send()).await {
            Ok(_) => Ok(PutOutcome::Done),
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                let PutItemError::ConditionalCheckFailedException(failed) = failure.into_err()
                else {
                    return Ok(PutOutcome::Refused(None));
                };
                let ours = failed.item.as_ref().and_then(|stored| text(stored, OPERATION))
                    == Some(operation.as_str());
                Ok(if ours { PutOutcome::Done } else { PutOutcome::Refused(failed.item) })
            }
            Err(error) => Err(classify("PutItem", &error)),
        }
    }

    /// Changes an item if a condition holds for it.
    pub(crate) async fn update_if(
        &self,
        key: Key,
        expression: &str,
        condition: &str,
        expression_values: impl IntoIterator<Item = Value>,
    ) -> Result<UpdateOutcome, Error> {
        let values = values(expression_values);
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.into_attributes()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(names(expression))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match unless_in_use(|| request.clone().send()).await {
            Ok(updated) => Ok(UpdateOutcome::Done(updated.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                match failure.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(UpdateOutcome::Refused(failed.item))
                    }
                    _ => Ok(UpdateOutcome::Refused(None)),
                }
            }
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }

    /// Deletes an item, whether it is there or not.
    pub(crate) async fn delete(&self, key: Key) -> Result<(), Error> {
        let request =
            self.client.delete_item().table_name(&self.table).set_key(Some(key.into_attributes()));
        let sent = unless_in_use(|| request.clone().send()).await;
        sent.map(drop).map_err(|error| classify("DeleteItem", &error))
    }

    /// Deletes items, any number of them; no matter whether they are there.
    pub(crate) async fn delete_all(&self, keys: Vec<Item>) -> Result<(), Error> {
        try_join_all(keys.chunks(MAX_BATCH_WRITE).map(|chunk| self.delete_batch(chunk)))
            .await
            .map(drop)
    }

    async fn delete_batch(&self, keys: &[Item]) -> Result<(), Error> {
        let request = |key: &Item| {
            let delete =
                DeleteRequest::builder().set_key(Some(key.clone())).build().map_err(incomplete)?;
            Ok::<_, Error>(WriteRequest::builder().delete_request(delete).build())
        };
        let mut requests = keys.iter().map(request).collect::<Result<Vec<_>, _>>()?;
        for attempt in 0..BATCH_TRIES {
            back_off(attempt).await;
            let sent =
                self.client.batch_write_item().request_items(&self.table, requests).send().await;
            let response = sent.map_err(|error| classify("BatchWriteItem", &error))?;
            requests = response
                .unprocessed_items
                .and_then(|mut rest| rest.remove(&self.table))
                .unwrap_or_default();
            if requests.is_empty() {
                return Ok(());
            }
        }
        Err(Error::Unavailable("BatchWriteItem: items stay unprocessed".to_owned()))
    }
}

/// The attribute that holds the id of the operation that wrote an item.
const OPERATION: &str = "operation";

/// An id that no other operation has.
pub(crate) fn operation_id() -> String {
    Uuid::now_v7().to_string()
}

/// Reasons for which a canceled transaction can succeed when it is tried again (API reference of
/// TransactWriteItems).
const PASSING_REASONS: [&str; 4] =
    ["None", "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"];

fn code(reason: &CancellationReason) -> &str {
    reason.code().unwrap_or("None")
}

/// Says which reasons canceled a transaction that is not tried again.
fn canceled_for(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Option<Error> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) =
        error.as_service_error()?
    else {
        return None;
    };
    let codes: Vec<&str> = canceled.cancellation_reasons().iter().map(code).collect();
    Some(Error::Refused(format!("TransactWriteItems: {}", codes.join(", "))))
}

/// Sends a single write again while a transaction holds its item.
async fn unless_in_use<T, E, F>(send: impl Fn() -> F) -> Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    for _ in 1..TRIES {
        match send().await {
            Err(SdkError::ServiceError(failure))
                if failure.err().code() == Some("TransactionConflictException") =>
            {
                pause(CONFLICT_PAUSE).await;
            }
            other => return other,
        }
    }
    send().await
}

/// Waits for a random one of so many milliseconds.
pub(crate) async fn pause(milliseconds: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(milliseconds))).await;
}

/// Waits before another try of a batch: not before the first, then up to 25 ms, doubling.
pub(crate) async fn back_off(attempt: u32) {
    if attempt > 0 {
        pause(5..25 << (attempt - 1)).await;
    }
}
