//! The same work through the component and natively: figure 5.

use super::Part;
use crate::events::{TIME_MS, batch, batches, check, handle, lines};
use crate::failure::{Failure, failed};
use crate::random::Random;
use crate::requests::Operation;
use crate::results::{Bound, Figures, Point, Target};
use crate::session::Session;
use crate::values::{Values, scattered};
use kv_engine::files::native::NativeFiles;
use kv_engine::{Options, Store};
use kv_runtime::{Actor, ActorSettings, GuestLimits, Messages};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const METHOD: &str = "The same batches, made beforehand, are handed to the engine \
    (`Store::handle`) and to the component in its runtime (`Actor::handle`), both in this process, \
    on tmpfs where there is one, so that no disk hides the difference. No fronts. Both are built \
    optimised; the component with `lto = \"fat\"` and one codegen unit, as it is shipped.";

const COMPONENT: &str = "component";
const NATIVE: &str = "native";

/// How many events a batch has.
const BATCHES: [usize; 4] = [1, 16, 64, 240];

/// Batches made beforehand, used in turn.
const MADE: usize = 128;

/// Something that takes batches.
enum Subject {
    Native(Box<Store<NativeFiles>>, Vec<u8>),
    Component(Box<Actor>),
}

impl Subject {
    fn native(data: &Path) -> Result<Self, Failure> {
        std::fs::create_dir(data)?;
        let files = NativeFiles::new(data);
        let (store, _) = Store::open(files, Options::default()).map_err(failed)?;
        Ok(Self::Native(Box::new(store), Vec::new()))
    }

    fn component(component: Vec<u8>, data: PathBuf) -> Result<Self, Failure> {
        let actor = Actor::start(ActorSettings {
            name: "bench".to_owned(),
            component,
            data,
            configuration: "{}".to_owned(),
            limits: GuestLimits::default(),
            messages: Messages::default(),
            compiled: None,
        });
        Ok(Self::Component(Box::new(actor.map_err(failed)?)))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Native(..) => NATIVE,
            Self::Component(_) => COMPONENT,
        }
    }

    fn handle(&mut self, events: &[u8], count: usize) -> Result<(), Failure> {
        match self {
            Self::Native(store, replies) => handle(store, events, count, replies),
            Self::Component(actor) => {
                let handled = actor.handle(events, count, TIME_MS).map_err(failed)?;
                check(&handled.replies, count)
            }
        }
    }
}

fn point(operation: Operation, events: usize, subject: &'static str) -> Point {
    let plural = if events == 1 { "" } else { "s" };
    let workload = format!("{operation:?}, {events} event{plural} a batch").to_lowercase();
    Point::new(Part::Component, workload, subject)
}

pub(super) fn targets() -> Vec<Target> {
    let mut targets = Vec::new();
    for operation in [Operation::Put, Operation::Get] {
        for events in BATCHES.into_iter().filter(|events| *events >= 16) {
            let ours = point(operation, events, COMPONENT);
            targets.push(Target {
                number: 5,
                name: format!("through the component: {}", ours.workload),
                figure: "us_each",
                beside: Some(point(operation, events, NATIVE)),
                ours,
                bound: Bound::RatioAtMost(1.5),
            });
        }
    }
    targets
}

pub(super) fn run(session: &mut Session) -> Result<(), Failure> {
    let plan = session.plan;
    let keys = plan.embedded_keys.min(100_000);
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir_in(session.folder("component")?)
    }?;
    let mut subjects = [
        Subject::component(session.component()?, folder.path().join(COMPONENT))?,
        Subject::native(&folder.path().join(NATIVE))?,
    ];
    let wire = lines(Values::small());
    let numbers: Vec<_> = scattered(keys).collect();
    for numbers in numbers.chunks(1024) {
        let events = batch(&wire, Operation::Put, numbers.iter().copied());
        for subject in &mut subjects {
            subject.handle(&events, numbers.len())?;
        }
    }
    let mut random = Random::new(session.seed);
    for run in 0..plan.runs {
        for operation in [Operation::Put, Operation::Get] {
            for events in BATCHES {
                let made = batches(operation, keys, events, MADE, &mut random);
                for subject in &mut subjects {
                    let point = point(operation, events, subject.name());
                    session.measure(point, run, || {
                        let begun = Instant::now();
                        let mut handled = 0;
                        // Half the time is enough: nothing waits for a disk.
                        while begun.elapsed() < plan.run_time / 2 {
                            for batch in &made {
                                subject.handle(batch, events)?;
                            }
                            handled += made.len() * events;
                        }
                        Ok(each(begun.elapsed(), handled))
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// What each of so many took.
#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(super) fn each(time: Duration, count: usize) -> Figures {
    let seconds = time.as_secs_f64();
    Figures::from([
        ("us_each", seconds * 1e6 / count as f64),
        ("per_second", count as f64 / seconds),
    ])
}
