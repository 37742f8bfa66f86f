//! What is counted for staff, in a day and in all: numbers alone, nothing about anybody.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// How much there was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Patients who registered, or were created by staff.
    pub patients: u64,
    /// Doctors who registered, or were created by staff.
    pub doctors: u64,
    /// Admins who were created.
    pub admins: u64,
    /// Records that were created.
    pub records: u64,
    /// Mails that were sent; one that staff had sent again counts again.
    pub mails_sent: u64,
    /// Mails that were given up, or of which nobody knows whether they were sent.
    pub mails_failed: u64,
}

impl Counts {
    /// Users who registered, or were created by staff.
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
