//! Keys in base64 for URLs, within a text.

/// The least characters of a key: an application of one character, a kind of one, and an id of one byte.
const FEWEST: usize = 16;
/// The most characters of a key: no key has more than 6 KiB.
const MOST: usize = 8 << 10;

/// The value of each character of base64 for URLs; [`NONE`] of all others.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let characters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut value = 0;
    while value < 64 {
        #[allow(clippy::cast_possible_truncation)] // below 64
        let small = value as u8;
        values[characters[value] as usize] = small;
        value += 1;
    }
    values
};
const NONE: u8 = 0xff;

fn is_of_token(byte: u8) -> bool {
    VALUES[usize::from(byte)] != NONE
}

/// Parts of a text that a key may be in base64: they end where such characters end, and begin where they begin, or after a `-` or `_`.
pub(super) fn candidates(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    runs(text).flat_map(|run| {
        let begins = |at: usize| at == 0 || b"-_".contains(&run[at - 1]);
        // A key's first field is the application: 0x6a, and a length below 128.
        let is_one = move |at: &usize| begins(*at) && run[*at] == b'a' && (b'g'..=b'n').contains(&run[*at + 1]);
        let (first, last) = (run.len().saturating_sub(MOST), run.len() - FEWEST);
        (first..=last).filter(is_one).map(|at| &run[at..])
    })
}

/// The longest parts of a text that consist of such characters, if they are long enough. Most of an ordinary text is passed over: a part
/// that is too short is found by its end.
fn runs(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(window) = text.get(from..from + FEWEST) {
            if let Some(at) = window.iter().rposition(|byte| !is_of_token(*byte)) {
                from += at + 1;
                continue;
            }
            let run = text.get(from..).unwrap_or_default();
            let length = run.iter().position(|byte| !is_of_token(*byte)).unwrap_or(run.len());
            from += length;
            return run.get(..length);
        }
        None
    })
}

/// The bytes of base64 for URLs, without padding.
pub(super) fn decode(token: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(token.len() * 3 / 4);
    for group in token.chunks(4) {
        let bits = group.iter().fold(0, |bits, byte| bits << 6 | u32::from(VALUES[usize::from(*byte)]));
        let [_, one, two, three] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        match group.len() {
            4 => bytes.extend([one, two, three]),
            3 => bytes.extend([one, two]),
            2 => bytes.push(one),
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_found_wherever_they_stand() {
        let found =
            |text: &'static str| candidates(text.as_bytes()).map(|token| str::from_utf8(token).unwrap()).collect::<Vec<_>>();
        assert_eq!(found("aglzfnByb2R1Y3R5"), ["aglzfnByb2R1Y3R5"]);
        assert_eq!(found("see /x?key=aglzfnByb2R1Y3R5&y=1, \"ahlzfnByb2R1Y3R5\"."), ["aglzfnByb2R1Y3R5", "ahlzfnByb2R1Y3R5"]);
        assert_eq!(found("fan_aglzfnByb2R1Y3R5"), ["aglzfnByb2R1Y3R5"]);
        for none in ["", "a", "aglzfnByb2R1Y3R", "xaglzfnByb2R1Y3R5", "afterwards everything changed", "aozzzzzzzzzzzzzzzzzz"] {
            assert_eq!(found(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn base64_has_no_padding() {
        for (token, bytes) in [("", ""), ("Zg", "f"), ("Zm8", "fo"), ("Zm9v", "foo"), ("Zm9vYg", "foob")] {
            assert_eq!(decode(token.as_bytes()).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(decode(b"_-8").as_deref(), Some(&[0xff, 0xef][..]));
        assert_eq!(decode(b"Zm9vY"), None);
    }
}
