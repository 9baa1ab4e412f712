//! `journal`: record, verify, digest, dump.

use crate::error::{Result, ToolError};
use clap::{Args, Subcommand};
use selvedge_fabric::Fabric;
use selvedge_fabric::agent::{Agent, Progress};
use selvedge_fabric::frame::FrameHeader;
use selvedge_fabric::host::IdleStrategy;
use selvedge_fabric::host::affinity::pin_current_thread;
use selvedge_fabric::message::{FieldKind, FieldSchema, MessageSchema};
use selvedge_journal::{
    JournalAgent, JournalConfig, JournalReader, Verdict, VerifyOptions, digest, verify,
};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Options of `journal`.
#[derive(Args, Clone, Debug)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum JournalCommand {
    /// Write the stream of a fabric into a directory, until the stream ends
    Record {
        /// The fabric's name.
        fabric: String,
        /// The journal's directory; a journal that is there is continued.
        directory: PathBuf,
        /// Pin to this core.
        #[arg(long)]
        core: Option<usize>,
        /// What to do when there is nothing to do: busy, pause, yield or park.
        #[arg(long, default_value_t = IdleStrategy::Park)]
        idle: IdleStrategy,
    },
    /// Check every byte
    Verify {
        /// The journal's directory.
        directory: PathBuf,
    },
    /// One hash over the frames: the same for two recordings of the same stream
    Digest {
        /// The journal's directory.
        directory: PathBuf,
        /// First sequence.
        #[arg(long)]
        from: Option<u64>,
        /// Last sequence.
        #[arg(long)]
        to: Option<u64>,
    },
    /// Print messages, decoded by the field tables in the journal
    Dump {
        /// The journal's directory.
        directory: PathBuf,
        /// First sequence.
        #[arg(long)]
        from: Option<u64>,
        /// How many frames at most.
        #[arg(long, default_value_t = u64::MAX)]
        limit: u64,
    },
}

/// Runs a `journal` command.
pub fn run(args: &JournalArgs) -> Result<()> {
    match &args.command {
        JournalCommand::Record {
            fabric,
            directory,
            core,
            idle,
        } => {
            if let Some(core) = core {
                pin_current_thread(*core)?;
            }
            let fabric = Fabric::attach(fabric)?;
            let mut agent = JournalAgent::new(&fabric, directory, &JournalConfig::default())?;
            let mut idle_rounds = 0;
            loop {
                match agent.do_work().map_err(ToolError::role("journal"))? {
                    Progress::Finished => break,
                    Progress::Worked => idle_rounds = 0,
                    Progress::Idle => {
                        idle.idle(idle_rounds);
                        idle_rounds += 1;
                    }
                }
            }
            println!("the stream has ended; {} frames recorded", agent.frames());
            Ok(())
        }
        JournalCommand::Verify { directory } => {
            let report = verify(directory, &VerifyOptions::default(), &mut |_| {})?;
            println!(
                "{} frames ({} to {}) in {} segments, {} of them sealed",
                report.frames,
                report.first_sequence,
                report.last_sequence,
                report.segments,
                report.sealed_segments
            );
            match report.verdict {
                Verdict::Sealed => println!("every byte is right"),
                Verdict::Open => println!("every byte is right; the last segment is not sealed"),
                Verdict::TornTail => {
                    println!(
                        "right up to a torn tail, as a crash leaves it: {:?}",
                        report.torn_tail
                    )
                }
                Verdict::Damaged => {
                    for damage in &report.damage {
                        println!("{damage:?}");
                    }
                    return Err(ToolError::JournalDamaged {
                        journal: directory.display().to_string(),
                        detail: format!(
                            "{} places, listed above",
                            report.damage.len() as u64 + report.more_damage
                        ),
                    });
                }
            }
            Ok(())
        }
        JournalCommand::Digest {
            directory,
            from,
            to,
        } => {
            let digest = digest(directory, *from, *to)?;
            let text: String = digest
                .hash
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            println!(
                "{text}  {} to {}",
                digest.first_sequence, digest.last_sequence
            );
            Ok(())
        }
        JournalCommand::Dump {
            directory,
            from,
            limit,
        } => dump(directory, *from, *limit),
    }
}

fn dump(directory: &std::path::Path, from: Option<u64>, limit: u64) -> Result<()> {
    let mut reader = JournalReader::open(directory)?;
    if let Some(from) = from {
        reader.seek(from)?;
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut line = String::new();
    for _ in 0..limit {
        let Some((header, payload)) = reader.next()? else {
            break;
        };
        let payload = payload.to_vec();
        line.clear();
        let dictionary = reader.dictionary();
        let source = dictionary
            .source(header.source())
            .unwrap_or(match header.source() {
                0 => "(fabric)",
                _ => "?",
            });
        describe(
            &header,
            source,
            dictionary.schema(header.message_type()),
            &payload,
            &mut line,
        );
        if writeln!(out, "{line}").is_err() {
            // The reader of a pipe has gone.
            return Ok(());
        }
    }
    Ok(())
}

fn describe(
    header: &FrameHeader,
    source: &str,
    schema: Option<&MessageSchema>,
    payload: &[u8],
    line: &mut String,
) {
    // Writing into a string does not fail.
    let _ = write!(
        line,
        "{:>10} {} {source}#{} ",
        header.sequence(),
        header.timestamp(),
        header.source_sequence()
    );
    let Some(schema) = schema else {
        let _ = write!(
            line,
            "type {:#06x}, {} bytes",
            header.message_type(),
            payload.len()
        );
        return;
    };
    line.push_str(&schema.name);
    for field in &schema.fields {
        let start = field.offset as usize;
        if let Some(bytes) = payload.get(start..start + field.size as usize) {
            let _ = write!(line, " {}={}", field.name, value(field, bytes));
        }
    }
}

/// A field's value as text.
fn value(field: &FieldSchema, bytes: &[u8]) -> String {
    let mut wide = [0; 8];
    let fits = bytes.len() <= 8;
    if fits {
        wide[..bytes.len()].copy_from_slice(bytes);
    }
    match field.kind {
        FieldKind::Unsigned if fits => scaled(i128::from(u64::from_le_bytes(wide)), field.scale),
        FieldKind::Signed if fits => {
            let shift = 64 - 8 * bytes.len().max(1) as u32;
            scaled(
                i128::from(i64::from_le_bytes(wide) << shift >> shift),
                field.scale,
            )
        }
        FieldKind::Float if bytes.len() == 8 => f64::from_le_bytes(wide).to_string(),
        FieldKind::Float if bytes.len() == 4 => {
            f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]).to_string()
        }
        FieldKind::Text => {
            let text = String::from_utf8_lossy(bytes);
            format!("{:?}", text.trim_end_matches([' ', '\0']))
        }
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// `integer` times ten to the power `scale`.
fn scaled(integer: i128, scale: i8) -> String {
    if scale >= 0 {
        return format!(
            "{integer}{}",
            "0".repeat(if integer == 0 { 0 } else { scale as usize })
        );
    }
    let digits = scale.unsigned_abs() as usize;
    let text = format!("{:0width$}", integer.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let sign = if integer < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_integers_are_decimals() {
        assert_eq!(scaled(5_850_000, -4), "585.0000");
        assert_eq!(scaled(-1, -4), "-0.0001");
        assert_eq!(scaled(12, 2), "1200");
        assert_eq!(scaled(0, 2), "0");
        assert_eq!(scaled(7, 0), "7");
    }

    #[test]
    fn signed_fields_keep_their_sign() {
        let field = FieldSchema {
            name: "x".to_owned(),
            offset: 0,
            size: 2,
            kind: FieldKind::Signed,
            scale: 0,
            dictionary: String::new(),
        };
        assert_eq!(value(&field, &(-5i16).to_le_bytes()), "-5");
    }
}
