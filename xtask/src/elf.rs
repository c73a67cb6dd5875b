//! What the header of a program tells: for which machine it is, and whether it stands alone.

use anyhow::{Context as _, Result, bail};
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

/// Holds a program against what every part of ours has to be: for the right machine and static.
///
/// `data` is the program's bytes, or an [`object::ReadCache`] over its file, of which only the headers
/// are read then.
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

/// Where the last byte of a program that the kernel loads lies in its file, plus one.
pub fn end_of_last_segment(bytes: &[u8]) -> Result<usize> {
    let (_, endian, segments) = headers(bytes)?;
    let ends = segments.iter().map(|segment| segment.p_offset(endian) + segment.p_filesz(endian));
    Ok(usize::try_from(ends.max().unwrap_or(0))?.min(bytes.len()))
}

type Headers<'d> = (&'d FileHeader64<Endianness>, Endianness, &'d [ProgramHeader64<Endianness>]);

fn headers<'d>(data: impl ReadRef<'d>) -> Result<Headers<'d>> {
    let header = FileHeader64::<Endianness>::parse(data).context("it is not a 64-bit ELF program")?;
    let endian = header.endian()?;
    Ok((header, endian, header.program_headers(endian, data)?))
}
