//! Tests of the summary at the terminal.

use crate::example::{not_run, release};
use xtask::k3s::Optional;
use xtask::product::report::terminal::Machine;
use xtask::upstream::release::Origin;

#[test]
fn release_ends_with_the_next_command() {
    let text = release().summary(Machine::Another);
    let expected = "
k3s v1.33.0+k3s1 for riscv64
  ✓ patched                  pause-image
  ✓ 2 checks passed          evidence in report.html

  target/dist/v1.33.0+k3s1/riscv64/
    k3s-check                 34.00 KiB
    k3s-riscv64               61.06 MiB
    pause                      1.12 KiB
    pause-image-riscv64.tar   12.00 KiB
    manifest.json            versions, checksums, patches, checks
    SHA256SUMS               for sha256sum --check
    report.html              steps, sizes, patches, checks

  Next, with your board's address as BOARD:
    scp target/dist/v1.33.0+k3s1/riscv64/k3s-riscv64 BOARD:
    ssh -t BOARD sudo ./k3s-riscv64 server";
    assert_eq!(text, expected);
}

#[test]
fn warnings_are_first() {
    let mut example = release();
    example.manifest.origin = Origin::Tree;
    example.manifest.incomplete = vec![Optional::K3sRoot, Optional::Charts];
    example.manifest.level = "rva22u64".into();
    not_run(&mut example.manifest.checks[0]);
    let text = example.summary(Machine::This);
    let expected = "
k3s v1.33.0+k3s1 for riscv64
  ! not an upstream release  Built from commit dc03cb4b3f0f3ab1b5d5f5c2a1a1a1a1a1a1a1a1 of a tree.
  ! without k3s-root         It relies on the host's own iptables, conntrack and mount.
  ! without charts           It does not install traefik.
  ! for rva22u64 only        Machines that know no more than rva20u64 cannot run it.
  ! not fully checked        Not checked: the programs run, since qemu-riscv64 was not found.
  ✓ patched                  pause-image
  ✓ 1 check passed           evidence in report.html
";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.ends_with(
            "Next, on this machine:\n    sudo target/dist/v1.33.0+k3s1/riscv64/k3s-riscv64 server"
        )
    );
}

#[test]
fn sample_is_not_sent_to_a_board() {
    let mut example = release();
    example.manifest.origin = Origin::Sample;
    let text = example.summary(Machine::Another);
    assert!(text.starts_with("\nk3s sample v1.33.0+k3s1 for riscv64\n  ! sample, not k3s"), "{text}");
    assert!(text.ends_with("Next, k3s v1.35.0+k3s1 itself:\n    cargo xtask build"), "{text}");
    assert!(!text.contains("scp") && !text.contains("sudo"), "{text}");
    example.manifest.arch = "arm64".into();
    assert!(example.summary(Machine::Another).ends_with("cargo xtask build --arch arm64"));
}

#[test]
fn title_is_bold() {
    let text = release().coloured_summary(Machine::Another);
    assert!(text.contains("\x1b[1mk3s v1.33.0+k3s1 for riscv64\x1b[0m"), "{text:?}");
}
