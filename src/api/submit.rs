//! Submits a create, and decides when it may be sent again.

use std::fmt::Write as _;
use std::future::Future;

use tokio::time::Instant;

use super::client::ApiClient;
use super::media_inputs::MediaPreparer;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::job::VideoJob;
use crate::request::VideoRequest;
use crate::stop_reason::StopReason;
use crate::transport::http::CreatePermit;
use crate::transport::retry::is_safe_to_resubmit;
use crate::transport::upload::Upload;
use crate::wire::{create_body, response};

/// A create whose request passed all checks.
#[derive(Debug)]
pub(crate) struct PreparedCreate {
    path: &'static str,
    body: Upload,
}

impl ApiClient {
    /// The JSON body of a request, its media shortened. Links of earlier renders stay unchanged.
    pub(crate) async fn preview(request: VideoRequest) -> Result<serde_json::Value> {
        request.check()?;
        let operation = request.operation;
        create_body::preview(request.prepared(&MediaPreparer { client: None, operation }).await?)
    }

    /// Checks and prepares everything that can fail before a create is sent.
    pub(crate) async fn prepare(&self, request: VideoRequest) -> Result<PreparedCreate> {
        request.check()?;
        let (operation, path) = (request.operation, request.operation.path());
        let ready = request.prepared(&MediaPreparer { client: Some(self), operation }).await?;
        Ok(PreparedCreate { path, body: Upload::new(create_body::body(ready)?) })
    }

    /// Waits until the rate limit allows one create.
    pub(crate) async fn acquire_create_permit(&self) -> CreatePermit {
        self.http().acquire_create_permit().await
    }

    /// The same, up to a deadline.
    pub(crate) async fn acquire_create_permit_until(&self, until: Option<Instant>) -> Result<CreatePermit> {
        let Some(until) = until else { return Ok(self.acquire_create_permit().await) };
        tokio::time::timeout_at(until, self.acquire_create_permit()).await.map_err(|_| StopReason::Deadline.error())
    }

    /// Sends a create, and retries while it certainly did not start, `may_send` allows it, and `until` is not over.
    pub(crate) async fn submit<F: Future<Output = Result<()>>>(
        &self,
        permit: CreatePermit,
        prepared: &PreparedCreate,
        name: &str,
        until: Option<Instant>,
        may_send: impl Fn() -> F,
    ) -> Result<VideoJob> {
        let (http, events) = (self.http(), &self.events);
        let PreparedCreate { path, body } = prepared;
        let retries = self.retries(is_safe_to_resubmit, until);
        let mut first = Some(permit);
        let may_send = &may_send;
        let job = retries
            .run(
                path,
                events,
                |pause| http.slow_down(pause),
                || {
                    let permit = first.take();
                    async move {
                        let permit = match permit {
                            Some(permit) => permit,
                            None => self.acquire_create_permit_until(until).await?,
                        };
                        may_send().await?;
                        let answer = http.create(permit, path, body, name, events).await.map_err(outcome_unknown)?;
                        self.with_link(&answer, response::created)
                    }
                },
            )
            .await
            .map_err(|error| with_size_advice(error, body))?;
        self.remember_created(&job.request_id);
        self.remember_aliases(&job);
        self.events.emit(|| Event::Accepted(job.clone()));
        Ok(job)
    }
}

/// A create that was sent without a response may have been billed.
fn outcome_unknown(error: Error) -> Error {
    let (Error::ConnectionFailed(failure) | Error::RequestTimeout(failure)) = &error else { return error };
    if failure.not_sent {
        return error;
    }
    let request_id = failure.request_id.clone();
    let named = request_id.as_ref().map(|id| format!(" behind the id {id:?}")).unwrap_or_default();
    Error::SubmitUnknown {
        message: format!(
            "the create was sent and its response was lost{named} ({}): a job may exist and be billed; \
             look for it in the provider's console before creating it again",
            failure.message
        ),
        status_code: None,
        request_id,
    }
}

/// Adds advice to HTTP 413.
fn with_size_advice(error: Error, body: &Upload) -> Error {
    const TOO_LARGE: u16 = 413;
    match error {
        Error::Api(mut refusal) if refusal.status_code == TOO_LARGE => {
            let megabytes = body.length().div_ceil(1_000_000);
            let _ = write!(
                refusal.message,
                " (the body has {megabytes} MB: make the media smaller, or put them where the service can fetch them \
                 and pass their https address)"
            );
            Error::Api(refusal)
        }
        error => error,
    }
}
