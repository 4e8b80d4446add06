//! Many producers and one consumer; many shards and one committer.

use std::sync::Arc;

use quipu_sync::planted::Planted;
use quipu_sync::{Doorbell, Inbox, Sequencer, Watermark};
use shuttle::thread;

use crate::storm::{catches, holds, is_caught};

/// Fourteen producers, and their consumer. `look_first` has it look before it lies down.
fn hand_over(look_first: bool) -> impl Fn() + Send + Sync + 'static {
    const PRODUCERS: usize = 14;
    const THINGS: usize = 2;
    move || {
        let inbox = Arc::new(Inbox::default());
        let bell = Arc::new(Doorbell::default());
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let (inbox, bell) = (Arc::clone(&inbox), Arc::clone(&bell));
                thread::spawn(move || {
                    for number in 0..THINGS {
                        assert_eq!(inbox.put((producer, number)), Ok(()));
                        bell.ring();
                    }
                })
            })
            .collect();
        let mut all = Vec::new();
        while all.len() < PRODUCERS * THINGS {
            let before = all.len();
            inbox.take(&mut all);
            if all.len() > before {
                continue;
            }
            let has_work = look_first.then(|| !inbox.is_empty());
            bell.sleep_unless(|| has_work.unwrap_or_else(|| !inbox.is_empty()));
        }
        producers.into_iter().for_each(|producer| producer.join().expect("it ends"));
        for producer in 0..PRODUCERS {
            let of = all.iter().filter(|(from, _)| *from == producer).map(|(_, number)| *number);
            assert!(of.eq(0..THINGS), "lost, doubled or out of order: {all:?}");
        }
    }
}

#[test]
fn hand_over_loses_and_doubles_nothing() {
    holds("hand-over, 15 threads", hand_over(false));
}

#[test]
fn a_look_before_lying_down_is_caught() {
    is_caught("look before lying down", "deadlock", hand_over(true));
}

/// What is done in a wrong order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Room is given back, and then the log's room is lowered.
    GiveFirst,
    /// An answer leaves once its entry is handed over.
    AnswerEarly,
}

/// Eight shards draw room, take positions, hand over and hold back their answers; the committer
/// appends in the order of positions, gives back and publishes.
fn commit(wrong: Wrong) -> impl Fn() + Send + Sync + 'static {
    const SHARDS: usize = 8;
    /// For a quarter of the entries.
    const ROOM: u64 = 4;
    move || {
        let sequencer = Arc::new(Sequencer::new(1, 16, 16));
        sequencer.set_room(ROOM, false);
        let watermark = Arc::new(Watermark::new(0, 0));
        let lane = Arc::new(Inbox::default());
        let (lane_bell, bells) =
            (Arc::new(Doorbell::default()), Arc::<[Doorbell; SHARDS]>::default());
        let shards: Vec<_> = (0..SHARDS)
            .map(|shard| {
                let (sequencer, watermark) = (Arc::clone(&sequencer), Arc::clone(&watermark));
                let (lane, lane_bell) = (Arc::clone(&lane), Arc::clone(&lane_bell));
                let bells = Arc::clone(&bells);
                thread::spawn(move || {
                    let mut answered = 0;
                    for _ in 0..2 {
                        if sequencer.draw(1, 1).is_err() {
                            continue;
                        }
                        let at = sequencer.take(1);
                        assert_eq!(lane.put(Some(at)), Ok(()));
                        lane_bell.ring();
                        let is_durable = || watermark.read().0 >= at;
                        while !is_durable() && wrong != Wrong::AnswerEarly {
                            bells[shard].sleep_unless(is_durable);
                        }
                        assert!(is_durable(), "an answer before it is durable");
                        answered += 1;
                    }
                    assert_eq!(lane.put(None), Ok(()));
                    lane_bell.ring();
                    answered
                })
            })
            .collect();
        let (mut ended, mut waiting, mut batch) = (0, Vec::new(), Vec::new());
        let (mut next, mut room) = (1, ROOM);
        while ended < SHARDS {
            lane.take(&mut batch);
            ended += batch.iter().filter(|at| at.is_none()).count();
            waiting.extend(batch.drain(..).flatten());
            let first = next;
            while let Some(place) = waiting.iter().position(|at| *at == next) {
                waiting.swap_remove(place);
                next += 1;
            }
            let appended = next - first;
            if appended == 0 {
                if ended < SHARDS {
                    lane_bell.sleep_unless(|| !lane.is_empty());
                }
                continue;
            }
            assert!(appended <= room, "the log has no room for what was drawn");
            room -= appended;
            if wrong == Wrong::GiveFirst {
                sequencer.give_back(appended, appended);
            }
            sequencer.set_room(room, room == 0);
            if wrong != Wrong::GiveFirst {
                sequencer.give_back(appended, appended);
            }
            watermark.publish(next - 1, next - 1);
            for bell in bells.iter() {
                bell.ring();
            }
        }
        let answered: u64 = shards.into_iter().map(|shard| shard.join().expect("it ends")).sum();
        assert_eq!(answered, next - 1, "every position is answered once");
        assert!(waiting.is_empty(), "positions are dense");
        assert_eq!(sequencer.drawn(), (0, 0), "all room has come back");
    }
}

#[test]
fn shards_and_committer_answer_what_is_durable() {
    holds("commit, 9 threads", commit(Wrong::Nothing));
}

#[test]
fn an_early_answer_is_caught() {
    is_caught("answer before it is durable", "before it is durable", commit(Wrong::AnswerEarly));
}

#[test]
fn room_given_back_before_it_is_lowered_is_caught() {
    is_caught("give back before the room is lowered", "no room", commit(Wrong::GiveFirst));
}

#[test]
fn room_read_before_the_draw_is_counted_is_caught() {
    catches(Planted::RoomFirst, "no room", commit(Wrong::Nothing));
}
