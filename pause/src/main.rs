//! The first process of every pod: it holds the pod's namespaces, reaps its orphans, and sleeps.
//!
//! Output and exit status are those of Kubernetes' own (kubernetes, build/pause/linux/pause.c) for the same
//! arguments and signals. Unlike it, this program has no signal handlers, so there is no moment at which it
//! could miss a signal or a child:
//!
//! - SIGINT and SIGTERM are blocked, then waited for. The kernel never discards a blocked signal
//!   (`sig_ignored` in kernel/signal.c), neither for PID 1, for which it discards other signals without a
//!   handler, nor if our parent ignored it. The signal stays pending until we wait for it.
//! - SIGCHLD is ignored, so the kernel itself reaps our children when they end, including adopted ones
//!   (wait(2), NOTES). We reap those that ended before; there can be no more of them afterwards.

#![no_std]
#![no_main]

#[cfg_attr(target_arch = "riscv64", path = "arch/riscv64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
mod arch;
mod linux;

use linux::{EINTR, SIGCHLD, SIGINT, SIGTERM, STDERR, STDOUT, SignalSet};

/// Output of `-v`, with the name of the program that this one replaces.
const VERSION: &str = concat!("pause.c ", env!("CARGO_PKG_VERSION"), "\n");

/// Called by the entry point with the initial stack.
///
/// # Safety
/// `stack` points to the number of arguments, which as many pointers to NUL-terminated strings follow.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: guaranteed by the caller.
    let count = unsafe { *stack };
    for i in 1..count {
        // SAFETY: the pointers follow the count, and this one is among them.
        let argument = unsafe { *stack.add(1 + i) as *const u8 };
        // SAFETY: guaranteed by the caller.
        if unsafe { is_version_flag(argument) } {
            linux::write(STDOUT, VERSION);
            linux::exit(0);
        }
    }
    if linux::getpid() != 1 {
        // Only a warning, since pause also runs for other purposes than pods.
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

/// Reaps and sleeps until SIGINT or SIGTERM. Returns the exit status, numbered as in pause.c.
///
/// Inlined into its one caller, which then needs no stack frame. Targets of one architecture that differ in
/// frames produce the same bytes this way.
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
            // If the system call is missing or forbidden, exit instead of spinning.
            _ => break ("Error: infinite loop terminated\n", 42),
        }
    };
    linux::write(STDERR, message);
    status
}

/// Required by the language. Nothing here panics, so the linker omits it.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    linux::exit(42)
}
