//! Attaching what stops traffic: behind what sees it, and only while there is something to stop.

use aya::Ebpf;
use aya::programs::links::{FdLink, LinkOrder};
use aya::programs::tc::SchedClassifierLinkId;
use aya::programs::xdp::XdpLinkId;
use aya::programs::{TcAttachType, XdpMode};
use observer_ebpf::abi::program;

use super::{
    Attachment, Ingress, Place, XDP_DRIVERS, attach_classifier, attach_to_xdp, classifier,
    detach_tc, xdp,
};
use crate::kernel::links::{Interface, Layer};
use crate::kernel::pins::Pins;
use crate::kernel::{KernelError, bpf};

/// Names of hooks in pins.
const GUARD: &str = "guard";
const SHIELD: &str = "shield";

/// Whether a pinned link is that of a program that stops traffic.
pub fn stops(hook: &str) -> bool {
    [GUARD, SHIELD].contains(&hook)
}

/// Programs that stop traffic, attached to an interface.
#[derive(Debug)]
pub struct Guarding {
    guard: (&'static str, SchedClassifierLinkId),
    /// The program of XDP that drops packets, where it is one of its own.
    shield: Option<(&'static str, XdpLinkId)>,
    /// Packets are to be dropped by XDP.
    shielded: bool,
}

/// Loads the programs that refuse requests.
///
/// # Errors
/// When the kernel refuses one.
pub fn load_guard(object: &mut Ebpf) -> Result<(), KernelError> {
    for name in [program::GUARD, program::GUARD_IP] {
        let program = classifier(object, name)?;
        if program.fd().is_err() {
            program.load()?;
        }
    }
    Ok(())
}

/// Attaches what refuses requests behind what sees them.
///
/// # Errors
/// When the kernel refuses; nothing stays attached then.
pub fn attach_guard(
    object: &mut Ebpf,
    interface: &Interface,
    seeing: &Attachment,
    pins: Option<&Pins>,
) -> Result<Guarding, KernelError> {
    let name = match interface.layer {
        Layer::Ip => program::GUARD_IP,
        _ => program::GUARD,
    };
    let order = match seeing.ingress {
        Ingress::Tc(seeing, _) => LinkOrder::after_program(classifier(object, seeing)?)?,
        Ingress::Xdp(..) => LinkOrder::first(),
    };
    let place = Place {
        hook: GUARD,
        at: TcAttachType::Ingress,
        order,
        // After those that see: without links, whose priority is smaller goes first.
        priority: u16::MAX,
    };
    let link = attach_classifier(object, name, interface, place, pins)?;
    Ok(Guarding {
        guard: (name, link),
        shield: None,
        shielded: false,
    })
}

/// Puts the program of XDP that drops and sees in place of the one that sees, or the other way round, with no packet in between.
fn swap(object: &mut Ebpf, ingress: &mut Ingress, shield: bool) -> Result<(), KernelError> {
    let Ingress::Xdp(name, link) = ingress else {
        return Ok(());
    };
    let native = [program::XDP, program::SHIELDED].contains(name);
    let to = match (native, shield) {
        (true, false) => program::XDP,
        (true, true) => program::SHIELDED,
        (false, false) => program::XDP_GENERIC,
        (false, true) => program::SHIELDED_GENERIC,
    };
    if *name == to {
        return Ok(());
    }
    let program = xdp(object, to)?;
    if program.fd().is_err() {
        program.load()?;
    }
    let Some(id) = link.take() else {
        return Ok(());
    };
    let taken = xdp(object, name)?.take_link(id)?;
    let taken = FdLink::try_from(taken).map_err(|error| KernelError::attach(to, error))?;
    let taken = taken
        .try_into()
        .map_err(|error| KernelError::attach(to, error))?;
    *link = Some(xdp(object, to)?.attach_to_link(taken)?);
    *name = to;
    Ok(())
}

/// Takes the programs that stop traffic off an interface.
pub fn detach_guard(
    object: &mut Ebpf,
    mut guarding: Guarding,
    index: u32,
    seeing: Option<&mut Attachment>,
    pins: Option<&Pins>,
) {
    guarding.lower_shield(object, index, seeing, pins);
    take_off(index, GUARD, pins);
    let (name, link) = guarding.guard;
    detach_tc(object, name, link);
}

impl Guarding {
    /// Has packets dropped by XDP, in the driver where that keeps its offloads: by a program of its own, or in place of the one that
    /// sees. On lo, and where somebody else's program stands, they are dropped a little later.
    pub fn raise_shield(
        &mut self,
        object: &mut Ebpf,
        interface: &Interface,
        seeing: &mut Attachment,
        driver: Option<&str>,
        pins: Option<&Pins>,
    ) {
        if self.shielded {
            return;
        }
        self.shielded = true;
        if let Ingress::Xdp(..) = seeing.ingress {
            if let Err(error) = swap(object, &mut seeing.ingress, true) {
                tracing::warn!(
                    "{}: packets are not dropped by XDP: {error}",
                    interface.name
                );
            }
            return;
        }
        if interface.layer != Layer::Ethernet {
            return;
        }
        let (name, mode) = match driver {
            Some(driver) if XDP_DRIVERS.contains(&driver) => (program::SHIELD, XdpMode::Driver),
            _ => (program::SHIELD_GENERIC, XdpMode::Skb),
        };
        let pin = pins.map(|pins| pins.link(interface.index, SHIELD));
        match attach_to_xdp(object, name, interface, mode, pin.as_deref()) {
            Ok(link) => self.shield = Some((name, link)),
            Err(error) => {
                tracing::warn!(
                    "{}: packets are not dropped by XDP: {error}",
                    interface.name
                );
            }
        }
    }

    /// Has packets dropped by XDP no more.
    pub fn lower_shield(
        &mut self,
        object: &mut Ebpf,
        index: u32,
        seeing: Option<&mut Attachment>,
        pins: Option<&Pins>,
    ) {
        self.shielded = false;
        if let Some(seeing) = seeing
            && let Err(error) = swap(object, &mut seeing.ingress, false)
        {
            tracing::warn!("{}: packets are still dropped by XDP: {error}", seeing.name);
        }
        // What a process before left goes, too.
        if pins.is_some_and(|pins| pins.link(index, SHIELD).exists()) {
            take_off(index, SHIELD, pins);
        }
        if let Some((name, link)) = self.shield.take()
            && let Ok(program) = xdp(object, name)
        {
            let _ = program.detach(link);
        }
    }
}

/// Removes a pinned link with its program, at once.
fn take_off(index: u32, hook: &str, pins: Option<&Pins>) {
    let Some(pins) = pins else { return };
    if let Err(error) = bpf::detach(&pins.link(index, hook)) {
        tracing::debug!("a pinned link: {error}");
    }
    pins.unlink(|interface, known| interface != index || known != hook);
}
