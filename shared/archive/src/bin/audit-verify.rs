//! Compares the audit trail in the table with its archive, and says what was removed, altered or invented in either.
//!
//! Reads `TABLE_NAME`, `ARCHIVE_BUCKET_NAME` and `AUDIT_KEY` from the environment and uses the default credentials of AWS.
//! Exits with 0 when the two agree, with 1 when they do not, with 2 when they could not be compared.

use std::io::{self, Write};
use std::process::ExitCode;

use archive::comparison::{Report, compare};
use archive::vault::Vault;
use runtime::aws::{self, Patience};
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use store::Store;
use store::archive::AuditKey;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(verify())).and_then(|report| Ok((tell(&report)?, report))) {
        Ok(((), report)) if report.findings.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "The audit trail could not be verified: {}.", sentence(&*error));
            ExitCode::from(2)
        }
    }
}

async fn verify() -> Result<Report, Error> {
    let config = config::Verification::from_env()?;
    let sdk = aws::sdk(Patience::Background).await;
    let store = Store::new(aws::dynamodb(&sdk), &config.table_name);
    let vault = Vault::new(aws::s3(&sdk), &config.archive_bucket_name);
    compare(&store, &vault, AuditKey::new(config.audit_key.expose()), clock::now()).await
}

fn tell(report: &Report) -> io::Result<()> {
    let Report { links, objects, events, waiting, repeated, findings } = report;
    let mut out = io::stdout().lock();
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "events in the table: {events}, of which {waiting} are on the way to the archive")?;
    writeln!(out, "links in the archive: {links} in {objects} objects, of which {repeated} repeat another one")?;
    writeln!(out, "findings: {}", findings.len())
}
