//! A place for one test: a directory of fabrics of its own, and the `selvedge` command in it.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use selvedge_fabric::{Fabric, Producer};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

selvedge_fabric::message! {
    /// A quote, as a test sends it.
    pub struct Quote: type 0x0101, name "test.quote", version 1 {
        /// Price in 1/10,000.
        pub price: i64, scale -4;
        /// Shares.
        pub shares: u32;
        /// Symbol.
        pub symbol: [u8; 4];
    }
}

selvedge_fabric::message! {
    /// A trade, as a test sends it.
    pub struct Trade: type 0x0102, name "test.trade", version 1 {
        /// A number.
        pub number: u64;
    }
}

/// How long a test waits for what must happen: long enough for the busiest host.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done` gives something.
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A background process; killed when it is dropped.
pub struct Background(pub Child);

impl Background {
    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.0.id() as i32);
        nix::sys::signal::kill(pid, signal).expect("the process can be signalled");
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let child = &mut self.0;
        wait_for("the process's end", || {
            child.try_wait().expect("it can be waited for")
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory of fabrics that only this test sees.
pub struct Place {
    directory: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("selvedge-test-")
            .tempdir_in("/dev/shm")
            .expect("a directory in /dev/shm");
        Place { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command
            .args(arguments)
            .env("SELVEDGE_DIR", self.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("selvedge starts")
    }

    /// Runs the command, which must succeed; what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "selvedge {} failed: {printed}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        printed
    }

    /// Runs the command, which must fail; what it said.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            !output.status.success(),
            "selvedge {} succeeded",
            arguments.join(" ")
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs the command, which must print JSON.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let printed = self.ok(arguments);
        serde_json::from_str(&printed)
            .unwrap_or_else(|error| panic!("{error} in the output: {printed}"))
    }

    /// Starts the command in the background, its output captured.
    pub fn start(&self, arguments: &[&str]) -> Background {
        Background(
            self.command(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("selvedge starts"),
        )
    }

    /// A fabric `name` with a sequencer that yields its core to others.
    pub fn fabric(&self, name: &str) -> (Fabric, Background) {
        self.ok(&["create", name]);
        let sequencer = self.start(&["sequencer", name, "--idle", "park"]);
        let fabric = self.attach(name);
        wait_for("the sequencer", || {
            fabric.has_running_sequencer().then_some(())
        });
        (fabric, sequencer)
    }

    pub fn attach(&self, name: &str) -> Fabric {
        Fabric::attach_in(self.path(), name).expect("the fabric is there")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a failed test has brought up would go on for ever.
        if std::thread::panicking() {
            for name in Fabric::list_in(self.path()) {
                let _ = self.command(&["down", &name]).output();
            }
        }
    }
}

/// A producer of both messages.
pub fn producer(fabric: &Fabric, name: &str) -> Producer {
    fabric
        .producer(name)
        .message::<Quote>()
        .message::<Trade>()
        .stamp_every(1)
        .attach()
        .expect("the producer is admitted")
}

/// Sends a quote.
pub fn quote(producer: &mut Producer, price: i64) {
    let quote = Quote {
        price,
        shares: 100,
        symbol: *b"ABCD",
    };
    producer.publish(&quote).expect("there is room");
}
