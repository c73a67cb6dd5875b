//! The image of the pods: the busybox of the guest's own distribution, so that no registry is asked for one.

use crate::image::content::{Blob, append};
use crate::image::docker_archive;
use crate::target::Target;
use anyhow::Result;
use serde_json::json;

/// The name under which pods ask for it.
pub const NAME: &str = "docker.io/proof/busybox:1";

/// Commands that busybox provides in it, selected by the name it is called by.
const APPLETS: &[&str] = &["cat", "echo", "httpd", "id", "sh", "sleep", "wget"];

/// Answer of the scenario's web server.
pub const ANSWER: &str = "answered by the pod";

/// A docker-archive with one static program (moby, image/spec/v1.2.md).
pub fn archive(target: &Target, program: &[u8]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, "bin/busybox", 0o755, program)?;
    for applet in APPLETS {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        header.set_mtime(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    append(&mut tar, "www/index.html", 0o644, format!("{ANSWER}\n").as_bytes())?;
    let layer = Blob::new("application/vnd.oci.image.layer.v1.tar", tar.into_inner()?);
    let config = Blob::json(
        "application/vnd.oci.image.config.v1+json",
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
