//! Positions follow what they rest on, and nothing is drawn that the log has no room for.

use std::sync::Arc;

use loom::thread;
use quipu_sync::explore::{catches, holds, is_caught};
use quipu_sync::planted::Planted;
use quipu_sync::{Doorbell, Inbox, Sequencer};

/// One shard decides and sends a message to another, which decides upon it; a third one knows
/// of neither. `send_first` sends before the position is taken.
fn positions(send_first: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let sequencer = Arc::new(Sequencer::new(1, 8, 8));
        let inbox = Arc::new(Inbox::default());
        let first = thread::spawn({
            let (sequencer, inbox) = (Arc::clone(&sequencer), Arc::clone(&inbox));
            move || {
                if send_first {
                    assert_eq!(inbox.put(()), Ok(()));
                    return (sequencer.take(2), 2);
                }
                let taken = (sequencer.take(2), 2);
                assert_eq!(inbox.put(()), Ok(()));
                taken
            }
        });
        let third = thread::spawn({
            let sequencer = Arc::clone(&sequencer);
            move || [(sequencer.take(1), 1), (sequencer.take(3), 3)]
        });
        let mut heard = Vec::new();
        inbox.take(&mut heard);
        let second = (sequencer.take(1), 1);
        let first = first.join().expect("it ends");
        let [third, fourth] = third.join().expect("it ends");
        assert!(heard.is_empty() || first.0 < second.0, "it rests on what comes after it");
        assert!(third.0 < fourth.0, "a thread's own positions rise");
        let mut all = [first, second, third, fourth];
        all.sort_unstable();
        let mut next = 1;
        for (at, slots) in all {
            assert_eq!(at, next, "positions are dense");
            next += slots;
        }
        assert_eq!(sequencer.next(), next);
    }
}

#[test]
fn positions_are_dense_and_follow_what_they_rest_on() {
    holds("positions", 3, 192, positions(false));
}

#[test]
fn a_position_taken_after_its_message_left_is_caught() {
    is_caught("message before position", 3, "rests on", positions(true));
}

#[test]
fn a_position_given_twice_is_caught() {
    catches(Planted::TakeInTwoSteps, 3, "dense", positions(false));
}

/// Two shards draw room and hand over what used it; the committer appends, lowers the room and
/// gives back. `give_first` gives back before it lowers the room.
fn room(give_first: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let sequencer = Arc::new(Sequencer::new(1, 8, 8));
        let lane = Arc::new(Inbox::default());
        let bell = Arc::new(Doorbell::default());
        let mut left = 3_u64;
        sequencer.set_room(left, false);
        let shard = |draws: &'static [u64]| {
            let (sequencer, lane, bell) = (Arc::clone(&sequencer), lane.clone(), bell.clone());
            move || {
                for bytes in draws {
                    let drawn = sequencer.draw(1, *bytes).is_ok();
                    assert_eq!(lane.put(drawn.then_some(*bytes)), Ok(()));
                    bell.ring();
                }
            }
        };
        let shards = [thread::spawn(shard(&[1, 2])), thread::spawn(shard(&[2]))];
        let (mut heard, mut batch, mut used) = (0, Vec::new(), 0);
        while heard < 3 {
            lane.take(&mut batch);
            if batch.is_empty() {
                bell.sleep_unless(|| !lane.is_empty());
            }
            for bytes in batch.drain(..) {
                heard += 1;
                let Some(bytes) = bytes else { continue };
                assert!(bytes <= left, "the log has no room for what was drawn");
                left -= bytes;
                used += bytes;
                if give_first {
                    sequencer.give_back(1, bytes);
                    sequencer.set_room(left, left == 0);
                } else {
                    sequencer.set_room(left, left == 0);
                    sequencer.give_back(1, bytes);
                }
            }
        }
        shards.into_iter().for_each(|shard| shard.join().expect("it ends"));
        assert_eq!(sequencer.drawn(), (0, 0), "all of it has come back");
        assert!((1..=3).contains(&used), "somebody is served");
    }
}

#[test]
fn what_is_drawn_never_exceeds_the_room() {
    holds("room", 2, 8_796, room(false));
}

#[test]
fn room_given_back_before_it_is_lowered_is_caught() {
    is_caught("give back before the room is lowered", 2, "no room", room(true));
}

#[test]
fn room_read_before_the_draw_is_counted_is_caught() {
    catches(Planted::RoomFirst, 2, "no room", room(false));
}
