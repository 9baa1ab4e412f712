//! The report: figures on the terminal, `.hgrm` files, and one self-contained HTML page.

use super::hgrm::{QUANTILES, distribution, summary};
use super::plot::{Drawn, colour, duration, percentiles, strip};
use super::sender::Schedule;
use crate::clock::Clock;
use crate::cores::CorePair;
use crate::disturbance::Disturbance;
use crate::error::{MeasureError, Result};
use crate::host::HostSettings;
use crate::recorder::{Bucket, histogram};
use crate::scenarios::RawWord;
use hdrhistogram::Histogram;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// How long the raw limit is measured.
const RAW_DURATION: Duration = Duration::from_secs(1);

/// The most often that the raw limit's word is sent in a second: it has to be back before it is sent
/// again.
const MOST_RAW: u64 = 1_000_000;

/// A distribution with its name.
#[derive(Clone, Debug)]
pub struct Curve {
    name: String,
    histogram: Histogram<u64>,
    limit: bool,
}

impl Curve {
    /// One that was measured.
    pub fn measured(name: &str, histogram: Histogram<u64>) -> Self {
        Curve {
            name: name.to_owned(),
            histogram,
            limit: false,
        }
    }

    /// The limit to compare with; it comes first.
    pub fn limit(name: &str, histogram: Histogram<u64>) -> Self {
        Curve {
            limit: true,
            ..Curve::measured(name, histogram)
        }
    }
}

/// What the samples of the distributions are.
#[derive(Clone, Debug)]
struct Samples {
    /// Several of them.
    many: String,
    /// The slowest in a part of the time.
    slowest: &'static str,
    /// What is measured of each.
    measured: &'static str,
}

/// What the raw limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawTrip {
    /// Half of the way there and back.
    OneWay,
    /// The whole of it.
    ThereAndBack,
}

/// The raw limit of two cores: one atomic word, sent at planned times as the messages are, and
/// counted from the planned time as they are. There is only one word: it is sent no more often than
/// [`MOST_RAW`] times a second.
pub fn raw_limit(cores: CorePair, rate: u64, trip: RawTrip) -> Result<Curve> {
    let rate = rate.min(MOST_RAW);
    let share = match trip {
        RawTrip::OneWay => 0.5,
        RawTrip::ThereAndBack => 1.0,
    };
    let mut histogram = histogram()?;
    RawWord::at_will(cores, |bounce| {
        let clock = Clock::best();
        let schedule = Schedule::new(clock.now(), rate, RAW_DURATION);
        for number in 1..=schedule.total() {
            let planned = schedule.planned(number);
            let mut sent = clock.now();
            while sent < planned {
                sent = clock.now();
            }
            bounce()?;
            let trip = clock.ns(clock.now() - sent);
            let late = clock.ns(sent - planned);
            histogram.saturating_record(((late + share * trip) as u64).max(1));
        }
        Ok(())
    })?;
    let way = match trip {
        RawTrip::OneWay => "one way",
        RawTrip::ThereAndBack => "there and back",
    };
    Ok(Curve::limit(
        &format!("raw limit: one atomic word, {way}, {rate} a second"),
        histogram,
    ))
}

/// Latency over time.
#[derive(Clone, Debug)]
pub struct Strip {
    /// Of what.
    pub name: String,
    /// Part by part.
    pub buckets: Vec<Bucket>,
    /// How long all parts are together.
    pub duration: Duration,
}

/// Rows of text under headings.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Above it, on the page.
    pub title: String,
    /// One for each column.
    pub heading: Vec<String>,
    /// Each with as many cells.
    pub rows: Vec<Vec<String>>,
}

/// Everything that is to be told about one measurement.
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    command: String,
    host: HostSettings,
    notes: Vec<String>,
    samples: Samples,
    curves: Vec<Curve>,
    strips: Vec<Strip>,
    tables: Vec<Table>,
}

impl Report {
    /// About `title`, measured on `cores`. The host is looked at now, before it is disturbed.
    pub fn new(title: &str, cores: &[usize]) -> Self {
        Report {
            title: title.to_owned(),
            command: command_line(),
            host: HostSettings::read(cores),
            notes: Vec::new(),
            samples: Samples {
                many: "messages".to_owned(),
                slowest: "message planned",
                measured: "latency",
            },
            curves: Vec::new(),
            strips: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Says that the distributions are of the times of batches of `messages`, not of messages.
    pub fn of_batches(&mut self, messages: u64) {
        self.samples = Samples {
            many: format!("batches of {messages} messages"),
            slowest: "batch begun",
            measured: "time of a batch",
        };
    }

    /// Adds what a reader should know.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds what disturbed the measurement, if anything did.
    pub fn disturbance(&mut self, disturbance: &Disturbance) {
        if let Some(reason) = disturbance.reason() {
            self.note(format!(
                "Disturbed: {reason}. Somebody else used these cores: the figures say as much about them as about the fabric."
            ));
        }
    }

    /// Adds a distribution; the limit comes first.
    pub fn curve(&mut self, curve: Curve) {
        self.curves.push(curve);
    }

    /// Adds latency over time.
    pub fn strip(&mut self, strip: Strip) {
        self.strips.push(strip);
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Prints everything and writes the files into `directory`.
    pub fn finish(&self, directory: &Path) -> Result<()> {
        print!("{}", self.text());
        std::fs::create_dir_all(directory).map_err(|error| {
            MeasureError::io(format!("create directory {}", directory.display()), error)
        })?;
        for curve in &self.curves {
            let path = directory.join(format!("{}-{}.hgrm", self.title, file_name(&curve.name)));
            write(&path, &distribution(&curve.histogram))?;
            println!("{}", path.display());
        }
        let path = directory.join(format!("{}.html", self.title));
        write(&path, &self.html())?;
        println!("{}", path.display());
        Ok(())
    }

    /// For a terminal.
    fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.command);
        for (name, value) in &self.host.settings {
            let _ = writeln!(text, "{name:<40}{value}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        for curve in &self.curves {
            let _ = write!(
                text,
                "\n{}",
                summary(&curve.name, &curve.histogram, &self.samples.many)
            );
        }
        if let Some(curve) = self.curves.iter().find(|curve| !curve.limit) {
            let _ = write!(
                text,
                "\n{}, in microseconds\n{}",
                curve.name,
                distribution(&curve.histogram)
            );
        }
        for table in &self.tables {
            text.push('\n');
            for row in std::iter::once(&table.heading).chain(&table.rows) {
                for cell in row {
                    let _ = write!(text, "{cell:<22} ");
                }
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }

    /// For a browser: everything in one file, nothing fetched.
    fn html(&self) -> String {
        let mut page = String::from(HEAD);
        let _ = write!(
            page,
            "<title>selvedge bench {0}</title></head><body><main><h1>selvedge bench {0}</h1><pre>{1}</pre>",
            escape(&self.title),
            escape(&self.command)
        );
        for note in &self.notes {
            let _ = write!(page, "<p>{}</p>", escape(note));
        }
        if !self.curves.is_empty() {
            self.curves_to(&mut page);
        }
        for strip_of in &self.strips {
            let of = self
                .curves
                .iter()
                .position(|curve| curve.name == strip_of.name)
                .unwrap_or(0);
            let _ = write!(
                page,
                "<h2>Over time: {}</h2><p class=\"how\">Bars: the slowest {} in each {}. Line: the mean.</p>{}",
                escape(&strip_of.name),
                self.samples.slowest,
                duration(
                    strip_of.duration.as_nanos() as f64 / strip_of.buckets.len().max(1) as f64
                ),
                strip(
                    &strip_of.buckets,
                    strip_of.duration,
                    self.colour(of),
                    self.samples.measured
                )
            );
        }
        for table in &self.tables {
            let _ = write!(page, "<h2>{}</h2>", escape(&table.title));
            html_table(&mut page, &table.heading, &table.rows, false);
        }
        page.push_str("<h2>Host</h2>");
        let rows: Vec<Vec<String>> = self
            .host
            .settings
            .iter()
            .map(|(name, value)| vec![name.clone(), value.clone()])
            .collect();
        html_table(&mut page, &[], &rows, false);
        page.push_str("</main></body></html>\n");
        page
    }

    /// The colour of curve `index`; the first is kept for a limit, whether there is one or not.
    fn colour(&self, index: usize) -> &'static str {
        let limits = self.curves.iter().take(1).filter(|curve| curve.limit);
        colour(index + 1 - limits.count())
    }

    fn curves_to(&self, page: &mut String) {
        page.push_str("<h2>By percentile</h2><p class=\"legend\">");
        for (index, curve) in self.curves.iter().enumerate() {
            let _ = write!(
                page,
                "<span><i style=\"background:{}\"></i>{}</span>",
                self.colour(index),
                escape(&curve.name)
            );
        }
        page.push_str("</p>");
        let drawn: Vec<Drawn<'_>> = self
            .curves
            .iter()
            .enumerate()
            .map(|(index, curve)| Drawn {
                histogram: &curve.histogram,
                colour: self.colour(index),
                limit: curve.limit,
            })
            .collect();
        page.push_str(&percentiles(&drawn, self.samples.measured));
        let limit = self.curves.iter().find(|curve| curve.limit);
        let mut heading = vec![String::new(), self.samples.many.clone()];
        heading.extend(QUANTILES.iter().map(|(label, _)| (*label).to_owned()));
        heading.push("max".to_owned());
        let mut rows = Vec::new();
        for curve in &self.curves {
            let histogram = &curve.histogram;
            let mut row = vec![curve.name.clone(), histogram.len().to_string()];
            let mut ratios = vec![format!("{}: × limit", curve.name), String::new()];
            for (_, quantile) in QUANTILES {
                let value = histogram.value_at_quantile(quantile);
                row.push(exact(value));
                let of_limit = limit
                    .map(|limit| limit.histogram.value_at_quantile(quantile))
                    .filter(|&of_limit| of_limit > 0);
                ratios.push(of_limit.map_or_else(String::new, |of_limit| {
                    format!("{:.2}", value as f64 / of_limit as f64)
                }));
            }
            row.push(exact(histogram.max()));
            rows.push(row);
            if !curve.limit && limit.is_some() {
                ratios.push(String::new());
                rows.push(ratios);
            }
        }
        html_table(page, &heading, &rows, true);
    }
}

/// Nanoseconds with thousands set apart; from 10 ms on milliseconds, which are exact enough.
fn exact(ns: u64) -> String {
    if ns >= 10_000_000 {
        return format!("{:.2} ms", ns as f64 / 1e6);
    }
    let digits = ns.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text + " ns"
}

fn html_table(page: &mut String, heading: &[String], rows: &[Vec<String>], figures: bool) {
    let class = if figures { " class=\"figures\"" } else { "" };
    let _ = write!(page, "<div class=\"wide\"><table{class}>");
    for (cells, tag) in std::iter::once((heading, "th"))
        .filter(|(cells, _)| !cells.is_empty())
        .chain(rows.iter().map(|row| (row.as_slice(), "td")))
    {
        page.push_str("<tr>");
        for cell in cells {
            let _ = write!(page, "<{tag}>{}</{tag}>", escape(cell));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table></div>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// What was typed: the program by its name, wherever it lies.
fn command_line() -> String {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map_or_else(
        || program.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    std::iter::once(name)
        .chain(arguments)
        .map(|argument| quoted(&argument))
        .collect::<Vec<_>>()
        .join(" ")
}

/// As a shell would need it.
fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./,=:+@%".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

fn file_name(name: &str) -> String {
    let name = name.split(':').next().unwrap_or(name);
    name.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect::<String>()
        .trim_matches('-')
        .to_owned()
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|error| MeasureError::io(format!("write {}", path.display()), error))
}

const HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root{color-scheme:light}
body{margin:0;background:#fff;color:#1c1c1c;font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:980px;margin:32px auto;padding:0 20px}
h1{font-size:24px;margin:0 0 12px}h2{font-size:17px;margin:32px 0 8px}
pre{background:#f4f4f4;border-radius:6px;padding:10px 14px;overflow-x:auto;font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}svg text{font-size:12px;fill:#444}
.grid{stroke:#e4e4e4;stroke-width:1}
.legend span{margin-right:22px;white-space:nowrap}.legend i{display:inline-block;width:22px;height:4px;border-radius:2px;margin-right:7px;vertical-align:middle}
.how{color:#555;margin:0 0 4px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;margin-top:10px}
td,th{padding:5px 10px 5px 0;border-bottom:1px solid #ececec;text-align:left;vertical-align:top}
th{font-weight:600}
.figures{font-variant-numeric:tabular-nums}.figures td:not(:first-child),.figures th:not(:first-child){text-align:right;white-space:nowrap;padding-left:8px;padding-right:0}
</style>"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut histogram = histogram().expect("a histogram");
        for value in 1..10_000 {
            histogram.saturating_record(200 + value / 10);
        }
        let mut report = Report::new("latency", &[0, 1]);
        report.curve(Curve::limit("raw limit: one word", histogram.clone()));
        report.curve(Curve::measured("ring", histogram));
        report.note("a note with <angles> & \"quotes\"");
        report.strip(Strip {
            name: "ring".to_owned(),
            buckets: vec![
                Bucket {
                    count: 1,
                    sum_ns: 300,
                    max_ns: 300
                };
                10
            ],
            duration: Duration::from_secs(1),
        });
        report
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = report().html();
        for outside in ["http:", "https:", "src=", "href=", "url(", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("&lt;angles&gt; &amp; &quot;quotes&quot;"));
        assert!(page.contains("<svg") && page.ends_with("</html>\n"));
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn a_report_of_batches_says_so_and_dashes_nothing_without_a_limit() {
        let with_limit = report();
        assert_eq!(with_limit.colour(0), colour(0));
        assert!(with_limit.html().contains("stroke-dasharray"));
        let mut batches = Report::new("throughput", &[0, 1]);
        batches.of_batches(1024);
        let histogram = histogram().expect("a histogram");
        batches.curve(Curve::measured("ring", histogram.clone()));
        batches.curve(Curve::measured("sequenced", histogram));
        assert_eq!(
            [batches.colour(0), batches.colour(1)],
            [colour(1), colour(2)]
        );
        let page = batches.html();
        assert!(page.contains("time of a batch by percentile"));
        assert!(page.contains("<th>batches of 1024 messages</th>"));
        assert!(!page.contains("stroke-dasharray"));
    }

    #[test]
    fn files_are_written() {
        let directory = tempfile::tempdir().expect("a directory");
        report().finish(directory.path()).expect("a report");
        for name in [
            "latency.html",
            "latency-ring.hgrm",
            "latency-raw-limit.hgrm",
        ] {
            assert!(directory.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn arguments_are_quoted_as_a_shell_needs_them() {
        assert_eq!(quoted("--cores=1,2"), "--cores=1,2");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(exact(1_234_567), "1\u{202f}234\u{202f}567 ns");
        assert_eq!(exact(45_842_431), "45.84 ms");
    }
}
