//! What the program is made of: each dependency has a reason on its page, each licence is one
//! of those that are accepted, and what is banned is not built.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const PAGE: &str = "docs/dependencies.md";
const POLICY: &str = ".deny.toml";

fn toml_file(path: &str) -> toml::Table {
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

/// The dependencies of `Cargo.toml`: name and features that are asked for.
fn declared() -> BTreeMap<String, Vec<String>> {
    let manifest = toml_file("Cargo.toml");
    let tables = ["dependencies", "dev-dependencies"];
    let tables = tables.iter().map(|table| manifest[*table].as_table().unwrap());
    let features = |value: &toml::Value| {
        let features = value.get("features").and_then(toml::Value::as_array);
        let features = features.into_iter().flatten();
        features.map(|feature| feature.as_str().unwrap().to_owned()).collect()
    };
    tables.flatten().map(|(name, value)| (name.clone(), features(value))).collect()
}

/// The lines of the page: name, licence, features.
fn described() -> Vec<(String, String, String)> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| crate "));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, purpose, reason, licence, features] = *cells.as_slice() else {
            panic!("five cells: {row}");
        };
        assert!(!purpose.is_empty() && !reason.is_empty(), "{row}");
        (name.to_owned(), licence.to_owned(), features.to_owned())
    })
    .collect()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The platform of this machine.
fn host() -> String {
    let compiler = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(compiler.stdout).unwrap();
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// The crates that are built or tested on this machine: those of other platforms need not be
/// here, and nothing is downloaded for a test. With those of all features where they are here.
fn packages() -> Vec<Value> {
    let host = host();
    let mut args =
        vec!["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform"];
    args.extend([host.as_str(), "--all-features"]);
    let all = Command::new(env!("CARGO")).args(&args).output().unwrap();
    let metadata = if all.status.success() {
        String::from_utf8(all.stdout).unwrap()
    } else {
        args.pop();
        cargo(&args)
    };
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "the crates were found");
    packages.clone()
}

/// The dependencies that a feature adds.
fn optional() -> BTreeSet<String> {
    let manifest = toml_file("Cargo.toml");
    let all = manifest["dependencies"].as_table().unwrap().iter();
    let optional =
        all.filter(|(_, value)| value.get("optional") == Some(&toml::Value::Boolean(true)));
    optional.map(|(name, _)| name.clone()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &toml::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Says whether a licence expression (SPDX, and `/` as older crates write it) can be satisfied.
fn acceptable(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let holds = either(&mut words, allowed);
    assert_eq!(words.next(), None, "{expression}");
    holds
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut holds = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        holds |= both(words, allowed);
    }
    holds
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut holds = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let word = words.next().unwrap();
    if word == "(" {
        let holds = either(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return holds;
    }
    match words.next_if_eq(&"WITH") {
        Some(_) => allowed.contains(&format!("{word} WITH {}", words.next().unwrap())),
        None => allowed.contains(word),
    }
}

#[test]
fn each_dependency_has_a_line_and_each_line_a_dependency() {
    let declared = declared();
    let described = described();
    let names: BTreeSet<&str> = described.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.len(), described.len(), "each name once");
    let wanted: BTreeSet<&str> = declared.keys().map(String::as_str).collect();
    let missing: Vec<_> = wanted.difference(&names).collect();
    let gone: Vec<_> = names.difference(&wanted).collect();
    assert!(missing.is_empty(), "{PAGE} has no line for {missing:?}");
    assert!(gone.is_empty(), "{PAGE} names {gone:?}, which are gone");
    for (name, _, features) in &described {
        for feature in &declared[name] {
            assert!(features.contains(feature.as_str()), "{PAGE}: {name} has {feature}");
        }
    }
}

#[test]
fn the_page_gives_the_licences_that_the_crates_state() {
    let packages = packages();
    let of = |name: &str| -> BTreeSet<&str> {
        let found = packages.iter().filter(|package| text(&package["name"]) == name);
        found.map(|package| text(&package["license"])).collect()
    };
    let optional = optional();
    for (name, licence, _) in described() {
        if of(&name).is_empty() && optional.contains(&name) {
            continue;
        }
        assert!(of(&name).contains(licence.as_str()), "{PAGE}: {name} is {:?}", of(&name));
    }
}

#[test]
fn each_licence_is_accepted_and_each_source_is_the_registry() {
    let allowed = strings(&toml_file(POLICY)["licenses"]["allow"]);
    let mut wrong = Vec::new();
    for package in packages() {
        let (name, licence) = (text(&package["name"]), text(&package["license"]));
        if licence.is_empty() || !acceptable(licence, &allowed) {
            wrong.push(format!("{name}: `{licence}` is not accepted by {POLICY}"));
        }
        let source = text(&package["source"]);
        if name != env!("CARGO_PKG_NAME") && !source.starts_with("registry+") {
            wrong.push(format!("{name} comes from `{source}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `Cargo.lock` names crates that only parts of others would need which are left out.
#[test]
fn what_is_banned_is_not_built() {
    let tree = cargo(&[
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let built: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(built.contains("rustls"), "the tree was read");
    let policy = toml_file(POLICY);
    for banned in policy["bans"]["deny"].as_array().unwrap() {
        let name = banned["crate"].as_str().unwrap();
        assert!(!built.contains(name), "{name} is built");
    }
}

#[test]
fn licence_expressions_are_read() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "X WITH Y".to_owned()]);
    let cases = [
        ("MIT", true),
        ("Apache-2.0", false),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 AND MIT", false),
        ("(Apache-2.0 OR MIT) AND MIT", true),
        ("Apache-2.0 OR ISC AND MIT", false),
        ("X WITH Y OR Z", true),
        ("X", false),
    ];
    for (expression, expected) in cases {
        assert_eq!(acceptable(expression, &allowed), expected, "{expression}");
    }
}

/// The bill of materials names what is built, with a checksum for each crate, and is the same
/// bytes each time.
#[test]
fn the_bill_of_materials_is_whole() {
    let host = host();
    let write = || {
        let args = ["packaging/sbom", "--offline", "--target", &host];
        let output = Command::new("python3").args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let first = write();
    assert_eq!(first, write());
    let bill: Value = serde_json::from_slice(&first).unwrap();
    assert_eq!((text(&bill["bomFormat"]), text(&bill["specVersion"])), ("CycloneDX", "1.5"));
    assert_eq!(text(&bill["metadata"]["component"]["name"]), env!("CARGO_PKG_NAME"));
    let components = bill["components"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for component in components {
        names.insert(text(&component["name"]));
        let (hash, purl) = (text(&component["hashes"][0]["content"]), text(&component["purl"]));
        assert!(hash.len() == 64 && purl.starts_with("pkg:cargo/"), "{component}");
        assert!(!text(&component["licenses"][0]["expression"]).is_empty(), "{component}");
        assert!(!text(&component["version"]).is_empty(), "{component}");
    }
    assert!(names.contains("rustls") && names.contains("libsqlite3-sys"));
    assert!(!names.contains("proptest") && !names.contains("reqwest"));
}
