//! Tests of access tokens: which are accepted, and that no other key, algorithm or claim passes.

use serde_json::json;

use super::*;

const ISSUER: &str = "records-test";
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

fn signer() -> Signer {
    Signer::new("a secret for tests", ISSUER)
}

fn keys() -> Vec<SigningKey> {
    let signer = signer();
    vec![key(signer.kid(), signer.public_key())]
}

fn key(kid: &str, x: &str) -> SigningKey {
    SigningKey { kid: kid.to_owned(), x: x.to_owned(), created_at: now(), retire_after: None }
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn user() -> UserId {
    "0190a5c0-0000-7000-8000-000000000001".parse().unwrap()
}

fn session() -> SessionId {
    "0190a5c0-0000-7000-8000-000000000002".parse().unwrap()
}

fn token() -> String {
    signer().sign(user(), session(), Role::Doctor, now(), LIFETIME)
}

fn verify(token: &str) -> Result<Claims, TokenError> {
    Verifier::new(ISSUER).verify(token, &keys(), now())
}

fn header() -> Value {
    json!({"typ": "at+jwt", "alg": "EdDSA", "kid": signer().kid()})
}

fn payload() -> Value {
    let now = now().as_second();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": user(), "sid": session(), "role": "doctor",
        "iat": now, "nbf": now, "exp": now + 900, "jti": "0190a5c0-0000-7000-8000-000000000003"
    })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object
}

/// Makes a token with any header and payload, signed with our own key, so that only its content can
/// be wrong.
fn signed(header: &str, payload: &str) -> String {
    let signer = signer();
    let message = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header),
        BASE64_URL_SAFE_NO_PAD.encode(payload)
    );
    let pair = Ed25519KeyPair::from_seed_unchecked(signer.key.as_bytes()).unwrap();
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())))
}

fn with_header(header: Value) -> Result<Claims, TokenError> {
    verify(&signed(&header.to_string(), &payload().to_string()))
}

fn with_payload(payload: Value) -> Result<Claims, TokenError> {
    verify(&signed(&header().to_string(), &payload.to_string()))
}

#[test]
fn a_token_says_who_is_calling() {
    let claims = Claims {
        user_id: user(),
        session_id: session(),
        role: Role::Doctor,
        issued_at: now(),
        expires_at: later(900),
    };
    assert_eq!(verify(&token()), Ok(claims));
    assert_eq!(
        with_payload(payload()),
        Ok(claims),
        "the tests' own tokens are good but for what they change"
    );
}

#[test]
fn a_token_has_the_form_of_rfc_9068() {
    let token = token();
    let part = |at: usize| -> Value {
        serde_json::from_slice(
            &BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap(),
        )
        .unwrap()
    };
    assert_eq!(part(0), header());
    let jti = part(1)["jti"].clone();
    assert_eq!(part(1), with(payload(), "jti", jti));
    assert!(token.len() < 600, "{}", token.len());
}

#[test]
fn the_key_id_is_the_thumbprint() {
    // The example of RFC 8037, appendix A.3.
    assert_eq!(
        thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    // The key that follows from the secret, computed with the Python package cryptography.
    assert_eq!(signer().public_key(), "KiIr-mJTroW4lJd-OK_3i5ueA4xQbpyN9GuAwkEQOIE");
    assert_eq!(signer().kid(), "FetlVQZI7vrde625UOkFJw7z39Nq6J-EREzMowTC1Hw");
    assert_ne!(Signer::new("another secret", ISSUER).kid(), signer().kid());
    assert!(!format!("{:?}", signer()).contains("secret for tests"));
}

#[test]
fn the_signature_counts() {
    let token = token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert_eq!(
            verify(&format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(&bytes))),
            Err(TokenError::Invalid),
            "byte {at}"
        );
        bytes[at] ^= 1;
    }
    for signature in [
        "",
        "AAAA",
        &BASE64_URL_SAFE_NO_PAD.encode([0; 64]),
        &BASE64_URL_SAFE_NO_PAD.encode([&bytes[..], &[0]].concat()),
    ] {
        assert_eq!(verify(&format!("{message}.{signature}")), Err(TokenError::Invalid));
    }
}

#[test]
fn an_edited_token_is_refused() {
    let token = token();
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let promoted =
        BASE64_URL_SAFE_NO_PAD.encode(with(payload(), "role", json!("admin")).to_string());
    assert_eq!(verify(&format!("{header}.{promoted}.{signature}")), Err(TokenError::Invalid));
}

#[test]
fn only_our_key_counts() {
    let other = Signer::new("another secret", ISSUER);
    let token = other.sign(user(), session(), Role::Doctor, now(), LIFETIME);
    assert_eq!(verify(&token), Err(TokenError::UnknownKey));
    let mistaken = [key(other.kid(), signer().public_key())];
    assert_eq!(
        Verifier::new(ISSUER).verify(&token, &mistaken, now()),
        Err(TokenError::Invalid),
        "the right id, another key"
    );
    let both = [keys(), vec![key(other.kid(), other.public_key())]].concat();
    assert!(
        Verifier::new(ISSUER).verify(&token, &both, now()).is_ok(),
        "old and new keys live side by side"
    );
    for x in ["", "AAAA", "not base64!"] {
        assert_eq!(
            Verifier::new(ISSUER).verify(&token, &[key(other.kid(), x)], now()),
            Err(TokenError::Invalid),
            "a damaged key"
        );
    }
    assert_eq!(Verifier::new(ISSUER).verify(&token, &[], now()), Err(TokenError::UnknownKey));
}

#[test]
fn a_retired_key_is_refused() {
    let retired =
        |seconds| vec![SigningKey { retire_after: Some(later(seconds)), ..keys().remove(0) }];
    assert!(Verifier::new(ISSUER).verify(&token(), &retired(1), now()).is_ok());
    assert_eq!(
        Verifier::new(ISSUER).verify(&token(), &retired(0), now()),
        Err(TokenError::Invalid)
    );
}

#[test]
fn no_other_algorithm_counts() {
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "eddsa", "EDDSA", "Ed25519", "ES256", "RS256", "PS512",
        "HS256",
    ] {
        assert_eq!(
            with_header(with(header(), "alg", json!(algorithm))),
            Err(TokenError::Malformed),
            "{algorithm}"
        );
        let token =
            signed(&with(header(), "alg", json!(algorithm)).to_string(), &payload().to_string());
        let unsigned = token.rsplit_once('.').unwrap().0;
        assert_eq!(
            verify(&format!("{unsigned}.")),
            Err(TokenError::Malformed),
            "{algorithm}, unsigned"
        );
    }
    for algorithm in [json!(null), json!(1), json!(["EdDSA"])] {
        assert_eq!(with_header(with(header(), "alg", algorithm)), Err(TokenError::Malformed));
    }
    assert_eq!(with_header(without(header(), "alg")), Err(TokenError::Malformed));
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let signer = signer();
    let header = with(header(), "alg", json!("HS256"));
    let message = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header.to_string()),
        BASE64_URL_SAFE_NO_PAD.encode(payload().to_string())
    );
    for secret in [
        signer.public_key().as_bytes(),
        &BASE64_URL_SAFE_NO_PAD.decode(signer.public_key()).unwrap(),
    ] {
        let mac = ring::hmac::sign(
            &ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret),
            message.as_bytes(),
        );
        assert_eq!(
            verify(&format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac))),
            Err(TokenError::Malformed)
        );
    }
}

#[test]
fn the_library_itself_knows_one_algorithm() {
    install_provider();
    let (encoding, decoding) =
        (EncodingKey::from_secret(b"secret"), DecodingKey::from_secret(b"secret"));
    assert!(ed25519_signer(&Algorithm::HS256, &encoding).is_err());
    assert!(ed25519_signer(&Algorithm::EdDSA, &encoding).is_err(), "an HMAC secret as Ed25519 key");
    assert!(ed25519_verifier(&Algorithm::HS256, &decoding).is_err());
    assert!(
        ed25519_verifier(&Algorithm::EdDSA, &decoding).is_err(),
        "an HMAC secret as Ed25519 key"
    );
    assert!(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload(), &encoding).is_err());
}

#[test]
fn no_other_type_counts() {
    for typ in ["JWT", "jwt", "AT+JWT", "application/at+jwt", "rt+jwt", "mfa+jwt", ""] {
        assert_eq!(
            with_header(with(header(), "typ", json!(typ))),
            Err(TokenError::Malformed),
            "{typ}"
        );
    }
    assert_eq!(with_header(without(header(), "typ")), Err(TokenError::Malformed));
}

#[test]
fn extensions_are_refused() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        assert_eq!(
            with_header(with(header(), name, value.clone())),
            Err(TokenError::Malformed),
            "{name} {value}"
        );
    }
}

#[test]
fn a_token_does_not_choose_its_key() {
    let attacker = Signer::new("another secret", ISSUER);
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": signer().kid(),
        "x": attacker.public_key()});
    let sign = |header: &Value| {
        let message = format!(
            "{}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(header.to_string()),
            BASE64_URL_SAFE_NO_PAD.encode(payload().to_string())
        );
        let pair = Ed25519KeyPair::from_seed_unchecked(attacker.key.as_bytes()).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())))
    };
    assert_eq!(verify(&sign(&header())), Err(TokenError::Invalid));
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("https://example.com/jwks.json")),
        ("x5u", json!("https://example.com/x.pem")),
    ] {
        let ours = with(header(), name, value.clone());
        assert_eq!(verify(&sign(&ours)), Err(TokenError::Malformed), "{name}");
        assert_eq!(
            verify(&sign(&with(ours.clone(), "kid", json!(attacker.kid())))),
            Err(TokenError::Malformed),
            "{name}"
        );
        assert_eq!(
            with_header(ours),
            Err(TokenError::Malformed),
            "{name}, though the signature is ours"
        );
    }
}

#[test]
fn a_hostile_key_id_goes_nowhere() {
    for kid in [
        "",
        "../../etc/passwd",
        "' OR 1=1 --",
        "a b",
        "a\0b",
        "ключ",
        &"a".repeat(65),
        &"a".repeat(10_000),
    ] {
        assert_eq!(
            with_header(with(header(), "kid", json!(kid))),
            Err(TokenError::Malformed),
            "{kid}"
        );
    }
    for kid in [json!(null), json!(1), json!(["a"]), json!({"a": 1})] {
        assert_eq!(with_header(with(header(), "kid", kid)), Err(TokenError::Malformed));
    }
    assert_eq!(with_header(without(header(), "kid")), Err(TokenError::Malformed));
    assert_eq!(
        with_header(with(header(), "kid", json!("a".repeat(64)))),
        Err(TokenError::UnknownKey)
    );
}

#[test]
fn every_claim_is_required() {
    for name in ["iss", "aud", "sub", "sid", "role", "iat", "nbf", "exp", "jti"] {
        assert_eq!(with_payload(without(payload(), name)), Err(TokenError::Invalid), "{name}");
        assert_eq!(
            with_payload(with(payload(), name, Value::Null)),
            Err(TokenError::Invalid),
            "{name}"
        );
    }
}

#[test]
fn claims_of_others_are_refused() {
    for (name, value) in [
        ("iss", json!("records-other")),
        ("iss", json!([ISSUER])),
        ("aud", json!("another-api")),
        ("aud", json!([AUDIENCE])),
        ("role", json!("Doctor")),
        ("role", json!("nurse")),
        ("sub", json!("1")),
        ("sub", json!("")),
        ("sub", json!("0190A5C0-0000-7000-8000-00000000000A")),
        ("sub", json!("0190a5c00000700080000000000000001")),
        ("sid", json!("x")),
        ("sid", json!("{0190a5c0-0000-7000-8000-000000000002}")),
        ("exp", json!("2026-03-01T12:15:00Z")),
        ("exp", json!(1e18)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(1.5)),
        ("nbf", json!(i64::MIN)),
        ("jti", json!("x")),
    ] {
        assert_eq!(
            with_payload(with(payload(), name, value.clone())),
            Err(TokenError::Invalid),
            "{name} {value}"
        );
    }
    assert_eq!(
        Verifier::new("records-other").verify(&token(), &keys(), now()),
        Err(TokenError::Invalid)
    );
    assert!(
        with_payload(with(payload(), "scope", json!("all"))).is_ok(),
        "unknown claims say nothing"
    );
}

#[test]
fn a_token_has_its_time() {
    let at = |seconds| Verifier::new(ISSUER).verify(&token(), &keys(), later(seconds)).map(|_| ());
    assert_eq!(at(0), Ok(()));
    assert_eq!(at(899), Ok(()));
    assert_eq!(at(900), Err(TokenError::Expired), "no leeway at the end");
    assert_eq!(at(-5), Ok(()), "clocks differ");
    assert_eq!(at(-6), Err(TokenError::Invalid));
    let second = now().as_second();
    for name in ["iat", "nbf"] {
        assert!(with_payload(with(payload(), name, json!(second + 5))).is_ok());
        assert_eq!(
            with_payload(with(payload(), name, json!(second + 6))),
            Err(TokenError::Invalid),
            "{name}"
        );
    }
}

#[test]
fn only_a_genuine_token_is_expired() {
    let expired = token();
    let (message, _) = expired.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode([1; 64]));
    assert_eq!(
        Verifier::new(ISSUER).verify(&forged, &keys(), later(10_000)),
        Err(TokenError::Invalid)
    );
}

#[test]
fn nothing_is_said_twice() {
    let header = header().to_string();
    let doubled_header = header.replacen('{', r#"{"alg":"none","#, 1);
    assert_eq!(
        verify(&signed(&doubled_header, &payload().to_string())),
        Err(TokenError::Malformed)
    );
    let extra = header.replacen('{', r#"{"x":1,"x":1,"#, 1);
    assert_eq!(verify(&signed(&extra, &payload().to_string())), Err(TokenError::Malformed));
    for member in [
        r#""role":"admin""#,
        r#""sub":"0190a5c0-0000-7000-8000-000000000009""#,
        r#""\u0072ole":"admin""#,
        r#""x":1,"x":1"#,
    ] {
        let doubled = payload().to_string().replacen('{', &format!("{{{member},"), 1);
        assert_eq!(verify(&signed(&header, &doubled)), Err(TokenError::Invalid), "{member}");
    }
}

#[test]
fn a_token_has_one_spelling() {
    let token = token();
    let parts: Vec<&str> = token.split('.').collect();
    for at in 0..3 {
        for spelling in [
            format!("{}=", parts[at]),
            format!(" {}", parts[at]),
            format!("{}\n", parts[at]),
            format!("{}+", parts[at]),
        ] {
            let mut parts = parts.clone();
            parts[at] = &spelling;
            assert_eq!(verify(&parts.join(".")), Err(TokenError::Malformed), "{spelling:?}");
        }
    }
    // 64 bytes leave four spare bits in the signature's last character, which is thus one of A, Q,
    // g and w.
    let (rest, last) = token.split_at(token.len() - 1);
    let respelt = format!("{rest}{}", char::from(last.as_bytes()[0] + 1));
    assert_eq!(verify(&respelt), Err(TokenError::Malformed));
}

#[test]
fn other_forms_are_no_tokens() {
    let token = token();
    let json_serialization = {
        let parts: Vec<&str> = token.split('.').collect();
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string()
    };
    let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = encoded(&header().to_string());
    for text in [
        "",
        ".",
        "..",
        "...",
        "garbage",
        &json_serialization,
        &format!("{token}.{header}"),
        &format!("{header}.e30"),
        &format!("{}.{}.{}", encoded("[]"), encoded("{}"), encoded("x")),
        &format!("{}.{}.{}", encoded("\"EdDSA\""), encoded("{}"), encoded("x")),
        &format!("{}.{}.{}", BASE64_URL_SAFE_NO_PAD.encode(b"\xff"), encoded("{}"), encoded("x")),
    ] {
        assert_eq!(verify(text), Err(TokenError::Malformed), "{text:?}");
    }
    for payload in ["[]", "null", "\"x\"", "", "{} {}"] {
        assert_eq!(
            verify(&signed(&self::header().to_string(), payload)),
            Err(TokenError::Invalid),
            "{payload:?}"
        );
    }
}

#[test]
fn long_texts_are_not_looked_at() {
    let fits =
        signed(&header().to_string(), &with(payload(), "x", json!("x".repeat(2000))).to_string());
    assert!(fits.len() < MAX_LENGTH && verify(&fits).is_ok());
    let too_long =
        signed(&header().to_string(), &with(payload(), "x", json!("x".repeat(3000))).to_string());
    assert!(too_long.len() > MAX_LENGTH);
    assert_eq!(verify(&too_long), Err(TokenError::Malformed));
}
