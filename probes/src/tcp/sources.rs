//! Servers of source code.

use super::TcpProbe;

/// Fetches from a repository that does not exist.
pub(super) static GIT: TcpProbe = TcpProbe {
    name: "git",
    source: "git, gitprotocol-pack(5), git transport",
    ports: &[9418],
    says: b"0038git-upload-pack /portolan\0host=localhost\0\0version=2\0",
    anywhere: false,
};

/// A line that begins no authentication.
pub(super) static CVS: TcpProbe = TcpProbe {
    name: "cvspserver",
    source: "CVS client/server protocol, §4.1",
    ports: &[2401],
    says: b"PORTOLAN\n",
    anywhere: false,
};

/// Levels of the protocol on both sides.
pub(super) static PERFORCE: TcpProbe = TcpProbe {
    name: "perforce",
    source: "Perforce Helix Core C/C++ API, rpc",
    ports: &[1666],
    // Length and its check, then name, length, value.
    says: b"\x3b\x3b\0\0\0\
        cmpfile\0\0\0\0\0\0client\0\x02\0\0\081\0api\0\x05\0\0\099999\0\
        func\0\x08\0\0\0protocol\0",
    anywhere: false,
};

/// What the smart server speaks.
pub(super) static BZR: TcpProbe = TcpProbe {
    name: "bzr",
    source: "Bazaar developer documentation, Network protocol, version 1",
    ports: &[4155],
    says: b"hello\n",
    anywhere: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::tests::le32;

    #[test]
    fn requests_are_as_long_as_they_say() {
        let len = usize::from_str_radix(str::from_utf8(&GIT.says[..4]).unwrap(), 16).unwrap();
        assert_eq!(len, GIT.says.len());
        let says = PERFORCE.says;
        assert_eq!(le32(says, 1) + 5, says.len());
        assert_eq!(says[0], says[1] ^ says[2] ^ says[3] ^ says[4]);
    }
}
