//! Second factors: one-time passwords of authenticator apps (RFC 6238) and recovery codes. Use it
//! to create secrets and to check codes.
//!
//! SHA-1, six digits and 30 seconds are what all apps support. HMAC does not depend on the
//! collision resistance that SHA-1 has lost.

use crypto::{random, sha256_base64url};
use domain::second_factor::{RecoveryCode, TotpCode};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// How long a code is shown.
const STEP_SECONDS: u64 = 30;

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The tolerance for the app's clock, in steps either way.
const SKEW: u16 = 1;

/// Generates a secret, in base32: 160 bits, the length of the hash (RFC 4226, section 4).
pub fn new_secret() -> String {
    Secret::from(random::<20>()).to_base32()
}

/// Returns the URL that an app reads from a QR code:
/// <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>
pub fn otpauth_url(issuer: &str, account: &str, secret: &str) -> String {
    let [issuer, account] = [issuer, account].map(|text| utf8_percent_encode(text, RESERVED));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}\
         &issuer={issuer}&algorithm=SHA1&digits=6&period={STEP_SECONDS}"
    )
}

/// Returns the time step to which `code` belongs; `None` for a wrong code. The caller checks that
/// the step has not been used before.
pub fn step_of(secret: &str, code: &TotpCode, now: Timestamp) -> Option<u64> {
    totp(secret)?.check(code.digits(), u64::try_from(now.as_second()).ok()?)
}

fn totp(secret: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    let builder = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW)
        .with_step_duration(STEP_SECONDS);
    builder.with_secret(secret).build().ok()
}

/// Generates a recovery code of 128 bits.
pub fn new_recovery_code() -> RecoveryCode {
    RecoveryCode::new(&Secret::from(&random::<16>()[..]).to_base32())
}

/// Returns the hash of a recovery code, which is stored in its place.
pub fn recovery_hash(code: &RecoveryCode) -> String {
    sha256_base64url(code.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use domain::field::FieldValue;
    use serde_json::json;

    use super::*;

    fn code(digits: &str) -> TotpCode {
        TotpCode::from_json(&json!(digits)).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, cut to six digits; the secret is "12345678901234567890".
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        for (time, digits) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
        ] {
            let step = u64::try_from(time).unwrap() / 30;
            assert_eq!(step_of(secret, &code(digits), at(time)), Some(step), "{time}");
            for (seconds, good) in [(30, true), (-30, true), (90, false), (-90, false)] {
                let found = step_of(secret, &code(digits), at((time + seconds).max(0)));
                assert_eq!(
                    found,
                    (good || time < 90 && seconds < -30).then_some(step),
                    "{time} and {seconds} s"
                );
            }
        }
        assert_eq!(step_of("no base32!", &code("287082"), at(59)), None);
        assert_eq!(step_of(secret, &code("287083"), at(59)), None);
    }

    #[test]
    fn secrets_and_recovery_codes_do_not_repeat() {
        let secret = new_secret();
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, new_secret());
        let code = new_recovery_code();
        assert_eq!(code.expose().len(), 32);
        assert!(code != new_recovery_code());
        let typed = RecoveryCode::from_json(&json!(code.expose().to_uppercase().replace('-', " ")))
            .unwrap();
        assert_eq!(recovery_hash(&typed), recovery_hash(&code));
    }

    #[test]
    fn the_url_holds_everything_an_app_needs() {
        let url = otpauth_url("Health Records", "jane+x@example.com", "ABC");
        let expected = "otpauth://totp/Health%20Records:jane%2Bx%40example.com\
             ?secret=ABC&issuer=Health%20Records\
                        &algorithm=SHA1&digits=6&period=30";
        assert_eq!(url, expected);
    }
}
