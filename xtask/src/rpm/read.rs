//! Reads finished packages, by code that has no part in building them.

use super::contents::{Contents, relation};
use super::files::Listed;
use super::nevra::Nevra;
use crate::digest::Digest;
use ::rpm::{
    Dependency, DependencyFlags, FileEntry, FileFlags, FileType, IndexTag, Package, PackageMetadata,
    Scriptlet,
};
use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::path::Path;

/// Features that a package may require of the rpm that installs it: those of rpm 4.15 (2019), which every openEuler
/// has.
const FEATURES: [&str; 7] = [
    "rpmlib(CaretInVersions)",
    "rpmlib(CompressedFileNames)",
    "rpmlib(FileDigests)",
    "rpmlib(PayloadFilesHavePrefix)",
    "rpmlib(PayloadIsZstd)",
    "rpmlib(RichDependencies)",
    "rpmlib(TildeInVersions)",
];

/// Reads a package whose header and payload have the digests that it names.
fn parse(package: impl Read) -> Result<Package> {
    let package = Package::parse(&mut BufReader::new(package)).context("it is no package")?;
    let digests = package.check_digests()?;
    ensure!(
        digests.header_sha256.is_verified() && digests.payload_sha256.is_verified(),
        "it is damaged: its header or payload does not have the digest that it names"
    );
    Ok(package)
}

fn open(path: &Path) -> Result<Package> {
    parse(fs::File::open(path)?).with_context(|| format!("reading {}", path.display()))
}

/// Returns the digest of a package's header, which covers that of its payload, and which signing leaves as it is.
pub fn header_digest(path: &Path) -> Result<String> {
    let header = PackageMetadata::open(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(header.signature.get_entry_data_as_string(::rpm::IndexSignatureTag::RPMSIGTAG_SHA256)?.to_owned())
}

/// Returns the digest of a package's payload, which is what it installs.
pub fn payload_digest(package: impl Read) -> Result<String> {
    let package = parse(package)?;
    let digest = package.metadata.header.get_entry_data_as_string_array(IndexTag::RPMTAG_PAYLOADSHA256)?;
    Ok((*digest.first().context("the package names no digest of its payload")?).to_owned())
}

/// Reads a source package: its name, and its files with their digests.
pub fn read_source(path: &Path) -> Result<(Nevra, BTreeMap<String, Digest>)> {
    let header = open(path)?.metadata;
    ensure!(header.is_source_package(), "{} is no source package", path.display());
    let files = header.get_file_entries()?;
    let digests = files
        .iter()
        .map(|file| Ok((file.path().to_string_lossy().trim_start_matches('/').to_owned(), digest(file)?)));
    // Its header names the architecture that it was built on.
    Ok((nevra(&header, "src")?, digests.collect::<Result<_>>()?))
}

/// Returns the name of a package.
pub fn name(package: impl Read) -> Result<Nevra> {
    let header = parse(package)?.metadata;
    nevra(&header, header.get_arch()?)
}

/// Reads a package.
pub fn read(path: &Path) -> Result<Contents> {
    contents(&open(path)?.metadata)
}

/// Reads a package in an archive.
pub fn read_entry(package: impl Read) -> Result<Contents> {
    contents(&parse(package)?.metadata)
}

fn contents(header: &PackageMetadata) -> Result<Contents> {
    let nevra = nevra(header, header.get_arch()?)?;
    ensure!(!header.is_source_package(), "{nevra} is a source package");
    ensure!(header.get_epoch().is_err(), "{nevra} has an epoch");
    let triggers = [header.get_triggers()?, header.get_file_triggers()?, header.get_trans_file_triggers()?];
    ensure!(triggers.iter().all(Vec::is_empty), "{nevra} has triggers");
    ensure!(header.get_verify_script().is_err(), "{nevra} has a verify script");
    let files = header.get_file_entries()?;
    let mut properties = tags(header, &files)?;
    for entry in &files {
        add_file(&mut properties, entry)?;
    }
    properties.extend(relations(header)?.into_iter().map(|relation| (relation, String::new())));
    properties.extend(scriptlets(header)?);
    Ok(Contents { nevra, properties })
}

fn nevra(header: &PackageMetadata, arch: &str) -> Result<Nevra> {
    Ok(Nevra {
        name: header.get_name()?.to_owned(),
        version: header.get_version()?.to_owned(),
        release: header.get_release()?.to_owned(),
        arch: arch.to_owned(),
    })
}

fn tags(header: &PackageMetadata, files: &[FileEntry]) -> Result<BTreeMap<String, String>> {
    let times: BTreeSet<String> = files.iter().map(|file| file.modified_at().0.to_string()).collect();
    let tags = [
        ("tag Summary", header.get_summary()?.to_owned()),
        ("tag License", header.get_license()?.to_owned()),
        ("tag Vendor", header.get_vendor()?.to_owned()),
        ("tag URL", header.get_url()?.to_owned()),
        ("tag Arch", header.get_arch()?.to_owned()),
        ("build host", header.get_build_host()?.to_owned()),
        ("build time", header.get_build_time()?.to_string()),
        ("times of files", times.into_iter().collect::<Vec<_>>().join(", ")),
        ("payload", header.get_payload_compressor()?.to_string()),
    ];
    Ok(tags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn digest(entry: &FileEntry) -> Result<Digest> {
    let digest = entry.digest().with_context(|| format!("{} has no digest", entry.path().display()))?;
    digest.as_hex().parse()
}

fn add_file(properties: &mut BTreeMap<String, String>, entry: &FileEntry) -> Result<()> {
    let path = entry.path().to_string_lossy().into_owned();
    let kind = entry.file_type();
    match kind {
        FileType::Dir => {}
        FileType::SymbolicLink => {
            properties.insert(format!("link {path}"), entry.linkto().unwrap_or_default().to_owned());
        }
        FileType::Regular => drop(properties.insert(format!("sha256 {path}"), digest(entry)?.to_string())),
        other => bail!("{path} is a {other:?}"),
    }
    let flags = entry.flags();
    let config = FileFlags::CONFIG | FileFlags::NOREPLACE;
    let known = config | FileFlags::DOC | FileFlags::LICENSE;
    ensure!(flags.difference(known).is_empty(), "{path} has the marks {flags:?}");
    ensure!(!flags.intersects(config) || flags.contains(config), "{path} has half of %config(noreplace)");
    ensure!(entry.caps().unwrap_or_default().is_empty(), "{path} has capabilities");
    let marks = [
        ("%dir", kind == FileType::Dir),
        ("%config(noreplace)", flags.contains(config)),
        ("%doc", flags.contains(FileFlags::DOC)),
        ("%license", flags.contains(FileFlags::LICENSE)),
    ];
    let listed = Listed {
        marks: marks.into_iter().filter_map(|(mark, is_set)| is_set.then_some(mark)).collect(),
        mode: (kind != FileType::SymbolicLink).then(|| entry.permissions()),
        user: entry.user().to_owned(),
        group: entry.group().to_owned(),
        path,
    };
    properties.insert(format!("file {}", listed.path), listed.to_string());
    Ok(())
}

fn relations(header: &PackageMetadata) -> Result<Vec<String>> {
    let kinds = [
        ("Requires", header.get_requires()?),
        ("Recommends", header.get_recommends()?),
        ("Suggests", header.get_suggests()?),
        ("Supplements", header.get_supplements()?),
        ("Enhances", header.get_enhances()?),
        ("Provides", header.get_provides()?),
        ("Conflicts", header.get_conflicts()?),
        ("Obsoletes", header.get_obsoletes()?),
        ("OrderWithRequires", order(header)?),
    ];
    let mut relations = Vec::new();
    for (kind, dependencies) in kinds {
        for dependency in dependencies {
            if dependency.name.starts_with("rpmlib(") {
                ensure!(
                    FEATURES.contains(&dependency.name.as_str()),
                    "it requires {}, which older versions of rpm do not have",
                    dependency.name
                );
            } else {
                relations.extend(relation(kind, &scriptlets_of(dependency.flags), &dependency.to_string()));
            }
        }
    }
    Ok(relations)
}

/// Returns the dependencies that only order a transaction.
fn order(header: &PackageMetadata) -> Result<Vec<Dependency>> {
    let header = &header.header;
    let Ok(names) = header.get_entry_data_as_string_array(IndexTag::RPMTAG_ORDERNAME) else {
        return Ok(Vec::new());
    };
    let flags = header.get_entry_data_as_u32_array(IndexTag::RPMTAG_ORDERFLAGS)?;
    let versions = header.get_entry_data_as_string_array(IndexTag::RPMTAG_ORDERVERSION)?;
    let dependencies = names.into_iter().zip(flags).zip(versions).map(|((name, flags), version)| {
        let flags = DependencyFlags::from_bits_retain(flags);
        Dependency { name: name.to_owned(), flags, version: version.to_owned() }
    });
    Ok(dependencies.collect())
}

type GetScriptlet = fn(&PackageMetadata) -> Result<Scriptlet, ::rpm::Error>;

/// Scriptlets by the name of their section, with the mark of a dependency that they need.
const SCRIPTLETS: [(&str, DependencyFlags, GetScriptlet); 8] = [
    ("pre", DependencyFlags::SCRIPT_PRE, PackageMetadata::get_pre_install_script),
    ("post", DependencyFlags::SCRIPT_POST, PackageMetadata::get_post_install_script),
    ("preun", DependencyFlags::SCRIPT_PREUN, PackageMetadata::get_pre_uninstall_script),
    ("postun", DependencyFlags::SCRIPT_POSTUN, PackageMetadata::get_post_uninstall_script),
    ("pretrans", DependencyFlags::PRETRANS, PackageMetadata::get_pre_trans_script),
    ("posttrans", DependencyFlags::POSTTRANS, PackageMetadata::get_post_trans_script),
    ("preuntrans", DependencyFlags::PREUNTRANS, PackageMetadata::get_pre_untrans_script),
    ("postuntrans", DependencyFlags::POSTUNTRANS, PackageMetadata::get_post_untrans_script),
];

/// Returns the scriptlets that need a dependency.
fn scriptlets_of(flags: DependencyFlags) -> Vec<&'static str> {
    SCRIPTLETS.iter().filter(|(_, flag, _)| flags.contains(*flag)).map(|(name, ..)| *name).collect()
}

fn scriptlets(header: &PackageMetadata) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (name, _, scriptlet) in SCRIPTLETS {
        let scriptlet = match scriptlet(header) {
            Ok(scriptlet) => scriptlet,
            Err(::rpm::Error::TagNotFound(_)) => continue,
            Err(error) => return Err(error).with_context(|| format!("reading the scriptlet {name}")),
        };
        let program = scriptlet.program.unwrap_or_default();
        ensure!(program == ["/bin/sh"], "the scriptlet {name} is run by {program:?}, not by /bin/sh");
        found.push((format!("scriptlet {name}"), scriptlet.script.trim_matches('\n').to_owned()));
    }
    Ok(found)
}
