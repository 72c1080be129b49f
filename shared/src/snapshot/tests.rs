use super::*;
use crate::{
    clock::Clock,
    principal::Principal,
    token::{Claims, TokenKind},
};

fn claims(sub: Principal, clock: &Clock) -> Proof {
    let at = clock.now().timestamp();
    let kind = if matches!(sub, Principal::User(_)) {
        TokenKind::Pat
    } else {
        TokenKind::VirtualAccount
    };
    Proof::Gateway(Claims {
        iss: "i".into(),
        aud: "a".into(),
        sub,
        jti: TokenId::new(clock),
        kind,
        iat: at,
        nbf: at,
        exp: at + 60,
        client: None,
    })
}

fn change(change: v1::change::Change) -> v1::Change {
    v1::Change {
        change: Some(change),
    }
}

fn user(id: UserId, disabled: bool, teams: &[TeamId]) -> v1::Change {
    change(v1::change::Change::User(v1::User {
        id: id.to_string(),
        disabled,
        team_ids: teams.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }))
}

fn server(id: ServerId, name: &str) -> v1::Change {
    change(v1::change::Change::Server(v1::Server {
        id: id.to_string(),
        name: name.into(),
        url: "https://mcp.example:8443/mcp".into(),
        tool_policy: Some(v1::ToolPolicy {
            enabled_by_default: true,
            ..Default::default()
        }),
        outbound: Some(v1::Outbound {
            kind: v1::OutboundKind::None.into(),
            ..Default::default()
        }),
        ..Default::default()
    }))
}

#[test]
fn t10_revoked_disabled_and_unknown_callers_are_not_admitted() {
    let clock = Clock::system();
    let (id, team, now) = (UserId::new(&clock), TeamId::new(&clock), clock.now());
    let token = claims(Principal::User(id), &clock);
    let empty = Snapshot::default();
    assert_eq!(empty.admit(&token), Err(NotAdmitted::Unknown));
    let known = empty
        .apply(false, &[user(id, false, &[team])], now)
        .expect("applies");
    assert_eq!(
        known.admit(&token).expect("admitted").teams.as_ref(),
        [team]
    );
    let disabled = known
        .apply(false, &[user(id, true, &[])], now)
        .expect("applies");
    assert_eq!(disabled.admit(&token), Err(NotAdmitted::Disabled));
    let expires_at = Some(proto::timestamp(now + chrono::Duration::seconds(60)));
    let revoked = v1::change::Change::RevokedToken(v1::RevokedToken {
        jti: token.token_id().expect("a gateway token").to_string(),
        expires_at,
    });
    let revoked = known
        .apply(false, &[change(revoked)], now)
        .expect("applies");
    assert_eq!(revoked.admit(&token), Err(NotAdmitted::Revoked));
    let removed = revoked
        .apply(
            false,
            &[change(v1::change::Change::UserRemoved(id.to_string()))],
            now,
        )
        .expect("applies");
    assert_eq!(
        removed.admit(&claims(Principal::User(id), &clock)),
        Err(NotAdmitted::Unknown)
    );
    let account = claims(
        Principal::VirtualAccount(VirtualAccountId::from_uuid(id.as_uuid())),
        &clock,
    );
    assert_eq!(
        known.admit(&account),
        Err(NotAdmitted::Unknown),
        "t05: the same uuid is another principal"
    );
}

#[test]
fn a_server_is_found_by_name_and_id_and_a_reset_forgets_it() {
    let clock = Clock::system();
    let (id, now) = (ServerId::new(&clock), clock.now());
    let snapshot = Snapshot::default()
        .apply(true, &[server(id, "one")], now)
        .expect("applies");
    assert_eq!(
        snapshot.server("one").expect("known").origin,
        "https://mcp.example:8443"
    );
    assert!(snapshot.server_by_id(id).is_some() && snapshot.server("two").is_none());
    let removed = snapshot
        .apply(
            false,
            &[change(v1::change::Change::ServerRemoved(id.to_string()))],
            now,
        )
        .expect("applies");
    assert!(removed.server("one").is_none() && removed.server_by_id(id).is_none());
    assert!(
        snapshot
            .apply(true, &[], now)
            .expect("applies")
            .server("one")
            .is_none()
    );
}

#[test]
fn what_cannot_be_understood_changes_nothing() {
    let now = Clock::system().now();
    for bad in [
        change(v1::change::Change::ServerRemoved("x".into())),
        change(v1::change::Change::Server(v1::Server::default())),
        change(v1::change::Change::RevokedToken(v1::RevokedToken::default())),
    ] {
        assert!(Snapshot::default().apply(false, &[bad], now).is_err());
    }
}

#[test]
fn a_revocation_is_forgotten_when_the_token_has_expired_by_itself() {
    let clock = Clock::system();
    let (now, jti) = (clock.now(), TokenId::new(&clock));
    let expires_at = Some(proto::timestamp(now + chrono::Duration::seconds(60)));
    let revoked = v1::change::Change::RevokedToken(v1::RevokedToken {
        jti: jti.to_string(),
        expires_at,
    });
    let snapshot = Snapshot::default()
        .apply(false, &[change(revoked)], now)
        .expect("applies");
    assert_eq!(snapshot.revoked.len(), 1);
    let later = snapshot
        .apply(false, &[], now + chrono::Duration::seconds(91))
        .expect("applies");
    assert_eq!(later.revoked.len(), 0);
}
