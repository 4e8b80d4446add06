//! Backups made while writing goes on, and what comes out of them: another ledger, whose
//! unfinished things are unknown.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufWriter;

use super::rest::{Rest, backup_of, stopped, trimmed};
use super::rich::{self, PAYOUTS, pay_out};
use super::say::*;
use super::told::{Told, tell};
use quipu::backup::Backup;
use quipu::restore::Step;
use quipu::{AnyLog, Files, LedgerId, LogKind, OpenError, Options, restore, verify};
use quipu_core::disk::Disk;
use quipu_core::log::{Anchor, Reader as _};
use quipu_core::machine::Machine;
use quipu_core::machines::account::{self, Account, WithdrawalState, withdrawal_key};
use quipu_core::machines::export::{self, Export};
use quipu_core::records::{HeadRow, IndexRow, Table};
use quipu_core::shard::{Ask, Outcome, Reading, Reply};
use quipu_core::store::Reader as _;
use quipu_core::words::{Book, Id, Name, Position};
use quipu_disk::RealDisk;
use quipu_sim::disk::{Keep, SimDisk};

const OTHER: LedgerId = LedgerId([8; 16]);

fn open_backup(bytes: &[u8]) -> Backup<&[u8]> {
    Backup::open(bytes, "a.backup").expect("a backup")
}

fn restored<D: Disk>(
    disk: &D,
    id: LedgerId,
    bytes: &[u8],
    options: &Options,
    progress: &mut dyn FnMut(Step),
) -> Result<Files<D>, OpenError> {
    restore(disk.clone(), id, open_backup(bytes), &machines(), options, START, progress)
}

fn read<M: Machine>(stream: &str, items: Vec<quipu_core::machine::ItemKey>) -> Ask {
    Ask::Read(Reading { stream: Name::new(Book::DEFAULT, M::KIND, id(stream)), items })
}

fn shown(reply: Reply) -> Outcome {
    let Reply::Done(outcome) = reply else { panic!("{reply:?}") };
    outcome
}

fn withdrawal<D: Disk>(ledger: &mut Ledger<D>, who: &str, id: &Id) -> account::Withdrawal {
    let key = withdrawal_key(id.position('w').expect("an id of a withdrawal"));
    match shown(ledger.ask(read::<Account>(who, vec![key]))).answer.item::<Account>() {
        Ok(account::Item::Withdrawal(withdrawal)) => withdrawal,
        other => panic!("no withdrawal {id}: {other:?}"),
    }
}

/// Verified, all of it, and its money adds up.
fn check_sound<D: Disk>(disk: &D, options: &Options, anchors: &[Anchor]) {
    let scratch = SimDisk::new();
    let nothing = &mut |_| {};
    let found = verify(disk.clone(), Some(&scratch), anchors, &machines(), options, nothing);
    let found = found.expect("it can be looked at");
    assert!(found.is_sound(), "{:?}", found.findings);
    let balance = found.balance.expect("it was made");
    assert!(balance.is_whole && !balance.lines.is_empty());
    assert!(balance.lines.iter().all(|line| line.difference == Some(0)), "{:?}", balance.lines);
}

/// Every head, item and index row that differs, by the number of its stream.
fn changed(before: &Told, after: &Told) -> BTreeSet<u64> {
    let old: BTreeSet<_> = before.rows.iter().collect();
    let new: BTreeSet<_> = after.rows.iter().collect();
    let differ = old.symmetric_difference(&new);
    let number = |row: &(u8, Vec<u8>, Vec<u8>)| {
        if row.0 == Table::Index as u8 {
            return IndexRow::read(&row.1).expect("an index row").number.get();
        }
        assert!(row.0 == Table::Head as u8 || row.0 == Table::Item as u8, "{row:?}");
        u64::from_be_bytes(*row.1.first_chunk().expect("a number"))
    };
    differ.map(|row| number(row)).collect()
}

#[test]
fn a_backup_is_made_on_another_thread_and_comes_back_as_another_ledger() {
    for log in [LogKind::Files, LogKind::Redb] {
        let place = tempfile::tempdir().expect("a place");
        let options = options(log);
        let files = quipu::create(place.path().join("ledger"), &machines(), &options);
        let files = drive(files.expect("it is made"), rich::begin);
        let mut payouts = Vec::new();
        let mut files = drive(files, |ledger| {
            rich::go_on(ledger);
            payouts = PAYOUTS.map(|state| (state, pay_out(ledger, "cy", state))).to_vec();
        });
        let job = files.begin_backup().expect("a snapshot");
        let (frames_before, epoch_before) = frames(&files.log);
        let (first_id, of) = (files.manifest.id, job.manifest);
        let path = place.path().join("ledger.backup");
        let mut told = Vec::new();
        let files = std::thread::scope(|scope| {
            let backup = scope.spawn(|| {
                let mut out = BufWriter::new(fs::File::create(&path).expect("a file"));
                job.write(&mut out, &mut |position| told.push(position)).expect("written");
            });
            let files = drive(files, |ledger| {
                for units in 1..=200 {
                    done(ledger.ask(command::<Account>("bo", deposit(units))));
                }
            });
            backup.join().expect("it went well");
            files
        });
        assert!(files.store.position() > of.position, "writing went on");
        assert!(told.is_sorted_by(|before, after| before < after), "progress rises: {told:?}");
        assert_eq!(told.last(), Some(&of.position));
        files.stop().expect("a clean stop");

        let bytes = fs::read(&path).expect("readable");
        let mut checked = Vec::new();
        open_backup(&bytes).check(&mut |position| checked.push(position)).expect("whole");
        assert_eq!(checked, told, "a check says how far it is as well");

        let disk = RealDisk::create(place.path().join("restored")).expect("made");
        let mut steps = Vec::new();
        let made = restored(&disk, OTHER, &bytes, &options, &mut |step| steps.push(step));
        let made = made.expect("restored");
        assert_ne!(made.manifest.id, first_id);
        let origin = made.manifest.origin.expect("it has one");
        assert_eq!((origin.ledger, origin.position), (first_id, of.position));
        assert_eq!(made.log.anchor_before(of.position.plus(1)), Ok(of.anchor));
        let (frames_after, epoch_after) = frames(&made.log);
        assert_eq!(frames_after[..frames_before.len()], frames_before[..], "history is complete");
        assert!(epoch_after > epoch_before, "a writer of the original can write here no more");
        check_progress(&steps, of.position);

        let made = drive(made, |ledger| {
            for (state, id) in &payouts {
                let expected = match *state {
                    "completed" => WithdrawalState::Completed,
                    "failed" => WithdrawalState::Failed,
                    _ => WithdrawalState::Unknown,
                };
                assert_eq!(withdrawal(ledger, "cy", id).state, expected, "{state}");
            }
            for (name, expected) in [
                ("queued", export::State::Queued),
                ("running", export::State::Running),
                ("ready", export::State::Failed),
            ] {
                let head = shown(ledger.ask(read::<Export>(name, vec![]))).answer.head::<Export>();
                assert_eq!(head.expect("an export").state, expected, "{name}");
            }
            done(ledger.ask(command::<Account>("ann", deposit(1))));
        });
        made.stop().expect("a clean stop");
        check_sound(&disk, &options, &[of.anchor]);
    }
}

/// All frames of a log, and the highest epoch of any.
fn frames<D: Disk>(log: &AnyLog<D>) -> (Vec<quipu_core::log::Frame>, quipu_core::words::Epoch) {
    let mut frames = Vec::new();
    let mut at = log.bounds().0;
    while let Some(frame) = log.read(at).expect("readable") {
        at = frame.last().plus(1);
        frames.push(frame);
    }
    let epoch = frames.iter().map(|frame| frame.epoch).max().expect("there is one");
    (frames, epoch)
}

fn check_progress(steps: &[Step], last: Position) {
    let (mut history, mut rows, mut unknown) = (Position::ZERO, 0, 0);
    for step in steps {
        match *step {
            Step::History(position) => {
                assert!(position > history && rows == 0, "{steps:?}");
                history = position;
            }
            Step::Rows(count) => {
                assert!(count > rows && history == last, "{steps:?}");
                rows = count;
            }
            Step::Unknown(count) => {
                assert!(count >= unknown && rows > 0, "{steps:?}");
                unknown = count;
            }
        }
    }
    // Three unfinished payouts of each of two accounts, beside those that were unknown already and
    // are told so again; and an export.
    assert!(unknown >= 7, "{steps:?}");
}

#[test]
fn a_restored_ledger_differs_in_nothing_but_what_was_unfinished() {
    for rest in [stopped(LogKind::Files), stopped(LogKind::Redb), trimmed(LogKind::Files)] {
        let bytes = backup_of(&rest);
        let disk = SimDisk::new();
        drop(restored(&disk, OTHER, &bytes, &rest.options, &mut |_| {}).expect("restored"));
        let (_, told) = tell(&disk, &rest.options).expect("it opens");
        assert_eq!(told.answers, rest.told.answers, "keys answer as they did");
        assert_eq!(told.frames[..rest.told.frames.len()], rest.told.frames[..]);
        assert!(told.now_limit >= rest.told.now_limit, "time does not run back");
        // Ann, whose payouts were unfinished, and the export that was ready.
        let names: Vec<_> =
            changed(&rest.told, &told).into_iter().map(|n| name(&told, n)).collect();
        assert_eq!(names, ["ann", "ready"]);
        // All of that can be made again of what is kept of history.
        disk.remove("store/store.redb".as_ref()).expect("removed");
        assert!(tell(&disk, &rest.options).expect("it opens").1 == told, "something else is told");
        Rest::of(disk, rest.options.clone());
    }
}

/// What a stream is called.
fn name(told: &Told, number: u64) -> String {
    let is_it =
        |row: &&(u8, Vec<u8>, Vec<u8>)| row.0 == Table::Head as u8 && row.1 == number.to_be_bytes();
    let (_, _, value) = told.rows.iter().find(is_it).expect("a head");
    HeadRow::read(value).expect("a row").name.id.to_string()
}

#[test]
fn a_restore_that_was_cut_short_anywhere_can_be_done_again() {
    let mut crashes = 0;
    let rests = [stopped(LogKind::Files), trimmed(LogKind::Files), stopped(LogKind::Redb)];
    for (index, rest) in rests.iter().enumerate() {
        let bytes = backup_of(rest);
        let (told, all) = {
            let disk = SimDisk::new();
            drop(restored(&disk, OTHER, &bytes, &rest.options, &mut |_| {}).expect("restored"));
            let all = disk.operations();
            (tell(&disk, &rest.options).expect("it opens").1, all)
        };
        for operation in 1..=all {
            let disk = SimDisk::new();
            disk.die_at(operation);
            let _ = restored(&disk, OTHER, &bytes, &rest.options, &mut |_| {});
            let keeps = [Keep::Torn(operation), Keep::Nothing, Keep::All];
            let count = if index == 0 { 3 } else { 1 };
            for keep in &keeps[..count] {
                let found = disk.image(*keep);
                let context = format!("operation {operation} of {all}, {keep:?}");
                match tell(&found, &rest.options) {
                    Ok((_, whole)) => assert!(whole == told, "{context}: it opens half"),
                    Err(OpenError::NoLedger) => {
                        let again = restored(&found, OTHER, &bytes, &rest.options, &mut |_| {});
                        drop(again.unwrap_or_else(|error| panic!("{context}: {error}")));
                        let (_, whole) = tell(&found, &rest.options).expect("it opens");
                        assert!(whole == told, "{context}: something else is told");
                    }
                    Err(error) => panic!("{context}: {error}"),
                }
                crashes += 1;
            }
        }
    }
    println!("{crashes} crashes of a restore");
    assert!(crashes > 300, "{crashes}");
}

#[test]
fn nothing_is_restored_over_what_is_there() {
    let rest = stopped(LogKind::Files);
    let bytes = backup_of(&rest);
    let over = |disk: &SimDisk, expected: OpenError| {
        let before = super::craft::contents(disk);
        let refused = restored(disk, OTHER, &bytes, &rest.options, &mut |_| {}).err();
        assert_eq!(refused, Some(expected));
        assert!(super::craft::contents(disk) == before, "it was changed");
    };
    over(&rest.image(), OpenError::Exists);
    let foreign = SimDisk::new();
    drop(foreign.create("notes.txt".as_ref()).expect("made"));
    over(&foreign, OpenError::Foreign("notes.txt".into()));
    let headless = rest.image();
    headless.remove("LEDGER".as_ref()).expect("removed");
    over(&headless, OpenError::NoManifest("log".into()));
}

#[test]
fn another_back_end_holds_the_same_ledger() {
    // One in which nothing is unfinished, so that a restore changes nothing.
    let disk = SimDisk::new();
    let file = options(LogKind::Files);
    drive(create_or_open(&disk, LogKind::Files).expect("it is made"), |ledger| {
        rich::begin(ledger);
        for ask in rich::keyed_asks() {
            ledger.ask(ask);
        }
    })
    .stop()
    .expect("a clean stop");
    let first = Rest::of(disk, file.clone());
    let mut rest = backup_of(&first);
    for (id, log) in [(8, LogKind::Redb), (9, LogKind::Files), (10, LogKind::Redb)] {
        let (disk, options) = (SimDisk::new(), options(log));
        let made = restored(&disk, LedgerId([id; 16]), &rest, &options, &mut |_| {});
        drop(made.expect("restored"));
        let copy = Rest::of(disk, options);
        assert_eq!(copy.told.digest, first.told.digest);
        assert_eq!(copy.told.anchor, first.told.anchor);
        let frames = |told: &Told| told.frames.clone();
        assert_eq!(frames(&copy.told), frames(&first.told));
        assert_eq!(copy.told.answers, first.told.answers);
        assert_eq!(copy.told.lists, first.told.lists);
        rest = backup_of(&copy);
    }
}
