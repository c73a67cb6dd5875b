//! The first process of every pod: it holds the pod's namespaces, reaps its orphans, and sleeps.
//!
//! From outside it does not differ from Kubernetes' own (kubernetes, build/pause/linux/pause.c): it has the
//! same output and exit status for the same arguments and signals. Inside it handles no signal, and so there
//! is no moment at which a signal or a child could be missed:
//!
//! - SIGINT and SIGTERM are blocked, then waited for. The kernel never discards a blocked signal
//!   (`sig_ignored` in kernel/signal.c): not for PID 1, which is otherwise spared every signal it does not
//!   handle, and not if our parent had chosen to ignore it. It stays pending until we ask.
//! - SIGCHLD is ignored, which makes the kernel itself reap our children, adopted ones included, as they die
//!   (wait(2), NOTES). Those that died before are left to us, and by then no more can join them.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
mod arch;
mod linux;

use linux::{EINTR, SIGCHLD, SIGINT, SIGTERM, STDERR, STDOUT, SignalSet};

/// Text that `-v` prints, under the name of the program that this one replaces.
const VERSION: &str = concat!("pause.c ", env!("CARGO_PKG_VERSION"), "\n");

/// Called by the entry point with the stack as the kernel laid it out.
///
/// # Safety
/// At `stack` lie the number of arguments and as many pointers to NUL-terminated strings.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the caller's promise.
    let count = unsafe { *stack };
    for i in 1..count {
        // SAFETY: the pointers follow the count, and this one is among them.
        let argument = unsafe { *stack.add(1 + i) as *const u8 };
        // SAFETY: the caller's promise.
        if unsafe { is_version_flag(argument) } {
            linux::write(STDOUT, VERSION);
            linux::exit(0);
        }
    }
    if linux::getpid() != 1 {
        // No more than a warning: pause is also run for other ends than pods.
        linux::write(STDERR, "Warning: pause should be the first process\n");
    }
    linux::exit(pause())
}

/// Checks whether an argument is `-v` or `-V`, since pause.c compares with strcasecmp(3).
///
/// # Safety
/// `argument` points to a NUL-terminated string.
unsafe fn is_version_flag(argument: *const u8) -> bool {
    // SAFETY: a byte is read only if the one before it was not the NUL.
    unsafe { *argument == b'-' && matches!(*argument.add(1), b'v' | b'V') && *argument.add(2) == 0 }
}

/// Reaps and sleeps until SIGINT or SIGTERM comes. Returns the exit status, numbered as in pause.c.
///
/// Inlined into its one caller, which then needs no stack frame: where targets of one architecture differ
/// over frames, they give the same bytes.
#[inline(always)]
fn pause() -> usize {
    const SHUTDOWN: SignalSet = 1 << (SIGINT - 1) | 1 << (SIGTERM - 1);
    const INTERRUPTED: isize = -EINTR;

    if linux::block(&SHUTDOWN) < 0 {
        return 1;
    }
    if linux::ignore(SIGCHLD) < 0 {
        return 3;
    }
    while linux::reap() > 0 {}

    let (message, status) = loop {
        match linux::wait_for(&SHUTDOWN) {
            SIGINT => break ("Shutting down, got signal: Interrupt\n", 0),
            SIGTERM => break ("Shutting down, got signal: Terminated\n", 0),
            INTERRUPTED => {}
            // Where this system call is missing or forbidden, ending is better than spinning.
            _ => break ("Error: infinite loop terminated\n", 42),
        }
    };
    linux::write(STDERR, message);
    status
}

/// Required by the language. Nothing here panics, so the linker leaves it out.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    linux::exit(42)
}
