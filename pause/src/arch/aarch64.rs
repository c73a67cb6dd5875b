//! aarch64: entry point and system call instruction.

use core::arch::{asm, naked_asm};

/// Entered with the arguments on the stack and no return address.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x0, sp", "b {start}", start = sym crate::start)
}

/// # Safety
/// Every pointer among the arguments is valid for what system call `number` does with it.
#[inline(always)]
pub unsafe fn syscall(number: usize, [a, b, c, d]: [usize; 4]) -> isize {
    let answer;
    // SAFETY: guaranteed by the caller. The kernel changes no register but x0 (arch/arm64/kernel/entry.S).
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => answer, in("x1") b, in("x2") c, in("x3") d,
             options(nostack));
    }
    answer
}
