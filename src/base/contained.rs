//! Panics of a library that are caught where it is called: they are no bug of ours, and the panic hook lets them pass in
//! silence.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Works and catches what panics, which the hook does not tell.
///
/// # Errors
/// What the panic carried.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    DEPTH.set(DEPTH.get() + 1);
    let done = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get().saturating_sub(1));
    done
}

/// Whether what panics on this thread is caught by [`contained`].
#[must_use]
pub fn is_contained() -> bool {
    DEPTH.get() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_within_alone() {
        assert!(!is_contained());
        assert!(contained(is_contained).unwrap());
        assert!(contained(|| -> u8 { std::panic::resume_unwind(Box::new(7_u8)) }).unwrap_err().is::<u8>());
        assert!(!is_contained());
    }
}
