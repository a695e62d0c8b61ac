//! A tunnel device: an interface without hardware addresses whose far end is the test.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use ipnetwork::IpNetwork;

use super::netlink::Rtnl;
use crate::sys;

/// The far end of a tun device; the interface lives as long as this.
#[derive(Debug)]
pub struct Tun(File);

impl Tun {
    /// Makes the device `interface` in the calling thread's namespace, with an address and up.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where the kernel has no `/dev/net/tun`; what else it refuses.
    pub fn open(interface: &str, net: IpNetwork) -> io::Result<Self> {
        let device = sys::open_tun(interface)?;
        let rtnl = Rtnl::open()?;
        rtnl.up(interface)?;
        rtnl.add_address(interface, net)?;
        Ok(Self(device))
    }

    /// The next packet that was sent through the interface, from its IP header on; waits for it.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut packet = vec![0; 2_048];
        let len = self.0.read(&mut packet)?;
        packet.truncate(len);
        Ok(packet)
    }

    /// Lets `packet`, which begins with its IP header, arrive at the interface.
    ///
    /// # Errors
    /// When the device is gone or the packet is no IP.
    pub fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.0.write_all(packet)
    }
}
