//! Counters for the dashboard of staff, per day and in total. They contain no personal data.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// The counters of a day, or the totals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Patients who registered or were created by staff.
    pub patients: u64,
    /// Doctors who registered or were created by staff.
    pub doctors: u64,
    /// Admins created.
    pub admins: u64,
    /// Records created.
    pub records: u64,
    /// Mails sent; a mail that is sent again counts again.
    pub mails_sent: u64,
    /// Mails that failed or are in doubt.
    pub mails_failed: u64,
}

impl Counts {
    /// Returns the sum of new patients, doctors and admins.
    pub fn registrations(&self) -> u64 {
        self.patients.saturating_add(self.doctors).saturating_add(self.admins)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { patients, doctors, admins, records, mails_sent, mails_failed } = self;
        for (sum, more) in [
            (patients, other.patients),
            (doctors, other.doctors),
            (admins, other.admins),
            (records, other.records),
            (mails_sent, other.mails_sent),
            (mails_failed, other.mails_failed),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let day = Counts {
            patients: 1,
            doctors: 2,
            admins: 3,
            records: 4,
            mails_sent: 5,
            mails_failed: 6,
        };
        let mut sum = day;
        sum += day;
        assert_eq!(
            sum,
            Counts {
                patients: 2,
                doctors: 4,
                admins: 6,
                records: 8,
                mails_sent: 10,
                mails_failed: 12
            }
        );
        assert_eq!(sum.registrations(), 12);
    }
}
