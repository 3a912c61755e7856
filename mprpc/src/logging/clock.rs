//! Converts seconds to dates and back, and knows the time zone of the machine. Only [`Timestamp::now`] reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time: whole seconds since 1970 in UTC, and the remaining microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timestamp {
    pub(super) seconds: i64,
    pub(super) micros: u32,
}

impl Timestamp {
    /// Reads the system clock, which may jump, also backwards.
    pub(super) fn now() -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), micros: since.subsec_micros() }
    }
}

/// The time zone that log lines show.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    Utc,
    Local(tz::TimeZone),
}

impl Zone {
    /// Returns the zone of `TZ` if it is set, `Asia/Shanghai` or `CST-8`, else the zone of /etc/localtime; UTC if this
    /// fails.
    pub(super) fn local() -> Zone {
        let zone = match std::env::var("TZ") {
            Ok(name) => tz::TimeZone::from_posix_tz(&name),
            Err(_) => tz::TimeZone::local(),
        };
        zone.map_or(Zone::Utc, Zone::Local)
    }

    /// Returns the seconds since 1970 in local time.
    pub(super) fn wall(&self, seconds: i64) -> i64 {
        match self {
            Zone::Utc => seconds,
            Zone::Local(zone) => {
                let kind = zone.find_local_time_type(seconds);
                seconds + kind.map_or(0, |kind| i64::from(kind.ut_offset()))
            }
        }
    }
}

/// A date of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
}

/// Splits a time into the number of the day since 1970-01-01 and the second of the day.
pub(super) fn day_and_second(seconds: i64) -> (i64, i64) {
    (seconds.div_euclid(86_400), seconds.rem_euclid(86_400))
}

impl Date {
    /// Converts a day number to a date. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// `civil_from_days`.
    pub(super) fn of_day(number: i64) -> Date {
        let shifted = number + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Date {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        }
    }

    /// Converts a date to a day number: `days_from_civil` of the same source.
    pub(super) fn day_number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_numbers_convert_to_dates_and_back() {
        for (number, year, month, day) in [
            (0, 1970, 1, 1),
            (-1, 1969, 12, 31),
            (11_016, 2000, 2, 29),
            (19_753, 2024, 1, 31),
            (19_782, 2024, 2, 29),
            (47_540, 2100, 2, 28),
            (47_541, 2100, 3, 1),
        ] {
            assert_eq!(Date::of_day(number), Date { year, month, day });
            assert_eq!(Date { year, month, day }.day_number(), number);
        }
        assert!((-200_000..200_000).step_by(7).all(|number| Date::of_day(number).day_number() == number));
    }

    #[test]
    fn local_time_follows_the_rules_of_the_zone() {
        let berlin = Zone::Local(tz::TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(berlin.wall(1_706_702_400), 1_706_702_400 + 3600); // 2024-01-31 12:00 UTC
        assert_eq!(berlin.wall(1_719_792_000), 1_719_792_000 + 7200); // 2024-07-01 00:00 UTC
    }
}
