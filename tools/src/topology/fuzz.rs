//! Topologies with pieces changed, and nonsense: refused line by line or taken, never a panic.

use super::{EXAMPLE, parse};
use selvedge_fuzz::{Script, iterations};
use std::time::Duration;

/// Pieces of topologies, right and wrong.
const PIECES: [&str; 32] = [
    "[fabric]\n",
    "[memory]\n",
    "[journal]\n",
    "[[producer]]\n",
    "[[consumer]]\n",
    "[producer]\n",
    "[latency]\n",
    "[standby]\n",
    "name = \"t\"\n",
    "name = 7\n",
    "core = 3\n",
    "core = -1\n",
    "core = 99999999999999999999\n",
    "idle = \"park\"\n",
    "idle = []\n",
    "slot_bytes = 64\n",
    "slot_bytes = 0x40\n",
    "stream_slots = 1_0_0\n",
    "stream_payload = \"99999999999999999999TiB\"\n",
    "ingress_payload = \"µ\"\n",
    "roll = \"18446744073709551615d\"\n",
    "roll = \"7min\"\n",
    "sync_every = \"0s\"\n",
    "durability = \"close\"\n",
    "directory = \"relative\"\n",
    "directory = \"/a\"\n",
    "patience = \"1s\"\n",
    "\u{0}",
    "= = =\n",
    "\"",
    "[[",
    "# \u{1F980}\n",
];

#[test]
fn a_topology_is_taken_or_every_mistake_has_its_line() {
    bolero::check!(name = "topology")
        .with_iterations(iterations(2_000))
        .with_test_time(Duration::MAX)
        .with_max_len(128)
        .for_each(|input: &[u8]| {
            let mut script = Script::new(input);
            let text = match script.byte() % 3 {
                0 => {
                    let mut bytes = EXAMPLE.as_bytes().to_vec();
                    script.change(&mut bytes, &[0]);
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                1 => input
                    .iter()
                    .map(|byte| PIECES[usize::from(*byte) % PIECES.len()])
                    .collect(),
                _ => String::from_utf8_lossy(input).into_owned(),
            };
            let lines = 1 + text.bytes().filter(|byte| *byte == b'\n').count();
            match parse::parse(&text) {
                Ok((topology, _)) => assert!(!topology.name.is_empty()),
                Err(problems) => {
                    assert!(!problems.is_empty());
                    for problem in problems {
                        assert!((1..=lines).contains(&problem.line), "{problem}");
                        assert!(!problem.message.is_empty() && !problem.remedy.is_empty());
                    }
                }
            }
        });
}
