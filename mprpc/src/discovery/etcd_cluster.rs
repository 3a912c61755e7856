//! `EtcdCluster`: an etcd cluster as a target names it: servers, prefix, lease, TLS and login. Not a connection.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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

    /// Makes the cluster of the parts of a target: `etcds://` has TLS. The error says for a person what is wrong with the
    /// options.
    pub(super) fn from_parts(
        servers: Vec<String>,
        prefix: String,
        options: &str,
        has_tls: bool,
    ) -> Result<EtcdCluster, String> {
        let (mut lease_ttl, mut user, mut password_file) = (EtcdCluster::LEASE_TTL_DEFAULT, None, None);
        let mut tls = has_tls.then(TlsClient::default);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match (name, &mut tls) {
                _ if !OPTIONS.contains(&name) => {
                    return Err(format!("there is no option '{name}'; the options are {}", OPTIONS.join(", ")));
                }
                ("lease_ttl_s", _) => lease_ttl = parse_lease(value)?,
                _ if value.is_empty() => return Err(format!("the option {name} has no value")),
                ("user", _) => user = Some(value.to_owned()),
                ("password_file", _) => password_file = Some(PathBuf::from(value)),
                ("ca", Some(tls)) => tls.ca = value.into(),
                ("client_certificate", Some(tls)) => tls.client_certificate = Some(value.into()),
                ("client_key", Some(tls)) => tls.client_key = Some(value.into()),
                ("server_name", Some(tls)) => tls.server_name = Some(value.to_owned()),
                (_, _) => return Err(format!("the option {name} is for TLS, which etcds:// has")),
            }
        }
        if let Some(tls) = &tls {
            if tls.ca.as_os_str().is_empty() {
                return Err("etcds:// needs ca=FILE, the issuers of the servers' certificates".into());
            }
            if tls.client_certificate.is_some() != tls.client_key.is_some() {
                return Err("client_certificate and client_key go together".into());
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
        let scheme = if self.tls.is_some() { "etcds" } else { "etcd" };
        write!(f, "{scheme}://{}{}", self.servers.join(","), self.prefix)?;
        let mut separator = '?';
        let mut option = |name: &str, value: &dyn fmt::Display| {
            write!(f, "{separator}{name}={value}")?;
            separator = '&';
            Ok(())
        };
        if self.lease_ttl != EtcdCluster::LEASE_TTL_DEFAULT {
            option("lease_ttl_s", &self.lease_ttl.as_secs())?;
        }
        if let Some(tls) = &self.tls {
            option("ca", &tls.ca.display())?;
            if let Some(certificate) = &tls.client_certificate {
                option("client_certificate", &certificate.display())?;
            }
            if let Some(key) = &tls.client_key {
                option("client_key", &key.display())?;
            }
            if let Some(name) = &tls.server_name {
                option("server_name", name)?;
            }
        }
        if let Some(EtcdLogin { user, password_file }) = &self.login {
            option("user", user)?;
            option("password_file", &password_file.display())?;
        }
        Ok(())
    }
}

const OPTIONS: [&str; 7] =
    ["lease_ttl_s", "ca", "client_certificate", "client_key", "server_name", "user", "password_file"];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &str, has_tls: bool) -> Result<EtcdCluster, String> {
        EtcdCluster::from_parts(vec!["a:1".into()], "/x".into(), options, has_tls)
    }

    #[test]
    fn options_are_parsed_and_printed() {
        let options = "lease_ttl_s=60&ca=/c.pem&client_certificate=/me.pem&client_key=/me.key&server_name=etcd&user=mprpc\
                       &password_file=/run/secrets/etcd";
        let cluster = parse(options, true).unwrap();
        let tls = TlsClient {
            ca: "/c.pem".into(),
            client_certificate: Some("/me.pem".into()),
            client_key: Some("/me.key".into()),
            server_name: Some("etcd".into()),
        };
        let login = EtcdLogin { user: "mprpc".into(), password_file: "/run/secrets/etcd".into() };
        assert_eq!((&cluster.tls, &cluster.login), (&Some(tls), &Some(login)));
        assert_eq!(cluster.to_string(), format!("etcds://a:1/x?{options}"));
        assert_eq!(parse("", false).unwrap().to_string(), "etcd://a:1/x");
    }

    #[test]
    fn faults_of_options_are_named() {
        for (options, has_tls, part) in [
            ("ttl=1", false, "no option 'ttl'"),
            ("lease_ttl_s=3601", false, "from 1 to 3600"),
            ("user", false, "the option user has no value"),
            ("user=a", false, "user and password_file go together"),
            ("password_file=/a", false, "user and password_file go together"),
            ("ca=/c.pem", false, "ca is for TLS, which etcds:// has"),
            ("", true, "etcds:// needs ca=FILE"),
            ("ca=/c.pem&client_key=/k.pem", true, "client_certificate and client_key go together"),
        ] {
            let why = parse(options, has_tls).unwrap_err();
            assert!(why.contains(part), "{options}: {why}");
        }
    }
}
