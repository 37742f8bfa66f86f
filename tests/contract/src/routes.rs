//! Routing: every path of a router reaches its function, through the gateway and through `cargo
//! lambda watch`; throttles, permissions and CORS of the gateway.

use domain::access::{Audience, Operation};
use serde_json::{Value, json};

use crate::assert_same;
use crate::template::{Template, id, resource_id, text, texts};
use crate::workspace;

/// A path of a function's router.
pub(crate) struct Path {
    pub(crate) function: &'static str,
    /// As declared: with a trailing slash, and with parameters in braces.
    pub(crate) template: String,
    /// In upper case.
    pub(crate) methods: Vec<String>,
}

impl Path {
    /// Returns the path with an id for each parameter, with and without the trailing slash. Paths
    /// that are declared without it, such as those of assets, have no other form.
    pub(crate) fn forms(&self) -> Vec<String> {
        let segments = self
            .template
            .split('/')
            .map(|segment| if segment.starts_with('{') { ID } else { segment });
        let declared = segments.collect::<Vec<_>>().join("/");
        match declared.strip_suffix('/') {
            Some("") | None => vec![declared],
            Some(without) => vec![without.to_owned(), declared.clone()],
        }
    }

    /// Returns whether a requested path matches this one.
    pub(crate) fn matches(&self, requested: &str) -> bool {
        let (ours, theirs) = (self.template.trim_end_matches('/'), requested.trim_end_matches('/'));
        ours.split('/').count() == theirs.split('/').count()
            && ours
                .split('/')
                .zip(theirs.split('/'))
                .all(|(our, their)| our.starts_with('{') || our == their)
    }
}

/// Paths that end after the prefix of a greedy route. Only `$default` matches them, and
/// notifications serves them.
const SERVED_BY_DEFAULT: [&str; 3] = ["/admin/", "/api/health/", "/api/schema/"];

const ID: &str = "01936f2a-0000-7000-8000-000000000001";

/// Returns all paths of all HTTP functions.
pub(crate) fn paths() -> Vec<Path> {
    let mut paths = Vec::new();
    for (function, document) in openapi::routers() {
        let document = serde_json::to_value(document).unwrap();
        for (template, operations) in document["paths"].as_object().unwrap() {
            let methods = operations
                .as_object()
                .unwrap()
                .keys()
                .map(|method| method.to_uppercase())
                .collect();
            paths.push(Path { function, template: template.clone(), methods });
        }
    }
    // The pages of the console are not in the OpenAPI documents.
    for (method, template) in console::paths() {
        paths.push(Path {
            function: "console",
            template: template.to_owned(),
            methods: vec![method.to_owned()],
        });
    }
    // Nor are the pages of the web client, which have one form: nothing links to another.
    for template in portal::pages().iter().chain(&["/assets/{hash}/main.js"]) {
        let (template, methods) = ((*template).to_owned(), vec!["GET".to_owned()]);
        paths.push(Path { function: "portal", template, methods });
    }
    assert!(
        paths.len() > 10,
        "paths are missing: list all HTTP functions in shared/openapi/src/lib.rs"
    );
    paths
}

/// The methods that the gateway forwards. It responds to preflights itself.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// How the gateway handles a trailing slash. AWS does not document it, and reports differ, so every
/// path must be routed correctly either way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum TrailingSlash {
    Significant,
    Ignored,
}

/// The routes of the gateway.
pub(crate) struct Gateway(Vec<Route>);

pub(crate) struct Route {
    pub(crate) key: String,
    pub(crate) function: String,
}

impl Gateway {
    pub(crate) fn of(template: &Template) -> Self {
        let routes = template.all("AWS::ApiGatewayV2::Route").map(|(_, route)| {
            let target = text(&route["Target"]);
            assert!(
                target.starts_with("integrations/${"),
                "the target of {} must be integrations/<integration>",
                route["RouteKey"]
            );
            let integration =
                template.properties(&id(&route["Target"]), "AWS::ApiGatewayV2::Integration");
            Route { key: text(&route["RouteKey"]), function: id(&integration["IntegrationUri"]) }
        });
        Self(routes.collect())
    }

    /// Returns the route of a request. Among matching routes, exact paths come before those with a
    /// parameter, these before greedy ones, longer paths before shorter ones, methods before ANY,
    /// and $default last.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>
    pub(crate) fn route(&self, method: &str, path: &str, slash: TrailingSlash) -> Option<&Route> {
        let path = match path.trim_end_matches('/') {
            "" => "/",
            without if slash == TrailingSlash::Ignored => without,
            _ => path,
        };
        let ranked =
            self.0.iter().filter_map(|route| Some((rank(&route.key, method, path)?, route)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, route)| route)
    }
}

/// Returns how specifically a route key matches a request: kind of path, length of its fixed part,
/// whether it names the method.
fn rank(key: &str, method: &str, path: &str) -> Option<(u8, usize, bool)> {
    if key == "$default" {
        return Some((0, 0, false));
    }
    let (wanted, pattern) =
        key.split_once(' ').unwrap_or_else(|| panic!("{key} is not a route key"));
    let fits = wanted == "ANY" || wanted == method;
    let kind = match pattern.strip_suffix("{proxy+}") {
        // `{proxy+}` matches at least one character.
        Some(prefix) => {
            path.strip_prefix(prefix).filter(|rest| !rest.is_empty()).map(|_| (1, prefix.len()))
        }
        None if pattern == "/{page}" => {
            let part = path.strip_prefix('/').filter(|part| !part.is_empty());
            part.filter(|part| !part.contains('/')).map(|_| (2, 1))
        }
        None => (pattern == path).then_some((3, pattern.len())),
    };
    kind.filter(|_| fits).map(|(kind, length)| (kind, length, wanted != "ANY"))
}

#[test]
fn every_path_reaches_its_function() {
    let gateway = Gateway::of(&Template::load());
    for path in paths() {
        for form in path.forms() {
            // The function of $default redirects browsers to the path without the slash.
            let owner = if matches!(form.as_str(), "/admin/" | "/api/schema/") {
                "notifications"
            } else {
                path.function
            };
            for (method, slash) in METHODS.into_iter().flat_map(|method| {
                [(method, TrailingSlash::Significant), (method, TrailingSlash::Ignored)]
            }) {
                let function = resource_id(
                    if slash == TrailingSlash::Significant { owner } else { path.function },
                    "Function",
                );
                let route = gateway
                    .route(method, &form, slash)
                    .unwrap_or_else(|| panic!("{method} {form} has no route in template.yaml"));
                // No route key can match this path; the function redirects it.
                if route.key == "$default" && SERVED_BY_DEFAULT.contains(&form.as_str()) {
                    continue;
                }
                assert_eq!(
                    route.function, function,
                    "{method} {form} must reach its function, also with a wrong method, so that \
                     the response is 405: correct the routes of template.yaml (selected is {}; \
                     trailing slash {slash:?})",
                    route.key,
                );
            }
        }
    }
}

/// Operations for guessing credentials and for sending mails have throttles at the gateway for all
/// clients together. The emulated cloud does not enforce them; the functions limit accounts and
/// networks.
#[test]
fn guessable_and_mail_sending_operations_are_throttled() {
    let template = Template::load();
    let (name, stage) =
        template.all("AWS::ApiGatewayV2::Stage").next().expect("template.yaml has no stage");
    let settings = stage["RouteSettings"]
        .as_object()
        .expect("the stage of template.yaml has no RouteSettings");
    let document = serde_json::to_value(accounts::router().into_openapi()).unwrap();
    let posts = document["paths"].as_object().unwrap().iter().filter_map(|(path, operations)| {
        let operation: Operation = text(&operations.get("post")?["operationId"]).parse().unwrap();
        let is_public = operation.audience() == Audience::Public;
        (is_public || path.ends_with("/resend/"))
            .then(|| format!("POST {}", path.trim_end_matches('/')))
    });
    let greedy = "ANY /api/accounts/{proxy+}".to_owned();
    let others = [
        "GET /api/accounts/{proxy+}",
        // Each change of a record notifies somebody.
        "ANY /api/records",
        "ANY /api/records/{proxy+}",
        "ANY /api/notifications",
        "ANY /api/notifications/{proxy+}",
        // Anybody may ask for it, and it reads the table.
        "ANY /api/health/{proxy+}",
    ]
    .map(str::to_owned);
    assert_same(
        settings.keys(),
        posts.chain([greedy.clone()]).chain(others.clone()),
        "RouteSettings of template.yaml must name each public POST of accounts, resend/, the \
         greedy routes of accounts, the routes of records and notifications, and readiness",
    );
    let default = ("the default of all other routes".to_owned(), &stage["DefaultRouteSettings"]);
    let limits = settings.iter().map(|(key, limits)| (key.clone(), limits));
    for (key, limits) in limits.chain([default]) {
        let limit = |name: &str| {
            limits[name].as_f64().unwrap_or_else(|| panic!("{key} has no {name} in RouteSettings"))
        };
        let (rate, burst) = (limit("ThrottlingRateLimit"), limit("ThrottlingBurstLimit"));
        assert!(
            rate >= 1.0 && rate <= burst,
            "{key}: the rate must be at least 1, and the burst at least the rate"
        );
    }
    let ids = |key: &String| {
        let route =
            template.all("AWS::ApiGatewayV2::Route").find(|(_, route)| route["RouteKey"] == **key);
        route.map(|(id, _)| id.to_owned()).unwrap_or_else(|| {
            panic!("RouteSettings name {key}, which is not a route: the deployment would fail")
        })
    };
    let depends = texts(&template.resource(name)["DependsOn"]);
    assert_same(
        depends,
        settings.keys().map(ids),
        "DependsOn of the stage must name the routes in its settings",
    );
    // Whichever route AWS selects for a trailing slash, it is throttled.
    let gateway = Gateway::of(&template);
    for key in settings.keys().filter(|key| **key != greedy && !others.contains(key)) {
        let path = key.trim_start_matches("POST ");
        assert_eq!(
            gateway.route("POST", path, TrailingSlash::Significant).map(|route| &route.key),
            Some(key)
        );
        let with_slash = gateway
            .route("POST", &format!("{path}/"), TrailingSlash::Significant)
            .map(|route| &route.key);
        assert_eq!(with_slash, Some(&greedy), "{path}/");
    }
    // Then they share its limit with all sign-ins: each takes half a second of a vCPU.
    assert_eq!(
        settings[&greedy],
        json!({ "ThrottlingRateLimit": 50, "ThrottlingBurstLimit": 100 })
    );
}

#[test]
fn every_function_behind_the_gateway_has_a_router_in_openapi() {
    let template = Template::load();
    let integrations = template
        .all("AWS::ApiGatewayV2::Integration")
        .map(|(_, integration)| id(&integration["IntegrationUri"]));
    let routers = openapi::routers().into_iter().map(|(function, _)| function);
    assert_same(
        integrations,
        routers.chain(["console", "portal"]).map(|function| resource_id(function, "Function")),
        "shared/openapi/src/lib.rs must list the routers of all functions behind the gateway but \
         the console and the portal, whose pages are no operations of the API",
    );
}

#[test]
fn every_route_has_a_function_that_the_gateway_may_invoke() {
    let template = Template::load();
    let (api, _) =
        template.all("AWS::ApiGatewayV2::Api").next().expect("template.yaml has no HTTP API");
    let mut needed = Vec::new();
    for (name, route) in template.all("AWS::ApiGatewayV2::Route") {
        assert_eq!(id(&route["ApiId"]), api, "{name} must belong to the API of template.yaml");
        let integration =
            template.properties(&id(&route["Target"]), "AWS::ApiGatewayV2::Integration");
        assert_eq!(integration["IntegrationType"], "AWS_PROXY", "the integration of {name}");
        assert_eq!(
            integration["PayloadFormatVersion"], "2.0",
            "the functions expect payload format 2.0: correct {name}"
        );
        let function = id(&integration["IntegrationUri"]);
        template.properties(&function, "AWS::Lambda::Function");
        let permission = json!({
            "FunctionName": { "Ref": function },
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": { "Fn::Sub": format!(
                "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}\
                 :${{AWS::AccountId}}:${{{api}}}/*"
            ) },
        });
        needed.push(permission.to_string());
    }
    let permissions: Vec<_> = template.all("AWS::Lambda::Permission").collect();
    // A schedule invokes its own function, which has no route.
    let (scheduled, others): (Vec<_>, Vec<_>) = permissions
        .into_iter()
        .partition(|(_, permission)| permission["Principal"] == "events.amazonaws.com");
    for (name, permission) in scheduled {
        let schedule = (id(&permission["FunctionName"]), id(&permission["SourceArn"]));
        let schedules = [
            ("ReconcilerFunction", "ReconcilerFunctionDaily"),
            ("RecoveryFunction", "RecoveryFunctionHourly"),
        ];
        assert!(schedules.contains(&(schedule.0.as_str(), schedule.1.as_str())), "{name}");
    }
    assert_same(
        others.into_iter().map(|(_, permission)| permission.to_string()),
        needed,
        "template.yaml must allow only this API to invoke the functions of its routes",
    );
    assert_eq!(
        template.all("AWS::Lambda::Url").count(),
        0,
        "remove function URLs: they bypass the gateway"
    );
}

#[test]
fn route_keys_are_valid_and_supported_by_these_tests() {
    for Route { key, .. } in Gateway::of(&Template::load()).0 {
        assert!(
            !key.ends_with('/') || key == "ANY /",
            "{key}: API Gateway refuses route keys with a trailing slash: use a route with \
             {{proxy+}}"
        );
        let variables = key.matches('{').count();
        assert!(
            variables == 0
                || (variables == 1 && (key.ends_with("/{proxy+}") || key == "ANY /{page}")),
            "{key}: parameters of this kind are not implemented in `rank`: add them"
        );
    }
}

#[test]
fn every_route_is_used() {
    let (gateway, paths) = (Gateway::of(&Template::load()), paths());
    let mut used: Vec<&str> = Vec::new();
    for form in paths.iter().flat_map(Path::forms) {
        let routes = METHODS
            .into_iter()
            .filter_map(|method| gateway.route(method, &form, TrailingSlash::Significant));
        used.extend(routes.map(|route| route.key.as_str()));
    }
    for Route { key, .. } in &gateway.0 {
        // Greedy routes also serve unknown paths of their group.
        let group = key.split_once(' ').map(|(_, pattern)| pattern);
        let is_base = group.is_some_and(|group| {
            paths.iter().any(|path| path.template.starts_with(&format!("{group}/")))
        });
        assert!(
            used.contains(&key.as_str()) || is_base,
            "{key} is not used by any path: remove the route from template.yaml"
        );
    }
}

#[test]
fn no_two_functions_own_a_path() {
    let paths = paths();
    for (index, path) in paths.iter().enumerate() {
        assert!(
            path.template.ends_with('/')
                || path.template.contains('.')
                || path.function == "portal",
            "{}: declare it with a slash at the end",
            path.template
        );
        for other in &paths[..index] {
            assert!(
                path.function == other.function
                    || !path.forms().iter().any(|form| other.matches(form)),
                "{} of {} is also a path of {}: one of them must have another",
                path.template,
                path.function,
                other.function,
            );
        }
    }
}

#[test]
fn unknown_paths_reach_a_function_that_responds_with_404() {
    let (gateway, paths) = (Gateway::of(&Template::load()), paths());
    for unknown in [
        "/api",
        "/api/",
        "/nothing",
        "/api/nothing/",
        "/api/notifications/a/b/",
        "/api/records/",
        "/.well-known/nothing",
    ] {
        let route = gateway.route("GET", unknown, TrailingSlash::Significant);
        let route = route.expect(
            "template.yaml needs a route $default, so that every error is a problem document",
        );
        let responses =
            paths.iter().any(|path| resource_id(path.function, "Function") == route.function);
        assert!(responses, "{unknown} reaches {}, which does not serve HTTP", route.function);
        assert!(
            !paths.iter().any(|path| path.matches(unknown)),
            "{unknown} is known now: try another"
        );
    }
    let mistyped = gateway.route("GET", "/signin", TrailingSlash::Significant).unwrap();
    assert_eq!(mistyped.function, resource_id("portal", "Function"), "browsers get a page");
}

#[test]
fn every_link_of_a_mail_leads_to_a_page_of_the_web_client() {
    for path in mailer::link_paths() {
        assert!(
            portal::pages().contains(&path),
            "mails lead to {path}: add it to functions/portal/src/pages.rs"
        );
    }
}

#[test]
fn every_page_of_the_console_is_tested_with_all_roles() {
    let tests = workspace::read("tests/api/src/console/pages.rs");
    for (method, path) in console::paths() {
        assert!(
            tests.contains(&format!("(\"{method}\", \"{path}\")")),
            "name {method} {path} among ROUTES of tests/api/src/console/pages.rs"
        );
    }
}

#[test]
fn cargo_lambda_watch_has_the_same_routes() {
    let manifest = workspace::toml("Cargo.toml");
    let routes = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().unwrap();
    let mut router = matchit::Router::new();
    for (pattern, function) in routes {
        router
            .insert(pattern, function.as_str().unwrap())
            .unwrap_or_else(|error| panic!("{pattern} of Cargo.toml: {error}"));
    }
    for path in paths() {
        for form in path.forms() {
            let function = router.at(&form).ok().map(|found| *found.value);
            assert_eq!(
                function,
                Some(path.function),
                "correct [workspace.metadata.lambda.watch.router] of Cargo.toml: `cargo lambda \
                 watch` does not route {form} to {}",
                path.function,
            );
        }
    }
}

#[test]
fn cors_allows_the_methods_and_headers_of_the_api() {
    let template = Template::load();
    let (_, api) =
        template.all("AWS::ApiGatewayV2::Api").next().expect("template.yaml has no HTTP API");
    // Without other web clients, none.
    let cors = &api["CorsConfiguration"]["Fn::If"];
    assert_eq!((&cors[0], text(&cors[2])), (&json!("HasAllowedOrigins"), "${AWS::NoValue}".into()));
    let cors = &cors[1];
    assert_eq!(
        cors["AllowOrigins"],
        json!({ "Fn::Split": [",", { "Fn::If":
            ["IsLocal", { "Ref": "LocalOrigins" }, { "Ref": "AllowedOrigins" }] }] }),
        "AllowOrigins must be the parameter AllowedOrigins"
    );
    assert_eq!(
        cors["AllowCredentials"],
        Value::Null,
        "remove AllowCredentials: cookies are for pages of the service alone"
    );
    assert!(
        !texts(&cors["AllowHeaders"]).iter().any(|allowed| allowed == "Token-Transport"),
        "pages of other sites must not send Token-Transport: remove it from AllowHeaders"
    );
    assert_same(
        texts(&cors["AllowMethods"]),
        METHODS,
        "correct AllowMethods of the API in template.yaml",
    );
    for path in paths() {
        let other = path.methods.iter().find(|method| !METHODS.contains(&method.as_str()));
        assert_eq!(other, None, "{}: add the method to METHODS here", path.template);
    }
    for header in ["Authorization", "Content-Type", "If-Match", "Idempotency-Key"] {
        assert!(
            texts(&cors["AllowHeaders"]).iter().any(|allowed| allowed == header),
            "clients send {header}: add it to AllowHeaders"
        );
    }
    for header in ["ETag", "Location", "Link", "X-Request-Id", "Retry-After", "Idempotent-Replayed"]
    {
        assert!(
            texts(&cors["ExposeHeaders"]).iter().any(|exposed| exposed == header),
            "clients read {header}: add it to ExposeHeaders"
        );
    }
}

#[test]
fn paths_do_not_contain_the_stage() {
    let template = Template::load();
    let stages: Vec<_> = template
        .all("AWS::ApiGatewayV2::Stage")
        .map(|(_, stage)| (text(&stage["StageName"]), &stage["AutoDeploy"]))
        .collect();
    assert_eq!(
        stages,
        [("$default".to_owned(), &Value::Bool(true))],
        "the name of any other stage would become part of all paths"
    );
}
