//! Rules about the source that neither compiler nor clippy checks.
//!
//! Each violation is one line `file:line: what is wrong`, all of them at once.

#![expect(clippy::expect_used, reason = "a rule that can't be checked fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// Longest line of Rust, characters.
const LINE_LEN_MAX: usize = 100;
/// Longest file of Rust, lines without the tests at its bottom.
const FILE_LEN_MAX: usize = 600;
/// Longest file of tests, lines.
const TEST_LEN_MAX: usize = 800;

/// Which crates may be named where: name, and the beginnings of the paths that may.
const QUARANTINE: &[(&str, &[&str])] = &[
    ("pnet", &["engine/net/", "engine/core/src/wire/"]),
    ("socket2", &["engine/net/", "api/src/server"]),
    ("libc", &["engine/net/", "simnet/src/sys", "simnet/src/lab/"]),
    ("sled", &["store/src/tree"]),
    ("warp", &["api/"]),
    ("prometheus", &["api/src/metrics"]),
    // Elsewhere it is the independent reader of tests.
    ("etherparse", &["engine/core/", "engine/net/", "simnet/", "bench/"]),
    ("ipnetwork", &["engine/core/src/target/", "engine/net/tests/", "simnet/"]),
    ("tracing_subscriber", &["cli/"]),
    ("ring", &["engine/identify/src/ssh/"]),
    ("rustls", &["engine/identify/src/tls/", "engine/identify/tests/"]),
    ("tokio_rustls", &["engine/identify/src/tls/", "engine/identify/tests/"]),
    ("x509_parser", &["engine/identify/src/tls/"]),
    ("anyhow", &["cli/", "bench/"]),
    ("clap", &["cli/", "bench/"]),
];

/// Who may depend on whom within the workspace, development dependencies aside.
const DIRECTION: &[(&str, &[&str])] = &[
    ("engine/core", &[]),
    ("engine/net", &["portolan-core", "portolan-probes", "portolan-fingerprints"]),
    ("engine/identify", &["portolan-core", "portolan-probes", "portolan-fingerprints"]),
    ("probes", &["portolan-core"]),
    ("service-fingerprints", &["portolan-core"]),
    ("store", &["portolan-core"]),
    ("api", &["portolan-core", "portolan-store"]),
];

/// Where `unsafe` may be.
const UNSAFE_HOMES: &[&str] = &["engine/net/src/sys/", "simnet/src/sys"];

/// Folders at the root of one machine, which mean nothing on another.
const MACHINE_FOLDERS: &[&str] = &["root", "home", "work", "Users"];

#[test]
fn the_source_is_tidy() {
    let root = root();
    let files: Vec<Source> =
        rust_files(&root).into_iter().map(|p| Source::read(&root, &p)).collect();
    assert!(files.len() > 30, "the workspace was not found at {}", root.display());
    let mut found = Vec::new();
    for file in &files {
        sizes(file, &mut found);
        quarantine(file, &mut found);
        unsafe_code(file, &mut found);
        mod_lines(file, &files, &mut found);
        test_habits(file, &mut found);
        machine_paths(&file.name, &file.text, &mut found);
    }
    dead_files(&files, &mut found);
    for path in texts(&root) {
        let source = Source::read(&root, &path);
        machine_paths(&source.name, &source.text, &mut found);
    }
    assert!(found.is_empty(), "{} untidy places:\n{}", found.len(), found.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let root = root();
    let mut found = Vec::new();
    for (folder, allowed) in DIRECTION {
        let manifest = format!("{folder}/Cargo.toml");
        let text = fs::read_to_string(root.join(&manifest)).expect("a manifest");
        let mut within = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                within = line == "[dependencies]";
            }
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if within && name.starts_with("portolan-") && !allowed.contains(&name) {
                found.push(format!("{manifest}:{}: must not depend on {name}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// One file, its path with `/` from the workspace's root.
struct Source {
    name: String,
    text: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let name = path.strip_prefix(root).expect("within the workspace").to_string_lossy();
        let text = fs::read_to_string(path).expect("source is UTF-8");
        Self { name: name.replace('\\', "/"), text }
    }

    /// Lines with their numbers from 1, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(number, line)| {
            let code = match line.find("//") {
                Some(at) if !line.contains("://") => line.split_at(at).0,
                _ => line,
            };
            (number + 1, code)
        })
    }

    fn is_in(&self, homes: &[&str]) -> bool {
        homes.iter().any(|home| self.name.starts_with(home))
    }

    fn is_tidy(&self) -> bool {
        self.name == "cli/tests/tidy.rs"
    }
}

fn sizes(file: &Source, found: &mut Vec<String>) {
    let mut raw = false;
    for (number, line) in file.text.lines().enumerate() {
        let within = raw || line.contains("r#\"");
        raw = within && !line.contains("\"#");
        let len = line.chars().count();
        if len > LINE_LEN_MAX && !within && without_texts(line).chars().count() > LINE_LEN_MAX {
            let number = number + 1;
            found.push(format!("{}:{number}: {len} columns, at most {LINE_LEN_MAX}", file.name));
        }
    }
    let before_tests = |line: &&str| !line.ends_with("mod tests {");
    let lines = file.text.lines().take_while(before_tests).count();
    let most = if file.name.contains("/tests") { TEST_LEN_MAX } else { FILE_LEN_MAX };
    if lines > most {
        found
            .push(format!("{}:{lines}: {lines} lines before its tests, at most {most}", file.name));
    }
}

/// The line with its string literals emptied: they can't be broken.
fn without_texts(line: &str) -> String {
    line.replace("\\\"", "").split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn quarantine(file: &Source, found: &mut Vec<String>) {
    for (name, homes) in QUARANTINE {
        if file.is_in(homes) || file.is_tidy() {
            continue;
        }
        for (number, line) in file.code() {
            if names_crate(line, name) {
                let homes = homes.join(", ");
                found.push(format!("{}:{number}: {name} belongs to {homes}", file.name));
            }
        }
    }
}

/// `name::` as the beginning of a path, or `use name;`.
fn names_crate(line: &str, name: &str) -> bool {
    line.trim_start().starts_with(&format!("use {name};"))
        || line.match_indices(&format!("{name}::")).any(|(at, _)| {
            let before = line.split_at(at).0.chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && !"_:\"".contains(c))
        })
}

fn unsafe_code(file: &Source, found: &mut Vec<String>) {
    let home = file.is_in(UNSAFE_HOMES);
    for (number, line) in file.code() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if !home && !file.is_tidy() && words.any(|word| word == "unsafe") {
            found.push(format!("{}:{number}: unsafe belongs to {UNSAFE_HOMES:?}", file.name));
        }
    }
    let is_root = ["/src/lib.rs", "/src/main.rs"].iter().any(|end| file.name.ends_with(end));
    let may =
        UNSAFE_HOMES.iter().any(|home| home.split("src").next() == file.name.split("src").next());
    if is_root && !may && !file.text.contains("#![forbid(unsafe_code)]") {
        found.push(format!("{}:1: lacks #![forbid(unsafe_code)]", file.name));
    }
}

/// What is in a module is said on its `mod` line or at its file's top.
fn mod_lines(file: &Source, files: &[Source], found: &mut Vec<String>) {
    let folder = file.name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = match file.name.rsplit('/').next() {
        Some("lib.rs" | "main.rs" | "mod.rs") | None => folder.to_owned(),
        Some(_) => file.name.trim_end_matches(".rs").to_owned(),
    };
    let says_itself = |name: &str| {
        let places = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
        files.iter().any(|f| places.contains(&f.name) && f.text.starts_with("//!"))
    };
    let (mut documented, mut test, mut attribute) = (false, false, false);
    for (number, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("///") {
            documented = true;
        } else if attribute || line.starts_with("#[") {
            attribute = !line.ends_with(']');
            test |= line.contains("cfg(test)");
        } else {
            let bare = mod_name(line).is_some_and(|name| !says_itself(name));
            if bare && !documented && !test && file.name.contains("/src/") {
                found.push(format!("{}:{}: say what is in it: {line}", file.name, number + 1));
            }
            (documented, test) = (false, false);
        }
    }
}

/// The name in `mod name;` or `pub mod name;`.
fn mod_name(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("mod ")?;
    let visible = before.is_empty() || (before.starts_with("pub") && before.ends_with(' '));
    rest.strip_suffix(';').filter(|name| visible && !name.contains(' '))
}

fn test_habits(file: &Source, found: &mut Vec<String>) {
    for (number, line) in file.code() {
        for habit in ["#[ignore]", "#[should_panic"] {
            if !file.is_tidy() && line.trim_start().starts_with(habit) {
                found.push(format!(
                    "{}:{number}: no {habit}]: a test runs or is not there",
                    file.name
                ));
            }
        }
    }
}

fn machine_paths(name: &str, text: &str, found: &mut Vec<String>) {
    if name == "cli/tests/tidy.rs" {
        return;
    }
    for (number, line) in text.lines().enumerate() {
        for path in MACHINE_FOLDERS.iter().map(|folder| format!("/{folder}/")) {
            let Some(at) = line.find(&path) else { continue };
            // A URL's path is not a file's.
            let before = line.split_at(at).0.chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && !"_.-*}".contains(c)) {
                found.push(format!("{name}:{}: a place on one machine: {path}", number + 1));
            }
        }
    }
}

/// Every file beneath a `src` is somebody's module.
fn dead_files(files: &[Source], found: &mut Vec<String>) {
    for file in files {
        let Some((crate_dir, inner)) = file.name.split_once("/src/") else { continue };
        let path =
            inner.strip_suffix("/mod.rs").or_else(|| inner.strip_suffix(".rs")).unwrap_or(inner);
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if folder == "bin" || (folder.is_empty() && ["lib", "main"].contains(&name)) {
            continue;
        }
        let parents: Vec<String> = if folder.is_empty() {
            ["lib.rs", "main.rs"].map(|f| format!("{crate_dir}/src/{f}")).to_vec()
        } else {
            ["/mod.rs", ".rs"].map(|end| format!("{crate_dir}/src/{folder}{end}")).to_vec()
        };
        let declares =
            |parent: &Source| parent.text.lines().any(|line| mod_name(line.trim()) == Some(name));
        let by_path = |other: &Source| other.text.contains(&format!("path = \"{name}.rs\""));
        let alive = files.iter().any(|f| parents.contains(&f.name) && declares(f))
            || files.iter().any(by_path);
        if !alive {
            found.push(format!("{}:1: no mod line names this file", file.name));
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    walk(root, &|path| path.extension().is_some_and(|end| end == "rs"))
}

fn texts(root: &Path) -> Vec<PathBuf> {
    walk(root, &|path| {
        path.extension().is_some_and(|end| end == "md" || end == "toml" || end == "service")
            || path.ends_with(".ci/run")
    })
}

/// Files that `wanted` wants, sorted; what is built or not ours is not entered.
fn walk(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_symlink() || [".git", "target", "corpus", "artifacts"].contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            found.extend(walk(&path, wanted));
        } else if wanted(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_rules_bite() {
    let bad = Source {
        name: "store/src/page.rs".into(),
        text: format!(
            "mod lost;\nuse sled::Db;\n// sled::Db\nlet x = {}safe {{ }};\n#[ignore]\n",
            "un"
        ),
    };
    let mut found = Vec::new();
    quarantine(&bad, &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
    unsafe_code(&bad, &mut found);
    mod_lines(&bad, &[], &mut found);
    test_habits(&bad, &mut found);
    let place = |before: &str| format!("see {before}/{}/main ", "work");
    let text = [place(""), place("example.org"), place("$HOME")].concat();
    machine_paths(&bad.name, &text, &mut found);
    let lines: Vec<_> = found.iter().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["2", "4", "1", "5", "1"], "{found:?}");
    assert!(!names_crate("let warped = my_warp::x;", "warp"));
    assert!(names_crate("    let f = warp::path(\"x\");", "warp"));
}
