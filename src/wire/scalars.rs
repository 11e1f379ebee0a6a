//! Meaning of single values.

use std::time::Duration;

use serde_json::Value;

use crate::job::JobStatus;

/// A normalised status: lower case, `in-progress` like `IN_PROGRESS`.
pub(super) fn normal(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace(['-', ' '], "_")
}

/// Meaning of a [`normal`] status.
pub(super) fn status(word: &str) -> JobStatus {
    match word {
        "not_start" => JobStatus::Pending,
        "submitted" => JobStatus::Queued,
        "in_progress" | "running" | "generating" => JobStatus::Processing,
        "completed" | "succeeded" | "success" | "ready" => JobStatus::Done,
        "failure" | "error" | "cancelled" | "canceled" | "aborted" | "rejected" | "timeout" | "timed_out"
        | "timedout" => JobStatus::Failed,
        _ if is_moderated(word) => JobStatus::Failed,
        _ => JobStatus::of(word).unwrap_or(JobStatus::Unknown),
    }
}

/// Whether a [`normal`] status means that moderation ended the job.
pub(super) fn is_moderated(word: &str) -> bool {
    matches!(word, "moderated" | "blocked")
}

/// A text that is not blank.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Whole percent from 0 to 100, as a number or a string with or without `%`; anything else is ignored.
pub(super) fn progress(value: &Value) -> Option<u8> {
    let percent = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => decimal(text.trim().trim_end_matches('%').trim_end())?,
        _ => return None,
    };
    (0..=100).find(|whole| (f64::from(*whole) - percent).abs() < f64::EPSILON)
}

/// A plain decimal; `parse` alone would also accept `inf`, `1e1` and `+1`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain { text.parse().ok() } else { None }
}

/// Cost in ticks, as a number or a decimal string, saturating. Negative costs are ignored.
pub(super) fn ticks(value: &Value) -> Option<i64> {
    let ticks = match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok().or_else(|| whole(digits(text.trim())?)),
        _ => None,
    };
    ticks.filter(|ticks| *ticks >= 0)
}

fn digits(text: &str) -> Option<f64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A whole number in a float, saturating.
fn whole(number: f64) -> Option<i64> {
    if number.fract() != 0.0 && number.is_finite() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
    Some(number as i64)
}

/// The duration in "Resets in: 1h 2m 3s", if `text` contains one.
pub(super) fn resets_in(text: &str) -> Option<Duration> {
    const MARK: &str = "resets in";
    let text = text.to_ascii_lowercase();
    let mut rest = text[text.find(MARK)? + MARK.len()..].trim_start_matches([':', ' ']);
    let mut sum = None;
    while let Some((span, after)) = span(rest) {
        sum = Some(sum.unwrap_or(Duration::ZERO).saturating_add(span));
        rest = after.trim_start();
    }
    sum
}

/// One number with its unit at the start of `text`, and the rest.
fn span(text: &str) -> Option<(Duration, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let seconds = match unit {
        "d" => 86_400.0,
        "h" => 3600.0,
        "m" | "min" => 60.0,
        "s" => 1.0,
        "ms" => 0.001,
        _ => return None,
    };
    let span = Duration::try_from_secs_f64(decimal(number)? * seconds).ok()?;
    Some((span, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_status_spelling_in_any_case() {
        let table = [
            (JobStatus::Pending, "pending NOT_START"),
            (JobStatus::Queued, "queued submitted"),
            (JobStatus::Processing, "processing in_progress running generating"),
            (JobStatus::Done, "done completed succeeded success ready"),
            (JobStatus::Failed, "failed failure error cancelled canceled"),
            (JobStatus::Failed, "aborted rejected moderated blocked timeout timed_out"),
            (JobStatus::Expired, "expired"),
            (JobStatus::Unknown, "unknown retrying döne"),
        ];
        for (meaning, words) in table {
            for word in words.split(' ') {
                let mut title = word.to_lowercase();
                title[..1].make_ascii_uppercase();
                for spelling in [word, &word.to_lowercase(), &word.to_uppercase(), &title, &format!(" {word}\n")] {
                    assert_eq!(status(&normal(spelling)), meaning, "{spelling}");
                }
            }
        }
        assert_eq!(status(&normal("In-Progress")), JobStatus::Processing);
    }

    #[test]
    fn every_spelling_of_progress() {
        for value in [json!(45), json!(45.0), json!("45"), json!("45%"), json!(" 45 %"), json!("45.0%"), json!("045 ")]
        {
            assert_eq!(progress(&value), Some(45), "{value}");
        }
        assert_eq!(progress(&json!(0)), Some(0));
        assert_eq!(progress(&json!(-0.0)), Some(0));
        assert_eq!(progress(&json!("100%")), Some(100));
        for value in [
            json!(null),
            json!(true),
            json!(-1),
            json!(101),
            json!(45.5),
            json!(0.45),
            json!(1e300),
            json!(u64::MAX),
            json!(""),
            json!("%"),
            json!("."),
            json!("half"),
            json!("-5%"),
            json!("+5"),
            json!("1e1"),
            json!("inf"),
            json!("NaN"),
            json!("101%"),
            json!("4 5"),
            json!([45]),
            json!({"percent": 45}),
        ] {
            assert_eq!(progress(&value), None, "{value}");
        }
    }

    #[test]
    fn every_spelling_of_ticks() {
        for value in [json!(500_000_000), json!(5e8), json!("500000000"), json!(" 500000000 ")] {
            assert_eq!(ticks(&value), Some(500_000_000), "{value}");
        }
        assert_eq!(ticks(&json!(0)), Some(0));
        for value in
            [json!(i64::MAX), json!(u64::MAX), json!(1e19), json!("9".repeat(400)), json!("9223372036854775808")]
        {
            assert_eq!(ticks(&value), Some(i64::MAX), "{value}");
        }
        for value in
            [json!(null), json!(1.5), json!(-1), json!(-1e19), json!("1.5"), json!(""), json!("-1"), json!([1])]
        {
            assert_eq!(ticks(&value), None, "{value}");
        }
    }

    #[test]
    fn reset_times_are_parsed() {
        let table = [
            ("Resets in: 1h 2m 3s.", Some(3723.0)),
            ("limit reached, resets in 45s", Some(45.0)),
            ("RESETS IN: 1h2m", Some(3720.0)),
            ("Resets in: 1d 1.5s", Some(86_401.5)),
            ("Resets in: 250ms", Some(0.25)),
            ("Resets in: soon", None),
            ("Resets in: 99999999999999999999999999h", None),
            ("Resets in", None),
            ("3s", None),
        ];
        for (text, seconds) in table {
            assert_eq!(resets_in(text), seconds.map(Duration::from_secs_f64), "{text}");
        }
    }
}
