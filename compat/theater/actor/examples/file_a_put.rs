//! What the store is measured against: an actor that writes a file for each put,
//! with no check and no index, the fastest there is with one file a put.

#[cfg(target_arch = "wasm32")]
mod actor {
    #![allow(
        unsafe_code,
        missing_docs,
        unreachable_pub,
        clippy::pedantic,
        reason = "generated"
    )]

    wit_bindgen::generate!({
        path: "../wit",
        world: "store",
        generate_all,
    });

    use exports::theater::simple::{actor, message_server_client};
    use message_server_client::ChannelAccept;
    use theater::simple::filesystem;

    type State = Option<Vec<u8>>;

    struct FileAPut;

    impl actor::Guest for FileAPut {
        fn init(_: State, _: (String,)) -> Result<(State,), String> {
            Ok((None,))
        }
    }

    impl message_server_client::Guest for FileAPut {
        fn handle_send(_: State, _: (Vec<u8>,)) -> Result<(State,), String> {
            Ok((None,))
        }

        /// Puts in lines, `key value`.
        fn handle_request(
            _: State,
            (_, message): (String, Vec<u8>),
        ) -> Result<(State, (Option<Vec<u8>>,)), String> {
            let message = String::from_utf8(message).map_err(|e| e.to_string())?;
            for put in message.lines() {
                let (key, value) = put.split_once(' ').ok_or("no put")?;
                filesystem::write_file(key, value)?;
            }
            Ok((None, (Some(Vec::new()),)))
        }

        fn handle_channel_open(
            _: State,
            _: (String, Vec<u8>),
        ) -> Result<(State, (ChannelAccept,)), String> {
            let (accepted, message) = (false, None);
            Ok((None, (ChannelAccept { accepted, message },)))
        }

        fn handle_channel_message(_: State, _: (String, Vec<u8>)) -> Result<(State,), String> {
            Ok((None,))
        }

        fn handle_channel_close(_: State, _: (String,)) -> Result<(State,), String> {
            Ok((None,))
        }
    }

    export!(FileAPut);
}
