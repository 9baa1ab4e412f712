//! `bench journal`: the journal against the limits of its disk and of its hash functions.
//!
//! Everything is measured in the same rounds, one after the other on the same file system: raw
//! sequential writes at the block size, depth and kind of memory that were best, preallocated and
//! synced at the end, and the journal with checksums, hash chain, seals and all, then its readers.
//! In odd rounds the raw writes come first, in even ones the journal, so that neither gains by what
//! the other leaves behind: what the disk has cached or is still busy with.

mod fabric_rate;
mod hop;
mod raw;

use crate::error::{Result, ToolError};
use clap::Args;
use raw::RawWrite;
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_journal::{
    Append, Dictionary, JournalConfig, JournalIdentity, JournalReader, JournalWriter, SyncPolicy,
    VerifyOptions, verify, verify_threads,
};
use selvedge_measure::samples::median;
use serde::Serialize;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of staging: what arrives while a sync takes its time on a busy host.
const STAGING_BYTES: usize = 512 << 20;

/// Options of `bench journal`.
#[derive(Args, Clone, Debug)]
pub struct JournalBenchArgs {
    /// Where to write: on the disk that the journal will be on.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// MiB that each round writes.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    mib: u64,
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Bytes of payload of a message.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(0..=4096))]
    payload: u64,
    /// Messages a second through a whole fabric with a journal, to count how often it waits.
    #[arg(long, default_value_t = 1_000_000)]
    fabric_rate: u64,
    /// Seconds of that, and then the sequenced hop with a journal and without; 0 for neither.
    #[arg(long, default_value_t = 3)]
    fabric_seconds: u64,
    /// Print one JSON object as the last line.
    #[arg(long)]
    json: bool,
}

/// The result, as `--json` prints it.
#[derive(Serialize, Clone, Copy, Debug)]
struct Figures {
    /// At the best block size, depth and kind of memory.
    raw_bytes_per_second: f64,
    /// As above, from small pages, as most programs write.
    raw_small_pages_bytes_per_second: f64,
    journal_bytes_per_second: f64,
    ratio: f64,
    /// Both hash functions on one core.
    hash_bytes_per_second: f64,
    /// The same on as many threads as verification has.
    hash_threads_bytes_per_second: f64,
    verify_bytes_per_second: f64,
    replay_messages_per_second: f64,
    held_back: u64,
    /// Median of the sequenced hop, nanoseconds; 0 where it was not measured.
    hop_ns: f64,
    /// The same with a journal on the fabric.
    hop_with_journal_ns: f64,
}

/// Runs `bench journal`.
pub fn run(args: &JournalBenchArgs) -> Result<()> {
    let bytes = args.mib << 20;
    let scratch = tempfile::Builder::new()
        .prefix(".selvedge-bench-")
        .tempdir_in(&args.directory)
        .map_err(ToolError::host(format!(
            "make a directory in {}",
            args.directory.display()
        )))?;
    let raw = RawWrite::best(scratch.path(), bytes.min(256 << 20))?;
    println!(
        "raw writes are best in blocks of {} KiB, {} at once{}",
        raw.block_bytes >> 10,
        raw.depth,
        match (raw.direct, raw.huge_pages) {
            (true, true) => ", O_DIRECT from huge pages",
            (true, false) => ", O_DIRECT",
            (false, _) => ", through the page cache",
        },
    );
    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        let raw_first = round % 2 == 1;
        let payload = args.payload as usize;
        let figures = measure(scratch.path(), &raw, bytes, payload, raw_first)?;
        println!(
            "round {round}: raw {:.0} MB/s (small pages {:.0}), journal {:.0} MB/s ({:.3}), hash {:.0}, verify {:.0}, replay {:.1} M messages/s",
            figures.raw_bytes_per_second / 1e6,
            figures.raw_small_pages_bytes_per_second / 1e6,
            figures.journal_bytes_per_second / 1e6,
            figures.ratio,
            figures.hash_bytes_per_second / 1e6,
            figures.verify_bytes_per_second / 1e6,
            figures.replay_messages_per_second / 1e6,
        );
        rounds.push(figures);
    }
    let median = |of: fn(&Figures) -> f64| median(&rounds.iter().map(of).collect::<Vec<f64>>());
    let held_back = match args.fabric_seconds {
        0 => 0,
        seconds => {
            let report = fabric_rate::run(scratch.path(), args.fabric_rate, seconds)?;
            println!(
                "fabric: {} of {} messages at {} asked for a second, all journaled, {:.2} M/s, held back {} times",
                report.journaled,
                report.published,
                args.fabric_rate,
                report.per_second / 1e6,
                report.held_back
            );
            report.held_back
        }
    };
    let hops = match args.fabric_seconds {
        0 => None,
        _ => hop::run(scratch.path())?,
    };
    if let Some(hops) = &hops {
        println!(
            "sequenced hop: p50 {:.0} ns, with a journal on the fabric {:.0} ns ({:+.1} %){}",
            hops.alone_ns,
            hops.with_journal_ns,
            100.0 * (hops.with_journal_ns / hops.alone_ns - 1.0),
            match hops.spare_core {
                true => "",
                false => "; two cores spin and no third is free: the journal takes turns with them",
            }
        );
    }
    let figures = Figures {
        raw_bytes_per_second: median(|figures| figures.raw_bytes_per_second),
        raw_small_pages_bytes_per_second: median(|figures| {
            figures.raw_small_pages_bytes_per_second
        }),
        journal_bytes_per_second: median(|figures| figures.journal_bytes_per_second),
        ratio: median(|figures| figures.ratio),
        hash_bytes_per_second: median(|figures| figures.hash_bytes_per_second),
        hash_threads_bytes_per_second: median(|figures| figures.hash_threads_bytes_per_second),
        verify_bytes_per_second: median(|figures| figures.verify_bytes_per_second),
        replay_messages_per_second: median(|figures| figures.replay_messages_per_second),
        held_back,
        hop_ns: hops.as_ref().map_or(0.0, |hops| hops.alone_ns),
        hop_with_journal_ns: hops.as_ref().map_or(0.0, |hops| hops.with_journal_ns),
    };
    println!(
        "median: ratio to raw {:.3}, to raw from small pages {:.3}, verify {:.3} of hashing on one core",
        figures.ratio,
        figures.journal_bytes_per_second / figures.raw_small_pages_bytes_per_second,
        figures.verify_bytes_per_second / figures.hash_bytes_per_second
    );
    if args.json {
        let text = serde_json::to_string(&figures)
            .map_err(|error| ToolError::host("write JSON")(std::io::Error::other(error)))?;
        println!("{text}");
    }
    Ok(())
}

/// A directory for a fabric: in shared memory where there is some, else in `otherwise`.
fn fabric_place(otherwise: &Path) -> Result<tempfile::TempDir> {
    let shared = Path::new("/dev/shm");
    tempfile::Builder::new()
        .prefix("selvedge-bench-")
        .tempdir_in(if shared.is_dir() { shared } else { otherwise })
        .map_err(ToolError::host("make a directory for the fabric"))
}

fn per_second(amount: f64, since: Instant) -> f64 {
    amount / since.elapsed().as_secs_f64()
}

/// Lets the file system finish with the files removed before: discarding their blocks goes on
/// behind, and would count against whoever writes next.
fn settle(scratch: &Path) -> Result<()> {
    let directory = std::fs::File::open(scratch)
        .and_then(|directory| directory.sync_all().map(|()| directory))
        .map_err(ToolError::host(format!("sync {}", scratch.display())))?;
    nix::unistd::syncfs(&directory)
        .map_err(|errno| ToolError::host(format!("sync {}", scratch.display()))(errno.into()))?;
    std::thread::sleep(Duration::from_millis(200));
    Ok(())
}

/// Both hash functions over memory, on so many threads, each with memory of its own.
fn hash_bytes_per_second(threads: usize) -> f64 {
    const BLOCKS: usize = 512;
    const BLOCK_BYTES: usize = 1 << 20;
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let block = vec![7_u8; BLOCK_BYTES];
                for _ in 0..BLOCKS {
                    black_box(blake3::hash(black_box(&block)));
                    black_box(crc32c::crc32c(black_box(&block)));
                }
            });
        }
    });
    per_second((threads * BLOCKS * BLOCK_BYTES) as f64, started)
}

/// Bytes a second of raw writes, and of the same from small pages.
fn write_raw(scratch: &Path, raw: &RawWrite, bytes: u64) -> Result<(f64, f64)> {
    settle(scratch)?;
    let best = raw.bytes_per_second(scratch, bytes)?;
    let ordinary = RawWrite {
        huge_pages: false,
        ..*raw
    };
    let small_pages = match raw.huge_pages {
        true => ordinary.bytes_per_second(scratch, bytes)?,
        false => best,
    };
    Ok((best, small_pages))
}

/// Bytes a second of so many frames, written to a new journal.
fn write_journal(
    scratch: &Path,
    journal: &Path,
    raw: &RawWrite,
    frames: u64,
    payload: usize,
) -> Result<f64> {
    settle(scratch)?;
    // Block size and depth as they are best for the disk: the same for both.
    let config = JournalConfig {
        block_bytes: raw.block_bytes,
        segment_bytes: 1 << 30,
        sync: SyncPolicy::EveryInterval(Duration::from_millis(100)),
        depth: raw.depth,
        buffers: STAGING_BYTES / raw.block_bytes,
        ..JournalConfig::default()
    };
    let identity = JournalIdentity::new("bench", 1, 1)?;
    let mut writer = JournalWriter::open(journal, &identity, 1, &Dictionary::default(), &config)?;
    let descriptor = FrameHeader::descriptor_word(7, 1, payload, Flags::NONE);
    let content = vec![9_u8; payload];
    let started = Instant::now();
    for sequence in 1..=frames {
        let header = FrameHeader::new(1, sequence, sequence, 3, sequence, descriptor);
        while writer.append(&header, &content)? == Append::WouldBlock {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    writer.finish()?;
    Ok(per_second((frames * frame_bytes(payload)) as f64, started))
}

/// Bytes of a frame on disk.
fn frame_bytes(payload: usize) -> u64 {
    (32 + payload.next_multiple_of(8)) as u64
}

fn measure(
    scratch: &Path,
    raw: &RawWrite,
    bytes: u64,
    payload: usize,
    raw_first: bool,
) -> Result<Figures> {
    let journal = scratch.join("journal");
    let frames = bytes / frame_bytes(payload);
    let write_raw = || write_raw(scratch, raw, bytes);
    let write_journal = || write_journal(scratch, &journal, raw, frames, payload);
    let (raw_rates, journal_bytes_per_second) = if raw_first {
        let raw_rates = write_raw()?;
        (raw_rates, write_journal()?)
    } else {
        let journal_rate = write_journal()?;
        (write_raw()?, journal_rate)
    };
    let (raw_bytes_per_second, raw_small_pages_bytes_per_second) = raw_rates;
    settle(scratch)?;

    let hash_threads_bytes_per_second = hash_bytes_per_second(verify_threads());
    let hash_bytes_per_second = hash_bytes_per_second(1);

    // Once over the files, so that both readers find them in the page cache.
    let options = VerifyOptions {
        digest: false,
        ..VerifyOptions::default()
    };
    verify(&journal, &options, &mut |_| ())?;
    let started = Instant::now();
    let report = verify(&journal, &options, &mut |_| ())?;
    let verify_bytes_per_second = per_second(bytes as f64, started);
    if report.frames != frames || report.verdict != selvedge_journal::Verdict::Sealed {
        return Err(ToolError::JournalDamaged {
            journal: journal.display().to_string(),
            detail: format!("{frames} frames were written, {} are there", report.frames),
        });
    }

    let mut reader = JournalReader::open(&journal)?;
    let started = Instant::now();
    let (mut count, mut sum) = (0_u64, 0_u64);
    while let Some((header, payload)) = reader.next()? {
        sum = sum.wrapping_add(header.timestamp() + payload.len() as u64);
        count += 1;
    }
    black_box(sum);
    let replay_messages_per_second = per_second(count as f64, started);
    std::fs::remove_dir_all(&journal).map_err(ToolError::host("remove the journal"))?;
    Ok(Figures {
        raw_bytes_per_second,
        raw_small_pages_bytes_per_second,
        journal_bytes_per_second,
        ratio: journal_bytes_per_second / raw_bytes_per_second,
        hash_bytes_per_second,
        hash_threads_bytes_per_second,
        verify_bytes_per_second,
        replay_messages_per_second,
        held_back: 0,
        hop_ns: 0.0,
        hop_with_journal_ns: 0.0,
    })
}
