//! Use [`decide`] to find out who may do what: it is the only place with rules for access.
//!
//! Pass what is known about the caller ([`Actor`]) and about the object ([`Relation`]). Before the
//! object is read, pass [`Relation::Unknown`].

mod operations;

use jiff::Timestamp;

pub use self::operations::{Audience, Operation};

use crate::account::{Account, Approval, Role};
use crate::id::UserId;
use crate::record::Record;
use crate::recovery::Recovery;
use crate::session::Session;

impl Operation {
    /// Returns whether admins may not do this to their own account.
    fn needs_another_admin(self) -> bool {
        matches!(
            self,
            Self::UpdateUser
                | Self::StartEmailChange
                | Self::StartSecondFactorRemoval
                | Self::ApproveRecovery
        )
    }

    /// Decides by the relation of an admitted user to the object.
    fn decide_by_relation(self, relation: Relation) -> Decision {
        let is_allowed = match self.audience() {
            Audience::Patients => relation == Relation::Owner,
            Audience::Doctors
                if matches!(self, Self::UpdateAnnotation | Self::ReplaceAnnotation) =>
            {
                relation == Relation::Author
            }
            Audience::Doctors => matches!(relation, Relation::Assigned | Relation::Author),
            Audience::Admins if self.needs_another_admin() && relation == Relation::Oneself => {
                return Decision::OwnAccount;
            }
            Audience::Admins => true,
            // Decided earlier, like a read of the record; never reached for them.
            Audience::Readers => false,
            Audience::Public | Audience::SignedIn | Audience::PatientsAndDoctors => {
                matches!(relation, Relation::Owner | Relation::Oneself)
            }
        };
        if is_allowed { Decision::Allow } else { Decision::NotFound }
    }
}

/// What account and session say about a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// The approval of a doctor.
    pub approval: Option<Approval>,
    /// Whether the user has signed in with a second factor.
    pub second_factor: bool,
}

/// The caller, as far as known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Without a token.
    Anonymous,
    /// With a token that is not valid (any more).
    InvalidToken,
    /// With a valid token for a role. Account and session have not been read.
    Claimed(Role),
    /// With a valid token that account and session confirm.
    Confirmed(Standing),
}

impl Actor {
    /// Returns the caller with a valid token for a role, after account and session have been read.
    ///
    /// The token is not valid any more when the account is deactivated, has another role or
    /// password since, or the session has ended.
    pub fn confirmed(found: Option<(&Account, &Session)>, claimed: Role, now: Timestamp) -> Self {
        match found {
            Some((account, session))
                if account.is_active
                    && account.role == claimed
                    && account.allows_session(session)
                    && session.is_live(now) =>
            {
                Self::Confirmed(Standing {
                    role: account.role,
                    approval: account.approval,
                    second_factor: session.second_factor,
                })
            }
            _ => Self::InvalidToken,
        }
    }
}

/// The relation of a user to the object of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// There is no single object, or it has not been read yet.
    Unknown,
    /// The user's own account.
    Oneself,
    /// The user's own chart, session or notification.
    Owner,
    /// A record that is assigned to the user, or a part of it.
    Assigned,
    /// The user's own annotation, on a record that is assigned to the user.
    Author,
    /// Somebody else's object, or none: responses do not tell the two apart.
    Stranger,
}

impl Relation {
    /// Returns the relation of a user to the chart of a patient.
    pub fn to_chart(user: UserId, patient: UserId) -> Self {
        if user == patient { Self::Owner } else { Self::Stranger }
    }

    /// Returns the present relation of a user to a record.
    pub fn to_record(user: UserId, record: &Record) -> Self {
        match Self::to_chart(user, record.patient_id) {
            Self::Stranger if user == record.doctor_id => Self::Assigned,
            relation => relation,
        }
    }

    /// Returns the relation of a doctor to an annotation on a record that is assigned to them.
    pub fn to_annotation(doctor: UserId, author: UserId) -> Self {
        if doctor == author { Self::Author } else { Self::Assigned }
    }

    /// Returns the relation of a user to an account.
    pub fn to_account(user: UserId, other: UserId) -> Self {
        if user == other { Self::Oneself } else { Self::Stranger }
    }

    /// Returns the relation of an admin to a recovery: `Oneself` if this admin's approval would not
    /// count.
    pub fn to_recovery(admin: &Account, recovery: &Recovery) -> Self {
        if recovery.accepts_approval_by(admin) { Self::Stranger } else { Self::Oneself }
    }
}

/// The rules that the operator configures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether doctors must sign in with a second factor, as staff always must.
    pub doctors_need_second_factor: bool,
}

/// The decision about an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Allowed, as far as is known.
    Allow,
    /// The caller must sign in.
    NotAuthenticated,
    /// The token is not valid.
    TokenNotValid,
    /// The operation is for another role.
    WrongRole,
    /// The doctor is not approved, or suspended.
    NotApproved,
    /// The operation requires a sign-in with a second factor.
    SecondFactorRequired,
    /// The object does not exist, or the caller may not see it.
    NotFound,
    /// Admins may not do this to their own account.
    OwnAccount,
}

/// Decides whether a caller may use an operation on an object.
///
/// The caller is judged before the object, so that nobody learns of an object through an operation
/// that is not for them.
pub fn decide(rules: Rules, actor: Actor, operation: Operation, relation: Relation) -> Decision {
    let audience = operation.audience();
    if audience == Audience::Public {
        return Decision::Allow;
    }
    let standing = match actor {
        Actor::Anonymous => return Decision::NotAuthenticated,
        Actor::InvalidToken => return Decision::TokenNotValid,
        Actor::Claimed(role) if !audience.includes(role) => return Decision::WrongRole,
        // Allowed until the object is read; account and session must be read before.
        Actor::Claimed(_) if relation == Relation::Unknown => return Decision::Allow,
        Actor::Claimed(_) => return Decision::TokenNotValid,
        Actor::Confirmed(standing) => standing,
    };
    if !audience.includes(standing.role) {
        return Decision::WrongRole;
    }
    if audience == Audience::Readers {
        let read = if standing.role == Role::Doctor {
            Operation::ReadDoctorRecord
        } else {
            Operation::ReadPatientRecord
        };
        return decide(rules, actor, read, relation);
    }
    if audience == Audience::Doctors && standing.approval != Some(Approval::Approved) {
        return Decision::NotApproved;
    }
    let needs_second_factor = match audience {
        Audience::Admins => true,
        Audience::Doctors => rules.doctors_need_second_factor,
        _ => false,
    };
    if needs_second_factor && !standing.second_factor {
        return Decision::SecondFactorRequired;
    }
    if relation == Relation::Unknown {
        Decision::Allow
    } else {
        operation.decide_by_relation(relation)
    }
}

/// Returns whether a caller may read a record by any operation.
pub fn may_read(rules: Rules, actor: Actor, relation: Relation) -> bool {
    [Operation::ReadPatientRecord, Operation::ReadDoctorRecord]
        .into_iter()
        .any(|operation| decide(rules, actor, operation, relation) == Decision::Allow)
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
