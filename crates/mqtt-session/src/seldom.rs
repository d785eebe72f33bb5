//! What few connections have at a time: on the heap where there is one, so that the others stay small.

#[cfg(feature = "alloc")]
use alloc::boxed::Box;

/// Something that is made when it is first used.
#[derive(Debug)]
pub(crate) struct Seldom<T> {
    #[cfg(feature = "alloc")]
    made: Option<Box<T>>,
    #[cfg(not(feature = "alloc"))]
    made: Option<T>,
}

impl<T> Seldom<T> {
    /// Not made; allocates nothing.
    pub(crate) const EMPTY: Self = Self { made: None };

    /// What was made, if it was.
    #[cfg(feature = "alloc")]
    pub(crate) fn get(&self) -> Option<&T> {
        self.made.as_deref()
    }

    /// What was made, if it was.
    #[cfg(not(feature = "alloc"))]
    pub(crate) const fn get(&self) -> Option<&T> {
        self.made.as_ref()
    }

    /// The same, to change it.
    #[cfg(feature = "alloc")]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.made.as_deref_mut()
    }

    /// The same, to change it.
    #[cfg(not(feature = "alloc"))]
    pub(crate) const fn get_mut(&mut self) -> Option<&mut T> {
        self.made.as_mut()
    }

    /// Makes it if it was not made.
    pub(crate) fn get_or_make(&mut self, make: impl FnOnce() -> T) -> &mut T {
        #[cfg(feature = "alloc")]
        return self.made.get_or_insert_with(|| Box::new(make()));
        #[cfg(not(feature = "alloc"))]
        return self.made.get_or_insert_with(make);
    }
}
