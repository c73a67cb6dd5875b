//! The platforms that are booted, with what differs between them in qemu's command line and in Debian's kernel.

use crate::target::Target;
use anyhow::{Context as _, Result, ensure};

/// An architecture as an emulated machine.
#[derive(Debug)]
pub struct Platform {
    /// The architecture, by the name that the table of targets has for RPM.
    pub name: &'static str,
    /// Debian's package of the kernel.
    pub kernel_package: &'static str,
    /// The bytes by which qemu recognizes a kernel's image, and their offset.
    kernel_header: (usize, &'static [u8]),
    /// Arguments of the kernel.
    pub kernel_arguments: &'static [&'static str],
    /// qemu's machine, processor and accelerator.
    pub machine: &'static [&'static str],
    /// The end of the names of qemu's virtio devices, which is their bus.
    pub bus: &'static str,
    /// The kernel's module for the bus.
    pub bus_module: &'static str,
}

/// The platform under test.
pub static RISCV64: Platform = Platform {
    name: "riscv64",
    kernel_package: "linux-image-riscv64",
    // Documentation/arch/riscv/boot-image-header.rst. qemu does not recognize a compressed image, and hangs without any
    // output.
    kernel_header: (0x38, b"RSC\x05"),
    // Three levels of page tables, as on today's boards (Sv39). An emulator that offers five would walk all five.
    kernel_arguments: &["no4lvl"],
    // Without physical memory protection, since that is between firmware and kernel, neither of which is under test, and
    // an emulator checks it at every step of a page table walk.
    machine: &["-machine", "virt", "-cpu", "rv64,pmp=off", "-accel", "tcg,thread=multi"],
    bus: "device",
    bus_module: "virtio_mmio",
};

/// The platform of a server that has a node under test as its agent. It is emulated, too: a virtual machine may have a
/// `/dev/kvm` that guests hang on.
pub static X86_64: Platform = Platform {
    name: "x86_64",
    kernel_package: "linux-image-amd64",
    // Documentation/arch/x86/boot.rst.
    kernel_header: (0x202, b"HdrS"),
    kernel_arguments: &[],
    machine: &["-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=multi"],
    bus: "pci",
    bus_module: "virtio_pci",
};

impl Platform {
    /// Returns the architecture.
    pub fn target(&self) -> Result<&'static Target> {
        Target::named(self.name)
    }

    /// Returns the name of qemu's program.
    pub fn emulator(&self) -> String {
        format!("qemu-system-{}", self.name)
    }

    /// Checks that qemu recognizes a kernel's image.
    pub fn check_kernel(&self, image: &[u8]) -> Result<()> {
        let (offset, expected) = self.kernel_header;
        let header = image.get(offset..offset + expected.len()).context("it is too short")?;
        ensure!(
            header == expected,
            "qemu does not boot it, since it has no boot header of {}: another kernel is needed",
            self.name
        );
        Ok(())
    }
}
