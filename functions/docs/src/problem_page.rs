//! `GET /problems/{code}/`

use axum::response::Html;
use domain::problem::Code;
use http_api::path::PathId;

/// Read what a problem code means and what to do about it. The `type` of a problem is the path of
/// this page.
#[utoipa::path(
    get, path = "/problems/{code}/", tag = "Service",
    params(("code" = Code, Path, description = "The code of the problem.")),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(crate) async fn problem_page(PathId(code): PathId<Code>) -> Html<String> {
    // Nothing in it comes from a client.
    Html(format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
<p>The code of this problem is <code>{code}</code>.</p>
<h2>What happened</h2>
<p>{happened}</p>
<h2>What to do</h2>
<p>{resolution}</p>
</main>
</body>
</html>
"#,
        title = code.title(),
        code = code.as_str(),
        happened = code.happened(),
        resolution = code.resolution(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_problem_has_a_page() {
        for code in Code::ALL {
            let Html(page) = problem_page(PathId(*code)).await;
            assert!(
                page.contains(code.happened())
                    && page.contains(code.resolution())
                    && page.contains(&code.title())
            );
            for text in [code.happened(), code.resolution()] {
                assert!(
                    !text.contains(['<', '>', '&', '"']),
                    "{code:?}: what is written here is not escaped"
                );
            }
        }
    }
}
