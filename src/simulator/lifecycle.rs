//! Starts, scripts and stops the simulated service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::endpoint::Endpoint;
use super::fault::Fault;
use super::ledger::{self, Accepted, Ledger, Logged};
use super::options::{Options, Shape};
use super::scripted_response::ScriptedResponse;
use super::server;

/// The running service; it stops when dropped.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shape: Shape,
    ledger: Arc<Mutex<Ledger>>,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Simulator {
    /// Starts the service on a thread of its own. It is listening when this returns.
    pub fn start(options: Options) -> std::io::Result<Self> {
        options.check()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shape = options.shape;
        let ledger = Arc::new(Mutex::new(Ledger::new(options, address)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("vidjob-simulator".into()).spawn({
            let ledger = Arc::clone(&ledger);
            move || runtime.block_on(server::run(listener, ledger, stopped))
        })?;
        Ok(Self { address, shape, ledger, running: Mutex::new(Some((stop, thread))) })
    }

    /// The `base_url` for a client.
    #[must_use]
    pub fn base_url(&self) -> String {
        let prefix = if self.shape == Shape::Xai { "v1" } else { "grok/v1" };
        format!("http://{}/{prefix}", self.address)
    }

    /// The only valid key, if there is one.
    #[must_use]
    pub fn api_key(&self) -> Option<String> {
        ledger::lock(&self.ledger).options.api_key.clone()
    }

    pub fn inject(&self, fault: Fault) {
        ledger::lock(&self.ledger).faults.push_back(fault);
    }

    /// How often the injected faults have still to fire.
    #[must_use]
    pub fn faults_left(&self) -> u64 {
        ledger::lock(&self.ledger).faults_left()
    }

    /// Scripts the response to the next request of this kind. Several are used in order.
    pub fn respond(&self, on: Endpoint, response: ScriptedResponse) {
        ledger::lock(&self.ledger).scripted.push_back((on, response));
    }

    /// Pauses the clock: jobs, links and rate limits stay as they are.
    pub fn pause(&self) {
        ledger::lock(&self.ledger).clock.pause();
    }

    pub fn resume(&self) {
        ledger::lock(&self.ledger).clock.resume();
    }

    /// Advances the clock, whether it is paused or not.
    pub fn advance(&self, seconds: f64) -> std::io::Result<()> {
        if !seconds.is_finite() || seconds < 0.0 {
            let message = format!("seconds must be a finite number of at least 0, not {seconds}");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, message));
        }
        ledger::lock(&self.ledger).clock.advance(seconds);
        Ok(())
    }

    /// Every accepted create, in order.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        ledger::lock(&self.ledger).accepted()
    }

    /// The latest requests, with the status of their responses.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        ledger::lock(&self.ledger).requests.iter().cloned().collect()
    }

    /// Stops the service and closes its port.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((stop, thread)) = running else { return };
        drop(stop);
        // A panic of the thread has already been reported.
        let _ = thread.join();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop();
    }
}
