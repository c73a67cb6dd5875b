//! The seven system calls of pause.

use crate::arch::syscall;

/// From include/uapi/asm-generic/unistd.h, which both architectures use.
#[cfg(any(target_arch = "riscv64", target_arch = "aarch64"))]
mod number {
    pub const WRITE: usize = 64;
    pub const EXIT_GROUP: usize = 94;
    pub const RT_SIGACTION: usize = 134;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const RT_SIGTIMEDWAIT: usize = 137;
    pub const GETPID: usize = 172;
    pub const WAIT4: usize = 260;
}

/// From arch/x86/entry/syscalls/syscall_64.tbl.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const WRITE: usize = 1;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const GETPID: usize = 39;
    pub const WAIT4: usize = 61;
    pub const RT_SIGTIMEDWAIT: usize = 128;
    pub const EXIT_GROUP: usize = 231;
}

pub const STDOUT: usize = 1;
pub const STDERR: usize = 2;

/// Signals and errors have these numbers on all three architectures (include/uapi/asm-generic/signal.h,
/// arch/x86/include/uapi/asm/signal.h, include/uapi/asm-generic/errno-base.h).
pub const SIGINT: isize = 2;
pub const SIGTERM: isize = 15;
pub const SIGCHLD: isize = 17;
pub const EINTR: isize = 4;

/// A signal set as the kernel reads it: bit n - 1 stands for signal n.
pub type SignalSet = u64;

/// Its size in bytes, which the kernel requires.
const SET_SIZE: usize = size_of::<SignalSet>();

/// Writes `text` in one call. As with stdio at exit, an error is ignored, since it could not be reported.
pub fn write(descriptor: usize, text: &str) {
    // SAFETY: the kernel reads `text.len()` bytes from the start of `text`.
    unsafe { syscall(number::WRITE, [descriptor, text.as_ptr() as usize, text.len(), 0]) };
}

/// Ends the process.
pub fn exit(status: usize) -> ! {
    // SAFETY: takes no pointer.
    unsafe { syscall(number::EXIT_GROUP, [status, 0, 0, 0]) };
    // SAFETY: exit_group(2) does not return.
    unsafe { core::hint::unreachable_unchecked() }
}

/// Returns the process ID in our own PID namespace.
pub fn getpid() -> isize {
    // SAFETY: takes no pointer.
    unsafe { syscall(number::GETPID, [0; 4]) }
}

/// Blocks `signals` and leaves the rest of the inherited mask as it is. Returns 0 or a negated error number.
pub fn block(signals: &SignalSet) -> isize {
    const SIG_BLOCK: usize = 0;
    // SAFETY: the kernel reads a set of the stated size; it writes no old mask without a pointer for it.
    unsafe { syscall(number::RT_SIGPROCMASK, [SIG_BLOCK, &raw const *signals as usize, 0, SET_SIZE]) }
}

/// Ignores `signal`. Returns 0 or a negated error number.
pub fn ignore(signal: isize) -> isize {
    const SIG_IGN: usize = 1;
    // `struct sigaction` begins with the handler. Flags, mask and, except on riscv64, a restorer follow: at
    // most three words, all of them zero.
    const ACTION: [usize; 4] = [SIG_IGN, 0, 0, 0];
    // SAFETY: the kernel reads no more than all of `ACTION`; it writes no old action without a pointer for it.
    unsafe { syscall(number::RT_SIGACTION, [signal as usize, ACTION.as_ptr() as usize, 0, SET_SIZE]) }
}

/// Reaps one child that has ended. Returns its process ID, 0 if all children are running, or a negated error
/// number if there are no children.
pub fn reap() -> isize {
    const ANY_CHILD: usize = usize::MAX;
    const WNOHANG: usize = 1;
    // SAFETY: the kernel writes no status and resource usage without pointers for them.
    unsafe { syscall(number::WAIT4, [ANY_CHILD, 0, WNOHANG, 0]) }
}

/// Sleeps until one of the blocked `signals` is pending, and takes it. Returns its number or a negated error
/// number.
pub fn wait_for(signals: &SignalSet) -> isize {
    // SAFETY: the kernel reads a set of the stated size; it writes no siginfo and reads no timeout
    // without pointers for them.
    unsafe { syscall(number::RT_SIGTIMEDWAIT, [&raw const *signals as usize, 0, 0, SET_SIZE]) }
}
