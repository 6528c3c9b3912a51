//! What reading the form of a token request costs: RFC 6749's parameters, none of them twice.
//!
//! The parser is the service's own affair, and open to benches only where it is open to fuzzers:
//! `RUSTFLAGS="--cfg fuzzing" cargo bench -p auth-service`.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

#[cfg(fuzzing)]
mod bench {
    use std::hint::black_box;

    use criterion::{Criterion, criterion_group};

    const LOGIN: &[u8] =
        b"grant_type=password&username=ada&password=correct+horse+battery+staple&scope=documents%3Aread+documents\
        %3Awrite&client_id=first-party";

    fn token_form(criterion: &mut Criterion) {
        criterion.bench_function("read the form of a login", |bencher| {
            bencher.iter(|| assert!(auth_service::fuzzing::takes_token_form(black_box(LOGIN))));
        });
    }

    criterion_group!(benches, token_form);
}

#[cfg(fuzzing)]
criterion::criterion_main!(bench::benches);

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("not measured: RUSTFLAGS=\"--cfg fuzzing\" opens the parser to this bench");
}
