//! The pieces of the path, one at a time. A baseline to compare with:
//! `cargo bench -p selvedge-benches --bench path -- --save-baseline mine`, later
//! `-- --baseline mine`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use selvedge_fabric::frame::{Flags, FrameHeader};
use selvedge_fabric::message::Message;
use selvedge_measure::scenarios::Line;
use selvedge_measure::stepped::Stepped;
use std::cell::RefCell;
use std::hint::black_box;

/// Messages in a run: as many as the sequencer takes from one ring in one pass.
const RUN: u64 = 64;

fn stepped() -> RefCell<Stepped> {
    RefCell::new(Stepped::new().expect("a fabric in shared memory"))
}

fn claim_commit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("claim_commit");
    group.throughput(Throughput::Elements(RUN));
    let stepped = stepped();
    group.bench_function("run_of_64", |bencher| {
        bencher.iter_batched(
            || {
                // Room for the run: what was published before is sequenced and read.
                let mut stepped = stepped.borrow_mut();
                while stepped.sequencer.do_work().expect("a duty cycle") > 0 {}
                while stepped.consumer.poll(256, |_| {}).expect("a poll") > 0 {}
            },
            |()| stepped.borrow_mut().publish(1, RUN).expect("room"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn sequence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sequence");
    group.throughput(Throughput::Elements(RUN));
    let stepped = stepped();
    group.bench_function("run_of_64", |bencher| {
        bencher.iter_batched(
            || {
                let mut stepped = stepped.borrow_mut();
                while stepped.consumer.poll(256, |_| {}).expect("a poll") > 0 {}
                stepped.publish(1, RUN).expect("room");
            },
            |()| stepped.borrow_mut().sequence(RUN).expect("sequenced"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn poll(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("poll");
    let stepped = stepped();
    group.throughput(Throughput::Elements(RUN));
    group.bench_function("run_of_64", |bencher| {
        bencher.iter_batched(
            || {
                let mut stepped = stepped.borrow_mut();
                stepped.publish(1, RUN).expect("room");
                stepped.sequence(RUN).expect("sequenced");
            },
            |()| black_box(stepped.borrow_mut().poll(RUN).expect("read")),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("empty", |bencher| {
        let mut stepped = stepped.borrow_mut();
        while stepped.consumer.poll(256, |_| {}).expect("a poll") > 0 {}
        bencher.iter(|| stepped.consumer.poll(64, |_| {}).expect("a poll"));
    });
    group.finish();
}

fn duty_cycle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("duty_cycle");
    let stepped = stepped();
    group.bench_function("idle", |bencher| {
        let mut stepped = stepped.borrow_mut();
        bencher.iter(|| stepped.sequencer.do_work().expect("a duty cycle"));
    });
    group.finish();
}

fn header_check(criterion: &mut Criterion) {
    let expected = FrameHeader::descriptor_word(Line::TYPE, 0, size_of::<Line>(), Flags::NONE);
    let header = FrameHeader::new(1, 2, 3, 4, 5, expected);
    let mut group = criterion.benchmark_group("header");
    group.bench_function("check", |bencher| {
        bencher.iter(|| {
            let header = FrameHeader::from_words(black_box(header.words()));
            header.message_type() == Line::TYPE
                && header.length() == size_of::<Line>()
                && !header.flags().contains(Flags::EXTERNAL)
        });
    });
    group.bench_function("build", |bencher| {
        bencher.iter(|| {
            FrameHeader::descriptor_word(
                black_box(Line::TYPE),
                black_box(0),
                black_box(size_of::<Line>()),
                Flags::NONE,
            )
        });
    });
    group.finish();
}

criterion_group!(path, claim_commit, sequence, poll, duty_cycle, header_check);
criterion_main!(path);
