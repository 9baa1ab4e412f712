//! Measures the journal against the limits of its disk and of its hash functions.
//!
//! `cargo run --release -p selvedge-journal --example throughput [DIRECTORY] [MIB]`

use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_journal::{
    Append, Dictionary, JournalConfig, JournalIdentity, JournalReader, JournalWriter, SyncPolicy,
    VerifyOptions, verify,
};
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

const PAYLOAD: usize = 32;
const BLOCK: usize = 512 << 10;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let mib: u64 = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let frames = (mib << 20) / (32 + PAYLOAD as u64);
    println!(
        "{mib} MiB in {}, {frames} frames of 32 + {PAYLOAD} bytes, median of {ROUNDS} rounds",
        place.display()
    );
    let mut figures: Vec<Vec<f64>> = vec![Vec::new(); 8];
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir_in(&place)?;
        let round = round(directory.path(), mib, frames)?;
        for (all, figure) in figures.iter_mut().zip(round) {
            all.push(figure);
        }
    }
    let names = [
        "raw: write of the same blocks, fdatasync at the end, MB/s",
        "append until durable and sealed, MB/s",
        "append until all is handed over, MB/s",
        "BLAKE3 + CRC32C of one block in cache, MB/s",
        "verify, hashes but no digest, MB/s",
        "verify, hashes and digest, MB/s",
        "replay, CRC checked, MB/s",
        "replay, million messages/s",
    ];
    for (name, all) in names.iter().zip(&mut figures) {
        all.sort_by(f64::total_cmp);
        println!(
            "{:>10.1}  {name}  (from {:.1} to {:.1})",
            all[ROUNDS / 2],
            all[0],
            all[ROUNDS - 1]
        );
    }
    Ok(())
}

fn round(directory: &Path, mib: u64, frames: u64) -> Result<[f64; 8], Box<dyn Error>> {
    let megabytes = (mib << 20) as f64 / 1e6;

    let block = vec![7_u8; BLOCK];
    let raw = File::create(directory.join("raw"))?;
    let start = Instant::now();
    for at in 0..(mib << 20) / BLOCK as u64 {
        raw.write_all_at(&block, at * BLOCK as u64)?;
    }
    raw.sync_data()?;
    let raw = megabytes / start.elapsed().as_secs_f64();
    std::fs::remove_file(directory.join("raw"))?;

    let journal = directory.join("journal");
    let identity = JournalIdentity::new("throughput", 1, 1)?;
    let config = JournalConfig {
        block_bytes: BLOCK,
        sync: SyncPolicy::OnlyAtClose,
        buffers: 16,
        ..JournalConfig::default()
    };
    let mut writer = JournalWriter::open(&journal, &identity, 1, &Dictionary::default(), &config)?;
    let descriptor = FrameHeader::descriptor_word(7, 1, PAYLOAD, Flags::NONE);
    let payload = [9_u8; PAYLOAD];
    let start = Instant::now();
    for sequence in 1..=frames {
        let header = FrameHeader::new(1, sequence, sequence, 3, sequence, descriptor);
        while writer.append(&header, &payload)? == Append::WouldBlock {
            std::thread::yield_now();
        }
    }
    let handed_over = megabytes / start.elapsed().as_secs_f64();
    writer.finish()?;
    let durable = megabytes / start.elapsed().as_secs_f64();

    let start = Instant::now();
    for _ in 0..(mib << 20) / BLOCK as u64 {
        black_box(blake3::hash(black_box(&block)));
        black_box(crc32c::crc32c(black_box(&block)));
    }
    let hashing = megabytes / start.elapsed().as_secs_f64();

    let check = |digest| -> Result<f64, Box<dyn Error>> {
        let options = VerifyOptions {
            digest,
            ..VerifyOptions::default()
        };
        let start = Instant::now();
        let report = verify(&journal, &options, &mut |_| ())?;
        let speed = megabytes / start.elapsed().as_secs_f64();
        if report.frames != frames {
            return Err(format!("{} frames verified", report.frames).into());
        }
        Ok(speed)
    };
    let (without, with) = (check(false)?, check(true)?);

    let mut reader = JournalReader::open(&journal)?;
    let start = Instant::now();
    let mut sum = 0_u64;
    let mut count = 0_u64;
    while let Some((header, payload)) = reader.next()? {
        sum = sum.wrapping_add(header.timestamp() + payload.len() as u64);
        count += 1;
    }
    black_box(sum);
    let seconds = start.elapsed().as_secs_f64();
    if count != frames {
        return Err(format!("{count} frames replayed").into());
    }
    Ok([
        raw,
        durable,
        handed_over,
        hashing,
        without,
        with,
        megabytes / seconds,
        count as f64 / 1e6 / seconds,
    ])
}
