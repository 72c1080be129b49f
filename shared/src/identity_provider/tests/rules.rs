//! What a provider may demand of its tokens.

use super::*;
use crate::proto::v1;

#[test]
fn t03_times_are_whole_numbers_and_hold_within_the_leeway() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let provider = provider(&keys.jwks());
    let at = now.timestamp();
    let verify = |name: &str, value: Value| {
        let claims = with(claims(now), name, value);
        provider
            .verify(&keys.sign(&header("ES256", "ec"), &claims.to_string()), now)
            .map(drop)
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "exact for seconds"
    )]
    let pointed = json!(at as f64 + 60.0);
    assert_eq!(verify("exp", pointed), Ok(()));
    assert_eq!(verify("exp", json!(at - LEEWAY_SECONDS + 1)), Ok(()));
    assert_eq!(
        verify("exp", json!(at - LEEWAY_SECONDS)),
        Err(TokenError::Expired)
    );
    assert_eq!(verify("nbf", json!(at + LEEWAY_SECONDS)), Ok(()));
    assert_eq!(
        verify("nbf", json!(at + LEEWAY_SECONDS + 1)),
        Err(TokenError::NotYetValid)
    );
    assert_eq!(
        verify("iat", json!(at + LEEWAY_SECONDS + 1)),
        Err(TokenError::NotYetValid)
    );
    let proof = provider.verify(&keys.good(now), now).expect("good");
    let later = now + chrono::Duration::seconds(3660 + LEEWAY_SECONDS);
    assert_eq!(proof.check_time(later), Err(TokenError::Expired));
    assert_eq!(
        proof.check_time(later - chrono::Duration::seconds(1)),
        Ok(())
    );
}

#[test]
fn t06_required_claims_are_compared_whole() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let mut provider = provider(&keys.jwks());
    let path = "org/tier".parse().expect("a path");
    provider
        .required_claims
        .insert(path, vec![json!("gold"), json!(1), json!(true)]);
    let verify = |org: Value| {
        let claims = with(claims(now), "org", org);
        provider
            .verify(&keys.sign(&header("ES256", "ec"), &claims.to_string()), now)
            .map(drop)
    };
    for good in [
        json!("gold"),
        json!(1),
        json!(true),
        json!(["silver", "gold"]),
    ] {
        assert_eq!(verify(json!({"tier": good})), Ok(()), "{good}");
    }
    for bad in [
        json!("Gold"),
        json!("golden"),
        json!("1"),
        json!(2),
        json!([]),
        json!(["g", "old"]),
        json!(null),
        json!({"gold": 1}),
    ] {
        assert_eq!(
            verify(json!({"tier": bad})),
            Err(TokenError::RequiredClaims),
            "{bad}"
        );
    }
    assert_eq!(verify(json!("gold")), Err(TokenError::RequiredClaims));
}

#[test]
fn t04_an_id_token_is_for_one_client_and_one_sign_in() {
    let (keys, now) = (Keys::new(), Clock::system().now());
    let provider = provider(&keys.jwks());
    let claims = with(
        with(claims(now), "aud", json!("warder")),
        "nonce",
        json!("n-1"),
    );
    let verify = |claims: &Value| {
        let header = json!({"alg": "RS256", "kid": "rsa"});
        let token = keys.sign(&header, &claims.to_string());
        provider
            .verify_id_token(&token, "warder", "n-1", now)
            .map(|assertion| assertion.subject)
    };
    assert_eq!(verify(&claims), Ok("alice".into()));
    let both = with(claims.clone(), "aud", json!(["warder", "x"]));
    assert_eq!(verify(&both), Err(TokenError::Audience));
    assert_eq!(
        verify(&with(both, "azp", json!("warder"))),
        Ok("alice".into())
    );
    assert_eq!(
        verify(&with(claims.clone(), "azp", json!("x"))),
        Err(TokenError::Audience)
    );
    assert_eq!(
        verify(&with(claims.clone(), "aud", json!(AUDIENCE))),
        Err(TokenError::Audience)
    );
    assert_eq!(
        verify(&with(claims.clone(), "nonce", json!("n-2"))),
        Err(TokenError::Claims)
    );
    assert_eq!(
        verify(&with(claims.clone(), "events", json!({}))),
        Err(TokenError::Claims)
    );
    assert_eq!(
        verify(&with(claims.clone(), "iss", json!("x"))),
        Err(TokenError::Issuer)
    );
    assert_eq!(
        verify(&with(claims, "exp", json!(1))),
        Err(TokenError::Expired)
    );
}

#[test]
fn a_provider_survives_the_wire() {
    let keys = Keys::new();
    let mut provider = provider(&keys.jwks());
    let path = "a/b~1c".parse().expect("a path");
    provider
        .required_claims
        .insert(path, vec![json!("x"), json!(1)]);
    let wire = v1::IdentityProvider::from(&provider);
    let read = Provider::try_from(&wire).expect("reads");
    assert_eq!(v1::IdentityProvider::from(&read), wire);
    assert_eq!(
        (read.keys.len(), read.token_types),
        (3, provider.token_types)
    );
    for broken in [
        v1::IdentityProvider {
            resolve_to: None,
            ..wire.clone()
        },
        v1::IdentityProvider {
            algorithms: vec!["HS256".into()],
            ..wire.clone()
        },
        v1::IdentityProvider {
            id: "x".into(),
            ..wire.clone()
        },
    ] {
        assert!(Provider::try_from(&broken).is_err());
    }
    let without_keys = v1::IdentityProvider {
        jwks: Vec::new(),
        ..wire
    };
    assert!(
        Provider::try_from(&without_keys)
            .expect("reads")
            .keys
            .is_empty()
    );
}
