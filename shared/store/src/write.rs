//! Transactions, conditional writes and batches of deletions, with their retries.
//!
//! The SDK repeats a request when the connection is cut, also after the table has acted: a
//! conditional write can meet its own first try. Transactions carry a client token, which makes a
//! repetition within ten minutes return the first result; conditional puts carry the id of the
//! operation, or are compared with the stored item as a whole; updates are idempotent, or their
//! callers compare the result. The counters in `rate` alone may count a repeated request twice.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use uuid::Uuid;

use crate::attributes::{Item, Value, names, text, values};
use crate::error::{Error, classify};
use crate::item::{Keyed, to_item};
use crate::keys::ItemKey;
use crate::retry::WRITE_CONFLICT;
use crate::table::Table;

/// Why a transaction with an additional step was not carried out.
enum OptionalStepError<E> {
    /// The condition of the additional step does not hold.
    WithoutIt,
    /// As without the additional step.
    Refused(E),
}

impl<E: From<Error>> From<Error> for OptionalStepError<E> {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

/// One action of a transaction.
pub(crate) struct Step<E> {
    action: Write,
    condition: Option<(&'static str, E)>,
    values: Vec<Value>,
}

enum Write {
    Put(Item),
    Delete(ItemKey),
    Check(ItemKey),
    Update(ItemKey, &'static str),
}

impl<E> Step<E> {
    pub(crate) fn put<T: Keyed>(value: &T) -> Result<Self, Error> {
        to_item(value).map(Self::put_item)
    }

    pub(crate) fn put_item(item: Item) -> Self {
        Self::new(Write::Put(item))
    }

    pub(crate) fn delete(key: ItemKey) -> Self {
        Self::new(Write::Delete(key))
    }

    /// Makes the transaction depend on an item without writing it.
    pub(crate) fn check(key: ItemKey) -> Self {
        Self::new(Write::Check(key))
    }

    pub(crate) fn update(key: ItemKey, expression: &'static str) -> Self {
        Self::new(Write::Update(key, expression))
    }

    fn new(action: Write) -> Self {
        Self { action, condition: None, values: Vec::new() }
    }

    /// Changes the type of the error.
    fn map<F>(self, map: impl Fn(E) -> F) -> Step<F> {
        let condition = self.condition.map(|(condition, otherwise)| (condition, map(otherwise)));
        Step { action: self.action, condition, values: self.values }
    }

    /// Makes the transaction fail with `otherwise` unless the condition holds for this item.
    pub(crate) fn only_if(mut self, condition: &'static str, otherwise: E) -> Self {
        self.condition = Some((condition, otherwise));
        self
    }

    /// Adds values of the expressions of this step.
    pub(crate) fn with(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.values.extend(values);
        self
    }

    fn build(self, table: &Table) -> Result<(TransactWriteItem, Option<E>), Error> {
        let table = &table.name;
        let (condition, otherwise) = self.condition.unzip();
        let update = match &self.action {
            Write::Update(_, expression) => Some(*expression),
            Write::Put(_) | Write::Delete(_) | Write::Check(_) => None,
        };
        let names = names(condition.into_iter().chain(update));
        let condition = condition.map(str::to_owned);
        let values = values(self.values);
        let item = TransactWriteItem::builder();
        let built = match self.action {
            Write::Put(put) => Put::builder()
                .table_name(table)
                .set_item(Some(put))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map(|put| item.put(put)),
            Write::Delete(key) => Delete::builder()
                .table_name(table)
                .set_key(Some(key.into_attributes()))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map(|delete| item.delete(delete)),
            Write::Check(key) => ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(key.into_attributes()))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map(|check| item.condition_check(check)),
            Write::Update(key, expression) => Update::builder()
                .table_name(table)
                .set_key(Some(key.into_attributes()))
                .update_expression(expression)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map(|update| item.update(update)),
        };
        built.map(|item| (item.build(), otherwise)).map_err(incomplete)
    }
}

/// Condition: there is no item yet.
pub(crate) const IS_NEW: &str = "attribute_not_exists(pk)";

/// Condition: there is an item.
pub(crate) const EXISTS: &str = "attribute_exists(pk)";

pub(crate) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    Error::Rejected(error.to_string())
}

/// The result of a conditional put.
pub(crate) enum PutOutcome {
    /// The item is stored.
    Done,
    /// The condition did not hold for the stored item, or there is none.
    ConditionFailed(Option<Item>),
}

/// The result of a conditional update.
pub(crate) enum UpdateOutcome {
    /// The item after the update.
    Done(Item),
    /// The condition did not hold for the stored item, or there is none.
    ConditionFailed(Option<Item>),
}

impl Table {
    /// Carries out all steps or none of them.
    ///
    /// # Errors
    /// The error of the first step whose condition does not hold.
    pub(crate) async fn commit<E: From<Error>>(&self, steps: Vec<Step<E>>) -> Result<(), E> {
        let built: Result<Vec<_>, _> = steps.into_iter().map(|step| step.build(self)).collect();
        let (items, mut rules): (Vec<_>, Vec<_>) = built?.into_iter().unzip();
        // One token for all tries: a retry must not act a second time when the first try is still
        // running.
        let token = operation_id();
        let mut retries = WRITE_CONFLICT.start();
        loop {
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
                    if let Some(condition) =
                        broken.and_then(|index| rules.get_mut(index)).and_then(Option::take)
                    {
                        return Err(condition);
                    }
                    reasons.iter().all(|reason| TRANSIENT_REASONS.contains(&code(reason)))
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => true,
                _ => false,
            };
            if !retry {
                return Err(canceled_for(&error)
                    .unwrap_or_else(|| classify("TransactWriteItems", &error))
                    .into());
            }
            if !retries.next().await {
                let in_use = "TransactWriteItems: the items are in use";
                return Err(Error::Unavailable(in_use.to_owned()).into());
            }
        }
    }

    /// Carries out a transaction with a deletion, if its condition holds; otherwise returns `false`
    /// and changes nothing.
    pub(crate) async fn commit_with_deletion<E: From<Error>>(
        &self,
        steps: Vec<Step<E>>,
        key: ItemKey,
        condition: &'static str,
    ) -> Result<bool, E> {
        let mut steps: Vec<_> =
            steps.into_iter().map(|step| step.map(OptionalStepError::Refused)).collect();
        steps.push(Step::delete(key).only_if(condition, OptionalStepError::WithoutIt));
        match self.commit(steps).await {
            Ok(()) => Ok(true),
            Err(OptionalStepError::WithoutIt) => Ok(false),
            Err(OptionalStepError::Refused(error)) => Err(error),
        }
    }

    /// Writes an item.
    pub(crate) async fn put(&self, item: Item) -> Result<(), Error> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let sent = retry_write_conflicts(|| request.clone().send()).await;
        sent.map(drop).map_err(|error| classify("PutItem", &error))
    }

    /// Writes an item that must not exist yet.
    pub(crate) async fn put_new(&self, item: Item) -> Result<PutOutcome, Error> {
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.clone()))
            .condition_expression(IS_NEW)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retry_write_conflicts(|| request.clone().send()).await {
            Ok(_) => Ok(PutOutcome::Done),
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                Ok(match failure.into_err() {
                    // The SDK has repeated the request after the first one succeeded.
                    PutItemError::ConditionalCheckFailedException(failed)
                        if failed.item.as_ref() == Some(&item) =>
                    {
                        PutOutcome::Done
                    }
                    PutItemError::ConditionalCheckFailedException(failed) => {
                        PutOutcome::ConditionFailed(failed.item)
                    }
                    _ => PutOutcome::ConditionFailed(None),
                })
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
        let request = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names([condition]))
            .set_expression_attribute_values(values(condition_values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retry_write_conflicts(|| request.clone().send()).await {
            Ok(_) => Ok(PutOutcome::Done),
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                let PutItemError::ConditionalCheckFailedException(failed) = failure.into_err()
                else {
                    return Ok(PutOutcome::ConditionFailed(None));
                };
                let ours = failed.item.as_ref().and_then(|stored| text(stored, OPERATION))
                    == Some(operation.as_str());
                Ok(if ours { PutOutcome::Done } else { PutOutcome::ConditionFailed(failed.item) })
            }
            Err(error) => Err(classify("PutItem", &error)),
        }
    }

    /// Changes an item if a condition holds for it.
    pub(crate) async fn update_if(
        &self,
        key: ItemKey,
        expression: &str,
        condition: &str,
        expression_values: impl IntoIterator<Item = Value>,
    ) -> Result<UpdateOutcome, Error> {
        let request = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.into_attributes()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(names([expression, condition]))
            .set_expression_attribute_values(values(expression_values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match retry_write_conflicts(|| request.clone().send()).await {
            Ok(updated) => updated
                .attributes
                .map(UpdateOutcome::Done)
                .ok_or_else(|| Error::Rejected("UpdateItem: no attributes in the response".into())),
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                match failure.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        Ok(UpdateOutcome::ConditionFailed(failed.item))
                    }
                    _ => Ok(UpdateOutcome::ConditionFailed(None)),
                }
            }
            Err(error) => Err(classify("UpdateItem", &error)),
        }
    }

    /// Deletes an item, whether it exists or not.
    pub(crate) async fn delete(&self, key: ItemKey) -> Result<(), Error> {
        let request =
            self.client.delete_item().table_name(&self.name).set_key(Some(key.into_attributes()));
        let sent = retry_write_conflicts(|| request.clone().send()).await;
        sent.map(drop).map_err(|error| classify("DeleteItem", &error))
    }

    /// Deletes an item if a condition holds for it; returns whether it did.
    pub(crate) async fn delete_if(
        &self,
        key: ItemKey,
        condition: &str,
        expression_values: impl IntoIterator<Item = Value>,
    ) -> Result<bool, Error> {
        let request = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(key.into_attributes()))
            .condition_expression(condition)
            .set_expression_attribute_names(names([condition]))
            .set_expression_attribute_values(values(expression_values));
        match retry_write_conflicts(|| request.clone().send()).await {
            Err(SdkError::ServiceError(failure))
                if failure.err().is_conditional_check_failed_exception() =>
            {
                Ok(false)
            }
            sent => sent.map(|_| true).map_err(|error| classify("DeleteItem", &error)),
        }
    }
}

/// The attribute that holds the id of the operation that wrote an item.
const OPERATION: &str = "operation";

/// Makes a unique id of an operation.
pub(crate) fn operation_id() -> String {
    Uuid::now_v7().to_string()
}

/// Cancellation reasons after which a retry can succeed (API reference of TransactWriteItems).
const TRANSIENT_REASONS: [&str; 4] =
    ["None", "TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"];

fn code(reason: &CancellationReason) -> &str {
    reason.code().unwrap_or("None")
}

/// Returns an error with the cancellation reasons of a transaction that is not retried.
fn canceled_for(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Option<Error> {
    let TransactWriteItemsError::TransactionCanceledException(canceled) =
        error.as_service_error()?
    else {
        return None;
    };
    let codes: Vec<&str> = canceled.cancellation_reasons().iter().map(code).collect();
    Some(Error::Rejected(format!("TransactWriteItems: {}", codes.join(", "))))
}

/// Retries a single write while a transaction blocks its item.
async fn retry_write_conflicts<T, E, F>(
    send: impl Fn() -> F,
) -> Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut retries = WRITE_CONFLICT.start();
    loop {
        let sent = send().await;
        let is_in_use = matches!(&sent, Err(SdkError::ServiceError(failure))
            if failure.err().code() == Some("TransactionConflictException"));
        if !is_in_use || !retries.next().await {
            return sent;
        }
    }
}
