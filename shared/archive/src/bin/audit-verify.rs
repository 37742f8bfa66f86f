//! Compares the audit trail in the table with its archive and prints what was removed, altered or
//! forged in either.
//!
//! Reads `TABLE_NAME`, `ARCHIVE_BUCKET_NAME` and `AUDIT_SECRET_ARN` from the environment and uses
//! the default credentials of AWS. Exits with 0 if the two agree, with 1 if they differ, and with 2
//! if they could not be compared.
//!
//! With `--repair` it then archives the events that are missing in the archive, for example after
//! the archivist has failed for longer than the stream keeps records. It archives only events with
//! valid proofs and removes nothing: if something was removed from the archive, the chain keeps
//! showing it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use archive::append::append;
use archive::comparison::{ComparisonReport, compare};
use archive::vault::Vault;
use runtime::aws::{self, CallPolicy};
use runtime::serve::{Error, sentence};
use runtime::{clock, config, secrets};
use store::Table;
use store::proof::AuditKey;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(run())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(
                io::stderr(),
                "The audit trail could not be verified: {}.",
                sentence(&*error)
            );
            ExitCode::from(2)
        }
    }
}

/// Compares, prints the findings and repairs if asked to; returns whether the two agreed before.
async fn run() -> Result<bool, Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let repair = match &arguments[..] {
        [] => false,
        [argument] if argument == "--repair" => true,
        _ => return Err("the only argument is --repair".into()),
    };
    let config = config::Verification::from_env()?;
    let sdk = aws::sdk(CallPolicy::Background).await;
    let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
    let vault = Vault::new(aws::s3(&sdk), &config.archive_bucket_name);
    let (client, now) = (aws::secrets_manager(&sdk), clock::now());
    let secret = secrets::read(&client, &config.audit_secret_arn, now).await?;
    let report = compare(&store, &vault, AuditKey::new(secret), now, progress()).await?;
    print(&report)?;
    if repair {
        let mut archived = 0;
        for events in report.missing.chunks(EVENTS_IN_AN_OBJECT) {
            archived += append(&store, &vault, events.to_vec(), clock::now).await?;
        }
        writeln!(io::stdout(), "archived: {archived}")?;
    }
    Ok(report.findings.is_empty())
}

/// Returns what says how far the comparison is: at its begin, and then every few seconds, on the
/// standard error, because the report is on the standard output.
fn progress() -> impl FnMut(u64, u64) {
    let mut said: Option<Instant> = None;
    move |objects, events| {
        if said.is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL) {
            said = Some(Instant::now());
            let _ = writeln!(
                io::stderr(),
                "comparing: {objects} objects of the archive, {events} events of the table so far"
            );
        }
    }
}

const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// The batch size of the archivist.
const EVENTS_IN_AN_OBJECT: usize = 100;

fn print(report: &ComparisonReport) -> io::Result<()> {
    let ComparisonReport { links, objects, events, waiting, repeated, findings, missing: _ } =
        report;
    let mut out = io::stdout().lock();
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "events in the table: {events}, of which {waiting} are not archived yet")?;
    writeln!(
        out,
        "links in the archive: {links} in {objects} objects, of which {repeated} are repeated"
    )?;
    writeln!(out, "findings: {}", findings.len())
}
