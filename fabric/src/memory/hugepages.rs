//! Where hugetlbfs is mounted, and how to get there where it is not.

use super::region::PageKind;
use std::path::PathBuf;

/// A mounted hugetlbfs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HugepageMount {
    /// Where.
    pub path: PathBuf,
    /// Its page size in bytes.
    pub page_bytes: u64,
}

/// The first hugetlbfs mounted with pages of `kind`, or why there is none and what to do.
pub fn find_hugepage_mount(kind: PageKind) -> Result<HugepageMount, (String, String)> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    if let Some(mount) = parse_mounts(&mounts)
        .into_iter()
        .find(|mount| mount.page_bytes == kind.bytes())
    {
        let free = free_pages(kind);
        if free == 0 {
            return Err((
                format!("none of size {kind} is free"),
                reserve_command(kind, 32),
            ));
        }
        return Ok(mount);
    }
    Err((
        format!("no hugetlbfs with pages of {kind} is mounted"),
        format!(
            "{}; mkdir -p /dev/hugepages-{kind} && mount -t hugetlbfs -o pagesize={} none /dev/hugepages-{kind}",
            reserve_command(kind, 32),
            kind.mount_option(),
        ),
    ))
}

/// The command that reserves `count` more pages.
pub(super) fn reserve_command(kind: PageKind, count: u64) -> String {
    format!(
        "echo {count} > /sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages (as root)",
        kind.bytes() / 1024
    )
}

fn free_pages(kind: PageKind) -> u64 {
    let path = format!(
        "/sys/kernel/mm/hugepages/hugepages-{}kB/free_hugepages",
        kind.bytes() / 1024
    );
    std::fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// The hugetlbfs mounts in the text of `/proc/mounts`. A mount without a `pagesize` option has
/// the default size, 2 MiB on x86-64.
fn parse_mounts(text: &str) -> Vec<HugepageMount> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut columns = line.split_whitespace();
        let (Some(_), Some(path), Some("hugetlbfs"), Some(options)) = (
            columns.next(),
            columns.next(),
            columns.next(),
            columns.next(),
        ) else {
            continue;
        };
        let page_bytes = options
            .split(',')
            .find_map(|option| option.strip_prefix("pagesize="))
            .and_then(parse_size)
            .unwrap_or(2 << 20);
        found.push(HugepageMount {
            path: PathBuf::from(path.replace("\\040", " ")),
            page_bytes,
        });
    }
    found
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match text[digits.len()..].chars().next() {
        Some('K' | 'k') => 1 << 10,
        Some('M' | 'm') => 1 << 20,
        Some('G' | 'g') => 1 << 30,
        None => 1,
        Some(_) => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_with_their_page_size() {
        let text = "proc /proc proc rw 0 0\n\
                    hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n\
                    none /mnt/huge\\040one hugetlbfs rw,pagesize=1024M 0 0\n\
                    none /mnt/plain hugetlbfs rw 0 0\n";
        let found = parse_mounts(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].page_bytes, 2 << 20);
        assert_eq!(found[1].path, PathBuf::from("/mnt/huge one"));
        assert_eq!(found[1].page_bytes, 1 << 30);
        assert_eq!(found[2].page_bytes, 2 << 20);
    }
}
