use serde_json::{Value, json};

use super::operation::Operation::{self, Edit, Extension, Generation};
use super::refusal::Refusal;
use super::resolution::Resolution;
use super::*;
use crate::simulator::clips;

const NEW: &str = "grok-imagine-video-1.5";
const LITE: &str = "grok-imagine-video-1.5-lite";
/// Files of the simulated service.
const LONG: &str = "http://127.0.0.1:1/vidgen/long";
const SHORT: &str = "http://127.0.0.1:1/vidgen/short";
const GONE: &str = "http://127.0.0.1:1/vidgen/gone";

fn own(source: Source<'_>) -> OwnFile {
    let video = |seconds, ratio, resolution| OwnFile::Video(VideoInfo { seconds, ratio, resolution });
    match source {
        Source::Url(LONG) => video(25.0, "3:4", Resolution::P1080),
        Source::Url(SHORT) => video(1.0, "1:1", Resolution::P480),
        Source::Url(GONE) => OwnFile::Gone,
        _ => OwnFile::Elsewhere,
    }
}

fn try_purchase(operation: Operation, body: &Value) -> Result<Purchase, Refusal> {
    purchase(operation, body.as_object().unwrap(), &own)
}

fn bought(operation: Operation, body: &Value) -> Purchase {
    try_purchase(operation, body).unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"))
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("data:{media_type};base64,");
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(group.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * place) & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// A PNG's beginning.
fn png(width: u32, height: u32) -> Value {
    let bytes = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()].concat();
    json!({ "url": data_url("image/png", &bytes) })
}

/// A video of this length, made by changing the header of a clip.
fn video(seconds: f64) -> Value {
    let mut bytes = clips::clip("9:16", 5);
    let at = bytes.windows(4).position(|kind| kind == b"mvhd").unwrap() + 4;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
    let units = (seconds * 1000.0).round() as u32;
    bytes[at + 12..at + 16].copy_from_slice(&1000_u32.to_be_bytes());
    bytes[at + 16..at + 20].copy_from_slice(&units.to_be_bytes());
    json!({ "url": data_url("video/mp4", &bytes) })
}

/// The body with a prompt and these fields.
fn with(fields: Value) -> Value {
    let mut body = json!({ "prompt": "x" });
    let Value::Object(fields) = fields else { panic!("not an object") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

fn check(operation: Operation, cases: Vec<(Value, u16)>) {
    for (body, expected) in cases {
        let status = try_purchase(operation, &body).map_or_else(|(status, _)| status, |_| 200);
        assert_eq!(status, expected, "{operation:?} {body}");
    }
}

fn media() -> Value {
    json!({ "url": "https://a.example/m" })
}

#[test]
fn text_and_number_limits() {
    check(
        Generation,
        vec![
            (json!({"prompt": "x"}), 200),
            (json!({}), 422),
            (json!({"prompt": ""}), 400),
            (json!({"prompt": "a".repeat(4096)}), 200),
            (json!({"prompt": "a".repeat(4097)}), 400),
            (json!({"prompt": "ä".repeat(2049)}), 400),
            (json!({"prompt": 7}), 422),
            (json!({"prompt": null}), 422),
            (with(json!({"duration": 1})), 200),
            (with(json!({"duration": 15})), 200),
            (with(json!({"duration": 16})), 400),
            (with(json!({"duration": 0})), 400),
            (with(json!({"duration": -1})), 400),
            (with(json!({"duration": "5"})), 422),
            (with(json!({"duration": 5.0})), 422),
            (with(json!({"aspect_ratio": "2:3"})), 200),
            (with(json!({"aspect_ratio": "21:9"})), 200),
            (with(json!({"aspect_ratio": "5:2"})), 200),
            (with(json!({"aspect_ratio": "9:21"})), 422),
            (with(json!({"aspect_ratio": "auto"})), 422),
            (with(json!({"resolution": "720p"})), 200),
            (with(json!({"resolution": "4k"})), 422),
            (with(json!({"resolution": "1080p"})), 400),
            (with(json!({"resolution": "1080p", "model": NEW})), 200),
            (with(json!({"resolution": "1080p", "model": LITE})), 200),
            (with(json!({"seconds": 15})), 200),
            (with(json!({"seconds": 16})), 400),
            (with(json!({"seconds": "5"})), 422),
            (with(json!({"duration": 5, "seconds": 16})), 200),
            (with(json!({"model": "grok-nothing"})), 404),
            (with(json!({"model": ""})), 404),
            (with(json!({"model": "grok-imagine-video-beta"})), 200),
            (with(json!({"generate_audio": false})), 200),
            (with(json!({"generate_audio": "no"})), 422),
            (with(json!({"user": "u"})), 200),
            (with(json!({"user": ""})), 400),
            (with(json!({"user": 1})), 422),
            (with(json!({"of_tomorrow": true})), 200),
            (with(json!({"image_url": 1, "video_url": "x", "video": 1})), 200),
            (json!({"image_url": "https://a.example/i.png"}), 422),
            // What does not deserialise is found before what is out of bounds.
            (json!({"prompt": "", "model": "grok-nothing", "duration": "5"}), 422),
        ],
    );
}

#[test]
fn image_inputs() {
    let gif = data_url("image/gif", b"GIF89a\x01\0\x01\0");
    let mislabelled = png(1, 1)["url"].as_str().unwrap().replace("image/png", "image/jpeg");
    let url = |url: &str| json!({ "image": { "url": url } });
    check(
        Generation,
        vec![
            (json!({"image": media()}), 200),
            (json!({"image": png(16, 9)}), 200),
            (json!({"image": {"file_id": "f"}}), 200),
            (json!({"input_reference": media()}), 200),
            (json!({"input_reference": {}}), 422),
            (json!({"image": media(), "model": LITE}), 200),
            (with(json!({"image": png(16, 9)})), 200),
            (json!({"prompt": "", "image": png(16, 9)}), 400),
            (json!({"image": "https://a.example/i.png"}), 422),
            (json!({"image": {}}), 422),
            (url(""), 422),
            (json!({"image": {"file_id": ""}}), 422),
            (json!({"image": {"file_id": 1}}), 422),
            (json!({"image": {"url": "https://a.example/i.png", "file_id": "f"}}), 400),
            (url("ftp://a.example/i.png"), 400),
            (url("https://"), 400),
            (url("i.png"), 400),
            (url(LONG), 400),
            (url(&mislabelled), 200),
            (url(&gif), 400),
            (url("data:image/png;base64,AA"), 400),
            (url("data:image/png;base64,"), 400),
            (url("data:image/png,iVBORw0K"), 400),
            (url("data:image/png;base64"), 400),
            (url("data:;base64,iVBORw0K"), 400),
            (url(video(5.0)["url"].as_str().unwrap()), 400),
        ],
    );
}

#[test]
fn reference_limits() {
    let of = |images: usize| json!(vec![media(); images]);
    let voices = |count: usize| json!(vec![json!({"voice_id": "ara"}); count]);
    check(
        Generation,
        vec![
            (with(json!({"reference_images": of(7)})), 200),
            (with(json!({"reference_images": of(8)})), 400),
            (with(json!({"reference_images": of(14), "model": NEW})), 200),
            (with(json!({"reference_images": of(15), "model": NEW})), 400),
            (with(json!({"reference_images": of(1), "model": LITE})), 400),
            (with(json!({"reference_images": []})), 200),
            (json!({"reference_images": of(1)}), 200),
            (json!({"reference_images": []}), 422),
            (json!({"reference_audios": voices(1), "model": NEW}), 422),
            (with(json!({"reference_images": media()})), 422),
            (with(json!({"reference_images": ["https://a.example/i.png"]})), 422),
            (with(json!({"reference_images": [{"url": "data:image/png;base64,AAAA"}]})), 400),
            (with(json!({"reference_images": of(1), "duration": 10})), 200),
            (with(json!({"reference_images": of(1), "duration": 11})), 400),
            (with(json!({"reference_images": of(1), "duration": 15, "model": NEW})), 200),
            (with(json!({"reference_images": of(1), "duration": 16, "model": NEW})), 400),
            (with(json!({"reference_images": of(1), "image": media()})), 400),
            (with(json!({"reference_images": of(1), "image": media(), "model": NEW})), 200),
            (with(json!({"reference_images": of(1), "resolution": "720p", "model": NEW})), 200),
            (with(json!({"reference_images": of(1), "resolution": "1080p", "model": NEW})), 400),
            (with(json!({"reference_audios": voices(3), "model": NEW})), 200),
            (with(json!({"reference_audios": voices(4), "model": NEW})), 400),
            (with(json!({"reference_audios": voices(1)})), 400),
            (with(json!({"reference_audios": voices(1), "model": LITE})), 400),
            (with(json!({"reference_audios": [media()], "model": NEW})), 200),
            (with(json!({"reference_audios": [{"url": "data:audio/mpeg;base64,AAAA"}], "model": NEW})), 200),
            (with(json!({"reference_audios": [{"url": "data:audio/mpeg;base64,A"}], "model": NEW})), 400),
            (with(json!({"reference_audios": [{"url": "data:image/png;base64,AAAA"}], "model": NEW})), 400),
            (with(json!({"reference_audios": [{"voice_id": ""}], "model": NEW})), 422),
            (with(json!({"reference_audios": [{"file_id": "f"}], "model": NEW})), 422),
            (with(json!({"reference_audios": ["ara"], "model": NEW})), 422),
            (with(json!({"reference_audios": [{"voice_id": "ara", "url": "https://a.example/a"}], "model": NEW})), 400),
        ],
    );
}

#[test]
fn last_frame_and_keyframes() {
    let at = |timestamp: f64| json!({ "image": media(), "timestamp_s": timestamp });
    let frames = |frames: Vec<Value>| with(json!({"keyframes": frames, "model": NEW, "duration": 5}));
    check(
        Generation,
        vec![
            (with(json!({"last_frame": media(), "model": NEW})), 200),
            (with(json!({"last_frame": media()})), 400),
            (with(json!({"last_frame": media(), "model": LITE})), 400),
            (with(json!({"keyframes": [at(1.0)], "model": LITE})), 400),
            (with(json!({"last_frame": "https://a.example/i.png", "model": NEW})), 422),
            (with(json!({"last_frame": {"url": "data:image/png;base64,AAAA"}, "model": NEW})), 400),
            (frames(vec![at(1.0), at(1.34), at(2.5), at(4.9)]), 200),
            (frames(vec![at(1.0), at(2.0), at(3.0), at(4.0), at(4.9)]), 400),
            (frames(vec![at(1.5); 2]), 400),
            (frames(vec![at(1.0), at(3.0), at(1.1)]), 400),
            (frames(vec![at(1.0), at(1.33)]), 200),
            (frames(vec![]), 200),
            (with(json!({"keyframes": [at(1.0)]})), 400),
            (frames(vec![at(4.99)]), 200),
            (frames(vec![at(5.0)]), 400),
            (frames(vec![at(0.01)]), 200),
            (frames(vec![at(0.0)]), 400),
            (frames(vec![json!({"image": media(), "timestamp_s": 1})]), 200),
            (frames(vec![json!({"image": media(), "timestamp_s": "1"})]), 422),
            (frames(vec![json!({"image": media()})]), 422),
            (frames(vec![json!({"timestamp_s": 1})]), 422),
            (frames(vec![json!({"image": {"url": "nothing"}, "timestamp_s": 1})]), 400),
            (with(json!({"keyframes": [at(7.9)], "model": NEW})), 200),
            (with(json!({"keyframes": [at(8.0)], "model": NEW})), 400),
        ],
    );
}

#[test]
fn outputs_and_storage_options() {
    let storage = |options: Value| with(json!({ "storage_options": options }));
    let storage_for = |seconds: i64| storage(json!({"filename": "a.mp4", "expires_after": seconds}));
    let public = |public: Value| storage(json!({"filename": "a.mp4", "public_url": public}));
    let cases = || {
        vec![
            (json!({"output": {"upload_url": "https://a.example/put?sig=1"}}), 200),
            (json!({"output": {"upload_url": "ftp://a.example/put"}}), 400),
            (json!({"output": {"upload_url": ""}}), 400),
            (json!({"output": {"upload_url": 1}}), 422),
            (json!({"output": {}}), 422),
            (json!({"output": "https://a.example/put"}), 422),
            (storage(json!({"filename": "a.mp4"})), 200),
            (storage(json!({"filename": ""})), 400),
            (storage(json!({"filename": 1})), 422),
            (storage(json!({"expires_after": 3600})), 422),
            (storage(json!(true)), 422),
            (storage_for(3600), 200),
            (storage_for(3599), 400),
            (storage_for(2_592_000), 200),
            (storage_for(2_592_001), 400),
            (storage_for(-1), 400),
            (storage(json!({"filename": "a.mp4", "expires_after": "3600"})), 422),
            (public(json!(true)), 200),
            (public(json!(false)), 422),
            (public(json!("yes")), 422),
            (public(json!({})), 422),
            (public(json!({"expires_after": 3600})), 200),
            (public(json!({"expires_after": 3599})), 400),
            (public(json!({"expires_after": 2_592_000})), 200),
            (public(json!({"expires_after": 2_592_001})), 400),
            (public(json!({"expires_after": 3600.5})), 422),
        ]
    };
    for operation in [Generation, Edit, Extension] {
        let bodies = cases().into_iter().map(|(fields, status)| {
            let mut body = with(fields);
            body["video"] = media();
            (body, status)
        });
        check(operation, bodies.collect());
    }
}

#[test]
fn edits_of_videos() {
    let of = |video: Value| with(json!({ "video": video }));
    let url = |url: &str| of(json!({ "url": url }));
    check(
        Edit,
        vec![
            (of(media()), 200),
            (of(json!({"file_id": "f"})), 200),
            (with(json!({})), 422),
            (json!({"video": media()}), 422),
            (json!({"video": media(), "image": media()}), 422),
            (of(json!("https://a.example/v.mp4")), 422),
            (of(json!({"url": "https://a.example/v.mp4", "file_id": "f"})), 400),
            (with(json!({"video": media(), "model": NEW})), 400),
            (with(json!({"video": media(), "model": LITE})), 400),
            (with(json!({"video": media(), "model": "grok-nothing"})), 404),
            (with(json!({"video": media(), "user": ""})), 400),
            (of(video(8.7)), 200),
            (of(video(8.701)), 400),
            (of(video(0.2)), 200),
            (url(SHORT), 200),
            (url(LONG), 400),
            (url(GONE), 400),
            (of(png(16, 9)), 400),
            (url(&data_url("video/mp4", b"\0\0\0\x08ftyp")), 400),
            (url(&video(5.0)["url"].as_str().unwrap().replace("video/mp4", "image/png")), 400),
            // Nothing else is looked at.
            (with(json!({"video": media(), "duration": "x", "aspect_ratio": "x", "resolution": 1, "image": 1})), 200),
        ],
    );
}

#[test]
fn extensions_of_videos() {
    let of = |video: Value| with(json!({ "video": video }));
    check(
        Extension,
        vec![
            (of(media()), 200),
            (with(json!({})), 422),
            (json!({"video": media()}), 422),
            (with(json!({"video": media(), "duration": 1})), 200),
            (with(json!({"video": media(), "duration": 0})), 400),
            (with(json!({"video": media(), "seconds": 11})), 400),
            (with(json!({"video": media(), "duration": 10})), 200),
            (with(json!({"video": media(), "duration": 11})), 400),
            (with(json!({"video": media(), "duration": "6"})), 422),
            (with(json!({"video": media(), "model": NEW})), 400),
            (with(json!({"video": media(), "model": LITE})), 400),
            (of(video(2.0)), 200),
            (of(video(1.999)), 400),
            (of(video(30.0)), 200),
            (of(video(30.001)), 400),
            (of(json!({"url": LONG})), 200),
            (of(json!({"url": SHORT})), 400),
            (of(json!({"url": GONE})), 400),
            (with(json!({"video": media(), "user": 1, "aspect_ratio": "x"})), 200),
        ],
    );
}

#[test]
fn messages_name_the_field() {
    let message = |operation, body: Value| try_purchase(operation, &body).unwrap_err().1;
    let keyframe =
        json!({"keyframes": [{"image": media(), "timestamp_s": 1}, {"image": {"url": 1}, "timestamp_s": 1}]});
    let prefix = "Failed to deserialize the JSON body into the target type: ";
    assert_eq!(message(Generation, with(keyframe)), format!("{prefix}keyframes[1].image.url: expected a string"));
    assert_eq!(message(Generation, json!({})), format!("{prefix}prompt: missing field"));
    let lite = with(json!({"reference_images": [media()], "model": LITE}));
    assert_eq!(message(Generation, lite), "`reference_images` is not supported for this model");
    let gone = with(json!({"video": {"url": GONE}}));
    assert_eq!(message(Edit, gone), "video: could not download the video: 403 Forbidden.");
}

#[test]
fn the_purchase_reflects_the_request() {
    let result = |operation, body: Value| {
        let Purchase { seconds, ratio, resolution, .. } = bought(operation, &body);
        (seconds, ratio, resolution)
    };
    let url = |url: &str| json!({ "url": url });
    let cases = [
        (Generation, json!({}), (8, "16:9", Resolution::P480)),
        (Generation, json!({"duration": 3, "aspect_ratio": "1:1", "resolution": "720p"}), (3, "1:1", Resolution::P720)),
        (Generation, json!({"image": png(1000, 1500)}), (8, "2:3", Resolution::P480)),
        (Generation, json!({"image": png(1000, 1500), "aspect_ratio": "4:3"}), (8, "4:3", Resolution::P480)),
        (Generation, json!({"image": png(2100, 900)}), (8, "21:9", Resolution::P480)),
        (Generation, json!({"aspect_ratio": "5:2", "seconds": 4}), (4, "5:2", Resolution::P480)),
        (Generation, json!({"image": media()}), (8, "16:9", Resolution::P480)),
        (Generation, json!({"reference_images": [png(1, 1)]}), (8, "16:9", Resolution::P480)),
        (Edit, json!({"video": media()}), (6, "16:9", Resolution::P480)),
        (Edit, json!({"video": media(), "duration": 3, "aspect_ratio": "1:1"}), (6, "16:9", Resolution::P480)),
        (Edit, json!({"video": video(4.4)}), (4, "9:16", Resolution::P480)),
        (Edit, json!({"video": video(8.7)}), (9, "9:16", Resolution::P480)),
        (Edit, json!({"video": video(0.2)}), (1, "9:16", Resolution::P480)),
        (Extension, json!({"video": media()}), (12, "16:9", Resolution::P480)),
        (Extension, json!({"video": video(15.0), "duration": 10}), (25, "9:16", Resolution::P480)),
        (Extension, json!({"video": url(LONG), "duration": 10}), (25, "3:4", Resolution::P720)),
    ];
    for (operation, fields, expected) in cases {
        assert_eq!(result(operation, with(fields.clone())), expected, "{operation:?} {fields}");
    }
}

#[test]
fn prices_depend_on_model_resolution_and_inputs() {
    let cases = [
        (Generation, json!({"duration": 5}), 250),
        (Generation, json!({"duration": 1, "resolution": "720p"}), 70),
        (Generation, json!({}), 400),
        (Generation, json!({"model": NEW, "duration": 10}), 800),
        (Generation, json!({"model": NEW, "duration": 10, "resolution": "720p"}), 1400),
        (Generation, json!({"model": NEW, "duration": 10, "resolution": "1080p"}), 2500),
        (Generation, json!({"model": NEW, "duration": 1}), 80),
        (Generation, json!({"model": NEW, "duration": 1, "image": media()}), 90),
        (Generation, json!({"model": NEW, "duration": 1, "reference_images": [media(), media()]}), 100),
        (Generation, json!({"model": LITE, "duration": 10}), 200),
        (Generation, json!({"model": LITE, "duration": 10, "resolution": "720p"}), 300),
        (Generation, json!({"model": LITE, "duration": 10, "resolution": "1080p"}), 1400),
        (Generation, json!({"image": media()}), 402),
        (Generation, json!({"reference_images": [media(), media()]}), 404),
        (Generation, json!({"model": NEW, "image": media(), "reference_images": [media()]}), 660),
        (
            Generation,
            json!({"model": NEW, "last_frame": media(), "keyframes": [{"image": media(), "timestamp_s": 1}]}),
            660,
        ),
        (Edit, json!({"video": media()}), 6 * 60),
        (Extension, json!({"video": media()}), 6 * 50 + 6 * 10),
        (Extension, json!({"video": {"url": LONG}, "duration": 10}), 10 * 70 + 25 * 10),
    ];
    for (operation, fields, thousandths) in cases {
        let ticks = bought(operation, &with(fields.clone())).ticks;
        assert_eq!(ticks, thousandths * 10_000_000, "{operation:?} {fields}");
    }
}

#[test]
fn each_operation_reads_its_own_fields_only() {
    use crate::request::{FIELDS, Operation as RequestOperation};

    for (operation, operation_of_field) in [
        (Generation, RequestOperation::Generate),
        (Edit, RequestOperation::Edit),
        (Extension, RequestOperation::Extend),
    ] {
        for field in FIELDS.iter().filter(|field| field.key != "*") {
            let mut body = json!({"prompt": "x", "video": {"url": SHORT}});
            body[field.key] = Value::Null;
            let is_read = matches!(try_purchase(operation, &body), Err((422, message)) if message.contains(field.key));
            assert_eq!(
                is_read,
                field.operations.contains(&operation_of_field),
                "{} of {operation:?} in read.rs",
                field.name
            );
        }
    }
}
