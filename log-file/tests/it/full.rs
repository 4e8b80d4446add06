//! The disk is full: nothing is lost, nothing is promised in vain, and it lifts by itself.

use quipu_core::log::{Log, LogError};
use quipu_log_file::Settings;
use quipu_sim::Random;
use quipu_sim::disk::{Fault, Keep, SimDisk, When};

use crate::promise::{Promise, Step, run};
use Step::{Append, Open, Tend};

/// Each operation that takes room finds none, in turn; then there is room again.
#[test]
fn a_full_disk_loses_nothing_and_lifts_by_itself() {
    let workloads: [&[Step]; 3] = [
        &[Open, Append(1, 40), Tend, Append(1, 40), Open, Append(1, 40), Tend],
        &[Open, Append(1, 40), Append(0, 8 << 20), Append(1, 1 << 20), Append(1, 40), Open],
        &[Open, Append(0, 8 << 20), Tend, Append(1, 1 << 20), Append(0, 8 << 20), Tend, Open],
    ];
    let mut struck = 0;
    for steps in workloads {
        for count in 1.. {
            let disk = SimDisk::new();
            disk.schedule(Fault::NoSpace, When::nth(count));
            let mut promise = Promise::new();
            match run(&disk, &mut promise, steps) {
                Ok(()) => break,
                Err(error) => assert!(matches!(error, LogError::Full(_)), "{error}"),
            }
            struck += 1;
            let disk = disk.reopen();
            for keep in [Keep::Nothing, Keep::All, Keep::Torn(count)] {
                promise.clone().open(&disk.image(keep)).expect("it opens");
            }
            promise.open(&disk).expect("it opens");
        }
    }
    assert!(struck >= 15, "{struck}");
}

/// The handle that met a full disk goes on as soon as there is room.
#[test]
fn a_log_that_met_a_full_disk_goes_on_where_it_is() {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    let mut log = promise.open(&disk).expect("it is made");
    promise.take_epoch(&mut log).expect("its epoch");
    let frame = promise.frame(1, 40);
    promise.append(&mut log, frame).expect("durable");
    disk.set_capacity(Some(disk.used()));
    for _ in 0..3 {
        assert!(matches!(log.tend(), Err(LogError::Full(_))));
    }
    let filler = promise.frame(1, 8 << 20);
    promise.append(&mut log, filler).expect("room was there already");
    for _ in 0..3 {
        let frame = promise.frame(1, 1 << 20);
        let error = promise.append(&mut log, frame).expect_err("the next segment has no room");
        assert!(matches!(error, LogError::Full(_)), "{error}");
        let frame = promise.frame(1, 40);
        promise.append(&mut log, frame).expect("what fits goes on");
    }
    let files = disk.files();
    assert!(files.iter().all(|(path, _)| path.to_string_lossy().ends_with(".seg")), "{files:?}");
    promise.check(&log);
    disk.set_capacity(None);
    while log.tend().expect("room is made") {}
    let frame = promise.frame(1, 1 << 20);
    promise.append(&mut log, frame).expect("it fits now");
    promise.check(&log);
    drop(log);
    promise.open(&disk.image(Keep::Nothing)).expect("it opens");
}

/// However much room the disk has when it was asked: what `room` said then fits, in entries of
/// any size, framed one by one.
#[test]
fn what_was_promised_fits_on_a_disk_that_is_full_from_then_on() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let disk = SimDisk::new();
        let mut promise = Promise::new();
        let mut log = promise.open(&disk).expect("it is made");
        promise.take_epoch(&mut log).expect("its epoch");
        if random.one_in(2) {
            while log.tend().expect("room is made") {}
        }
        // Fill what is there up to some sectors.
        let len = (8 << 20) - random.below(4_096) as usize;
        let fill = promise.frame(0, len);
        let left = Settings::SEGMENT_BYTES_LEAST - 1_024 - log.room_of(len);
        promise.append(&mut log, fill).expect("durable");
        let leave = 512 * random.below(20);
        let fill = promise.frame(0, (left - leave - 128) as usize);
        promise.append(&mut log, fill).expect("durable");
        if random.one_in(2) {
            while log.tend().expect("room is made") {}
        }
        disk.set_capacity(Some(disk.used()));
        let mut room = log.room();
        loop {
            let len = match random.below(4) {
                0 => random.below(300_000) as usize,
                1 => 8 << 20,
                2 => random.below(2_000) as usize,
                _ => room.saturating_sub(128) as usize,
            };
            let len = len.min(8 << 20);
            let wanted = log.room_of(len);
            if wanted > room {
                if random.one_in(3) || room < 512 {
                    break;
                }
                continue;
            }
            let mut frame = promise.frame(1, 0);
            frame.bytes = vec![seed as u8; len];
            if let Err(error) = promise.append(&mut log, frame) {
                panic!("seed {seed}: {room} bytes were left for {len}: {error}");
            }
            assert!(log.room() >= room - wanted, "seed {seed}: room shrinks by what was taken");
            room -= wanted;
        }
        drop(log);
        disk.set_capacity(None);
        promise.open(&disk.image(Keep::Nothing)).expect("it opens");
    }
}
