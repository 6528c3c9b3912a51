//! What must hold for any input of this service's own parsers: a fuzz target of `fuzz/`, and a test that runs it on stable
//! Rust.

pub use crate::http::fuzz_needs as needs;

#[cfg(test)]
mod tests {
    #[test]
    fn a_if_13_the_needs_of_a_route() {
        crate::mutations::hold("needs", super::needs);
    }
}
