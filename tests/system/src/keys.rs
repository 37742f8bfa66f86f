//! The secret behind the signing key is rotated.

use api_tests::harness::tokens::{kid_of, published};
use api_tests::harness::{
    Anonymous, Client, PASSWORD, Sandbox, Settings, User, aws, eventually, unique,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// An operation of Secrets Manager, as an operator's.
#[track_caller]
fn secrets(name: &str, body: &Value) -> Value {
    aws::operation(aws::root(), "secretsmanager", &format!("secretsmanager.{name}"), body)
        .ok(200)
        .body
}

/// The access and the refresh token of a sign-in at a sandbox.
#[track_caller]
fn sign_in_at(accounts: &Sandbox, user: &User) -> (String, String) {
    let response = accounts
        .send(
            &Anonymous,
            "POST",
            "/api/accounts/login/",
            &json!({"email": user.email, "password": PASSWORD}),
        )
        .ok(200);
    let token = |name: &str| response["tokens"][name].as_str().unwrap().to_owned();
    (token("access"), token("refresh"))
}

/// The secret is one of this test's own, so that the deployed functions go on with theirs. For
/// these a key of a sandbox is that of another sandbox of theirs.
#[test]
fn tokens_outlive_the_rotation_of_the_secret() {
    let user = User::new("patient");
    let new_secret = || format!("{}{}{}{}", unique(), unique(), unique(), unique());
    let secret = secrets(
        "CreateSecret",
        &json!({"Name": format!("tests-{}", unique()), "SecretString": new_secret()}),
    );
    let arn = secret["ARN"].as_str().unwrap();
    let cold =
        || Settings::of("accounts").with_roots_rights().with("SIGNING_SECRET_ARN", arn).start();
    let before = cold();
    let (old, old_refresh) = sign_in_at(&before, &user);
    secrets("PutSecretValue", &json!({"SecretId": arn, "SecretString": new_secret()}));
    let (after, earliest) = (cold(), Timestamp::now());
    let (new, _) = sign_in_at(&after, &user);
    let latest = Timestamp::now();
    assert!(kid_of(&old) != kid_of(&new) && kid_of(&old) != kid_of(&user.access));
    let all = [&old, &new, &user.access];
    assert!(published().is_superset(&all.map(|token| kid_of(token)).into()), "{:?}", published());

    // Every token is good everywhere: where its key was made, where it is older, where it is newer,
    // at other functions.
    for token in all {
        let client = Client::with_token(token);
        for accounts in [&before, &after] {
            let me = || {
                (accounts.send(&client, "GET", "/api/accounts/me/", &Value::Null).status == 200)
                    .then_some(())
            };
            // Unknown keys are looked up every ten seconds only.
            eventually("a token is believed", me);
        }
        eventually("a token is believed by the deployed functions", || {
            (client.me().status == 200).then_some(())
        });
        eventually("a token is believed by others", || {
            (client.list_patient_records("").status == 200).then_some(())
        });
    }
    // A session goes on under the new key; a sandbox that has not looked again signs with the old
    // one, which is still good.
    let renewed = after
        .send(&Anonymous, "POST", "/api/accounts/token/refresh/", &json!({"refresh": old_refresh}))
        .ok(200);
    assert_eq!(kid_of(renewed.text("access")), kid_of(&new));
    let (late, _) = sign_in_at(&before, &user);
    assert_eq!(kid_of(&late), kid_of(&old));
    after.send(&Client::with_token(&late), "GET", "/api/accounts/me/", &Value::Null).ok(200);

    // The key before has an end: what it has signed until then may live, and all sandboxes may look
    // again.
    let stored = aws::get_item("JWKS", &format!("KEY#{}", kid_of(&old))).unwrap();
    let end: Timestamp = stored["retire_after"]["S"].as_str().unwrap().parse().unwrap();
    let lives = SignedDuration::from_mins(25);
    // Kept in whole milliseconds.
    assert!(
        end >= earliest + lives - SignedDuration::from_millis(1) && end <= latest + lives,
        "{end}, {earliest}"
    );
    secrets("DeleteSecret", &json!({"SecretId": arn, "ForceDeleteWithoutRecovery": true}));
}
