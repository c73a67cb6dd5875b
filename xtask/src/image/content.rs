//! Content of a pause image: one layer, its configuration and its manifest, bit for bit the same whenever and
//! wherever they are made.

use crate::digest::Digest;
use crate::elf;
use crate::image::layout::{Content, LayoutImage};
use crate::target::Target;
use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

/// The operating system of every image (image-spec, config.md, `os`).
pub const OS: &str = "linux";

/// The media type of an image's configuration.
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// The media type of a layer that is not compressed.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// The media type of an image's manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// Time of creation, the same in all builds.
pub const EPOCH: &str = "1970-01-01T00:00:00Z";

/// Bytes that are referred to by their digest (image-spec, descriptor.md).
#[derive(Clone, Debug)]
pub struct Blob {
    pub media_type: &'static str,
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

impl Blob {
    pub fn new(media_type: &'static str, bytes: Vec<u8>) -> Blob {
        Blob { media_type, digest: Digest::of(&bytes), bytes }
    }

    pub fn json(media_type: &'static str, value: &Value) -> Blob {
        Blob::new(media_type, value.to_string().into_bytes())
    }

    pub fn descriptor(&self) -> Map<String, Value> {
        descriptor(self.media_type, &self.digest, self.bytes.len() as u64)
    }
}

/// Returns what refers to bytes by their digest (image-spec, descriptor.md).
pub fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Map<String, Value> {
    let digest = format!("sha256:{digest}");
    let pairs = [("mediaType", json!(media_type)), ("digest", json!(digest)), ("size", json!(size))];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The image of one architecture. Names are not part of it; archives and layouts add them.
#[derive(Clone, Debug)]
pub struct PauseImage {
    pub target: &'static Target,
    pub version: String,
    pub binary: Vec<u8>,
    pub layer: Blob,
    /// Its digest is the image's ID in docker and crictl.
    pub config: Blob,
    pub manifest: Blob,
}

impl PauseImage {
    /// Wraps a pause executable, which must be a static one for the architecture.
    ///
    /// `version` is the program's own, for the label that inspecting tools show.
    pub fn new(target: &'static Target, binary: Vec<u8>, version: &str) -> Result<PauseImage> {
        // An image for one architecture with an executable for another is the very defect that this project fixes,
        // and an interpreter would be missing in an image of one file.
        elf::check(binary.as_slice(), target.elf_machine)
            .with_context(|| format!("cannot make an image of the pause program for {}", target.go))?;
        let layer = Blob::new(LAYER_TYPE, layer(&binary)?);
        let config = Blob::json(CONFIG_TYPE, &config(target, version, &layer));
        let manifest = manifest(&config, &[layer.descriptor()]);
        Ok(PauseImage { target, version: version.to_owned(), binary, layer, config, manifest })
    }

    /// Returns the image as layouts and registries have it.
    pub fn in_layout(&self) -> LayoutImage {
        LayoutImage {
            target: self.target,
            labels: labels(&self.version),
            manifest: self.manifest.clone(),
            content: vec![Content::Bytes(self.config.clone()), Content::Bytes(self.layer.clone())],
        }
    }
}

/// Returns the manifest of an image, given the descriptors of its layers (image-spec, manifest.md).
pub fn manifest(config: &Blob, layers: &[Map<String, Value>]) -> Blob {
    let value = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": layers,
    });
    Blob::json(MANIFEST_TYPE, &value)
}

/// Returns the platform as an index names it (image-spec, image-index.md, `platform`).
///
/// arm64 goes without a variant, as in Kubernetes' own pause image: containerd treats `v8`, the only variant, and
/// no variant as equal (containerd, platforms/database.go, `normalizeArch`).
pub fn platform(target: &Target) -> Value {
    json!({"architecture": target.go, "os": OS})
}

/// Returns the labels that inspecting tools and registries show (image-spec, annotations.md, pre-defined keys).
pub fn labels(version: &str) -> Map<String, Value> {
    let pairs = [
        ("title", "pause"),
        ("description", "The process that holds a pod's namespaces and reaps its orphans"),
        ("version", version),
        ("licenses", env!("CARGO_PKG_LICENSE")),
        ("source", env!("CARGO_PKG_REPOSITORY")),
    ];
    let named = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    named.map(|(key, value)| (format!("org.opencontainers.image.{key}"), json!(value))).collect()
}

/// Returns the layer. It is not compressed: it has 2,560 bytes, one digest in every form, and does not depend on a
/// compressor's version.
fn layer(binary: &[u8]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "pause", 0o755, binary)?;
    archive.into_inner().context("ending the layer")
}

/// Appends a file that belongs to root and has no time of its own.
pub fn append(archive: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes).with_context(|| format!("putting {path} into an archive"))
}

/// Returns the configuration (image-spec, config.md). No environment: pause reads none.
fn config(target: &Target, version: &str, layer: &Blob) -> Value {
    json!({
        "created": EPOCH,
        "architecture": target.go,
        "os": OS,
        "config": {
            "User": "65535:65535",
            "Entrypoint": ["/pause"],
            "Labels": labels(version),
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)]},
        "history": [{"created": EPOCH, "created_by": "cargo xtask pause"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::elf;

    /// Returns the smallest file that is an ELF program: a header and one program header of this type.
    fn elf_program(machine: u16, segment: u32) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[16..18].copy_from_slice(&elf::ET_EXEC.to_le_bytes());
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[20] = 1;
        file[32] = 64; // e_phoff
        file[52] = 64; // e_ehsize
        file[54] = 56; // e_phentsize
        file[56] = 1; // e_phnum
        file[64..68].copy_from_slice(&segment.to_le_bytes());
        file
    }

    fn riscv64() -> &'static Target {
        Target::named("riscv64").unwrap()
    }

    #[test]
    fn layer_digest_is_reproducible() {
        let program = elf_program(elf::EM_RISCV, elf::PT_LOAD);
        let image = PauseImage::new(riscv64(), program, "1").unwrap();
        let digest = "735a3ac0b7577648f755f96a2b56248f9c2e4e05f8a4712e3bd128dcfa46de0f";
        assert_eq!(image.layer.digest.as_str(), digest);
    }

    #[test]
    fn layer_contains_only_the_executable() {
        let program = elf_program(elf::EM_RISCV, elf::PT_LOAD);
        let image = PauseImage::new(riscv64(), program.clone(), "1").unwrap();
        let mut archive = tar::Archive::new(&image.layer.bytes[..]);
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        let header = entry.header();
        assert_eq!(entry.path().unwrap().to_str(), Some("pause"));
        assert_eq!(header.mode().unwrap(), 0o755);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        assert_eq!(content, program);
        assert!(entries.next().is_none());
    }

    #[test]
    fn rejects_foreign_and_dynamic_executables() {
        for (program, reason) in [
            (elf_program(elf::EM_X86_64, elf::PT_LOAD), "ELF machine 62, not 243"),
            (elf_program(elf::EM_RISCV, elf::PT_INTERP), "is not static"),
            (b"#!/bin/sh\n".to_vec(), "ELF"),
            (vec![], "ELF"),
        ] {
            let error = format!("{:#}", PauseImage::new(riscv64(), program, "1").unwrap_err());
            assert!(error.contains("the pause program for riscv64"), "{error}");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn omits_labels_without_value() {
        let labels = labels("");
        assert!(!labels.contains_key("org.opencontainers.image.version"));
        assert_eq!(labels["org.opencontainers.image.title"], "pause");
    }
}
