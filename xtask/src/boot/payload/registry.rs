//! A registry that has the pause image, but not for this architecture: the situation of openEuler's users.
//!
//! It consists of files only, at the paths of the registry's API (distribution-spec,
//! `GET /v2/<name>/manifests/<tag>`), for busybox's httpd on the guest's loopback interface.

use crate::digest::Digest;
use crate::image::content::Blob;
use anyhow::Result;
use fs_err as fs;
use serde_json::{Value, json};
use std::path::Path;

/// Media type of a list with an image for each platform.
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The pause image that unmodified k3s uses, with platforms that upstream's list has. riscv64 is not one of them.
const IMAGE: &str = "rancher/mirrored-pause";
const TAG: &str = "3.6";
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Writes the registry and the settings of its server into a new directory.
pub fn write(directory: &Path) -> Result<()> {
    let manifests = directory.join("v2").join(IMAGE).join("manifests");
    fs::create_dir_all(&manifests)?;
    let list = list();
    fs::write(manifests.join(TAG), &list.bytes)?;
    fs::write(manifests.join(format!("sha256:{}", list.digest)), &list.bytes)?;
    // httpd selects the media type by the extension, which for the tag 3.6 is .6.
    fs::write(directory.join("httpd.conf"), format!(".6:{LIST}\n"))?;
    Ok(())
}

/// Returns the list of the image's platforms. The manifests in it are never requested, so they need not exist.
fn list() -> Blob {
    let manifests = PLATFORMS.map(|architecture| -> Value {
        json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": format!("sha256:{}", Digest::of(architecture)),
            "size": 526,
            "platform": {"architecture": architecture, "os": "linux"},
        })
    });
    Blob::json(LIST, &json!({"schemaVersion": 2, "mediaType": LIST, "manifests": manifests}))
}
