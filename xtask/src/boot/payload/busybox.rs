//! The image of the pods: the busybox of the guest's own distribution, as a file or for a registry.

use crate::image::content::{Blob, CONFIG_TYPE, LAYER_TYPE, append, manifest};
use crate::image::docker_archive;
use crate::image::layout::{Content, LayoutImage};
use crate::target::Target;
use anyhow::Result;
use serde_json::{Map, json};

/// Name of the image in the manifests of pods. A registry of files needs a dot in its tag.
pub const NAME: &str = "docker.io/boot-test/busybox:1.0";

/// Commands of the image. They are links to busybox, which selects the command by its name.
const APPLETS: &[&str] = &["cat", "echo", "httpd", "id", "sh", "sleep", "uname", "wget"];

/// Response of the scenario's web server.
const RESPONSE: &str = "response of the pod\n";

/// Returns a docker-archive of a static busybox (moby, image/spec/v1.2.md).
pub fn archive(target: &Target, busybox: &[u8]) -> Result<Vec<u8>> {
    let (config, layer) = content(target, busybox)?;
    docker_archive::plain(&config, &layer, &[NAME.to_owned()])
}

/// Returns the same image as a registry has it.
pub fn image(target: &'static Target, busybox: &[u8]) -> Result<LayoutImage> {
    let (config, layer) = content(target, busybox)?;
    let manifest = manifest(&config, &[layer.descriptor()]);
    let content = [config, layer].map(Content::Bytes).to_vec();
    Ok(LayoutImage { target, labels: Map::new(), manifest, content })
}

/// Returns the configuration and the layer.
fn content(target: &Target, busybox: &[u8]) -> Result<(Blob, Blob)> {
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "bin/busybox", 0o755, busybox)?;
    for applet in APPLETS {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        header.set_mtime(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    append(&mut tar, "www/index.html", 0o644, RESPONSE.as_bytes())?;
    let layer = Blob::new(LAYER_TYPE, tar.into_inner()?);
    let config = Blob::json(
        CONFIG_TYPE,
        &json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": target.go,
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.digest)]},
        }),
    );
    Ok((config, layer))
}
