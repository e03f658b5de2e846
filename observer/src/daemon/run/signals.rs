//! The thread that answers: the listener, signals, and the registry's folder.

use std::net::TcpListener;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Order;
use super::reload::Reloader;
use crate::export::web::{self, Site};

/// How often the registry's folder is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Answers and waits; sends orders.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    mut reloader: Reloader,
    orders: Sender<Order>,
) {
    match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => {
            tokio::spawn(web::serve(listener, site, std::future::pending()));
        }
        Err(error) => tracing::error!("the listener could not be started: {error}"),
    }
    let (Ok(mut hangup), Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::hangup()),
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("signals cannot be received");
        return;
    };
    let mut look = tokio::time::interval(LOOK);
    loop {
        let sent = tokio::select! {
            _ = hangup.recv() => {
                let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Reloading]);
                let sent = orders.send(Order::ReopenRecords).is_ok() && reload(&mut reloader, &orders);
                let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
                sent
            }
            _ = look.tick() => !reloader.registry_changed() || reload(&mut reloader, &orders),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        if !sent {
            return;
        }
    }
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
    let _ = orders.send(Order::Stop);
}

/// False when nobody takes orders any more.
fn reload(reloader: &mut Reloader, orders: &Sender<Order>) -> bool {
    match reloader.load() {
        Ok(rules) => orders.send(Order::Reload(Box::new(rules))).is_ok(),
        Err(failure) => {
            tracing::error!("{failure}; the old configuration and registry stay in force");
            true
        }
    }
}
