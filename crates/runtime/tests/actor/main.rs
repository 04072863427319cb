//! Actors from outside: real components on real directories, that behave, fail,
//! and try to get out.

mod ahead;
mod confinement;
mod failing;
mod hostile;
mod restarting;
mod serving;
mod starting;
mod support;
