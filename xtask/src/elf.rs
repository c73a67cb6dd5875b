//! Checks of ELF headers: the machine of an executable, and whether it is static.

use anyhow::{Context as _, Result, bail};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

/// Checks that an executable is static and for a machine.
///
/// `data` is its bytes, or an [`object::ReadCache`] over its file, of which only the headers are read.
pub fn check<'d>(data: impl ReadRef<'d>, machine: u16) -> Result<()> {
    let (header, endian, segments) = headers(data)?;
    let found = header.e_machine(endian);
    if found != machine {
        bail!("it is for ELF machine {found}, not {machine}");
    }
    for segment in segments {
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

/// Returns the end, in its file, of the last byte of an executable that the kernel loads.
pub fn end_of_last_segment(bytes: &[u8]) -> Result<usize> {
    let (_, endian, segments) = headers(bytes)?;
    let ends = segments.iter().map(|segment| segment.p_offset(endian) + segment.p_filesz(endian));
    Ok(usize::try_from(ends.max().unwrap_or(0))?.min(bytes.len()))
}

type Headers<'d> = (&'d FileHeader64<Endianness>, Endianness, &'d [ProgramHeader64<Endianness>]);

fn headers<'d>(data: impl ReadRef<'d>) -> Result<Headers<'d>> {
    let header = FileHeader64::<Endianness>::parse(data).context("it is not a 64-bit ELF executable")?;
    let endian = header.endian()?;
    Ok((header, endian, header.program_headers(endian, data)?))
}
