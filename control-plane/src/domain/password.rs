//! What a password has to be: long, and not one that everybody tries first. Nothing about its characters
//! (NIST SP 800-63B section 3.1.1.2).

/// Shortest password, in characters.
pub const SHORTEST: usize = 15;

/// Longest password, in characters.
pub const LONGEST: usize = 128;

/// Long passwords that are tried first.
const COMMON: &str = include_str!("common_passwords.txt");

/// Why a password is not accepted. Never says which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// It is too short or too long.
    #[error("must have {SHORTEST} to {LONGEST} characters")]
    Length,
    /// It is one of those that are tried first.
    #[error("is one of the most common passwords, or repeats a few characters: choose another")]
    Common,
}

/// Checks a password that somebody wants to have.
///
/// # Errors
/// [`WeakPassword`].
pub fn check(password: &str) -> Result<(), WeakPassword> {
    if !(SHORTEST..=LONGEST).contains(&password.chars().count()) {
        return Err(WeakPassword::Length);
    }
    let lower = password.to_lowercase();
    if COMMON.lines().any(|common| common == lower) || repeats(&lower) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

/// Whether it is a few characters over and over.
fn repeats(password: &str) -> bool {
    let characters: Vec<char> = password.chars().collect();
    (1..=4).any(|period| {
        characters
            .iter()
            .zip(characters.iter().skip(period))
            .all(|(one, next)| one == next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t61_a_password_is_long_and_not_a_common_one() {
        for good in [
            "a lamp by the river",
            "ünïcödé-ünïcödé",
            &"xq7".repeat(20).replacen('x', "y", 3),
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "fourteen chars", &"ab cd".repeat(26)] {
            assert_eq!(check(bad), Err(WeakPassword::Length), "{bad}");
        }
        for bad in [
            "PasswordPassword",
            "correcthorsebatterystaple",
            "aaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
        ] {
            assert_eq!(check(bad), Err(WeakPassword::Common), "{bad}");
        }
        assert!(COMMON.lines().all(|line| line.chars().count() >= SHORTEST));
    }
}
