//! The systemd units that ship: checked by systemd's own tool, and what Type=notify relies on.

mod common;

use common::{Background, Place};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Units, each under the name of an instance of it.
const UNITS: [(&str, &str); 3] = [
    (
        "selvedge@trading.service",
        include_str!("../../tuning/selvedge@.service"),
    ),
    (
        "selvedge-exporter.service",
        include_str!("../../tuning/selvedge-exporter.service"),
    ),
    (
        "selvedge.slice",
        include_str!("../../tuning/selvedge.slice"),
    ),
];

/// What systemd has to say about the units in `directory`.
fn verify(directory: &Path) -> String {
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(UNITS.map(|(instance, _)| format!("./{instance}")))
        .current_dir(directory)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    // It reads every unit of the host that these lead to; only ours are judged.
    said.lines()
        .filter(|line| line.contains("selvedge"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_units_are_right_by_systemds_own_check() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("skipped: systemd-analyze is not installed (package systemd)");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    for (instance, text) in UNITS {
        // Not installed where the unit says; the program under test is.
        let text = text.replace("/usr/bin/selvedge", env!("CARGO_BIN_EXE_selvedge"));
        std::fs::write(directory.path().join(instance), text).expect("written");
    }
    assert_eq!(verify(directory.path()), "");
    // What is wrong is seen.
    let slice = directory.path().join("selvedge.slice");
    let text = std::fs::read_to_string(&slice).expect("the slice");
    std::fs::write(&slice, text + "AllowedCores=2-6\n").expect("written");
    let said = verify(directory.path());
    assert!(said.contains("AllowedCores"), "{said}");
}

#[test]
fn a_service_manager_with_an_abstract_socket_is_told_too() {
    let place = Place::new();
    let name = format!("selvedge-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let listening = UnixDatagram::bind_addr(&address).expect("a socket");
    listening
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit");
    let file = place.path().join("fabric.toml");
    let text = format!(
        "[fabric]\nname = \"told\"\ndirectory = \"{}\"\n[memory]\nhugepages = \"none\"\n\
         [sequencer]\nidle = \"park\"\n",
        place.path().display()
    );
    std::fs::write(&file, text).expect("written");
    let mut supervisor = Background(
        place
            .command(&["up", file.to_str().expect("UTF-8"), "--foreground"])
            .env("NOTIFY_SOCKET", format!("@{name}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts"),
    );
    let mut buffer = [0; 256];
    let length = listening.recv(&mut buffer).expect("a message");
    assert!(buffer[..length].starts_with(b"READY=1"));
    assert!(place.attach("told").has_running_sequencer());
    assert!(supervisor.terminate().success());
    let length = listening.recv(&mut buffer).expect("a message");
    assert_eq!(&buffer[..length], b"STOPPING=1");
}

#[test]
fn a_service_that_cannot_start_is_never_ready() {
    let place = Place::new();
    let socket = place.path().join("notify");
    let listening = UnixDatagram::bind(&socket).expect("a socket");
    place.ok(&["create", "shaped", "--stream-capacity", "1024"]);
    let file = place.path().join("fabric.toml");
    let text = format!(
        "[fabric]\nname = \"shaped\"\ndirectory = \"{}\"\nstream_slots = 512\n",
        place.path().display()
    );
    std::fs::write(&file, text).expect("written");
    let mut supervisor = Background(
        place
            .command(&["up", file.to_str().expect("UTF-8"), "--foreground"])
            .env("NOTIFY_SOCKET", &socket)
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts"),
    );
    assert!(!supervisor.wait().success());
    listening.set_nonblocking(true).expect("possible");
    let mut buffer = [0; 256];
    while let Ok(length) = listening.recv(&mut buffer) {
        assert!(!buffer[..length].starts_with(b"READY"));
    }
}
