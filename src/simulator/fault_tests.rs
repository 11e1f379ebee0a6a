//! Each fault is visible to a client wherever it can be injected, and nowhere else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);
const ENDPOINTS: [Endpoint; 3] = [Endpoint::Create, Endpoint::Get, Endpoint::Download];
const SHAPES: [Shape; 3] = [Shape::Cometapi, Shape::Envelope, Shape::Xai];

/// What a client without any tolerance sees of one job, from its create to two downloads.
struct Client {
    simulator: Simulator,
    patience: Duration,
    seen: Vec<String>,
}

impl Client {
    fn new(shape: Shape, patience: Duration) -> Self {
        let options = Options { shape, spread: 0.0, ..Options::default() };
        let simulator = Simulator::start(options).unwrap();
        simulator.pause();
        Self { simulator, patience, seen: Vec::new() }
    }

    fn host(&self) -> String {
        let base_url = self.simulator.base_url();
        base_url.split('/').nth(2).unwrap().to_owned()
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> String {
        let host = self.host();
        let mut stream = TcpStream::connect(&host).unwrap();
        stream.set_read_timeout(Some(self.patience)).unwrap();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer k\r\nconnection: close\r\n");
        let body = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let end = match stream.read_to_end(&mut bytes) {
            Ok(_) => String::new(),
            Err(error) => error.kind().to_string(),
        };
        let text = String::from_utf8_lossy(&bytes).replace(&host, "HOST");
        let lines = text.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n");
        self.seen.push(format!("{lines} {end}"));
        text
    }

    /// The text after the last `start`, up to a quotation mark.
    fn after_last(text: &str, start: &str) -> Option<String> {
        let rest = &text[text.rfind(start)? + start.len()..];
        Some(rest[..rest.find('"')?].to_owned())
    }

    fn whole_job(mut self) -> Vec<String> {
        self.ask("POST", "/v1/videos/generations", r#"{"prompt": "x"}"#);
        let Some(job) = self.simulator.accepted().first().map(|job| job.request_id.clone()) else { return self.seen };
        let path = format!("/v1/videos/{job}");
        let mut link = None;
        for _ in 0..2 {
            self.simulator.advance(4.0).unwrap();
            self.ask("GET", &path, "");
        }
        for _ in 0..2 {
            let response = self.ask("GET", &path, "");
            link = link.or_else(|| Self::after_last(&response, "HOST/vidgen/"));
        }
        if let Some(link) = link {
            for _ in 0..2 {
                self.ask("GET", &format!("/vidgen/{link}"), "");
            }
        }
        self.seen
    }
}

/// Every kind, in every form.
fn kinds() -> Vec<FaultKind> {
    let plain = [
        FaultKind::LostResponse,
        FaultKind::Reset,
        FaultKind::RateLimited { retry_after: None },
        FaultKind::ServerError { status: 500 },
        FaultKind::Truncated,
        FaultKind::WrongType,
        FaultKind::Garbage,
        FaultKind::Hang { seconds: 3600.0 },
        FaultKind::Oversized,
        FaultKind::JobFails,
        FaultKind::JobModerated,
        FaultKind::JobExpires,
        FaultKind::LinkExpired { status: 403 },
        FaultKind::LateFile { status: 404 },
        FaultKind::LateFile { status: 200 },
        FaultKind::NotFoundYet,
        FaultKind::NoMoney { status: 200 },
    ];
    let ends = WORDS.map(|word| FaultKind::JobEnds { word });
    let places = PLACES.map(|place| FaultKind::LinkElsewhere { place });
    let answers = OddAnswer::ALL.map(|(_, form)| FaultKind::OddAnswer(form));
    let bodies = OddBody::ALL.map(|(_, form)| FaultKind::OddBody(form));
    plain.into_iter().chain(ends).chain(places).chain(answers).chain(bodies).collect()
}

#[test]
fn a_fault_is_visible_exactly_where_it_can_be_injected() {
    for shape in SHAPES {
        let undisturbed = Client::new(shape, LONG).whole_job();
        assert_eq!(undisturbed.len(), 7);
        assert_eq!(Client::new(shape, LONG).whole_job(), undisturbed, "responses are the same each time");
        for kind in kinds() {
            for on in ENDPOINTS {
                let hangs = matches!(kind, FaultKind::Hang { .. });
                let client = Client::new(shape, if hangs { SHORT } else { LONG });
                client.simulator.inject(Fault { kind, on, times: 1, after: 0 });
                let is_visible = client.whole_job() != undisturbed;
                assert_eq!(is_visible, kind.can_happen_on(on), "{shape:?}: {kind:?} on {on:?}");
            }
        }
    }
}
