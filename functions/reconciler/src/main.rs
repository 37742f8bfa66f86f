//! The function `reconciler`: repairs what was lost between table, bucket and queues.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve::run(async || {
        let reconciler = reconciler::Reconciler::start().await?;
        // The event is that of a schedule, or empty: it says nothing.
        runtime::serve::events(async |_: serde_json::Value, deadline| {
            reconciler.handle(deadline).await
        })
        .await
    })
}
