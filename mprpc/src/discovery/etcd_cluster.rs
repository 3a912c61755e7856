//! `EtcdCluster`: an etcd cluster as a target names it: servers, prefix, lease, TLS and login. Not a connection.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::tls_options;
use crate::tls::TlsClient;

/// An etcd cluster and the prefix of the keys in it that mprpc uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EtcdCluster {
    /// `host:port` of each server, at least one.
    pub servers: Vec<String>,
    /// What all keys begin with, `/prefix`; empty for none.
    pub prefix: String,
    /// The lease that a provider asks for, in whole seconds. It is how long a killed provider stays listed.
    pub lease_ttl: Duration,
    /// TLS to the servers. `None` means plain text. The build needs the feature `tls`.
    pub tls: Option<TlsClient>,
    /// The user that logs in. `None` if etcd has no authentication, or takes the user from the client certificate.
    pub login: Option<EtcdLogin>,
}

/// The user as which mprpc logs in to etcd.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EtcdLogin {
    /// The name of the user.
    pub user: String,
    /// The file of the password, at most 4 KiB of UTF-8. Line breaks at its end do not count. Each login reads it again, so
    /// that a new password needs no restart.
    pub password_file: PathBuf,
}

impl EtcdCluster {
    /// The lease if the string names none.
    pub const LEASE_TTL_DEFAULT: Duration = Duration::from_secs(10);
    /// The longest lease that a string may ask for.
    pub const LEASE_TTL_MAX: Duration = Duration::from_secs(3600);

    /// Makes the cluster of the parts of a target. The error says for a person what is wrong with the options.
    pub(super) fn from_parts(servers: Vec<String>, prefix: String, options: &str) -> Result<EtcdCluster, String> {
        let (mut lease_ttl, mut tls) = (EtcdCluster::LEASE_TTL_DEFAULT, None);
        let (mut user, mut password_file) = (None, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                _ if tls_options::take(&mut tls, name, value)? => {}
                "lease_ttl_s" => lease_ttl = parse_lease(value)?,
                "user" | "password_file" if value.is_empty() => return Err(format!("{name} is empty")),
                "user" => user = Some(value.to_owned()),
                "password_file" => password_file = Some(PathBuf::from(value)),
                _ => {
                    let names = tls_options::NAMES.join(", ");
                    let names = format!("lease_ttl_s, user, password_file, {names}");
                    return Err(format!("there is no option '{name}'; the options are {names}"));
                }
            }
        }
        let login = match (user, password_file) {
            (Some(user), Some(password_file)) => Some(EtcdLogin { user, password_file }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err("user and password_file go together".into()),
        };
        Ok(EtcdCluster { servers, prefix, lease_ttl, tls, login })
    }
}

fn parse_lease(value: &str) -> Result<Duration, String> {
    let max = EtcdCluster::LEASE_TTL_MAX.as_secs();
    let seconds = value.parse().ok().filter(|seconds| (1..=max).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("lease_ttl_s is '{value}', not a number from 1 to {max}"))?;
    Ok(Duration::from_secs(seconds))
}

impl fmt::Display for EtcdCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "etcd://{}{}", self.servers.join(","), self.prefix)?;
        let mut options = Vec::new();
        if self.lease_ttl != EtcdCluster::LEASE_TTL_DEFAULT {
            options.push(format!("lease_ttl_s={}", self.lease_ttl.as_secs()));
        }
        if let Some(EtcdLogin { user, password_file }) = &self.login {
            options.push(format!("user={user}&password_file={}", password_file.display()));
        }
        options.extend(self.tls.iter().flat_map(tls_options::format));
        if !options.is_empty() {
            write!(f, "?{}", options.join("&"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &str) -> Result<EtcdCluster, String> {
        EtcdCluster::from_parts(vec!["a:1".into()], "/x".into(), options)
    }

    #[test]
    fn options_are_parsed_and_printed() {
        let options = "lease_ttl_s=60&user=mprpc&password_file=/run/secrets/etcd&tls.ca=/c.pem\
                       &tls.client_certificate=/me.pem&tls.client_key=/me.key&tls.server_name=etcd";
        let cluster = parse(options).unwrap();
        let tls = TlsClient {
            ca: "/c.pem".into(),
            client_certificate: Some("/me.pem".into()),
            client_key: Some("/me.key".into()),
            server_name: Some("etcd".into()),
        };
        let login = EtcdLogin { user: "mprpc".into(), password_file: "/run/secrets/etcd".into() };
        assert_eq!((&cluster.tls, &cluster.login), (&Some(tls), &Some(login)));
        assert_eq!(cluster.to_string(), format!("etcd://a:1/x?{options}"));
        assert_eq!(parse("").unwrap().to_string(), "etcd://a:1/x");
    }

    #[test]
    fn faults_of_options_are_named() {
        for (options, part) in [
            ("ttl=1", "no option 'ttl'"),
            ("tls.key=/k", "no option 'tls.key'"),
            ("lease_ttl_s=3601", "from 1 to 3600"),
            ("user", "user is empty"),
            ("tls.ca=", "tls.ca is empty"),
            ("user=a", "user and password_file go together"),
            ("password_file=/a", "user and password_file go together"),
        ] {
            let why = parse(options).unwrap_err();
            assert!(why.contains(part), "{options}: {why}");
        }
    }
}
