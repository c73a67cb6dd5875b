//! The packages of this machine's Debian that stand for those that the source package requires, with all that these
//! depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Each required package, Debian's packages with the same commands, and a command that shows that they are there.
pub const PACKAGES: [(&str, &[&str], &str); 11] = [
    ("bash", &["bash"], "bash"),
    ("coreutils", &["coreutils"], "install"),
    ("findutils", &["findutils"], "find"),
    ("gawk", &["mawk"], "awk"),
    ("gcc", &["gcc", "libc6-dev"], "cc"),
    ("grep", &["grep"], "grep"),
    ("gzip", &["gzip"], "gzip"),
    ("sed", &["sed"], "sed"),
    ("tar", &["tar"], "tar"),
    ("util-linux", &["util-linux"], "unshare"),
    ("zstd", &["zstd"], "zstd"),
];

/// Debian's packages that make a minimal system with rpmbuild, which compares lists of files.
const BASE: [&str; 3] = ["dash", "diffutils", "rpm"];

/// Returns the paths of all files of the packages, relative to the root, without their documentation and without the
/// home of the user who runs the tests.
pub fn files() -> Vec<String> {
    let packages = with_dependencies(PACKAGES.iter().flat_map(|(_, names, _)| *names).chain(&BASE));
    let mut query = Command::new("dpkg-query");
    let listed = output(query.arg("--listfiles").args(packages));
    let left_out = ["/root", "/usr/share/doc", "/usr/share/info", "/usr/share/locale", "/usr/share/man"];
    let paths = listed.lines().filter(|path| !left_out.iter().any(|other| path.starts_with(other)));
    let mut files: BTreeSet<String> =
        paths.filter(|path| Path::new(path).symlink_metadata().is_ok()).map(str::to_owned).collect();
    files.extend(alternatives(&files));
    files
        .iter()
        .map(|path| path.trim_start_matches('/').to_owned())
        .filter(|path| path != "." && !path.is_empty())
        .collect()
}

/// Returns the links to files that update-alternatives(1) has made, such as `cc` and `awk`.
fn alternatives(files: &BTreeSet<String>) -> Vec<String> {
    let mut links = Vec::new();
    for entry in std::fs::read_dir("/usr/bin").unwrap() {
        let link = entry.unwrap().path();
        let Ok(chosen) = std::fs::read_link(&link) else { continue };
        let Ok(target) = link.canonicalize() else { continue };
        if chosen.starts_with("/etc/alternatives") && files.contains(target.to_str().unwrap()) {
            links.extend([link, chosen].map(|path| path.to_str().unwrap().to_owned()));
        }
    }
    links
}

/// Returns installed packages, and those that they depend on.
fn with_dependencies<'n>(names: impl Iterator<Item = &'n &'n str>) -> BTreeSet<String> {
    let format = "${db:Status-Status}\t${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\n";
    let known = output(Command::new("dpkg-query").args(["--show", "--showformat", format]));
    // Names without their versions and architectures: `libc6 (>= 2.36), perl:any`.
    let name = |relation: &str| relation.trim().split([' ', ':']).next().unwrap_or_default().to_owned();
    let mut depends = BTreeMap::new();
    let mut providers = BTreeMap::new();
    for line in known.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let ["installed", package, relations, provides] = columns[..] else { continue };
        depends.insert(package.to_owned(), relations.to_owned());
        providers.extend(provides.split(',').map(|provided| (name(provided), package.to_owned())));
    }
    let mut found = BTreeSet::new();
    let mut next: Vec<String> = names.map(|name| (*name).to_owned()).collect();
    while let Some(package) = next.pop() {
        let relations = depends.get(&package).unwrap_or_else(|| panic!("{package} is not installed"));
        for relation in relations.split(',') {
            let one_of = relation.split('|').map(name).filter(|name| !name.is_empty());
            let installed = one_of.filter_map(|one| match depends.contains_key(&one) {
                true => Some(one),
                false => providers.get(&one).cloned(),
            });
            next.extend(installed.take(1).filter(|one| !found.contains(one)));
        }
        found.insert(package);
    }
    found
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
