//! The value of the field `date` (RFC 9110, 5.6.7). Time is an argument.

/// The length of a date.
pub(crate) const DATE_BYTES: usize = 29;

/// Encodes the second, counted from 1970 in UTC, such as `Sun, 06 Nov 1994 08:49:37 GMT`. Years beyond 9999 are cut.
pub(crate) fn encode_date(unix_seconds: u64) -> [u8; DATE_BYTES] {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    date[..3].copy_from_slice(WEEKDAYS[(days % 7) as usize]);
    put_two_digits(&mut date[5..7], day);
    date[8..11].copy_from_slice(MONTHS[month]);
    put_two_digits(&mut date[12..14], year / 100);
    put_two_digits(&mut date[14..16], year);
    put_two_digits(&mut date[17..19], second / 3600);
    put_two_digits(&mut date[20..22], second / 60 % 60);
    put_two_digits(&mut date[23..25], second % 60);
    date
}

/// The year, the month from 0, and the day from 1 of a day, counted from 1970.
fn civil(days: u64) -> (u64, usize, u64) {
    // The calendar repeats every 400 years. Counted from March of the year 0, a leap day is the last day of its year.
    let days = days + 719_468;
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // The months from March on have 153 days in each five.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = ((month_from_march + 2) % 12) as usize;
    let year = 400 * cycle + year_of_cycle + u64::from(month < 2);
    (year, month, day)
}

fn put_two_digits(out: &mut [u8], number: u64) {
    out[0] = b'0' + (number / 10 % 10) as u8;
    out[1] = b'0' + (number % 10) as u8;
}

/// The first day of 1970 was a Thursday.
const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (1_798_761_600, "Fri, 01 Jan 2027 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(String::from_utf8_lossy(&encode_date(seconds)), date);
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut before = civil(0);
        for day in 1..200_000 {
            let today = civil(day);
            let (year, month, date) = before;
            let follows = [(year, month, date + 1), (year, month + 1, 1), (year + 1, 0, 1)].contains(&today);
            assert!(follows, "{before:?} {today:?}");
            before = today;
        }
    }
}
