//! When a scan is due: pure arithmetic on moments that are handed in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portolan_core::UnixTime;

/// How often.
#[derive(Debug, Clone)]
pub enum Cadence {
    /// So long after the last start.
    Every(Duration),
    /// At the moments that a cron pattern names.
    Cron(CronCadence),
    /// Only when asked.
    Manual,
}

/// A cron pattern in a time zone.
#[derive(Debug, Clone)]
pub struct CronCadence {
    pattern: String,
    cron: Box<Cron>,
    zone: TimeZone,
}

impl CronCadence {
    /// Reads a pattern of five or six fields, or a nickname such as `@daily`; 0 and 7 are Sunday.
    ///
    /// `zone` is an IANA name such as `Europe/Berlin`; the data comes with the program.
    ///
    /// # Errors
    /// A sentence that says which of the two is wrong.
    pub fn new(pattern: &str, zone: &str) -> Result<Self, String> {
        let cron = Cron::from_str(pattern).map_err(|e| format!("cron {pattern:?}: {e}"))?;
        let zone = jiff::tz::TimeZoneDatabase::bundled()
            .get(zone)
            .map_err(|e| format!("timezone {zone:?}: {e}"))?;
        Ok(Self { pattern: pattern.to_owned(), cron: Box::new(cron), zone })
    }

    /// The first moment after `moment` that the pattern names; none where there never is one.
    pub fn next_after(&self, moment: UnixTime) -> Option<UnixTime> {
        let start =
            Timestamp::from_millisecond(moment.as_millis()).ok()?.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(UnixTime::from_millis(next.timestamp().as_millisecond()))
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => write!(f, "every {} s", interval.as_secs()),
            Self::Cron(cron) => {
                let zone = cron.zone.iana_name().unwrap_or("UTC");
                write!(f, "cron {} ({zone})", cron.pattern)
            }
            Self::Manual => f.write_str("on request"),
        }
    }
}

/// A cadence and where it stands.
#[derive(Debug, Clone)]
pub struct Schedule {
    cadence: Cadence,
    last_start: Option<UnixTime>,
    /// For cron: moments up to here count as missed only if they come after it.
    since: UnixTime,
}

impl Schedule {
    /// A schedule that begins at `now`; `last_start` is when the scan last started, as far as the
    /// store remembers.
    pub const fn new(cadence: Cadence, last_start: Option<UnixTime>, now: UnixTime) -> Self {
        Self { cadence, last_start, since: now }
    }

    /// When the scan is due next: `now` if it is overdue, however many turns were missed.
    ///
    /// An interval that never ran is due at once; a cron pattern that never ran waits for its
    /// first moment. `None`: never by itself.
    pub fn next_due(&self, now: UnixTime) -> Option<UnixTime> {
        let due = match (&self.cadence, self.last_start) {
            (Cadence::Manual, _) => None,
            (Cadence::Every(_), None) => Some(now),
            // A clock that was set back must not silence a scan.
            (Cadence::Every(interval), Some(last)) if last > now.after(*interval) => Some(now),
            (Cadence::Every(interval), Some(last)) => Some(last.after(*interval)),
            (Cadence::Cron(cron), last) => match last.unwrap_or(self.since) {
                base if base > now => Some(now),
                base => cron.next_after(base),
            },
        };
        due.map(|due| due.max(now))
    }

    /// Notes that the scan started at `now`.
    pub fn started(&mut self, now: UnixTime) {
        self.last_start = Some(now);
    }

    /// The cadence.
    pub const fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    /// When the scan last started.
    pub const fn last_start(&self) -> Option<UnixTime> {
        self.last_start
    }
}

/// Reads `10s`, `5m`, `1h`, `1d`: a whole number and a unit, from one second to a year.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let fail = || format!("interval {text:?}; expected a number and s, m, h or d, as in 10s or 1d");
    let text_trimmed = text.trim();
    let unit = text_trimmed.chars().next_back().ok_or_else(fail)?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(fail()),
    };
    let digits = text_trimmed.get(..text_trimmed.len() - 1).unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fail());
    }
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(seconds_per_unit));
    seconds
        .filter(|s| (1..=366 * 86_400).contains(s))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("interval {text:?}; expected from 1s to 366d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixTime {
        UnixTime::from_millis(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    fn cron(pattern: &str, zone: &str) -> Cadence {
        Cadence::Cron(CronCadence::new(pattern, zone).unwrap())
    }

    #[test]
    fn intervals_are_read() {
        assert_eq!(parse_interval("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_interval("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(parse_interval("1h"), Ok(Duration::from_hours(1)));
        assert_eq!(parse_interval("1d"), Ok(Duration::from_hours(24)));
        for bad in ["", "s", "0s", "10", "-1s", "1.5h", "1w", "10 s", "99999999999999999999d", "9é"]
        {
            assert!(parse_interval(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn missed_turns_are_caught_up_once() {
        let mut schedule = Schedule::new(
            Cadence::Every(Duration::from_mins(10)),
            Some(at("2026-01-01T00:00:00Z")),
            at("2026-01-02T00:00:00Z"),
        );
        let now = at("2026-01-02T00:00:00Z");
        assert_eq!(schedule.next_due(now), Some(now));
        schedule.started(now);
        assert_eq!(schedule.next_due(now), Some(at("2026-01-02T00:10:00Z")));

        let mut nightly =
            Schedule::new(cron("0 3 * * *", "UTC"), Some(at("2026-01-01T03:00:00Z")), now);
        let late = at("2026-01-05T12:00:00Z");
        assert_eq!(nightly.next_due(late), Some(late));
        nightly.started(late);
        assert_eq!(nightly.next_due(late), Some(at("2026-01-06T03:00:00Z")));
    }

    #[test]
    fn a_cron_that_never_ran_waits_and_an_interval_does_not() {
        let now = at("2026-01-02T00:00:00Z");
        let first = Schedule::new(cron("30 2 * * *", "UTC"), None, now);
        assert_eq!(first.next_due(now), Some(at("2026-01-02T02:30:00Z")));
        assert_eq!(first.next_due(at("2026-01-02T09:00:00Z")), Some(at("2026-01-02T09:00:00Z")));
        let every = Schedule::new(Cadence::Every(Duration::from_mins(1)), None, now);
        assert_eq!(every.next_due(now), Some(now));
        assert_eq!(Schedule::new(Cadence::Manual, None, now).next_due(now), None);
    }

    #[test]
    fn zero_and_seven_are_sunday() {
        // 2026-01-04 is a Sunday.
        let now = at("2026-01-01T00:00:00Z");
        for day in ["0", "7", "SUN"] {
            let weekly = Schedule::new(cron(&format!("0 5 * * {day}"), "UTC"), None, now);
            assert_eq!(weekly.next_due(now), Some(at("2026-01-04T05:00:00Z")), "{day}");
        }
    }

    #[test]
    fn zones_have_their_summer() {
        // Berlin goes to summer time on 2026-03-29: 06:00 is 05:00Z before, 04:00Z after.
        let berlin = |now: &str| Schedule::new(cron("0 6 * * *", "Europe/Berlin"), None, at(now));
        let due = |now: &str| berlin(now).next_due(at(now));
        assert_eq!(due("2026-03-28T00:00:00Z"), Some(at("2026-03-28T05:00:00Z")));
        assert_eq!(due("2026-03-29T00:00:00Z"), Some(at("2026-03-29T04:00:00Z")));
        assert!(CronCadence::new("0 6 * * *", "Europe/Atlantis").is_err());
        assert!(CronCadence::new("61 6 * * *", "UTC").is_err());
    }

    #[test]
    fn a_clock_set_back_does_not_silence_a_scan() {
        let future = at("2030-01-01T00:00:00Z");
        let now = at("2026-01-01T00:00:00Z");
        let schedule = Schedule::new(Cadence::Every(Duration::from_mins(1)), Some(future), now);
        assert_eq!(schedule.next_due(now), Some(now));
        let nightly = Schedule::new(cron("0 3 * * *", "UTC"), Some(future), now);
        assert_eq!(nightly.next_due(now), Some(now));
    }
}
