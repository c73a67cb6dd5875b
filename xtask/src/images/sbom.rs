//! `images-<arch>.cdx.json`: the Go modules and Debian packages in the images, for vulnerability scanners (CycloneDX 1.5
//! as JSON, cyclonedx.org/docs/1.5/json).

use super::manifest::ImageEntry;
use crate::context::Context;
use crate::product::go_buildinfo::CompiledFrom;
use crate::purl;
use crate::target::Target;
use crate::toolchain::debian::{self, source::SourcePackage};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Returns the document's name.
pub fn name(target: &Target) -> String {
    format!("images-{}.cdx.json", target.go)
}

/// Returns the document: a component for each image and for each module and source package, without time and number.
pub fn document(context: &Context, images: &[ImageEntry]) -> Result<Value> {
    let mut components: BTreeMap<String, Value> = BTreeMap::new();
    let mut dependencies = Vec::new();
    for image in images {
        // By their package URLs: several packages may be built from one source.
        let mut parts: BTreeMap<String, Value> = BTreeMap::new();
        let mut add = |name: &str, version: &str, purl: String| {
            let part =
                json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl});
            parts.insert(purl, part);
        };
        for module in image.all_modules() {
            if let CompiledFrom::Module { path, version } = module.origin() {
                add(&path, &version, purl::golang(&path, &version));
            }
        }
        for package in &image.debian {
            // Vulnerabilities are recorded of source packages.
            let SourcePackage { name, version } =
                SourcePackage::of(context, &debian::fetch(context, package)?)?;
            let purl = purl::debian(&name, &version, "source");
            add(&name, &version, purl);
        }
        let (name, version) = image.reference.rsplit_once(':').unwrap_or((&image.reference, ""));
        let container =
            json!({"type": "container", "bom-ref": image.reference, "name": name, "version": version});
        components.insert(image.reference.clone(), container);
        let purls: Vec<&String> = parts.keys().collect();
        dependencies.push(json!({"ref": image.reference, "dependsOn": purls}));
        components.extend(parts);
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Network;
    use crate::product::go_buildinfo::Compiled;
    use std::collections::BTreeSet;

    #[test]
    fn names_what_was_compiled() {
        let replaced: Compiled = "k8s.io/api v0.1.0 => github.com/Me/api v0.2.0+x".parse().unwrap();
        let image = ImageEntry {
            reference: "rancher/a:1".to_owned(),
            id: String::new(),
            version: "v1.0.0".to_owned(),
            substitute: false,
            left_out: None,
            module: Some("example.com/a/v2 v2.1.0 h1:sum".to_owned()),
            modules: BTreeSet::from([replaced, Compiled::plain("example.com/a/v2", "v2.1.0")]),
            debian: Vec::new(),
        };
        let context = Context::new(None, Network::Forbidden).unwrap();
        let document = document(&context, &[image]).unwrap();
        let purls: Vec<_> =
            document["components"].as_array().unwrap().iter().filter_map(|it| it["purl"].as_str()).collect();
        assert_eq!(purls, ["pkg:golang/example.com/a/v2@v2.1.0", "pkg:golang/github.com/me/api@v0.2.0%2Bx"],);
        assert_eq!(document["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 2);
    }
}
