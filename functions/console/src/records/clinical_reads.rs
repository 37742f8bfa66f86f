//! The events of the audit trail for reads of clinical text by emergency access.

use std::collections::BTreeSet;

use domain::audit::{Action, AuditEvent};
use domain::id::RecordId;
use http_api::caller::Caller;
use store::staff::emergency_access::Grant;

/// Returns one event for each grant that applies to a record of a list.
pub(crate) fn clinical_reads(
    caller: &Caller,
    grants: &[Grant],
    records: impl Iterator<Item = RecordId>,
) -> Vec<AuditEvent> {
    let records: BTreeSet<RecordId> = records.collect();
    let applied = grants.iter().filter(|grant| records.contains(&grant.record_id()));
    applied.map(|grant| clinical_read(caller, grant)).collect()
}

/// Returns the event of a read with a grant.
pub(crate) fn clinical_read(caller: &Caller, grant: &Grant) -> AuditEvent {
    AuditEvent {
        reason: Some(grant.reason().as_str().to_owned()),
        ..caller.audit(Action::ReadRecord, grant.patient_id(), Some(grant.record_id()))
    }
}
