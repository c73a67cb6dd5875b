//! The seven system calls pause makes.

use crate::arch::syscall;

/// From include/uapi/asm-generic/unistd.h, as both architectures use it.
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

/// Writes `text` in one piece. As with stdio at exit, a failure can no longer be reported.
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

/// The process id within our own PID namespace.
pub fn getpid() -> isize {
    // SAFETY: takes no pointer.
    unsafe { syscall(number::GETPID, [0; 4]) }
}

/// Blocks `signals` and leaves the rest of the inherited mask as it is. Returns 0 or a negated error number.
pub fn block(signals: &SignalSet) -> isize {
    const SIG_BLOCK: usize = 0;
    // SAFETY: the kernel reads a set of the stated size; given no place for the old mask, it writes none.
    unsafe { syscall(number::RT_SIGPROCMASK, [SIG_BLOCK, &raw const *signals as usize, 0, SET_SIZE]) }
}

/// Ignores `signal`. Returns 0 or a negated error number.
pub fn ignore(signal: isize) -> isize {
    const SIG_IGN: usize = 1;
    // `struct sigaction` begins with the handler. Flags, mask and, except on riscv64, a restorer follow: at
    // most three words, and all of them are to be zero.
    const ACTION: [usize; 4] = [SIG_IGN, 0, 0, 0];
    // SAFETY: the kernel reads no more than all of `ACTION`; given no place for the old one, it writes none.
    unsafe { syscall(number::RT_SIGACTION, [signal as usize, ACTION.as_ptr() as usize, 0, SET_SIZE]) }
}

/// Reaps one dead child, if there is one. Returns its process id, 0 if all children live, or a negated error
/// number if there are none.
pub fn reap() -> isize {
    const ANY_CHILD: usize = usize::MAX;
    const WNOHANG: usize = 1;
    // SAFETY: given no place for status and resource usage, the kernel writes neither.
    unsafe { syscall(number::WAIT4, [ANY_CHILD, 0, WNOHANG, 0]) }
}

/// Sleeps until one of the blocked `signals` is pending, and takes it. Returns its number or a negated error
/// number.
pub fn wait_for(signals: &SignalSet) -> isize {
    // SAFETY: the kernel reads a set of the stated size; given no place for a siginfo, it writes none, and
    // given no time limit, it reads none.
    unsafe { syscall(number::RT_SIGTIMEDWAIT, [&raw const *signals as usize, 0, 0, SET_SIZE]) }
}
