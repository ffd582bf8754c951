//! House chores. 
fn main() {}
