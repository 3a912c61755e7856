//! Announces a service in a registry for as long as the service is ready, as [`Health`] says.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::health::Health;
use crate::discovery::{Registered, Registration, RegistrationState, Registry};

/// Announces the service. Without `health`, it is always ready.
pub(super) fn announce(
    registry: &Arc<dyn Registry>,
    registration: Registration,
    health: Option<&Health>,
    runtime: &Handle,
) -> Registered {
    let Some(health) = health else { return registry.register(registration) };
    let (sender, state) = watch::channel(not_ready(&registration));
    let (withdraw, withdrawn) = oneshot::channel();
    runtime.spawn(keep(registry.clone(), registration, health.clone(), sender, withdrawn));
    Registered::new(state, withdraw)
}

fn not_ready(registration: &Registration) -> RegistrationState {
    RegistrationState::Pending(format!("{} is not ready: its health is NOT_SERVING", registration.service.name).into())
}

/// Registers the service whenever it becomes ready, and withdraws it whenever it is not.
async fn keep(
    registry: Arc<dyn Registry>,
    registration: Registration,
    health: Health,
    state: watch::Sender<RegistrationState>,
    mut withdrawn: oneshot::Receiver<()>,
) {
    let service = registration.service.name;
    loop {
        tokio::select! {
            // A message and a dropped sender both withdraw the announcement.
            _ = &mut withdrawn => break,
            () = health.until_ready(service, true) => {}
        }
        let registered = registry.register(registration.clone());
        let mut progress = registered.state();
        let is_withdrawn = loop {
            let now = progress.borrow_and_update().clone();
            now.publish(&state);
            tokio::select! {
                _ = &mut withdrawn => break true,
                () = health.until_ready(service, false) => break false,
                // The task behind a registration ends with the process alone.
                changed = progress.changed() => if changed.is_err() { return },
            }
        };
        if !is_withdrawn {
            tracing::warn!(service, "withdrawn from the registry: its health is NOT_SERVING");
            not_ready(&registration).publish(&state);
        }
        registered.withdraw().await;
        if is_withdrawn {
            break;
        }
    }
    state.send_replace(RegistrationState::Withdrawn);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::endpoint::Endpoint;
    use crate::server::tests::PROBE;

    /// A registry that records what it is told, and confirms at once.
    #[derive(Clone, Default)]
    struct Recorder(Arc<Mutex<Vec<String>>>);

    impl Recorder {
        fn told(&self) -> Vec<String> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    impl Registry for Recorder {
        fn register(&self, registration: Registration) -> Registered {
            let name = registration.service.name;
            self.0.lock().unwrap().push(format!("+{name}"));
            let (sender, state) = watch::channel(RegistrationState::Registered("here".into()));
            let (withdraw, withdrawn) = oneshot::channel();
            let told = self.0.clone();
            tokio::spawn(async move {
                let _ = withdrawn.await;
                told.lock().unwrap().push(format!("-{name}"));
                sender.send_replace(RegistrationState::Withdrawn);
            });
            Registered::new(state, withdraw)
        }
    }

    fn registration() -> Registration {
        Registration::new(&PROBE, Endpoint::new("127.0.0.1:1".parse().unwrap()))
    }

    async fn settle() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn service_is_registered_while_it_and_the_server_are_ready() {
        let (recorder, health) = (Recorder::default(), Health::default());
        let registry: Arc<dyn Registry> = Arc::new(recorder.clone());
        let (up, down) = (format!("+{}", PROBE.name), format!("-{}", PROBE.name));
        health.set_serving(PROBE.name, false);
        let registered = announce(&registry, registration(), Some(&health), &Handle::current());
        settle().await;
        assert_eq!(recorder.told(), [""; 0], "the server has not started");
        health.started([PROBE.name].into_iter());
        settle().await;
        assert_eq!(recorder.told(), [""; 0], "the service is not ready");
        let RegistrationState::Pending(why) = registered.state().borrow().clone() else { panic!("registered") };
        assert!(why.contains(PROBE.name) && why.contains("not ready"), "{why}");
        health.set_serving(PROBE.name, true);
        settle().await;
        assert_eq!(recorder.told(), std::slice::from_ref(&up));
        assert!(matches!(*registered.state().borrow(), RegistrationState::Registered(_)));
        for name in [PROBE.name, ""] {
            health.set_serving(name, false);
            settle().await;
            assert_eq!(recorder.told(), std::slice::from_ref(&down), "deregistered, and alive");
            assert!(matches!(*registered.state().borrow(), RegistrationState::Pending(_)));
            health.set_serving(name, true);
            settle().await;
            assert_eq!(recorder.told(), std::slice::from_ref(&up));
        }
        health.stopping();
        settle().await;
        assert_eq!(recorder.told(), [""; 0], "the stop withdraws by itself");
        timeout(Duration::from_secs(1), registered.withdraw()).await.unwrap();
        assert_eq!(recorder.told(), [down]);
    }

    #[tokio::test(start_paused = true)]
    async fn service_without_health_is_registered_at_once_and_dropping_the_handle_withdraws() {
        for health in [None, Some(Health::default())] {
            let recorder = Recorder::default();
            let registry: Arc<dyn Registry> = Arc::new(recorder.clone());
            let registered = announce(&registry, registration(), health.as_ref(), &Handle::current());
            if let Some(health) = &health {
                health.started([PROBE.name].into_iter());
            }
            settle().await;
            drop(registered);
            settle().await;
            assert_eq!(recorder.told(), [format!("+{}", PROBE.name), format!("-{}", PROBE.name)]);
        }
    }
}
