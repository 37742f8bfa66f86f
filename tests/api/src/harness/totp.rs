//! An authenticator app (RFC 6238), implemented independently of the functions.

use jiff::Timestamp;
use ring::hmac;

/// An app with one secret.
#[derive(Clone)]
pub struct AuthenticatorApp(hmac::Key);

/// How many seconds a code is shown.
const STEP_SECONDS: i64 = 30;

impl AuthenticatorApp {
    /// Makes the app from the secret in base32 (RFC 4648).
    pub fn new(secret: &str) -> Self {
        let (mut bytes, mut bits, mut buffer) = (Vec::new(), 0, 0_u32);
        for letter in secret.bytes() {
            let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
                .iter()
                .position(|known| *known == letter)
                .unwrap();
            (buffer, bits) = (buffer << 5 | u32::try_from(value).unwrap(), bits + 5);
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(buffer >> bits & 0xff).unwrap());
            }
        }
        assert_eq!(bytes.len(), 20, "as many bits as the hash has");
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes))
    }

    /// Returns the code that is shown now, or the given number of steps from now.
    pub fn code(&self, steps: i64) -> String {
        let step = Timestamp::now().as_second() / STEP_SECONDS + steps;
        let tag = hmac::sign(&self.0, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 0xf);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}
