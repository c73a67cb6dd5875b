//! A registry that has an image, but not for this machine: what openEuler's users meet.
//!
//! It is files only, in the places where a registry answers (distribution-spec, `GET /v2/<name>/manifests/<tag>`),
//! for busybox's httpd on the guest's loopback.

use crate::digest::Digest;
use crate::image::content::Blob;
use anyhow::Result;
use fs_err as fs;
use serde_json::{Value, json};
use std::path::Path;

/// The media type by which a client knows that it gets a list of images, one for each platform.
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The pause image that unmodified k3s asks for, with the platforms that upstream's list has and not ours.
const IMAGE: &str = "rancher/mirrored-pause";
const TAG: &str = "3.6";
const PLATFORMS: [&str; 2] = ["amd64", "arm64"];

/// Lays the registry out in a new directory, with the settings of its server.
pub fn lay_out(directory: &Path) -> Result<()> {
    let manifests = directory.join("v2").join(IMAGE).join("manifests");
    fs::create_dir_all(&manifests)?;
    let list = list();
    fs::write(manifests.join(TAG), &list.bytes)?;
    fs::write(manifests.join(format!("sha256:{}", list.digest)), &list.bytes)?;
    // httpd tells the type by the end of the name: that of the tag 3.6 is .6.
    fs::write(directory.join("httpd.conf"), format!(".6:{LIST}\n"))?;
    Ok(())
}

/// The list of the image's platforms. Nobody comes to ask for what it names: this machine is not among them.
fn list() -> Blob {
    let entry = |architecture: &&str| -> Value {
        json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": format!("sha256:{}", Digest::of(architecture)),
            "size": 526,
            "platform": {"architecture": architecture, "os": "linux"},
        })
    };
    let manifests: Vec<Value> = PLATFORMS.iter().map(entry).collect();
    Blob::json(LIST, &json!({"schemaVersion": 2, "mediaType": LIST, "manifests": manifests}))
}
