//! What the kernel tells: not hostile, but with names that others gave.

/// Answers about tables of packet filters.
///
/// # Panics
/// Where more is understood than there is.
pub fn nftables(data: &[u8]) {
    let ours = portolan_net::suppress::check_answers(data);
    assert!(ours <= data.len() / 20, "more tables than messages");
}

/// Answers about routes, rules, interfaces, addresses and neighbours.
///
/// # Panics
/// As [`nftables`].
pub fn route(data: &[u8]) {
    let meant = portolan_net::route::check_answer(data);
    assert!(meant <= data.len() / 16, "more objects than messages");
}
