//! The faults that Python injects, by name.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::checked::{Whole, listed, seconds, unknown, value_of};
use crate::simulator::{Endpoint, Fault, FaultKind, OddAnswer, OddBody, PLACES, WORDS};

const ENDPOINTS: [(&str, Endpoint); 3] =
    [("create", Endpoint::Create), ("get", Endpoint::Get), ("download", Endpoint::Download)];

/// A kind of fault, and the detail that it uses.
enum Kind {
    Plain(FaultKind),
    WithStatus(Statuses),
    WithRetryAfter(fn(Option<f64>) -> FaultKind),
    WithSeconds(fn(f64) -> FaultKind),
    /// The variants; the first one is the default.
    WithForm(fn() -> Vec<(&'static str, FaultKind)>),
}

struct Statuses {
    make: fn(u16) -> FaultKind,
    default: u16,
    allows: fn(u16) -> bool,
    allowed: &'static str,
}

/// Every kind, by name.
const KINDS: [(&str, Kind); 20] = [
    ("lost_response", Kind::Plain(FaultKind::LostResponse)),
    ("reset", Kind::Plain(FaultKind::Reset)),
    ("truncated", Kind::Plain(FaultKind::Truncated)),
    ("hang", Kind::WithSeconds(|seconds| FaultKind::Hang { seconds })),
    ("rate_limited", Kind::WithRetryAfter(|retry_after| FaultKind::RateLimited { retry_after })),
    (
        "server_error",
        Kind::WithStatus(Statuses {
            make: |status| FaultKind::ServerError { status },
            default: 500,
            allows: |status| (500..600).contains(&status),
            allowed: "500 to 599",
        }),
    ),
    ("wrong_type", Kind::Plain(FaultKind::WrongType)),
    ("garbage", Kind::Plain(FaultKind::Garbage)),
    ("oversized", Kind::Plain(FaultKind::Oversized)),
    (
        "no_money",
        Kind::WithStatus(Statuses {
            make: |status| FaultKind::NoMoney { status },
            default: 429,
            allows: |status| matches!(status, 200 | 402 | 403 | 429),
            allowed: "429, 402, 403 or 200",
        }),
    ),
    ("odd_answer", Kind::WithForm(|| OddAnswer::ALL.map(|(name, form)| (name, FaultKind::OddAnswer(form))).into())),
    ("odd_body", Kind::WithForm(|| OddBody::ALL.map(|(name, form)| (name, FaultKind::OddBody(form))).into())),
    ("job_fails", Kind::Plain(FaultKind::JobFails)),
    ("job_moderated", Kind::Plain(FaultKind::JobModerated)),
    ("job_expires", Kind::Plain(FaultKind::JobExpires)),
    ("job_ends", Kind::WithForm(|| WORDS.map(|word| (word, FaultKind::JobEnds { word })).into())),
    ("link_elsewhere", Kind::WithForm(|| PLACES.map(|place| (place, FaultKind::LinkElsewhere { place })).into())),
    ("not_found_yet", Kind::Plain(FaultKind::NotFoundYet)),
    (
        "link_expired",
        Kind::WithStatus(Statuses {
            make: |status| FaultKind::LinkExpired { status },
            default: 403,
            allows: |status| (400..500).contains(&status),
            allowed: "400 to 499",
        }),
    ),
    (
        "late_file",
        Kind::WithStatus(Statuses {
            make: |status| FaultKind::LateFile { status },
            default: 404,
            allows: |status| (200..300).contains(&status) || (400..600).contains(&status),
            allowed: "200 to 299 or 400 to 599",
        }),
    ),
];

impl Kind {
    /// The name of the detail that it uses.
    fn detail(&self) -> Option<&'static str> {
        match self {
            Self::Plain(_) => None,
            Self::WithStatus(_) => Some("status"),
            Self::WithRetryAfter(_) => Some("retry_after"),
            Self::WithSeconds(_) => Some("seconds"),
            Self::WithForm(_) => Some("form"),
        }
    }

    fn with(&self, py: Python<'_>, name: &str, details: &Details<'_>) -> PyResult<FaultKind> {
        match self {
            Self::Plain(kind) => Ok(*kind),
            Self::WithStatus(statuses) => statuses.with(name, details.status),
            Self::WithRetryAfter(make) => {
                details.retry_after.map(|given| seconds("retry_after", given)).transpose().map(make)
            }
            Self::WithSeconds(make) => seconds("seconds", details.seconds.unwrap_or(1.0)).map(make),
            Self::WithForm(forms) => {
                let forms = forms();
                let first = forms.first().map_or("", |(form, _)| *form);
                value_of(py, "form", details.form.unwrap_or(first), &forms)
            }
        }
    }
}

impl Statuses {
    fn with(&self, name: &str, given: Option<Whole>) -> PyResult<FaultKind> {
        let Some(given) = given else { return Ok((self.make)(self.default)) };
        given.within(&format!("status of {name:?}"), self.allowed, self.allows).map(self.make)
    }
}

/// Each is used by some kinds only.
pub(super) struct Details<'a> {
    pub(super) status: Option<Whole>,
    pub(super) retry_after: Option<f64>,
    pub(super) seconds: Option<f64>,
    pub(super) form: Option<&'a str>,
}

impl Details<'_> {
    /// Refuses details that a kind does not use.
    fn check(&self, name: &str, kind: &Kind) -> PyResult<()> {
        let given = [
            ("status", self.status.is_some()),
            ("retry_after", self.retry_after.is_some()),
            ("seconds", self.seconds.is_some()),
            ("form", self.form.is_some()),
        ];
        let unused = given.iter().find(|(detail, is_given)| *is_given && kind.detail() != Some(*detail));
        let Some((detail, _)) = unused else { return Ok(()) };
        let users: Vec<_> =
            KINDS.iter().filter(|(_, kind)| kind.detail() == Some(*detail)).map(|(name, _)| *name).collect();
        let message =
            format!("{detail}= has no effect on {name:?}; remove it, or use it with {}", listed(&users, "or"));
        Err(PyValueError::new_err(message))
    }
}

pub(super) fn endpoint(py: Python<'_>, word: &str) -> PyResult<Endpoint> {
    value_of(py, "on", word, &ENDPOINTS)
}

pub(super) fn fault(
    py: Python<'_>,
    name: &str,
    on: &str,
    times: Whole,
    after: Whole,
    details: &Details<'_>,
) -> PyResult<Fault> {
    let Some((name, kind)) = KINDS.iter().find(|(known, _)| *known == name) else {
        return Err(unknown(py, "kind", name, &KINDS.map(|(known, _)| known)));
    };
    let place = endpoint(py, on)?;
    details.check(name, kind)?;
    let kind = kind.with(py, name, details)?;
    if !kind.can_happen_on(place) {
        let good: Vec<_> = ENDPOINTS
            .iter()
            .filter(|(_, place)| kind.can_happen_on(*place))
            .map(|(word, _)| format!("on={word:?}"))
            .collect();
        let message = format!("fault {name:?} makes no difference on={on:?}; use {}", good.join(" or "));
        return Err(PyValueError::new_err(message));
    }
    Ok(Fault { kind, on: place, times: times.at_least("times", 1)?, after: after.at_least("after", 0)? })
}
