//! A component that is no actor: it exports nothing.
