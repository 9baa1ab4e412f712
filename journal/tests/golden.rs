//! A journal that format 1.0 wrote stays readable, and a second reader agrees.

mod common;

use common::*;
use selvedge_journal::storage::MemoryStorage;
use selvedge_journal::{JournalReader, Verdict, VerifyOptions, digest, verify};
use std::path::{Path, PathBuf};
use std::process::Command;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1.0")
}

/// The journal of the golden directory: three segments, the first recovered once.
fn written_now() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &small()).unwrap();
    append_to(&mut writer, 10);
    drop(writer);
    for last in [25, 40, 50] {
        let mut writer = open(&storage, &small()).unwrap();
        append_to(&mut writer, last);
        writer.finish().unwrap();
    }
    storage
}

fn save(storage: &MemoryStorage, directory: &Path) {
    std::fs::create_dir_all(directory).unwrap();
    for name in segments(storage) {
        std::fs::write(directory.join(&name), storage.content(&name).unwrap()).unwrap();
    }
}

#[test]
fn the_golden_journal_is_read() {
    if std::env::var_os("SELVEDGE_WRITE_GOLDEN").is_some() {
        save(&written_now(), &golden());
    }
    let mut reader = JournalReader::open(&golden()).unwrap();
    assert_eq!(read_all(&mut reader).unwrap(), 50);
    assert_eq!(reader.dictionary().source(3), Some("feed"));
    let report = verify(&golden(), &VerifyOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    assert_eq!((report.segments, report.recoveries.len()), (3, 1));
    let hash = digest(&golden(), None, None).unwrap().hash;
    assert_eq!(report.digest, Some(hash));
}

/// What is written today is byte for byte what format 1.0 is. If this fails and the change is
/// meant, the format's version must change, and a new golden journal joins the old one.
#[test]
fn the_format_has_not_changed() {
    let storage = written_now();
    for name in segments(&storage) {
        let golden = std::fs::read(golden().join(&name)).unwrap();
        assert!(storage.content(&name).unwrap() == golden, "{name}");
    }
}

fn python(directory: &Path) -> Option<(i32, String)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify_journal.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(directory)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.code()?, text))
}

#[test]
fn the_python_reader_agrees_with_verify() {
    let Some((code, text)) = python(&golden()) else {
        eprintln!("skipped: there is no python3 here");
        return;
    };
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("sequences 1 to 50"), "{text}");

    // Sound, torn and damaged journals: both say the same.
    let whole = MemoryStorage::new();
    let mut writer = open(&whole, &small()).unwrap();
    for last in [6, 12, 18, 24] {
        append_to(&mut writer, last);
        writer.flush().unwrap();
        if last == 12 {
            writer.request_sync().unwrap();
        }
    }
    drop(writer);
    let name = segments(&whole).remove(0);
    let end = whole
        .content(&name)
        .unwrap()
        .iter()
        .rposition(|&byte| byte != 0)
        .unwrap();
    whole.change(&name, |bytes| bytes.truncate(end / 64 * 64 + 1024));
    let mut seen = [0; 3];
    for flip in (0..end + 600).step_by(211).map(Some).chain([None]) {
        let storage = whole.copy();
        if let Some(flip) = flip {
            storage.change(&name, |bytes| bytes[flip] ^= 0x10);
        }
        let directory = tempfile::tempdir().unwrap();
        save(&storage, directory.path());
        let expected = match check(&storage).verdict {
            Verdict::Sealed | Verdict::Open => 0,
            Verdict::TornTail => 1,
            Verdict::Damaged => 2,
        };
        let (code, text) = python(directory.path()).unwrap();
        assert_eq!(code, expected, "byte {flip:?}: {text}");
        seen[expected as usize] += 1;
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}
