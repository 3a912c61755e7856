//! A registry that is away: since when, why, and one line in the log for each time it goes and comes. Not the retrying.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whether, and since when, something does not work.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<SystemTime>,
}

impl Outage {
    /// It does not work. Logs the first time, and returns the cause with the time that it began at.
    pub(super) fn failed(&mut self, what: &str, why: &str, now: SystemTime) -> String {
        if self.since.is_none() {
            tracing::warn!("{what}: {why}");
        }
        format!("since {}: {why}", clock(*self.since.get_or_insert(now)))
    }

    /// It works. Logs where it did not before.
    pub(super) fn over(&mut self, what: &str) {
        if let Some(since) = self.since.take() {
            tracing::info!("{what}: works again after an outage since {}", clock(since));
        }
    }
}

/// The time of the day in UTC, `16:40:03 UTC`.
fn clock(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_outage_keeps_its_beginning_until_it_is_over() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut outage = Outage::default();
        assert_eq!(outage.failed("it", "gone", at(86_400 + 3_661)), "since 01:01:01 UTC: gone");
        assert_eq!(outage.failed("it", "still gone", at(86_400 + 3_700)), "since 01:01:01 UTC: still gone");
        outage.over("it");
        assert_eq!(outage.failed("it", "gone", at(0)), "since 00:00:00 UTC: gone");
    }
}
