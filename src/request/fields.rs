//! The fields of a request, one per row.
//!
//! The struct, the checks and the Python class are generated from these rows; tests compare every other list of the
//! fields (signatures, stubs, options, docs) with them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parts::{Audio, Keyframe, Operation, PrepareMedia, StorageOptions};
use crate::error::Result;
use crate::media::{Media, Role};

/// Calls the macro `$then` with `$more` and the rows: name, type, kind, key in the JSON body, operations that accept
/// it, description.
///
/// Journal fingerprints depend on the order: add new fields at the end, before `extra`.
macro_rules! request_fields {
    ($then:ident $($more:tt)*) => {
        $then! {
            $($more)*
            prompt: Option<String>, Text, "prompt", [Generate, Edit, Extend], "What to show, or what to change.";
            video: Option<M>, Video, "video", [Edit, Extend], "The video to edit or to extend.";
            image: Option<M>, Image, "image", [Generate], "The first frame.";
            reference_images: Vec<M>, Images, "reference_images", [Generate], "Images of who or what appears.";
            reference_audios: Vec<Audio>, Audios, "reference_audios", [Generate], "Voices to be heard.";
            last_frame: Option<M>, Image, "last_frame", [Generate], "The last frame.";
            keyframes: Vec<Keyframe<M>>, Keyframes, "keyframes", [Generate], "Frames at given times.";
            duration: Option<i64>, Seconds, "duration", [Generate, Extend], "Length in seconds.";
            aspect_ratio: Option<String>, Text, "aspect_ratio", [Generate], "Width to height, such as `16:9`.";
            resolution: Option<String>, Text, "resolution", [Generate], "Lines, such as `720p`.";
            generate_audio: Option<bool>, Flag, "generate_audio", [Generate], "Whether the video has sound.";
            model: Option<String>, Text, "model", [Generate, Edit, Extend], "The model.";
            user: Option<String>, Text, "user", [Generate, Edit], "An ID of your own end user.";
            upload_url: Option<String>, Text, "output", [Generate, Edit, Extend],
                "Signed address to which the service uploads the file.";
            storage_options: Option<StorageOptions>, Storage, "storage_options", [Generate, Edit, Extend],
                "How the service stores the file.";
            extra: Map<String, Value>, Extra, "*", [Generate, Edit, Extend], "Merged into the JSON body last.";
        }
    };
}

#[cfg(feature = "python")]
pub(crate) use request_fields;

#[derive(Debug, Serialize)]
pub(crate) struct Field {
    pub name: &'static str,
    pub key: &'static str,
    pub kind: Kind,
    pub operations: &'static [Operation],
    pub description: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Text,
    Seconds,
    Flag,
    Video,
    Image,
    Images,
    Audios,
    Keyframes,
    Storage,
    Extra,
}

impl Kind {
    pub(crate) const fn is_image(self) -> bool {
        matches!(self, Self::Image | Self::Images | Self::Keyframes)
    }
}

/// The values of a field: none, one or several.
trait Values {
    fn count(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

impl<T> Values for Option<T> {
    fn count(&self) -> usize {
        usize::from(self.is_some())
    }
}

impl<T> Values for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }
}

impl Values for Map<String, Value> {
    fn count(&self) -> usize {
        self.len()
    }
}

/// Expands to the prepared form of a field.
macro_rules! prepared {
    (Video, $by:expr, $name:expr, $value:expr) => {
        one($by, $name, Role::Video, $value).await?
    };
    (Image, $by:expr, $name:expr, $value:expr) => {
        one($by, $name, Role::Image, $value).await?
    };
    (Images, $by:expr, $name:expr, $value:expr) => {
        images($by, $name, $value).await?
    };
    (Keyframes, $by:expr, $name:expr, $value:expr) => {
        keyframes($by, $name, $value).await?
    };
    ($other:ident, $by:expr, $name:expr, $value:expr) => {
        $value
    };
}

macro_rules! media_mut {
    (Keyframes, $value:expr) => {
        $value.iter_mut().map(|frame| &mut frame.image).collect()
    };
    (Video, $value:expr) => {
        $value.iter_mut().collect()
    };
    (Image, $value:expr) => {
        $value.iter_mut().collect()
    };
    (Images, $value:expr) => {
        $value.iter_mut().collect()
    };
    ($other:ident, $value:expr) => {
        Vec::new()
    };
}

macro_rules! declare {
    ($($name:ident: $type:ty, $kind:ident, $key:literal, [$($operation:ident),*], $description:literal;)*) => {
        /// All fields of [`VideoRequest`] except `operation`, which is not part of the body.
        pub(crate) static FIELDS: &[Field] = &[$(Field {
            name: stringify!($name),
            key: $key,
            kind: Kind::$kind,
            operations: &[$(Operation::$operation),*],
            description: $description,
        }),*];

        /// A request for one video. `M` is [`Media`] as passed by the caller, or its prepared form.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct VideoRequest<M = Media> {
            #[serde(default)]
            pub operation: Operation,
            $(
                #[doc = $description]
                #[serde(default = "Default::default", skip_serializing_if = "Values::is_empty")]
                pub $name: $type,
            )*
        }

        impl<M> Default for VideoRequest<M> {
            fn default() -> Self {
                Self { operation: Operation::default(), $($name: Default::default()),* }
            }
        }

        impl<M> VideoRequest<M> {
            /// Number of values in the field called `name`.
            pub(crate) fn count(&self, name: &str) -> usize {
                match name {
                    $(stringify!($name) => self.$name.count(),)*
                    _ => 0,
                }
            }

            /// The same request with prepared media.
            pub async fn prepared<P: PrepareMedia<M>>(self, by: &P) -> Result<VideoRequest<P::Output>> {
                Ok(VideoRequest {
                    operation: self.operation,
                    $($name: prepared!($kind, by, stringify!($name), self.$name)),*
                })
            }

            pub(super) fn media_mut(&mut self) -> impl Iterator<Item = &mut M> {
                let all: Vec<Vec<&mut M>> = vec![$(media_mut!($kind, self.$name)),*];
                all.into_iter().flatten()
            }
        }
    };
}

request_fields!(declare);

impl<M> VideoRequest<M> {
    pub(crate) fn has(&self, field: &Field) -> bool {
        self.count(field.name) > 0
    }

    /// Number of input images, each of which is billed.
    pub(crate) fn image_count(&self) -> usize {
        FIELDS.iter().filter(|field| field.kind.is_image()).map(|field| self.count(field.name)).sum()
    }
}

async fn one<M, P: PrepareMedia<M>>(
    by: &P,
    field: &'static str,
    role: Role,
    media: Option<M>,
) -> Result<Option<P::Output>> {
    match media {
        Some(media) => Ok(Some(by.prepare(field, role, media).await?)),
        None => Ok(None),
    }
}

async fn images<M, P: PrepareMedia<M>>(by: &P, field: &'static str, images: Vec<M>) -> Result<Vec<P::Output>> {
    let mut ready = Vec::with_capacity(images.len());
    for image in images {
        ready.push(by.prepare(field, Role::Image, image).await?);
    }
    Ok(ready)
}

async fn keyframes<M, P: PrepareMedia<M>>(
    by: &P,
    field: &'static str,
    frames: Vec<Keyframe<M>>,
) -> Result<Vec<Keyframe<P::Output>>> {
    let mut ready = Vec::with_capacity(frames.len());
    for Keyframe { image, timestamp } in frames {
        ready.push(Keyframe { image: by.prepare(field, Role::Image, image).await?, timestamp });
    }
    Ok(ready)
}
