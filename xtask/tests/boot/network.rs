//! Test of two VMs of different architectures with a network between them.

use crate::needs;
use crate::vm::{self, context, directory, milestone, size};
use fs_err as fs;
use xtask::boot::artifacts::Artifacts;
use xtask::boot::guest::Guest;
use xtask::boot::payload;
use xtask::boot::platform::{RISCV64, X86_64};
use xtask::boot::role::Role;
use xtask::boot::scenario::Scenario;
use xtask::boot::vm::{Setup, Storage, Vm};
use xtask::boot::watch::watch;

#[test]
fn two_vms_reach_each_other() {
    if !needs::programs("a VM for x86_64", &[("qemu-system-x86_64", "qemu-system-x86")]) {
        return;
    }
    let Some(_turn) = vm::turn("two VMs with a network") else { return };
    let directory = directory();
    let context = context(&directory);
    let [server, agent] = [&X86_64, &RISCV64].map(|platform| Guest::get(&context, platform).unwrap());
    let prepare = |guest: &Guest, role: Role| {
        let content = directory.path().join(role.name()).join("payload");
        fs::create_dir(content.parent().unwrap()).unwrap();
        let artifacts = Artifacts::default();
        payload::gather(&context, guest, &[&server, &agent], &artifacts, Scenario::Mixed, &content).unwrap();
        fs::write(content.join("run.sh"), include_str!("network.sh")).unwrap();
        payload::pack(&context, &content).unwrap()
    };
    let payloads = [prepare(&server, Role::Server), prepare(&agent, Role::Agent)];
    let size = size();
    let start = |guest, payload, role: Role| {
        let setup = Setup { guest, payload, size: &size, storage: Storage::Temporary, role };
        Vm::start(&context, setup, &directory.path().join(role.name())).unwrap()
    };
    let mut server = start(&server, &payloads[0], Role::Server);
    let agent = start(&agent, &payloads[1], Role::Agent);
    let milestones = ["kernel", "systemd", "asked", "image"].map(|name| milestone(name, 300));
    let outcome = watch(&mut server, Some(&agent), &milestones, &context.progress);
    let consoles = [&server, &agent].map(|vm| fs::read_to_string(vm.console_log()).unwrap());
    assert!(outcome.failure.is_none(), "{outcome:?}\n{consoles:?}");
    let mut facts = outcome.facts;
    facts.sort();
    let expected = [
        ("agent-answer", "response of server, x86_64"),
        ("agent-image", "riscv64"),
        ("answer", "response of agent, riscv64"),
        ("image", "x86_64"),
    ];
    assert_eq!(facts, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
