//! Charts: records with their files and annotations, and who they are assigned to.

use domain::audit::AuditEvent;
use domain::file::File;
use domain::id::{RecordId, UserId};
use domain::notification::Notification;
use domain::record::{Annotation, Record, RecordDetail, RecordType};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item::{self, Item, Lookup, Stored, read};
use crate::keys;
use crate::lists::Span;
use crate::page::{FURTHER_ITEMS, MAX_BYTES, MAX_FURTHER_QUERIES, Page, Selection};
use crate::read::{Consistency, Order};
use crate::write::{Step, number};

/// That a doctor may read a record: exists while, and only while, the doctor may.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// Which record.
    pub record_id: RecordId,
    /// Who may read it.
    pub doctor_id: UserId,
    /// Whose record it is.
    pub patient_id: UserId,
    /// What the record is about.
    pub record_type: RecordType,
}

impl Assignment {
    fn of(record: &Record) -> Self {
        let Record { id, patient_id, doctor_id, record_type, .. } = *record;
        Self { record_id: id, doctor_id, patient_id, record_type }
    }
}

/// Which records a list shows; everything by default.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct RecordFilter {
    /// Those about this.
    pub record_type: Option<RecordType>,
    /// Those assigned to this doctor, for a patient; those of this patient, for a doctor.
    pub other: Option<UserId>,
    /// Those created then or later.
    pub created_after: Option<Timestamp>,
    /// Those created earlier than that.
    pub created_before: Option<Timestamp>,
}

impl RecordFilter {
    /// The oldest and the newest id that the next page can show; `None` when there is none between.
    fn bounds(&self, after: Option<RecordId>) -> Option<(RecordId, RecordId)> {
        let Self { created_after, created_before, .. } = *self;
        Span { created_after, created_before }.bounds(after.map(Into::into))
    }

    fn shows(&self, record_type: RecordType, other: UserId) -> bool {
        self.record_type.is_none_or(|wanted| wanted == record_type)
            && self.other.is_none_or(|wanted| wanted == other)
    }
}

/// Puts charts together from items in descending order of their keys: children come before their
/// record.
#[derive(Default)]
struct Assembly {
    files: Vec<File>,
    annotations: Vec<Annotation>,
    bytes: usize,
}

impl Assembly {
    /// Takes the next item; gives the chart, and about how long it is, when the item is a record.
    fn push(&mut self, item: Item) -> Result<Option<(RecordDetail, usize)>, Error> {
        self.bytes += item::size(&item);
        match item::entity(&item) {
            File::ENTITY => self.files.push(read(item)?),
            Annotation::ENTITY => self.annotations.push(read(item)?),
            _ => {
                let record: Record = read(item)?;
                let Self { files, annotations, bytes } = std::mem::take(self);
                return Ok(Some((RecordDetail { record, files, annotations }, bytes)));
            }
        }
        Ok(None)
    }
}

impl Store {
    /// A page of a patient's records with everything that belongs to them, newest first, strongly
    /// consistent. A page is counted in records. One Query in the ordinary case, whatever the chart
    /// holds beyond the page.
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
        // The last record that was looked at, shown or not.
        let mut last = None;
        for further in 0.. {
            let full = page.items.len() >= limit || bytes > MAX_BYTES;
            let wanted = match further {
                _ if full => 1,
                // Two files and two annotations each, and one item to see that there are more.
                0 => 5 * limit + 1,
                _ => FURTHER_ITEMS,
            };
            let (items, rest) =
                self.query(&range, Order::Descending, Consistency::Strong, wanted, start).await?;
            for item in items {
                if page.items.len() >= limit || bytes > MAX_BYTES {
                    page.next = last;
                    return Ok(page);
                }
                if let Some((chart, length)) = assembly.push(item)? {
                    last = Some(chart.record.id);
                    if filter.shows(chart.record.record_type, chart.record.doctor_id) {
                        bytes += length;
                        page.items.push(chart);
                    }
                }
            }
            start = rest;
            if start.is_none() {
                break;
            }
            if further >= MAX_FURTHER_QUERIES && last.is_some() {
                page.next = last;
                break;
            }
        }
        Ok(page)
    }

    /// A page of a doctor's assignments, newest record first, strongly consistent. One Query in the
    /// ordinary case.
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
            let assignment: Assignment = read(item)?;
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

    /// One record with everything that belongs to it, strongly consistent.
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
                if let Some((chart, _)) = assembly.push(item)? {
                    return Ok(Some(chart));
                }
            }
            start = rest;
            if start.is_none() {
                return Ok(None);
            }
        }
    }

    /// One record alone, strongly consistent.
    pub async fn get_record(
        &self,
        patient: UserId,
        record: RecordId,
    ) -> Result<Option<Record>, Error> {
        self.get(keys::record(patient, record), Consistency::Strong).await
    }

    /// Several records at once, each as [`Store::get_record_detail`], in the order of the request.
    pub async fn get_record_details(
        &self,
        records: &[(UserId, RecordId)],
    ) -> Result<Vec<Option<RecordDetail>>, Error> {
        try_join_all(
            records.iter().map(|(patient, record)| self.get_record_detail(*patient, *record)),
        )
        .await
    }

    /// That a doctor may read a record, strongly consistent; `None` when not.
    pub async fn get_assignment(
        &self,
        doctor: UserId,
        record: RecordId,
    ) -> Result<Option<Assignment>, Error> {
        self.get(keys::assignment(doctor, record), Consistency::Strong).await
    }

    /// Stores a new record with its files, assigns it, and tells the doctor. The transaction takes
    /// 4 actions and 2 per file, of DynamoDB's 100.
    pub async fn create_record(
        &self,
        record: &Record,
        files: &[File],
        notification: &Notification,
        event: &AuditEvent,
    ) -> Result<(), Error> {
        let mut steps = vec![
            Step::put(item::record(record)?),
            Step::put(item::assignment(&Assignment::of(record))?),
            Step::put(item::notification(notification)?),
            Step::audit(event)?,
        ];
        steps.extend(put_files(files)?);
        self.commit(steps).await
    }

    /// Stores a changed record and its new files; moves the assignment when the doctor changed, so
    /// that the former one loses access at that moment. `after` has a higher version and counts the
    /// new files.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored version is not that of `before`: anything in the
    /// record, a file or an annotation of it has changed since.
    pub async fn update_record(
        &self,
        before: &Record,
        after: &Record,
        new_files: &[File],
        notifications: &[Notification],
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        let mut steps = vec![
            Step::put(item::record(after)?)
                .only_if("version = :before", UpdateError::Stale)
                .with([number(":before", before.version)]),
        ];
        if before.doctor_id != after.doctor_id {
            steps.push(Step::delete(keys::assignment(before.doctor_id, before.id)));
        }
        if Assignment::of(before) != Assignment::of(after) {
            steps.push(Step::put(item::assignment(&Assignment::of(after))?));
        }
        steps.extend(put_files(new_files)?);
        for notification in notifications {
            steps.push(Step::put(item::notification(notification)?));
        }
        steps.push(Step::audit(event)?);
        self.commit(steps).await
    }
}

fn put_files<E>(files: &[File]) -> Result<Vec<Step<E>>, Error> {
    let mut steps = Vec::with_capacity(2 * files.len());
    for file in files {
        let lookup =
            Lookup { patient_id: file.patient_id, record_id: file.record_id, author_id: None };
        steps.push(Step::put(item::file(file)?));
        steps.push(Step::put(item::file_lookup(file.id, &lookup)?));
    }
    Ok(steps)
}
