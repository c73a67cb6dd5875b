//! Container images: their names, and the forms in which they travel.

pub mod reference;
