//! What is asked of a server, one request after another.

use crate::random::Random;

/// What goes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Put,
    Get,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// What is sent first.
    pub(crate) operation: Operation,
    /// The key's number.
    pub(crate) number: u64,
    /// Whether a put of the same key follows the reply, as part of the request.
    pub(crate) then_put: bool,
}

impl Request {
    pub(crate) fn new(operation: Operation, number: u64) -> Self {
        Self {
            operation,
            number,
            then_put: false,
        }
    }
}

/// A sequence of requests.
pub(crate) trait Requests {
    /// The next one; nothing at the end.
    fn next(&mut self) -> Option<Request>;

    /// A request was answered.
    fn answered(&mut self, request: Request);
}

/// One operation on random keys, for ever.
#[derive(Debug)]
pub(crate) struct Uniform<'a> {
    pub(crate) operation: Operation,
    pub(crate) keys: u64,
    pub(crate) random: &'a mut Random,
}

impl Requests for Uniform<'_> {
    fn next(&mut self) -> Option<Request> {
        Some(Request::new(self.operation, self.random.below(self.keys)))
    }

    fn answered(&mut self, _: Request) {}
}

/// A put of each of these keys.
#[derive(Debug)]
pub(crate) struct Each<I>(pub(crate) I);

impl<I: Iterator<Item = u64>> Requests for Each<I> {
    fn next(&mut self) -> Option<Request> {
        let number = self.0.next()?;
        Some(Request::new(Operation::Put, number))
    }

    fn answered(&mut self, _: Request) {}
}
