//! Tests of the package's scripts, run where it is installed.

mod completion;
mod install;
mod killall;
mod packet_filter;
mod settings;
mod start_check;
mod uninstall;

use crate::mutants::{self, Lines};
use crate::needs;
use crate::packages::{former, ours, scratch};
use crate::root::{Root, can_install};
use fs_err as fs;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

const SETTINGS: &str = "/etc/sysconfig/k3s";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/k3s.service";

/// Shortened form of the script that upstream's installer writes.
pub const UPSTREAMS_UNINSTALL: &str = "#!/bin/sh\nK3S_DATA_DIR=${K3S_DATA_DIR:-/var/lib/rancher/k3s}\n\
    /usr/local/bin/k3s-killall.sh\nrm -rf /etc/rancher/k3s ${K3S_DATA_DIR}\n";
pub const UPSTREAMS_KILLALL: &str =
    "#!/bin/sh\nfor bin in /var/lib/rancher/k3s/data/**/bin/; do PATH=$PATH:$bin; done\n";

thread_local! {
    /// The path of a script and its mutant, which the tests of this thread get instead.
    static MUTANT: RefCell<Option<(&'static str, String)>> = const { RefCell::new(None) };
}

/// Returns a root in which the package is installed.
pub fn installed() -> Root {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    let mut root = Root::copy(INSTALLED.get_or_init(|| {
        let root = Root::new();
        root.install(&[&former().k3s]);
        root.keep(scratch().join("installed"))
    }));
    MUTANT.with_borrow(|mutant| {
        if let Some((path, text)) = mutant {
            root.replace(path, text);
        }
    });
    root
}

/// Returns whether a test fails with a mutant of a script.
fn fails(test: fn(), path: &'static str, mutant: &str) -> bool {
    MUTANT.set(Some((path, mutant.to_owned())));
    let result = std::panic::catch_unwind(test);
    MUTANT.set(None);
    result.is_err()
}

macro_rules! tests {
    ($($module:ident::$name:ident,)*) => { &[$((stringify!($name), $module::$name as fn())),*] };
}

/// Checks that the tests notice if a line that the table names is missing in a script.
fn check(path: &'static str, tests: &[(&str, fn())]) {
    let name = path.rsplit('/').next().unwrap();
    if !can_install(&format!("the mutants of {name}")) {
        return;
    }
    let script = fs::read_to_string(ours("rpm").join(name)).unwrap();
    let names: Vec<&str> = tests.iter().map(|(name, _)| *name).collect();
    mutants::are_noticed(name, &script, Lines::Listed, &names, |wanted, mutant| {
        let (_, test) =
            tests.iter().find(|(name, _)| *name == wanted).unwrap_or_else(|| panic!("no test {wanted}"));
        fails(*test, path, mutant)
    });
}

#[test]
fn install_needs_its_essential_lines() {
    check(
        "/usr/bin/k3s-install.sh",
        tests![
            install::install_script_enables_the_unit_offline,
            install::install_script_neither_enables_nor_starts,
            install::systemd_and_sh_read_the_same_settings,
            install::install_exec_keeps_its_backslashes,
            install::empty_arguments_are_kept,
            install::help_is_printed_and_changes_nothing,
            settings::lines_of_the_user_survive_byte_for_byte,
            settings::settings_that_cannot_be_edited_are_refused,
            settings::a_link_to_the_settings_stays_a_link,
            install::a_node_is_either_server_or_agent,
            install::rejects_unsupported_install_variables,
            install::install_script_replaces_the_unit_of_1_24_2,
            install::install_script_replaces_only_upstreams_scripts,
        ],
    );
}

#[test]
fn killall_needs_its_essential_lines() {
    if !nix::unistd::geteuid().is_root() {
        return needs::skip("the mutants of k3s-killall.sh", "root, to start processes of a user");
    }
    check(
        "/usr/bin/k3s-killall.sh",
        tests![
            killall::killall_ends_only_k3s_its_pods_and_mounts,
            killall::killall_acts_in_the_namespaces_of_the_host,
            killall::a_program_cannot_pass_for_other_processes,
            killall::killall_considers_only_processes_of_root,
            killall::killall_takes_the_networks_of_k3s_alone,
            killall::killall_takes_bandwidth_interfaces_of_k3s_alone,
            killall::killall_finds_volumes_of_a_moved_kubelet,
            killall::killall_leaves_mounts_of_users,
            packet_filter::killall_deletes_sets_and_tables_of_k3s_alone,
            killall::killall_ends_nothing_from_a_chroot,
            killall::killall_changes_nothing_beside_another_kubernetes,
            packet_filter::packet_filter_rules_are_never_lost,
            killall::erase_ends_a_running_k3s_only,
        ],
    );
}

#[test]
fn start_check_needs_its_essential_lines() {
    check(
        "/usr/libexec/k3s/k3s-start-check.sh",
        tests![
            start_check::a_version_on_unsuitable_data_is_not_started,
            start_check::an_agent_without_a_server_is_not_started,
        ],
    );
}

#[test]
fn uninstall_needs_its_essential_lines() {
    check(
        "/usr/bin/k3s-uninstall.sh",
        tests![
            uninstall::uninstall_asks_and_keeps_packaged_files,
            uninstall::uninstall_deletes_nothing_through_a_mount,
            uninstall::uninstall_leaves_nothing_of_the_kubelet,
            uninstall::uninstall_keeps_data_of_another_kubernetes,
            uninstall::uninstall_names_data_behind_links,
            uninstall::nothing_is_deleted_where_k3s_could_not_be_ended,
            uninstall::uninstall_deletes_only_data_of_k3s,
            uninstall::a_data_directory_that_cannot_be_k3s_is_not_emptied,
            uninstall::uninstall_rejects_ambiguous_data_directories,
            uninstall::uninstall_finds_a_configured_data_directory,
        ],
    );
}

/// The same for a test of what is named, where packages can be installed.
fn where_installed(what: &str) -> Option<Root> {
    can_install(what).then(installed)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
