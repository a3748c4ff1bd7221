//! What is followed at the end of a log, as it is left for the next reading.

use super::super::left;
use super::Postfix;

/// All that is remembered; programs tell nothing of the lines before, and what is used again
/// holds nothing.
pub(super) fn leave(postfix: &Postfix) -> Option<Vec<u8>> {
    let Postfix { hosts, messages, removed, servers, clients, held, proofs, ciphers, .. } = postfix;
    left::packed(&((hosts, messages, removed, servers), (clients, held, proofs, ciphers)))
}

/// Goes on where another left; says whether that can be.
pub(super) fn resume(postfix: &mut Postfix, bytes: &[u8]) -> bool {
    let Some((first, second)) = left::unpacked(bytes) else { return false };
    let mut fresh = Postfix::new();
    (fresh.hosts, fresh.messages, fresh.removed, fresh.servers) = first;
    (fresh.clients, fresh.held, fresh.proofs, fresh.ciphers) = second;
    let alike = fresh.messages.is_bounded_as(&postfix.messages)
        && fresh.removed.is_bounded_as(&postfix.removed)
        && fresh.servers.is_bounded_as(&postfix.servers)
        && fresh.clients.is_bounded_as(&postfix.clients);
    if alike {
        *postfix = fresh;
    }
    alike
}
