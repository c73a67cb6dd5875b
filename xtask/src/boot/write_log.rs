//! The log of a disk's writes that qemu's driver `blklogwrites` keeps, in the format of Linux's dm-log-writes.
//!
//! A disk may lose every write that no flush followed. So when the power is cut, the log is replayed up to its last
//! flush. virtio-blk has no other barrier: it writes nothing with forced unit access.

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use std::os::unix::fs::FileExt;

/// `WRITE_LOG_MAGIC` and `WRITE_LOG_VERSION` of dm-log-writes.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;

/// `LOG_FLUSH_FLAG` and `LOG_DISCARD_FLAG`. qemu writes no others.
const FLUSH: u64 = 1;
const DISCARD: u64 = 1 << 2;

/// Most bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// A write, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    /// Offset on the disk.
    at: u64,
    length: u64,
    /// Offset of the data in the log.
    data: u64,
}

/// The writes of a log, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WriteLog {
    flushed: Vec<Write>,
    unflushed: Vec<Write>,
}

impl WriteLog {
    /// Reads the log of a disk of `size` bytes. It may end anywhere, since qemu may have been killed.
    pub fn read(log: &fs::File, size: u64) -> Result<WriteLog> {
        let end = log.metadata()?.len();
        let Some(sector) = sector_size(log, end)? else { return Ok(WriteLog::default()) };
        let mut found = WriteLog::default();
        let mut next = sector;
        while end - next >= sector {
            let [first, count, flags, _] = numbers(log, next)?;
            ensure!(flags & !(FLUSH | DISCARD) == 0, "the entry at byte {next} has unknown flags {flags:#x}");
            let write = first.checked_mul(sector).zip(count.checked_mul(sector));
            let write = write.map(|(at, length)| Write { at, length, data: next + sector });
            let Some(write) = write.filter(|it| it.at.checked_add(it.length).is_some_and(|end| end <= size))
            else {
                bail!("the entry at byte {next} is for sectors beyond the disk: {count} from {first}");
            };
            next = write.data;
            // The data of a discarded range may remain as it is. It is not in the log.
            if flags & DISCARD == 0 {
                if end - next < write.length {
                    break;
                }
                next += write.length;
                // The sectors of a write that qemu had not yet logged are zeros, and so entries without length.
                found.unflushed.extend((write.length > 0).then_some(write));
            }
            if flags & FLUSH != 0 {
                found.flushed.append(&mut found.unflushed);
            }
        }
        Ok(found)
    }

    /// Writes what was flushed to a disk.
    pub fn replay(&self, log: &fs::File, disk: &fs::File) -> Result<()> {
        let mut buffer = vec![0; CHUNK];
        for write in &self.flushed {
            let mut done = 0;
            while done < write.length {
                let count = usize::try_from(write.length - done).unwrap_or(CHUNK).min(CHUNK);
                log.file().read_exact_at(&mut buffer[..count], write.data + done)?;
                disk.file().write_all_at(&buffer[..count], write.at + done)?;
                done += count as u64;
            }
        }
        Ok(())
    }

    /// Returns the number of bytes that were written and not flushed.
    pub fn unflushed(&self) -> u64 {
        self.unflushed.iter().map(|write| write.length).sum()
    }
}

/// Returns the size of the log's sectors. qemu writes it at the first flush.
fn sector_size(log: &fs::File, end: u64) -> Result<Option<u64>> {
    if end < 32 {
        return Ok(None);
    }
    let [magic, version, _, size] = numbers(log, 0)?;
    if magic == 0 {
        return Ok(None);
    }
    ensure!(magic == MAGIC && version == VERSION, "this is no log of writes of version {VERSION}");
    // The field has 32 bits.
    let size = size & u64::from(u32::MAX);
    ensure!(size.is_power_of_two() && (512..=1 << 16).contains(&size), "its sectors have {size} bytes");
    Ok((size <= end).then_some(size))
}

/// Returns four numbers of a log, which are little-endian.
fn numbers(log: &fs::File, at: u64) -> Result<[u64; 4]> {
    let mut bytes = [0; 32];
    log.file().read_exact_at(&mut bytes, at).with_context(|| format!("reading the entry at byte {at}"))?;
    let mut numbers = [0; 4];
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks().0) {
        *number = u64::from_le_bytes(*bytes);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTOR: usize = 512;
    /// Sectors of the disk.
    const DISK: usize = 8;

    fn sector(numbers: [u64; 4]) -> Vec<u8> {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.resize(SECTOR, 0);
        bytes
    }

    fn superblock() -> Vec<u8> {
        sector([MAGIC, VERSION, 0, SECTOR as u64])
    }

    fn write(at: u64, byte: u8, count: usize) -> Vec<u8> {
        [sector([at, count as u64, 0, 0]), vec![byte; count * SECTOR]].concat()
    }

    fn flush() -> Vec<u8> {
        sector([0, 0, FLUSH, 0])
    }

    fn file(bytes: &[u8]) -> (tempfile::TempDir, fs::File) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, bytes).unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        (directory, file)
    }

    /// Replays a log onto a disk of zeros, and returns the first byte of each sector and the bytes that were lost.
    fn replayed(log: &[u8]) -> Result<([u8; DISK], u64)> {
        let (_log, log) = file(log);
        let (_disk, disk) = file(&[0; DISK * SECTOR]);
        let writes = WriteLog::read(&log, (DISK * SECTOR) as u64)?;
        writes.replay(&log, &disk)?;
        let bytes = fs::read(disk.path()).unwrap();
        assert_eq!(bytes.len(), DISK * SECTOR);
        assert!(bytes.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        let mut firsts = [0; DISK];
        firsts.iter_mut().zip(bytes.chunks(SECTOR)).for_each(|(first, sector)| *first = sector[0]);
        Ok((firsts, writes.unflushed()))
    }

    #[test]
    fn writes_after_the_last_flush_are_lost() {
        let log = [superblock(), write(1, 1, 2), write(2, 2, 1), flush(), write(0, 3, 1), write(1, 4, 1)];
        assert_eq!(replayed(&log.concat()).unwrap(), ([0, 1, 2, 0, 0, 0, 0, 0], 1024));
        let log = [&log[..], &[flush(), write(7, 5, 1), flush()]].concat();
        assert_eq!(replayed(&log.concat()).unwrap(), ([3, 4, 2, 0, 0, 0, 0, 5], 0));
    }

    #[test]
    fn nothing_is_replayed_without_a_flush() {
        for log in [vec![], vec![0; 31], vec![0; 4096], superblock(), [superblock(), write(0, 1, 1)].concat()]
        {
            assert_eq!(replayed(&log).unwrap().0, [0; DISK]);
        }
    }

    #[test]
    fn log_may_end_anywhere() {
        let log = [superblock(), write(1, 1, 1), flush(), write(2, 2, 2), flush()].concat();
        for end in 0..=log.len() {
            let disk = replayed(&log[..end]).unwrap().0;
            let expected = match end {
                _ if end == log.len() => [0, 1, 2, 2, 0, 0, 0, 0],
                _ if end >= 4 * SECTOR => [0, 1, 0, 0, 0, 0, 0, 0],
                _ => [0; DISK],
            };
            assert_eq!(disk, expected, "{end} bytes");
        }
    }

    #[test]
    fn passes_over_discards_and_missing_entries() {
        let discard = sector([0, DISK as u64, DISCARD, 0]);
        let log = [superblock(), write(3, 1, 1), discard, vec![0; 3 * SECTOR], write(4, 2, 1), flush()];
        assert_eq!(replayed(&log.concat()).unwrap(), ([0, 0, 0, 1, 2, 0, 0, 0], 0));
    }

    #[test]
    fn refuses_logs_that_qemu_does_not_write() {
        let with = |entry: [u64; 4]| [superblock(), sector(entry), flush()].concat();
        for (log, reason) in [
            (sector([1, VERSION, 0, 512]), "no log of writes"),
            (sector([MAGIC, 2, 0, 512]), "no log of writes"),
            (sector([MAGIC, VERSION, 0, 0]), "sectors have 0 bytes"),
            (sector([MAGIC, VERSION, 0, 513]), "sectors have 513 bytes"),
            (sector([MAGIC, VERSION, 0, 1 << 31]), "sectors have 2147483648 bytes"),
            (with([0, 0, 2, 0]), "unknown flags 0x2"),
            (with([8, 1, 0, 0]), "beyond the disk: 1 from 8"),
            (with([7, 2, 0, 0]), "beyond the disk"),
            (with([u64::MAX, 1, 0, 0]), "beyond the disk"),
            (with([u64::MAX / 512, 1, 0, 0]), "beyond the disk"),
            (with([1, u64::MAX, 0, 0]), "beyond the disk"),
        ] {
            let error = format!("{:#}", replayed(&log).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
