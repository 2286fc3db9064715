//! Inflates zlib streams (RFC 1950, 1951): few of them, so short code matters more here than speed (about 100 MB/s).

/// Literals, lengths and the end of a block.
const LITERALS: usize = 288;
const DISTANCES: usize = 30;
const LONGEST_CODE: usize = 15;

/// The order in which the lengths of the codes of lengths stand.
const LENGTHS_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Of each length code the shortest length, and how many bits are added to it.
const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// What a zlib stream holds; `None` if the bytes are none, or hold more than `most` bytes.
pub(super) fn zlib(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let (&[method, flags, ..], [.., _, _, _, _]) = (bytes, bytes) else { return None };
    // Deflate, a window of 32 KiB at the most, no dictionary, and the check of the header.
    if method & 0x0f != 8 || method >> 4 > 7 || flags & 0x20 != 0 || u16::from_be_bytes([method, flags]) % 31 != 0 {
        return None;
    }
    let mut bits = Bits { bytes: bytes.get(2..bytes.len().checked_sub(4)?)?, bits: 0, count: 0 };
    let mut out = Vec::new();
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out, most)?,
            1 => {
                let mut lengths = [8; LITERALS];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                block(&mut bits, &mut out, most, &Codes::new(&lengths)?, &Codes::new(&[5; DISTANCES])?)?;
            }
            2 => {
                let (literals, distances) = dynamic(&mut bits)?;
                block(&mut bits, &mut out, most, &literals, &distances)?;
            }
            _ => return None,
        }
        if is_last {
            return Some(out);
        }
    }
}

fn stored(bits: &mut Bits, out: &mut Vec<u8>, most: usize) -> Option<()> {
    bits.take(bits.count % 8)?;
    let (length, check) = (bits.take(16)?, bits.take(16)?);
    if length ^ check != 0xffff || out.len() + length > most {
        return None;
    }
    for _ in 0..length {
        out.push(u8::try_from(bits.take(8)?).ok()?);
    }
    Some(())
}

/// The codes that stand at the beginning of a block.
fn dynamic(bits: &mut Bits) -> Option<(Codes, Codes)> {
    let (literals, distances, given) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut lengths = [0; 19];
    for at in LENGTHS_ORDER.into_iter().take(given) {
        lengths[at] = u8::try_from(bits.take(3)?).ok()?;
    }
    let codes = Codes::new(&lengths)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let (length, times) = match codes.next(bits)? {
            length @ 0..=15 => (u8::try_from(length).ok()?, 1),
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    let (of_literals, of_distances) = lengths.get(..literals + distances)?.split_at(literals);
    Some((Codes::new(of_literals)?, Codes::new(of_distances)?))
}

fn block(bits: &mut Bits, out: &mut Vec<u8>, most: usize, literals: &Codes, distances: &Codes) -> Option<()> {
    loop {
        match literals.next(bits)? {
            literal @ 0..=255 => out.push(u8::try_from(literal).ok()?),
            256 => return Some(()),
            code => {
                let (shortest, more) = *LENGTHS.get(code - 257)?;
                let length = shortest + bits.take(more)?;
                let distance = match distances.next(bits)? {
                    code @ 0..=3 => code + 1,
                    code @ 4..DISTANCES => {
                        let more = u32::try_from(code / 2 - 1).ok()?;
                        ((2 + code % 2) << more) + 1 + bits.take(more)?
                    }
                    _ => return None,
                };
                let from = out.len().checked_sub(distance)?;
                if out.len() + length > most {
                    return None;
                }
                // What is copied may overlap with what is written.
                for at in from..from + length {
                    out.push(*out.get(at)?);
                }
            }
        }
        if out.len() > most {
            return None;
        }
    }
}

/// Bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    bits: u64,
    count: u32,
}

impl Bits<'_> {
    /// Makes sure that there are so many, as far as there are any.
    fn fill(&mut self, count: u32) {
        while self.count < count
            && let Some((byte, rest)) = self.bytes.split_first()
        {
            self.bits |= u64::from(*byte) << self.count;
            (self.bytes, self.count) = (rest, self.count + 8);
        }
    }

    fn drop(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.bits >>= count;
        Some(())
    }

    /// The next ones, 16 at the most.
    fn take(&mut self, count: u32) -> Option<usize> {
        self.fill(count);
        let taken = usize::try_from(self.bits & ((1 << count) - 1)).ok()?;
        self.drop(count)?;
        Some(taken)
    }
}

/// Huffman codes: for all that the next bits can be, the symbol and the length of its code.
struct Codes {
    table: Vec<(u16, u8)>,
    longest: u32,
}

impl Codes {
    /// Codes by the length of each symbol's. `None` if there are more than fit.
    fn new(lengths: &[u8]) -> Option<Self> {
        let longest = usize::from(lengths.iter().copied().max()?).clamp(1, LONGEST_CODE);
        let mut table = vec![(0, 0); 1 << longest];
        let mut code = 0_usize;
        for length in 1..=longest {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, of)| usize::from(**of) == length) {
                if code >> length != 0 {
                    return None;
                }
                // A code's first bit is its highest, and stands lowest.
                let reversed = code.reverse_bits() >> (usize::BITS as usize - length);
                let entry = (u16::try_from(symbol).ok()?, u8::try_from(length).ok()?);
                table.iter_mut().skip(reversed).step_by(1 << length).for_each(|place| *place = entry);
                code += 1;
            }
            code <<= 1;
        }
        Some(Self { table, longest: u32::try_from(longest).ok()? })
    }

    fn next(&self, bits: &mut Bits) -> Option<usize> {
        bits.fill(self.longest);
        let at = usize::try_from(bits.bits & ((1 << self.longest) - 1)).ok()?;
        let (symbol, length) = *self.table.get(at)?;
        // None has this code.
        if length == 0 {
            return None;
        }
        bits.drop(length.into())?;
        Some(symbol.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by zlib itself: one block of each type.
    const STORED: &[u8] =
        b"\x78\x01\x01\x0f\x00\xf0\xff\x73\x74\x6f\x72\x65\x64\x20\x61\x73\x20\x69\x74\x20\x69\x73\x2d\xed\x05\x7f";
    const FIXED: &[u8] = b"\x78\xda\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x27\x01\x68\x03\x08\xb1";
    const DYNAMIC: &[u8] = b"\x78\xda\x15\x8f\x41\x02\x00\x31\x04\x03\x3f\xe4\x50\xa4\xba\xfe\xff\xb1\x9d\x9c\xb4\x44\x4c\x4e\x64\x28\x36\x72\xa2\x6e\xf4\x84\x36\x46\xf1\x65\xe4\x39\x91\x45\x95\x98\xa2\x58\x24\x68\xea\x52\xbf\x8d\x2e\xa1\x67\x1b\x9d\x44\xfd\x14\xb7\x36\xee\x9b\x18\x74\x43\x7d\xfc\x1f\xfd\x8f\xf9\xa2\xdb\xb1\x2f\x8b\x79\x70\xc8\xc4\x2a\xed\x99\x85\x79\xb6\xaf\xc8\xe7\xae\xef\x8e\x01\xc6\x24\x0f\xa2\xfc\x64\x06\x08\xeb\x98\x22\x4d\x5c\x67\xa3\xfa\x28\x4a\x27\x21\x63\xa3\xc6\xaf\xe7\xde\xe7\xe9\xa2\x6b\x6f\x34\xfe\x86\x86\xbc\xf1\x6b\xe1\xdc\xbe\xd1\x8f\x6b\xfd\x71\xb7\x17\x02\x1d\x58\x64\x2a\x35\x7c\x12\xa4\x1a\x98\xf5\x9c\xd6\x31\xee\x21\xcf\x4d\x07\x6e\x27\x66\x12\xd7\x99\xef\xf3\x6b\xe9\xcd\x61\xca\x56\xc6\x0f\xe1\xc8\x45\x58";

    #[test]
    fn blocks_of_every_type_are_inflated() {
        assert_eq!(zlib(STORED, 100).as_deref(), Some(&b"stored as it is"[..]));
        assert_eq!(zlib(FIXED, 100).as_deref(), Some(&b"hello hello hello hello"[..]));
        let squares: Vec<_> = (0..80).map(|n| (n * n).to_string() + ",").collect();
        assert_eq!(zlib(DYNAMIC, 10_000), Some(squares.concat().into_bytes()));
    }

    #[test]
    fn what_is_cut_short_damaged_or_too_long_is_none() {
        for stream in [STORED, FIXED, DYNAMIC] {
            let length = zlib(stream, 10_000).unwrap().len();
            assert!(zlib(stream, length).is_some() && zlib(stream, length - 1).is_none());
            for cut in 0..stream.len() {
                assert!(zlib(&stream[..cut], 10_000).is_none_or(|inflated| inflated.len() <= length), "{cut}");
            }
            for at in 0..stream.len() {
                for bit in 0..8 {
                    let mut damaged = stream.to_vec();
                    damaged[at] ^= 1 << bit;
                    // Whatever comes of it is bounded.
                    assert!(zlib(&damaged, 5_000).is_none_or(|inflated| inflated.len() <= 5_000));
                }
            }
        }
    }
}
