//! What happens in a run: each scenario in its own file. The numbers of the seed decide the order,
//! the waits and all faults.

mod bulk_actions;
mod mail_storm;

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::people::{Answer, People};
use crate::run::{self, wait};
use crate::sandboxes::Functions;

/// What a scenario acts on.
#[derive(Clone)]
pub struct World {
    /// The functions, for what staff and the table itself do.
    pub functions: Arc<Functions>,
    /// The users.
    pub people: People,
}

type Scenario = fn(World) -> Pin<Box<dyn Future<Output = ()>>>;

/// All scenarios by their names. A seed runs that at its place, modulo their number.
pub const SCENARIOS: [(&str, Scenario); 2] = [
    ("bulk actions", |world| Box::pin(bulk_actions::run(world))),
    ("mail storm", |world| Box::pin(mail_storm::run(world))),
];

/// Draws a number below a bound.
fn below(bound: u32) -> u32 {
    run::with(|run| run.choices.below(bound))
}

/// Waits for one of these times, in ms.
async fn pause(times: &[u64]) {
    let ms = run::with(|run| run.choices.wait(times));
    wait(ms).await;
}

/// Starts something that runs beside the rest after one of these times, in ms.
fn beside<T: 'static>(times: &[u64], what: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let ms = run::with(|run| run.choices.wait(times));
    tokio::task::spawn_local(async move {
        wait(ms).await;
        what.await
    })
}

/// Waits for all of them.
async fn all(started: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for one in started {
        answers.push(one.await.unwrap());
    }
    answers
}
