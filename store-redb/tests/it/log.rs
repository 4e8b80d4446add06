//! The log in redb passes the suite of every log; and what the tests of it have in common.

use std::path::Path;

use quipu_core::disk::{Disk, Keep, MemoryDisk};
use quipu_core::log::conformance::{Place, check};
use quipu_core::log::{Anchor, Finish, Frame, Log, LogError, Reader};
use quipu_core::words::{Epoch, Position, Timestamp};
use quipu_sim::Random;
use quipu_sim::disk::{Keep as Torn, SimDisk};
use quipu_store_redb::backend::Pacing;
use quipu_store_redb::file::{RedbFile, Settings};
use quipu_store_redb::log::RedbLog;
use redb::ReadableTable;

/// No less than the room of an entry of 8 MiB.
const ROOM: u64 = 10 << 20;

pub(crate) fn settings() -> Settings {
    // Small, so that much of what is tested leaves in portions.
    let (window_bytes, portion_bytes) = (64 << 10, 32 << 10);
    let pacing = Pacing { window_bytes, portion_bytes, ..Pacing::none() };
    Settings { id: 7, cache_bytes: 1 << 20, pacing }
}

pub(crate) fn open<D: Disk>(disk: &D) -> Result<RedbLog, LogError> {
    RedbLog::open(disk, Path::new("log"), &settings(), ROOM)
}

/// Every frame that a log shows, from the first on, and that they hang together.
pub(crate) fn frames(log: &RedbLog) -> Result<Vec<Frame>, LogError> {
    let (first, next) = log.bounds();
    let mut anchor = log.anchor_before(first)?;
    assert!(first > Position::new(1) || anchor == Anchor::START);
    let (mut frames, mut at) = (Vec::new(), first);
    while at < next {
        let frame = log.read(at)?.expect("a position within the bounds has a frame");
        assert_eq!(frame.first, at, "frames follow each other");
        assert_eq!(log.anchor_before(at)?, anchor);
        (anchor, at) = (anchor.then(&frame), frame.last().plus(1));
        frames.push(frame);
    }
    assert_eq!((at, anchor), (next, log.anchor()));
    Ok(frames)
}

/// A frame of this length at the log's end; its bytes tell where that is.
pub(crate) fn next_frame(log: &RedbLog, events: u64, len: usize) -> Frame {
    let first = log.bounds().1;
    Frame {
        epoch: Epoch::ZERO,
        first,
        events,
        now: Timestamp::from_ms(1_000 + first.get()),
        now_limit: Timestamp::from_ms(2_000 + first.get()),
        watermark: Position::new(first.get() - 1),
        bytes: (0..len).map(|index| first.get() as u8 ^ (index ^ index >> 8) as u8).collect(),
    }
}

/// Appends and tells how that ended, or that it could not begin.
pub(crate) fn append(log: &mut RedbLog, frame: Frame) -> Option<Finish> {
    log.append(frame).ok()?;
    log.finish()
}

struct InMemory {
    disk: MemoryDisk,
    keep: Keep,
}

impl Place for InMemory {
    type Log = RedbLog;

    fn open(&mut self) -> RedbLog {
        open(&self.disk).expect("it opens")
    }

    fn crash(&mut self, log: RedbLog) {
        self.disk.crash(self.keep);
        drop(log);
    }
}

struct Simulated {
    disk: SimDisk,
    keep: Torn,
}

impl Place for Simulated {
    type Log = RedbLog;

    fn open(&mut self) -> RedbLog {
        open(&self.disk).expect("it opens")
    }

    fn crash(&mut self, log: RedbLog) {
        self.disk.lose_power();
        drop(log);
        self.disk = self.disk.image(self.keep);
    }
}

#[test]
fn the_log_in_redb_is_a_log() {
    for keep in [Keep::Nothing, Keep::All] {
        check(|| InMemory { disk: MemoryDisk::new(), keep });
    }
}

#[test]
fn it_is_one_on_a_disk_that_tears() {
    check(|| Simulated { disk: SimDisk::new(), keep: Torn::Torn(5) });
}

#[test]
fn a_reader_does_not_keep_the_file_open() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk).expect("it opens");
    let epoch = log.take_epoch().expect("an epoch");
    let made = Frame { epoch, ..next_frame(&log, 1, 100) };
    assert_eq!(append(&mut log, made.clone()), Some(Finish::Durable));
    let reader = log.reader();
    assert_eq!(reader.read(Position::new(1)), Ok(Some(made)));
    drop(log);
    assert_eq!(reader.read(Position::new(1)), Err(LogError::Closed));
    assert_eq!(frames(&open(&disk).expect("it opens again")).expect("readable").len(), 1);
}

/// More rows than one trim takes away, so that it takes several.
#[test]
fn a_long_history_is_dropped_bit_by_bit() {
    let disk = MemoryDisk::new();
    let mut log = open(&disk).expect("it opens");
    let epoch = log.take_epoch().expect("an epoch");
    for _ in 0..40 {
        let made = Frame { epoch, ..next_frame(&log, 3, 8 << 20) };
        assert_eq!(append(&mut log, made), Some(Finish::Durable));
    }
    let (mut first, mut trims) = (Position::new(1), 0);
    // Position 117 lies within the frame from 115 on.
    while first < Position::new(115) {
        let kept = log.trim(Position::new(117)).expect("dropped");
        assert!(kept > first && kept <= Position::new(115), "{kept} after {first}");
        (first, trims) = (kept, trims + 1);
        assert_eq!(frames(&log).expect("readable")[0].first, first);
    }
    assert_eq!(trims, 2);
    assert_eq!(log.trim(Position::new(121)).expect("dropped"), Position::new(121));
    drop(log);
    let log = open(&disk).expect("it opens again");
    assert_eq!(log.bounds(), (Position::new(121), Position::new(121)));
    assert_eq!(log.anchor().position, Position::new(120));
}

#[test]
fn a_full_disk_is_found_before_anything_is_promised() {
    let disk = SimDisk::new();
    let mut log = open(&disk).expect("it opens");
    let epoch = log.take_epoch().expect("an epoch");
    assert_eq!(log.room(), 0, "nothing is promised before it was made");
    disk.set_capacity(Some(disk.used() + (1 << 20)));
    assert!(matches!(log.tend(), Err(LogError::Full(_))));
    assert_eq!(log.room(), 0);
    disk.set_capacity(None);
    assert_eq!(log.tend(), Ok(false), "it lifts by itself");
    assert_eq!(log.room(), ROOM);
    // What was promised is there, whatever comes to lie on the disk meanwhile.
    disk.set_capacity(Some(disk.used()));
    let mut appended = 0;
    while log.room() >= log.room_of(300_000) {
        let made = Frame { epoch, ..next_frame(&log, 1, 300_000) };
        assert_eq!(append(&mut log, made), Some(Finish::Durable), "after {appended}");
        appended += 1;
        assert!(appended < 10_000, "room has an end");
    }
    assert!(appended as u64 >= ROOM / log.room_of(300_000));
    assert!(matches!(log.tend(), Err(LogError::Full(_))));
    assert_eq!(frames(&log).expect("readable").len(), appended);
}

/// More than one commit takes, and with an end that is none.
#[test]
fn a_long_history_is_adopted_or_of_no_use() {
    let (from, to) = (MemoryDisk::new(), MemoryDisk::new());
    let mut log = open(&from).expect("it opens");
    let epoch = log.take_epoch().expect("an epoch");
    for _ in 0..5 {
        let made = Frame { epoch, ..next_frame(&log, 2, 8 << 20) };
        assert_eq!(append(&mut log, made), Some(Finish::Durable));
    }
    let all = frames(&log).expect("readable");
    let mut copy = open(&to).expect("it opens");
    copy.adopt(Anchor::START, Epoch::ZERO, &mut all.iter().cloned().map(Ok)).expect("it is new");
    to.crash(Keep::Nothing);
    drop(copy);
    let copy = open(&to).expect("it opens");
    assert!(frames(&copy).expect("readable") == all);
    assert_eq!(copy.anchor(), log.anchor());

    let gap = all.iter().cloned().map(Ok).filter(|frame| {
        let Ok(Frame { first, .. }) = frame else { return true };
        first.get() != 5
    });
    let broken = all.iter().take(2).cloned().map(Ok).chain([Err(LogError::Closed)]);
    let feeds: [&mut dyn Iterator<Item = Result<Frame, LogError>>; 2] =
        [&mut { gap }, &mut { broken }];
    for feed in feeds {
        let mut log = open(&MemoryDisk::new()).expect("it opens");
        assert!(log.adopt(Anchor::START, Epoch::ZERO, feed).is_err());
        assert_eq!(log.take_epoch(), Err(LogError::Closed));
    }
}

/// However the file is cut up by what was appended and dropped before.
#[test]
fn promised_room_holds_in_a_file_full_of_gaps() {
    let disk = SimDisk::new();
    let mut log = open(&disk).expect("it opens");
    let epoch = log.take_epoch().expect("an epoch");
    let mut random = Random::new(3);
    for round in 0..8 {
        disk.set_capacity(None);
        assert_eq!(log.tend(), Ok(false));
        disk.set_capacity(Some(disk.used()));
        // All that is promised at once, as frames of one kind of length or of any.
        let len_max = [200, 9_000, 400_000, 8 << 20][round % 4];
        let mut room = log.room();
        loop {
            let len = random.below(len_max) as usize;
            let Some(left) = room.checked_sub(log.room_of(len)) else { break };
            room = left;
            let made = Frame { epoch, ..next_frame(&log, 1, len) };
            assert_eq!(append(&mut log, made), Some(Finish::Durable), "round {round}, {len}");
            if random.one_in(16) {
                let (first, next) = log.bounds();
                let kept = first.get() + random.below(next.get() - first.get());
                log.trim(Position::new(kept)).expect("dropped");
            }
        }
    }
}

/// Sums of pages vouch for what redb wrote. That a row is the log's own is said by its seal.
#[test]
fn rows_that_the_log_has_not_written_are_damage() {
    let made = || {
        let disk = MemoryDisk::new();
        let mut log = open(&disk).expect("it opens");
        let epoch = log.take_epoch().expect("an epoch");
        for len in [600_000, 900_000] {
            let made = Frame { epoch, ..next_frame(&log, 1, len) };
            assert_eq!(append(&mut log, made), Some(Finish::Durable));
        }
        disk
    };
    type Change = fn(&mut redb::Table<'_, (u64, u32), &[u8]>) -> Result<(), redb::Error>;
    let changes: [(&str, Change); 4] = [
        ("a bit", |table| {
            let mut row = table.get((1, 1))?.expect("it is there").value().to_vec();
            row[5_000] ^= 4;
            table.insert((1, 1), row.as_slice())?;
            Ok(())
        }),
        ("the last part", |table| table.remove((1, 2)).map(drop).map_err(Into::into)),
        ("a part between", |table| table.remove((1, 1)).map(drop).map_err(Into::into)),
        ("another frame's part", |table| {
            let row = table.get((2, 1))?.expect("it is there").value().to_vec();
            table.insert((1, 1), row.as_slice())?;
            Ok(())
        }),
    ];
    for (what, change) in changes {
        let disk = made();
        let file = RedbFile::open(&disk, Path::new("log"), &settings(), |_| Ok(())).expect("opens");
        let frames = redb::TableDefinition::<(u64, u32), &[u8]>::new("frames");
        file.commit(|transaction| change(&mut transaction.open_table(frames)?)).expect("changed");
        file.close().expect("closed");
        let log = open(&disk).expect("the last frame is whole");
        let read = log.read(Position::new(1));
        assert!(matches!(read, Err(LogError::Damaged(_))), "{what}: {read:?}");
        assert!(log.read(Position::new(2)).is_ok(), "{what}");
    }
}
