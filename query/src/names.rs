//! Names that messages carry as numbers only.

use selvedge_fabric::frame::SourceId;
use std::borrow::Cow;

/// Gives the numbers in messages their names: sources, and the dictionaries of fields.
///
/// `None` is "not known (yet)". A comparison with the name of something not known is neither true
/// nor false: see [the crate's documentation](crate).
pub trait Names {
    /// The name of a source.
    fn source(&self, id: SourceId) -> Option<&str>;

    /// What `id` stands for in the dictionary `name`, such as `symbol`.
    fn dictionary(&self, name: &str, id: u64) -> Option<Cow<'_, str>>;
}

impl<T: Names + ?Sized> Names for &T {
    fn source(&self, id: SourceId) -> Option<&str> {
        (**self).source(id)
    }

    fn dictionary(&self, name: &str, id: u64) -> Option<Cow<'_, str>> {
        (**self).dictionary(name, id)
    }
}

/// Knows no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {
    fn source(&self, _id: SourceId) -> Option<&str> {
        None
    }

    fn dictionary(&self, _name: &str, _id: u64) -> Option<Cow<'_, str>> {
        None
    }
}
