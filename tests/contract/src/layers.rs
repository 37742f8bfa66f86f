//! The modules of each crate form layers: no two files need each other, directly or through others.
//!
//! A file needs what it names by a path from `crate`, `self` or `super`. Tests do not count, nor
//! does what a module names of the modules below it: a parent puts its children together, and they
//! may use what it holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace;

/// Which modules a module names, by their paths from the crate's root; the root's path is empty.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Returns the source files of a crate's library, by the paths of their modules: `staff::lists`.
pub(crate) fn modules(folder: &str) -> BTreeMap<String, String> {
    fn collect(folder: &str, parent: &str, modules: &mut BTreeMap<String, String>) {
        for entry in workspace::list(folder) {
            let path = format!("{folder}/{entry}");
            let module = |name: &str| match parent {
                "" => name.to_owned(),
                parent => format!("{parent}::{name}"),
            };
            match entry.strip_suffix(".rs") {
                // A binary is a crate of its own.
                Some("main") => {}
                Some("lib" | "mod") => {
                    modules.insert(parent.to_owned(), workspace::read(&path));
                }
                Some(name) => {
                    modules.insert(module(name), workspace::read(&path));
                }
                None if workspace::path(&path).is_dir() && entry != "bin" => {
                    collect(&path, &module(&entry), modules);
                }
                None => {}
            }
        }
    }
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found);
    found
}

/// Returns the code of a file without comments, texts and tests.
fn code(source: &str) -> String {
    let lines = source.lines().map(|line| match line.find("//") {
        Some(comment) if !line[..comment].contains('"') => &line[..comment],
        _ => line,
    });
    let mut code = String::new();
    // A module for tests ends with the brace that closes it in the column in which it begins.
    let mut tests_end: Option<String> = None;
    let mut is_test = false;
    for line in lines {
        if let Some(end) = &tests_end {
            if line == end {
                tests_end = None;
            }
            continue;
        }
        if line.trim_start().starts_with("#[cfg(test)]") {
            is_test = true;
            continue;
        }
        if is_test && !line.trim_start().starts_with("#[") {
            is_test = false;
            if line.trim_end().ends_with('{') {
                let indent = line.len() - line.trim_start().len();
                tests_end = Some(format!("{}}}", " ".repeat(indent)));
            }
            continue;
        }
        code.push_str(line);
        code.push('\n');
    }
    code
}

/// Returns the paths that begin at `crate`, `self` or `super`: the first word and the rest of each.
/// Lists are resolved: `crate::{a, b::c}` gives `a` and `b::c`.
fn paths(code: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for root in ["crate", "self", "super"] {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            for path in expand(&code[at + root.len() + 2..]) {
                found.push((root.to_owned(), path));
            }
        }
    }
    found
}

/// Returns the paths that a use tree stands for, or the path itself.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    if let Some(list) = tree.strip_prefix('{') {
        let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    paths.extend(expand(&list[start..at]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    paths.extend(expand(&list[start..at]));
                    start = at + 1;
                }
                _ => {}
            }
        }
        return paths;
    }
    let name: String = tree.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return Vec::new();
    }
    match tree[name.len()..].strip_prefix("::") {
        Some(rest) => {
            let rest = expand(rest);
            if rest.is_empty() {
                vec![name]
            } else {
                rest.into_iter().map(|rest| format!("{name}::{rest}")).collect()
            }
        }
        None => vec![name],
    }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// Returns which module of a crate needs which others.
fn graph(modules: &BTreeMap<String, String>) -> Graph {
    let codes: BTreeMap<&str, String> =
        modules.iter().map(|(module, source)| (module.as_str(), code(source))).collect();
    codes
        .iter()
        .map(|(module, code)| {
            let needed = paths(code).into_iter().filter_map(|(root, path)| {
                let (mut base, mut rest) = match root.as_str() {
                    "crate" => ("", path.as_str()),
                    "self" => (*module, path.as_str()),
                    _ => (parent(module), path.as_str()),
                };
                while let Some(further) = rest.strip_prefix("super::") {
                    (base, rest) = (parent(base), further);
                }
                let whole =
                    if base.is_empty() { rest.to_owned() } else { format!("{base}::{rest}") };
                // The longest part of the path that is a module; the rest is an item in it.
                let mut candidate = whole.as_str();
                while !modules.contains_key(candidate) {
                    candidate = parent(candidate);
                }
                let is_child = module.is_empty() || candidate.starts_with(&format!("{module}::"));
                (candidate != *module && !is_child).then(|| candidate.to_owned())
            });
            ((*module).to_owned(), needed.collect())
        })
        .collect()
}

/// Returns everything that a module needs, directly or through others.
fn reachable<'a>(graph: &'a Graph, module: &'a str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![module]);
    while let Some(module) = open.pop() {
        for needed in &graph[module] {
            if found.insert(needed.as_str()) {
                open.push(needed);
            }
        }
    }
    found
}

/// Returns the modules that need each other, one line for each circle.
fn circles(graph: &Graph) -> BTreeSet<String> {
    let needs: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|module| (module.as_str(), reachable(graph, module))).collect();
    needs
        .iter()
        .filter(|(module, needed)| needed.contains(*module))
        .map(|(module, needed)| {
            let circle: BTreeSet<&str> = needed
                .iter()
                .filter(|other| needs[*other].contains(module))
                .map(|module| if module.is_empty() { "crate" } else { module })
                .collect();
            circle.into_iter().collect::<Vec<_>>().join(", ")
        })
        .collect()
}

/// Returns the folders of the sources: one for each library of the workspace.
pub(crate) fn crates() -> Vec<String> {
    let members = workspace::toml("Cargo.toml");
    let members = members["workspace"]["members"].as_array().unwrap();
    let folders = members.iter().flat_map(|member| {
        let member = member.as_str().unwrap();
        match member.strip_suffix("/*") {
            Some(folder) => workspace::list(folder)
                .into_iter()
                .map(|name| format!("{folder}/{name}/src"))
                .collect(),
            None => vec![format!("{member}/src")],
        }
    });
    folders.filter(|folder| workspace::path(&format!("{folder}/lib.rs")).exists()).collect()
}

#[test]
fn no_modules_of_a_crate_need_each_other() {
    let crates = crates();
    assert!(crates.iter().any(|folder| folder == "shared/store/src"), "{crates:?}");
    let mut found = Vec::new();
    for folder in &crates {
        for circle in circles(&graph(&modules(folder))) {
            found.push(format!("{folder}: {circle}"));
        }
    }
    assert!(
        found.is_empty(),
        "these modules need each other: move what both need into a third, below them\n{}",
        found.join("\n")
    );
}

const CLIENT: &str = "functions/portal/assets";

/// Returns which modules of the web client each of them imports. Those that a circle awaits would
/// never start.
fn imports_of_the_client() -> Graph {
    let folders = [CLIENT.to_owned()]
        .into_iter()
        .chain(["pages", "texts", "ui"].into_iter().map(|folder| format!("{CLIENT}/{folder}")));
    let files = folders.flat_map(|folder| {
        let names = workspace::list(&folder).into_iter().filter(|name| name.ends_with(".js"));
        names.map(|name| (folder.clone(), name)).collect::<Vec<_>>()
    });
    let graph: Graph = files
        .map(|(folder, name)| {
            let source = workspace::read(&format!("{folder}/{name}"));
            let code = source.lines().filter(|line| !line.trim_start().starts_with(['*', '/']));
            let imported = code
                .flat_map(|line| {
                    line.split("from \"").skip(1).chain(line.split("import(\"").skip(1))
                })
                .filter_map(|rest| rest.split_once('"'))
                .filter(|(path, _)| path.ends_with(".js") && !path.contains("/vendor/"))
                .map(|(path, _)| match path.strip_prefix("../") {
                    Some(path) => format!("{CLIENT}/{path}"),
                    None => format!("{folder}/{}", path.trim_start_matches("./")),
                });
            (format!("{folder}/{name}"), imported.collect())
        })
        .collect();
    let unknown = graph.values().flatten().find(|imported| !graph.contains_key(*imported));
    assert_eq!(unknown, None, "what is imported is not there");
    graph
}

#[test]
fn no_modules_of_the_web_client_need_each_other() {
    let graph = imports_of_the_client();
    assert!(graph[&format!("{CLIENT}/main.js")].len() > 10, "{graph:?}");
    assert_eq!(circles(&graph), BTreeSet::new());
}

/// The layers of the store, lowest first. Those that are not named are aggregates, between `page`
/// and `staff`.
const LAYERS_OF_THE_STORE: [&[&str]; 7] = [
    &["attributes", "error", "retry"],
    &["keys"],
    &["item"],
    &["table"],
    &["read", "write"],
    &["page"],
    &["staff"],
];

#[test]
fn the_store_needs_nothing_of_a_layer_above() {
    let aggregates = LAYERS_OF_THE_STORE.len() - 1;
    let layer = |module: &str| {
        let first = module.split("::").next().unwrap();
        match LAYERS_OF_THE_STORE.iter().position(|layer| layer.contains(&first)) {
            Some(staff) if staff == aggregates => staff + 1,
            Some(layer) => layer,
            None => aggregates,
        }
    };
    let graph = graph(&modules("shared/store/src"));
    for module in LAYERS_OF_THE_STORE.concat() {
        assert!(graph.contains_key(module), "the store has no module {module}");
    }
    let upward: Vec<String> = graph
        .iter()
        .filter(|(module, _)| !module.is_empty())
        .flat_map(|(module, needed)| needed.iter().map(move |needed| (module, needed)))
        .filter(|(_, needed)| !needed.is_empty())
        .filter(|(module, needed)| layer(module) < layer(needed))
        .map(|(module, needed)| format!("{module} -> {needed}"))
        .collect();
    assert!(upward.is_empty(), "the store needs something of a layer above: {upward:#?}");
}

/// Makes up a crate.
fn made_up(modules: &[(&str, &str)]) -> Graph {
    let modules = modules.iter().map(|(module, source)| ((*module).into(), (*source).into()));
    graph(&modules.collect())
}

#[test]
fn a_circle_is_found_however_its_paths_are_written() {
    let list = [
        ("", "mod a; mod b; mod c;"),
        ("a", "use crate::{\n    c::{self, C},\n    b::B,\n};"),
        ("b", "fn b() { super::c::c(); }"),
        ("c", "use crate::other;\nfn c() -> crate::a::A { crate::a::A }"),
    ];
    assert_eq!(circles(&made_up(&list)), BTreeSet::from(["a, b, c".to_owned()]));
    let nested = [
        ("", "mod a;\nmod d;"),
        ("a::b", "use super::super::d;"),
        ("a::c", "use super::b::B;"),
        ("d", "use crate::a::{c::C, A};"),
        ("a", "mod b;\nmod c;"),
    ];
    assert_eq!(circles(&made_up(&nested)), BTreeSet::from(["a::b, a::c, d".to_owned()]));
}

#[test]
fn declarations_comments_and_tests_make_no_circle() {
    let modules = [
        ("", "pub mod a;\nmod b;\npub use crate::a::A;\npub(crate) const ONE: u8 = 1;"),
        ("a", "use crate::b::B;\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n"),
        ("b", "// see crate::a::A\nuse crate::ONE;\n"),
        ("c", "use crate::a::A;\n"),
    ];
    assert_eq!(circles(&made_up(&modules)), BTreeSet::new());
}
