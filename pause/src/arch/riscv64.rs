//! riscv64: entry point and system call instruction.

use core::arch::{asm, naked_asm};

/// Entered with the arguments on the stack and no return address.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mv a0, sp", "j {start}", start = sym crate::start)
}

/// # Safety
/// Every pointer among the arguments is valid for what system call `number` does with it.
#[inline(always)]
pub unsafe fn syscall(number: usize, [a, b, c, d]: [usize; 4]) -> isize {
    let answer;
    // SAFETY: guaranteed by the caller. The kernel changes no register but a0 (arch/riscv/kernel/entry.S).
    unsafe {
        asm!("ecall", in("a7") number, inlateout("a0") a => answer, in("a1") b, in("a2") c, in("a3") d,
             options(nostack));
    }
    answer
}
