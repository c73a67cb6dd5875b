//! A finished package, read tag by tag by code that has no part in making it.

use super::contents::{Contents, File, Kind, Relation};
use super::files::Marks;
use super::nevra::Nevra;
use crate::digest::Digest;
use ::rpm::{DependencyFlags, FileEntry, FileFlags, FileType, IndexTag, PackageMetadata};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Features a package may demand of the rpm that installs it: those that rpm knows since 4.15 (2019), which no
/// openEuler is older than.
const FEATURES: [&str; 7] = [
    "rpmlib(CaretInVersions)",
    "rpmlib(CompressedFileNames)",
    "rpmlib(FileDigests)",
    "rpmlib(PayloadFilesHavePrefix)",
    "rpmlib(PayloadIsZstd)",
    "rpmlib(RichDependencies)",
    "rpmlib(TildeInVersions)",
];

/// Our packages have no dependencies of these kinds.
const UNEXPECTED: [(&str, IndexTag); 3] = [
    ("Obsoletes", IndexTag::RPMTAG_OBSOLETENAME),
    ("Supplements", IndexTag::RPMTAG_SUPPLEMENTNAME),
    ("Enhances", IndexTag::RPMTAG_ENHANCENAME),
];

type Tags = [IndexTag; 3];
/// Tags in which a package keeps its dependencies: names, flags, versions.
const RELATIONS: [(Relation, Tags); 6] = [
    (
        Relation::Requires,
        [IndexTag::RPMTAG_REQUIRENAME, IndexTag::RPMTAG_REQUIREFLAGS, IndexTag::RPMTAG_REQUIREVERSION],
    ),
    (
        Relation::Recommends,
        [IndexTag::RPMTAG_RECOMMENDNAME, IndexTag::RPMTAG_RECOMMENDFLAGS, IndexTag::RPMTAG_RECOMMENDVERSION],
    ),
    (
        Relation::Suggests,
        [IndexTag::RPMTAG_SUGGESTNAME, IndexTag::RPMTAG_SUGGESTFLAGS, IndexTag::RPMTAG_SUGGESTVERSION],
    ),
    (
        Relation::Provides,
        [IndexTag::RPMTAG_PROVIDENAME, IndexTag::RPMTAG_PROVIDEFLAGS, IndexTag::RPMTAG_PROVIDEVERSION],
    ),
    (
        Relation::Conflicts,
        [IndexTag::RPMTAG_CONFLICTNAME, IndexTag::RPMTAG_CONFLICTFLAGS, IndexTag::RPMTAG_CONFLICTVERSION],
    ),
    (
        Relation::OrderWithRequires,
        [IndexTag::RPMTAG_ORDERNAME, IndexTag::RPMTAG_ORDERFLAGS, IndexTag::RPMTAG_ORDERVERSION],
    ),
];

/// Checks that header and payload have the digests that a package names.
pub fn is_undamaged(package: &::rpm::Package) -> Result<bool> {
    let digests = package.check_digests()?;
    Ok(digests.header_sha256.is_verified() && digests.payload_sha256.is_verified())
}

/// Opens a package whose own digests are right.
fn open(path: &Path) -> Result<::rpm::Package> {
    let package = ::rpm::Package::open(path).with_context(|| format!("{} is no package", path.display()))?;
    ensure!(
        is_undamaged(&package)?,
        "{} is damaged: its header or payload has not the digest it names",
        path.display()
    );
    Ok(package)
}

/// Reads a source package: its files, each with its checksum.
pub fn read_source(path: &Path) -> Result<BTreeMap<String, Digest>> {
    let package = open(path)?;
    ensure!(package.metadata.is_source_package(), "{} is no source package", path.display());
    let files = package.metadata.get_file_entries()?;
    let sums = files.iter().map(|file| {
        let name = file.path().to_string_lossy().trim_start_matches('/').to_owned();
        let digest = file.digest().with_context(|| format!("{name} has no digest"))?;
        Ok((name, digest.as_hex().parse()?))
    });
    sums.collect()
}

/// Reads a package whose own digests are right.
pub fn read(path: &Path) -> Result<Contents> {
    let package = open(path)?;
    let header = &package.metadata;
    let nevra = Nevra {
        name: header.get_name()?.to_owned(),
        version: header.get_version()?.to_owned(),
        release: header.get_release()?.to_owned(),
        arch: header.get_arch()?.to_owned(),
    };
    for (name, tag) in UNEXPECTED {
        ensure!(header.header.get_entry_data_as_string_array(tag).is_err(), "{nevra} has {name}");
    }
    ensure!(!header.is_source_package(), "{nevra} takes itself for a source package");
    ensure!(header.get_epoch().is_err(), "{nevra} has an epoch");
    let triggers = [header.get_triggers()?, header.get_file_triggers()?, header.get_trans_file_triggers()?];
    ensure!(triggers.iter().all(Vec::is_empty), "{nevra} has triggers");
    ensure!(header.get_verify_script().is_err(), "{nevra} has a verify script");
    let files = header.get_file_entries()?;
    Ok(Contents {
        tags: tags(header, &files)?,
        files: files.iter().map(file).collect::<Result<_>>()?,
        relations: relations(header)?,
        scriptlets: scriptlets(header)?,
        nevra,
    })
}

fn tags(header: &PackageMetadata, files: &[FileEntry]) -> Result<BTreeMap<&'static str, String>> {
    let times: BTreeSet<String> = files.iter().map(|file| file.modified_at().0.to_string()).collect();
    let payload = header.header.get_entry_data_as_string(IndexTag::RPMTAG_PAYLOADCOMPRESSOR)?;
    Ok(BTreeMap::from([
        ("Summary", header.get_summary()?.to_owned()),
        ("License", header.get_license()?.to_owned()),
        ("Vendor", header.get_vendor()?.to_owned()),
        ("URL", header.get_url()?.to_owned()),
        ("build host", header.get_build_host()?.to_owned()),
        ("build time", header.get_build_time()?.to_string()),
        ("times of files", times.into_iter().collect::<Vec<_>>().join(", ")),
        ("payload", payload.to_owned()),
    ]))
}

fn file(entry: &FileEntry) -> Result<(String, File)> {
    let path = entry.path().to_string_lossy().into_owned();
    let kind = match entry.file_type() {
        FileType::Dir => Kind::Directory,
        FileType::SymbolicLink => Kind::Link(entry.linkto().unwrap_or_default().to_owned()),
        FileType::Regular => {
            let digest = entry.digest().with_context(|| format!("{path} has no digest"))?;
            Kind::Regular(digest.as_hex().parse().with_context(|| format!("the digest of {path}"))?)
        }
        other => Kind::Other(format!("{other:?}")),
    };
    let flags = entry.flags();
    let config = FileFlags::CONFIG | FileFlags::NOREPLACE;
    let known = config | FileFlags::DOC | FileFlags::LICENSE;
    ensure!(flags.difference(known).is_empty(), "{path} has the marks {flags:?}");
    ensure!(!flags.intersects(config) || flags.contains(config), "{path} has half of %config(noreplace)");
    ensure!(entry.caps().unwrap_or_default().is_empty(), "{path} has capabilities");
    let marks = Marks {
        config: flags.contains(config),
        doc: flags.contains(FileFlags::DOC),
        license: flags.contains(FileFlags::LICENSE),
    };
    let mode = (!matches!(kind, Kind::Link(_))).then(|| entry.permissions());
    let (user, group) = (entry.user().to_owned(), entry.group().to_owned());
    Ok((path, File { kind, mode, user, group, marks }))
}

fn relations(header: &PackageMetadata) -> Result<BTreeMap<Relation, BTreeSet<String>>> {
    let mut found: BTreeMap<Relation, BTreeSet<String>> = BTreeMap::new();
    for (relation, [names, flags, versions]) in RELATIONS {
        let Ok(names) = header.header.get_entry_data_as_string_array(names) else { continue };
        let flags = header.header.get_entry_data_as_u32_array(flags)?;
        let versions = header.header.get_entry_data_as_string_array(versions)?;
        for ((name, flags), version) in names.into_iter().zip(flags).zip(versions) {
            let flags = DependencyFlags::from_bits_retain(flags);
            if name.starts_with("rpmlib(") {
                ensure!(FEATURES.contains(&name), "{name} is more than an older rpm can do");
                continue;
            }
            let comparison = flags.comparator_str();
            let text = match comparison {
                "" => name.to_owned(),
                _ => format!("{name} {comparison} {version}"),
            };
            let when = scriptlets_of(flags);
            let relations = found.entry(relation).or_default();
            match when.is_empty() {
                true => drop(relations.insert(text)),
                false => relations.extend(when.iter().map(|scriptlet| format!("{scriptlet}: {text}"))),
            }
        }
    }
    Ok(found)
}

/// The scriptlets for whose sake a dependency exists.
fn scriptlets_of(flags: DependencyFlags) -> Vec<&'static str> {
    let all = [
        (DependencyFlags::SCRIPT_PRE, "pre"),
        (DependencyFlags::SCRIPT_POST, "post"),
        (DependencyFlags::SCRIPT_PREUN, "preun"),
        (DependencyFlags::SCRIPT_POSTUN, "postun"),
        (DependencyFlags::PRETRANS, "pretrans"),
        (DependencyFlags::POSTTRANS, "posttrans"),
        (DependencyFlags::PREUNTRANS, "preuntrans"),
        (DependencyFlags::POSTUNTRANS, "postuntrans"),
    ];
    all.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name).collect()
}

fn scriptlets(header: &PackageMetadata) -> Result<BTreeMap<String, String>> {
    let all = [
        ("pre", header.get_pre_install_script()),
        ("post", header.get_post_install_script()),
        ("preun", header.get_pre_uninstall_script()),
        ("postun", header.get_post_uninstall_script()),
        ("pretrans", header.get_pre_trans_script()),
        ("posttrans", header.get_post_trans_script()),
        ("preuntrans", header.get_pre_untrans_script()),
        ("postuntrans", header.get_post_untrans_script()),
    ];
    let mut found = BTreeMap::new();
    for (name, scriptlet) in all {
        let scriptlet = match scriptlet {
            Ok(scriptlet) => scriptlet,
            Err(::rpm::Error::TagNotFound(_)) => continue,
            Err(error) => return Err(error).with_context(|| format!("reading the scriptlet {name}")),
        };
        let program = scriptlet.program.unwrap_or_default();
        if program != ["/bin/sh"] {
            bail!("the scriptlet {name} is run by {program:?}, not by /bin/sh");
        }
        found.insert(name.to_owned(), scriptlet.script.trim_matches('\n').to_owned());
    }
    Ok(found)
}

/// The digest of a package's header, which covers that of its payload, and which signing leaves as it is.
pub fn header_digest(path: &Path) -> Result<String> {
    let header = PackageMetadata::open(path).with_context(|| format!("{} is no package", path.display()))?;
    Ok(header.signature.get_entry_data_as_string(::rpm::IndexSignatureTag::RPMSIGTAG_SHA256)?.to_owned())
}
