//! Where in a file a probe goes: the functions that derive keys, and the instruction of each that costs least to stop at.
//!
//! At most instructions a probe makes the kernel single-step the process, which takes more than ten times as long as at those that
//! the kernel carries out itself (`branch_setup_xol_ops`, `push_setup_xol_ops` in `arch/x86/kernel/uprobes.c`).

use std::fs::File;
use std::io;

use super::go;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use object::{Architecture, Object, ObjectSection, ObjectSegment, ObjectSymbol, ReadCache};

/// What derives keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// OpenSSL's, of every libcrypto 3.
    Openssl,
    /// What Go hands each secret to, whether somebody logs it or not.
    Go,
}

impl Function {
    fn symbol(self) -> &'static str {
        match self {
            Self::Openssl => "EVP_KDF_derive",
            Self::Go => "crypto/tls.(*Config).writeKeyLog",
        }
    }

    /// The registers with its arguments: System V ABI, and `ABIInternal` of Go since 1.17.
    fn arguments(self) -> &'static [Register] {
        match self {
            Self::Openssl => &[Register::RDI, Register::RSI, Register::RDX, Register::RCX],
            Self::Go => &[
                Register::RBX,
                Register::RCX,
                Register::RDI,
                Register::RSI,
                Register::R9,
                Register::R10,
            ],
        }
    }
}

/// What such a file says of itself.
const VERSION: &[u8] = b"OpenSSL 3.";
/// Characters of a version that are kept.
const VERSION_LENGTH: usize = 40;
/// Bytes of the function that are looked at.
const WINDOW: u64 = 64;
/// Sections longer than this are not searched for a version.
const SEARCHED: u64 = 64 << 20;
/// A place for a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Which function.
    pub function: Function,
    /// Offset in the file.
    pub offset: u64,
    /// Whether the kernel carries the instruction there out itself.
    pub cheap: bool,
}

/// Looks for such functions in an ELF file.
///
/// # Errors
/// When the file cannot be read, or is none of these.
pub fn find(file: &File) -> io::Result<Vec<Site>> {
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache).map_err(io::Error::other)?;
    let functions = [Function::Openssl, Function::Go].into_iter();
    Ok(functions
        .filter_map(|function| site(&object, function))
        .collect())
}

fn site<'data>(object: &impl Object<'data>, function: Function) -> Option<Site> {
    let address = match function {
        Function::Openssl => object
            .dynamic_symbols()
            .find(|symbol| symbol.is_definition() && symbol.name() == Ok(function.symbol()))?
            .address(),
        Function::Go => {
            let section = |name| object.section_by_name(name);
            let table = section(".gopclntab").or_else(|| section(".data.rel.ro.gopclntab"))?;
            let text = section(".text").map_or(0, |text| text.address());
            go::find(table.data().ok()?, text, function.symbol())?
        }
    };
    let (offset, code) = object.segments().find_map(|segment| {
        let inside = address.checked_sub(segment.address())?;
        let (start, length) = segment.file_range();
        let left = length.checked_sub(inside)?;
        let code = segment.data_range(address, left.min(WINDOW)).ok()??;
        Some((start.checked_add(inside)?, code))
    })?;
    let cheap = match (object.architecture(), function) {
        (Architecture::X86_64, _) => cheap(code, function.arguments()),
        // The registers of Go's arguments are known of this one only.
        (_, Function::Go) => return None,
        _ => None,
    };
    Some(Site {
        function,
        offset: offset + cheap.unwrap_or(0),
        cheap: cheap.is_some(),
    })
}

/// What a file with such a function says of itself: `OpenSSL 3.0.17`, `Go`.
///
/// Not looked for before a probe stands: for that, tens of megabytes are read, and the first handshake does not wait.
pub fn version(file: &File, function: Function) -> String {
    let cache = ReadCache::new(file);
    let found = match function {
        Function::Go => return "Go".to_owned(),
        Function::Openssl => object::File::parse(&cache)
            .ok()
            .and_then(|object| text(&object)),
    };
    found.unwrap_or_else(|| "OpenSSL".to_owned())
}

/// Offset of the first instruction that the kernel carries out itself, where it is always reached and the arguments are still in
/// their registers.
fn cheap(code: &[u8], arguments: &[Register]) -> Option<u64> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut factory = InstructionInfoFactory::new();
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return None;
        }
        if is_carried_out(&instruction) {
            return Some(instruction.ip());
        }
        let writes = |access: OpAccess| {
            matches!(
                access,
                OpAccess::Write
                    | OpAccess::ReadWrite
                    | OpAccess::CondWrite
                    | OpAccess::ReadCondWrite
            )
        };
        let spoils = factory
            .info(&instruction)
            .used_registers()
            .iter()
            .any(|used| {
                writes(used.access()) && arguments.contains(&used.register().full_register())
            });
        if spoils || instruction.flow_control() != FlowControl::Next {
            return None;
        }
    }
    None
}

fn is_carried_out(instruction: &Instruction) -> bool {
    match instruction.flow_control() {
        FlowControl::ConditionalBranch => !matches!(
            instruction.mnemonic(),
            Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne | Mnemonic::Jrcxz | Mnemonic::Jecxz
        ),
        FlowControl::UnconditionalBranch | FlowControl::Call => {
            instruction.is_jmp_short_or_near() || instruction.is_call_near()
        }
        FlowControl::Next => {
            (instruction.mnemonic() == Mnemonic::Push
                && instruction.op0_kind() == OpKind::Register
                && instruction.op0_register().is_gpr64())
                || (instruction.mnemonic() == Mnemonic::Nop && instruction.len() == 1)
        }
        _ => false,
    }
}

/// What the file says that it is.
fn text<'data>(object: &impl Object<'data>) -> Option<String> {
    let sections = object.sections().filter(|section| {
        section.name().is_ok_and(|name| name.starts_with(".rodata")) && section.size() <= SEARCHED
    });
    for section in sections {
        let Ok(data) = section.data() else { continue };
        let found = memchr::memmem::find(data, VERSION);
        if let Some(text) = found.and_then(|at| data.get(at..)) {
            let text = text
                .split(|byte| !byte.is_ascii_graphic() && *byte != b' ')
                .next();
            let text = String::from_utf8_lossy(text.unwrap_or_default());
            // `OpenSSL 3.0.17 1 Jul 2025`
            let words: Vec<&str> = text.split(' ').take(2).collect();
            return Some(words.join(" ").chars().take(VERSION_LENGTH).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap_of(code: &[u8]) -> Option<u64> {
        cheap(code, Function::Openssl.arguments())
    }

    #[test]
    fn the_first_instruction_that_costs_little_is_taken() {
        // test rdi, rdi; je: as in Debian 12's libcrypto.
        assert_eq!(cheap_of(&[0x48, 0x85, 0xff, 0x74, 0x10, 0xc3]), Some(3));
        // endbr64; push rbp
        assert_eq!(cheap_of(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0xc3]), Some(4));
        // mov rax, [rdi]; test rax, rax; je
        assert_eq!(
            cheap_of(&[0x48, 0x8b, 0x07, 0x48, 0x85, 0xc0, 0x74, 0x10]),
            Some(6)
        );
        // mov rdi, [rdi]: the arguments are gone after it.
        assert_eq!(cheap_of(&[0x48, 0x8b, 0x3f, 0x55]), None);
        // mov edx, 1
        assert_eq!(cheap_of(&[0xba, 1, 0, 0, 0, 0x55]), None);
        // lea r12, [rsp-8]; cmp r12, [r14+16]; jbe: as Go begins its functions.
        let go = [
            0x4c, 0x8d, 0x64, 0x24, 0xf8, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 1, 2, 0, 0,
        ];
        assert_eq!(cheap(&go, Function::Go.arguments()), Some(9));
        // ret
        assert_eq!(cheap_of(&[0xc3, 0x55]), None);
        assert_eq!(cheap_of(&[]), None);
        assert_eq!(cheap_of(&[0x48]), None);
    }
}
