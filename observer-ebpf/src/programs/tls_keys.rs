//! What OpenSSL derives the keys of a connection from, on entry of
//! `EVP_KDF_derive(EVP_KDF_CTX *, unsigned char *, size_t, const OSSL_PARAM [])`.
//!
//! Names and types of the parameters are public (`openssl/core.h`, EVP_KDF-TLS13_KDF(7), EVP_KDF-TLS1_PRF(7)). Other users of the
//! function, and other derivations of a handshake, go by their label.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::{
    bpf_get_attach_cookie, bpf_get_current_comm, bpf_probe_read_user, bpf_probe_read_user_str,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns};
use aya_ebpf::programs::ProbeContext;
use observer_ebpf::abi::{COMM, Secret, SecretKind, SecretName};

use crate::maps::{self, NEW_SECRETS, SECRETS};

/// `OSSL_PARAM`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Parameter {
    name: u64,
    kind: u64,
    data: u64,
    size: u64,
    returned: u64,
}

/// Where bytes of the process stand.
#[derive(Clone, Copy, Default)]
struct Octets {
    data: u64,
    size: u64,
}

/// What is of use of the parameters.
#[derive(Clone, Copy, Default)]
struct Derivation {
    label: Octets,
    key: Octets,
    data: Octets,
    secret: Octets,
    seeds: [Octets; 3],
    seeds_seen: u32,
}

/// Parameters that are looked at: OpenSSL gives seven at most.
const PARAMETERS: u64 = 10;
/// The argument with the parameters.
const ARGUMENT: usize = 3;
/// The argument with the bytes that are derived.
const LENGTH: usize = 2;
/// Bytes of the shortest secret.
const SHORTEST: u64 = 32;
/// Sizes of what is of use: two labels, the beginning of a seed, and hashes, randoms and secrets. Names of others need not be read.
const USEFUL: [u64; 5] = [11, 12, 13, 32, 48];

/// Takes note of a secret, if that is what is being derived.
#[inline(always)]
pub fn derive(ctx: &ProbeContext) {
    // SAFETY: the context is this program's own.
    maps::count_probe(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    let _ = note(ctx);
}

#[inline(always)]
fn note(ctx: &ProbeContext) -> Option<()> {
    // Keys and IVs of records are shorter than any secret, and than the block of keys of TLS 1.2.
    if ctx.arg::<u64>(LENGTH)? < SHORTEST {
        return None;
    }
    let derivation = read(ctx.arg(ARGUMENT)?)?;
    let Derivation {
        label,
        key,
        data,
        secret,
        seeds: [first, second, third],
        ..
    } = derivation;
    if is(label, b"s hs traffic") {
        return keep(SecretKind::Handshake, key, data, data);
    }
    if is(label, b"c e traffic") {
        return keep(SecretKind::Early, key, data, data);
    }
    if is(first, b"key expansion") {
        // The server's random stands first (RFC 5246 section 6.3).
        return keep(SecretKind::Master, secret, third, second);
    }
    None
}

/// Takes note of a secret that a Go program hands to its key log, if it has one or not. Its arguments: a label, the client's
/// random and the secret, each a place and a length, the last two with a capacity (`ABIInternal`, since Go 1.17).
#[inline(always)]
pub fn log(ctx: &ProbeContext) {
    // SAFETY: the context is this program's own.
    maps::count_probe(unsafe { bpf_get_attach_cookie(ctx.as_ptr()) });
    let _ = note_logged(ctx);
}

// Places in `struct pt_regs` of x86-64 (`asm/ptrace.h`); userspace puts no such probe elsewhere.
const RBX: usize = 5;
const R10: usize = 7;
const R9: usize = 8;
const RCX: usize = 11;
const RSI: usize = 13;
const RDI: usize = 14;

#[inline(always)]
fn note_logged(ctx: &ProbeContext) -> Option<()> {
    let registers = ctx.as_ptr().cast::<u64>();
    // SAFETY: the context of a probe is the registers, and stays valid while the program runs.
    let octets = |data, size| unsafe {
        Octets {
            data: *registers.add(data),
            size: *registers.add(size),
        }
    };
    let label = octets(RBX, RCX);
    let random = octets(RDI, RSI);
    let secret = octets(R9, R10);
    if random.size != 32 {
        return None;
    }
    let kind = if is(label, b"CLIENT_RANDOM") {
        SecretKind::LoggedMaster
    } else if is(label, b"CLIENT_HANDSHAKE_TRAFFIC_SECRET") {
        SecretKind::ClientHandshake
    } else if is(label, b"SERVER_HANDSHAKE_TRAFFIC_SECRET") {
        SecretKind::ServerHandshake
    } else if is(label, b"CLIENT_TRAFFIC_SECRET_0") {
        SecretKind::ClientTraffic
    } else if is(label, b"SERVER_TRAFFIC_SECRET_0") {
        SecretKind::ServerTraffic
    } else {
        return None;
    };
    keep(kind, secret, random, random)
}

/// Reads the parameters, up to the one without a name.
#[inline(always)]
fn read(parameters: u64) -> Option<Derivation> {
    if parameters == 0 {
        return None;
    }
    let mut derivation = Derivation::default();
    for number in 0..PARAMETERS {
        let place = parameters + number * size_of::<Parameter>() as u64;
        let mut parameter = Parameter::default();
        // SAFETY: any bytes are a parameter; the helper checks the read.
        let failed = unsafe {
            bpf_probe_read_user(
                (&raw mut parameter).cast(),
                size_of::<Parameter>() as u32,
                place as *const c_void,
            )
        };
        if failed != 0 {
            return None;
        }
        if parameter.name == 0 {
            break;
        }
        let octets = Octets {
            data: parameter.data,
            size: parameter.size,
        };
        if !USEFUL.contains(&parameter.size) {
            continue;
        }
        match name(parameter.name)? {
            LABEL => derivation.label = octets,
            KEY => derivation.key = octets,
            DATA => derivation.data = octets,
            SECRET => derivation.secret = octets,
            SEED => {
                let [first, second, third] = &mut derivation.seeds;
                match derivation.seeds_seen {
                    0 => *first = octets,
                    1 => *second = octets,
                    2 => *third = octets,
                    _ => {}
                }
                derivation.seeds_seen += 1;
            }
            _ => {}
        }
    }
    Some(derivation)
}

const LABEL: u64 = u64::from_ne_bytes(*b"label\0\0\0");
const KEY: u64 = u64::from_ne_bytes(*b"key\0\0\0\0\0");
const DATA: u64 = u64::from_ne_bytes(*b"data\0\0\0\0");
const SECRET: u64 = u64::from_ne_bytes(*b"secret\0\0");
const SEED: u64 = u64::from_ne_bytes(*b"seed\0\0\0\0");

/// The first seven letters of a name, as a number.
#[inline(always)]
fn name(place: u64) -> Option<u64> {
    let mut letters = 0_u64;
    // SAFETY: the helper checks the read, and ends it with the name; it writes eight bytes at most.
    let read =
        unsafe { bpf_probe_read_user_str((&raw mut letters).cast(), 8, place as *const c_void) };
    (read > 0).then_some(letters)
}

/// Enters a secret into the map, under its name: a hash or a random that stands at `named`. Written in place: the stack has
/// 512 bytes.
#[inline(always)]
fn keep(kind: SecretKind, octets: Octets, named: Octets, context: Octets) -> Option<()> {
    let mut name = SecretName {
        kind: kind.number(),
        name: [0; 32],
    };
    copy::<32>(&mut name.name, named.data)?;
    let mut secret = Secret {
        // SAFETY: the helper has no preconditions.
        time: unsafe { bpf_ktime_get_ns() },
        process: (bpf_get_current_pid_tgid() >> 32) as u32,
        length: octets.size as u32,
        secret: [0; 48],
        context: [0; 48],
        comm: [0; COMM],
    };
    // SAFETY: the helper writes at most as many bytes as it is told.
    unsafe { bpf_get_current_comm(secret.comm.as_mut_ptr().cast(), COMM as u32) };
    if maps::is_left_alone(&secret.comm) {
        return None;
    }
    long(&mut secret.secret, octets)?;
    long(&mut secret.context, context)?;
    // Least recently used ones make room: whose secret is gone is opaque, and counted as that.
    if SECRETS.insert(&name, &secret, 0).is_ok() {
        // Nobody is woken up: the records wait, and userspace looks again within milliseconds. Without room it is told to look
        // at all of them.
        if NEW_SECRETS
            .output::<SecretName>(&name, u64::from(BPF_RB_NO_WAKEUP))
            .is_err()
        {
            maps::miss_secret();
        }
    }
    // The stack is used again by whoever runs next.
    secret.secret = [0; 48];
    core::hint::black_box(&secret);
    Some(())
}

/// 32 or 48 bytes.
#[inline(always)]
fn long(to: &mut [u8; 48], octets: Octets) -> Option<()> {
    match octets.size {
        48 => copy::<48>(to, octets.data),
        32 => copy::<32>(to, octets.data),
        _ => None,
    }
}

/// Copies `N` bytes of the process.
#[inline(always)]
fn copy<const N: u32>(to: &mut [u8], from: u64) -> Option<()> {
    // SAFETY: the callers' arrays have room for `N` bytes; the helper checks the read.
    let failed = unsafe { bpf_probe_read_user(to.as_mut_ptr().cast(), N, from as *const c_void) };
    (failed == 0).then_some(())
}

/// Whether `N` bytes of the process are these.
#[inline(always)]
fn is<const N: usize>(octets: Octets, text: &[u8; N]) -> bool {
    if octets.size != N as u64 {
        return false;
    }
    let mut bytes = [0; N];
    // SAFETY: as above.
    let failed = unsafe {
        bpf_probe_read_user(
            bytes.as_mut_ptr().cast(),
            N as u32,
            octets.data as *const c_void,
        )
    };
    failed == 0 && bytes == *text
}
