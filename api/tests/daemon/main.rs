//! The daemon over real HTTP: a real store, a scripted network, hands that turn the clock.

#[cfg(test)]
mod client;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod expected;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod network;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod scanning;
#[cfg(test)]
mod server;
#[cfg(test)]
mod services;
