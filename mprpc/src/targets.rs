//! Opens targets: makes the resolver or the registry that a `Target` names, lists what it holds, and changes weights in it.
//! `discovery` parses targets, and does not know how to make calls; etcd needs calls.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use crate::discovery::{
    DnsResolver, FileRegistry, FileResolver, ListResolver, MergedRegistry, MergedResolver, Registry, Resolver, Target,
    WeightChange, change_file_weight, list_file_services, without_duplicates,
};
#[cfg(feature = "zookeeper")]
use crate::discovery::{ZooKeeperRegistry, ZooKeeperResolver, change_zookeeper_weight, list_zookeeper_services};
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};
#[cfg(feature = "etcd")]
use crate::etcd;

impl Target {
    /// Makes the resolver for this target. The resolver contacts nothing before the first watch.
    ///
    /// # Errors
    /// The target is ZooKeeper or etcd, and the build lacks the feature `zookeeper` or `etcd`. It names files of TLS that
    /// cannot be read or used, or the build lacks the feature `tls`.
    pub fn resolver(&self) -> Result<Arc<dyn Resolver>, Error> {
        Ok(match self {
            Target::File(root) => Arc::new(FileResolver::new(root.clone())),
            Target::List(endpoints) => Arc::new(ListResolver::new(endpoints.clone())),
            Target::Dns(endpoint) => Arc::new(DnsResolver::new(endpoint.clone())),
            Target::Merge(parts) => {
                Arc::new(MergedResolver::new(parts.iter().map(Target::resolver).collect::<Result<_, _>>()?))
            }
            #[cfg(feature = "zookeeper")]
            Target::ZooKeeper(ensemble) => Arc::new(ZooKeeperResolver::new(ensemble.clone())?),
            #[cfg(not(feature = "zookeeper"))]
            Target::ZooKeeper(_) => return Err(self.without_feature("zookeeper")),
            #[cfg(feature = "etcd")]
            Target::Etcd(cluster) => Arc::new(etcd::EtcdResolver::new(cluster)?),
            #[cfg(not(feature = "etcd"))]
            Target::Etcd(_) => return Err(self.without_feature("etcd")),
        })
    }

    /// Makes the registry for this target. The registry contacts nothing before the first registration.
    ///
    /// # Errors
    /// The target, or a part of it, is a list or DNS, which take no registrations; or it is ZooKeeper or etcd, and the
    /// build lacks the feature `zookeeper` or `etcd`. It names files of TLS that cannot be read or used, or the build lacks
    /// the feature `tls`.
    pub fn registry(&self) -> Result<Arc<dyn Registry>, Error> {
        Ok(match self {
            Target::File(root) => Arc::new(FileRegistry::new(root.clone())),
            Target::List(_) => return Err(self.takes_no_registrations("a fixed list")),
            Target::Dns(_) => return Err(self.takes_no_registrations("a name in DNS")),
            Target::Merge(parts) => {
                Arc::new(MergedRegistry::new(parts.iter().map(Target::registry).collect::<Result<_, _>>()?))
            }
            #[cfg(feature = "zookeeper")]
            Target::ZooKeeper(ensemble) => Arc::new(ZooKeeperRegistry::new(ensemble.clone())?),
            #[cfg(not(feature = "zookeeper"))]
            Target::ZooKeeper(_) => return Err(self.without_feature("zookeeper")),
            #[cfg(feature = "etcd")]
            Target::Etcd(cluster) => Arc::new(etcd::EtcdRegistry::new(cluster)?),
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

    /// Changes the weight of the provider at `address` in every service. Returns the names of the services. Call it on the
    /// background loop.
    pub(crate) fn change_weight<'a>(
        &'a self,
        address: &'a Address,
        change: WeightChange,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<String>, Error>> + Send + 'a>> {
        Box::pin(async move {
            match self {
                Target::List(_) | Target::Dns(_) => {
                    Err(Error::new(ErrorKind::Registry, format!("the weights of '{self}' cannot be changed")))
                }
                Target::File(root) => {
                    let (path, address) = (root.clone(), address.clone());
                    let changed =
                        tokio::task::spawn_blocking(move || change_file_weight(&path, &address, change)).await;
                    let changed = changed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                    changed.map_err(|error| {
                        Error::with_source(ErrorKind::Registry, format!("cannot change {self}"), error)
                    })
                }
                Target::Merge(parts) => {
                    let mut services = BTreeSet::new();
                    for part in parts {
                        services.extend(part.change_weight(address, change).await?);
                    }
                    Ok(services.into_iter().collect())
                }
                #[cfg(feature = "zookeeper")]
                Target::ZooKeeper(ensemble) => change_zookeeper_weight(ensemble, address, change).await,
                #[cfg(not(feature = "zookeeper"))]
                Target::ZooKeeper(_) => Err(self.without_feature("zookeeper")),
                #[cfg(feature = "etcd")]
                Target::Etcd(cluster) => etcd::change_weight(cluster, address, change).await,
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
    use crate::discovery::{Registration, RegistrationState};
    use crate::method::ServiceDescriptor;

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

    #[cfg(all(feature = "zookeeper", feature = "etcd"))]
    #[test]
    fn invalid_service_name_has_the_same_words_in_every_registry() {
        static BAD: ServiceDescriptor = ServiceDescriptor { name: "no name", methods: &[], files: &[] };
        for target in ["file:/run/mprpc", "zookeeper://a", "etcd://a"] {
            let registry = target.parse::<Target>().unwrap().registry().unwrap();
            let registration = Registration::new(&BAD, "x:1".parse().unwrap());
            let state = registry.register(registration).state().borrow().clone();
            let why = "'no name' is no name of a service; it would be package.Service";
            assert_eq!(state, RegistrationState::Pending(why.into()), "{target}");
        }
    }

    #[tokio::test]
    async fn weights_change_in_every_part_of_a_merged_target_and_in_no_list() {
        static WHO: ServiceDescriptor = ServiceDescriptor { name: "test.Who", methods: &[], files: &[] };
        let folder = tempfile::tempdir().unwrap();
        let part = |name: &str| -> Target { format!("file:{}/{name}", folder.path().display()).parse().unwrap() };
        let parts = [part("first"), part("second")];
        let both: Target = format!("merge:{}+{}", parts[0], parts[1]).parse().unwrap();
        let endpoint: Endpoint = "x:1".parse().unwrap();
        let registration = Registration::new(&WHO, endpoint.clone());
        let registered = both.registry().unwrap().register(registration);
        let stands = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
        registered.state().wait_for(stands).await.unwrap();
        assert_eq!(both.change_weight(&endpoint.address, WeightChange::Drain).await.unwrap(), ["test.Who"]);
        for part in &parts {
            let drained = Endpoint { weight: 0, ..endpoint.clone() };
            assert_eq!(part.read_services().await.unwrap(), [("test.Who".to_owned(), vec![drained])]);
        }
        let listed: Target = format!("merge:list:x:1,x:2+{}", parts[1]).parse().unwrap();
        let error = listed.change_weight(&endpoint.address, WeightChange::Undrain).await.unwrap_err();
        assert!(error.to_string().contains("the weights of 'list:x:1,x:2' cannot be changed"), "{error}");
    }

    #[cfg(all(feature = "zookeeper", feature = "etcd", feature = "tls"))]
    #[test]
    fn unusable_files_of_tls_are_named_when_a_target_is_opened() {
        for (options, part) in [
            ("tls.ca=/no/such/file", "TLS: /no/such/file: No such file"),
            ("tls.client_certificate=/c", "tls.ca is not set"),
            ("tls.ca=/no/such/file&tls.client_key=/k", "tls.client_certificate is not set"),
            ("tls.ca=/no/such/file&tls.server_name=a b", "'a b' is no name that a certificate can be for"),
        ] {
            for servers in ["zookeeper://a:2281", "etcd://a:2379"] {
                let target: Target = format!("{servers}?{options}").parse().unwrap();
                let errors = [target.resolver().err().unwrap(), target.registry().err().unwrap()];
                for error in errors.map(|error| error.to_string()) {
                    assert!(error.contains(part) && error.contains(&format!("'{servers}?tls.")), "{error}");
                }
            }
        }
    }

    #[cfg(all(feature = "zookeeper", not(feature = "tls")))]
    #[test]
    fn zookeeper_over_tls_without_the_feature_is_an_error_that_names_it() {
        let Err(error) = "zookeeper://a?tls.ca=/c".parse::<Target>().unwrap().resolver() else { panic!("it opened") };
        assert!(error.to_string().contains("without the feature `tls`"), "{error}");
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
