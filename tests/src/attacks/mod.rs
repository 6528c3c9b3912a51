//! The attack catalogue, and the count of how much of it holds.
//!
//! [`Catalogue`] is `docs/attacks.md`, a [`Row`] a line of it. A [`Proof`] is a test or a script that names rows; [`proofs`]
//! finds all of them in the sources. [`Passed`] is what a run says of them, and [`Tally`] puts the three together.

mod catalogue;
mod passed;
mod proof;
mod row_id;
mod tally;

pub use self::{
    catalogue::{Catalogue, Row},
    passed::Passed,
    proof::{Proof, proofs},
    row_id::RowId,
    tally::Tally,
};
