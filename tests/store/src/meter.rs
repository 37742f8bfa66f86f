//! Measures what calls to the table cost.

use std::cell::RefCell;

use aws_sdk_dynamodb::operation::{
    batch_get_item::{BatchGetItemInput, BatchGetItemOutput},
    batch_write_item::{BatchWriteItemInput, BatchWriteItemOutput},
    delete_item::{DeleteItemInput, DeleteItemOutput},
    get_item::{GetItemInput, GetItemOutput},
    put_item::{PutItemInput, PutItemOutput},
    query::{QueryInput, QueryOutput},
    transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput},
    update_item::{UpdateItemInput, UpdateItemOutput},
};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// The cost of a measured operation.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Cost {
    /// Length of the longest chain of calls of which each starts after the one before has ended.
    pub round_trips: usize,
    /// Number of all calls.
    pub calls: usize,
    /// Read units of the table and of indexes.
    pub read: f64,
    /// Write units of the table.
    pub write: f64,
    /// Write units of indexes.
    pub index: f64,
}

#[derive(Debug, Default)]
struct Count {
    cost: Cost,
    /// The longest chain of calls that have ended.
    ended: usize,
}

/// The length of the chain that ends with a call.
#[derive(Clone, Copy, Debug)]
struct Chain(usize);

impl Storable for Chain {
    type Storer = StoreReplace<Self>;
}

tokio::task_local! {
    /// The running measurement, if there is one.
    static COUNT: RefCell<Count>;
}

/// Adds up what the calls of a client cost. Refuses requests that could change an event of the
/// audit trail, so that every test also shows that no operation sends one.
#[derive(Clone, Debug, Default)]
pub struct Meter;

impl Meter {
    /// Runs an operation and returns its cost, without calls that others make with the same client
    /// at the same time. Does not measure calls of tasks that the operation spawns.
    pub async fn measure<T>(&self, operation: impl Future<Output = T>) -> (T, Cost) {
        let measured = async {
            let result = operation.await;
            (result, COUNT.with(|count| count.borrow().cost))
        };
        COUNT.scope(RefCell::default(), measured).await
    }

    fn add(capacity: &ConsumedCapacity, writes: bool) {
        let total = capacity.capacity_units.unwrap();
        let table =
            capacity.table.as_ref().and_then(|table| table.capacity_units).unwrap_or_default();
        change(|count| {
            if writes {
                count.cost.write += table;
                count.cost.index += total - table;
            } else {
                count.cost.read += total;
            }
        });
    }
}

/// Changes the cost of the running measurement, if there is one.
fn change(change: impl FnOnce(&mut Count)) {
    let _ = COUNT.try_with(|count| change(&mut count.borrow_mut()));
}

macro_rules! ask_for_capacity {
    ($input:expr, $($type:ty),+) => {
        $(if let Some(input) = $input.downcast_mut::<$type>() {
            input.return_consumed_capacity = Some(ReturnConsumedCapacity::Indexes);
        })+
    };
}

/// Returns the consumed capacity that an output of one of these types reports.
macro_rules! capacities {
    ($output:expr, $($type:ty),+) => {
        std::iter::empty()$(.chain(
            $output.downcast_ref::<$type>().into_iter().flat_map(|it| it.consumed_capacity())
        ))+
    };
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        change(|count| {
            let chain = count.ended + 1;
            count.cost.calls += 1;
            count.cost.round_trips = count.cost.round_trips.max(chain);
            call.interceptor_state().store_put(Chain(chain));
        });
        Ok(())
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        ask_for_capacity!(
            input,
            GetItemInput,
            BatchGetItemInput,
            QueryInput,
            PutItemInput,
            UpdateItemInput,
            DeleteItemInput,
            BatchWriteItemInput,
            TransactWriteItemsInput
        );
        let put = input
            .downcast_ref::<PutItemInput>()
            .map(|put| (put.item.as_ref(), put.condition_expression()));
        let steps = input
            .downcast_ref::<TransactWriteItemsInput>()
            .into_iter()
            .flat_map(|transaction| transaction.transact_items());
        let steps = steps
            .filter_map(|step| step.put())
            .map(|put| (Some(put.item()), put.condition_expression()));
        for (item, condition) in put.into_iter().chain(steps) {
            let is_event = item
                .and_then(|item| item.get("pk")?.as_s().ok())
                .is_some_and(|pk| pk.starts_with("AUDIT#"));
            if is_event && condition != Some("attribute_not_exists(pk)") {
                return Err(
                    "an event of the audit trail could take the place of another one".into()
                );
            }
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        capacities!(output, GetItemOutput, BatchGetItemOutput, QueryOutput)
            .for_each(|capacity| Self::add(capacity, false));
        capacities!(
            output,
            PutItemOutput,
            UpdateItemOutput,
            DeleteItemOutput,
            BatchWriteItemOutput,
            TransactWriteItemsOutput
        )
        .for_each(|capacity| Self::add(capacity, true));
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        call: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(&Chain(chain)) = call.load::<Chain>() {
            change(|count| count.ended = count.ended.max(chain));
        }
        Ok(())
    }
}
