//! What the observing thread does for others: orders of commands and signals, and what was decided about somebody.

use std::sync::mpsc::TryRecvError;

use super::Order;
use super::capture::{Capture, utc_now};
use super::reload::NewRules;
use super::respond::Asked;
use crate::daemon::responses::order::Order as Wanted;
use crate::export::records::RecordSink;
use crate::kernel::KernelError;

impl Capture {
    /// Carries out what was ordered. False: stop.
    pub(super) fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Reload(rules)) => self.reload(*rules),
                Ok(Order::ReopenRecords) => {
                    if let Some(Err(error)) = self.records.as_mut().map(RecordSink::reopen) {
                        tracing::error!("{error}");
                    }
                }
                Ok(Order::Commit(answer)) => {
                    // Whoever asked may have gone.
                    let _ = answer.send(self.flush());
                }
                Ok(Order::CommitAll(answer)) => {
                    self.watch.save(self.books.parts().0);
                    let _ = answer.send(self.flush());
                }
                Ok(Order::Incident(id, deed, answer)) => {
                    let batch = self.books.parts().0;
                    let done = self.watch.act(&id, &deed, utc_now(), batch, &self.state);
                    let _ = answer.send(done);
                }
                Ok(Order::Discover(discovery, answer)) => {
                    let _ = answer.send(self.pipeline.discover(discovery));
                }
                Ok(Order::EndDiscovery(answer)) => {
                    let _ = answer.send(self.pipeline.end_discovery());
                }
                Ok(Order::Exchanges(filter, answer)) => {
                    let _ = answer.send(self.taps.ask(filter));
                }
                Ok(Order::Respond(asked)) => self.carry_out(asked),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn reload(&mut self, rules: NewRules) {
        let keys = rules.registry.keys().len();
        self.watch.reload(&rules.registry);
        self.pipeline
            .reload(rules.attributor, rules.registry, rules.routes);
        let own = self.kernel.own_addresses();
        self.responder.configure(&rules.config, own);
        self.responder
            .registered(&mut self.pipeline, &rules.fingerprinter);
        tell(self.respond());
        tracing::info!("configuration and registry read again ({keys} keys)");
    }

    /// Does what a command wants done about somebody, and answers once it holds.
    fn carry_out(&mut self, asked: Asked) {
        let Asked { order, by, answer } = asked;
        let changes = !matches!(order, Wanted::List);
        let done = self
            .responder
            .order(order, &by, &self.kernel, &mut self.pipeline);
        let done = match done {
            Ok(answer) if changes => match self.respond() {
                Ok(()) => Ok(answer),
                Err(error) => Err(format!("the kernel side: {error}")),
            },
            done => done,
        };
        self.responder.note(
            &mut self.pipeline,
            self.books.parts().0,
            self.watch.notifier(),
        );
        self.responder.show(&self.pipeline, &self.state);
        let _ = answer.send(done);
    }

    /// Carries out what the book says. Programs that are not attached yet get to know the connections first: what was seen before
    /// them is read, and told to them.
    pub(super) fn respond(&mut self) -> Result<(), KernelError> {
        if self.responder.must_attach(&self.kernel, &self.pipeline) {
            self.responder.attach(&mut self.kernel, &self.pipeline)?;
            let ends = self.ends();
            self.drain_until(&ends)?;
            // What the programs of a process before decided on is not known any more, and is not to be ended again.
            self.pipeline.stops_mut().take_caught();
            self.responder.introduce(&self.pipeline)?;
        }
        self.responder.apply(&mut self.kernel, &mut self.pipeline)
    }
}

/// What cannot be stopped in the kernel is no reason to stop observing.
pub(super) fn tell(result: Result<(), KernelError>) {
    if let Err(error) = result {
        tracing::error!("response: {error}");
    }
}
