//! The one place a token may come in: a single `Authorization: Bearer …` header (RFC 6750 section 2.1).

use http::{HeaderMap, header};

use super::Unauthenticated;

/// The bearer token of a request.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Unauthenticated> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Unauthenticated::Missing)?;
    if values.next().is_some() {
        return Err(Unauthenticated::Ambiguous);
    }
    let value = value.to_str().map_err(|_| Unauthenticated::Invalid)?;
    let (scheme, token) = value.split_once(' ').ok_or(Unauthenticated::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unauthenticated::Missing);
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if token.is_empty() || !token.bytes().all(is_token) {
        return Err(Unauthenticated::Invalid);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        token(&headers)
            .map(str::to_owned)
            .map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn t09_a_token_comes_in_one_bearer_header() {
        assert_eq!(read(&["Bearer a.b-c_d"]), Ok("a.b-c_d".into()));
        assert_eq!(read(&["bearer a"]), Ok("a".into()));
        let refused: [(&[&str], &str); 9] = [
            (&[], "Missing"),
            (&["Basic dXNlcg=="], "Missing"),
            (&["a.b.c"], "Missing"),
            (&["Bearer"], "Missing"),
            (&["Bearer "], "Invalid"),
            (&["Bearer  a"], "Invalid"),
            (&["Bearer a, Bearer b"], "Invalid"),
            (&["Bearer a\t"], "Invalid"),
            (&["Bearer a", "Bearer a"], "Ambiguous"),
        ];
        for (values, expected) in refused {
            assert_eq!(read(values), Err(expected.into()), "{values:?}");
        }
    }
}
