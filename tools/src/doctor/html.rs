//! The doctor's report as a page that needs nothing else: no script, no network.

use super::finding::{Finding, Severity};
use super::measured::{GAP_BOUNDS_NS, LatencyMatrix, Measured};
use super::print::{heat, short, summary};
use crate::text::duration;
use std::fmt::Write as _;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .6rem;text-align:right}
th{font-weight:600;color:#555}section{border-left:4px solid #bbb;padding:.1rem 1rem;margin:1rem 0}
.error{border-color:#c62828}.warning{border-color:#ef9a00}.note{border-color:#5c8fc7}
h3{margin:.4rem 0}dl{display:grid;grid-template-columns:6rem 1fr;margin:.3rem 0}
dt{color:#777}dd{margin:0}.remedy{background:#f4f5f6;border-radius:4px;padding:.1rem .5rem;\
margin:.15rem 0 .15rem -.5rem;overflow-wrap:anywhere}
small{font-size:.72em;font-weight:600;color:#fff;border-radius:3px;padding:.05rem .45rem;\
margin-left:.4rem;vertical-align:middle}
.error small{background:#c62828}.warning small{background:#b26a00}.note small{background:#5c8fc7}
td.heat{min-width:2.6rem}";

/// The page.
pub fn page(findings: &[Finding], measured: Option<&Measured>) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>selvedge doctor</title><style>{STYLE}</style></head><body>\n\
         <h1>selvedge doctor</h1><p>{}</p>\n",
        summary(findings)
    );
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        for finding in findings
            .iter()
            .filter(|finding| finding.severity == severity)
        {
            write_finding(&mut html, finding);
        }
    }
    let mut fine: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Ok)
        .map(|finding| finding.check)
        .collect();
    fine.dedup();
    // Writing into a string does not fail.
    let _ = writeln!(html, "<p>fine: {}</p>", fine.join(", "));
    if let Some(measured) = measured {
        write_jitter(&mut html, measured);
        write_matrix(&mut html, &measured.core_to_core);
    }
    html.push_str("</body></html>\n");
    html
}

fn write_finding(html: &mut String, finding: &Finding) {
    let class = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note | Severity::Ok => "note",
    };
    let _ = write!(
        html,
        "<section class=\"{class}\"><h3>{} <small>{class}</small></h3><dl>",
        finding.check
    );
    for (label, value) in [
        ("found", &finding.found),
        ("expected", &finding.expected),
        ("why", &finding.why),
    ] {
        let _ = write!(html, "<dt>{label}</dt><dd>{}</dd>", escape(value));
    }
    if !finding.remedy.is_empty() {
        let _ = write!(
            html,
            "<dt>remedy</dt><dd class=\"remedy\">{}</dd>",
            escape(&finding.remedy)
        );
    }
    html.push_str("</dl></section>\n");
}

fn write_jitter(html: &mut String, measured: &Measured) {
    let _ = write!(
        html,
        "<h2>What preempts a core that spins: gaps in {:.1} s</h2><table><tr><th>core</th>",
        measured.seconds
    );
    for bound in GAP_BOUNDS_NS {
        let _ = write!(html, "<th>≥\u{a0}{}</th>", short(bound));
    }
    html.push_str("<th>longest</th></tr>\n");
    for core in &measured.jitter {
        let _ = write!(html, "<tr><th>{}</th>", core.core);
        for count in core.gaps {
            let _ = write!(html, "<td>{count}</td>");
        }
        let _ = writeln!(html, "<td>{}</td></tr>", duration(core.longest_ns));
    }
    html.push_str("</table>\n");
}

fn write_matrix(html: &mut String, matrix: &LatencyMatrix) {
    let Some((least, most)) = matrix.range() else {
        return;
    };
    html.push_str("<h2>A cache line from core to core, ns</h2><table><tr><th></th>");
    for core in &matrix.cores {
        let _ = write!(html, "<th>{core}</th>");
    }
    html.push_str("</tr>\n");
    for (row, core) in matrix.cores.iter().enumerate() {
        let _ = write!(html, "<tr><th>{core}</th>");
        for cell in &matrix.ns[row] {
            match cell {
                None => html.push_str("<td>–</td>"),
                Some(ns) => {
                    // Hue 130 is green, 0 red.
                    let hue = 130.0 * (1.0 - heat(*ns, least, most));
                    let _ = write!(
                        html,
                        "<td class=\"heat\" style=\"background:hsl({hue:.0} 70% 75%)\">{ns:.0}</td>"
                    );
                }
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_escapes_what_the_host_says() {
        let finding = Finding::new("swap", Severity::Warning)
            .found("<b>&")
            .remedy("echo 1 > /proc/x");
        let html = page(&[finding], None);
        assert!(html.contains("&lt;b&gt;&amp;"), "{html}");
        assert!(html.contains("remedy\">echo 1 &gt; /proc/x</dd>"), "{html}");
    }
}
