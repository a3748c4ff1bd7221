//! An installation in a folder that goes away with the test: settings, one schedule, traces.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::NaiveDate;
use mail_parser::MimeHeaders;
use serde_json::Value;

use crate::support::{Folder, detail, program, text};

/// The schedule of these tests: Mondays at seven in São Paulo, three hours behind UTC.
pub(crate) const WEEKLY: &str = r#"
cron = "0 7 * * MON"
timezone = "America/Sao_Paulo"
periods = ["week"]

[[source]]
path = "traces/*.csv"

[[recipient]]
address = "auditor@contoso.example"
attach = ["pdf", "csv"]

[[recipient]]
address = "officer@contoso.example"
"#;

pub(crate) struct Office {
    pub(crate) folder: Folder,
}

impl Office {
    /// An office with the schedule `weekly` and mail of every day from October to December.
    pub(crate) fn new() -> Self {
        Self::with(WEEKLY)
    }

    pub(crate) fn with(schedule: &str) -> Self {
        let office = Self { folder: Folder::new() };
        let settings = "[report]\norganisation = \"Contoso\"\n\n\
                        [mail]\nfrom = \"Mail audit <mail-audit@contoso.example>\"\n";
        office.folder.add("intransit.toml", settings);
        office.folder.add("schedules/weekly.toml", schedule);
        office.traces("2026-10-01", "2026-12-20");
        office
    }

    /// Puts one file of traces in the place of all: two messages a day at noon UTC.
    pub(crate) fn traces(&self, first: &str, last: &str) {
        let (first, last): (NaiveDate, NaiveDate) = (first.parse().unwrap(), last.parse().unwrap());
        let days = first.iter_days().take_while(|day| *day <= last);
        let rows: Vec<String> = days
            .flat_map(|day| {
                [
                    format!(
                        "{day}T12:00:00Z,a{day},Inbound,Fabrikam,TLS1.2,a@x.example,b@y.example"
                    ),
                    format!("{day}T12:30:00Z,b{day},Outbound,,TLS1.3,b@y.example,a@x.example"),
                ]
            })
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let path = self.folder.add("traces/all.csv", detail(&rows));
        // A file that was only just written is looked into again: what a report costs would
        // depend on how fast the test is.
        let an_hour_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(an_hour_ago).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, now: &str, args: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(self.folder.path()).args(["--now", now]).args(args);
        command
    }

    /// Runs the program at an instant.
    pub(crate) fn at(&self, now: &str, args: &[&str]) -> Output {
        self.command(now, args).output().unwrap()
    }

    /// Runs the program at an instant; it must end with this exit code. Gives its stderr.
    pub(crate) fn ends(&self, code: i32, now: &str, args: &[&str]) -> String {
        let output = self.at(now, args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}\n{}", text(&output.stdout));
        said
    }

    /// What a listing command prints, whatever its exit code.
    pub(crate) fn json(&self, now: &str, args: &[&str]) -> Value {
        let output = self.at(now, &[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
    }

    /// The bags, by name.
    pub(crate) fn bags(&self) -> Vec<String> {
        names(&self.path("evidence/bags"))
    }

    /// A file of a bag.
    pub(crate) fn filed(&self, bag: &str, name: &str) -> Vec<u8> {
        std::fs::read(self.path("evidence/bags").join(bag).join("data").join(name)).unwrap()
    }

    pub(crate) fn report(&self, bag: &str) -> Value {
        serde_json::from_slice(&self.filed(bag, "report.json")).unwrap()
    }

    /// The messages of the outbox folder, by name; what is still being written beside them has
    /// another ending and is none yet.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let folder = self.path("outbox");
        let mut names = names(&folder);
        names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "eml"));
        names.iter().map(|name| Mail::read(&folder.join(name))).collect()
    }

    pub(crate) fn mail_to(&self, recipient: &str) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.to == recipient).collect()
    }

    /// Runs of the ledger as `nominal state`, in the order in which they were due.
    pub(crate) fn runs(&self) -> Vec<String> {
        let sql = "SELECT nominal || ' ' || state FROM run ORDER BY due_at, nominal, revision";
        self.select(sql)
    }

    /// The first column of a query on the ledger.
    pub(crate) fn select(&self, sql: &str) -> Vec<String> {
        let ledger = rusqlite::Connection::open(self.path("state/ledger.db")).unwrap();
        let mut statement = ledger.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// The names in a folder, sorted; none where there is no folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A message as a program of somebody else reads it.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// Name and content.
    pub(crate) attachments: Vec<(String, Vec<u8>)>,
    pub(crate) auto_submitted: String,
}

impl Mail {
    pub(crate) fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read(path).unwrap())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let message = mail_parser::MessageParser::default().parse(bytes).unwrap();
        let attachments = message
            .attachments()
            .map(|part| (part.attachment_name().unwrap().to_owned(), part.contents().to_vec()));
        Self {
            id: message.message_id().unwrap().to_owned(),
            to: message.to().unwrap().first().unwrap().address().unwrap().to_owned(),
            subject: message.subject().unwrap().to_owned(),
            text: message.body_text(0).unwrap().into_owned(),
            html: message.body_html(0).unwrap().into_owned(),
            attachments: attachments.collect(),
            auto_submitted: message.header("Auto-Submitted").unwrap().as_text().unwrap().to_owned(),
        }
    }
}
