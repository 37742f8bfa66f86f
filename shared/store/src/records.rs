//! Records with their files and annotations, and their assignments to doctors: create, change, read
//! and list them.

use domain::audit::AuditEvent;
use domain::file::File;
use domain::id::{RecordId, UserId};
use domain::notification::Notification;
use domain::rate::Lockout;
use domain::record::{
    Annotation, Assignment, NamedFile, Record, RecordDetail, RecordType, RecordVersion,
};
use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::attributes::{Item, entity, number};
use crate::error::Error;
use crate::idempotency::StoredResponse;
use crate::item::{self, Keyed, Stored, from_item};
use crate::keys::{self, IndexKeys, ItemKey};
use crate::lookups::put_file_lookup;
use crate::page::{FURTHER_ITEMS, MAX_BYTES, MAX_FURTHER_QUERIES, Page, Selection, Span};
use crate::rate::{DailyAllowance, LimitError};
use crate::read::{Consistency, Order};
use crate::store::Store;
use crate::table::Table;
use crate::write::Step;

impl Stored for Record {
    const ENTITY: &'static str = "record";
    const IN_KEY: &'static [&'static str] = &["patient_id", "id"];
}

impl Keyed for Record {
    fn key(&self) -> ItemKey {
        keys::record(self.patient_id, self.id)
    }

    fn indexes(&self) -> IndexKeys {
        keys::record_indexes(self)
    }
}

impl Stored for Assignment {
    const ENTITY: &'static str = "assignment";
    const IN_KEY: &'static [&'static str] = &["doctor_id", "record_id"];
}

impl Keyed for Assignment {
    fn key(&self) -> ItemKey {
        keys::assignment(self.doctor_id, self.record_id)
    }
}

/// Which records a list includes; all by default.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct RecordFilter {
    /// Records of this type.
    pub record_type: Option<RecordType>,
    /// For a patient, records assigned to this doctor; for a doctor, records of this patient.
    pub other: Option<UserId>,
    /// Records created at this time or later.
    pub created_after: Option<Timestamp>,
    /// Records created before this time.
    pub created_before: Option<Timestamp>,
}

impl RecordFilter {
    /// Returns the oldest and the newest id that the next page can include; `None` when there is
    /// none between.
    fn bounds(&self, after: Option<RecordId>) -> Option<(RecordId, RecordId)> {
        let Self { created_after, created_before, .. } = *self;
        Span { created_after, created_before }.bounds(after.map(Into::into))
    }

    /// Returns whether the list may leave out records between two that it includes.
    fn selects(&self) -> bool {
        self.record_type.is_some() || self.other.is_some()
    }

    fn shows(&self, record_type: RecordType, other: UserId) -> bool {
        self.record_type.is_none_or(|wanted| wanted == record_type)
            && self.other.is_none_or(|wanted| wanted == other)
    }
}

/// Assembles records from items in descending order of their keys: children come before their
/// record.
#[derive(Default)]
struct Assembly {
    files: Vec<File>,
    annotations: Vec<Annotation>,
    bytes: usize,
}

impl Assembly {
    /// Takes the next item; when it is a record, returns the record with its children, and about
    /// how many bytes they are.
    fn push(&mut self, item: Item) -> Result<Option<(RecordDetail, usize)>, Error> {
        self.bytes += item::size(&item);
        match entity(&item) {
            File::ENTITY => self.files.push(from_item(item)?),
            Annotation::ENTITY => self.annotations.push(from_item(item)?),
            _ => {
                let record: Record = from_item(item)?;
                let Self { files, annotations, bytes } = std::mem::take(self);
                return Ok(Some((RecordDetail { record, files, annotations }, bytes)));
            }
        }
        Ok(None)
    }
}

impl Table {
    /// Lists a patient's records with their files and annotations, newest first, strongly
    /// consistent. A page is counted in records. Takes one Query in the ordinary case, however long
    /// the chart is.
    pub async fn list_records_of_patient(
        &self,
        patient: UserId,
        filter: &RecordFilter,
        limit: usize,
        after: Option<RecordId>,
    ) -> Result<Page<RecordDetail, RecordId>, Error> {
        let mut page = Page { items: Vec::new(), next: None };
        let Some((oldest, newest)) = filter.bounds(after) else { return Ok(page) };
        let range = keys::records(patient, oldest, newest);
        let (mut assembly, mut bytes, mut start) = (Assembly::default(), 0, None);
        // The last record that was read, included or not.
        let mut last = None;
        let mut was_full = false;
        for further in 0.. {
            let is_full = page.items.len() >= limit || bytes > MAX_BYTES;
            let wanted = match further {
                _ if is_full && !filter.selects() => 1,
                // Two files and two annotations each, and one item to see that there are more.
                0 => 5 * limit + 1,
                _ => FURTHER_ITEMS,
            };
            let (items, rest) =
                self.query(&range, Order::Descending, Consistency::Strong, wanted, start).await?;
            for item in items {
                let is_full = page.items.len() >= limit || bytes > MAX_BYTES;
                if is_full && !filter.selects() {
                    page.next = last;
                    return Ok(page);
                }
                let Some((detail, length)) = assembly.push(item)? else { continue };
                let id = detail.record.id;
                if filter.shows(detail.record.record_type, detail.record.doctor_id) {
                    if is_full {
                        page.next = last;
                        return Ok(page);
                    }
                    bytes += length;
                    page.items.push(detail);
                }
                last = Some(id);
            }
            start = rest;
            if start.is_none() {
                break;
            }
            // A full page reads on once, to find out whether the next one would be empty.
            if (further >= MAX_FURTHER_QUERIES || (is_full && was_full)) && last.is_some() {
                page.next = last;
                break;
            }
            was_full = page.items.len() >= limit || bytes > MAX_BYTES;
        }
        Ok(page)
    }

    /// Lists a doctor's assignments, newest record first, strongly consistent. Takes one Query in
    /// the ordinary case.
    pub async fn list_assignments_of_doctor(
        &self,
        doctor: UserId,
        filter: &RecordFilter,
        limit: usize,
        after: Option<RecordId>,
    ) -> Result<Page<Assignment, RecordId>, Error> {
        let Some((oldest, newest)) = filter.bounds(after) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let range = keys::assigned_records(doctor, oldest, newest);
        let first =
            self.query(&range, Order::Descending, Consistency::Strong, limit + 1, None).await?;
        let look = |item| {
            let assignment: Assignment = from_item(item)?;
            Ok((
                assignment.record_id,
                Selection::show_if(
                    filter.shows(assignment.record_type, assignment.patient_id),
                    assignment,
                ),
            ))
        };
        self.page_from(&range, Consistency::Strong, limit, first, look).await
    }

    /// Reads one record with its files and annotations, strongly consistent.
    pub async fn get_record_detail(
        &self,
        patient: UserId,
        record: RecordId,
    ) -> Result<Option<RecordDetail>, Error> {
        let range = keys::records(patient, record, record);
        let (mut assembly, mut start) = (Assembly::default(), None);
        loop {
            let (items, rest) = self
                .query(&range, Order::Descending, Consistency::Strong, FURTHER_ITEMS, start)
                .await?;
            for item in items {
                if let Some((detail, _)) = assembly.push(item)? {
                    return Ok(Some(detail));
                }
            }
            start = rest;
            if start.is_none() {
                return Ok(None);
            }
        }
    }

    /// Reads one record alone, strongly consistent.
    pub async fn get_record(
        &self,
        patient: UserId,
        record: RecordId,
    ) -> Result<Option<Record>, Error> {
        self.get(keys::record(patient, record), Consistency::Strong).await
    }

    /// Reads several records at once, each as [`Table::get_record_detail`], in the order of the
    /// request.
    pub async fn get_record_details(
        &self,
        records: &[(UserId, RecordId)],
    ) -> Result<Vec<Option<RecordDetail>>, Error> {
        try_join_all(
            records.iter().map(|(patient, record)| self.get_record_detail(*patient, *record)),
        )
        .await
    }

    /// Reads the assignment of a record to a doctor, strongly consistent; `None` when the doctor
    /// may not read the record.
    pub async fn get_assignment(
        &self,
        doctor: UserId,
        record: RecordId,
    ) -> Result<Option<Assignment>, Error> {
        self.get(keys::assignment(doctor, record), Consistency::Strong).await
    }
}

/// Why a record was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateRecordError {
    /// The record, a file or an annotation of it has changed since it was read, or it does not
    /// exist any more: read it again and decide again.
    #[error("changed by somebody else")]
    Stale,
    /// The allowance of the day is used up.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Store {
    /// Stores a new record with its files, assigns it, and notifies the doctor. The transaction
    /// takes 5 actions and 2 per file, of DynamoDB's 100.
    ///
    /// # Errors
    /// [`LimitError::LimitReached`] when the allowance of the day is used up.
    pub async fn create_record(
        &self,
        record: &Record,
        files: &[File],
        notification: &Notification,
        event: &AuditEvent,
        stored_response: Option<&StoredResponse>,
        allowance: &DailyAllowance,
    ) -> Result<(), LimitError> {
        let mut steps = vec![
            Step::put(record)?,
            Step::put(&Assignment::from(record))?,
            Step::put(notification)?,
            allowance.step()?,
            self.audit(event)?,
        ];
        steps.extend(put_files(files)?);
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Stores a changed record and its new files; moves the assignment when the doctor changed, so
    /// that the former one loses access at that moment. The history keeps what the actor of the
    /// event has changed. `after` has a higher version and counts the new files.
    ///
    /// # Errors
    /// [`UpdateRecordError::Stale`] when the stored version is not that of `before`: anything in
    /// the record, a file or an annotation of it has changed since.
    /// [`UpdateRecordError::LimitReached`] when the allowance of the day is used up.
    pub async fn update_record(
        &self,
        before: &Record,
        after: &Record,
        new_files: &[File],
        notifications: &[Notification],
        event: &AuditEvent,
        allowance: &DailyAllowance,
    ) -> Result<(), UpdateRecordError> {
        let version = RecordVersion {
            files_added: new_files.iter().map(NamedFile::from).collect(),
            ..RecordVersion::between(before, after, event.actor_id)
        };
        self.commit_notifying(notifications, || {
            let mut steps = vec![
                Step::put(after)?
                    .only_if("version = :before", UpdateRecordError::Stale)
                    .with([number(":before", before.version)]),
                Step::put(&version)?,
            ];
            if before.doctor_id != after.doctor_id {
                steps.push(Step::delete(keys::assignment(before.doctor_id, before.id)));
            }
            if Assignment::from(before) != Assignment::from(after) {
                steps.push(Step::put(&Assignment::from(after))?);
            }
            steps.extend(put_files(new_files)?);
            steps.extend([self.audit(event)?, allowance.step()?]);
            Ok(steps)
        })
        .await
    }
}

fn put_files<E>(files: &[File]) -> Result<Vec<Step<E>>, Error> {
    let mut steps = Vec::with_capacity(2 * files.len());
    for file in files {
        steps.push(Step::put(file)?);
        steps.push(put_file_lookup(file)?);
    }
    Ok(steps)
}
