//! `exporter`: the fabrics of this host as metrics, for Prometheus.

mod metrics;
mod series;

use crate::error::{Result, ToolError};
use crate::locate::Location;
use crate::observe::Watcher;
use clap::Args;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tiny_http::{Header, Response, Server, StatusCode};

/// How often the exporter looks whether it is to end, and whether rings are full.
const PERIOD: Duration = Duration::from_millis(200);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Options of `exporter`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Serves /metrics. A scrape reads files that others write anyway, and five times
a second it is looked whether rings are full: next to nothing for the fabrics.
Alert rules are in tuning/selvedge.rules.yml.

Examples:
  selvedge exporter                           every fabric, on 127.0.0.1:9469
  selvedge exporter trading --listen 0.0.0.0:9469
  curl -s localhost:9469/metrics | grep selvedge_")]
pub struct ExporterArgs {
    /// Names or topology files; every fabric of this host unless said.
    fabrics: Vec<String>,
    /// Where to listen. With port 0 the port is chosen, and printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9469")]
    listen: SocketAddr,
}

/// Serves until told to stop.
pub fn run(args: &ExporterArgs) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, stop.clone())
            .map_err(ToolError::host("handle signals"))?;
    }
    let listen = |error: Box<dyn std::error::Error + Send + Sync>| {
        ToolError::host(format!(
            "listen on {} (choose another with --listen)",
            args.listen
        ))(std::io::Error::other(error))
    };
    let server = Server::http(args.listen).map_err(listen)?;
    println!("serving http://{}/metrics", server.server_addr());
    let mut watchers = Watchers::new(&args.fabrics)?;
    for location in watchers.named.iter().flatten() {
        if let Err(error) = location.attach() {
            eprintln!("note: {error}; it is served once it is there");
        }
    }
    while !stop.load(Ordering::Relaxed) {
        let request = server
            .recv_timeout(PERIOD)
            .map_err(ToolError::host("take a request"))?;
        let Some(request) = request else {
            // Between scrapes: whether rings are full, for the share of time that they are.
            watchers.sample();
            continue;
        };
        let path = request.url().split('?').next().unwrap_or_default();
        let response = match path {
            "/metrics" => watchers.scrape(),
            _ => Response::from_string("the metrics are at /metrics\n")
                .with_status_code(StatusCode(404)),
        };
        // Who asked may have gone.
        let _ = request.respond(response);
    }
    Ok(())
}

/// The fabrics that are watched; they may come and go.
struct Watchers {
    named: Option<Vec<Location>>,
    watching: BTreeMap<String, Watcher>,
}

impl Watchers {
    fn new(names: &[String]) -> Result<Self> {
        let named = names
            .iter()
            .map(|name| Location::of(name))
            .collect::<Result<Vec<_>>>()?;
        Ok(Watchers {
            named: (!named.is_empty()).then_some(named),
            watching: BTreeMap::new(),
        })
    }

    fn sample(&mut self) {
        for watcher in self.watching.values_mut() {
            watcher.sample();
        }
    }

    fn scrape(&mut self) -> Response<std::io::Cursor<Vec<u8>>> {
        let locations = match &self.named {
            Some(named) => named.clone(),
            None => Location::all(),
        };
        // A fabric that was removed and made anew is another one.
        self.watching.retain(|_, watcher| watcher.is_current());
        for location in locations {
            let key = location
                .directory
                .join(&location.name)
                .display()
                .to_string();
            if !self.watching.contains_key(&key)
                && let Ok(watcher) = Watcher::new(&location)
            {
                self.watching.insert(key, watcher);
            }
        }
        let views: Vec<_> = self
            .watching
            .values_mut()
            .map(|watcher| {
                (
                    watcher.look(),
                    watcher.latencies(),
                    watcher.clock_offset_ns(),
                )
            })
            .collect();
        match metrics::encode(&views) {
            Ok(text) => match Header::from_bytes("Content-Type", OPEN_METRICS) {
                Ok(header) => Response::from_string(text).with_header(header),
                Err(()) => Response::from_string(text),
            },
            Err(error) => {
                Response::from_string(format!("{error}\n")).with_status_code(StatusCode(500))
            }
        }
    }
}
