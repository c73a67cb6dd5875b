//! What the header of a program tells: for which machine it is, and whether it stands alone.

use anyhow::{Result, bail};
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};

/// Holds a program against what every part of ours has to be: for the right machine and static.
pub fn check(bytes: &[u8], machine: u16) -> Result<()> {
    let file = ElfFile64::<object::Endianness>::parse(bytes)?;
    let endian = file.endian();
    let found = file.elf_header().e_machine(endian);
    if found != machine {
        bail!("it is for ELF machine {found}, not {machine}");
    }
    for segment in file.elf_program_headers() {
        let (kind, flags) = (segment.p_type(endian), segment.p_flags(endian));
        if kind == elf::PT_INTERP || kind == elf::PT_DYNAMIC {
            bail!("it is not static: it has a program interpreter or a dynamic section");
        }
        if kind == elf::PT_LOAD && flags & (elf::PF_W | elf::PF_X) == elf::PF_W | elf::PF_X {
            bail!("a segment is both writable and executable");
        }
        if kind == elf::PT_GNU_STACK && flags & elf::PF_X != 0 {
            bail!("its stack is executable");
        }
    }
    Ok(())
}

/// Where the last byte of a program that the kernel loads lies in its file, plus one.
pub fn end_of_last_segment(bytes: &[u8]) -> Result<usize> {
    let file = ElfFile64::<object::Endianness>::parse(bytes)?;
    let endian = file.endian();
    let ends =
        file.elf_program_headers().iter().map(|segment| segment.p_offset(endian) + segment.p_filesz(endian));
    Ok(usize::try_from(ends.max().unwrap_or(0))?.min(bytes.len()))
}
