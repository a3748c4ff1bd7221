//! `[branding]`, read from its files and checked; errors name file and key.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::config::{BrandingConfig, ConfigError, Home};
use crate::render::branding::{Accent, Branding, Logo, Templates, logo, templates};

/// Deepest folder of templates: `mail`.
const MAX_DEPTH: usize = 1;

/// Reads `[branding]`, and tries its templates on examples.
///
/// # Errors
/// [`ConfigError::Value`] naming file and key, and of a logo or template its line.
pub fn read(home: &Home, config: &BrandingConfig, file: &Path) -> Result<Branding, ConfigError> {
    let fault = |key: &str, found: String, hint: &str| ConfigError::value(file, key, found, hint);
    let accent = given(config.accent.as_ref()).map(Accent::read).transpose();
    let folder = given(config.templates.as_ref());
    let key = "branding.templates";
    let templates = folder.map(|folder| read_templates(home, folder)).transpose();
    let hint = "docs/templates.md says what templates may be, and what they may show";
    let branding = Branding {
        logo: logo_at(home, config.logo.as_ref(), "branding.logo", file)?,
        logo_png: logo_at(home, config.logo_png.as_ref(), "branding.logo_png", file)?,
        accent: accent
            .map_err(|error| fault("branding.accent", error.to_string(), &error.hint()))?,
        templates: templates.map_err(|found| fault(key, found, hint))?.unwrap_or_default(),
    };
    if branding.logo_png.as_ref().is_some_and(|logo| logo.picture.is_none()) {
        let found = format!("`{}` is no PNG", config.logo_png.as_deref().unwrap_or_default());
        return Err(fault("branding.logo_png", found, "an SVG goes into branding.logo"));
    }
    branding.try_out().map_err(|error| fault(key, error.to_string(), hint))?;
    Ok(branding)
}

/// A value; an empty one takes away what the installation says.
fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn logo_at(
    home: &Home,
    path: Option<&String>,
    key: &str,
    file: &Path,
) -> Result<Option<Logo>, ConfigError> {
    let Some(path) = given(path) else { return Ok(None) };
    let bytes = bounded(&home.path(path), logo::MAX_BYTES).map_err(|error| {
        let hint = "the path goes from the folder of intransit.toml";
        ConfigError::value(file, key, format!("cannot read `{path}`: {error}"), hint)
    })?;
    let logo = Logo::read(bytes).map_err(|error| {
        let hint = error.hint();
        ConfigError::value(file, key, format!("`{path}`: {}", super::chain(&error)), hint)
    })?;
    Ok(Some(logo))
}

/// A file, or as much of it as shows that it is too long.
fn bounded(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_templates(home: &Home, folder: &str) -> Result<Templates, String> {
    let mut files = BTreeMap::new();
    gather(&home.path(folder), "", 0, &mut files)
        .map_err(|(name, why)| format!("cannot read `{folder}{name}`: {why}"))?;
    if files.is_empty() {
        return Err(format!("`{folder}` holds no template"));
    }
    Templates::new(folder.to_owned(), files).map_err(|fault| fault.to_string())
}

/// The files of a folder by their names from it; those that a dot hides are none of ours.
fn gather(
    folder: &Path,
    prefix: &str,
    depth: usize,
    into: &mut BTreeMap<String, String>,
) -> Result<(), (String, String)> {
    let fail = |name: &str, why: String| (format!("/{prefix}{name}"), why);
    let entries = std::fs::read_dir(folder).map_err(|error| fail("", error.to_string()))?;
    for entry in entries {
        let entry = entry.map_err(|error| fail("", error.to_string()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() && depth < MAX_DEPTH {
            gather(&path, &format!("{prefix}{name}/"), depth + 1, into)?;
            continue;
        }
        let bytes = bounded(&path, templates::MAX_BYTES);
        let bytes = bytes.map_err(|error| fail(&name, error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| fail(&name, "no UTF-8".to_owned()))?;
        into.insert(format!("{prefix}{name}"), text);
    }
    Ok(())
}
