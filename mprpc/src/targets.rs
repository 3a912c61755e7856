//! Opens targets: makes the resolver or the registry that a `Target` names. `discovery` parses targets, and does not know
//! how to make calls; etcd needs calls.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use crate::discovery::{
    DnsResolver, FileRegistry, FileResolver, ListResolver, MergedRegistry, MergedResolver, Registry, Resolver, Target,
    list_file_services, without_duplicates,
};
#[cfg(feature = "zookeeper")]
use crate::discovery::{ZooKeeperRegistry, ZooKeeperResolver, list_zookeeper_services};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
#[cfg(feature = "etcd")]
use crate::etcd;

impl Target {
    /// Makes the resolver for this target. The resolver contacts nothing before the first watch.
    ///
    /// # Errors
    /// The target is ZooKeeper or etcd, and the build lacks the feature `zookeeper` or `etcd`.
    pub fn resolver(&self) -> Result<Arc<dyn Resolver>, Error> {
        Ok(match self {
            Target::File(root) => Arc::new(FileResolver::new(root.clone())),
            Target::List(endpoints) => Arc::new(ListResolver::new(endpoints.clone())),
            Target::Dns(endpoint) => Arc::new(DnsResolver::new(endpoint.clone())),
            Target::Merge(parts) => {
                Arc::new(MergedResolver::new(parts.iter().map(Target::resolver).collect::<Result<_, _>>()?))
            }
            #[cfg(feature = "zookeeper")]
            Target::ZooKeeper(ensemble) => Arc::new(ZooKeeperResolver::new(ensemble.clone())),
            #[cfg(not(feature = "zookeeper"))]
            Target::ZooKeeper(_) => return Err(self.without_feature("zookeeper")),
            #[cfg(feature = "etcd")]
            Target::Etcd(cluster) => Arc::new(etcd::EtcdResolver::new(cluster)),
            #[cfg(not(feature = "etcd"))]
            Target::Etcd(_) => return Err(self.without_feature("etcd")),
        })
    }

    /// Makes the registry for this target. The registry contacts nothing before the first registration.
    ///
    /// # Errors
    /// The target, or a part of it, is a list or DNS, which take no registrations; or it is ZooKeeper or etcd, and the
    /// build lacks the feature `zookeeper` or `etcd`.
    pub fn registry(&self) -> Result<Arc<dyn Registry>, Error> {
        Ok(match self {
            Target::File(root) => Arc::new(FileRegistry::new(root.clone())),
            Target::List(_) => return Err(self.takes_no_registrations("a fixed list")),
            Target::Dns(_) => return Err(self.takes_no_registrations("a name in DNS")),
            Target::Merge(parts) => {
                Arc::new(MergedRegistry::new(parts.iter().map(Target::registry).collect::<Result<_, _>>()?))
            }
            #[cfg(feature = "zookeeper")]
            Target::ZooKeeper(ensemble) => Arc::new(ZooKeeperRegistry::new(ensemble.clone())),
            #[cfg(not(feature = "zookeeper"))]
            Target::ZooKeeper(_) => return Err(self.without_feature("zookeeper")),
            #[cfg(feature = "etcd")]
            Target::Etcd(cluster) => Arc::new(etcd::EtcdRegistry::new(cluster)),
            #[cfg(not(feature = "etcd"))]
            Target::Etcd(_) => return Err(self.without_feature("etcd")),
        })
    }

    /// Reads every service once, with its endpoints, in the order of the names. Call it on the background loop.
    pub(crate) fn read_services(&self) -> Pin<Box<dyn Future<Output = Result<Services, Error>> + Send + '_>> {
        Box::pin(async move {
            match self {
                Target::List(endpoints) => Ok(vec![(ANY_SERVICE.to_owned(), endpoints.clone())]),
                Target::Dns(endpoint) => {
                    let read = DnsResolver::new(endpoint.clone()).read().await;
                    let endpoints = read.map_err(|error| self.unreadable(error))?;
                    Ok(vec![(ANY_SERVICE.to_owned(), endpoints)])
                }
                Target::File(root) => {
                    let path = root.clone();
                    let listed = tokio::task::spawn_blocking(move || list_file_services(&path)).await;
                    let listed = listed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                    listed.map_err(|error| self.unreadable(error))
                }
                Target::Merge(parts) => {
                    let mut services: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
                    for part in parts {
                        for (service, endpoints) in part.read_services().await? {
                            services.entry(service).or_default().extend(endpoints);
                        }
                    }
                    Ok(services.into_iter().map(|(name, endpoints)| (name, without_duplicates(endpoints))).collect())
                }
                #[cfg(feature = "zookeeper")]
                Target::ZooKeeper(ensemble) => list_zookeeper_services(ensemble).await,
                #[cfg(not(feature = "zookeeper"))]
                Target::ZooKeeper(_) => Err(self.without_feature("zookeeper")),
                #[cfg(feature = "etcd")]
                Target::Etcd(cluster) => etcd::list(cluster).await,
                #[cfg(not(feature = "etcd"))]
                Target::Etcd(_) => Err(self.without_feature("etcd")),
            }
        })
    }

    fn unreadable(&self, error: std::io::Error) -> Error {
        Error::with_source(ErrorKind::Registry, format!("cannot read {self}"), error)
    }

    fn takes_no_registrations(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Registry,
            format!("nothing can be registered in '{self}', which is {what}; {REGISTRIES} can hold registrations"),
        )
    }

    #[cfg(not(all(feature = "zookeeper", feature = "etcd")))]
    pub(crate) fn without_feature(&self, feature: &str) -> Error {
        let message = format!("'{self}' needs the feature `{feature}` of the crate mprpc, which this build is without");
        Error::new(ErrorKind::Config, message)
    }
}

/// Services by name, with their endpoints.
type Services = Vec<(String, Vec<Endpoint>)>;

/// The name of the one service of a target that holds for every service.
const ANY_SERVICE: &str = "*";
const REGISTRIES: &str = "file:/folder, zookeeper://host:port and etcd://host:port";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_without_a_registry_refuse_registrations() {
        for (target, part) in [
            ("list:a:1,b:2", "fixed list"),
            ("dns:users.example:80", "a name in DNS"),
            ("merge:file:/run/mprpc+list:a:1,b:2", "in 'list:a:1,b:2', which is a fixed list"),
        ] {
            let Err(error) = target.parse::<Target>().unwrap().registry() else { panic!("{target} took one") };
            assert!(error.to_string().contains(part), "{error}");
        }
        "merge:file:/run/a+file:/run/b".parse::<Target>().unwrap().registry().unwrap();
    }

    #[cfg(not(feature = "etcd"))]
    #[test]
    fn target_whose_feature_is_off_names_the_feature() {
        let Err(error) = "merge:file:/run/a+etcd://b".parse::<Target>().unwrap().resolver() else {
            panic!("it opened")
        };
        assert!(error.to_string().contains("'etcd://b:2379' needs the feature `etcd`"), "{error}");
    }
}
