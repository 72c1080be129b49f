//! Texts that people read: short, and without characters that could disguise them.

/// Longest label, in characters.
const MAX_LABEL: usize = 200;

/// Longest prose, in characters.
const MAX_PROSE: usize = 4000;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextError {
    /// It has too many characters.
    #[error("must be at most {0} characters")]
    TooLong(usize),
    /// It has characters that do not show, or that turn others around.
    #[error("must not have control characters")]
    Control,
}

/// A name shown to people, on one line.
///
/// # Errors
/// [`TextError`].
pub(super) fn label(text: &str) -> Result<(), TextError> {
    check(text, MAX_LABEL, |_| false)
}

/// A description, on several lines.
///
/// # Errors
/// [`TextError`].
pub(super) fn prose(text: &str) -> Result<(), TextError> {
    check(text, MAX_PROSE, |character| {
        matches!(character, '\n' | '\r' | '\t')
    })
}

fn check(text: &str, limit: usize, allowed: fn(char) -> bool) -> Result<(), TextError> {
    if text.chars().count() > limit {
        return Err(TextError::TooLong(limit));
    }
    if text
        .chars()
        .any(|character| !allowed(character) && is_invisible(character))
    {
        return Err(TextError::Control);
    }
    Ok(())
}

/// Control characters, and the marks that change the direction of text.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_all_that_it_has() {
        assert_eq!(label("Ünïcode — läbel"), Ok(()));
        assert_eq!(label("a\nb"), Err(TextError::Control));
        assert_eq!(prose("a\nb"), Ok(()));
        for text in ["a\0", "a\u{1b}[31m", "a\u{202e}b"] {
            assert_eq!(prose(text), Err(TextError::Control), "{text:?}");
        }
        assert_eq!(label(&"a".repeat(201)), Err(TextError::TooLong(200)));
    }
}
