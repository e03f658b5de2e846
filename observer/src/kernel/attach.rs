//! Which interfaces are watched, and by which hook: native XDP where it costs nothing, TC elsewhere.

mod guarding;

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use aya::Ebpf;
use aya::programs::links::{FdLink, LinkOrder, PinnedLink};
use aya::programs::tc::{self, NlOptions, SchedClassifierLinkId, TcAttachOptions, TcError};
use aya::programs::xdp::XdpLinkId;
use aya::programs::{SchedClassifier, TcAttachType, Xdp, XdpMode};
use aya::util::KernelVersion;
use observer_ebpf::abi::program;

use super::KernelError;
use super::links::{Interface, Layer};
use super::pins::Pins;
pub use guarding::{Guarding, attach_guard, detach_guard, load_guard, stops};

/// What the operator wants for ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Native XDP on hardware whose driver keeps its offloads with it, TC elsewhere.
    Auto,
    /// Native XDP everywhere but on lo.
    Xdp,
    /// Generic XDP everywhere but on lo.
    XdpGeneric,
    /// TC everywhere.
    Tc,
}

/// The hook taken for an interface's ingress, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The hook.
    pub hook: Hook,
    /// One sentence.
    pub reason: String,
}

/// A hook for ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// XDP in the driver.
    NativeXdp,
    /// XDP in the stack.
    GenericXdp,
    /// TCX, or clsact below Linux 6.6.
    Tc,
}

impl Hook {
    /// The name shown to operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::NativeXdp => "xdp",
            Self::GenericXdp => "xdp-generic",
            Self::Tc if has_tcx() => "tcx",
            Self::Tc => "clsact",
        }
    }
}

/// Programs attached to an interface.
#[derive(Debug)]
pub struct Attachment {
    /// The interface's name at that time.
    pub name: String,
    /// How its ingress is seen.
    pub choice: Choice,
    ingress: Ingress,
    egress: Option<(&'static str, SchedClassifierLinkId)>,
}

/// Names of hooks in pins.
const INGRESS: &str = "ingress";
const EGRESS: &str = "egress";

impl Attachment {
    /// The hooks that programs are attached to, as they are called in pins.
    pub fn hooks(&self) -> impl Iterator<Item = &'static str> {
        let ingress = match self.ingress {
            Ingress::Xdp(..) => self.choice.hook.name(),
            Ingress::Tc(..) => INGRESS,
        };
        [ingress]
            .into_iter()
            .chain(self.egress.as_ref().map(|_| EGRESS))
    }
}

#[derive(Debug)]
enum Ingress {
    /// The program, and its link; none where it was lost on its way to another program.
    Xdp(&'static str, Option<XdpLinkId>),
    Tc(&'static str, SchedClassifierLinkId),
}

/// Drivers whose native XDP leaves checksum and segmentation offloads for the stack's own traffic alone.
const XDP_DRIVERS: [&str; 11] = [
    "bnxt_en",
    "ena",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "mlx4_en",
    "mlx5_core",
    "nfp",
    "sfc",
];

/// Whether TC programs attach as links (TCX, Linux 6.6).
pub fn has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(6, 6, 0))
}

/// Whether an interface is watched when the operator named none: it carries an address of this host's own, and is
/// neither a bridge nor the host's end of a container's link.
pub fn is_own(interface: &Interface) -> bool {
    let addressed =
        interface.layer == Layer::Loopback || interface.addresses.iter().any(is_routable);
    let inner = interface.kind.as_deref() == Some("bridge") || interface.enslaved;
    interface.up && interface.layer != Layer::Other && addressed && !inner
}

fn is_routable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}

/// The hook for an interface's ingress. `driver`: of hardware, if it could be asked.
pub fn choose(mode: Mode, interface: &Interface, driver: Option<&str>) -> Choice {
    let choice = |hook, reason: &str| Choice {
        hook,
        reason: reason.to_owned(),
    };
    match interface.layer {
        Layer::Loopback => {
            return choice(Hook::Tc, "loopback: every packet passes it once on ingress");
        }
        Layer::Ip => return choice(Hook::Tc, "no Ethernet header"),
        Layer::Ethernet | Layer::Other => {}
    }
    match mode {
        Mode::Xdp => choice(Hook::NativeXdp, "as configured"),
        Mode::XdpGeneric => choice(Hook::GenericXdp, "as configured"),
        Mode::Tc => choice(Hook::Tc, "as configured"),
        Mode::Auto => match (&interface.kind, driver) {
            (Some(kind), _) => Choice {
                hook: Hook::Tc,
                reason: format!("virtual ({kind}): native XDP would cost it its offloads"),
            },
            (None, Some(driver)) if XDP_DRIVERS.contains(&driver) => Choice {
                hook: Hook::NativeXdp,
                reason: format!("driver {driver} keeps its offloads with XDP"),
            },
            (None, Some(driver)) => Choice {
                hook: Hook::Tc,
                reason: format!("driver {driver} is not known to keep its offloads with XDP"),
            },
            (None, None) => choice(Hook::Tc, "driver not known"),
        },
    }
}

/// Attaches the programs to an interface. Where native XDP is refused in `auto` mode, TC is taken.
///
/// # Errors
/// When the kernel refuses an attachment; nothing stays attached then.
pub fn attach(
    object: &mut Ebpf,
    interface: &Interface,
    mode: Mode,
    mut choice: Choice,
    pins: Option<&Pins>,
) -> Result<Attachment, KernelError> {
    let (ingress_name, egress_name) = match interface.layer {
        Layer::Ip => (program::INGRESS_IP, program::EGRESS_IP),
        _ => (program::INGRESS, program::EGRESS),
    };
    let ingress = match choice.hook {
        Hook::Tc => Ingress::Tc(
            ingress_name,
            attach_tc(object, ingress_name, interface, TcAttachType::Ingress, pins)?,
        ),
        Hook::NativeXdp | Hook::GenericXdp => {
            match attach_xdp(object, interface, choice.hook, pins) {
                Ok(link) => Ingress::Xdp(xdp_program(choice.hook), Some(link)),
                Err(error) if mode == Mode::Auto => {
                    choice = Choice {
                        hook: Hook::Tc,
                        reason: format!("native XDP refused: {error}"),
                    };
                    Ingress::Tc(
                        ingress_name,
                        attach_tc(object, ingress_name, interface, TcAttachType::Ingress, pins)?,
                    )
                }
                Err(error) => return Err(error),
            }
        }
    };
    let mut attachment = Attachment {
        name: interface.name.clone(),
        choice,
        ingress,
        egress: None,
    };
    // On lo every packet passes egress and then ingress: once is enough.
    if interface.layer != Layer::Loopback {
        match attach_tc(object, egress_name, interface, TcAttachType::Egress, pins) {
            Ok(link) => attachment.egress = Some((egress_name, link)),
            Err(error) => {
                detach(object, attachment);
                return Err(error);
            }
        }
    }
    Ok(attachment)
}

/// Takes the programs off an interface. One that is gone took its programs with it.
pub fn detach(object: &mut Ebpf, attachment: Attachment) {
    match attachment.ingress {
        Ingress::Xdp(name, link) => {
            if let Some(link) = link
                && let Ok(program) = xdp(object, name)
            {
                let _ = program.detach(link);
            }
        }
        Ingress::Tc(name, link) => detach_tc(object, name, link),
    }
    if let Some((name, link)) = attachment.egress {
        detach_tc(object, name, link);
    }
}

fn detach_tc(object: &mut Ebpf, name: &'static str, link: SchedClassifierLinkId) {
    if let Ok(program) = classifier(object, name) {
        let _ = program.detach(link);
    }
}

/// Where a classifier goes.
struct Place {
    /// The hook's name in pins.
    hook: &'static str,
    at: TcAttachType,
    /// Among those of the hook; and where there are no links, its priority, zero for one of the kernel's choice.
    order: LinkOrder,
    priority: u16,
}

fn attach_tc(
    object: &mut Ebpf,
    name: &'static str,
    interface: &Interface,
    at: TcAttachType,
    pins: Option<&Pins>,
) -> Result<SchedClassifierLinkId, KernelError> {
    let hook = if matches!(at, TcAttachType::Egress) {
        EGRESS
    } else {
        INGRESS
    };
    // First in line: a program that redirects or drops must not hide traffic from us.
    let place = Place {
        hook,
        at,
        order: LinkOrder::first(),
        priority: 0,
    };
    attach_classifier(object, name, interface, place, pins)
}

fn attach_classifier(
    object: &mut Ebpf,
    name: &'static str,
    interface: &Interface,
    place: Place,
    pins: Option<&Pins>,
) -> Result<SchedClassifierLinkId, KernelError> {
    let failed = |error: &dyn std::error::Error| KernelError::attach(&interface.name, error);
    let program = classifier(object, name)?;
    // Only what is needed: the verifier takes its time.
    if program.fd().is_err() {
        program.load()?;
    }
    if !has_tcx() {
        match tc::qdisc_add_clsact(&interface.name) {
            Ok(()) | Err(TcError::AlreadyAttached) => {}
            Err(error) => return Err(failed(&error)),
        }
        let options = TcAttachOptions::Netlink(NlOptions {
            priority: place.priority,
            ..NlOptions::default()
        });
        return program
            .attach_with_options(&interface.name, place.at, options)
            .map_err(|error| failed(&error));
    }
    let pin = pins.map(|pins| pins.link(interface.index, place.hook));
    // What is attached already gets this program in place of its own, with no packet in between.
    if let Some(link) = pin.as_deref().and_then(pinned)
        && let Ok(link) = link.try_into()
        && let Ok(id) = program.attach_to_link(link)
    {
        return Ok(id);
    }
    let options = TcAttachOptions::TcxOrder(place.order);
    let id = program
        .attach_with_options(&interface.name, place.at, options)
        .map_err(|error| failed(&error))?;
    let Some(pin) = pin else { return Ok(id) };
    let link = FdLink::try_from(program.take_link(id)?).map_err(|error| failed(&error))?;
    let link = keep(link, &pin, interface)?
        .try_into()
        .map_err(|error| failed(&error))?;
    Ok(program.attach_to_link(link)?)
}

fn attach_xdp(
    object: &mut Ebpf,
    interface: &Interface,
    hook: Hook,
    pins: Option<&Pins>,
) -> Result<XdpLinkId, KernelError> {
    let mode = if hook == Hook::NativeXdp {
        XdpMode::Driver
    } else {
        XdpMode::Skb
    };
    // Native and generic XDP are not changed into each other in place.
    let pin = pins.map(|pins| pins.link(interface.index, hook.name()));
    attach_to_xdp(object, xdp_program(hook), interface, mode, pin.as_deref())
}

/// What sees packets at a hook of XDP. Generic XDP is given a program without fragments: of a packet that the kernel copies for one
/// that takes them, TC does not know the link header (Linux 6.18).
fn xdp_program(hook: Hook) -> &'static str {
    if hook == Hook::NativeXdp {
        program::XDP
    } else {
        program::XDP_GENERIC
    }
}

fn attach_to_xdp(
    object: &mut Ebpf,
    name: &'static str,
    interface: &Interface,
    mode: XdpMode,
    pin: Option<&Path>,
) -> Result<XdpLinkId, KernelError> {
    let failed = |error: &dyn std::error::Error| KernelError::attach(&interface.name, error);
    let program = xdp(object, name)?;
    if program.fd().is_err() {
        program.load()?;
    }
    if let Some(link) = pin.and_then(pinned)
        && let Ok(link) = link.try_into()
        && let Ok(id) = program.attach_to_link(link)
    {
        return Ok(id);
    }
    let id = program
        .attach_to_if_index(interface.index, mode)
        .map_err(|error| failed(&error))?;
    // aya falls back to netlink without a word; such an attachment would outlive a killed daemon.
    let mut link = FdLink::try_from(program.take_link(id)?).map_err(|error| failed(&error))?;
    if let Some(pin) = pin {
        link = keep(link, pin, interface)?;
    }
    let link = link.try_into().map_err(|error| failed(&error))?;
    Ok(program.attach_to_link(link)?)
}

/// The link that is pinned at a place.
fn pinned(place: &Path) -> Option<FdLink> {
    place
        .exists()
        .then(|| PinnedLink::from_pin(place).ok().map(FdLink::from))?
}

/// Pins a link in place of one that is of no use any more.
fn keep(link: FdLink, place: &Path, interface: &Interface) -> Result<FdLink, KernelError> {
    let _ = fs::remove_file(place);
    link.pin(place)
        .map(FdLink::from)
        .map_err(|error| KernelError::attach(&interface.name, error))
}

fn classifier<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, KernelError> {
    Ok(object
        .program_mut(name)
        .ok_or(KernelError::Missing(name))?
        .try_into()?)
}

fn xdp<'a>(object: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, KernelError> {
    Ok(object
        .program_mut(name)
        .ok_or(KernelError::Missing(name))?
        .try_into()?)
}
