//! Finds the link to the video in responses of gateways.

use serde_json::{Map, Value};

/// Known places, the most specific first.
const PLACES: [&[&str]; 16] = [
    &["videos", "0", "url"],
    &["videos", "0", "video_url"],
    &["videos", "0"],
    &["result", "video_url"],
    &["result", "url"],
    &["output", "video_url"],
    &["output", "url"],
    &["output"],
    &["output", "0"],
    &["metadata", "video_url"],
    &["metadata", "url"],
    &["data", "video_url"],
    &["data", "0", "video_url"],
    &["data", "0", "url"],
    &["video_url"],
    &["result_url"],
];
/// May also be the job's own address or a page.
const BARE: [&[&str]; 1] = [&["url"]];
/// Field names of a video's link, at any level.
const NAMES: [&str; 3] = ["url", "video_url", "result_url"];
/// Prefixes of words in field names that do not hold the result of this job.
const OTHERS: [&str; 44] = [
    "thumb",
    "image",
    "cover",
    "poster",
    "preview",
    "frame",
    "avatar",
    "icon",
    "logo",
    "audio",
    "voice",
    "input",
    "source",
    "reference",
    "request",
    "callback",
    "webhook",
    "upload",
    "prompt",
    "doc",
    "watermark",
    "error",
    "origin",
    "parent",
    "prev",
    "prior",
    "seed",
    "extend",
    "continu",
    "remix",
    "param",
    "arg",
    "option",
    "config",
    "base",
    "init",
    "before",
    "from",
    "template",
    "example",
    "user",
    "creator",
    "cancel",
    "poll",
];
const VIDEOS: [&str; 5] = [".mp4", ".webm", ".mov", ".m4v", ".mkv"];
const NO_VIDEOS: [&str; 19] = [
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".svg", ".bmp", ".heic", ".ico", ".mp3", ".wav", ".m4a", ".aac",
    ".json", ".txt", ".html", ".vtt", ".srt",
];

/// The link of a finished job that has none in `video.url`.
///
/// Known places come first, and among them a URL that ends in a video extension; then the only such URL anywhere, then
/// the only URL in a field called one of [`NAMES`].
pub(super) fn find(response: &Map<String, Value>) -> Option<String> {
    let (known, bare) = (known(response, &PLACES), known(response, &BARE));
    let ends_in_video = |links: &[&'_ str]| links.iter().position(|link| has_ending(link, &VIDEOS));
    let mut all = Vec::new();
    collect(response, &mut all);
    let videos = all.iter().filter(|found| has_ending(found.link, &VIDEOS));
    let named = all.iter().filter(|found| NAMES.contains(&found.name) && !has_ending(found.link, &NO_VIDEOS));
    let best = ends_in_video(&known).unwrap_or_default();
    let found = known.get(best).copied().or_else(|| bare.get(ends_in_video(&bare)?).copied());
    found
        .or_else(|| only(videos.map(|found| found.link)))
        .or_else(|| bare.first().copied())
        .or_else(|| only(named.map(|found| found.link)))
        .map(str::to_owned)
}

/// Whether a text is a URL, absolute or relative.
pub(super) fn is_link(text: &str) -> bool {
    (is_absolute(text) || text.starts_with('/')) && !text.contains(char::is_whitespace)
}

fn is_absolute(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| {
        let start = text.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme)) && !text.contains(char::is_whitespace)
    })
}

/// The links in known places, innermost object first: details come from the provider.
fn known<'a>(response: &'a Map<String, Value>, places: &[&[&str]]) -> Vec<&'a str> {
    let mut objects = vec![response];
    while let Some(inner) = ["response", "data"].iter().find_map(|name| objects.last()?.get(*name)?.as_object()) {
        objects.push(inner);
    }
    let links = objects.iter().rev().flat_map(|object| places.iter().filter_map(|place| at(object, place)));
    links.filter(|link| is_link(link) && !has_ending(link, &NO_VIDEOS)).collect()
}

fn at<'a>(object: &'a Map<String, Value>, place: &[&str]) -> Option<&'a str> {
    let (first, rest) = place.split_first()?;
    let step = |value: &'a Value, name: &&str| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(*name),
    };
    rest.iter().try_fold(object.get(*first)?, step)?.as_str().map(str::trim)
}

struct FoundLink<'a> {
    name: &'a str,
    link: &'a str,
}

/// Collects the http(s) URLs that may be the result. The JSON parser bounds the depth.
fn collect<'a>(object: &'a Map<String, Value>, found: &mut Vec<FoundLink<'a>>) {
    for (name, value) in object {
        if !is_other_resource(name) {
            collect_value(name, value, found);
        }
    }
}

/// Whether a word of a `snake_case` or `camelCase` name starts with one of [`OTHERS`].
fn is_other_resource(name: &str) -> bool {
    let begins = |word: &str| OTHERS.iter().any(|other| word.to_ascii_lowercase().starts_with(other));
    let capitals = name.match_indices(|c: char| c.is_ascii_uppercase()).map(|(at, _)| &name[at..]);
    name.split(|c: char| !c.is_ascii_alphanumeric()).chain(capitals).any(begins)
}

fn collect_value<'a>(name: &'a str, value: &'a Value, found: &mut Vec<FoundLink<'a>>) {
    match value {
        Value::String(link) if is_absolute(link.trim()) => found.push(FoundLink { name, link: link.trim() }),
        Value::Array(items) => items.iter().for_each(|item| collect_value(name, item, found)),
        Value::Object(object) => collect(object, found),
        _ => {}
    }
}

fn only<'a>(mut links: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = links.next()?;
    links.all(|link| link == first).then_some(first)
}

fn has_ending(link: &str, endings: &[&str]) -> bool {
    let path = link.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    endings.iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLIP: &str = "https://a.example/clip.mp4?sig=1";

    fn found(response: &Value) -> Option<String> {
        find(response.as_object().unwrap())
    }

    #[test]
    fn links_are_found_in_gateway_responses() {
        let file = "https://a.example/v1/videos/x/content";
        for link in [CLIP, file, "http://127.0.0.1:8000/f", "/v1/videos/x/content"] {
            for response in [
                json!({"metadata": {"url": link}}),
                json!({"videos": [{"url": link}]}),
                json!({"videos": [link]}),
                json!({"result": {"video_url": link}}),
                json!({"output": {"url": link}}),
                json!({"output": {"video_url": link}}),
                json!({"output": [link]}),
                json!({"output": link}),
                json!({"data": [{"url": link}]}),
                json!({"data": {"url": link}}),
                json!({"video_url": link}),
                json!({"result_url": link}),
                json!({"url": link}),
                json!({"data": {"data": {"metadata": {"url": link}}}}),
                json!({"data": {"videos": [{"url": link, "thumbnail_url": "https://a.example/t.jpg"}]}}),
                json!({"response": {"output": {"video_url": link}}}),
            ] {
                assert_eq!(found(&response).as_deref(), Some(link), "{response}");
            }
        }
        for response in [
            json!({"files": [{"href": CLIP}]}),
            json!({"content": {"video_url": CLIP}, "usage": {"tokens": 5}}),
            json!({"outputs": [CLIP, CLIP], "urls": {"get": "https://a.example/jobs/x"}}),
            json!({"url": "https://a.example/jobs/x", "files": [{"href": CLIP}]}),
            json!({"works": [{"resource": {"resource": CLIP}}], "thumbnail": "https://a.example/t.mp4"}),
        ] {
            assert_eq!(found(&response).as_deref(), Some(CLIP), "{response}");
        }
    }

    #[test]
    fn other_links_are_not_the_video() {
        for response in [
            json!({}),
            json!({"metadata": {"url": "https://a.example/t.jpg?x=.mp4"}}),
            json!({"thumbnail_url": CLIP, "cover": {"url": CLIP}, "input": {"video_url": CLIP}}),
            json!({"coverUrl": CLIP, "lastFrame": CLIP, "first_frame_url": CLIP, "SourceVideo": CLIP, "URLThumb": CLIP}),
            json!({"upload_url": CLIP, "request": {"video": {"url": CLIP}}}),
            json!({"url": "see https://a.example/x.mp4 for it"}),
            json!({"url": 5, "video_url": null, "videos": []}),
            json!({"a": "https://a.example/1.mp4", "b": "https://a.example/2.mp4"}),
            json!({"a": {"url": "https://a.example/1"}, "b": {"url": "https://a.example/2"}}),
            json!({"links": {"self": "https://a.example/jobs/x"}}),
            json!({"data": "https"}),
        ] {
            assert_eq!(found(&response), None, "{response}");
        }
    }

    #[test]
    fn links_are_trimmed() {
        let link = format!(" {CLIP}\n");
        for response in [
            json!({"metadata": {"url": link}}),
            json!({"data": [{"url": link}]}),
            json!({"url": link}),
            json!({"files": [{"href": link}]}),
            json!({"content": {"video_url": "\thttps://a.example/clip.mp4?sig=1 "}}),
        ] {
            assert_eq!(found(&response).as_deref(), Some(CLIP), "{response}");
        }
    }

    #[test]
    fn the_video_of_another_job_is_not_the_result() {
        let (file, other) = ("https://a.example/v1/videos/x/content", "https://a.example/other.mp4");
        for place in [
            json!({"metadata": {"url": file}}),
            json!({"result": {"video_url": file}}),
            json!({"videos": [{"url": file}]}),
            json!({"video_url": file}),
            json!({"result_url": file}),
            json!({"data": {"output": [file]}}),
            json!({"data": {"output": file}}),
        ] {
            for name in ["clip", "seed_video", "history", "first", "url"] {
                let mut response = place.clone();
                response[name] = other.into();
                assert_eq!(found(&response).as_deref(), Some(file), "{response}");
            }
        }
        for name in [
            "parent",
            "original_url",
            "originalUrl",
            "origin_video",
            "params",
            "parameters",
            "extended_from",
            "extend_video_url",
            "seed_video",
            "previous_video_url",
            "prevVideo",
            "base_video",
            "init_video",
            "initial",
            "remixed_from",
            "continued_from",
            "from",
            "options",
            "args",
            "source_video_url",
            "reference_videos",
            "inputVideo",
        ] {
            for value in [json!(other), json!({"video": {"url": other}}), json!([{"video_url": other}])] {
                assert_eq!(found(&json!({name: value})), None, "{name}: {value}");
                assert_eq!(found(&json!({name: value, "url": file})).as_deref(), Some(file), "{name}: {value}");
                assert_eq!(found(&json!({name: value, "clip": CLIP})).as_deref(), Some(CLIP), "{name}: {value}");
            }
        }
    }

    #[test]
    fn a_video_is_preferred_to_a_page() {
        let response = json!({"metadata": {"url": "https://a.example/about"}, "result": {"video_url": CLIP}});
        assert_eq!(found(&response).as_deref(), Some(CLIP));
        let response = json!({"url": "https://a.example/x", "image": {"url": "https://a.example/i.png"}});
        assert_eq!(found(&response).as_deref(), Some("https://a.example/x"));
    }
}
