//! Use [`routes!`](crate::routes!) to register handlers: it compares each handler with the row of
//! its operation in [`domain::access::Operation`], so that a function whose code and table disagree
//! does not start.
//!
//! Each extractor says by [`Argument`] what it means for the operation.

use std::convert::Infallible;

use axum::extract::{RawQuery, State};
use axum::handler::Handler;
use axum::http::HeaderMap;
use axum::routing::MethodRouter;
use domain::access::{Audience, Operation};
use utoipa::openapi::path::Paths;

use crate::caller::{self, Authenticated, RequestInfo};
use crate::etag::IfMatch;
use crate::form::{Body, Form};
use crate::idempotency::Idempotent;
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::QueryParameters;

/// The meaning of a handler's argument for its operation. Every extractor implements it.
pub trait Argument {
    /// The audience that the extractor admits, if it authenticates the caller.
    const AUDIENCE: Option<Audience> = None;
    /// Whether the extractor reads the header Idempotency-Key.
    const IS_IDEMPOTENT: bool = false;
    /// Whether the extractor reads the header Token-Transport.
    const HAS_TOKEN_TRANSPORT: bool = false;
}

impl<A: caller::AudienceMarker> Argument for Authenticated<A> {
    const AUDIENCE: Option<Audience> = Some(A::AUDIENCE);
}

impl Argument for Idempotent {
    const IS_IDEMPOTENT: bool = true;
}

impl<S> Argument for State<S> {}
/// An optional extractor (`Result`) admits everyone.
impl<T> Argument for Result<T, Problem> {}
impl<T> Argument for Body<T> {}
impl Argument for Form {}
impl Argument for HeaderMap {}
impl<T> Argument for PathId<T> {}
impl Argument for IfMatch {}
impl Argument for QueryParameters {}
impl Argument for RawQuery {}
impl Argument for RequestInfo {}

/// The meaning of all arguments of a handler for its operation: the type that [`Handler`] has as
/// its first parameter.
pub trait Arguments {
    /// The audience that the handler admits; `None` for anyone.
    const AUDIENCE: Option<Audience>;
    /// Whether the handler reads the header Idempotency-Key.
    const IS_IDEMPOTENT: bool;
    /// Whether the handler reads the header Token-Transport.
    const HAS_TOKEN_TRANSPORT: bool;
}

impl Arguments for ((),) {
    const AUDIENCE: Option<Audience> = None;
    const IS_IDEMPOTENT: bool = false;
    const HAS_TOKEN_TRANSPORT: bool = false;
}

macro_rules! arguments {
    ($($argument:ident)+) => {
        impl<M, $($argument: Argument),+> Arguments for (M, $($argument,)+) {
            const AUDIENCE: Option<Audience> = first(&[$($argument::AUDIENCE),+]);
            const IS_IDEMPOTENT: bool = false $(|| $argument::IS_IDEMPOTENT)+;
            const HAS_TOKEN_TRANSPORT: bool = false $(|| $argument::HAS_TOKEN_TRANSPORT)+;
        }
    };
}

arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);
arguments!(A B C D E F);

/// Returns the first audience of several arguments; no handler authenticates twice.
const fn first(audiences: &[Option<Audience>]) -> Option<Audience> {
    match audiences {
        [] => None,
        [None, rest @ ..] => first(rest),
        [found, ..] => *found,
    }
}

/// Compares the audience that a handler admits with the row of its operation.
///
/// # Panics
/// When they differ.
pub fn check_audience<T: Arguments>(operation: Operation) {
    let handler = T::AUDIENCE.unwrap_or(Audience::Public);
    assert!(
        operation.audience() == handler,
        "{operation}: the table of operations says {:?}, the handler {handler:?}",
        operation.audience()
    );
}

/// Compares the handler of the one route in `paths`, whose operation id must be in the table.
///
/// # Panics
/// When they differ in who may call, or in whether the header Idempotency-Key or Token-Transport is
/// read, and when the table has no such operation.
#[doc(hidden)]
pub fn check_route<H, T, S>(paths: &Paths, _: &MethodRouter<S, Infallible>, _: H)
where
    H: Handler<T, S>,
    T: Arguments,
{
    let items = paths.paths.values();
    let operations = items
        .flat_map(|item| [&item.get, &item.head, &item.put, &item.post, &item.delete, &item.patch]);
    for operation in operations.flatten() {
        let id = operation.operation_id.as_deref().unwrap_or_default();
        let known = id.parse::<Operation>().ok();
        assert!(known.is_some(), "{id:?} is not in the table of operations");
        known.into_iter().for_each(|operation| {
            check_audience::<T>(operation);
            assert!(
                operation.is_idempotent() == T::IS_IDEMPOTENT,
                "{operation}: the table of operations and the handler differ in being idempotent"
            );
            assert!(
                operation.has_token_transport() == T::HAS_TOKEN_TRANSPORT,
                "{operation}: the table of operations and the handler differ in the header \
                 Token-Transport"
            );
        });
    }
}

/// Registers handlers of one path, as [`utoipa_axum::routes!`], and compares each with the row of
/// its operation.
///
/// # Panics
/// When they differ in who may call, or in whether the header Idempotency-Key or Token-Transport is
/// read, and when the table has no such operation.
#[macro_export]
macro_rules! routes {
    ($($first:ident)::+ $(, $($other:ident)::+)* $(,)?) => {{
        #[allow(unused_mut, reason = "a path with one handler has nothing to add")]
        let (mut schemas, mut paths, router) = $crate::routes!(@one $($first)::+);
        $(
            let (more_schemas, more_paths, more) = $crate::routes!(@one $($other)::+);
            schemas.extend(more_schemas);
            paths.merge(more_paths);
            let router = router.merge(more);
        )*
        (schemas, paths, router)
    }};
    (@one $($handler:ident)::+) => {{
        let (schemas, paths, router) = $crate::utoipa_axum::routes!($($handler)::+);
        $crate::routes::check_route(&paths, &router, $($handler)::+);
        (schemas, paths, router)
    }};
}

#[cfg(test)]
mod tests {
    use axum::extract::FromRef;
    use utoipa_axum::router::OpenApiRouter;

    use super::*;
    use crate::caller::{Patient, SignedIn};
    use crate::idempotency::ResponseKeys;
    use crate::state::HttpState;

    impl FromRef<HttpState> for ResponseKeys {
        fn from_ref(_: &HttpState) -> Self {
            Self::new("a secret for tests")
        }
    }

    #[utoipa::path(get, path = "/things/", operation_id = "me")]
    async fn matching(_: SignedIn, _: QueryParameters) {}

    #[utoipa::path(post, path = "/things/", operation_id = "create_record")]
    async fn matching_idempotent(_: State<HttpState>, _: Patient, _: Idempotent) {}

    #[utoipa::path(get, path = "/things/", operation_id = "me")]
    async fn for_patients(_: Patient) {}

    #[utoipa::path(get, path = "/things/", operation_id = "me")]
    async fn for_anyone(_: QueryParameters) {}

    #[utoipa::path(get, path = "/things/", operation_id = "login")]
    async fn for_signed_in(_: SignedIn) {}

    #[utoipa::path(post, path = "/things/", operation_id = "create_record")]
    async fn not_idempotent(_: Patient, _: Form) {}

    #[utoipa::path(post, path = "/things/", operation_id = "me")]
    async fn idempotent(_: SignedIn, _: Idempotent) {}

    #[utoipa::path(get, path = "/things/")]
    async fn unknown() {}

    /// Returns the message with which registering a handler fails.
    macro_rules! failure {
        ($handler:ident) => {{
            let start = || OpenApiRouter::<HttpState>::new().routes(crate::routes!($handler));
            let panic = std::panic::catch_unwind(|| drop(start())).unwrap_err();
            panic.downcast_ref::<String>().cloned().unwrap_or_default()
        }};
    }

    #[test]
    fn handlers_that_agree_with_the_table_are_registered_with_their_paths() {
        let routes: OpenApiRouter<HttpState> =
            OpenApiRouter::new().routes(crate::routes!(matching, matching_idempotent));
        let paths = routes.into_openapi().paths.paths;
        let item = &paths["/things/"];
        assert!(item.get.is_some() && item.post.is_some());
    }

    #[test]
    fn a_handler_for_others_than_the_table_says_fails_at_start() {
        assert_eq!(
            failure!(for_patients),
            "me: the table of operations says SignedIn, the handler Patients"
        );
        assert_eq!(
            failure!(for_anyone),
            "me: the table of operations says SignedIn, the handler Public"
        );
        assert_eq!(
            failure!(for_signed_in),
            "login: the table of operations says Public, the handler SignedIn"
        );
    }

    #[test]
    fn a_handler_that_is_idempotent_against_the_table_fails_at_start() {
        assert!(failure!(not_idempotent).starts_with("create_record: "));
        assert!(failure!(idempotent).starts_with("me: "));
    }

    #[test]
    fn a_handler_without_a_row_in_the_table_fails_at_start() {
        assert_eq!(failure!(unknown), "\"unknown\" is not in the table of operations");
    }
}
