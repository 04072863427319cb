//! Echoes, until `{"type":"hoard"}` makes it open its data directory over and
//! over, and close nothing.

use bindings::exports::ntwk::actor::actor::{Failure, Guest, Handled};
use bindings::wasi::filesystem::preopens::get_directories;
use bindings::wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

/// What wit-bindgen makes of the world `store` of wit/actor.wit.
#[allow(unsafe_code, clippy::pedantic, reason = "generated")]
mod bindings {
    #[cfg(target_arch = "wasm32")]
    use super::Hoard;

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "store",
        generate_all,
    });

    #[cfg(target_arch = "wasm32")]
    export!(Hoard with_types_in self);
}

/// The actor.
pub struct Hoard;

impl Guest for Hoard {
    fn init(configuration: String) -> Result<String, Failure> {
        Ok(kv_test_guests::report(&configuration))
    }

    fn handle(events: Vec<u8>, time_ms: u64) -> Handled {
        if kv_test_guests::has_event(&events, "hoard") {
            hoard();
        }
        let echoed = kv_test_guests::echo(events, time_ms);
        Handled {
            replies: echoed.replies,
            changes: echoed.changes,
            finished: false,
            wake_at_ms: None,
        }
    }

    fn stop() {}
}

fn hoard() -> ! {
    let mut hoarded: Vec<Descriptor> = Vec::new();
    let directories = get_directories();
    loop {
        for (directory, _) in &directories {
            let opened = directory.open_at(
                PathFlags::empty(),
                ".",
                OpenFlags::DIRECTORY,
                DescriptorFlags::READ,
            );
            hoarded.extend(opened);
        }
    }
}
