//! Programs and hosts: `postfix-out/submission/smtpd` on `mx1` -> daemon, instance, connector.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::super::identity;

/// Programs looked up last; a power of two.
const SLOTS: usize = 1 << 10;
/// Hosts that are told apart; the others share one.
const MOST_HOSTS: usize = 1 << 12;
/// Instances per host that are told apart.
const MOST_INSTANCES: usize = 16;
/// The longest name of a host or a program.
const LONGEST_NAME: usize = 255;
/// A log of a host that says nothing for so long may have a hole.
const HOLE_MS: i64 = 10 * 60_000;
/// Lines of one file may stand in disorder by so much.
const DISORDER_MS: i64 = 1_000;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    /// smtpd: takes mail in.
    Server,
    /// smtp: hands mail over.
    Client,
    /// qmgr.
    Queue,
    /// cleanup.
    Cleanup,
    /// pickup: takes in mail of local programs.
    Pickup,
    /// tlsproxy.
    Proxy,
    /// lmtp, local, virtual, pipe, discard, error: deliver without SMTP.
    Inside,
    /// Any other daemon of Postfix.
    Other,
}

/// One program of one host.
#[derive(Debug)]
pub(super) struct Program {
    /// What it does.
    pub daemon: Daemon,
    /// Name of the service or transport.
    pub connector: Box<[u8]>,
    /// Host, as logged.
    pub host: Box<[u8]>,
    /// Instance: the first part of the program's name.
    pub instance: Box<[u8]>,
    /// Hash of the host.
    pub host_seed: u64,
    /// Hash of host and program.
    pub seed: u64,
    /// Hash of host and instance.
    pub instance_seed: u64,
    /// The smtpd or smtp of this host and instance, as a logger of TLS lines.
    pub logger: u64,
}

/// Programs by their names. What is looked up tells nothing of the lines before it.
#[derive(Debug)]
pub(super) struct Programs {
    /// Answers by hash of host and program.
    slots: Vec<Slot>,
    /// The host looked up last, and its hash.
    host: (Vec<u8>, u64),
}

/// A program looked up lately.
#[derive(Debug, Default)]
struct Slot {
    /// Hash of host and program; none in a slot that was never used.
    seed: Option<u64>,
    /// The program; none where it is no daemon of Postfix.
    program: Option<Found>,
}

/// A program, and a note of whoever looks it up.
#[derive(Debug)]
pub(super) struct Found {
    pub program: Arc<Program>,
    /// Where it stands in the list of a block: number of the block, place.
    pub listed: Option<(u64, u32)>,
}

impl Default for Programs {
    fn default() -> Self {
        let slots = std::iter::repeat_with(Slot::default).take(SLOTS).collect();
        Self { slots, host: (Vec::new(), xxh3_64_with_seed(b"", 0)) }
    }
}

impl Programs {
    /// The daemon that logged a line; `None` for programs that are not of Postfix.
    pub(super) fn find(&mut self, host: &[u8], program: &[u8]) -> Option<&mut Found> {
        if self.host.0 != host {
            self.host = (host.to_vec(), xxh3_64_with_seed(host, 0));
        }
        let host_seed = self.host.1;
        let seed = xxh3_64_with_seed(program, host_seed);
        let slot = self.slots.get_mut(slot_of(seed))?;
        if slot.seed != Some(seed) {
            let program = Program::new((host, host_seed), (program, seed));
            let found = |program| Found { program: Arc::new(program), listed: None };
            *slot = Slot { seed: Some(seed), program: program.map(found) };
        }
        slot.program.as_mut()
    }
}

impl Program {
    /// Of the names of a host and a program and their hashes.
    fn new((host, host_seed): (&[u8], u64), (program, seed): (&[u8], u64)) -> Option<Self> {
        if host.len() > LONGEST_NAME || program.len() > LONGEST_NAME {
            return None;
        }
        let (daemon, instance, connector) = parts(program)?;
        let role: &[u8] = if daemon == Daemon::Server { b"smtpd" } else { b"smtp" };
        Some(Self {
            daemon,
            connector: connector.into(),
            host: host.into(),
            instance: instance.into(),
            host_seed,
            seed,
            instance_seed: xxh3_64_with_seed(instance, host_seed),
            logger: identity(&[host, instance, role]),
        })
    }
}

/// The hosts of the stream. The first stands for those that are not told apart.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hosts {
    hosts: Vec<Host>,
    index: BTreeMap<u64, usize>,
}

/// What is known of a host.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Host {
    /// No hole in the log since then.
    since_ms: i64,
    last_ms: i64,
    file: u32,
    copy: u32,
    instances: Vec<Instance>,
}

/// A first part of program names.
#[derive(Debug, Serialize, Deserialize)]
struct Instance {
    seed: u64,
    /// Whether a queue manager, cleanup or pickup has this name. A name that only services
    /// have (`-o syslog_name=…`) shares the queue of another one.
    has_queue: bool,
}

impl Default for Hosts {
    fn default() -> Self {
        Self { hosts: vec![Host::default()], index: BTreeMap::new() }
    }
}

impl Hosts {
    /// The number of a program's host, which knows the program from now on.
    pub(super) fn enter(&mut self, program: &Program) -> usize {
        let index = self.number(program.host_seed);
        let seed = program.instance_seed;
        let has_queue = matches!(program.daemon, Daemon::Queue | Daemon::Cleanup | Daemon::Pickup);
        if let Some(host) = self.hosts.get_mut(index).filter(|_| index > 0) {
            let room = host.instances.len() < MOST_INSTANCES;
            match host.instances.iter_mut().find(|held| held.seed == seed) {
                Some(held) => held.has_queue |= has_queue,
                None if room => host.instances.push(Instance { seed, has_queue }),
                None => {}
            }
        }
        index
    }

    fn number(&mut self, host_seed: u64) -> usize {
        if let Some(index) = self.index.get(&host_seed) {
            return *index;
        }
        if self.hosts.len() > MOST_HOSTS {
            return 0;
        }
        self.hosts.push(Host { last_ms: i64::MIN, ..Host::default() });
        let index = self.hosts.len() - 1;
        self.index.insert(host_seed, index);
        index
    }

    /// Notes that the log of a host reaches to this instant, and gives the number of the copy
    /// that is read: files may overlap, and are read one after the other.
    pub(super) fn saw(&mut self, host: usize, time_ms: i64, file: u32) -> u32 {
        let Some(host) = self.hosts.get_mut(host) else { return 0 };
        let ahead_ms = time_ms.saturating_sub(host.last_ms);
        let begins_again = file != host.file && ahead_ms < -DISORDER_MS;
        if begins_again || ahead_ms.abs() > HOLE_MS {
            host.since_ms = time_ms;
        }
        host.copy = host.copy.saturating_add(u32::from(begins_again));
        host.last_ms = time_ms;
        host.file = file;
        host.copy
    }

    /// Whether the log of a host has all lines since an instant.
    pub(super) fn covers(&self, host: usize, from_ms: i64) -> bool {
        // Hosts that are not told apart vouch for nothing.
        let host = self.hosts.get(host).filter(|_| host > 0);
        host.is_some_and(|host| from_ms >= host.since_ms)
    }

    /// Other instances of a program's host that may be about the same queue.
    pub(super) fn same_queue(&self, host: usize, program: &Program) -> impl Iterator<Item = u64> {
        let instances = self.hosts.get(host).map_or(&[][..], |host| &host.instances);
        let own = program.instance_seed;
        let own_queue = instances.iter().any(|held| held.seed == own && held.has_queue);
        let others = instances.iter().filter(move |held| held.seed != own);
        others.filter(move |held| !(held.has_queue && own_queue)).map(|held| held.seed)
    }
}

/// Where an answer is kept: cut on purpose.
#[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
fn slot_of(seed: u64) -> usize {
    seed as usize & (SLOTS - 1)
}

/// Daemon, instance and connector of `postfix[-instance][/service]/daemon`.
fn parts(program: &[u8]) -> Option<(Daemon, &[u8], &[u8])> {
    let slash = memchr::memrchr(b'/', program)?;
    let (before, name) = (program.get(..slash)?, program.get(slash + 1..)?);
    let first = memchr::memchr(b'/', before).unwrap_or(before.len());
    let instance = before.get(..first)?;
    let daemon = match name {
        b"smtpd" => Daemon::Server,
        b"smtp" => Daemon::Client,
        b"qmgr" | b"oqmgr" | b"nqmgr" => Daemon::Queue,
        b"cleanup" => Daemon::Cleanup,
        b"pickup" => Daemon::Pickup,
        b"tlsproxy" => Daemon::Proxy,
        b"lmtp" | b"local" | b"virtual" | b"pipe" | b"discard" | b"error" => Daemon::Inside,
        _ if instance.starts_with(b"postfix") => Daemon::Other,
        _ => return None,
    };
    let connector = match before.strip_prefix(b"postfix") {
        Some(b"") => name,
        Some(rest) => rest.strip_prefix(b"/").unwrap_or(before),
        None => before,
    };
    (!before.is_empty()).then_some((daemon, instance, connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_daemon_instance_and_connector() {
        let cases: [(&str, Daemon, &str, &str); 9] = [
            ("postfix/smtpd", Daemon::Server, "postfix", "smtpd"),
            ("postfix/submission/smtpd", Daemon::Server, "postfix", "submission"),
            ("postfix/a/b/smtpd", Daemon::Server, "postfix", "a/b"),
            ("postfix/smtp", Daemon::Client, "postfix", "smtp"),
            ("postfix/relay/smtp", Daemon::Client, "postfix", "relay"),
            ("postfix-out/smtp", Daemon::Client, "postfix-out", "postfix-out"),
            (
                "postfix-out/submission/smtpd",
                Daemon::Server,
                "postfix-out",
                "postfix-out/submission",
            ),
            ("mta-out/smtp", Daemon::Client, "mta-out", "mta-out"),
            ("postfix/anvil", Daemon::Other, "postfix", "anvil"),
        ];
        for (program, daemon, instance, connector) in cases {
            let expected = Some((daemon, instance.as_bytes(), connector.as_bytes()));
            assert_eq!(parts(program.as_bytes()), expected, "{program}");
        }
        for program in ["smtpd", "dovecot", "CRON", "cyrus/imap", "/smtpd", "acme/anvil", ""] {
            assert_eq!(parts(program.as_bytes()), None, "{program}");
        }
    }

    fn program(host: &str, name: &str) -> Arc<Program> {
        let mut programs = Programs::default();
        Arc::clone(&programs.find(host.as_bytes(), name.as_bytes()).unwrap().program)
    }

    #[test]
    fn programs_are_found_again() {
        let mut programs = Programs::default();
        for _ in 0..2 {
            for number in 0..3 * SLOTS {
                let (host, name) = (format!("mx{number}"), format!("postfix/s{number}/smtpd"));
                let found = &programs.find(host.as_bytes(), name.as_bytes()).unwrap().program;
                assert_eq!((&*found.host, found.daemon), (host.as_bytes(), Daemon::Server));
                assert!(programs.find(host.as_bytes(), b"dovecot").is_none());
            }
        }
        assert!(programs.find(b"mx1", &[b'a'; 300]).is_none());
    }

    #[test]
    fn a_name_of_services_shares_the_queue_of_another() {
        let mut hosts = Hosts::default();
        let names = [("mx1", "acme/smtpd"), ("mx1", "postfix/qmgr"), ("mx1", "postfix-out/qmgr")];
        let [service, queue, other] = names.map(|(host, name)| program(host, name));
        let elsewhere = program("mx2", "postfix/qmgr");
        let on = [&service, &queue, &other, &elsewhere].map(|program| hosts.enter(program));
        assert_eq!(on, [1, 1, 1, 2]);
        let shared = |host, program| hosts.same_queue(host, program).collect::<Vec<_>>();
        assert_eq!(shared(1, &queue), [service.instance_seed]);
        assert_eq!(shared(1, &other), [service.instance_seed]);
        assert_eq!(shared(1, &service), [queue.instance_seed, other.instance_seed]);
        assert!(shared(2, &elsewhere).is_empty());
    }

    #[test]
    fn a_host_is_covered_since_the_last_hole() {
        let mut hosts = Hosts::default();
        let host = hosts.enter(&program("mx1", "postfix/qmgr"));
        hosts.saw(host, 1_000_000, 0);
        hosts.saw(host, 1_500_000, 0);
        assert!(hosts.covers(host, 1_000_000));
        assert!(!hosts.covers(host, 999_999));
        hosts.saw(host, 2_200_000, 0);
        assert!(!hosts.covers(host, 2_199_999));
        assert!(hosts.covers(host, 2_200_000));
        // A line in disorder, and another file about an earlier time.
        assert_eq!(hosts.saw(host, 2_198_000, 0), 0);
        assert_eq!(hosts.saw(host, 2_197_000, 1), 0);
        assert!(hosts.covers(host, 2_200_000));
        assert_eq!(hosts.saw(host, 2_195_000, 2), 1);
        assert!(hosts.covers(host, 2_195_000));
        assert!(!hosts.covers(host, 2_194_999));
    }

    #[test]
    fn many_hosts_are_bounded() {
        let mut hosts = Hosts::default();
        for number in 0..MOST_HOSTS + 100 {
            let host = hosts.enter(&program(&format!("h{number}"), "postfix/smtp"));
            hosts.saw(host, 5, 0);
            assert_eq!(hosts.covers(host, 5), number < MOST_HOSTS, "{number}");
        }
        assert_eq!(hosts.hosts.len(), MOST_HOSTS + 1);
    }
}
