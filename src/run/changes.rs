//! What changed in the settings between two runs of a schedule.

use std::collections::BTreeSet;

use crate::config;
use crate::report::SettingChange;

/// The settings that differ, by key. `None` where one of the texts is no settings.
pub(super) fn changes(before: &str, after: &str) -> Option<Vec<SettingChange>> {
    let (before, after) = (config::flat(before)?, config::flat(after)?);
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |key: &String| SettingChange {
        key: key.clone(),
        before: before.get(key).cloned(),
        after: after.get(key).cloned(),
    };
    let all = keys.into_iter().map(change);
    Some(all.filter(|change| change.before != change.after).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_an_added_and_a_removed_key_are_named() {
        let before = "a = 1\n[insights]\nno_tls_percent = 25\n[[source]]\npath = \"x\"\n";
        let after = "b = 2\n[insights]\nno_tls_percent = 50\n[[source]]\npath = \"x\"\n";
        let found = changes(before, after).unwrap();
        let found: Vec<(&str, Option<&str>, Option<&str>)> = found
            .iter()
            .map(|c| (c.key.as_str(), c.before.as_deref(), c.after.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("a", Some("1"), None),
                ("b", None, Some("2")),
                ("insights.no_tls_percent", Some("25"), Some("50")),
            ]
        );
        assert_eq!(changes(before, before), Some(Vec::new()));
        assert_eq!(changes("no settings", after), None);
    }
}
