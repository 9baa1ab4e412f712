//! Pictures as SVG, inside the report.

use crate::recorder::Bucket;
use hdrhistogram::Histogram;
use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;

/// Colours that colour-blind people can tell apart (Okabe and Ito), the limit's grey first.
const COLOURS: [&str; 5] = ["#767676", "#0072B2", "#D55E00", "#009E73", "#CC79A7"];

/// The colour of curve `index`; the limit's is number 0.
pub fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// A distribution as it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// What.
    pub histogram: &'a Histogram<u64>,
    /// Its colour.
    pub colour: &'a str,
    /// Whether it is a limit, which is dashed.
    pub limit: bool,
}

/// A logarithmic axis of nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    height: f64,
}

/// Steps within a power of ten that get a line.
const STEPS: [f64; 3] = [1.0, 2.0, 5.0];

impl Axis {
    /// Covers everything from `low` to `high` nanoseconds, from one labelled line to another.
    fn new(low: f64, high: f64, height: f64) -> Self {
        let low = low.max(1.0);
        let high = high.max(low * 2.0);
        let below = marks(low / 10.0, low).last().copied().unwrap_or(low);
        let above = marks(high, high * 10.0).first().copied().unwrap_or(high);
        Axis {
            low: below,
            high: above,
            height,
        }
    }

    fn y(&self, ns: f64) -> f64 {
        let share = (ns.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        TOP + self.height * (1.0 - share.min(1.0))
    }

    fn draw(&self, svg: &mut String) {
        let marks = marks(self.low, self.high);
        // With many powers of ten only those get a line.
        let sparse = marks.len() > 12;
        for mark in marks {
            let power = (mark.log10().round() - mark.log10()).abs() < 1e-9;
            if sparse && !power {
                continue;
            }
            let y = self.y(mark);
            let _ = write!(
                svg,
                r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                duration(mark)
            );
        }
    }
}

/// The numbers 1, 2 and 5 times powers of ten from `low` to `high`.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let mut marks = Vec::new();
    let mut power = 10f64.powf(low.log10().floor());
    while power <= high * 1.000_001 {
        for step in STEPS {
            let mark = power * step;
            if (low * 0.999_999..=high * 1.000_001).contains(&mark) {
                marks.push(mark);
            }
        }
        power *= 10.0;
    }
    marks
}

/// Nanoseconds for people.
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        0.0 => return "0".to_owned(),
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    if value < 10.0 && (value - value.round()).abs() > 0.05 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

fn open(svg: &mut String, height: f64, label: &str) {
    let _ = write!(
        svg,
        r#"<svg viewBox="0 0 {WIDTH} {:.0}" role="img" aria-label="{label}">"#,
        height + TOP + BOTTOM
    );
}

/// Percentile curves: how slow the slowest are, the further to the right the rarer.
pub fn percentiles(curves: &[Drawn<'_>], label: &str) -> String {
    const HEIGHT: f64 = 340.0;
    let most = curves.iter().map(|c| c.histogram.len()).max().unwrap_or(1);
    // As far to the right as there are samples to tell.
    let nines = (most.max(10) as f64).log10().ceil().clamp(2.0, 8.0);
    let low = curves
        .iter()
        .map(|c| c.histogram.value_at_quantile(0.0))
        .min()
        .unwrap_or(1);
    let high = curves.iter().map(|c| c.histogram.max()).max().unwrap_or(10);
    let axis = Axis::new(low as f64, high as f64, HEIGHT);
    let x = |quantile: f64| {
        let rarity = (1.0 / (1.0 - quantile).max(1e-12)).log10().min(nines);
        LEFT + (WIDTH - LEFT - RIGHT) * rarity / nines
    };
    let mut svg = String::new();
    open(&mut svg, HEIGHT, &format!("{label} by percentile"));
    axis.draw(&mut svg);
    for nine in 0..=nines as i32 {
        let share = 1.0 - 10f64.powi(-nine);
        let at = x(share);
        let label = match nine {
            0 => "0 %".to_owned(),
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            _ => format!("99.{} %", "9".repeat(nine as usize - 2)),
        };
        let bottom = TOP + HEIGHT;
        let anchor = if nine == nines as i32 {
            "end"
        } else {
            "middle"
        };
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{bottom:.1}"/><text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{label}</text>"#,
            if nine == nines as i32 {
                WIDTH - 2.0
            } else {
                at
            },
            bottom + 18.0
        );
    }
    for curve in curves {
        let histogram = curve.histogram;
        let mut points = String::new();
        let steps = 400;
        let own = (histogram.len().max(10) as f64).log10().min(nines);
        for step in 0..=steps {
            let rarity = own * f64::from(step) / f64::from(steps);
            let quantile = 1.0 - 10f64.powf(-rarity);
            let value = histogram.value_at_quantile(quantile) as f64;
            let _ = write!(points, "{:.1},{:.1} ", x(quantile), axis.y(value));
        }
        let dashes = if curve.limit {
            r#" stroke-dasharray="6 4""#
        } else {
            ""
        };
        let _ = write!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{}" stroke-width="2"{dashes}/>"#,
            points.trim_end(),
            curve.colour
        );
    }
    svg.push_str("</svg>");
    svg
}

/// The slowest of each part of the time as a bar, the mean as a line.
pub fn strip(buckets: &[Bucket], time: Duration, colour: &str, label: &str) -> String {
    const HEIGHT: f64 = 190.0;
    let mean = |bucket: &Bucket| bucket.sum_ns as f64 / bucket.count.max(1) as f64;
    let filled = || buckets.iter().filter(|bucket| bucket.count > 0);
    let low = filled().map(mean).fold(f64::INFINITY, f64::min);
    let high = filled().map(|b| b.max_ns as f64).fold(1.0, f64::max);
    let axis = Axis::new(if low.is_finite() { low / 1.5 } else { 1.0 }, high, HEIGHT);
    let wide = WIDTH - LEFT - RIGHT;
    let step = wide / buckets.len().max(1) as f64;
    let mut svg = String::new();
    open(&mut svg, HEIGHT, &format!("{label} over time"));
    axis.draw(&mut svg);
    let bottom = TOP + HEIGHT;
    let mut line = String::new();
    for (index, bucket) in buckets.iter().enumerate() {
        if bucket.count == 0 {
            continue;
        }
        let x = LEFT + step * index as f64;
        let top = axis.y(bucket.max_ns as f64);
        let _ = write!(
            svg,
            r#"<rect x="{x:.2}" y="{top:.1}" width="{:.2}" height="{:.1}" fill="{colour}" opacity="0.45"/>"#,
            step.max(0.8),
            bottom - top
        );
        let _ = write!(line, "{:.1},{:.1} ", x + step / 2.0, axis.y(mean(bucket)));
    }
    let _ = write!(
        svg,
        r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#,
        line.trim_end()
    );
    let seconds = time.as_secs_f64();
    for part in 0..=10 {
        let at = LEFT + wide * f64::from(part) / 10.0;
        let _ = write!(
            svg,
            r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
            bottom + 18.0,
            duration(seconds * 1e9 * f64::from(part) / 10.0)
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_begin_and_end_on_labelled_lines() {
        let axis = Axis::new(130.0, 42_000.0, 100.0);
        assert_eq!((axis.low.round(), axis.high.round()), (100.0, 50_000.0));
        assert!((axis.y(100.0) - (TOP + 100.0)).abs() < 1e-6);
        assert!((axis.y(50_000.0) - TOP).abs() < 1e-6);
        assert!(axis.y(1.0) <= TOP + 100.0 && axis.y(1e12) >= TOP);
    }

    #[test]
    fn durations_are_readable() {
        let texts = [0.0, 150.0, 2_500.0, 1e6, 3e9].map(duration);
        assert_eq!(texts, ["0", "150 ns", "2.5 µs", "1 ms", "3 s"]);
    }

    #[test]
    fn pictures_of_nothing_are_still_pictures() {
        let empty = Histogram::<u64>::new_with_bounds(1, 1000, 3).expect("one");
        let nothing = Drawn {
            histogram: &empty,
            colour: "red",
            limit: false,
        };
        let second = Duration::from_secs(1);
        assert!(percentiles(&[nothing], "time").ends_with("</svg>"));
        assert!(strip(&[], second, colour(1), "time").ends_with("</svg>"));
        assert!(!strip(&[Bucket::default(); 3], second, "red", "time").contains("NaN"));
    }
}
