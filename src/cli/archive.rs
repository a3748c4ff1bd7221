//! `intransit archive`

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;

use super::home::{HomeArgs, Installation, aligned};
use super::{Done, put, say, show_line, show_lines};
use crate::archive::export;
use crate::archive::head::{self, Head};
use crate::archive::verify::{self, Known, TruncationProof, Verdict};
use crate::archive::{BAGS, CHAIN};
use crate::clock::Clock;
use crate::failure::{Failure, FailureKind};
use crate::render::json::pretty;
use crate::run::{filing, reproduce, retention};

/// What `archive` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the bags
    List(ListArgs),
    /// Show what a bag holds
    Show(ShowArgs),
    /// Check bags, lists, chain and signatures; exit 1 when anything is wrong
    Verify(VerifyArgs),
    /// Write a copy to hand out: one ZIP file with the instructions on top
    Export(ExportArgs),
    /// Make a filed report again from its inputs and compare it byte for byte
    Reproduce(ReproduceArgs),
    /// Remove bags that were kept long enough; signed tombstones stay
    Prune(PruneArgs),
    /// File the mails and receipts that are in no bag yet, as at the end of a year
    Seal(SealArgs),
}

/// Which archive.
#[derive(Debug, clap::Args)]
struct DirArgs {
    /// Folder of the archive [default: that of the settings]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: DirArgs,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Sequence number
    #[arg(value_name = "SEQ")]
    seq: u64,
    #[command(flatten)]
    dir: DirArgs,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// A head kept elsewhere: a mail that names it (MAIL.eml), or SEQ:HASH (can be repeated)
    #[arg(long, value_name = "ANCHOR")]
    anchor: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: DirArgs,
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// Sequence numbers [default: all]
    #[arg(value_name = "SEQ")]
    seqs: Vec<u64>,
    /// First day of sealing (UTC), instead
    #[arg(long, value_name = "DATE", requires = "to", conflicts_with = "seqs")]
    from: Option<NaiveDate>,
    /// Last day
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// File to write [default: ./evidence-FIRST-LAST.zip]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    dir: DirArgs,
}

#[derive(Debug, clap::Args)]
struct ReproduceArgs {
    /// Sequence number
    #[arg(value_name = "SEQ")]
    seq: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dir: DirArgs,
}

#[derive(Debug, clap::Args)]
struct PruneArgs {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct SealArgs {
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args, clock: Clock) -> Result<Done, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Show(args) => show(args),
        Command::Verify(args) => check(args, clock),
        Command::Export(args) => hand_out(args),
        Command::Reproduce(args) => again(args),
        Command::Prune(args) => prune(args, clock),
        Command::Seal(args) => seal(args, clock),
    }
}

impl DirArgs {
    fn folder(&self) -> Result<PathBuf, Failure> {
        match &self.dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(self.home.read()?.evidence()?.dir),
        }
    }
}

/// The heads of an archive, in order; what is no head is not listed, `verify` names it.
fn heads(archive: &Path) -> Vec<Head> {
    let entries = std::fs::read_dir(archive.join(CHAIN));
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let heads = paths.filter(|path| path.extension().is_some_and(|ending| ending == "head"));
    let read = |path: PathBuf| Head::parse(&std::fs::read_to_string(path).ok()?).ok();
    let mut heads: Vec<Head> = heads.filter_map(read).collect();
    heads.sort_by_key(|head| head.seq);
    heads
}

fn head_of(archive: &Path, seq: u64) -> Result<Head, Failure> {
    let found = heads(archive).into_iter().find(|head| head.seq == seq);
    found.ok_or_else(|| {
        let message = format!("no number {seq} in `{}`", archive.display());
        Failure::usage(message, "`intransit archive list` shows the numbers")
    })
}

#[derive(Debug, Serialize)]
struct Listed {
    seq: u64,
    bag: String,
    run: String,
    time: String,
    head: String,
    signed_by: Option<String>,
    present: bool,
}

fn list(args: &ListArgs) -> Result<Done, Failure> {
    let archive = args.dir.folder()?;
    let listed: Vec<Listed> = heads(&archive)
        .into_iter()
        .map(|head| Listed {
            seq: head.seq,
            run: head.run.clone(),
            time: head.time.clone(),
            head: format!("sha256:{}", head.sha256()),
            signed_by: (head.key != head::UNSIGNED).then(|| head.key.clone()),
            present: archive.join(BAGS).join(&head.bag).is_dir(),
            bag: head.bag,
        })
        .collect();
    if args.json {
        put(&pretty(&listed))?;
        return Ok(Done::Well);
    }
    let row = |listed: &Listed| {
        let state = if listed.present { "" } else { "pruned or missing" };
        let key = listed.signed_by.clone().unwrap_or_else(|| "NOT SIGNED".to_owned());
        vec![listed.bag.clone(), listed.run.clone(), listed.time.clone(), key, state.to_owned()]
    };
    let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
    show_lines(&aligned(&rows))?;
    Ok(Done::Well)
}

fn show(args: &ShowArgs) -> Result<Done, Failure> {
    let archive = args.dir.folder()?;
    let head = head_of(&archive, args.seq)?;
    show_lines(&head.text())?;
    show_line(&format!("head-sha256: {}", head.sha256()))?;
    let manifest = archive.join(BAGS).join(&head.bag).join("manifest-sha256.txt");
    match std::fs::read(&manifest) {
        Ok(manifest) => {
            String::from_utf8_lossy(&manifest).lines().try_for_each(show_line)?;
        }
        Err(error) => say(&format!("note: cannot read `{}`: {error}", manifest.display())),
    }
    Ok(Done::Well)
}

#[derive(Debug, Serialize)]
struct Checked<'a> {
    ok: bool,
    bags: u64,
    heads: u64,
    faults: Vec<Fault<'a>>,
    notes: &'a [String],
    truncation_proof: TruncationProof,
    newest: Option<String>,
    signed_by: &'a [String],
}

#[derive(Debug, Serialize)]
struct Fault<'a> {
    r#where: &'a str,
    what: &'a str,
}

fn check(args: &VerifyArgs, clock: Clock) -> Result<Done, Failure> {
    let anchors: Vec<Known> =
        args.anchor.iter().map(|text| anchor(text)).collect::<Result<_, _>>()?;
    let (archive, known, overdue) = if let Some(dir) = &args.dir.dir {
        (dir.clone(), Vec::new(), Vec::new())
    } else {
        let installation = args.dir.home.read()?;
        let ledger = installation.ledger()?;
        let heads = ledger.as_ref().map_or(Ok(Vec::new()), crate::ledger::Ledger::heads)?;
        let known = heads.into_iter().map(|head| Known { seq: head.seq, head_sha256: head.sha256 });
        let overdue = retention::overdue(&installation.plans, ledger.as_ref(), clock.now())?;
        (installation.evidence()?.dir, known.collect(), overdue)
    };
    let mut verdict = verify::verify(&archive, &known, &anchors).map_err(|error| {
        Failure::said(FailureKind::Internal, &[format!("error: {}", crate::run::chain(&error))])
    })?;
    verdict.notes.extend(overdue);
    show_verdict(&verdict, args.json)?;
    Ok(if verdict.faults.is_empty() { Done::Well } else { Done::Finding })
}

/// Exactly what was found, and what it proves.
fn show_verdict(verdict: &Verdict, json: bool) -> Result<(), Failure> {
    let newest = verdict.newest.as_ref().map(|(seq, sha256)| format!("{seq:06} sha256:{sha256}"));
    if json {
        return put(&pretty(&Checked {
            ok: verdict.faults.is_empty(),
            bags: verdict.bags,
            heads: verdict.heads,
            faults: verdict
                .faults
                .iter()
                .map(|fault| Fault { r#where: &fault.place, what: &fault.what })
                .collect(),
            notes: &verdict.notes,
            truncation_proof: verdict.truncation_proof,
            newest,
            signed_by: &verdict.signed_by,
        }));
    }
    for fault in &verdict.faults {
        say(&format!("FAULT {}: {}", fault.place, fault.what));
    }
    for note in &verdict.notes {
        say(&format!("note: {note}"));
    }
    let newest = newest.unwrap_or_else(|| "none".to_owned());
    let count = verdict.faults.len();
    let word = if count == 0 { "OK".to_owned() } else { format!("{count} fault(s)") };
    show_line(&format!("{word}: {} bags, newest head {newest}", verdict.bags))?;
    put(match verdict.truncation_proof {
        TruncationProof::Anchor => "that nothing was cut off is proven by the anchor\n".as_bytes(),
        TruncationProof::Ledger => {
            b"that nothing was cut off is shown by this installation's ledger\n"
        }
        // What is known elsewhere may be what names the fault.
        TruncationProof::None if count > 0 => {
            b"whether something was cut off at the end is NOT proven: see the faults\n"
        }
        TruncationProof::None => {
            b"whether something was cut off at the end is NOT proven: give --anchor\n"
        }
    })
}

fn anchor(text: &str) -> Result<Known, Failure> {
    let known = match std::fs::read(text) {
        Ok(mail) => verify::anchor_of_mail(&mail),
        Err(_) => verify::parse_anchor(text),
    };
    known.ok_or_else(|| {
        let hint = "give a mail with the header X-Intransit-Head, or SEQ:HASH";
        Failure::usage(format!("`{text}` is no anchor"), hint)
    })
}

fn hand_out(args: &ExportArgs) -> Result<Done, Failure> {
    let archive = args.dir.folder()?;
    let heads = heads(&archive);
    for seq in &args.seqs {
        head_of(&archive, *seq)?;
    }
    let day = |head: &Head| head.time.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
    let meant = |head: &&Head| match (args.from, args.to) {
        (Some(from), Some(to)) => day(head).is_some_and(|day| from <= day && day <= to),
        _ => args.seqs.is_empty() || args.seqs.contains(&head.seq),
    };
    let chosen: Vec<&Head> = heads.iter().filter(meant).collect();
    let present = |head: &&&Head| archive.join(BAGS).join(&head.bag).is_dir();
    let bags: Vec<String> = chosen.iter().filter(present).map(|head| head.bag.clone()).collect();
    let (Some(first), Some(last)) = (chosen.first(), chosen.last()) else {
        let hint = "`intransit archive list` shows what there is";
        return Err(Failure::usage("no bag was sealed then", hint));
    };
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("evidence-{:06}-{:06}.zip", first.seq, last.seq)));
    export::export(&archive, &bags, &out).map_err(crate::run::engine::EngineError::from)?;
    say(&format!("wrote {} ({} bags)", out.display(), bags.len()));
    Ok(Done::Well)
}

fn again(args: &ReproduceArgs) -> Result<Done, Failure> {
    let archive = args.dir.folder()?;
    let head = head_of(&archive, args.seq)?;
    let comparison = reproduce::reproduce(&archive.join(BAGS).join(&head.bag))?;
    if args.json {
        put(&pretty(&comparison))?;
    } else {
        for file in &comparison.same {
            show_line(&format!("same: {file}"))?;
        }
        for difference in &comparison.different {
            show_line(&format!("DIFFERENT: {}: {}", difference.file, difference.what))?;
        }
        if let Some((filed, made)) = &comparison.versions {
            say(&format!(
                "note: filed by {filed}, made again by {made}: differences may come from that"
            ));
        }
    }
    Ok(if comparison.different.is_empty() { Done::Well } else { Done::Finding })
}

fn prune(args: &PruneArgs, clock: Clock) -> Result<Done, Failure> {
    super::home::log(false, false);
    let installation = args.home.read()?;
    let evidence = installation.evidence()?;
    let old = retention::due(&evidence, &heads(&evidence.dir), clock.now());
    if old.is_empty() {
        say(&format!("nothing is older than {}", evidence.keep.text()));
        return Ok(Done::Well);
    }
    for head in &old {
        show_line(&head.bag)?;
    }
    if args.dry_run {
        return Ok(Done::Well);
    }
    let mut engine = installation.engine("archive prune", clock)?;
    let organisation = organisation(&installation);
    retention::prune(&mut engine, &evidence, &old, &organisation, clock)?;
    say(&format!("{} bag(s) removed; their tombstones are sealed", old.len()));
    Ok(Done::Well)
}

fn seal(args: &SealArgs, clock: Clock) -> Result<Done, Failure> {
    super::home::log(false, false);
    let installation = args.home.read()?;
    let evidence = installation.evidence()?;
    let mut engine = installation.engine("archive seal", clock)?;
    let organisation = organisation(&installation);
    let sealed = engine.file_by_hand("closing", &evidence, |run, place, _, mut files| {
        files
            .push(crate::archive::File::new("closing.txt", closing(&run.key.nominal, files.len())));
        Ok(filing::closing_bag(place.seq, &run.key, &organisation, clock, files))
    })?;
    show_line(&sealed.path.display().to_string())?;
    show_line(&format!("{:06} sha256:{}", sealed.head.seq, sealed.head.sha256()))?;
    Ok(Done::Well)
}

fn closing(time: &str, files: usize) -> Vec<u8> {
    format!(
        "Closed {time} UTC by {}: {files} file(s) of mail that was in no bag.\n",
        filing::person()
    )
    .into_bytes()
}

fn organisation(installation: &Installation) -> String {
    let named = installation.home.config.report.organisation.clone();
    named.unwrap_or_else(|| crate::run::settings::ORGANISATION.to_owned())
}
