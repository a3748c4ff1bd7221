//! Where the settings lie: one `intransit.toml`, and beside it `schedules/*.toml`.
//!
//! A schedule's own file says what differs: tables are merged key by key, lists are replaced
//! whole. Each file is checked by itself first, so that an error names its line.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, FILE_NAME, SourceConfig, nearest, parse, read_text};

/// Longest name of a schedule.
const MAX_NAME: usize = 80;
/// Folder of the schedules, beside `intransit.toml`.
pub const SCHEDULES: &str = "schedules";

/// An installation: the folder from which paths go, and its settings.
#[derive(Debug, Clone)]
pub struct Home {
    /// Folder of `intransit.toml`, or the working folder.
    pub root: PathBuf,
    /// The settings file, where there is one.
    pub file: Option<PathBuf>,
    /// Its settings, or the embedded defaults.
    pub config: Config,
    table: toml::Table,
}

/// One schedule with the installation's settings under its own.
#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// Name of the file without its ending.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// The merged settings.
    pub config: Config,
    /// The merged settings as TOML, for the record.
    pub text: String,
}

impl Home {
    /// The installation of `given`, else the nearest at or above the working folder, else
    /// the embedded defaults with the working folder as root.
    ///
    /// # Errors
    /// [`ConfigError`] when the settings cannot be read.
    pub fn find(given: Option<&Path>) -> Result<Self, ConfigError> {
        let here = Path::new(".");
        let found = given.map(Path::to_owned).or_else(|| {
            let folder = std::env::current_dir().ok()?;
            let file = Config::find(&folder)?;
            // In the working folder itself short names do.
            Some(file.strip_prefix(&folder).map(Path::to_owned).unwrap_or(file))
        });
        let Some(file) = found else {
            return Ok(Self {
                root: here.to_owned(),
                file: None,
                config: Config::default(),
                table: toml::Table::new(),
            });
        };
        let config = Config::read(&file)?;
        if config.cron.is_some() {
            let hint = format!("a cron line belongs into a file of its own, {SCHEDULES}/NAME.toml");
            return Err(ConfigError::value(&file, "cron", "no schedule by itself", hint));
        }
        let table = parse(&read_text(&file)?, &file)?;
        let root = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let root = root.unwrap_or(here).to_owned();
        Ok(Self { root, file: Some(file), config, table })
    }

    /// A path of the settings, from the root.
    pub fn path(&self, text: &str) -> PathBuf {
        if self.root == Path::new(".") { PathBuf::from(text) } else { self.root.join(text) }
    }

    /// The schedule files, by name.
    ///
    /// # Errors
    /// [`ConfigError::Read`] when the folder cannot be read; a missing one is empty.
    pub fn schedule_files(&self) -> Result<Vec<PathBuf>, ConfigError> {
        let folder = self.path(SCHEDULES);
        let fail = |source| ConfigError::Read { path: folder.clone(), source };
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(fail)?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|extension| extension == "toml") && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The schedule of a name, or of a file.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none, or its file cannot be used.
    pub fn schedule(&self, name_or_file: &str) -> Result<ScheduleSettings, ConfigError> {
        let named = self.path(SCHEDULES).join(format!("{name_or_file}.toml"));
        let path = PathBuf::from(name_or_file);
        let is_file = path.extension().is_some_and(|extension| extension == "toml");
        if named.is_file() {
            return self.read_schedule(&named);
        }
        if is_file && path.is_file() {
            return self.read_schedule(&path);
        }
        let files = self.schedule_files()?;
        let names: Vec<String> = files.iter().map(|file| stem(file)).collect();
        Err(ConfigError::NoSchedule {
            name: name_or_file.to_owned(),
            folder: self.path(SCHEDULES),
            nearest: nearest(name_or_file, names.iter().map(String::as_str)),
        })
    }

    /// Reads one schedule file and puts the installation's settings under its own.
    ///
    /// # Errors
    /// [`ConfigError`] with file, line and key.
    pub fn read_schedule(&self, file: &Path) -> Result<ScheduleSettings, ConfigError> {
        let name = stem(file);
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        // It is part of the names of bags, whose length is limited.
        let fits = name.len() <= MAX_NAME && !name.starts_with('.') && name.chars().all(plain);
        if name.is_empty() || !fits {
            let hint = "name the file with letters, digits, - _ and . only, at most 80 of them";
            return Err(ConfigError::value(file, "name", format!("`{name}`"), hint));
        }
        let text = read_text(file)?;
        drop(parse::<Config>(&text, file)?);
        let mut table = self.table.clone();
        merge(&mut table, parse::<toml::Table>(&text, file)?);
        let text = table.to_string();
        let config = Config::parse(&text, file)?;
        Ok(ScheduleSettings { name, file: file.to_owned(), config, text })
    }

    /// The installation's settings as TOML with these sources in the place of its own, for
    /// the record of a report on demand.
    pub fn text_with(&self, sources: &[SourceConfig]) -> String {
        let mut table = self.table.clone();
        // Plain structs of texts cannot fail to become TOML.
        if let Ok(sources) = toml::Value::try_from(sources) {
            table.insert("source".to_owned(), sources);
        }
        table.to_string()
    }

    /// The settings file's name for messages.
    pub fn file_name(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| PathBuf::from(FILE_NAME))
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Lays `over` on `under`: tables key by key, everything else replaced.
fn merge(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Home, ConfigError>) {
        let folder = tempfile::tempdir().unwrap();
        store::create_folder(&folder.path().join(SCHEDULES)).unwrap();
        for (name, text) in files {
            store::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        let home = Home::find(Some(&folder.path().join(FILE_NAME)));
        (folder, home)
    }

    #[test]
    fn a_schedule_says_only_what_differs() {
        let (_folder, home) = home(&[
            ("intransit.toml", "timezone = \"UTC\"\n[mail]\nfolder = \"a\"\nmax_megabytes = 3\n"),
            ("schedules/weekly.toml", "cron = \"0 7 * * MON\"\n[mail]\nfolder = \"b\"\n"),
        ]);
        let schedule = home.unwrap().schedule("weekly").unwrap();
        assert_eq!(schedule.config.timezone.as_deref(), Some("UTC"));
        assert_eq!(schedule.config.mail.folder, "b");
        assert_eq!(schedule.config.mail.max_megabytes, 3);
    }

    #[test]
    fn an_error_names_the_file_that_holds_it() {
        let (_folder, home) = home(&[
            ("intransit.toml", "timezone = \"UTC\"\n"),
            ("schedules/weekly.toml", "cron = \"0 7 * * MON\"\n\n[mail]\nfoldr = \"b\"\n"),
        ]);
        let error = home.unwrap().schedule("weekly").unwrap_err().to_string();
        assert!(error.contains("weekly.toml") && error.contains("line 4"), "{error}");
    }

    #[test]
    fn an_unknown_schedule_is_answered_with_the_nearest() {
        let (_folder, home) = home(&[
            ("intransit.toml", ""),
            ("schedules/weekly-audit.toml", "cron = \"0 7 * * MON\"\n"),
        ]);
        let error = home.unwrap().schedule("weekly-adit").unwrap_err();
        let ConfigError::NoSchedule { nearest, .. } = error else { panic!("{error}") };
        assert_eq!(nearest.as_deref(), Some("weekly-audit"));
    }

    #[test]
    fn a_cron_line_in_the_installation_is_refused() {
        let (_folder, home) = home(&[("intransit.toml", "cron = \"0 7 * * MON\"\n")]);
        assert!(home.unwrap_err().to_string().contains("cron"));
    }
}
