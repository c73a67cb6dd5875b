//! The lines of the workflows, each with the way in which it is run here.

/// Ways to run a line here.
pub enum Way {
    /// Unchanged.
    Itself,
    /// The nearest line that can be run with the sample in k3s' place, or without changing this machine.
    Instead(&'static str),
    /// Unchanged, and it must fail with these words. Of k3s it succeeds, so that what follows is run.
    Refused(&'static str),
    /// The nearest line that can be run here, which fails with these words, as it may on GitHub.
    Fails(&'static str, &'static str),
    /// Not run, for this reason.
    Not(&'static str),
}

/// All lines of the workflows. The test fails for a line that is not listed.
pub const LINES: [(&str, Way); 23] = [
    (
        "apt-get update && apt-get install --yes ca-certificates gcc git rustup && rustup default stable",
        Way::Not("it installs what this test was compiled with"),
    ),
    (".ci/run", Way::Not("it is what runs this test")),
    (
        r#"git config --system --add safe.directory "$GITHUB_WORKSPACE""#,
        Way::Instead(
            r#"GIT_CONFIG_SYSTEM="$PWD/gitconfig" git config --system --add safe.directory "$GITHUB_WORKSPACE""#,
        ),
    ),
    // A test installs nothing on the machine it runs on.
    ("cargo xtask doctor --fix --for build", Way::Instead("cargo xtask doctor --for build")),
    ("cargo xtask doctor --fix --for rpm", Way::Instead("cargo xtask doctor --for rpm")),
    ("cargo xtask doctor --fix --for boot", Way::Instead("cargo xtask doctor --for boot")),
    (r#"target/debug/xtask release preflight "$TAG" --earlier earlier >> "$GITHUB_OUTPUT""#, Way::Itself),
    (
        r#"cargo xtask build --locked --k3s "$K3S" --arch "$ARCH" --releases "$RELEASES""#,
        Way::Instead(r#"cargo xtask build --locked --sample --arch "$ARCH" --releases "$RELEASES""#),
    ),
    (
        r#"cargo xtask images build --locked --k3s "$K3S" --arch "$ARCH""#,
        Way::Instead(r#"cargo xtask images build --locked --sample --arch "$ARCH""#),
    ),
    (
        r#"cargo xtask release --skip-boot --k3s "$K3S" --release "$RELEASE" --earlier earlier --releases "$RELEASES" --product products/product-riscv64 --product products/product-arm64 --product products/product-amd64 --images images/images-riscv64 --images images/images-arm64 --images images/images-amd64"#,
        Way::Instead(
            r#"cargo xtask release --skip-boot --preview --sample --release "$RELEASE" --earlier earlier --releases "$RELEASES" --product products/product-riscv64 --product products/product-arm64 --product products/product-amd64 --images images/images-riscv64 --images images/images-arm64 --images images/images-amd64"#,
        ),
    ),
    (
        r#"cargo xtask boot --release release --scenario "$SCENARIO""#,
        Way::Instead("cargo xtask boot --release release --scenario sample"),
    ),
    ("cargo xtask release add-boot release boots/*", Way::Itself),
    ("cargo xtask release check release", Way::Refused("riscv64: sample, not k3s: ")),
    ("cargo build --locked --package xtask", Way::Itself),
    ("target/debug/xtask release upload release", Way::Refused("riscv64: sample, not k3s: ")),
    // Of the lines here, one has a release to which the patches apply, and one a release that breaks a patch.
    (
        "cargo xtask watch --report target/watch",
        Way::Fails(
            "cargo xtask watch --report target/watch --line v0.35 --line v0.36",
            "patches/pause-image.json: no variant applies",
        ),
    ),
    (
        "cargo xtask images check --output images/upstream.json",
        Way::Instead(
            r#"cargo xtask images check --output images/upstream.json --sample --registry "$REGISTRY" --insecure"#,
        ),
    ),
    (
        "UPDATE_SNAPSHOTS=1 cargo test --locked --test documents",
        Way::Not("it writes to the READMEs that this test was compiled beside"),
    ),
    (
        "cargo xtask test --advisories",
        Way::Not("the advisories are on GitHub; tests/lints.rs checks those of a fixture"),
    ),
    ("git diff --output=target/watch/changes.patch", Way::Itself),
    ("git apply --allow-empty target/watch/changes.patch", Way::Itself),
    (".github/propose.sh target/watch", Way::Itself),
    (".github/report.sh target/watch", Way::Itself),
];
