//! Checking changed proofs.

mod common;

use common::{MEMORY, journal};
use selvedge_fuzz::{CountingAllocator, Script, iterations, peak_of};
use selvedge_journal::{check_proof, prove_in};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_changed_proof_is_refused_or_proves_the_same() {
    let seeds: Vec<Vec<u8>> = [false, true]
        .iter()
        .map(|signed| journal(180, true, *signed))
        .flat_map(|journal| [3, 90].map(|sequence| prove_in(&journal, sequence)))
        .collect::<Result<_, _>>()
        .expect("the messages are sealed");
    bolero::check!(name = "proof")
        .with_iterations(iterations(3_000))
        .with_test_time(Duration::MAX)
        .with_max_len(64)
        .for_each(|input: &[u8]| {
            let mut script = Script::new(input);
            let seed = &seeds[script.below(seeds.len())];
            let proven = check_proof(seed, None).expect("it is right");
            let mut bytes = seed.clone();
            script.change(&mut bytes, &[0, 72, 392]);
            let (checked, peak) = peak_of(|| check_proof(&bytes, None));
            assert!(peak <= MEMORY + 64 * bytes.len() as u64, "{peak} bytes");
            // Under the root that somebody knows, nothing else can be proven.
            if let Ok(found) = checked
                && found.seal.chained_root == proven.seal.chained_root
            {
                assert_eq!(found.header, proven.header);
                assert_eq!(found.payload, proven.payload);
            }
        });
}
