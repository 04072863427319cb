//! The exports of an actor of Theater.

use crate::bindings::exports::theater::simple::{actor, message_server_client};
use crate::bindings::theater::simple::timing;
use crate::pieces::PiecedFiles;
use crate::service::Service;
use crate::whole_files::TheaterFiles;
use message_server_client::ChannelAccept;
use std::cell::RefCell;

type State = Option<Vec<u8>>;

thread_local! {
    /// An instance has one thread, and lives as long as the actor.
    static SERVICE: RefCell<Service<TheaterFiles>> =
        const { RefCell::new(Service::new(|| PiecedFiles::new(TheaterFiles))) };
}

/// The exports; `bindings` hands them to the runtime.
pub(crate) struct Actor;

fn handle(message: &[u8]) -> Vec<u8> {
    SERVICE.with_borrow_mut(|service| service.handle(message, timing::now()))
}

impl actor::Guest for Actor {
    fn init(_: State, _: (String,)) -> Result<(State,), String> {
        Ok((None,))
    }
}

impl message_server_client::Guest for Actor {
    fn handle_send(_: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        handle(&message);
        Ok((None,))
    }

    fn handle_request(
        _: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        Ok((None, (Some(handle(&message)),)))
    }

    fn handle_channel_open(
        _: State,
        _: (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        let message = Some(b"the store takes requests, no channels".to_vec());
        let refused = ChannelAccept {
            accepted: false,
            message,
        };
        Ok((None, (refused,)))
    }

    fn handle_channel_message(_: State, _: (String, Vec<u8>)) -> Result<(State,), String> {
        Ok((None,))
    }

    fn handle_channel_close(_: State, _: (String,)) -> Result<(State,), String> {
        Ok((None,))
    }
}
