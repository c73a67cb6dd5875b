//! The roles of the VMs of a scenario.

/// The role of a VM, which determines its host name and its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The only VM, without a network.
    Alone,
    /// The first of two VMs with a network between them. Its script has the milestones.
    Server,
    /// The second one. Its script follows that of the first.
    Agent,
}

impl Role {
    /// Returns the host name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Alone => "guest",
            Role::Server => "server",
            Role::Agent => "agent",
        }
    }

    /// Returns the name of something of the VM, which has its role in it if the milestones are those of another VM.
    pub fn named(self, name: &str) -> String {
        match self {
            Role::Alone | Role::Server => name.to_owned(),
            Role::Agent => format!("{}-{name}", self.name()),
        }
    }

    /// Returns arguments of the kernel: systemd takes the host name from there, and the network interface is `eth0`.
    pub fn arguments(self) -> Vec<String> {
        match self {
            Role::Alone => Vec::new(),
            Role::Server | Role::Agent => {
                vec![format!("systemd.hostname={}", self.name()), "net.ifnames=0".to_owned()]
            }
        }
    }
}
