//! Refresh tokens: opaque to clients, with a secret of 32 random bytes, stored as a hash, valid for
//! one use. Use [`RefreshToken::start`] for a new session and [`RefreshToken::rotate`] to continue
//! one.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use crypto::{derive_key, random, sha256_base64url};
use domain::id::{SessionId, UserId};
use domain::session::{PreviousToken, Session};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clock;

/// How long a client that lost the response may present the old token again.
const REPLAY_WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// How many characters of a device's description are stored.
const MAX_DEVICE_LENGTH: usize = 200;

/// When sessions expire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifetimes {
    /// How long a session lives without being used.
    pub idle: SignedDuration,
    /// How long a session lives, used or not.
    pub absolute: SignedDuration,
}

impl Lifetimes {
    /// Returns whether a session has ended or expired at `now`.
    pub fn are_over(self, session: &Session, now: Timestamp) -> bool {
        !session.is_live(now) || self.end(session.id.created_at(), session.last_used_at) <= now
    }

    /// Returns how long a session that was used at `now` lives unless it is used again.
    pub fn left(self, session: SessionId, now: Timestamp) -> SignedDuration {
        self.end(session.created_at(), now).duration_since(now)
    }

    /// Returns when a session created at `created_at` expires unless it is used again after `now`.
    fn end(self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        let after = |start: Timestamp, lifetime| start.saturating_add(lifetime).unwrap_or(start);
        after(now, self.idle).min(after(created_at, self.absolute))
    }
}

/// A refresh token. It contains the ids of user and session, so that one read finds the session;
/// only its secret authenticates.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// The user.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    secret: [u8; 32],
}

/// The outcome of presenting a refresh token.
#[derive(Clone, PartialEq, Debug)]
pub enum Rotation {
    /// It was the current token and has been replaced.
    Rotated {
        /// The session to store, provided that the stored one has not changed.
        session: Session,
        /// The successor.
        token: RefreshToken,
    },
    /// It was used seconds ago, and the response may have been lost: the same successor again.
    RepeatedInGracePeriod {
        /// The successor.
        token: RefreshToken,
    },
    /// It was used before, by its owner or by a thief. The session must be ended.
    Reused,
    /// The session has ended or expired, or the token is of another one.
    Refused,
}

impl RefreshToken {
    /// Starts a session of the user; returns it with its first token. `device` is the client's
    /// description of itself.
    pub fn start(
        user_id: UserId,
        now: Timestamp,
        device: &str,
        lifetimes: Lifetimes,
    ) -> (Session, Self) {
        Self::start_as(clock::new_id(), user_id, now, device, lifetimes)
    }

    /// Starts a session with an id greater than `ended_through`, the last id of those that were
    /// ended together.
    pub fn start_above(
        ended_through: SessionId,
        user_id: UserId,
        now: Timestamp,
        device: &str,
        lifetimes: Lifetimes,
    ) -> (Session, Self) {
        Self::start_as(
            clock::new_id_above(ended_through, ended_through.created_at()),
            user_id,
            now,
            device,
            lifetimes,
        )
    }

    fn start_as(
        id: SessionId,
        user_id: UserId,
        now: Timestamp,
        device: &str,
        lifetimes: Lifetimes,
    ) -> (Session, Self) {
        let token = Self { user_id, session_id: id, secret: random() };
        let session = Session {
            id,
            user_id,
            token_hash: token.hash(),
            previous: None,
            last_used_at: now,
            second_factor: false,
            password_version: 0,
            device: device.chars().filter(|c| !c.is_control()).take(MAX_DEVICE_LENGTH).collect(),
            ttl: lifetimes.end(now, now).as_second(),
        };
        (session, token)
    }

    /// Replaces the token `presented` for the stored `session`.
    ///
    /// A token with the session's id that is neither the current nor the previous one counts as an
    /// older one of the same session, because the id cannot be guessed.
    pub fn rotate(
        session: &Session,
        presented: &Self,
        now: Timestamp,
        lifetimes: Lifetimes,
    ) -> Rotation {
        let named = (presented.user_id, presented.session_id) == (session.user_id, session.id);
        if !named || lifetimes.are_over(session, now) {
            return Rotation::Refused;
        }
        // Not in constant time: the duration could only reveal the hash, not the secret.
        let hash = presented.hash();
        if hash == session.token_hash {
            let token = Self { secret: random(), ..presented.clone() };
            let masked_successor =
                BASE64_URL_SAFE_NO_PAD.encode(mask(&token.secret, &presented.secret));
            let session = Session {
                token_hash: token.hash(),
                previous: Some(PreviousToken { token_hash: hash, masked_successor }),
                last_used_at: now,
                ttl: lifetimes.end(session.id.created_at(), now).as_second(),
                ..session.clone()
            };
            return Rotation::Rotated { session, token };
        }
        match presented.successor(session, &hash) {
            Some(token) if now.duration_since(session.last_used_at) <= REPLAY_WINDOW => {
                Rotation::RepeatedInGracePeriod { token }
            }
            _ => Rotation::Reused,
        }
    }

    /// Returns the current token if this is its predecessor.
    fn successor(&self, session: &Session, hash: &str) -> Option<Self> {
        let previous = session.previous.as_ref().filter(|previous| previous.token_hash == hash)?;
        let masked = BASE64_URL_SAFE_NO_PAD.decode(&previous.masked_successor).ok()?;
        let secret = mask(masked.as_slice().try_into().ok()?, &self.secret);
        Some(Self { secret, ..self.clone() }).filter(|token| token.hash() == session.token_hash)
    }

    /// Parses what a client presents; `None` if it does not have the form of a refresh token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 64] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (user_id, rest) = bytes.split_first_chunk::<16>()?;
        let (session_id, secret) = rest.split_first_chunk::<16>()?;
        Some(Self {
            user_id: Uuid::from_bytes(*user_id).into(),
            session_id: Uuid::from_bytes(*session_id).into(),
            secret: secret.try_into().ok()?,
        })
    }

    /// Returns the token for the client: base64url of user id, session id and secret.
    pub fn reveal(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(
            [&self.user_id.as_bytes()[..], self.session_id.as_bytes(), &self.secret].concat(),
        )
    }

    /// Returns the hash that is stored: SHA-256 of the secret, base64url.
    fn hash(&self) -> String {
        sha256_base64url(&self.secret)
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

/// Masks a successor so that only its predecessor can unmask it; masking twice restores it.
fn mask(successor: &[u8; 32], predecessor: &[u8; 32]) -> [u8; 32] {
    let key = derive_key(predecessor, "refresh token: mask of the successor 1");
    std::array::from_fn(|at| successor[at] ^ key[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        idle: SignedDuration::from_hours(24),
        absolute: SignedDuration::from_hours(72),
    };

    fn user() -> UserId {
        "0190a5c0-0000-7000-8000-000000000001".parse().unwrap()
    }

    fn start() -> (Timestamp, Session, RefreshToken) {
        let now = clock::now();
        let (session, token) = RefreshToken::start(user(), now, "curl/8.5", LIFETIMES);
        (now, session, token)
    }

    fn rotate(session: &Session, token: &RefreshToken, now: Timestamp) -> (Session, RefreshToken) {
        match RefreshToken::rotate(session, token, now, LIFETIMES) {
            Rotation::Rotated { session, token } => (session, token),
            other => panic!("{other:?}"),
        }
    }

    fn later(now: Timestamp, seconds: i64) -> Timestamp {
        now + SignedDuration::from_secs(seconds)
    }

    #[test]
    fn a_token_that_a_client_got_can_be_parsed() {
        let (_, _, token) = start();
        let text = token.reveal();
        assert_eq!(text.len(), 86);
        assert!(RefreshToken::parse(&text) == Some(token.clone()));
        assert_eq!(format!("{token:?}"), "RefreshToken(..)");
    }

    #[test]
    fn nothing_else_is_parsed() {
        let (_, _, token) = start();
        let text = token.reveal();
        // 64 bytes leave four spare bits in the last character, which must be zero.
        let respelt = format!(
            "{}{}",
            &text[..85],
            if text.ends_with('A') { 'B' } else { char::from(text.as_bytes()[85] + 1) }
        );
        for text in [
            "",
            "a.b.c",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}=="),
            &respelt,
            &"é".repeat(43),
        ] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_session_holds_hashes_only() {
        let (now, session, token) = start();
        assert_eq!(session.token_hash, sha256_base64url(&token.secret));
        assert_eq!((session.user_id, session.id), (token.user_id, token.session_id));
        assert_eq!((session.last_used_at, session.ttl), (now, later(now, 86_400).as_second()));
        let (session, successor) = rotate(&session, &token, now);
        let stored = serde_json::to_string(&session).unwrap();
        for secret in [&token.secret, &successor.secret] {
            assert!(!stored.contains(&BASE64_URL_SAFE_NO_PAD.encode(secret)));
        }
    }

    #[test]
    fn a_device_is_shortened_and_has_no_control_characters() {
        let (session, _) = RefreshToken::start(
            user(),
            clock::now(),
            &format!("a\n{}", "é".repeat(300)),
            LIFETIMES,
        );
        assert_eq!(session.device, format!("a{}", "é".repeat(199)));
    }

    #[test]
    fn the_current_token_is_replaced_when_used() {
        let (now, session, token) = start();
        let (rotated, successor) = rotate(&session, &token, later(now, 60));
        assert!(successor != token);
        assert_eq!(rotated.token_hash, successor.hash());
        assert_eq!((rotated.last_used_at, rotated.id), (later(now, 60), session.id));
        assert_eq!(rotated.ttl, later(now, 60 + 86_400).as_second());
        let (_, third) = rotate(&rotated, &successor, later(now, 120));
        assert!(third != successor);
    }

    #[test]
    fn a_lost_response_is_repeated_for_ten_seconds() {
        let (now, session, token) = start();
        let (rotated, successor) = rotate(&session, &token, now);
        for seconds in [0, 10] {
            let replayed = RefreshToken::rotate(&rotated, &token, later(now, seconds), LIFETIMES);
            assert_eq!(replayed, Rotation::RepeatedInGracePeriod { token: successor.clone() });
        }
        assert_eq!(
            RefreshToken::rotate(&rotated, &token, later(now, 11), LIFETIMES),
            Rotation::Reused
        );
    }

    #[test]
    fn the_mask_of_a_successor_stays_the_one_of_stored_sessions() {
        let (successor, predecessor) =
            (std::array::from_fn(|at| 100 + at as u8), std::array::from_fn(|at| at as u8));
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.encode(mask(&successor, &predecessor)),
            "ybEQbscPQ2Nq8PSgW7jF9U6J8rpdLazTBbGRmLZ3Mzk"
        );
    }

    #[test]
    fn a_damaged_successor_is_not_returned() {
        let (now, session, token) = start();
        let (rotated, _) = rotate(&session, &token, now);
        for masked in ["", "not base64!", &BASE64_URL_SAFE_NO_PAD.encode([0; 32])] {
            let previous = PreviousToken {
                masked_successor: masked.to_owned(),
                ..rotated.previous.clone().unwrap()
            };
            let damaged = Session { previous: Some(previous), ..rotated.clone() };
            assert_eq!(RefreshToken::rotate(&damaged, &token, now, LIFETIMES), Rotation::Reused);
        }
    }

    #[test]
    fn older_and_forged_tokens_of_a_session_count_as_reuse() {
        let (now, session, token) = start();
        let (second, successor) = rotate(&session, &token, now);
        let (third, _) = rotate(&second, &successor, now);
        assert_eq!(RefreshToken::rotate(&third, &token, now, LIFETIMES), Rotation::Reused);
        let forged = RefreshToken { secret: random(), ..token };
        assert_eq!(RefreshToken::rotate(&third, &forged, now, LIFETIMES), Rotation::Reused);
    }

    #[test]
    fn tokens_of_other_sessions_and_users_are_refused() {
        let (now, session, token) = start();
        let of_other_session = RefreshToken { session_id: clock::new_id(), ..token.clone() };
        let of_other_user = RefreshToken { user_id: clock::new_id(), ..token };
        for token in [of_other_session, of_other_user] {
            assert_eq!(RefreshToken::rotate(&session, &token, now, LIFETIMES), Rotation::Refused);
        }
    }

    #[test]
    fn an_unused_session_expires() {
        let (now, session, token) = start();
        assert!(matches!(
            RefreshToken::rotate(&session, &token, later(now, 86_398), LIFETIMES),
            Rotation::Rotated { .. }
        ));
        assert_eq!(
            RefreshToken::rotate(&session, &token, later(now, 86_400), LIFETIMES),
            Rotation::Refused
        );
    }

    #[test]
    fn a_used_session_expires_too() {
        let (now, mut session, mut token) = start();
        for hours in [20, 40, 60] {
            (session, token) = rotate(&session, &token, later(now, hours * 3600));
        }
        // After sixty hours another day would be too long; the id contains the time of creation.
        assert!((session.ttl - later(now, 72 * 3600).as_second()).abs() <= 1);
        assert_eq!(
            RefreshToken::rotate(&session, &token, later(now, 72 * 3600 + 1), LIFETIMES),
            Rotation::Refused
        );
    }

    #[test]
    fn a_session_can_be_started_above_those_that_were_ended() {
        let (now, before, _) = start();
        let ahead = SessionId::last_at(later(now, 60));
        let (session, token) = RefreshToken::start_above(ahead, user(), now, "curl/8.5", LIFETIMES);
        assert!(session.id > ahead && token.session_id == session.id);
        assert!(matches!(
            RefreshToken::rotate(&session, &token, now, LIFETIMES),
            Rotation::Rotated { .. }
        ));
        assert!(
            !LIFETIMES.are_over(&before, later(now, 86_398))
                && LIFETIMES.are_over(&before, later(now, 86_400))
        );
    }

    #[test]
    fn shorter_lifetimes_apply_to_existing_sessions() {
        let (now, session, token) = start();
        let shorter = Lifetimes {
            idle: SignedDuration::from_hours(1),
            absolute: SignedDuration::from_hours(2),
        };
        assert_eq!(
            RefreshToken::rotate(&session, &token, later(now, 3601), shorter),
            Rotation::Refused
        );
    }
}
