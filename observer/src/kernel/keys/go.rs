//! Functions of Go programs, from the table that every one of them carries for its stack traces, stripped or not
//! (`runtime/symtab.go`, `debug/gosym/pclntab.go`; layout of Go 1.18 and later).

/// The table's first word: Go 1.18, and 1.20 and later.
const MAGIC: [u32; 2] = [0xffff_fff0, 0xffff_fff1];
/// Functions that are looked at; the largest programs have half a million.
const FUNCTIONS: u64 = 1 << 21;
/// Bytes of an entry of the table of functions: an address and a place, both relative.
const ENTRY: usize = 8;

/// The address of a function by its name. `text`: where the program's code begins, for tables that do not say so.
pub fn find(table: &[u8], text: u64, wanted: &str) -> Option<u64> {
    if !MAGIC.contains(&word(table, 0)?) || table.get(7) != Some(&8) {
        return None;
    }
    let count = long(table, 8)?.min(FUNCTIONS);
    let start = match long(table, 24)? {
        0 => text,
        start => start,
    };
    let names = table.get(usize::try_from(long(table, 32)?).ok()?..)?;
    let functions = table.get(usize::try_from(long(table, 64)?).ok()?..)?;
    for number in 0..usize::try_from(count).ok()? {
        let entry = number.checked_mul(ENTRY)?;
        let about = functions.get(word(functions, entry + 4)? as usize..)?;
        let name = names.get(word(about, 4)? as usize..)?;
        if name
            .strip_prefix(wanted.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
        {
            return start.checked_add(u64::from(word(functions, entry)?));
        }
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A table of functions at these addresses.
    fn table(functions: &[(u32, &str)]) -> Vec<u8> {
        let mut names = Vec::new();
        let mut entries = Vec::new();
        let mut abouts = Vec::new();
        for (address, name) in functions {
            entries.extend(address.to_le_bytes());
            entries.extend(((functions.len() * ENTRY + abouts.len()) as u32).to_le_bytes());
            abouts.extend(address.to_le_bytes());
            abouts.extend((names.len() as u32).to_le_bytes());
            names.extend(name.as_bytes());
            names.push(0);
        }
        let mut table = MAGIC[1].to_le_bytes().to_vec();
        table.extend([0, 0, 1, 8]);
        let (names_at, functions_at) = (72, 72 + names.len() as u64);
        for field in [
            functions.len() as u64,
            0,
            0x40_0000,
            names_at,
            0,
            0,
            0,
            functions_at,
        ] {
            table.extend(field.to_le_bytes());
        }
        table.extend(names);
        table.extend(entries);
        table.extend(abouts);
        table
    }

    #[test]
    fn a_function_is_found_by_its_whole_name() {
        let table = table(&[(16, "main.main.func1"), (64, "main.main"), (96, "main.m")]);
        assert_eq!(find(&table, 0, "main.main"), Some(0x40_0040));
        assert_eq!(find(&table, 0, "main.m"), Some(0x40_0060));
        assert_eq!(find(&table, 0, "main"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_none(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0_usize..400) {
            let _ = find(&bytes, 1, "a");
            let whole = table(&[(16, "a"), (64, "b")]);
            let _ = find(&whole[..cut.min(whole.len())], 1, "b");
            if bytes.len() > 8 {
                bytes[..8].copy_from_slice(&whole[..8]);
                let _ = find(&bytes, 1, "a");
            }
        }
    }
}
