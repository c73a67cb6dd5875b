//! Tests of the headers of the ELF files.

use std::fs;
use std::process::Command;

use object::LittleEndian;
use object::elf::*;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};

fn parse(image: &[u8]) -> ElfFile64<'_, LittleEndian> {
    ElfFile64::parse(image).expect("a 64-bit little-endian ELF file")
}

const ARCHES: [(&str, u16, u32); 3] = [
    ("riscv64", EM_RISCV, EF_RISCV_RVC | EF_RISCV_FLOAT_ABI_DOUBLE),
    ("arm64", EM_AARCH64, 0),
    ("amd64", EM_X86_64, 0),
];

#[test]
fn is_static_for_each_architecture() {
    for (arch, machine, flags) in ARCHES {
        let image = fs::read(crate::pause_binary(arch)).unwrap();
        let header = parse(&image).elf_header();
        assert_eq!(header.e_machine(LittleEndian), machine, "{arch}");
        assert_eq!(header.e_flags(LittleEndian), flags, "{arch}");
        assert_eq!(header.e_type(LittleEndian), ET_EXEC, "{arch}: not relocatable");
    }
}

#[test]
fn loads_one_read_only_segment() {
    for (arch, ..) in ARCHES {
        let image = fs::read(crate::pause_binary(arch)).unwrap();
        let file = parse(&image);
        // With these two segments there is no interpreter, no relocation and nothing writable.
        let segments: Vec<_> = file
            .elf_program_headers()
            .iter()
            .map(|segment| (segment.p_type(LittleEndian), segment.p_flags(LittleEndian)))
            .collect();
        assert_eq!(segments, [(PT_LOAD, PF_R | PF_X), (PT_GNU_STACK, PF_R | PF_W)], "{arch}");

        let program = &file.elf_program_headers()[0];
        let memory =
            program.p_vaddr(LittleEndian)..program.p_vaddr(LittleEndian) + program.p_memsz(LittleEndian);
        assert!(
            memory.contains(&file.elf_header().e_entry(LittleEndian)),
            "{arch}: the entry point is in the segment"
        );
        assert!(memory.start % 0x10000 == 0, "{arch}: aligned to pages of 64 KiB");
        assert_eq!(program.p_filesz(LittleEndian), image.len() as u64, "{arch}: the file is that segment");
    }
}

#[test]
fn riscv64_file_is_small() {
    assert!(fs::read(crate::pause_binary("riscv64")).unwrap().len() <= 1_200);
}

#[test]
fn readelf_reports_no_problem() {
    for (arch, ..) in ARCHES {
        let output =
            Command::new("readelf").args(["--all", "--wide"]).arg(crate::pause_binary(arch)).output();
        let output = output.expect("readelf starts");
        assert!(output.status.success(), "{arch}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arch}");
    }
}

#[test]
fn does_not_depend_on_the_build_directory() {
    for (arch, ..) in ARCHES {
        let directory = tempfile::tempdir().unwrap();
        let sources = directory.path().join("pause");
        xtask::dir::copy(&crate::package(), &sources).unwrap();

        let output = crate::build_in(directory.path(), &directory.path().join("target"), arch);
        assert!(fs::read(output).unwrap() == fs::read(crate::pause_binary(arch)).unwrap(), "{arch}");
    }
}
