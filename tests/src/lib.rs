//! Whole-system tests of Indelible.
