//! It is a disk like any other.

use quipu_core::disk::conformance::{Place, check};
use quipu_sim::disk::{Keep, SimDisk};

struct Here {
    disk: SimDisk,
    keep: Keep,
}

impl Place for Here {
    type Disk = SimDisk;

    fn open(&mut self) -> SimDisk {
        self.disk.clone()
    }

    fn crash(&mut self, disk: SimDisk) {
        disk.lose_power();
        self.disk = disk.image(self.keep);
    }
}

#[test]
fn it_keeps_the_promises_of_a_disk() {
    let few = [Keep::Nothing, Keep::First(1), Keep::First(2), Keep::All];
    for keep in few.into_iter().chain((0..100).map(Keep::Torn)) {
        check(|| Here { disk: SimDisk::new(), keep });
    }
}
