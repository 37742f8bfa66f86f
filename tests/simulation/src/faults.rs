//! What goes wrong between a function and the services: which calls meet which fault, and outages.

use crate::choices::Choices;

/// A service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// DynamoDB.
    Table,
    /// SQS.
    Queue,
    /// S3.
    Bucket,
    /// SES.
    Mail,
}

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallFault {
    /// Nothing.
    None,
    /// There is no connection.
    Refused,
    /// The service gets the request and does nothing.
    Ignored,
    /// The service is busy.
    Throttled,
    /// The service fails.
    Failed,
    /// The service acts, and the connection is cut.
    Cut,
    /// The service acts, and does not respond.
    Silent,
}

/// Those that a call meets by chance.
pub const FAULTS: [CallFault; 6] = [
    CallFault::Refused,
    CallFault::Ignored,
    CallFault::Throttled,
    CallFault::Failed,
    CallFault::Cut,
    CallFault::Silent,
];

/// A time in which a service is out of order.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// Which service.
    pub service: Service,
    /// Its first ms.
    pub from: u64,
    /// The first ms after it.
    pub to: u64,
    /// What happens to calls.
    pub fault: CallFault,
}

/// What goes wrong, each in so many of 1000 cases.
#[derive(Default)]
pub struct Network {
    /// Calls that meet a fault.
    pub faults: u32,
    /// Effects after which the sandbox ends.
    pub crashes: u32,
    /// Messages and changes that are delivered twice.
    pub doubled: u32,
    /// Sandboxes whose clock is wrong.
    pub skewed: u32,
    /// The greatest error of a clock, in minutes.
    pub skew: (i64, i64),
    /// Mails that SES does not simply accept.
    pub refused_mails: u32,
    /// Events of the bucket that are lost.
    pub lost_events: u32,
    /// Transactions that take longer to arrive.
    pub slow_commits: u32,
    /// Deletions that take longer to arrive.
    pub slow_deletions: u32,
    /// Updates that are carried out and whose response is lost, but not that of the repetition.
    pub lost_updates: u32,
    /// The same of updates that release the claim of a mail.
    pub lost_releases: u32,
    /// Waits, in ms; empty for none.
    pub waits: &'static [u64],
    /// Outages.
    pub outages: Vec<Outage>,
}

impl Network {
    /// Returns the error of a new sandbox's clock in ms, and until when it has it.
    pub fn draw_skew(&self, choices: &mut Choices) -> (i64, u64) {
        if !choices.chance(self.skewed) {
            return (0, 0);
        }
        let (behind, ahead) = self.skew;
        let minutes = behind + i64::from(choices.below((ahead - behind) as u32 + 1));
        let until = choices.one_of(&[u64::MAX, 600_000, 3_600_000, 60_000]);
        (minutes * 60_000, until)
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&mut self) {
        *self = Self { outages: std::mem::take(&mut self.outages), ..Self::default() };
        self.outages.clear();
    }
}
