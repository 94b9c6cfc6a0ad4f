//! The code that is mapped into this process, as the kernel says (`proc_pid_maps(5)`).

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use super::{MeasureError, file::Node};

const MAPS: &str = "/proc/self/maps";
/// Memory that has no file, though the kernel gives it a name: `memfd_create`, shared anonymous memory, System V segments.
/// Only code that already runs can have put code there.
const MEMORY: [&[u8]; 3] = [b"/memfd:", b"/dev/zero (deleted)", b"/SYSV"];

/// A file with an executable mapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MappedCode {
    /// As the kernel spells it: without links, and followed by ` (deleted)` if this name is gone.
    pub(super) path: PathBuf,
    inode: u64,
}

impl MappedCode {
    /// Every file whose content this process can execute now, but its own program.
    pub(super) fn of_this_process() -> Result<Vec<Self>, MeasureError> {
        Self::in_list(&fs::read(MAPS).map_err(MeasureError::unreadable(Path::new(MAPS)))?)
    }

    /// The same by a list that a process has made of itself, which runs the program that this one runs.
    pub(super) fn in_list(maps: &[u8]) -> Result<Vec<Self>, MeasureError> {
        let own = Path::new("/proc/self/exe");
        let own = fs::read_link(own).map_err(MeasureError::unreadable(own))?;
        let mapped = parse(maps).map_err(|line| MeasureError::UnknownMaps { line })?;
        Ok(mapped.into_iter().filter(|code| code.path != own).collect())
    }

    /// The file, if its name still leads to it, and by no link: the kernel resolved them, so that one which is there now was put there
    /// afterwards, and can lead to another file system's file of the same number. The kernel's device number is not compared: on file systems
    /// with several layers it is not the one that `stat` gives.
    pub(super) fn node(&self) -> Option<Node> {
        if self.path.canonicalize().ok()? != self.path {
            return None;
        }
        let metadata = fs::metadata(&self.path).ok()?;
        (metadata.ino() == self.inode).then_some((metadata.dev(), metadata.ino()))
    }
}

/// Reads all lines, or gives the number of the first one that is not understood, from 1.
fn parse(maps: &[u8]) -> Result<BTreeSet<MappedCode>, usize> {
    let mut found = BTreeSet::new();
    for (index, line) in maps.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        found.extend(parse_line(line).ok_or(index + 1)?);
    }
    Ok(found)
}

/// `address permissions offset device inode      path`: something if the line is understood, code if it maps a file's.
fn parse_line(line: &[u8]) -> Option<Option<MappedCode>> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let (_address, permissions, _offset, _device) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let inode: u64 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    let [_, _, executable @ (b'x' | b'-'), _] = permissions else { return None };
    let memory = inode == 0 || MEMORY.iter().any(|prefix| path.starts_with(prefix));
    if *executable == b'-' || memory {
        return Some(None);
    }
    Some(Some(MappedCode { path: OsString::from_vec(unescaped(path)).into(), inode }))
}

/// The kernel writes a line feed in a name as `\012`, and nothing else in another way.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = rest.strip_prefix(b"\\012").map_or((*first, after), |after| (b'\n', after));
        name.push(byte);
        rest = after;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(maps: &str) -> Result<Vec<(String, u64)>, usize> {
        let text = |code: MappedCode| (code.path.to_str().expect("text").to_owned(), code.inode);
        parse(maps.as_bytes()).map(|found| found.into_iter().map(text).collect())
    }

    #[test]
    fn files_with_executable_mappings_are_found_once() {
        let maps = "\
55d0-55d1 r--p 00000000 fe:00 7                          /usr/bin/gateway
55d1-55d2 r-xp 00001000 fe:00 7                          /usr/bin/gateway
55d2-55d3 r-xp 00002000 fe:00 7                          /usr/bin/gateway
7f00-7f01 r--p 00000000 fe:00 8                          /usr/lib/locale/locale-archive
7f01-7f02 rwxp 00000000 00:00 0 
7f02-7f03 r-xp 00000000 fe:00 9                          /srv/with space/lib.so (deleted)
7f03-7f04 r-xp 00000000 fe:00 10                         /srv/a\\012b.so
7f04-7f05 rwxs 00000000 00:01 11                         /memfd:jit (deleted)
7f05-7f06 rwxs 00000000 00:01 12                         /dev/zero (deleted)
7ffc-7ffd rw-p 00000000 00:00 0                          [stack]
7ffe-7fff r-xp 00000000 00:00 0                          [vdso]
ffff-ffff --xp 00000000 00:00 0                  [vsyscall]
";
        let expected = [("/srv/a\nb.so", 10), ("/srv/with space/lib.so (deleted)", 9), ("/usr/bin/gateway", 7)]
            .map(|(p, i)| (p.to_owned(), i));
        assert_eq!(code(maps), Ok(expected.to_vec()));
        assert_eq!(code(""), Ok(vec![]));
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for line in
            ["x", "1-2 r-xp 0 0:0", "1-2 r-xp 0 0:0 x /a", "1-2 rx 0 0:0 1 /a", "1-2 r-?p 0 0:0 1 /a", "1-2 r-xp 0 0:0 -1 /a"]
        {
            assert_eq!(code(&format!("1-2 r--p 0 0:0 0\n{line}\n")), Err(2), "{line}");
        }
    }

    #[test]
    fn every_cut_of_a_line_is_read_or_refused() {
        let line = b"7f02-7f03 r-xp 00000000 fe:00 9    /srv/\xff\\012 b.so (deleted)";
        for end in 0..line.len() {
            let _ = parse(&line[..end]);
        }
    }

    #[test]
    fn this_process_maps_its_libraries_and_a_replaced_file_is_no_longer_the_one_mapped() {
        let mapped = MappedCode::of_this_process().expect("is readable");
        let library = mapped.iter().find(|code| code.path.to_string_lossy().contains("libc")).expect("a C library");
        assert!(library.node().is_some());
        let another = MappedCode { inode: library.inode + 1, ..library.clone() };
        assert_eq!(another.node(), None);
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().canonicalize().expect("is there").join("libc.so (deleted)");
        std::os::unix::fs::symlink(&library.path, &link).expect("links");
        assert_eq!(MappedCode { path: link, ..library.clone() }.node(), None, "a link to a measured file");
        let own = fs::read_link("/proc/self/exe").expect("is readable");
        assert!(mapped.iter().all(|code| code.path != own));
    }
}
