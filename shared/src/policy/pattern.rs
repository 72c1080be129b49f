//! Sets of tool-name patterns: exact names in a hash set, `*` globs in a list.

use foldhash::HashSet;

#[derive(Debug, Default)]
pub(super) struct PatternSet {
    exact: HashSet<Box<str>>,
    globs: Vec<Box<str>>,
}

impl PatternSet {
    pub(super) fn compile(patterns: &[String]) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            if pattern.contains('*') {
                set.globs.push(pattern.as_str().into());
            } else {
                set.exact.insert(pattern.as_str().into());
            }
        }
        set
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        (!self.exact.is_empty() && self.exact.contains(name))
            || self
                .globs
                .iter()
                .any(|glob| glob_matches(glob.as_bytes(), name.as_bytes()))
    }
}

/// Matches `*` against any run of bytes, everything else byte by byte. Linear but for one point of
/// return: at most `pattern × name` steps, both bounded by 128.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == Some(&name[read]) {
            at += 1;
            read += 1;
        } else if let Some((star_at, star_read)) = star {
            at = star_at + 1;
            read = star_read + 1;
            star = Some((star_at, read));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, slowly: try every split of the name for each star.
    fn reference(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|from| reference(rest, &name[from..])),
            Some((byte, rest)) => name
                .split_first()
                .is_some_and(|(first, name)| first == byte && reference(rest, name)),
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_defined(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(glob_matches(pattern.as_bytes(), name.as_bytes()), reference(pattern.as_bytes(), name.as_bytes()));
        }
    }

    #[test]
    fn a_pattern_is_case_sensitive_and_anchored() {
        let set = PatternSet::compile(&["get_*".into(), "list".into()]);
        for (name, expected) in [
            ("get_", true),
            ("get_x", true),
            ("Get_x", false),
            ("list", true),
            ("lists", false),
            ("alist", false),
        ] {
            assert_eq!(set.matches(name), expected, "{name}");
        }
    }
}
