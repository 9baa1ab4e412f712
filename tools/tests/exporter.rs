//! `exporter`: what it serves, a real Prometheus that scrapes it, and the alert rules.

mod common;

use common::{Background, Place, producer, quote, wait_for};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Starts an exporter on a port of its own; its address.
fn exporter(place: &Place) -> (Background, String) {
    let mut exporter = place.start(&["exporter", "--listen", "127.0.0.1:0"]);
    let output = exporter.0.stdout.take().expect("its output is captured");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("a line");
    let address = line
        .trim()
        .strip_prefix("serving http://")
        .and_then(|rest| rest.strip_suffix("/metrics"))
        .unwrap_or_else(|| panic!("no address in {line}"))
        .to_owned();
    (exporter, address)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

#[test]
fn a_scrape_shows_the_fabrics_that_are_there_now() {
    let place = Place::new();
    let (mut exporter, address) = exporter(&place);
    assert!(get(&address, "/").starts_with("HTTP/1.1 404"));
    assert!(!get(&address, "/metrics").contains("fabric="));
    let (fabric, _sequencer) = place.fabric("measured");
    let mut feed = producer(&fabric, "feed");
    for price in 0..10 {
        quote(&mut feed, price);
    }
    let text = wait_for("the messages", || {
        let text = get(&address, "/metrics");
        text.contains("selvedge_source_messages_total{fabric=\"measured\",source=\"feed\"} 10")
            .then_some(text)
    });
    for part in [
        "openmetrics-text",
        "# TYPE selvedge_stream_frames counter",
        "selvedge_sequencer_up{fabric=\"measured\"} 1.0",
        "selvedge_source_up{fabric=\"measured\",source=\"feed\"} 1.0",
        "selvedge_source_ring_fill_ratio{fabric=\"measured\",source=\"feed\"} 0.0",
        "# UNIT selvedge_publish_to_sequenced_seconds seconds",
        "selvedge_publish_to_sequenced_seconds_bucket{le=\"+Inf\",fabric=\"measured\",source=\"feed\"}",
        "selvedge_clock_offset_seconds{fabric=\"measured\"}",
        "# EOF",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    // One that was removed and made anew is not taken for the old one.
    drop(feed);
    place.ok(&["remove", "measured", "--force"]);
    assert!(!get(&address, "/metrics").contains("measured"));
    assert!(exporter.terminate().success());
}

#[test]
fn the_journal_the_duty_cycles_and_errors_are_served() {
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("journaled");
    let disk = tempfile::tempdir().expect("a directory on disk");
    let directory = disk.path().to_str().expect("UTF-8");
    let mut journal = place.start(&[
        "journal",
        "record",
        "journaled",
        directory,
        "--reserve-mib",
        "3",
    ]);
    let (_exporter, address) = exporter(&place);
    let mut feed = producer(&fabric, "feed");
    for price in 0..10 {
        quote(&mut feed, price);
    }
    let text = wait_for("the journal to have it all", || {
        let text = get(&address, "/metrics");
        (text.contains("selvedge_source_messages_total{fabric=\"journaled\",source=\"feed\"} 10")
            && text.contains("selvedge_journal_durable_lag_frames{fabric=\"journaled\"} 0.0"))
        .then_some(text)
    });
    for part in [
        "selvedge_journal_up{fabric=\"journaled\"} 1.0",
        "selvedge_journal_recorded_lag_frames{fabric=\"journaled\"} 0.0",
        "selvedge_journal_recorded_lag_seconds{fabric=\"journaled\"} 0.0",
        "selvedge_journal_durable_lag_seconds{fabric=\"journaled\"} 0.0",
        "# UNIT selvedge_journal_durable_lag_seconds seconds",
        "selvedge_journal_disk_keep_free_bytes{fabric=\"journaled\"} 3145728.0",
        "selvedge_journal_disk_free_bytes{fabric=\"journaled\"}",
        "selvedge_journal_gaps_total{fabric=\"journaled\"} 0",
        "# TYPE selvedge_sequencer_duty_cycles counter",
        "selvedge_sequencer_busy_duty_cycles_total{fabric=\"journaled\"}",
        "selvedge_source_ring_full_samples_total{fabric=\"journaled\",source=\"feed\"} 0",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    // Its death is seen in the metric that the alert rule uses, and is an error with a count.
    journal.signal(nix::sys::signal::Signal::SIGKILL);
    journal.wait();
    wait_for("the journal's death", || {
        let text = get(&address, "/metrics");
        (text.contains("selvedge_journal_up{fabric=\"journaled\"} 0.0")
            && text.contains(
                "selvedge_errors_total{fabric=\"journaled\",agent=\"sequencer\",error=\"died\",subject=\"journal\"} 1",
            ))
        .then_some(())
    });
}

#[test]
fn a_real_prometheus_scrapes_it() {
    if !installed("prometheus") {
        eprintln!("skipped: prometheus is not installed");
        return;
    }
    let place = Place::new();
    let (fabric, _sequencer) = place.fabric("scraped");
    let mut feed = producer(&fabric, "feed");
    for price in 0..25 {
        quote(&mut feed, price);
    }
    let (_exporter, address) = exporter(&place);
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tuning/selvedge.rules.yml");
    let config = place.path().join("prometheus.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
             rule_files: [\"{rules}\"]\n\
             scrape_configs: [{{job_name: selvedge, static_configs: [{{targets: [\"{address}\"]}}]}}]\n"
        ),
    )
    .expect("the configuration");
    let _prometheus = Background(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                place.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus starts"),
    );
    let ask = |query: &str| -> Option<String> {
        TcpStream::connect(("127.0.0.1", port)).ok()?;
        Some(get(
            &format!("127.0.0.1:{port}"),
            &format!("/api/v1/{query}"),
        ))
    };
    wait_for("the counter in Prometheus", || {
        ask("query?query=selvedge_source_messages_total")
            .filter(|answer| answer.contains("\"source\":\"feed\"") && answer.contains("\"25\""))
    });
    wait_for("the histogram in Prometheus", || {
        ask("query?query=selvedge_publish_to_sequenced_seconds_count")
            .filter(|answer| answer.contains("\"source\":\"feed\""))
    });
    wait_for("the target's health", || {
        ask("targets").filter(|answer| answer.contains("\"health\":\"up\""))
    });
    wait_for("the rules", || {
        ask("rules").filter(|answer| {
            answer.contains("SelvedgeSequencerDown") && answer.contains("\"health\":\"ok\"")
        })
    });
}

#[test]
fn the_alert_rules_are_rules_and_use_metrics_that_there_are() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../tuning/selvedge.rules.yml");
    if installed("promtool") {
        let checked = Command::new("promtool")
            .args(["check", "rules", rules])
            .output()
            .expect("it runs");
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stderr)
        );
        let tests = rules.replace("rules.yml", "rules.test.yml");
        let tested = Command::new("promtool")
            .args(["test", "rules", &tests])
            .output()
            .expect("it runs");
        assert!(
            tested.status.success(),
            "{}{}",
            String::from_utf8_lossy(&tested.stdout),
            String::from_utf8_lossy(&tested.stderr)
        );
    } else {
        eprintln!("promtool is not installed: the rules' syntax is not checked");
    }
    let source = concat!(
        include_str!("../src/exporter/metrics.rs"),
        "up" // Prometheus' own.
    );
    let text = std::fs::read_to_string(rules).expect("the rules");
    let mut expressions = 0;
    for line in text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "))
    {
        expressions += 1;
        for word in line.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            if let Some(name) = word.strip_prefix("selvedge_") {
                let name = name.trim_end_matches("_total");
                let name = name.trim_end_matches("_bytes").trim_end_matches("_seconds");
                assert!(source.contains(&format!("\"{name}\"")), "no metric {name}");
            }
        }
    }
    assert!(expressions >= 10);
}
