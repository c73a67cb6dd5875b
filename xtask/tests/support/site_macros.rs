//! Settings that a machine's administrator may have made for all users of rpm there.

use crate::test_env::TestEnv;
use std::path::Path;

/// Macros that move directories, choose other digests and put a stranger's name into headers.
const SITE_MACROS: &str = "%packager Site\n%bugurl https://site.example\n%distribution Site\n\
    %_builddir /dev/null/build\n%_rpmdir /dev/null/packages\n%_srcrpmdir /dev/null/sources\n\
    %_rpmfilename %%{NAME}.rpm\n%_binary_filedigest_algorithm 10\n%_source_filedigest_algorithm 10\n\
    %_binary_payload w1.gzdio\n%__os_install_post /bin/false\n";

/// Returns a directory from which rpm reads the machine's macros by default.
fn site_directory() -> &'static str {
    let read = ["/etc/rpm", "/usr/lib/rpm/macros.d"];
    read.into_iter().find(|path| Path::new(path).is_dir()).expect("rpm reads macros of the machine's")
}

/// Makes one of rpm's commands, prefixed by these words, run with such macros as the machine's.
pub fn put(env: &mut TestEnv, program: &str, words: &str) {
    let real = xtask::process::find(program).unwrap();
    let macros = env.path("macros.site");
    std::fs::write(&macros, SITE_MACROS).unwrap();
    let script = format!(
        "export SITE='{}'\nexec unshare --map-root-user --mount sh -c '\n\
         mount -t tmpfs tmpfs {directory} && cp \"$SITE\" {directory}/ || exit 99\n\
         exec {words} {} \"$@\"' sh \"$@\"",
        macros.display().to_string().replace('\'', r"'\''"),
        real.display(),
        directory = site_directory(),
    );
    env.put_program(program, &script);
}
