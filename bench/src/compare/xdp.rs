//! The responder in the driver, and without the feature the word that there is none.

#[cfg(feature = "bpf")]
pub(crate) use with::Xdp;
#[cfg(not(feature = "bpf"))]
pub(crate) use without::Xdp;

#[cfg(feature = "bpf")]
mod with {
    use anyhow::Context as _;
    use aya::programs::Xdp as Program;
    use aya::programs::xdp::XdpMode;
    use aya::{Ebpf, EbpfLoader};

    use crate::compare::world::World;

    /// As the build script compiled it.
    const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/responder.bpf.o"));

    /// An attached program; gone when dropped.
    pub(crate) struct Xdp(#[expect(dead_code, reason = "it holds the attachment")] Ebpf);

    impl Xdp {
        /// Lets `world` answer on `interface` of the calling thread's namespace.
        pub(crate) fn attach(interface: &str, world: &World) -> anyhow::Result<Self> {
            let parameters = world.parameters();
            // The parser wants the object aligned, which a file within a program need not be.
            let object = OBJECT.to_vec();
            let mut ebpf = EbpfLoader::new()
                .override_global("WORLD", &parameters, true)
                .load(&object)
                .context("loading the XDP responder")?;
            let program: &mut Program =
                ebpf.program_mut("respond").context("the responder has no program")?.try_into()?;
            program.load().context("loading the XDP responder (it takes CAP_BPF)")?;
            program.attach(interface, XdpMode::Driver).context("attaching the XDP responder")?;
            Ok(Self(ebpf))
        }
    }
}

#[cfg(not(feature = "bpf"))]
mod without {
    use crate::compare::world::World;

    /// Nothing: this build has no XDP program.
    pub(crate) enum Xdp {}

    impl Xdp {
        /// Says why not.
        pub(crate) fn attach(_interface: &str, _world: &World) -> anyhow::Result<Self> {
            anyhow::bail!("built without the feature bpf")
        }
    }
}
