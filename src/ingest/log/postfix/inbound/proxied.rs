//! Mail that passes a filter before the queue (`smtpd_proxy_filter`).
//!
//! The smtpd at the border has no queue id: it prints `NOQUEUE: client=HOST[IP]`, and when the
//! filter took the message `proxy-accept: END-OF-MESSAGE: 250 …; from=<…> to=<…> …`. What the
//! filter gives back comes from this machine itself, and is internal.

use memchr::memmem;

use super::super::super::{Sink, identity};
use super::super::text::{Peer, address};
use super::super::{Event, Postfix};

/// What a line of smtpd says of such a message by itself.
#[derive(Debug)]
pub(in super::super) enum ProxySaid<'a> {
    /// A message may come from this client.
    Client(Peer<'a>),
    /// The filter took it, with these words.
    Accepts(&'a [u8]),
}

impl<'a> ProxySaid<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.strip_prefix(b"NOQUEUE: ").unwrap_or(text);
        if let Some(client) = text.strip_prefix(b"client=") {
            return Some(Self::Client(Peer::parse(client)?.0));
        }
        text.strip_prefix(b"proxy-accept: END-OF-MESSAGE: 2").map(Self::Accepts)
    }
}

impl Postfix {
    /// A line of smtpd about such a message.
    pub(super) fn proxied(&mut self, event: &Event<'_>, said: &ProxySaid<'_>, out: &mut dyn Sink) {
        let process = event.process();
        let Some(server) = self.servers.get(&process) else { return };
        match said {
            ProxySaid::Client(peer) => {
                let protection = server.protection(event, peer);
                let arrival = self.arrival(event, peer, protection);
                if let Some(server) = self.servers.get(&process) {
                    server.proxied = Some(arrival);
                }
            }
            ProxySaid::Accepts(reply) => {
                let Some(arrival) = server.proxied.take() else { return };
                let (host, instance) = (&event.program.host, &event.program.instance);
                let (pid, begun) = (event.pid.to_le_bytes(), arrival.time_ms.to_le_bytes());
                let key = identity(&[host, instance, b"NOQUEUE", &pid, &begun, reply]);
                let sender = memmem::find(reply, b"; from=<").and_then(|at| reply.get(at + 8..));
                let sender = sender.and_then(address).map_or(&b""[..], |(sender, _)| sender);
                self.count(arrival, key, sender, event.place, out);
            }
        }
    }
}
