//! The simulator's clock: it follows real time, and can be paused and advanced.

use std::time::Instant;

#[derive(Debug)]
pub(super) struct Clock {
    started: Instant,
    /// Seconds by which the clock is ahead of real time; negative after a pause.
    offset: f64,
    paused_at: Option<f64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), offset: 0.0, paused_at: None }
    }

    /// In seconds since the start.
    pub(super) fn now(&self) -> f64 {
        self.paused_at.unwrap_or_else(|| self.running())
    }

    fn running(&self) -> f64 {
        self.started.elapsed().as_secs_f64() + self.offset
    }

    pub(super) fn pause(&mut self) {
        self.paused_at = Some(self.now());
    }

    pub(super) fn resume(&mut self) {
        if let Some(paused_at) = self.paused_at.take() {
            self.offset += paused_at - self.running();
        }
    }

    pub(super) fn advance(&mut self, seconds: f64) {
        match &mut self.paused_at {
            Some(now) => *now += seconds,
            None => self.offset += seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_clock_moves_only_when_advanced() {
        let mut clock = Clock::new();
        clock.pause();
        let before = clock.now();
        clock.pause();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!((clock.now() - before).abs() < f64::EPSILON);
        clock.advance(60.0);
        assert!((clock.now() - before - 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_resumed_clock_continues_from_its_paused_time() {
        let mut clock = Clock::new();
        clock.pause();
        clock.advance(60.0);
        let paused = clock.now();
        std::thread::sleep(std::time::Duration::from_millis(2));
        clock.resume();
        clock.resume();
        let resumed = clock.now();
        assert!(resumed >= paused);
        clock.advance(1000.0);
        assert!(clock.now() >= resumed + 1000.0);
    }
}
