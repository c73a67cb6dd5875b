//! x86_64: entry point and system call instruction.

use core::arch::{asm, naked_asm};

/// Entered with the arguments on the stack, which a call aligns as the calling convention requires.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov rdi, rsp", "call {start}", start = sym crate::start)
}

/// # Safety
/// Every pointer among the arguments is valid for what system call `number` does with it.
#[inline(always)]
pub unsafe fn syscall(number: usize, [a, b, c, d]: [usize; 4]) -> isize {
    let answer;
    // SAFETY: guaranteed by the caller. The instruction itself changes rcx and r11, the kernel only rax
    // (arch/x86/entry/entry_64.S).
    unsafe {
        asm!("syscall", inlateout("rax") number => answer, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer
}
