//! A reader on another thread, while the writer ends a segment.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use quipu_core::log::Log;
use quipu_core::words::Position;
use quipu_sim::disk::{Act, SimDisk};

use crate::promise::Promise;

#[test]
fn what_is_read_while_a_segment_is_cut_can_be_read_afterwards() {
    let disk = SimDisk::new();
    let mut promise = Promise::new();
    let mut log = promise.open(&disk).expect("it is made");
    promise.take_epoch(&mut log).expect("its epoch");
    for (events, len) in [(1, 40), (0, 8 << 20), (0, 1_000_000), (1, 600)] {
        let frame = promise.frame(events, len);
        promise.append(&mut log, frame).expect("durable");
    }
    let reader = log.reader();
    let (ask, asked) = sync_channel::<()>(0);
    let (tell, told) = sync_channel(0);
    std::thread::scope(|scope| {
        let (ask, told) = (Mutex::new(Some(ask)), Mutex::new(told));
        // Just before the segment is cut, the other thread reads in it.
        disk.on_operation(move |_, operation| {
            if matches!(operation.act, Act::SetLen { .. })
                && let Some(ask) = ask.lock().expect("one thread").take()
            {
                ask.send(()).expect("the other thread waits");
                told.lock().expect("one thread").recv().expect("it reads");
            }
        });
        let other = &reader;
        scope.spawn(move || {
            asked.recv().expect("a segment is cut");
            let read = other.read(Position::new(1));
            tell.send(()).expect("the writer waits");
            assert!(read.expect("readable").is_some());
        });
        let wide = promise.frame(1, 60_000);
        promise.append(&mut log, wide).expect("it rolls");
    });
    for frame in &promise.kept {
        assert!(reader.read(frame.first).expect("readable").as_ref() == Some(frame));
    }
}
