//! The limit that cannot be passed: the same reqwest in a loop, without Python and without anything of vidjob.
//!
//! `cargo bench --bench bare -- query <url> <count>`, `... -- query_handed <url> <count>`,
//! `... -- fan_out <url> <count>` and `... -- download <url> <path> [<ca file>]` print JSON.

#![expect(clippy::print_stdout, reason = "its figures go to standard output")]
#![expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WARM_UP: usize = 100;
const CONNECTIONS: usize = 64;

fn main() -> Result<()> {
    // cargo adds an argument of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // A failure means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = match words.as_slice() {
        ["query", url, count] => runtime.block_on(query(url, count.parse()?))?,
        ["query_handed", url, count] => query_handed(url, count.parse()?)?,
        ["fan_out", url, count] => runtime.block_on(fan_out(url, count.parse()?))?,
        ["download", url, path] => runtime.block_on(download(url, path, None))?,
        ["download", url, path, authority] => runtime.block_on(download(url, path, Some(authority)))?,
        _ => return Err("query, query_handed or fan_out <url> <count>, or download <url> <path> [<ca file>]".into()),
    };
    println!("{told}");
    Ok(())
}

async fn query(url: &str, count: usize) -> Result<Value> {
    let client = client()?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..WARM_UP {
        ask(&client, url).await?;
    }
    let cpu = cpu()?;
    for _ in 0..count {
        let began = Instant::now();
        ask(&client, url).await?;
        times.push(began.elapsed());
    }
    Ok(latency(times, self::cpu()? - cpu))
}

/// The same, where each query is handed to another thread and its answer is handed back: as whoever awaits it in
/// Python cannot do without, less all that Python does.
fn query_handed(url: &str, count: usize) -> Result<Value> {
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let client = client()?;
    let ask_there = || -> Result<()> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (client, url) = (client.clone(), url.to_owned());
        workers.spawn(async move { sender.send(ask(&client, &url).await.is_ok()) });
        if receiver.recv()? { Ok(()) } else { Err("a query failed".into()) }
    };
    let mut times = Vec::with_capacity(count);
    for _ in 0..WARM_UP {
        ask_there()?;
    }
    let cpu = cpu()?;
    for _ in 0..count {
        let began = Instant::now();
        ask_there()?;
        times.push(began.elapsed());
    }
    Ok(latency(times, self::cpu()? - cpu))
}

fn latency(mut times: Vec<Duration>, cpu: f64) -> Value {
    times.sort();
    let count = times.len();
    let micros = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e6);
    json!({
        "median_us": micros(times.get(count / 2)),
        "p99_us": micros(times.get(count * 99 / 100)),
        "cpu_us": cpu / count as f64 * 1e6,
    })
}

/// Asks all at once, twice; gives what a question costs the second time.
async fn fan_out(url: &str, count: usize) -> Result<Value> {
    let client = client()?;
    all_at_once(&client, url, count).await?;
    let (cpu, began) = (cpu()?, Instant::now());
    all_at_once(&client, url, count).await?;
    let (cpu, seconds) = (self::cpu()? - cpu, began.elapsed().as_secs_f64());
    Ok(json!({ "seconds": seconds, "cpu_us": cpu / count as f64 * 1e6, "per_second": count as f64 / seconds }))
}

async fn all_at_once(client: &reqwest::Client, url: &str, count: usize) -> Result<()> {
    let asked = futures_util::stream::iter(std::iter::repeat_n((), count)).map(|()| ask(client, url));
    asked.buffer_unordered(CONNECTIONS).try_collect().await
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().tls_certs_only([]).no_proxy().build()?)
}

async fn ask(client: &reqwest::Client, url: &str) -> Result<()> {
    let body = client.get(url).bearer_auth("k").send().await?.error_for_status()?.bytes().await?;
    let told: Value = serde_json::from_slice(&body)?;
    told.get("status").map(|_| ()).ok_or_else(|| "no status".into())
}

async fn download(url: &str, path: &str, authority: Option<&str>) -> Result<Value> {
    let trusted =
        authority.map(|path| reqwest::Certificate::from_pem(&std::fs::read(path)?).map_err(Box::<dyn Error>::from));
    let client = reqwest::Client::builder().tls_certs_only(trusted.transpose()?).no_proxy().build()?;
    let cpu = cpu()?;
    let began = Instant::now();
    let mut response = client.get(url).send().await?.error_for_status()?;
    let mut file = std::fs::File::create(path)?;
    let (mut digest, mut bytes) = (Sha256::new(), 0);
    while let Some(chunk) = response.chunk().await? {
        digest.update(&chunk);
        file.write_all(&chunk)?;
        bytes += chunk.len();
    }
    file.sync_all()?;
    Ok(json!({
        "bytes": bytes,
        "sha256": hex(&digest.finalize()),
        "seconds": began.elapsed().as_secs_f64(),
        "cpu": self::cpu()? - cpu,
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Processor time of this process with all its threads, in seconds.
fn cpu() -> Result<f64> {
    let mut nanos = 0.0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let told = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += told.split(' ').next().ok_or("no processor time")?.parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}
