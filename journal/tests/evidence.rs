//! Proofs, signatures, retention, deterministic state, finding by time.

mod common;

use common::*;
use proptest::prelude::*;
use selvedge_journal::storage::MemoryStorage;
use selvedge_journal::{
    FrameCounts, JournalConfig, PublicKey, RetainOptions, SignatureState, Signer, StateMachine,
    StateSnapshot, Verdict, VerifyOptions, check_proof, prove_in, replay_into, retain_in,
    verify_in,
};
use std::sync::LazyLock;

fn key(signer: &Signer) -> PublicKey {
    signer.public_key()
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().unwrap());

fn signed() -> JournalConfig {
    JournalConfig {
        signer: Some(SIGNER.clone()),
        ..small()
    }
}

static SIGNED: LazyLock<MemoryStorage> = LazyLock::new(|| journal(1_500, 40, &signed()));

fn verdict(storage: &MemoryStorage, key: Option<PublicKey>) -> Verdict {
    let options = VerifyOptions {
        public_key: key,
        ..VerifyOptions::default()
    };
    verify_in(storage, &options, &mut |_| ()).unwrap().verdict
}

#[test]
fn seals_are_signed_and_say_so() {
    assert_eq!(verdict(&SIGNED, Some(key(&SIGNER))), Verdict::Sealed);
    assert_eq!(verdict(&SIGNED, None), Verdict::Sealed);
    let other = Signer::generate().unwrap();
    assert_eq!(verdict(&SIGNED, Some(key(&other))), Verdict::Damaged);
    let unsigned = journal(100, 40, &small());
    assert_eq!(verdict(&unsigned, None), Verdict::Sealed);
    assert_eq!(verdict(&unsigned, Some(key(&SIGNER))), Verdict::Damaged);
    let report = check(&SIGNED);
    assert!(report.segments > 2);
    assert_eq!(report.signed_segments, report.segments);
    assert_ne!(report.chained_root, [0; 32]);
}

#[test]
fn every_message_can_be_proven_and_nothing_else() {
    let public = key(&SIGNER);
    let mut largest = 0;
    for sequence in 1..=1_500 {
        let proof = prove_in(&*SIGNED, sequence).unwrap();
        largest = largest.max(proof.len());
        let proven = check_proof(&proof, Some(&public)).unwrap();
        let (header, payload) = frame(sequence);
        let header = header.with_flags(selvedge_fabric::frame::Flags::NONE);
        assert_eq!((proven.header, proven.payload), (header, payload));
        assert_eq!(proven.signature, SignatureState::Valid(public));
    }
    assert!(largest < 20_000, "{largest}");
    assert!(prove_in(&*SIGNED, 1_501).is_err());
    assert!(prove_in(&*SIGNED, 0).is_err());
    let proof = prove_in(&*SIGNED, 700).unwrap();
    // Whatever single bit is changed, it proves nothing.
    for byte in 0..proof.len() {
        for bit in 0..8 {
            let mut other = proof.clone();
            other[byte] ^= 1 << bit;
            assert!(
                check_proof(&other, Some(&public)).is_err(),
                "byte {byte} bit {bit}"
            );
        }
    }
    let other = key(&Signer::generate().unwrap());
    assert!(check_proof(&proof, Some(&other)).is_err());
}

#[test]
fn bytes_inside_a_payload_are_not_a_message() {
    // A payload that looks like frame 2 to a checker that trusted an offset.
    let storage = MemoryStorage::new();
    let mut writer = open(&storage, &signed()).unwrap();
    let (forged, _) = frame(2);
    let payload = [&[0; 8][..], &forged.to_bytes()].concat();
    let _ = writer
        .append(&header_of(1, 7, 3, payload.len()), &payload)
        .unwrap();
    let _ = writer.append(&header_of(2, 7, 3, 0), &[]).unwrap();
    writer.finish().unwrap();
    let proof = prove_in(&storage, 2).unwrap();
    let proven = check_proof(&proof, None).unwrap();
    assert!(proven.payload.is_empty());
    // Its place in the block is the word behind sequence and leaf: 8 + 16 + 24 + 4 bytes on.
    let at = 52;
    let start = u32::from_le_bytes(proof[at..at + 4].try_into().unwrap());
    let mut forged = proof.clone();
    forged[at..at + 4].copy_from_slice(&(start + 40).to_le_bytes());
    let error = check_proof(&forged, None).unwrap_err();
    assert!(error.to_string().contains("proof"), "{error}");
}

#[test]
fn retention_takes_whole_sealed_segments_from_the_front() {
    let storage = SIGNED.copy();
    let before = segments(&storage);
    let total: usize = before
        .iter()
        .map(|name| storage.content(name).unwrap().len())
        .sum();
    let options = RetainOptions {
        max_bytes: Some(total as u64 / 2),
        dry_run: true,
        ..RetainOptions::default()
    };
    let would = retain_in(&storage, &options).unwrap();
    assert!(!would.is_empty());
    assert_eq!(segments(&storage), before);
    // Nothing that is not durable goes.
    let not_durable = RetainOptions {
        durable: Some(0),
        dry_run: false,
        ..options
    };
    assert!(retain_in(&storage, &not_durable).unwrap().is_empty());
    let gone = retain_in(
        &storage,
        &RetainOptions {
            dry_run: false,
            ..options
        },
    )
    .unwrap();
    assert_eq!(gone, would);
    assert_eq!(segments(&storage).len() + gone.len(), before.len());
    // What is left is a whole chain, if one says that its front was retired.
    assert_eq!(check(&storage).verdict, Verdict::Damaged);
    let options = VerifyOptions {
        allow_missing_front: true,
        public_key: Some(key(&SIGNER)),
        ..VerifyOptions::default()
    };
    let report = verify_in(&storage, &options, &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    assert_eq!(
        report.first_sequence,
        gone.last().unwrap().last_sequence + 1
    );
    // However little may stay, the end stays.
    let all = RetainOptions {
        older_than: Some(u64::MAX),
        max_bytes: Some(0),
        ..RetainOptions::default()
    };
    retain_in(&storage, &all).unwrap();
    assert_eq!(segments(&storage).len(), 2);
    let mut writer = open(&storage, &signed()).unwrap();
    assert_eq!(writer.next_sequence(), 1_501);
    append_to(&mut writer, 1_600);
    writer.finish().unwrap();
    let report = verify_in(&storage, &options, &mut |_| ()).unwrap();
    assert_eq!(report.verdict, Verdict::Sealed, "{report:?}");
    // An unsealed segment never goes.
    let open_end = journal(50, 50, &small());
    let mut writer = open(&open_end, &small()).unwrap();
    append_to(&mut writer, 60);
    drop(writer);
    let count = segments(&open_end).len();
    retain_in(&open_end, &all).unwrap();
    assert_eq!(segments(&open_end).len(), count);
}

#[test]
fn snapshot_and_tail_give_the_state_of_the_whole() {
    let mut whole = FrameCounts::default();
    let last = replay_into(&mut reader(&SIGNED).unwrap(), &mut whole, None, None).unwrap();
    assert_eq!(last, 1_500);
    for cut in [1, 2, 777, 1_499] {
        let mut part = FrameCounts::default();
        replay_into(&mut reader(&SIGNED).unwrap(), &mut part, None, Some(cut)).unwrap();
        assert_ne!(part.hash(), whole.hash());
        let snapshot = StateSnapshot::take(&part, cut);
        let bytes = snapshot.encode();
        let snapshot = StateSnapshot::decode(&bytes).unwrap();
        let mut rest = FrameCounts::default();
        replay_into(
            &mut reader(&SIGNED).unwrap(),
            &mut rest,
            Some(&snapshot),
            None,
        )
        .unwrap();
        assert_eq!(rest.hash(), whole.hash());
        for flip in 0..bytes.len() {
            let mut other = bytes.clone();
            other[flip] ^= 4;
            assert!(StateSnapshot::decode(&other).is_err(), "byte {flip}");
        }
    }
    let mut short = FrameCounts::default();
    assert!(replay_into(&mut reader(&SIGNED).unwrap(), &mut short, None, Some(9_999)).is_err());
}

#[test]
fn a_time_leads_to_its_first_frame_with_and_without_an_index() {
    let unsealed = journal(700, 30, &small());
    let mut writer = open(&unsealed, &small()).unwrap();
    append_to(&mut writer, 1_000);
    drop(writer);
    for (storage, last) in [(&*SIGNED, 1_500_u64), (&unsealed, 1_000)] {
        // Test frames are stamped 1,000 + 10 × sequence.
        let mut reader = reader(storage).unwrap();
        for time in (0..=1_000 + last * 10).step_by(7) {
            let expected = time.saturating_sub(1_000).div_ceil(10).max(1);
            reader.seek_time(time).unwrap();
            let (header, _) = reader.next().unwrap().unwrap();
            assert_eq!(header.sequence(), expected, "time {time}");
        }
        reader.seek_time(1_001 + last * 10).unwrap();
        assert!(reader.next().unwrap().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn rubbish_is_no_proof(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        at in 0_usize..3_000,
        like_one in any::<bool>(),
    ) {
        let mut proof = bytes.clone();
        if like_one {
            proof = prove_in(&*SIGNED, 300).unwrap();
            let at = at % proof.len();
            let end = (at + bytes.len()).min(proof.len());
            if proof[at..end] == bytes[..end - at] {
                return Ok(());
            }
            proof[at..end].copy_from_slice(&bytes[..end - at]);
        }
        prop_assert!(check_proof(&proof, Some(&key(&SIGNER))).is_err());
        let _ = StateSnapshot::decode(&bytes);
    }
}
