//! Whether an MP4 file is whole, told by its own boxes: for servers that announce no length.

/// The outermost boxes of a file, followed while its bytes pass.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    passed: u64,
    /// Where the next box begins.
    next: u64,
    header: Vec<u8>,
    /// The last box reaches to the end, wherever that is; or these are no boxes at all.
    open: bool,
}

const SHORT_HEADER: usize = 8;
const LONG_HEADER: usize = 16;
/// A size that says: the size stands behind the type, in 64 bits.
const LONG: u32 = 1;

impl Boxes {
    /// Follows the next bytes of the file.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !self.open && !bytes.is_empty() {
            let skipped = self.next.saturating_sub(self.passed).min(bytes.len() as u64);
            self.passed += skipped;
            // No longer than `bytes`, so it fits.
            bytes = &bytes[usize::try_from(skipped).unwrap_or(bytes.len())..];
            let Some((first, rest)) = bytes.split_first() else { return };
            self.header.push(*first);
            self.passed += 1;
            bytes = rest;
            self.read_header();
        }
    }

    /// Whether the file may end here.
    pub(super) fn may_end(&self) -> bool {
        self.open || (self.header.is_empty() && self.passed == self.next)
    }

    fn read_header(&mut self) {
        let Some(short) = self.header.first_chunk().map(|size| u32::from_be_bytes(*size)) else { return };
        let length = if short == LONG { LONG_HEADER } else { SHORT_HEADER };
        if self.header.len() < length {
            return;
        }
        let long = self.header.last_chunk().map(|size| u64::from_be_bytes(*size));
        let size = if short == LONG { long.unwrap_or_default() } else { u64::from(short) };
        self.header.clear();
        let rest = size.checked_sub(length as u64).and_then(|rest| self.passed.checked_add(rest));
        match rest {
            Some(next) => self.next = next,
            None => self.open = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut file = b"\0\0\0\x10ftypisom\0\0\0\0".to_vec();
        file.extend_from_slice(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x18payload!");
        file.extend_from_slice(b"\0\0\0\x08free");
        file
    }

    fn may_end(bytes: &[u8], step: usize) -> bool {
        let mut boxes = Boxes::default();
        bytes.chunks(step).for_each(|chunk| boxes.follow(chunk));
        boxes.may_end()
    }

    #[test]
    fn a_file_may_end_between_boxes_alone() {
        let file = file();
        for step in [1, 3, 7, 8, 100] {
            let ends: Vec<_> = (1..=file.len()).filter(|end| may_end(&file[..*end], step)).collect();
            assert_eq!(ends, [16, 40, 48], "in steps of {step}");
        }
    }

    #[test]
    fn a_box_that_reaches_to_the_end_may_end_anywhere() {
        let mut file = file();
        file.extend_from_slice(b"\0\0\0\0mdat and so on");
        assert!((57..=file.len()).all(|end| may_end(&file[..end], 5)));
    }

    #[test]
    fn what_are_no_boxes_is_not_judged() {
        assert!(may_end(b"\0\0\0\x02oops and more", 4));
        assert!(!may_end(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff and more", 4), "a box of endless size");
    }
}
