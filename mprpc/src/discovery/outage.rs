//! An outage of a registry: since when and why, with one log line when it begins and one when it ends. Retrying is not
//! done here.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whether an operation currently fails, and since when.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    since: Option<SystemTime>,
}

impl Outage {
    /// Records a failure. Logs the first failure of an outage; returns the cause with the time at which the outage
    /// began.
    pub(crate) fn failed(&mut self, what: &str, why: &str, now: SystemTime) -> String {
        if self.since.is_none() {
            tracing::warn!("{what}: {why}");
        }
        format!("since {}: {why}", clock(*self.since.get_or_insert(now)))
    }

    /// Records a success. Logs the end of the outage, if there was one.
    pub(crate) fn over(&mut self, what: &str) {
        if let Some(since) = self.since.take() {
            tracing::info!("{what}: works again after an outage since {}", clock(since));
        }
    }
}

/// The time of day in UTC, `16:40:03 UTC`.
fn clock(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn outage_keeps_its_start_time_until_it_ends() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert_eq!(outage.failed("it", "gone", at(86_400 + 3_661)), "since 01:01:01 UTC: gone");
        assert_eq!(outage.failed("it", "still gone", at(86_400 + 3_700)), "since 01:01:01 UTC: still gone");
        outage.over("it");
        assert_eq!(outage.failed("it", "gone", at(0)), "since 00:00:00 UTC: gone");
    }
}
