//! Encodes pixels of arrays as PNG.

use bytes::Bytes;
use png::{BitDepth, ColorType, Compression, Encoder};

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    Rgb,
    /// With alpha.
    Rgba,
}

impl Channels {
    /// From the number of bytes per pixel.
    #[must_use]
    pub const fn of(count: usize) -> Option<Self> {
        match count {
            3 => Some(Self::Rgb),
            4 => Some(Self::Rgba),
            _ => None,
        }
    }

    const fn color(self) -> ColorType {
        match self {
            Self::Rgb => ColorType::Rgb,
            Self::Rgba => ColorType::Rgba,
        }
    }
}

/// Encodes rows of pixels with 8 bits per channel.
pub fn png(width: u32, height: u32, channels: Channels, pixels: &[u8]) -> Result<Bytes> {
    let impossible = |error: png::EncodingError| Error::invalid("image", format!("the array is not an image: {error}"));
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(channels.color());
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().map_err(impossible)?;
    writer.write_image_data(pixels).map_err(impossible)?;
    writer.finish().map_err(impossible)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_unchanged() {
        for (channels, pixels) in [(Channels::Rgb, &[1, 2, 3, 4, 5, 6][..]), (Channels::Rgba, &[9; 8])] {
            let file = png(1, 2, channels, pixels).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
            let mut back = vec![0; pixels.len()];
            reader.next_frame(&mut back).unwrap();
            assert_eq!((reader.info().width, reader.info().height, &back[..]), (1, 2, pixels));
        }
    }

    #[test]
    fn invalid_arrays_are_rejected() {
        assert!(png(0, 2, Channels::Rgb, &[]).is_err());
        assert!(png(2, 2, Channels::Rgb, &[0; 11]).is_err());
        assert_eq!(Channels::of(1), None);
    }
}
