//! The Linux half of the engine: packet sockets, routes, threads.
