//! The architecture, enforced: who may import whom, and who may use which crate.

use std::path::{Path, PathBuf};

/// Lowest floor first; modules of one line do not import each other. `lib.rs` has the page.
const FLOORS: &[&[&str]] = &[
    &["clock", "store"],
    &["config", "period", "trace"],
    &["ingest", "sample"],
    &["breakdown"],
    &["cube", "lake"],
    &["insight"],
    &["report"],
    &["render"],
    &["archive", "deliver", "ledger", "schedule"],
    &["run"],
    &["failure"],
    &["cli"],
    &["main", "lib"],
];

/// Crates and the modules that own them.
const OWNERS: &[(&str, &[&str])] = &[
    ("polars", &["trace", "ingest", "breakdown", "cube", "run"]),
    ("polars_io", &["ingest"]),
    ("spark_connect", &["lake"]),
    ("arrow", &["lake"]),
    ("simd_csv", &["ingest"]),
    ("encoding_rs", &["ingest"]),
    ("zip", &["archive", "ingest", "render"]),
    ("zstd", &["cube", "ingest"]),
    ("quick_xml", &["ingest", "render"]),
    ("glob", &["ingest"]),
    ("flate2", &["ingest", "sample"]),
    ("minijinja", &["render"]),
    ("postcard", &["cube", "ingest"]),
    ("png", &["render"]),
    ("printpdf", &["render"]),
    ("lopdf", &["render"]),
    ("md5", &["render"]),
    ("subsetter", &["render"]),
    ("clap", &["cli"]),
    ("tempfile", &["store", "ingest"]),
    ("toml", &["config", "render"]),
    ("cron", &["schedule"]),
    ("lettre", &["deliver"]),
    ("rustls", &["deliver"]),
    ("rustls_native_certs", &["deliver"]),
    ("rusqlite", &["ledger"]),
    ("rust_xlsxwriter", &["render"]),
    ("ssh_key", &["archive"]),
    ("sd_notify", &["run"]),
    ("signal_hook", &["run"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Each source file with its top module and its code before the unit tests.
fn modules() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 30, "the sources were found");
    found
        .into_iter()
        .map(|path| {
            let inner = path.strip_prefix(&root).unwrap();
            let top = inner.components().next().unwrap().as_os_str().to_string_lossy();
            let module = top.trim_end_matches(".rs").to_owned();
            let code = std::fs::read_to_string(&path).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap().to_owned();
            (path, module, code)
        })
        .collect()
}

fn floor(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` stands on no floor"))
}

fn code_lines(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = code.lines().enumerate();
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(i, line)| (i + 1, line))
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_point_downwards() {
    let mut wrong = Vec::new();
    for (path, module, code) in modules() {
        for (number, line) in code_lines(&code) {
            for target in line.split("crate::").skip(1).map(word) {
                if target != module && floor(&module) <= floor(&target) {
                    wrong.push(format!("{}:{number}: {module} -> {target}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_with_their_owners() {
    let mut wrong = Vec::new();
    for (path, module, code) in modules() {
        for (number, line) in code_lines(&code) {
            for (name, owners) in OWNERS {
                let uses = line.match_indices(&format!("{name}::")).any(|(at, _)| {
                    let before = line.get(..at).and_then(|text| text.chars().next_back());
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                });
                if uses && !owners.contains(&module.as_str()) {
                    wrong.push(format!("{}:{number}: {module} uses {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The architecture page lists every module, and no other.
#[test]
fn the_architecture_page_is_whole() {
    let page = std::fs::read_to_string("src/lib.rs").unwrap();
    for module in
        FLOORS.iter().flat_map(|floor| floor.iter()).filter(|m| !["main", "lib"].contains(m))
    {
        assert!(page.contains(&format!("[`{module}`]")), "{module} is not on the page");
        assert!(page.contains(&format!("pub mod {module};")), "{module} is no module");
    }
    assert_eq!(page.matches("pub mod ").count(), FLOORS.iter().map(|f| f.len()).sum::<usize>() - 2);
}
