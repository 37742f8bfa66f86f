//! `/admin/...`: the console.

mod pages;
mod records;
