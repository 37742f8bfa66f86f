//! Tests of the function `portal`: the pages of the web client, and what they load.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{
    Anonymous, Doctor, FunctionSettings, MARKER, Patient, Request, Response, UNKNOWN, eventually,
    get, mails_to, origin,
};

/// What a browser accepts that opens a page.
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

/// What the first page may weigh, compressed, in bytes.
const MAX_WEIGHT: usize = 60_000;

/// Returns a path of a page, with an id where it needs one.
fn with_id(page: &str) -> String {
    page.replace("{id}", UNKNOWN)
}

/// Returns the addresses of what the document names itself.
fn linked() -> Vec<String> {
    let page = get("/", &[BROWSER]).ok(200);
    let parts = page.body_text().split('"').filter(|part| part.starts_with("/assets/"));
    parts.map(str::to_owned).collect()
}

/// Returns a module's text, and the addresses of the modules that it imports: those that it needs
/// at once, or all.
fn imports(address: &str, at_once: bool) -> Vec<String> {
    let module = get(address, &[]).ok(200);
    let folder = address.rsplit_once('/').unwrap().0;
    let lines = module.body_text().lines().filter(|line| {
        // Types in comments are not loaded.
        let code = line.trim_start();
        !code.starts_with('*') && !code.starts_with("/*") && !code.starts_with("//")
    });
    let names = lines.flat_map(|line| {
        let is_at_once = line.starts_with("import ") || line.contains("} from \"");
        let parts = line.split('"').skip(1).step_by(2);
        parts
            .filter(move |name| name.starts_with('.') && name.ends_with(".js"))
            .filter(move |_| is_at_once || (!at_once && line.contains("import(\"")))
    });
    names
        .map(|name| {
            let mut parts: Vec<&str> = folder.split('/').collect();
            for part in name.split('/') {
                match part {
                    "." => {}
                    ".." => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            parts.join("/")
        })
        .collect()
}

/// Returns these modules and those that they import, directly or through others.
fn closure(from: &[String], at_once: bool) -> BTreeSet<String> {
    let (mut found, mut open) = (BTreeSet::new(), from.to_vec());
    while let Some(address) = open.pop() {
        if address.ends_with(".js") && found.insert(address.clone()) {
            open.extend(imports(&address, at_once));
        }
    }
    found
}

fn policy(response: &Response) -> BTreeMap<String, Vec<String>> {
    let header = response.header("content-security-policy");
    let directives = header.split("; ").map(|directive| {
        let mut words = directive.split(' ').map(str::to_owned);
        (words.next().unwrap(), words.collect())
    });
    directives.collect()
}

#[test]
fn every_page_is_one_document() {
    let first = get("/", &[BROWSER]).ok(200);
    for page in portal::pages() {
        let path = with_id(page);
        let response = get(&path, &[BROWSER]).ok(200);
        assert_eq!(response.bytes, first.bytes, "{path}");
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(response.header(name), value, "{path}: {name}");
        }
        assert!(response.header("permissions-policy").contains("camera=()"), "{path}");
        let tag = response.header("etag");
        let again = get(&path, &[BROWSER, ("if-none-match", &tag)]).ok(304);
        assert!(again.bytes.is_empty());
        assert_eq!(policy(&again), policy(&response));
        assert_eq!(get(&path, &[]).ok(200).bytes, first.bytes, "whatever is accepted");
        let head = Request::new("HEAD", &path).send_unchecked().ok(200);
        assert!(head.bytes.is_empty());
        Request::new("POST", &path).send().problem(405, "method_not_allowed");
    }
}

#[test]
fn a_page_may_load_what_is_ours_and_nothing_inline() {
    let response = get("/sign-in", &[BROWSER]).ok(200);
    let policy = policy(&response);
    let of = |name: &str| policy[name].join(" ");
    for name in ["default-src", "base-uri", "frame-ancestors"] {
        assert_eq!(of(name), "'none'", "{name}");
    }
    for name in ["script-src", "style-src", "form-action"] {
        assert_eq!(of(name), "'self'", "{name}");
    }
    assert_eq!((of("frame-src"), of("object-src")), ("blob:".into(), "blob:".into()));
    assert_eq!(of("require-trusted-types-for"), "'script'");
    assert_eq!(of("trusted-types"), "lit-html");
    let [own, bucket] = &policy["connect-src"][..] else { panic!("{response}") };
    assert_eq!((own.as_str(), of("img-src")), ("'self'", format!("'self' blob: data: {bucket}")));
    let page = response.body_text();
    for inline in [" style=", "<style", "<script>", " onclick=", " onload=", "javascript:", "http:"]
    {
        assert!(!page.contains(inline), "{inline}: {page}");
    }
    assert!(!page.contains("{{"), "{page}");

    // Files go where the policy lets them.
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let file = json!({"name": format!("{MARKER}.pdf"), "content_type": "application/pdf",
        "size_bytes": 5});
    let record = patient.create_record(json!({"doctor": doctor.id, "files": [file]})).ok(201);
    let url = record["files"][0]["upload"]["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{bucket}/")), "{url} is not below {bucket}");
}

#[test]
fn what_pages_load_is_kept_for_ever() {
    let linked = linked();
    assert!(linked.iter().any(|address| address.ends_with("/main.js")), "{linked:?}");
    let folder = linked[0].split('/').nth(2).unwrap().to_owned();
    let (scripts, others): (Vec<_>, Vec<_>) =
        linked.into_iter().partition(|address| address.ends_with(".js"));
    for address in closure(&scripts, false).into_iter().chain(others) {
        let plain = get(&address, &[("accept-encoding", "identity")]).ok(200);
        let packed = get(&address, &[("accept-encoding", "gzip")]).ok(200);
        for response in [&plain, &packed] {
            let cached = response.header("cache-control");
            assert_eq!(cached, "public, max-age=31536000, immutable", "{address}");
            assert!(!response.header("etag").is_empty());
            assert_eq!(response.header("x-content-type-options"), "nosniff");
        }
        assert_eq!(packed.header("content-encoding"), "gzip", "{address}");
        assert!(!plain.bytes.is_empty() && packed.bytes != plain.bytes, "{address}");
        let media_type = plain.header("content-type");
        let expected = match address.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(media_type, expected, "{address}");
        let other = address.replace(&folder, "0123456789abcdef");
        let missing = get(&other, &[BROWSER]).problem(404, "not_found");
        assert_eq!(missing.header("cache-control"), "no-store", "{other}");
    }
    for name in ["", "other.js", "index.html", "../main.js"] {
        get(&format!("/assets/{folder}/{name}"), &[]).problem(404, "not_found");
    }
}

#[test]
fn the_first_page_loads_its_modules_at_once_and_is_light() {
    let linked = linked();
    let main: Vec<String> =
        linked.iter().filter(|address| address.ends_with("/main.js")).cloned().collect();
    let needed = closure(&main, true);
    let late: Vec<&String> = needed.iter().filter(|address| !linked.contains(address)).collect();
    assert!(late.is_empty(), "preload these in functions/portal/assets/index.html: {late:?}");

    let packed =
        |path: &str| get(path, &[BROWSER, ("accept-encoding", "gzip")]).ok(200).bytes.len();
    // What follows: the texts of one language, and the page for those who are not signed in.
    let all = closure(&main, false);
    let texts = all.iter().filter(|address| address.contains("/texts/"));
    let texts = texts.max_by_key(|address| packed(address)).cloned();
    let sign_in = all.iter().find(|address| address.ends_with("/pages/sign-in.js")).cloned();
    let later: Vec<String> = texts.into_iter().chain(sign_in).collect();
    let loaded: BTreeSet<String> = linked.into_iter().chain(closure(&later, true)).collect();
    let weight = packed("/") + loaded.iter().map(|address| packed(address)).sum::<usize>();
    assert!(weight <= MAX_WEIGHT, "the first page weighs {weight} bytes");
}

#[test]
fn browsers_are_shown_that_there_is_no_page() {
    for path in ["/records/1", "/records/new/2", "/notifications/new"] {
        let response = get(path, &[BROWSER]).ok(404);
        assert_eq!(response.bytes, get("/", &[BROWSER]).bytes);
        assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(policy(&response), policy(&get("/", &[BROWSER])));
        let tag = get("/", &[BROWSER]).header("etag");
        get(path, &[BROWSER, ("if-none-match", &tag)]).ok(404);
        Anonymous.get(path).problem(404, "not_found");
        Anonymous
            .request("GET", path)
            .header("accept", "application/json")
            .send()
            .problem(404, "not_found");
    }
}

#[test]
fn an_operator_may_leave_the_web_client_out() {
    let portal = FunctionSettings::of("portal").with("PORTAL", "false").start();
    let ask = |path: &str| {
        let response = portal.send_with(&Anonymous, "GET", path, &[BROWSER], &Value::Null);
        response.problem(404, "not_found");
    };
    portal::pages().iter().for_each(|page| ask(&with_id(page)));
    linked().iter().for_each(|address| ask(address));
}

#[test]
fn the_links_of_mails_lead_to_pages() {
    for path in mailer::link_paths() {
        get(&with_id(path), &[BROWSER]).ok(200);
    }
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let mail = eventually("the mail", || mails_to(&doctor.email).into_iter().next());
    let inbox = doctor.list_notifications("").ok(200);
    let path = format!("/notifications/{}", inbox.results()[0]["id"].as_str().unwrap());
    let link = format!("{}{path}", origin());
    assert!(mail.text.contains(&format!("{link}\n")), "{}", mail.text);
    assert!(mail.html.contains(&format!("\"{link}\"")), "{}", mail.html);
    get(&path, &[BROWSER]).ok(200);
}

#[test]
fn staff_who_have_forgotten_their_password_are_led_to_the_web_client() {
    let page = get("/admin/sign-in/", &[BROWSER]).ok(200);
    let link = format!("href=\"{}/forgot-password\"", origin());
    assert!(page.body_text().contains(&link), "{page}");
}
