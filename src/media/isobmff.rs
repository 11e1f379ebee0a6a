//! Reads the structure of MP4 files: completeness, length, codec.

use std::io::{self, Read, Seek, SeekFrom};

/// What the limits for source videos depend on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VideoInfo {
    pub seconds: f64,
    /// Code of the video codec, such as `avc1`.
    pub codec: Option<[u8; 4]>,
}

/// Limits the work on untrusted files.
const MAX_BOXES: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct BoxExtent {
    name: [u8; 4],
    from: u64,
    to: u64,
}

/// Top-level boxes. Players skip anything else after the last of them.
const TOP_LEVEL: [[u8; 4]; 16] = [
    *b"ftyp", *b"moov", *b"mdat", *b"free", *b"skip", *b"wide", *b"moof", *b"mfra", *b"uuid", *b"meta", *b"sidx",
    *b"styp", *b"pdin", *b"ssix", *b"prft", *b"emsg",
];

/// Whether `name` is a top-level box.
pub(crate) fn is_outermost(name: [u8; 4]) -> bool {
    TOP_LEVEL.contains(&name)
}

/// Whether the top-level boxes fit in the file and include `moov` and `mdat`.
pub(super) fn is_whole<R: Read + Seek>(source: &mut R, length: u64) -> io::Result<bool> {
    let (mut is_described, mut has_media) = (false, false);
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        let Some(next) = box_at(source, at, length)? else { break };
        if next.to > length {
            return Ok(is_described && has_media && !is_outermost(next.name));
        }
        is_described |= next.name == *b"moov";
        has_media |= next.name == *b"mdat";
        at = next.to;
    }
    Ok(is_described && has_media)
}

/// Length and codec of a video, if the file contains them.
pub fn video_info<R: Read + Seek>(source: &mut R) -> io::Result<Option<VideoInfo>> {
    let length = source.seek(SeekFrom::End(0))?;
    let Some(movie) = find(source, (0, length), *b"moov")? else { return Ok(None) };
    let Some(seconds) = seconds(source, movie)? else { return Ok(None) };
    Ok(Some(VideoInfo { seconds, codec: codec(source, movie)? }))
}

fn seconds<R: Read + Seek>(source: &mut R, movie: BoxExtent) -> io::Result<Option<f64>> {
    let Some(header) = find(source, (movie.from, movie.to), *b"mvhd")? else { return Ok(None) };
    source.seek(SeekFrom::Start(header.from))?;
    let Some([version, ..]) = array::<_, 4>(source)? else { return Ok(None) };
    let (scale, duration) = if version == 1 {
        source.seek_relative(16)?;
        (array(source)?.map(u32::from_be_bytes), array(source)?.map(u64::from_be_bytes).filter(|all| *all != u64::MAX))
    } else {
        source.seek_relative(8)?;
        let (scale, duration) = (array(source)?.map(u32::from_be_bytes), array(source)?.map(u32::from_be_bytes));
        (scale, duration.filter(|all| *all != u32::MAX).map(u64::from))
    };
    Ok(match (scale, duration) {
        // Zero is the length of a fragmented file, all ones an unknown length.
        (Some(scale @ 1..), Some(duration @ 1..)) => Some(as_f64(duration) / f64::from(scale)),
        _ => None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a length of 2^53 ticks is not a real video")]
fn as_f64(ticks: u64) -> f64 {
    ticks as f64
}

/// The codec of the first video track.
fn codec<R: Read + Seek>(source: &mut R, movie: BoxExtent) -> io::Result<Option<[u8; 4]>> {
    let mut at = movie.from;
    while let Some(track) = find(source, (at, movie.to), *b"trak")? {
        at = track.to;
        let Some(media) = find(source, (track.from, track.to), *b"mdia")? else { continue };
        let Some(handler) = find(source, (media.from, media.to), *b"hdlr")? else { continue };
        source.seek(SeekFrom::Start(handler.from + 8))?;
        if array(source)? != Some(*b"vide") {
            continue;
        }
        let mut inner = media;
        for name in [*b"minf", *b"stbl", *b"stsd"] {
            let Some(next) = find(source, (inner.from, inner.to), name)? else { return Ok(None) };
            inner = next;
        }
        // Version, flags and a count precede the first entry, and its size precedes its name.
        source.seek(SeekFrom::Start(inner.from + 12))?;
        return array(source);
    }
    Ok(None)
}

/// The first box called `name` in a range.
fn find<R: Read + Seek>(source: &mut R, (from, to): (u64, u64), name: [u8; 4]) -> io::Result<Option<BoxExtent>> {
    let mut at = from;
    for _ in 0..MAX_BOXES {
        let Some(next) = box_at(source, at, to)? else { return Ok(None) };
        if next.name == name {
            return Ok(Some(next));
        }
        at = next.to;
    }
    Ok(None)
}

/// The box that starts at `at`, if it starts before `end`.
fn box_at<R: Read + Seek>(source: &mut R, at: u64, end: u64) -> io::Result<Option<BoxExtent>> {
    if at.saturating_add(8) > end {
        return Ok(None);
    }
    source.seek(SeekFrom::Start(at))?;
    let (Some(short), Some(name)) = (array(source)?.map(u32::from_be_bytes), array(source)?) else { return Ok(None) };
    let (header, size) = match short {
        // The box extends to the end of its container.
        0 => (8, end - at),
        1 => (16, array(source)?.map_or(0, u64::from_be_bytes)),
        size => (8, u64::from(size)),
    };
    if size < header {
        return Ok(None);
    }
    Ok(at.checked_add(size).map(|to| BoxExtent { name, from: at + header, to }))
}

/// The next `N` bytes, or `None` at the end.
pub(super) fn array<R: Read, const N: usize>(source: &mut R) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &name, content].concat()
    }

    /// A minimal MP4: a sound track and a video track, no samples.
    pub(in crate::media) fn video(seconds: f64, codec: [u8; 4]) -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's small number")]
        let duration = (seconds * 1000.0) as u32;
        let mvhd =
            boxed(*b"mvhd", &[&[0; 12][..], &1000_u32.to_be_bytes(), &duration.to_be_bytes(), &[0; 80]].concat());
        let track = |handler: &[u8; 4], codec: &[u8; 4]| {
            let hdlr = boxed(*b"hdlr", &[&[0; 8][..], handler, &[0; 13]].concat());
            let stsd = boxed(*b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &boxed(*codec, &[0; 8])].concat());
            let minf = boxed(*b"minf", &boxed(*b"stbl", &stsd));
            boxed(*b"trak", &boxed(*b"mdia", &[hdlr, minf].concat()))
        };
        let moov = boxed(*b"moov", &[mvhd, track(b"soun", b"mp4a"), track(b"vide", &codec)].concat());
        [boxed(*b"ftyp", b"isom\0\0\x02\0"), boxed(*b"mdat", b"pictures"), moov].concat()
    }

    #[test]
    fn length_and_codec_are_read() {
        for codec in [*b"avc1", *b"hvc1", *b"av01"] {
            let found = super::video_info(&mut Cursor::new(video(8.75, codec))).unwrap();
            assert_eq!(found, Some(VideoInfo { seconds: 8.75, codec: Some(codec) }));
        }
    }

    #[test]
    fn a_length_of_all_ones_is_unknown() {
        let of = |version: u8, length: &[u8]| {
            let times = vec![0; if version == 1 { 16 } else { 8 }];
            let mvhd = [&[version, 0, 0, 0][..], &times, &1000_u32.to_be_bytes(), length, &[0; 80]].concat();
            let file = boxed(*b"moov", &boxed(*b"mvhd", &mvhd));
            super::video_info(&mut Cursor::new(file)).unwrap().map(|video| video.seconds)
        };
        assert_eq!((of(0, &[0xFF; 4]), of(1, &[0xFF; 8])), (None, None));
        assert_eq!(of(1, &5000_u64.to_be_bytes()), Some(5.0));
        assert_eq!(of(1, &u64::from(u32::MAX).to_be_bytes()), Some(4_294_967.295));
    }

    #[test]
    fn moov_without_mdat_is_incomplete() {
        let whole = |file: &[u8]| is_whole(&mut Cursor::new(file), file.len() as u64).unwrap();
        let moov_first =
            [boxed(*b"ftyp", b"isom\0\0\x02\0"), boxed(*b"moov", b""), boxed(*b"mdat", b"pictures")].concat();
        assert!(whole(&moov_first));
        assert!((0..moov_first.len()).all(|end| !whole(&moov_first[..end])));
    }

    #[test]
    fn missing_boxes_give_no_information() {
        assert_eq!(super::video_info(&mut Cursor::new(b"\0\0\0\x10ftypisom\0\0\0\0")).unwrap(), None);
        assert_eq!(super::video_info(&mut Cursor::new(video(0.0, *b"avc1"))).unwrap(), None);
        let mut chance = fastrand::Rng::with_seed(3);
        let good = video(5.0, *b"avc1");
        for _ in 0..2000 {
            let mut bad = good.clone();
            for _ in 0..3 {
                let at = chance.usize(..bad.len());
                bad[at] = chance.u8(..);
            }
            let _ = super::video_info(&mut Cursor::new(&bad)).unwrap();
            let _ = is_whole(&mut Cursor::new(&bad), bad.len() as u64).unwrap();
        }
    }
}
