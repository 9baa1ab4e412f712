//! Files of ITCH messages: whole, cut, damaged, empty.

mod common;

use flate2::{Compression, write::GzEncoder};
use selvedge_market::MarketError;
use selvedge_market::itch::*;
use std::io::Write;
use std::path::PathBuf;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("session.itch");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        bytes.extend_from_slice(&(message.len() as u16).to_be_bytes());
        bytes.extend_from_slice(message);
    }
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn session(count: usize) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    common::for_each(&mut common::generated(3, 2_000, 2), |bytes| {
        messages.push(bytes.to_vec());
    });
    messages.truncate(count);
    messages
}

/// Everything that comes before the end or the error, and that error.
fn read(path: &PathBuf) -> (Vec<Vec<u8>>, Option<MarketError>) {
    let mut messages = Vec::new();
    let mut file = match ItchFile::open(path) {
        Ok(file) => file,
        Err(error) => return (messages, Some(error)),
    };
    let error = loop {
        match file.next_message() {
            Ok(Some(bytes)) => messages.push(bytes.to_vec()),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    // The end and an error are for good.
    match &error {
        None => assert_eq!(file.next_message(), Ok(None)),
        Some(error) => assert_eq!(file.next_message(), Err(error.clone())),
    }
    (messages, error)
}

#[test]
fn plain_and_gzipped_files_give_the_same() {
    let folder = Folder::new();
    let messages = session(usize::MAX);
    let mut bytes = framed(&messages);
    for marker in [false, true] {
        if marker {
            bytes.extend_from_slice(&[0, 0]);
        }
        assert!(read(&folder.file(&bytes)) == (messages.clone(), None));
        assert!(read(&folder.file(&gzipped(&bytes))) == (messages.clone(), None));
        let mut file = ItchFile::open(folder.file(&bytes)).unwrap();
        common::for_each(&mut file, |_| {});
        assert_eq!(file.saw_end_marker(), marker);
        assert_eq!(file.offset(), bytes.len() as u64);
    }
    // A gzip file of several members is one file.
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let members = [gzipped(first), gzipped(second)].concat();
    assert!(read(&folder.file(&members)) == (messages, None));
}

#[test]
fn what_the_writer_writes_is_read_again() {
    let folder = Folder::new();
    let messages = session(usize::MAX);
    for name in ["day.itch", "day.itch.gz"] {
        let path = folder.0.path().join(name);
        assert_eq!(common::generated(3, 2_000, 2).write_to(&path), Ok(2_000));
        assert!(read(&path) == (messages.clone(), None));
        assert!(ItchFile::open(&path).is_ok());
    }
    let plain = std::fs::read(folder.0.path().join("day.itch")).unwrap();
    let gzip = std::fs::read(folder.0.path().join("day.itch.gz")).unwrap();
    assert!(gzip.len() * 2 < plain.len());
    let mut writer = ItchWriter::create(folder.0.path().join("x")).unwrap();
    for length in [0, MAX_ITCH_BYTES + 1] {
        assert!(matches!(
            writer.write(&vec![1; length]),
            Err(MarketError::Unframeable { .. })
        ));
    }
}

#[test]
fn a_cut_at_every_byte_is_noticed() {
    let folder = Folder::new();
    let messages = session(60);
    let bytes = framed(&messages);
    let mut ends = vec![0];
    for message in &messages {
        ends.push(ends[ends.len() - 1] + 2 + message.len());
    }
    for cut in 0..bytes.len() {
        let (found, error) = read(&folder.file(&bytes[..cut]));
        let whole = ends.iter().rposition(|end| *end <= cut).unwrap();
        assert!(found == messages[..whole], "cut at {cut}");
        match error {
            _ if cut == 0 => assert!(matches!(error, Some(MarketError::Empty { .. }))),
            // Between two messages: nothing says that more should come.
            None => assert_eq!(ends[whole], cut),
            Some(MarketError::Truncated {
                offset,
                needed,
                found,
                ..
            }) => {
                assert_eq!(offset as usize, ends[whole]);
                assert_eq!(found, cut - ends[whole]);
                assert!(found > 0 && needed > found);
            }
            Some(error) => panic!("cut at {cut}: {error}"),
        }
    }
}

#[test]
fn a_cut_gzip_file_is_noticed_at_every_byte() {
    let folder = Folder::new();
    let messages = session(200);
    let bytes = gzipped(&framed(&messages));
    for cut in 0..bytes.len() {
        let (found, error) = read(&folder.file(&bytes[..cut]));
        assert!(error.is_some(), "cut at {cut}");
        assert!(messages.starts_with(&found), "cut at {cut}");
    }
    // All that was decompressed is delivered, and the error says how far that was.
    let (found, error) = read(&folder.file(&bytes[..bytes.len() - 4]));
    assert_eq!(found.len(), 200);
    let Some(MarketError::Read { offset, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(offset as usize, framed(&messages).len());
}

#[test]
fn a_damaged_gzip_file_is_noticed_at_every_byte() {
    let folder = Folder::new();
    let messages = session(100);
    let bytes = gzipped(&framed(&messages));
    for at in 0..bytes.len() {
        // Time stamp, flags and system of the gzip header say nothing about the content.
        if (3..10).contains(&at) {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let (_, error) = read(&folder.file(&damaged));
        assert!(error.is_some(), "damaged at {at}");
    }
}

#[test]
fn nothing_is_an_error_that_says_so() {
    let folder = Folder::new();
    for bytes in [vec![], gzipped(&[]), vec![0, 0], gzipped(&[0, 0])] {
        let (found, error) = read(&folder.file(&bytes));
        assert!(found.is_empty());
        let error = error.unwrap();
        assert!(matches!(error, MarketError::Empty { .. }), "{error}");
        assert!(error.to_string().contains("is empty"));
    }
    let (_, error) = read(&folder.0.path().join("absent"));
    assert!(matches!(error, Some(MarketError::Open { .. })));
}

#[test]
fn impossible_and_wrong_lengths_name_their_byte() {
    let folder = Folder::new();
    let messages = session(10);
    let good = framed(&messages);
    let offset = good.len() as u64;
    // Only the prefix is there: the length is judged before the message is waited for.
    let (found, error) = read(&folder.file(&[&good[..], &[0xFF, 0xFF]].concat()));
    assert_eq!(found, messages);
    assert!(
        matches!(error, Some(MarketError::ImpossibleLength { offset: at, length: 0xFFFF, .. }) if at == offset)
    );
    for found_length in [18, 20] {
        let mut bad = good.clone();
        bad.extend_from_slice(&[0, found_length]);
        bad.push(b'D');
        bad.extend_from_slice(&[0; 64]);
        let (found, error) = read(&folder.file(&bad));
        assert_eq!(found, messages);
        let error = error.unwrap();
        assert!(
            matches!(error, MarketError::WrongLength { offset: at, code: b'D', expected: 19, .. } if at == offset)
        );
        let text = error.to_string();
        assert!(
            text.contains(&offset.to_string()) && text.contains("session.itch"),
            "{text}"
        );
    }
}

#[test]
fn unknown_types_are_delivered_and_the_marker_ends() {
    let folder = Folder::new();
    let mut messages = session(3);
    messages.push(vec![b'z'; MAX_ITCH_BYTES]);
    messages.push(vec![b'!']);
    let mut bytes = framed(&messages);
    bytes.extend_from_slice(&[0, 0]);
    assert!(read(&folder.file(&bytes)) == (messages.clone(), None));
    // A zero length in the middle is damage, not an early end that nobody notices.
    let offset = bytes.len() as u64;
    bytes.push(0);
    let (found, error) = read(&folder.file(&bytes));
    assert_eq!(found, messages);
    assert!(matches!(error, Some(MarketError::AfterEnd { offset: at, .. }) if at == offset));
}
