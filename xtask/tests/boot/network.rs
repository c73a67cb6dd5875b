//! Test of two VMs with a network between them.

use crate::vm::{self, context, directory, milestone, size};
use fs_err as fs;
use xtask::boot::artifacts::Artifacts;
use xtask::boot::guest::Guest;
use xtask::boot::payload;
use xtask::boot::role::Role;
use xtask::boot::scenario::Scenario;
use xtask::boot::vm::{Setup, Storage, Vm};
use xtask::boot::watch::watch;

#[test]
fn two_vms_reach_each_other() {
    let Some(_turn) = vm::turn("two VMs with a network") else { return };
    let directory = directory();
    let context = context(&directory);
    let guest = Guest::get(&context).unwrap();
    let content = directory.path().join("payload");
    payload::gather(&context, &guest, &Artifacts::default(), Scenario::Sample, &content).unwrap();
    fs::write(content.join("run.sh"), include_str!("network.sh")).unwrap();
    let payload = payload::pack(&context, &content).unwrap();
    let size = size();
    let start = |role: Role| {
        let directory = directory.path().join(role.name());
        fs::create_dir(&directory).unwrap();
        let setup =
            Setup { guest: &guest, payload: &payload, size: &size, storage: Storage::Temporary, role };
        Vm::start(&context, setup, &directory).unwrap()
    };
    let mut server = start(Role::Server);
    let agent = start(Role::Agent);
    let milestones = ["kernel", "systemd", "asked"].map(|name| milestone(name, 300));
    let outcome = watch(&mut server, Some(&agent), &milestones, &context.progress);
    let consoles = [&server, &agent].map(|vm| fs::read_to_string(vm.console_log()).unwrap());
    assert!(outcome.failure.is_none(), "{outcome:?}\n{consoles:?}");
    let mut facts = outcome.facts;
    facts.sort();
    let expected = [("agent-answer", "response of server"), ("answer", "response of agent")];
    assert_eq!(facts, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}
