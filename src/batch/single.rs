//! Renders one file, with the journal beside it.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::admission::Admission;
use super::budget::Budget;
use super::elsewhere::other_service;
use super::executor::Executor;
use super::item::{ItemOutcome, Rendered};
use super::rules::{OnExisting, OnUnknown, Retry, Rules};
use crate::api::ApiClient;
use crate::error::Result;
use crate::job::VideoJob;
use crate::journal::Journal;
use crate::pricing::Prices;
use crate::request::VideoRequest;
use crate::saved_file::Download;
use crate::watch::WaitOptions;

#[derive(Debug)]
pub(crate) struct RenderSettings {
    pub(crate) on_existing: OnExisting,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) wait_options: WaitOptions,
    pub(crate) max_bytes: u64,
}

/// What `render` returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOutput {
    pub job: VideoJob,
    pub file: Download,
    /// Whether an earlier call had finished it.
    pub resumed: bool,
    /// Whether this call created the job.
    pub bought: bool,
    pub warning: Option<String>,
}

/// Renders `request` to `path`, or continues where an earlier call stopped.
pub(crate) async fn render_one(
    api: &ApiClient,
    journal: Arc<Journal>,
    settings: RenderSettings,
    request: VideoRequest,
    path: &Path,
) -> Result<RenderOutput> {
    let RenderSettings { on_existing, on_unknown, wait_options, max_bytes } = settings;
    let executor = Executor {
        rules: Rules { on_existing, on_unknown, retry: Retry::Unbilled, verify: false },
        budget: Arc::new(Budget::new(None, 0, None)),
        prices: Prices::default(),
        downloads: Semaphore::new(1),
        wait_options,
        max_bytes,
        deadline: None,
        creates_under_way: TaskTracker::new(),
        admission: Admission::new(1),
        service: api.config().service().to_owned(),
        run: None,
        journal,
    };
    let item = executor.item_of_file(request, path).await?;
    let entry = executor.journal.entry(&item.id).unwrap_or_default();
    let ItemOutcome { seen, result } = executor.run(api, &item, executor.admission.place()).await;
    let Rendered { job, file, resumed } = result?;
    let other = other_service(&entry, &executor.service).filter(|_| resumed);
    let warning = seen.warning.or_else(|| other.map(|other| made_elsewhere(&file.path, other, &executor)));
    Ok(RenderOutput { job, file, resumed, bought: seen.is_bought, warning })
}

fn made_elsewhere(path: &Path, other: &str, executor: &Executor) -> String {
    format!(
        "{} was made at {other}, not at {}, and is kept (journal: {}); pass overwrite=True to render it here, or use \
         another path",
        path.display(),
        executor.service,
        executor.journal.folder().display()
    )
}
