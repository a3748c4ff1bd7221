//! Made-up logs of front ends, hubs and tracking: how they are built.

mod joined;
mod protocol;
mod tracking;

use chrono_tz::Tz;

use super::Exchange;
use crate::ingest::log::harness::{Found, Owned, read};
use crate::ingest::log::stamp::YearRule;
use crate::trace::{Direction, RejectReason, Tls};

const RECEIVE: &str = "#Software: Microsoft Exchange Server\n#Version: 15.0.0.0\n\
    #Log-type: SMTP Receive Protocol Log\n#Date: 2026-11-21T10:00:00.000Z\n\
    #Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,\
    remote-endpoint,event,data,context\n";
const TRACKING_2010: &str = "#Software: Microsoft Exchange Server\n#Version: 14.0.0.0\n\
    #Log-type: Message Tracking Log\n#Date: 2026-11-21T10:00:00.000Z\n\
    #Fields: date-time,client-ip,client-hostname,server-ip,server-hostname,source-context,\
    connector-id,source,event-id,internal-message-id,message-id,recipient-address,\
    recipient-status,total-bytes,recipient-count,related-recipient-address,reference,\
    message-subject,sender-address,return-path,message-info,directionality,tenant-id,\
    original-client-ip,original-server-ip,custom-data\n";

const STARTTLS: &[&str] = &["<,STARTTLS,", ">,220 2.0.0 SMTP server ready,"];
const FRONT: &str = "08D0000000000001";
const HUB: &str = "08D0000000000002";
const OUT: &str = "08D0000000000003";
const FRONT_OUT: &str = "08D0000000000004";

fn tls(version: &str, side: &str) -> String {
    format!(
        "*,,\"TLS protocol SP_PROT_{version}_{side} negotiation succeeded using bulk encryption \
         algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 with \
         strength 0 bits and key exchange algorithm CALG_ECDH_EPHEM with strength 384 bits\""
    )
}

/// A session: connector, id, endpoints and its lines from event to context.
struct Talk {
    connector: &'static str,
    id: &'static str,
    local: &'static str,
    remote: &'static str,
    lines: Vec<String>,
}

impl Talk {
    fn new(connector: &'static str, id: &'static str, ends: (&'static str, &'static str)) -> Self {
        let (local, remote) = ends;
        Self { connector, id, local, remote, lines: Vec::new() }
    }

    fn say(mut self, lines: &[&str]) -> Self {
        self.lines.extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }

    fn tls(self, version: &str, side: &str) -> Self {
        let line = tls(version, side);
        self.say(&[&line])
    }

    fn line(&self, index: usize) -> String {
        let (connector, id) = (self.connector, self.id);
        let (local, remote, line) = (self.local, self.remote, &self.lines[index]);
        format!(
            "2026-11-21T10:00:{index:02}.000Z,{connector},{id},{index},{local},{remote},{line}\n"
        )
    }

    fn lines(&self, range: std::ops::Range<usize>) -> String {
        range.map(|index| self.line(index)).collect()
    }

    fn all(&self) -> String {
        self.lines(0..self.lines.len())
    }
}

/// A client's session with a front end.
fn front() -> Talk {
    let ends = ("192.0.2.1:25", "198.51.100.7:40000");
    Talk::new("EXCH01\\Default Frontend EXCH01", FRONT, ends).say(&[
        "+,,",
        ">,220 exch01.example.com,",
        "<,EHLO mx.example.net,",
        ">,250  exch01,",
    ])
}

/// A front end's session with a hub.
fn hub() -> Talk {
    let ends = ("192.0.2.1:2525", "192.0.2.1:50000");
    Talk::new("EXCH01\\Default EXCH01", HUB, ends)
        .say(&["+,,", ">,220 exch01.example.com,", "<,EHLO exch01.example.com,", ">,250  exch01,"])
        .say(&["<,X-ANONYMOUSTLS,", ">,220 2.0.0 SMTP server ready,"])
        .tls("TLS1_2", "SERVER")
        .say(&[
            "<,X-EXPS GSSAPI,",
            ">,334 <authentication response>,",
            ">,235 <authentication response>,",
        ])
}

/// One message, and the reply that accepts or refuses it.
fn message(number: u32, reply: &str) -> Vec<String> {
    vec![
        format!("<,MAIL FROM:<sender{number}@example.net> SIZE=1000,"),
        format!("*,08D0000000000002;2026-11-21T10:00:00.000Z;{number},receiving message"),
        ">,250 2.1.0 Sender OK,".into(),
        "<,RCPT TO:<user@example.com>,".into(),
        ">,250 2.1.5 Recipient OK,".into(),
        "<,BDAT 500,".into(),
        ">,\"250 2.6.0 CHUNK received OK, 500 octets\",".into(),
        "<,BDAT 500 LAST,".into(),
        format!(">,\"{reply}\","),
    ]
}

fn queued(number: u32) -> String {
    format!(
        "250 2.6.0 <m{number}@example.net> [InternalId={number}, Hostname=exch01.example.com] \
         1000 bytes in 0.100, 9.8 KB/sec Queued mail for delivery"
    )
}

fn with(talk: Talk, lines: &[String]) -> Talk {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    talk.say(&lines)
}

fn taken(talk: Talk, number: u32) -> Talk {
    with(talk, &message(number, &queued(number)))
}

fn ended(talk: Talk) -> Talk {
    talk.say(&["<,QUIT,", ">,221 2.0.0 Service closing transmission channel,", "-,,Local"])
}

fn send_log(lines: &str) -> String {
    RECEIVE.replace("Receive", "Send") + lines
}

fn tracking_2016(lines: &str) -> String {
    let fields = TRACKING_2010
        .replace("message-id,recipient-address", "message-id,network-message-id,recipient-address");
    fields.replace("custom-data\n", "custom-data,transport-traffic-type,log-id,schema-version\n")
        + lines
}

/// A row of a tracking log of 2016 and later.
#[derive(Clone, Copy)]
struct Event {
    name: &'static str,
    source: &'static str,
    client: &'static str,
    server: &'static str,
    context: &'static str,
    connector: &'static str,
    id: u32,
    direction: &'static str,
    custom: &'static str,
    info: &'static str,
}

const INCOMING: Event = Event {
    name: "RECEIVE",
    source: "SMTP",
    client: "192.0.2.1,exch01.example.com",
    server: "192.0.2.1,EXCH01",
    context: "08D0000000000002;2026-11-21T10:00:00.000Z;1",
    connector: "EXCH01\\Default EXCH01",
    id: 1,
    direction: "Incoming",
    custom: "S:ProxyHop1=exch01.example.com(192.0.2.1);S:FirstForestHop=exch01.example.com;\
        S:ProxiedClientIPAddress=198.51.100.7;S:ProxiedClientHostname=mx.example.net",
    info: "0cA: ",
};

const LEAVING: Event = Event {
    name: "SENDEXTERNAL",
    source: "SMTP",
    client: "192.0.2.1,EXCH01",
    server: "203.0.113.5,mx.example.org",
    context: ";250 2.0.0 OK;ClientSubmitTime:",
    connector: "To Internet",
    id: 7,
    direction: "Originating",
    custom: "S:Microsoft.Exchange.Transport.MailRecipient.RequiredTlsAuthLevel=Opportunistic",
    info: "",
};

impl Event {
    fn line(&self) -> String {
        let Self { name, source, client, server, context, connector, id, .. } = self;
        let Self { direction, custom, info, .. } = self;
        format!(
            "2026-11-21T10:00:30.000Z,{client},{server},{context},{connector},{source},{name},\
             {id},<m{id}@example.net>,guid-{id},user@example.org;other@example.com,,1000,2,,,\
             \"Hello, \"\"you\"\", TLS\",sender@example.net,sender@example.net,{info},{direction},,,,\
             {custom},Email,guid,15.02.2562.045\n"
        )
    }
}

fn run(files: &[String]) -> Found {
    let tracking = files.iter().any(|file| file.contains("Message Tracking Log"));
    let protocol = files.iter().any(|file| file.contains("Protocol Log"));
    let bytes: Vec<&[u8]> = files.iter().map(String::as_bytes).collect();
    read(Exchange::new(tracking, protocol), Tz::UTC, YearRule::Absent, &bytes)
}

fn only(files: &[String]) -> Owned {
    let found = run(files);
    assert_eq!(found.rejects, []);
    assert_eq!(found.mails.len(), 1, "{:#?}", found.mails);
    found.mails[0].clone()
}

fn sending() -> Talk {
    Talk::new("To Internet", OUT, ("192.0.2.1:30000", "203.0.113.5:25"))
        .say(&["*,,attempting to connect", "+,,", "<,220 mx.example.org ESMTP,"])
        .say(&[
            ">,EHLO exch01.example.com,",
            "<,250-mx.example.org,",
            "<,250-PIPELINING,",
            "<,250 STARTTLS,",
        ])
}

fn sent(talk: Talk, number: u32, replies: &[&str]) -> Talk {
    let id = format!(
        "*,,sending message with RecordId {number} and InternetMessageId <m{number}@example.net>"
    );
    let talk = talk.say(&[
        &id,
        ">,MAIL FROM:<sender@example.com> SIZE=10,",
        ">,RCPT TO:<user@example.org>,",
    ]);
    talk.say(&["<,250 2.1.0 OK,", "<,250 2.1.5 OK,", ">,BDAT 10 LAST,"]).say(replies)
}
