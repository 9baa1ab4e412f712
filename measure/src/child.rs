//! The second process: this program again, with its order in an environment variable.

use crate::cores::pin;
use crate::disturbance::{Disturbance, Watch};
use crate::error::{MeasureError, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use selvedge_fabric::host::memory_lock::lock_memory;
use selvedge_fabric::memory::{Access, Mapping, PageKind, RegionOptions, create_region};
use selvedge_fabric::protocol::{AtomicU64, Ordering, Words};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where a started copy of the program finds its order.
const ORDER_VARIABLE: &str = "SELVEDGE_MEASURE_CHILD";

/// How long the other side may take to get ready, to answer, or to end.
pub const PATIENCE: Duration = Duration::from_secs(30);

const READY_AT: usize = 0;
const STOP_AT: usize = 16;
const DONE_AT: usize = 32;
const CONTROL_BYTES: usize = 4096;

/// What the second process is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    role: String,
    core: usize,
    cores: Vec<usize>,
    busy: Vec<usize>,
    directory: PathBuf,
    control: PathBuf,
    settings: serde_json::Value,
}

/// What the second process tells when it ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChildReport {
    /// What disturbed it.
    pub disturbance: Disturbance,
    /// What its role has to say.
    pub values: serde_json::Value,
}

impl ChildReport {
    /// The value called `name`; 0 where there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.values[name].as_u64().unwrap_or(0)
    }

    /// What it reported under `name`.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        T::deserialize(&self.values[name])
            .map_err(|error| MeasureError::Child(format!("its report makes no sense: {error}")))
    }
}

/// The second process's side.
#[derive(Debug)]
pub struct ChildHost {
    order: Order,
    control: Words,
    watch: Option<Watch>,
    disturbance: Option<Disturbance>,
}

/// What a second process does, by name. It calls [`ChildHost::ready`] once it is set up, works
/// until it is told to stop, and returns what it has to say.
pub type Role = (
    &'static str,
    fn(&mut ChildHost) -> Result<serde_json::Value>,
);

impl ChildHost {
    /// The directory shared with the measuring process.
    pub fn directory(&self) -> &Path {
        &self.order.directory
    }

    /// The core it is to run on.
    pub fn core(&self) -> usize {
        self.order.core
    }

    /// All cores that the measurement may use.
    pub fn cores(&self) -> &[usize] {
        &self.order.cores
    }

    /// The cores that measure.
    pub fn busy_cores(&self) -> &[usize] {
        &self.order.busy
    }

    /// What its role needs to know.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.order.settings.clone())
            .map_err(|error| MeasureError::Child(format!("it was given rubbish: {error}")))
    }

    /// Pins this thread to its core. Done before the role runs, unless the role starts threads
    /// of its own first.
    pub fn pin(&self) -> Result<()> {
        pin(self.order.core)
    }

    /// Says that measuring may begin.
    pub fn ready(&mut self) {
        self.watch = Some(Watch::begin());
        self.word(READY_AT).store(1, Ordering::Release);
    }

    /// Says that measuring is over: what happens from now on disturbs nothing. Done when the role
    /// returns, unless its own threads end before.
    pub fn done(&mut self) {
        self.word(DONE_AT).store(1, Ordering::Release);
        self.disturbance = self.watch.take().map(Watch::end);
    }

    /// Whether it is to stop. The word is on a line that nobody writes meanwhile.
    #[inline(always)]
    pub fn stopped(&self) -> bool {
        self.word(STOP_AT).load(Ordering::Acquire) != 0
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        // SAFETY: all indices are constants inside the page that `open_control` mapped.
        unsafe { self.control.at(index) }
    }
}

fn open_control(path: &Path) -> Result<Words> {
    let mapping = Mapping::open(path, Access::Write)?;
    Ok(mapping.words(0, CONTROL_BYTES)?)
}

/// Runs the second process's part and ends, if this process was started as one. To be called at
/// the very beginning of `main` by every program that measures.
pub fn maybe_run_child() {
    maybe_run_child_with(&[]);
}

/// As [`maybe_run_child`], for a program with roles of its own.
pub fn maybe_run_child_with(roles: &[Role]) {
    let Some(order) = std::env::var_os(ORDER_VARIABLE) else {
        return;
    };
    let outcome = run_child(&order.to_string_lossy(), roles);
    match outcome {
        Ok(report) => {
            println!("{report}");
            std::process::exit(0);
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn run_child(order: &str, roles: &[Role]) -> Result<String> {
    // A measurement that was killed leaves nobody spinning.
    set_pdeathsig(Signal::SIGKILL)
        .map_err(|error| MeasureError::io("follow the parent into death", error.into()))?;
    let order: Order = serde_json::from_str(order)
        .map_err(|error| MeasureError::Child(format!("it was given rubbish: {error}")))?;
    let role = roles
        .iter()
        .chain(crate::scenarios::ROLES)
        .find(|(name, _)| *name == order.role)
        .ok_or_else(|| MeasureError::Child(format!("it knows no role `{}`", order.role)))?;
    let control = open_control(&order.control)?;
    // Or what has grown cold may have been paged out. Where the limit is too low, that is measured.
    let _ = lock_memory();
    let mut host = ChildHost {
        order,
        control,
        watch: None,
        disturbance: None,
    };
    host.pin()?;
    let values = (role.1)(&mut host)?;
    if host.disturbance.is_none() {
        host.done();
    }
    let report = ChildReport {
        disturbance: host.disturbance.unwrap_or_default(),
        values,
    };
    serde_json::to_string(&report)
        .map_err(|error| MeasureError::Child(format!("its report cannot be written: {error}")))
}

/// The second process as the measuring one sees it. Dropped, it is killed.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    control: Words,
}

/// Where and as what a second process is to run.
#[derive(Clone, Debug)]
pub struct ChildPlace<'a> {
    /// Its role.
    pub role: &'static str,
    /// Its core.
    pub core: usize,
    /// The cores that measure, its own included.
    pub busy: &'a [usize],
    /// The directory shared with it.
    pub directory: &'a Path,
}

impl Child {
    /// Starts a second process.
    pub fn spawn(place: &ChildPlace<'_>, settings: impl Serialize) -> Result<Self> {
        static CHILDREN: AtomicU64 = AtomicU64::new(0);
        let number = CHILDREN.fetch_add(1, Ordering::Relaxed);
        let path = place.directory.join(format!("measure.control.{number}"));
        create_region(
            &path,
            CONTROL_BYTES as u64,
            RegionOptions {
                pages: PageKind::Small,
                numa_node: None,
            },
        )?;
        let control = open_control(&path)?;
        let order = Order {
            role: place.role.to_owned(),
            core: place.core,
            cores: crate::cores::cores_at_start().to_vec(),
            busy: place.busy.to_vec(),
            directory: place.directory.to_path_buf(),
            control: path,
            settings: serde_json::to_value(settings)
                .map_err(|error| MeasureError::Child(error.to_string()))?,
        };
        let order = serde_json::to_string(&order)
            .map_err(|error| MeasureError::Child(error.to_string()))?;
        let program = std::env::current_exe()
            .map_err(|error| MeasureError::io("find this program", error))?;
        let process = Command::new(program)
            .env(ORDER_VARIABLE, order)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| MeasureError::io("start a second process", error))?;
        Ok(Child { process, control })
    }

    /// Waits until it is set up. `meanwhile` is called again and again.
    pub fn wait_ready(&mut self, mut meanwhile: impl FnMut() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        while self.word(READY_AT).load(Ordering::Acquire) == 0 {
            self.check_alive()?;
            if started.elapsed() > PATIENCE {
                return Err(stalled("getting ready"));
            }
            meanwhile()?;
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(())
    }

    /// An error if it has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(self.failure()),
            Err(error) => Err(MeasureError::io("watch the second process", error)),
        }
    }

    /// Whether it has said that it is done.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.word(DONE_AT).load(Ordering::Acquire) != 0
    }

    /// Waits, spinning, until it has said that it is done.
    pub fn wait_done(&mut self) -> Result<()> {
        let mut spin = Spin::new("the second process to be done");
        while !self.is_done() {
            spin.turn()?;
        }
        Ok(())
    }

    /// Tells it to stop.
    pub fn stop(&self) {
        self.word(STOP_AT).store(1, Ordering::Release);
    }

    /// Tells it to stop and takes its report.
    pub fn finish(mut self) -> Result<ChildReport> {
        self.stop();
        let mut text = String::new();
        if let Some(mut output) = self.process.stdout.take() {
            output
                .read_to_string(&mut text)
                .map_err(|error| MeasureError::io("read the second process's report", error))?;
        }
        let status = self
            .process
            .wait()
            .map_err(|error| MeasureError::io("wait for the second process", error))?;
        if !status.success() {
            return Err(self.failure());
        }
        serde_json::from_str(&text)
            .map_err(|error| MeasureError::Child(format!("its report makes no sense: {error}")))
    }

    fn failure(&mut self) -> MeasureError {
        let mut text = String::new();
        if let Some(errors) = &mut self.process.stderr {
            let _ = errors.read_to_string(&mut text);
        }
        let text = text.trim();
        MeasureError::Child(if text.is_empty() {
            let status = match self.process.try_wait() {
                Ok(Some(status)) => status.to_string(),
                _ => "still running".to_owned(),
            };
            format!("no word of it, {status} (does `main` begin with `maybe_run_child`?)")
        } else {
            text.to_owned()
        })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        // SAFETY: all indices are constants inside the page that `open_control` mapped.
        unsafe { self.control.at(index) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The error for who waited in vain.
pub fn stalled(what: &'static str) -> MeasureError {
    MeasureError::Stalled {
        what,
        seconds: PATIENCE.as_secs(),
    }
}

/// Bounds a spinning wait without a clock reading in every turn.
#[derive(Debug)]
pub struct Spin {
    turns: u64,
    since: Option<Instant>,
    what: &'static str,
}

impl Spin {
    /// A wait for `what`.
    #[inline(always)]
    pub fn new(what: &'static str) -> Self {
        Spin {
            turns: 0,
            since: None,
            what,
        }
    }

    /// One turn that found nothing, with the processor's pause: what a fabric's idle strategy does
    /// unless told otherwise. An error once it has taken longer than anybody's patience.
    #[inline(always)]
    pub fn pause(&mut self) -> Result<()> {
        std::hint::spin_loop();
        self.turn()
    }

    /// As [`Spin::pause`], without the pause.
    #[inline(always)]
    pub fn turn(&mut self) -> Result<()> {
        self.turns += 1;
        if self.turns & ((1 << 20) - 1) == 0 {
            self.check()
        } else {
            Ok(())
        }
    }

    #[cold]
    #[inline(never)]
    fn check(&mut self) -> Result<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return Err(stalled(self.what));
        }
        Ok(())
    }
}
