//! Tests of squatting: somebody registers the address of another person. Its owner gets it, and the
//! squatter gets nothing, whatever the owner does with the mails.

use serde_json::{Value, json};

use crate::harness::{
    Admin, Anonymous, AuthenticatorApp, Client, FunctionSettings, PASSWORD, Patient, Response,
    Sandbox, account_mail, aws, eventually, let_it_wait, new_email, origin, recover,
};

const OWN: &str = "three lamps in the window";
const CONFIRM: &str = "Confirm Your Email Address";

/// Somebody who has registered the address of another person as a doctor.
struct Squatter {
    email: String,
    id: String,
    access: String,
    refresh: String,
}

impl Squatter {
    #[track_caller]
    fn new() -> Self {
        let email = new_email();
        let body = json!({"email": email, "password": PASSWORD, "role": "doctor",
            "first_name": "Dr.", "last_name": "Evil"});
        let registered = Anonymous.register(body).ok(201);
        let token = |name: &str| registered["tokens"][name].as_str().unwrap().to_owned();
        let id = registered.text("pk").to_owned();
        Self { email, id, access: token("access"), refresh: token("refresh") }
    }

    fn client(&self) -> Client {
        Client::with_token(&self.access)
    }

    /// Tries everything that kept the account, or a way into it.
    #[track_caller]
    fn has_nothing(&self) {
        Anonymous.login(&self.email, PASSWORD).problem(401, "invalid_credentials");
        Anonymous.refresh(&self.refresh).problem(401, "token_not_valid");
        self.client().me().problem(401, "token_not_valid");
        self.client().set_up_second_factor(PASSWORD).problem(401, "token_not_valid");
        self.client().change_password(PASSWORD, OWN).problem(401, "token_not_valid");
        self.client().request_email_change(&new_email(), PASSWORD).problem(401, "token_not_valid");
    }
}

#[track_caller]
fn shows_the_squatter(token: &str) {
    let shown = Anonymous.read_registration(token).ok(200);
    assert_eq!(shown.keys(), ["confirmed", "first_name", "last_name", "role"]);
    assert_eq!(
        (shown.text("first_name"), shown.text("last_name"), shown.text("role")),
        ("Dr.", "Evil", "doctor")
    );
    assert_eq!(shown["confirmed"], false);
}

#[test]
fn a_squatter_sets_up_no_second_factor() {
    let squatter = Squatter::new();
    squatter.client().set_up_second_factor(PASSWORD).problem(403, "email_not_confirmed");
    squatter.client().confirm_second_factor("123456").problem(409, "second_factor_not_set_up");
    assert_eq!(aws::get_item(&format!("FACTOR#{}", squatter.id), "SECOND_FACTOR"), None);
    // One from before addresses had to be confirmed.
    let guarded = Squatter::new();
    let account = format!("USER#{}", guarded.id);
    let set = |verified: bool| {
        let values = json!({":verified": {"BOOL": verified}});
        aws::update_item(&account, "ACCOUNT", "SET email_verified = :verified", values);
    };
    set(true);
    let app = AuthenticatorApp::new(
        guarded.client().set_up_second_factor(PASSWORD).ok(200).text("secret"),
    );
    guarded.client().confirm_second_factor(&app.code(0)).ok(200);
    set(false);
    Anonymous.request_password_reset(&guarded.email).ok(202);
    let token = account_mail(&guarded.email, "Set Your Password", 0).token();
    Anonymous.reset_password(&token, OWN).ok(200);
    Anonymous.login(&guarded.email, OWN).ok(200);
    guarded.has_nothing();
}

#[test]
fn the_owner_who_confirms_the_address_sets_the_password() {
    let squatter = Squatter::new();
    let mail = account_mail(&squatter.email, CONFIRM, 0);
    assert!(mail.text.contains("Somebody has registered") && !mail.text.contains("Evil"));
    assert!(mail.text.contains(&format!("{}/discard-account#token=", origin())), "{}", mail.text);
    let token = mail.token();
    shows_the_squatter(&token);
    // Neither the token alone nor a session of another account confirms the address.
    let other = Squatter::new();
    Anonymous.verify_email(&token).refused("password", "required");
    other.client().verify_email(&token).refused("password", "required");
    Client::with_token("made-up").verify_email(&token).refused("password", "required");
    // What the squatter does meanwhile does not make the token void.
    let changed = squatter.client().change_password(PASSWORD, "another harbour, a louder one");
    let squatter = Squatter {
        access: changed.clone().ok(200).text("access").to_owned(),
        refresh: changed.text("refresh").to_owned(),
        ..squatter
    };
    squatter.client().me().ok(200);
    Anonymous.verify_email_and_set_password(&token, "12345678").refused("password", "too_common");
    Anonymous.verify_email_and_set_password(&token, OWN).ok(200);
    squatter.has_nothing();
    Anonymous
        .login(&squatter.email, "another harbour, a louder one")
        .problem(401, "invalid_credentials");
    let owner = Anonymous.login(&squatter.email, OWN).ok(200);
    assert_eq!(owner.text("pk"), squatter.id);
    Anonymous.verify_email_and_set_password(&token, PASSWORD).refused("token", "invalid");
    Anonymous.discard_registration(&token).refused("token", "invalid");
}

#[test]
fn an_ended_session_confirms_no_address() {
    let squatter = Squatter::new();
    let token = account_mail(&squatter.email, CONFIRM, 0).token();
    squatter.client().logout().ok(204);
    squatter.client().verify_email(&token).refused("password", "required");
}

#[test]
fn the_owner_who_resets_the_password_gets_the_account_or_discards_it() {
    let [kept, discarded] = [(); 2].map(|()| Squatter::new());
    // It is not sent any more when the account is confirmed.
    let other = account_mail(&kept.email, CONFIRM, 0).token();
    let token = |squatter: &Squatter| {
        Anonymous.request_password_reset(&squatter.email).ok(202);
        let mail = account_mail(&squatter.email, "Set Your Password", 0);
        assert!(mail.html.contains("/discard-account#token="), "{}", mail.html);
        shows_the_squatter(&mail.token());
        mail.token()
    };
    let reset = token(&kept);
    kept.client().logout_all().ok(204);
    Anonymous.reset_password(&reset, OWN).ok(200);
    kept.has_nothing();
    Anonymous.login(&kept.email, OWN).ok(200);
    // Confirmed accounts are not discarded.
    assert_eq!(Anonymous.read_registration(&other).ok(200)["confirmed"], true);
    Anonymous.discard_registration(&other).refused("token", "invalid");

    let reset = token(&discarded);
    Anonymous.discard_registration(&reset).ok(200);
    is_free(&discarded);
}

#[test]
fn the_owner_who_discards_the_account_registers_anew() {
    let squatter = Squatter::new();
    let body = json!({"email": squatter.email, "password": OWN, "first_name": "Jane"});
    Anonymous.register(body).refused("email", "taken");
    let confirmation = account_mail(&squatter.email, CONFIRM, 0).token();
    Anonymous.discard_registration(&confirmation).ok(200);
    Anonymous.discard_registration(&confirmation).refused("token", "invalid");
    Anonymous.verify_email_and_set_password(&confirmation, OWN).refused("token", "invalid");
    is_free(&squatter);
    let events = aws::query(&format!("AUDIT#{}", squatter.id));
    assert!(events.iter().any(|event| event["action"]["S"] == "discard_account"));
}

/// Checks that the squatter has nothing, and that the owner registers the address.
#[track_caller]
fn is_free(squatter: &Squatter) {
    squatter.has_nothing();
    let body = json!({"email": squatter.email, "password": OWN, "first_name": "Jane"});
    let owner = Anonymous.register(body).ok(201);
    assert_ne!(owner.text("pk"), squatter.id);
    squatter.has_nothing();
    let owner = Client::with_token(owner["tokens"]["access"].as_str().unwrap());
    let own = account_mail(&squatter.email, CONFIRM, 1).token();
    owner.verify_email(&own).ok(200);
    owner.set_up_second_factor(OWN).ok(200);
}

fn register(accounts: &Sandbox, email: &str, password: &str, name: &str) -> Response {
    let body = json!({"email": email, "password": password, "first_name": name});
    accounts.send(&Anonymous, "POST", "/api/accounts/register/", &body)
}

#[test]
fn a_silent_registration_does_not_bind_its_address() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let email = new_email();
    let told = register(&accounts, &email, PASSWORD, "Evil").ok(202);
    let of_squatter = account_mail(&email, CONFIRM, 0).token();
    // The owner registers later: the same response, and an account of their own.
    assert_eq!(register(&accounts, &email, OWN, "Jane").ok(202).bytes, told.bytes);
    let own = account_mail(&email, CONFIRM, 1).token();
    for token in [&of_squatter, &own] {
        Anonymous.verify_email(token).ok(400);
    }
    Anonymous.read_registration(&of_squatter).refused("token", "invalid");
    Anonymous.verify_email_and_set_password(&of_squatter, OWN).refused("token", "invalid");
    assert_eq!(Anonymous.read_registration(&own).ok(200).text("first_name"), "Jane");
    Anonymous.login(&email, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.verify_email_and_set_password(&own, OWN).ok(200);
    Anonymous.login(&email, PASSWORD).problem(401, "invalid_credentials");
    let owner = Anonymous.login(&email, OWN).ok(200);
    // From then on, the address is the owner's.
    register(&accounts, &email, PASSWORD, "Evil").ok(202);
    account_mail(&email, "You Have an Account Already", 0);
    Anonymous.login(&email, PASSWORD).problem(401, "invalid_credentials");
    assert_eq!(Anonymous.login(&email, OWN).ok(200)["pk"], owner["pk"]);
}

#[test]
fn the_owner_of_an_address_moves_to_it_although_it_was_registered() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let (owner, email) = (crate::harness::User::new("patient"), new_email());
    register(&accounts, &email, PASSWORD, "Evil").ok(202);
    let of_squatter = account_mail(&email, CONFIRM, 0).token();
    owner.request_email_change(&email, PASSWORD).ok(202);
    let token = account_mail(&email, "Confirm Your New Email Address", 0).token();
    Anonymous.change_email(&token).ok(200);
    assert_eq!(owner.me().ok(200).text("email"), email);
    Anonymous.verify_email_and_set_password(&of_squatter, OWN).refused("token", "invalid");
    assert_eq!(Anonymous.login(&email, PASSWORD).ok(200)["pk"], Value::from(owner.id.as_str()));
}

#[test]
fn staff_create_a_user_although_the_address_was_registered() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let (admin, email) = (Admin::new(), new_email());
    register(&accounts, &email, PASSWORD, "Evil").ok(202);
    let of_squatter = account_mail(&email, CONFIRM, 0).token();
    let body = json!({"email": email, "role": "doctor", "first_name": "Jane"});
    let created = eventually("the index of addresses has the squatter", || {
        let response = admin.create_user(body.clone());
        (response.status == 201).then_some(response)
    });
    Anonymous.verify_email_and_set_password(&of_squatter, PASSWORD).refused("token", "invalid");
    let token = account_mail(&email, "Set Your Password", 0).token();
    Anonymous.reset_password(&token, OWN).ok(200);
    Anonymous.login(&email, PASSWORD).problem(401, "invalid_credentials");
    assert_eq!(Anonymous.login(&email, OWN).ok(200)["pk"], created["pk"]);
    // From then on, the address is taken for staff, too.
    admin.create_user(body).refused("email", "taken");
}

#[test]
fn staff_change_an_address_to_one_that_was_registered() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let (admin, second) = (Admin::new(), Admin::new());
    // Registered before the start, while it waits, and by somebody who confirms it.
    let cases = [(true, false), (false, false), (false, true)].map(|(before, confirms)| {
        let (patient, email) = (Patient::new(), new_email());
        if before {
            register(&accounts, &email, PASSWORD, "Evil").ok(202);
        }
        admin.start_email_change(&patient.id, &email).ok(204);
        if !before {
            register(&accounts, &email, PASSWORD, "Evil").ok(202);
        }
        if confirms {
            let token = account_mail(&email, CONFIRM, 0).token();
            Anonymous.verify_email_and_set_password(&token, OWN).ok(200);
        }
        let recovery = eventually("the recovery is listed", || {
            let listed = admin.list_recoveries("limit=100").ok(200);
            let mut results = listed.results().iter();
            let found = results.find(|recovery| recovery["user"] == patient.id.as_str());
            found.map(|recovery| recovery["id"].as_str().unwrap().to_owned())
        });
        second.approve_recovery(&patient.id, &recovery).ok(204);
        let token = account_mail(&email, "Confirm the New Email Address", 0).token();
        Anonymous.confirm_recovery(&token).ok(200);
        let_it_wait(&patient.id);
        (patient, email, confirms)
    });
    for (patient, email, confirms) in cases {
        let kept = if confirms { &patient.email } else { &email };
        eventually("the address has changed, unless somebody else has confirmed it", || {
            recover(&json!({})).unwrap();
            (admin.read_user(&patient.id).ok(200).text("email") == kept).then_some(())
        });
    }
}
