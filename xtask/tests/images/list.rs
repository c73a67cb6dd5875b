//! `cargo xtask images`: the list.

use crate::test_env::TestEnv;

#[test]
fn list_says_what_each_image_is_built_from() {
    let printed = TestEnv::new().succeeds(["--offline", "images", "--sample"]);
    let lines = |reference: &str| {
        let lines = printed.lines().skip_while(|line| *line != reference).skip(1);
        lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect::<Vec<_>>()
    };
    let busybox = lines("rancher/mirrored-library-busybox:1.37.0");
    assert!(busybox.contains(&"upstream's riscv64 build: missing"), "{printed}");
    assert!(busybox.contains(&"ours: built from Debian's busybox-static"), "{printed}");
    let coredns = lines("rancher/mirrored-coredns-coredns:1.14.0");
    assert!(coredns.contains(&"upstream's riscv64 build: not known"), "{printed}");
    assert!(coredns.contains(&"ours: built from github.com/coredns/coredns v1.14.0-sample"), "{printed}");
    let pause = lines("rancher/mirrored-pause:3.6");
    assert!(pause.contains(&"ours: carvicsforth/pause:v3.10-v1.31.1, built from pause/"), "{printed}");
}
