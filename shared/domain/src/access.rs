//! Who may do what: [`decide`] is the only place that says so.
//!
//! Everybody else brings what is known, of the caller ([`Actor`]) and of the object ([`Relation`]),
//! and does as is decided. What is asked of a caller before the object is looked at is decided with
//! [`Relation::Unknown`].

mod operations;

use jiff::Timestamp;

pub use self::operations::{Audience, Operation};

use crate::account::{Account, Approval, Role};
use crate::id::UserId;
use crate::record::Record;
use crate::session::Session;

impl Operation {
    /// What is said of one to whom the object is this.
    fn of(self, relation: Relation) -> Decision {
        let takes = match self.audience() {
            Audience::Patients => relation == Relation::Owner,
            Audience::Doctors
                if matches!(self, Self::UpdateAnnotation | Self::ReplaceAnnotation) =>
            {
                relation == Relation::Author
            }
            Audience::Doctors => matches!(relation, Relation::Assigned | Relation::Author),
            Audience::Admins if self == Self::UpdateUser && relation == Relation::Oneself => {
                return Decision::OwnAccount;
            }
            Audience::Admins => true,
            Audience::Public | Audience::SignedIn | Audience::PatientsAndDoctors => {
                matches!(relation, Relation::Owner | Relation::Oneself)
            }
        };
        if takes { Decision::Allow } else { Decision::NotFound }
    }
}

/// What one who has signed in is, as account and session say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// What staff say of a doctor.
    pub approval: Option<Approval>,
    /// Whether the sign-in was by a second factor too.
    pub second_factor: bool,
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Nobody in particular.
    Anonymous,
    /// One who shows a token that is worth nothing, or nothing any more.
    InvalidToken,
    /// One whose token is good and claims a role. Whether account and session bear it out has not
    /// been looked at.
    Claimed(Role),
    /// One whose account and session bear out what the token claims.
    Confirmed(Standing),
}

impl Actor {
    /// Who shows a good token that claims a role, once account and session, if there are any, have
    /// been read.
    ///
    /// The token is worth nothing any more when the account is deactivated, has another role or
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

/// What the object of an operation is to the one who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// There is no one object, or it has not been looked at yet.
    Unknown,
    /// Their own account.
    Oneself,
    /// Their own: their chart, session, notification.
    Owner,
    /// A record that is assigned to them, or something on it.
    Assigned,
    /// What they have written, on a record that is assigned to them.
    Author,
    /// Somebody else's, or not there at all: the two are never told apart.
    Stranger,
}

impl Relation {
    /// What the chart of a patient is to a user.
    pub fn to_chart(user: UserId, patient: UserId) -> Self {
        if user == patient { Self::Owner } else { Self::Stranger }
    }

    /// What a record is to a user, now.
    pub fn to_record(user: UserId, record: &Record) -> Self {
        match Self::to_chart(user, record.patient_id) {
            Self::Stranger if user == record.doctor_id => Self::Assigned,
            relation => relation,
        }
    }

    /// What an annotation by `author` is to the doctor to whom its record is assigned.
    pub fn to_annotation(doctor: UserId, author: UserId) -> Self {
        if doctor == author { Self::Author } else { Self::Assigned }
    }

    /// What an account is to a user.
    pub fn to_account(user: UserId, other: UserId) -> Self {
        if user == other { Self::Oneself } else { Self::Stranger }
    }
}

/// What the operator asks of users beyond what always holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether doctors must sign in with a second factor, as staff always must.
    pub doctors_need_second_factor: bool,
}

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Nothing of what is known speaks against it.
    Allow,
    /// Who asks must sign in.
    NotAuthenticated,
    /// The token is worth nothing.
    TokenNotValid,
    /// It is for another role.
    WrongRole,
    /// Staff have not approved the doctor, or have suspended them since.
    NotApproved,
    /// It takes a second factor.
    SecondFactorRequired,
    /// There is nothing here for the one who asks.
    NotFound,
    /// Nobody does this to themself.
    OwnAccount,
}

/// Whether `actor` may do `operation` to an object that is `relation` to them.
///
/// What is said of the actor comes before what is said of the object: nobody learns of an object
/// who may not ask for it.
pub fn decide(rules: Rules, actor: Actor, operation: Operation, relation: Relation) -> Decision {
    let audience = operation.audience();
    if audience == Audience::Public {
        return Decision::Allow;
    }
    let standing = match actor {
        Actor::Anonymous => return Decision::NotAuthenticated,
        Actor::InvalidToken => return Decision::TokenNotValid,
        Actor::Claimed(role) if !audience.includes(role) => return Decision::WrongRole,
        // They may go on, but nothing is for them before the claim is borne out.
        Actor::Claimed(_) if relation == Relation::Unknown => return Decision::Allow,
        Actor::Claimed(_) => return Decision::TokenNotValid,
        Actor::Confirmed(standing) => standing,
    };
    if !audience.includes(standing.role) {
        return Decision::WrongRole;
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
    if relation == Relation::Unknown { Decision::Allow } else { operation.of(relation) }
}

/// Whether `actor` may see a record that is `relation` to them, by whichever way there is to it.
pub fn sees(rules: Rules, actor: Actor, relation: Relation) -> bool {
    [Operation::ReadPatientRecord, Operation::ReadDoctorRecord]
        .into_iter()
        .any(|operation| decide(rules, actor, operation, relation) == Decision::Allow)
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
