//! What to say to a port.
