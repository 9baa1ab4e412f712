//! Runs the agents of a topology until told to stop, and ends them in order.

use super::agent_process::{AgentProcess, Outcome};
use super::notify::Notify;
use super::record::{SupervisorRecord, keep_topology, kept_topology};
use crate::error::{Result, ToolError};
use crate::operator::{announce, announce_configuration};
use crate::topology::{AgentPlan, Durability, Topology};
use selvedge_fabric::shared::error_log::ErrorLog;
use selvedge_fabric::{Fabric, FabricConfig};
use selvedge_journal::JournalView;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often agents are looked at.
const PERIOD: Duration = Duration::from_millis(5);

/// How long the first start may take.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// How long agents may take to end in order.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// See the module.
pub struct Supervisor {
    topology: Topology,
    directory: PathBuf,
    fabric: Fabric,
    agents: Vec<AgentProcess>,
    errors: ErrorLog,
    notify: Notify,
    stop: Arc<AtomicBool>,
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        SupervisorRecord::remove(self.fabric.paths().root());
    }
}

impl Supervisor {
    /// Creates the fabric, unless it is there, and becomes its supervisor.
    pub fn new(topology: Topology, text: &str, directory: PathBuf) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, stop.clone())
                .map_err(ToolError::host("handle signals"))?;
        }
        let fabric = create_or_attach(&topology, &directory)?;
        let root = fabric.paths().root();
        if let Some(other) = SupervisorRecord::living(root) {
            return Err(ToolError::AlreadyUp {
                name: topology.name,
                pid: other.pid,
            });
        }
        announce(root, &format!("up {}", topology.name));
        let before = std::fs::read_to_string(kept_topology(root)).ok();
        announce_configuration(root, before.as_deref(), text);
        SupervisorRecord::current(false).write(root)?;
        keep_topology(root, text)?;
        Ok(Supervisor {
            topology,
            directory,
            errors: ErrorLog::new(&fabric, "supervisor"),
            fabric,
            agents: Vec::new(),
            notify: Notify::from_environment(),
            stop,
        })
    }

    /// Starts everything, runs until told to stop, ends everything in order.
    pub fn run(mut self) -> Result<()> {
        let outcome = self.start().and_then(|()| {
            SupervisorRecord::current(true).write(self.fabric.paths().root())?;
            self.notify.send("READY=1\nSTATUS=every agent runs");
            tracing::info!(fabric = self.fabric.name(), "up");
            self.tend()
        });
        self.notify.send("STOPPING=1");
        self.end();
        tracing::info!(fabric = self.fabric.name(), "down");
        outcome
    }

    fn start(&mut self) -> Result<()> {
        let name = self.topology.name.clone();
        let sequencer = agent_arguments(
            vec!["sequencer".into(), name.clone()],
            &self.topology.sequencer,
        );
        // Where a standby has taken over meanwhile, it comes back as the next standby.
        let again: &'static [&'static str] = match self.topology.standby {
            Some(_) => &["--standby"],
            None => &[],
        };
        self.launch("sequencer", sequencer, again)?;
        let fabric = self.fabric.clone();
        self.wait_for("the sequencer", || fabric.has_running_sequencer())?;
        if let Some(standby) = &self.topology.standby {
            let arguments = vec!["sequencer".into(), name.clone(), "--standby".into()];
            let arguments = agent_arguments(arguments, standby);
            self.launch("standby", arguments, &[])?;
        }
        if let Some(journal) = &self.topology.journal {
            let mut arguments = vec![
                "journal".into(),
                "record".into(),
                name,
                journal.directory.value.display().to_string(),
            ];
            match journal.durability {
                Durability::Block => arguments.extend(["--sync-us".into(), "0".into()]),
                Durability::Close => arguments.push("--sync-at-close".into()),
                Durability::Interval(every) => {
                    arguments.extend(["--sync-us".into(), every.as_micros().max(1).to_string()]);
                }
            }
            if let Some(roll) = journal.roll {
                arguments.extend(["--roll".into(), format!("{}ns", roll.as_nanos())]);
            }
            // Whole MiB, not less than was asked for.
            let reserve = journal.keep_free.div_ceil(1 << 20);
            arguments.extend(["--reserve-mib".into(), reserve.to_string()]);
            let arguments = agent_arguments(arguments, &journal.agent);
            self.launch("journal", arguments, &[])?;
            let fabric = self.fabric.clone();
            self.wait_for("the journal", || {
                fabric
                    .gating_consumers()
                    .iter()
                    .any(|entry| entry.name == "journal" && entry.process.is_alive())
            })?;
        }
        Ok(())
    }

    fn launch(
        &mut self,
        role: &'static str,
        arguments: Vec<String>,
        again: &'static [&'static str],
    ) -> Result<()> {
        let agent = AgentProcess::start(role, arguments, again, &self.directory)?;
        self.agents.push(agent);
        Ok(())
    }

    fn wait_for(&mut self, what: &str, ready: impl Fn() -> bool) -> Result<()> {
        let started = Instant::now();
        while !ready() {
            self.tend_once()?;
            if self.stop.load(Ordering::Relaxed) {
                return Err(ToolError::Interrupted);
            }
            if started.elapsed() > START_PATIENCE {
                return Err(ToolError::NotUp {
                    name: self.topology.name.clone(),
                    what: what.to_owned(),
                    waited_s: START_PATIENCE.as_secs(),
                });
            }
            std::thread::sleep(PERIOD);
        }
        Ok(())
    }

    /// Looks after the agents until told to stop, or until one of them has ended in order:
    /// somebody stopped the stream.
    fn tend(&mut self) -> Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            if self.tend_once()? == Outcome::Ended {
                tracing::info!("the stream was ended by somebody else");
                return Ok(());
            }
            std::thread::sleep(PERIOD);
        }
        Ok(())
    }

    fn tend_once(&mut self) -> Result<Outcome> {
        let mut outcome = Outcome::Runs;
        for agent in &mut self.agents {
            let tended = agent.tend();
            if let Some(death) = agent.take_death() {
                self.errors.note("died", agent.role(), &death);
            }
            if tended? == Outcome::Ended {
                outcome = Outcome::Ended;
            }
        }
        Ok(outcome)
    }

    /// Sequencer and standby first: one drains every ring and ends the stream, the other stops
    /// waiting, and the journal ends with the stream.
    fn end(&mut self) {
        for agent in self.agents.iter().filter(|agent| agent.role() != "journal") {
            agent.terminate();
        }
        for agent in &mut self.agents {
            let in_order = agent.wait(STOP_PATIENCE);
            if !in_order {
                let detail = format!("within {} s: killed", STOP_PATIENCE.as_secs());
                self.errors.note("did not end", agent.role(), &detail);
            }
            tracing::info!(role = agent.role(), in_order, "ended");
        }
        // A journal that died just then has left something in the stream: it is there for it.
        let behind = JournalView::attach(&self.fabric)
            .is_ok_and(|journal| journal.recorded() + 1 < self.fabric.next_sequence());
        let stopped = self.fabric.sequencer().is_some_and(|view| !view.alive);
        let journal = self
            .agents
            .iter_mut()
            .find(|agent| agent.role() == "journal");
        if let Some(journal) = journal.filter(|_| behind && stopped) {
            let in_order = journal.start_again().is_ok() && journal.wait(STOP_PATIENCE);
            tracing::warn!(
                in_order,
                "the journal died at the end; it was started for the rest"
            );
        }
    }
}

fn agent_arguments(mut arguments: Vec<String>, plan: &AgentPlan) -> Vec<String> {
    if let Some(core) = plan.core {
        arguments.extend(["--core".into(), core.value.to_string()]);
    }
    arguments.extend(["--idle".into(), plan.idle.to_string()]);
    arguments
}

/// The fabric, as the topology wants it.
fn create_or_attach(topology: &Topology, directory: &Path) -> Result<Fabric> {
    let config = FabricConfig {
        slot_bytes: topology.slot_bytes as u32,
        stream_capacity: topology.stream_slots,
        stream_payload_bytes: topology.stream_payload,
        ingress_capacity: topology.ingress_slots,
        ingress_payload_bytes: topology.ingress_payload,
        pages: topology.pages.value,
        numa_node: topology.numa_node.map(|node| node.value as u32),
        latency: topology.records_latency,
        ..FabricConfig::new(&topology.name).in_directory(directory)
    };
    if !directory.join(&topology.name).join("control").exists() {
        let fabric = Fabric::create(&config)?;
        for note in fabric.memory().notes {
            tracing::warn!("{note}");
        }
        return Ok(fabric);
    }
    let fabric = Fabric::attach_in(directory, &topology.name)?;
    let control = fabric.control();
    for (key, wanted, is) in [
        (
            "slot_bytes",
            topology.slot_bytes,
            u64::from(control.slot_bytes),
        ),
        (
            "stream_slots",
            topology.stream_slots,
            control.stream_capacity,
        ),
        (
            "stream_payload",
            topology.stream_payload,
            control.stream_payload_bytes,
        ),
        (
            "ingress_slots",
            topology.ingress_slots,
            control.ingress_capacity,
        ),
        (
            "ingress_payload",
            topology.ingress_payload,
            control.ingress_payload_bytes,
        ),
        (
            "[latency] record (1 for on)",
            u64::from(topology.records_latency),
            u64::from(control.records_latency()),
        ),
    ] {
        if wanted != is {
            return Err(ToolError::OtherShape {
                name: topology.name.clone(),
                key,
                wanted,
                is,
            });
        }
    }
    Ok(fabric)
}
