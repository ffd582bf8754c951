//! The archive in which a project travels: packed from a folder, unpacked from anybody's bytes.
//!
//! What is not here: what the files mean (`pysource`), how the bytes travel (HTTP).

mod digest;
mod limits;
mod pack;
mod path;
mod unpack;

pub use limits::Limits;
pub use pack::{PackError, Packed, Skipped, pack};
pub use path::PathFault;
pub use unpack::{UnpackError, Unpacked, unpack};
