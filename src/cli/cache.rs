//! `intransit cache`

use super::home::{HomeArgs, aligned};
use super::{Done, put, say, show_line, show_lines};
use crate::config::Home;
use crate::cube::{self, Listed, Place};
use crate::failure::Failure;
use crate::render::json::pretty;
use crate::run::plan;

/// What `cache` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the files whose counts are kept
    List(ListArgs),
    /// Remove what is kept; the next report reads all files again
    Clear(ClearArgs),
    /// Read all files again and compare; exit 1 when anything is not as it is kept
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct ClearArgs {
    /// Only what no unchanged file stands for
    #[arg(long)]
    unused: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: HomeArgs,
}

pub(super) fn run(args: &Args) -> Result<Done, Failure> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Clear(args) => clear(args),
        Command::Verify(args) => verify(args),
    }
}

/// The cache of the installation.
fn place(args: &HomeArgs) -> Result<Place, Failure> {
    let home = Home::find(args.config.as_deref())?;
    plan::cache(&home, &home.config, false).ok_or_else(|| {
        let hint = "counts are kept beside an intransit.toml only; name one with --config";
        Failure::usage("no intransit.toml at or above this folder", hint)
    })
}

fn list(args: &ListArgs) -> Result<Done, Failure> {
    let listed = cube::list(&place(&args.home)?)?;
    if args.json {
        put(&pretty(&listed))?;
        return Ok(Done::Well);
    }
    let head = ["file", "kind", "rows", "bytes", "kept", "last used", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(listed.iter().map(row));
    show_lines(&aligned(&rows))?;
    Ok(Done::Well)
}

fn row(listed: &Listed) -> Vec<String> {
    let file = listed.file.as_ref().map(|file| file.display().to_string());
    let state = match (&listed.file, listed.unchanged, listed.stream_of) {
        (None, ..) => "too new to be recognised".to_owned(),
        (.., Some(files)) => format!("end of a log of {files} file(s), goes on there"),
        (Some(_), true, None) => String::new(),
        (Some(_), false, None) => "changed or gone".to_owned(),
    };
    vec![
        file.unwrap_or_else(|| format!("sha256:{}", listed.sha256)),
        listed.kind.name().to_owned(),
        listed.rows.to_string(),
        listed.bytes.to_string(),
        listed.kept_bytes.to_string(),
        listed.used.map(|day| day.to_string()).unwrap_or_default(),
        state,
    ]
}

fn clear(args: &ClearArgs) -> Result<Done, Failure> {
    let cleared = cube::clear(&place(&args.home)?, args.unused)?;
    if args.json {
        put(&pretty(&cleared))?;
    } else {
        say(&format!("removed {} file(s), {} bytes", cleared.files, cleared.bytes));
    }
    Ok(Done::Well)
}

fn verify(args: &VerifyArgs) -> Result<Done, Failure> {
    let verdict = cube::verify(&place(&args.home)?)?;
    if args.json {
        put(&pretty(&verdict))?;
    } else {
        for fault in &verdict.faults {
            show_line(&format!("{}: {}", fault.place, fault.what))?;
        }
        say(&format!(
            "{} read again and the same, {} gone or changed since, {} fault(s)",
            verdict.same,
            verdict.passed,
            verdict.faults.len()
        ));
        if !verdict.ok {
            say("hint: `intransit cache clear` removes all; the next report makes it again");
        }
    }
    Ok(if verdict.ok { Done::Well } else { Done::Finding })
}
