//! The image of the pods: the busybox of the guest's own distribution, so that no registry is needed.

use crate::image::content::{Blob, CONFIG_TYPE, LAYER_TYPE, append};
use crate::image::docker_archive;
use crate::target::Target;
use anyhow::Result;
use serde_json::json;

/// Name of the image in the manifests of pods.
const NAME: &str = "docker.io/boot-test/busybox:1";

/// Commands of the image. They are links to busybox, which selects the command by its name.
const APPLETS: &[&str] = &["cat", "echo", "httpd", "id", "sh", "sleep", "wget"];

/// Response of the scenario's web server.
const RESPONSE: &str = "response of the pod\n";

/// Returns a docker-archive of a static busybox (moby, image/spec/v1.2.md).
pub fn archive(target: &Target, busybox: &[u8]) -> Result<Vec<u8>> {
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
    docker_archive::plain(&config, &layer, &[NAME.to_owned()])
}
