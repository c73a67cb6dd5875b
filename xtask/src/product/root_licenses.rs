//! Licences of the packages in k3s-root, and the written pointer to their sources.

use super::licenses::ThirdPartyPackage;
use super::third_party::K3S_ROOT;
use crate::context::Context;
use crate::k3s::root_release::{self, LICENSES, RootPackage, RootRelease};
use crate::spdx::{Checksum, Part};
use anyhow::Result;
use fs_err as fs;
use std::collections::BTreeSet;

/// The licences of the programs in k3s-root: busybox, iptables, nftables, ethtool, ipset, conntrack-tools, util-linux,
/// slirp4netns, findutils, coreutils, pigz, fuse-overlayfs. For a release whose packages are not known.
const USUAL: [&str; 5] =
    ["GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-or-later", "LGPL-2.1-or-later", "Zlib"];

/// Returns k3s-root itself and every package inside, with licences, texts and the places of the sources.
pub fn of(context: &Context, release: &RootRelease) -> Result<Vec<ThirdPartyPackage>> {
    let RootRelease { name, buildroot, .. } = release;
    let remark = format!(
        "scripts, configuration and patches: https://github.com/k3s-io/k3s-root/tree/{name}; built by Buildroot\n    \
         {buildroot}, https://github.com/buildroot/buildroot/tree/{buildroot}, from the sources named at each package.\n    \
         All of them are in k3s-root-sources.tar beside k3s in its release, and at https://sources.buildroot.net."
    );
    let own = ThirdPartyPackage::elsewhere(&format!("k3s-root {name}"), &["Apache-2.0"], remark);
    let packages = release.packages.iter().map(|package| of_package(context, package));
    std::iter::once(Ok(own)).chain(packages).collect()
}

fn of_package(context: &Context, package: &RootPackage) -> Result<ThirdPartyPackage> {
    let RootPackage { name, version, facts } = package;
    let texts = facts
        .texts
        .iter()
        .map(|file| Ok((file.clone(), fs::read_to_string(context.root.join(LICENSES).join(file))?)));
    Ok(ThirdPartyPackage {
        name: format!("{name} {version}, in k3s-root"),
        licenses: facts.licenses.clone(),
        texts: texts.collect::<Result<_>>()?,
        remark: Some(format!("sources: {}\n    {}", facts.source, facts.checksum)),
    })
}

/// Returns k3s-root itself for the SBOM.
pub fn own_part(tag: &str) -> Part {
    Part {
        name: K3S_ROOT.to_owned(),
        version: Some(tag.to_owned()),
        licenses: BTreeSet::from(["Apache-2.0".to_owned()]),
        purl: Some(format!("pkg:github/k3s-io/k3s-root@{tag}")),
        ..Part::default()
    }
}

/// Returns a package in k3s-root for the SBOM, with the checksum of its sources.
pub fn part(package: &RootPackage) -> Part {
    let RootPackage { name, version, facts } = package;
    let checksum = match &facts.checksum {
        root_release::Checksum::Sha256(sum) => Checksum::Sha256(sum.clone()),
        root_release::Checksum::Sha512(sum) => Checksum::Sha512(sum.clone()),
    };
    Part {
        name: name.clone(),
        version: Some(version.clone()),
        licenses: facts.licenses.clone(),
        download: Some(facts.source.clone()),
        checksum: Some(checksum),
        source: Some("in k3s-root".to_owned()),
        ..Part::default()
    }
}

/// Returns k3s-root as far as it is known without a list of its packages.
pub fn unknown(tag: &str) -> ThirdPartyPackage {
    let remark = format!(
        "programs under licences of their own; their sources: https://github.com/k3s-io/k3s-root/tree/{tag}"
    );
    ThirdPartyPackage::elsewhere(&format!("k3s-root {tag}"), &USUAL, remark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Network;

    #[test]
    fn every_release_has_licences_texts_and_sources() {
        let context = Context::new(None, Network::Forbidden).unwrap();
        for name in ["v0.13.0", "v0.14.0", "v0.14.1", "v0.15.0", "v0.15.1", "v0.15.2", "v0.15.0-sample"] {
            let release = RootRelease::named(&context, name).unwrap().unwrap();
            let packages = of(&context, &release).unwrap();
            assert_eq!(packages.len(), release.packages.len() + 1);
            for package in packages {
                let is_own = package.name.starts_with("k3s-root ");
                assert!(is_own || !package.texts.is_empty(), "{name}: {}", package.name);
                assert!(package.remark.unwrap().contains("https://"), "{name}: {}", package.name);
            }
        }
    }
}
