//! The pages of the console isolate what people have written: text that is written from right to
//! left must not change the order of what stands beside it.

use crate::workspace;

const TEMPLATES: &str = "functions/console/templates";

/// What people have written, as templates name it.
const TEXTS_OF_PEOPLE: &[&str] = &[
    "{{ address.as_str() }}",
    "{{ annotation.author }}",
    "{{ before|",
    "{{ after|",
    "{{ reason|",
    "{{ doctor }}",
    "{{ event.actor_name|",
    "{{ link.text }}",
    "{{ name }}",
    "{{ name|",
    "{{ note }}",
    "{{ patient }}",
    "{{ profile.license_number.",
    "{{ profile.specialization.",
    "{{ recovery.reason.",
    "{{ recovery.started_by_name|",
    "{{ specialization|",
    "{{ text }}",
    "{{ user.phone_number.",
];

/// Parts of expressions that contain names or addresses of people.
const NAMES_OF_PEOPLE: &[&str] = &[".full_name()", ".first_name.", ".last_name.", "email.as_str()"];

#[test]
fn text_of_people_is_isolated() {
    let mut isolated = 0;
    for folder in workspace::list(TEMPLATES) {
        for page in workspace::list(&format!("{TEMPLATES}/{folder}")) {
            let path = format!("{TEMPLATES}/{folder}/{page}");
            let text = workspace::read(&path);
            for (at, _) in text.match_indices("{{ ") {
                let (before, expression) = text.split_at(at);
                let (expression, after) = expression.split_at(expression.find("}}").unwrap() + 2);
                let is_of_people = TEXTS_OF_PEOPLE.iter().any(|it| expression.starts_with(it))
                    || NAMES_OF_PEOPLE.iter().any(|it| expression.contains(it));
                // The title of a page is a line of its own.
                let is_title = before.rsplit('\n').next().unwrap().contains("{% block title %}");
                if is_of_people && !is_title {
                    let is_isolated = before.ends_with("<bdi>") && after.starts_with("</bdi>");
                    assert!(is_isolated, "{path}: put {expression} into <bdi>");
                    isolated += 1;
                }
            }
        }
    }
    assert!(isolated > 20, "{isolated}");
}
