//! Mail that passes a filter before the queue (`smtpd_proxy_filter`).
//!
//! The smtpd at the border has no queue id: it prints `NOQUEUE: client=HOST[IP]`, and when the
//! filter took the message `proxy-accept: END-OF-MESSAGE: 250 …; from=<…> to=<…> …`. What the
//! filter gives back comes from this machine itself, and is internal.

use memchr::memmem;

use super::super::super::{Sink, identity};
use super::super::queue::Arrival;
use super::super::text::{Peer, address};
use super::super::{Event, Postfix};

impl Postfix {
    /// A line of smtpd that may be about such a message.
    pub(super) fn proxied(&mut self, event: &Event<'_>, out: &mut dyn Sink) {
        let text = event.text.strip_prefix(b"NOQUEUE: ").unwrap_or(event.text);
        if let Some(client) = text.strip_prefix(b"client=") {
            let Some((peer, _)) = Peer::parse(client) else { return };
            if let Some(server) = self.servers.get(&event.process()) {
                let (tls, cipher) = server.protection(event, &peer);
                server.proxied = Some(Box::new(Arrival::new(event, &peer, tls, cipher)));
            }
        } else if let Some(reply) = text.strip_prefix(b"proxy-accept: END-OF-MESSAGE: 2") {
            let Some(server) = self.servers.get(&event.process()) else { return };
            let Some(arrival) = server.proxied.take() else { return };
            let (host, instance) = (&event.program.host, &event.program.instance);
            let (pid, begun) = (event.pid.to_le_bytes(), arrival.time_ms.to_le_bytes());
            let key = identity(&[host, instance, b"NOQUEUE", &pid, &begun, reply]);
            let sender = memmem::find(reply, b"; from=<").and_then(|at| reply.get(at + 8..));
            let sender = sender.and_then(address).map_or(&b""[..], |(sender, _)| sender);
            self.count(&arrival, key, sender, event.place, out);
        }
    }
}
