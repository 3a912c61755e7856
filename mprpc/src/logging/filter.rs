//! Selects events by level and target: `info,mprpc::net=debug`. Spans and fields play no part.

use std::fmt;
use std::str::FromStr;

use tracing::Level;
use tracing::level_filters::LevelFilter;

/// Selects the events that are logged: a default level, and levels for single targets,
/// `info,mprpc::net=debug,mprpc::client=off`.
///
/// A target covers everything below it: `mprpc::net` covers `mprpc::net::acceptor`. The longest matching target
/// decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    level: LevelFilter,
    /// Sorted from longest to shortest, so that the first match decides.
    targets: Vec<(String, LevelFilter)>,
}

impl Filter {
    /// Makes a filter with one level for every target.
    pub fn at(level: Level) -> Filter {
        Filter { level: LevelFilter::from_level(level), targets: Vec::new() }
    }

    /// Whether the filter logs an event of this level and target.
    pub fn allows(&self, level: Level, target: &str) -> bool {
        let below = |prefix: &str| {
            let rest = target.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        let own = self.targets.iter().find(|(prefix, _)| below(prefix));
        level <= own.map_or(self.level, |(_, level)| *level)
    }

    /// Returns the most verbose level of any target.
    pub(super) fn most(&self) -> LevelFilter {
        self.targets.iter().map(|(_, level)| *level).chain([self.level]).max().unwrap_or(self.level)
    }
}

impl Default for Filter {
    fn default() -> Filter {
        Filter::at(Level::INFO)
    }
}

impl FromStr for Filter {
    type Err = String;

    /// Parses a filter. The error says for a person what is wrong with the text.
    fn from_str(text: &str) -> Result<Filter, String> {
        let mut filter = Filter::default();
        let mut level_said = false;
        for part in text.split(',').map(str::trim) {
            let Some((target, name)) = part.split_once('=') else {
                if std::mem::replace(&mut level_said, true) {
                    return Err(format!("'{text}' has two levels without a target"));
                }
                filter.level = level(part)?;
                continue;
            };
            let (target, level) = (target.trim(), level(name.trim())?);
            if target.is_empty() || filter.targets.iter().any(|(other, _)| other == target) {
                return Err(format!("'{text}' names the target '{target}' twice, or it is empty"));
            }
            filter.targets.push((target.to_owned(), level));
        }
        filter.targets.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Ok(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

fn level(name: &str) -> Result<LevelFilter, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return Err(format!("'{name}' is no level; those are off, error, warn, info, debug, trace")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_target_decides() {
        let filter: Filter = "warn, mprpc=info, mprpc::net=off, mprpc::net::tls=TRACE".parse().unwrap();
        for (level, target, allowed) in [
            (Level::WARN, "app", true),
            (Level::INFO, "app", false),
            (Level::INFO, "mprpc::client", true),
            (Level::ERROR, "mprpc::net", false),
            (Level::ERROR, "mprpc::net::acceptor", false),
            (Level::INFO, "mprpc::network", true),
            (Level::TRACE, "mprpc::net::tls", true),
            (Level::INFO, "mprpc_cli", false),
        ] {
            assert_eq!(filter.allows(level, target), allowed, "{level} {target}");
        }
        assert_eq!(filter.most(), LevelFilter::TRACE);
    }

    #[test]
    fn filters_parse_back_from_their_text() {
        for text in ["off", "info", "info,mprpc::net=debug,a=off"] {
            assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn bad_filters_say_what_is_wrong() {
        for (text, part) in [
            ("", "'' is no level"),
            ("loud", "'loud' is no level"),
            ("info,debug", "two levels"),
            ("a=debug,a=info", "'a' twice"),
            ("=debug", "it is empty"),
            ("a=", "'' is no level"),
        ] {
            let error = text.parse::<Filter>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
