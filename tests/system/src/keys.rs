//! Tests of the rotation of the secret behind the signing key.

use api_tests::harness::tokens::{kid_of, published};
use api_tests::harness::{
    Anonymous, Client, FunctionSettings, PASSWORD, Sandbox, User, aws, eventually, unique,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Calls an operation of Secrets Manager, as an operator.
#[track_caller]
fn secrets(name: &str, body: &Value) -> Value {
    aws::operation(aws::root(), "secretsmanager", &format!("secretsmanager.{name}"), body)
        .ok(200)
        .body
}

/// Returns the access and the refresh token of a sign-in at a sandbox.
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

/// The test has a secret of its own, so that the deployed functions keep theirs. To them, a key of
/// this sandbox is that of another sandbox.
#[test]
fn tokens_outlive_the_rotation_of_the_secret() {
    let user = User::new("patient");
    let new_secret = || format!("{}{}{}{}", unique(), unique(), unique(), unique());
    let secret = secrets(
        "CreateSecret",
        &json!({"Name": format!("tests-{}", unique()), "SecretString": new_secret()}),
    );
    let arn = secret["ARN"].as_str().unwrap();
    let cold = || {
        FunctionSettings::of("accounts").with_roots_rights().with("SIGNING_SECRET_ARN", arn).start()
    };
    let before = cold();
    let (old, old_refresh) = sign_in_at(&before, &user);
    secrets("PutSecretValue", &json!({"SecretId": arn, "SecretString": new_secret()}));
    let (after, earliest) = (cold(), Timestamp::now());
    let (new, _) = sign_in_at(&after, &user);
    let latest = Timestamp::now();
    assert!(kid_of(&old) != kid_of(&new) && kid_of(&old) != kid_of(&user.access));
    let all = [&old, &new, &user.access];
    assert!(published().is_superset(&all.map(|token| kid_of(token)).into()), "{:?}", published());

    // Every token is accepted everywhere: by the sandbox with its key, by those with an older or a
    // newer one, and by other functions.
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
    // A session continues with the new key; a sandbox that has not reloaded signs with the old one,
    // which is still accepted.
    let renewed = after
        .send(&Anonymous, "POST", "/api/accounts/token/refresh/", &json!({"refresh": old_refresh}))
        .ok(200);
    assert_eq!(kid_of(renewed.text("access")), kid_of(&new));
    let (late, _) = sign_in_at(&before, &user);
    assert_eq!(kid_of(&late), kid_of(&old));
    after.send(&Client::with_token(&late), "GET", "/api/accounts/me/", &Value::Null).ok(200);

    // The previous key expires only after its last tokens have, and after all sandboxes have
    // reloaded.
    let stored = aws::get_item("JWKS", &format!("KEY#{}", kid_of(&old))).unwrap();
    let end: Timestamp = stored["retire_after"]["S"].as_str().unwrap().parse().unwrap();
    let lives = SignedDuration::from_mins(25);
    // Stored in whole milliseconds.
    assert!(
        end >= earliest + lives - SignedDuration::from_millis(1) && end <= latest + lives,
        "{end}, {earliest}"
    );
    secrets("DeleteSecret", &json!({"SecretId": arn, "ForceDeleteWithoutRecovery": true}));
}
