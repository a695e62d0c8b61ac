//! What is usual where, and what answers look like.
