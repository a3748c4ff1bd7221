//! A relay that says anything: whole conversations over loopback, one reply of the fuzzer's for
//! each line that it hears. Replies stand apart by a zero byte.

#![no_main]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use intransit::deliver::outcome::Outcome;
use intransit::deliver::smtp::{Auth, Parcel, Relay, Security, Session};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _noted = intransit_fuzz::coverage::Noted;
    let Some((choice, replies)) = data.split_first() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it was bound").port();
    let replies: Vec<Vec<u8>> = replies.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let server = std::thread::spawn(move || serve(&listener, &replies));
    converse(port, *choice);
    let heard = server.join().expect("the server does not panic");
    drop(heard);
});

/// Says the next reply whenever something was heard; gives all that was heard.
fn serve(listener: &TcpListener, replies: &[Vec<u8>]) -> Vec<u8> {
    let mut heard = Vec::new();
    let Ok((mut stream, _)) = listener.accept() else { return heard };
    let wait = Some(Duration::from_millis(200));
    stream.set_read_timeout(wait).expect("a wait above zero");
    for reply in replies {
        if stream.write_all(reply).is_err() || !hear(&mut stream, &mut heard) {
            break;
        }
    }
    heard
}

fn hear(stream: &mut TcpStream, heard: &mut Vec<u8>) -> bool {
    let mut block = [0; 4096];
    match stream.read(&mut block) {
        Ok(read) if read > 0 => {
            heard.extend_from_slice(&block[..read]);
            true
        }
        _ => false,
    }
}

/// No word that a relay would say of its own accord.
const SECRET: &str = "xyzzy-4711";

fn converse(port: u16, choice: u8) {
    let (username, secret) = ("audit".to_owned(), SECRET.to_owned());
    let auth = match choice & 3 {
        0 => Auth::Password { username, password: secret.into() },
        1 => Auth::Xoauth2 { username, token: secret.into() },
        _ => Auth::None,
    };
    let relay = Relay {
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::NoneLoopbackOnly,
        auth,
        ca_pem: None,
        hello: Some("client.example".to_owned()),
        longest_wait: Some(Duration::from_millis(60)),
    };
    let Ok(mut session) = Session::open(&relay) else { return };
    for turn in 0..2 {
        let mut noted = false;
        let parcel = Parcel {
            sender: "audit@contoso.example",
            recipient: if choice & 4 == 0 { "a@contoso.example" } else { "\u{fc}@contoso.example" },
            message_id: "<1@contoso.example>",
            bytes: b"Subject: x\n\n.y\nz",
        };
        let refuse = choice & 8 != 0 && turn == 1;
        let outcome = session.send(&parcel, &mut || {
            noted = true;
            if refuse { Err("the disk is full".to_owned()) } else { Ok(()) }
        });
        let arrived = matches!(outcome, Outcome::Delivered(_));
        let may_have = matches!(outcome, Outcome::InDoubt { .. });
        assert!(noted || !arrived && !may_have, "not noted, yet {outcome:?}");
        assert!(!(refuse && noted && (arrived || may_have)), "refused, yet {outcome:?}");
        let text = format!("{outcome:?}");
        assert!(!text.contains(SECRET) && !text.chars().any(char::is_control), "{text}");
        if !session.is_usable() {
            break;
        }
    }
    session.close();
}
