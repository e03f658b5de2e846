//! Secrets of handshakes on their way from the kernel side to the pipeline.

use observer_ebpf::abi::{Secret, SecretKind, SecretName};

use crate::kernel::keys::Target;
use crate::tls::secrets::{self as tls, Derived, Label, Material};

/// What the kernel side took, in the core's words.
pub fn material(name: SecretName, secret: &Secret) -> Option<Material> {
    let bytes = secret.secret.get(..secret.length as usize)?;
    let bytes = tls::Secret::new(bytes)?;
    let context = |length| secret.context.get(..length);
    let logged = |label| Material::Logged {
        random: name.name,
        label,
        secret: bytes.clone(),
    };
    let derived = match name.kind()? {
        SecretKind::LoggedMaster => return Some(logged(Label::Master)),
        SecretKind::ClientHandshake => return Some(logged(Label::ClientHandshake)),
        SecretKind::ServerHandshake => return Some(logged(Label::ServerHandshake)),
        SecretKind::ClientTraffic => return Some(logged(Label::ClientTraffic)),
        SecretKind::ServerTraffic => return Some(logged(Label::ServerTraffic)),
        SecretKind::Handshake => Derived::Handshake13 {
            secret: bytes,
            transcript: context(secret.length as usize)?.to_vec(),
        },
        SecretKind::Early => Derived::Early13 {
            secret: bytes,
            transcript: context(secret.length as usize)?.to_vec(),
        },
        SecretKind::Master => Derived::Master12 {
            master: bytes,
            server_random: *context(32)?.first_chunk()?,
            client_random: name.name,
        },
    };
    Some(Material::Derived(derived))
}

/// Says that keys are taken from a file, or why not.
pub fn say(target: &Target) {
    let path = target.path.display();
    match &target.probe {
        Ok(_) => tracing::info!(
            "{path} ({}, found in {}): TLS is read{}",
            target.version,
            match target.name.as_str() {
                "" => "a process that has ended",
                name => name,
            },
            if target.cheap {
                ""
            } else {
                ", at the price of single steps in each handshake"
            }
        ),
        Err(why) => tracing::warn!("{path}: TLS is opaque: {why}"),
    }
}
