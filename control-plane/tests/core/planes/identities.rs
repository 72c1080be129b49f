//! Who the people of identity providers become here.

use std::collections::BTreeSet;

use chrono::Duration;
use e2e::forgery::LocalSigner;
use futures_util::future::join_all;
use serde_json::json;
use warder_control_plane::domain::identity_provider::{
    ClaimMapping, MappingTarget, People, ProviderConfiguration, ProviderKeys, Provisioning,
    ResolveTo,
};
use warder_control_plane::domain::{IdentityProvider, PageRequest, User, UserStatus};
use warder_control_plane::service::identities::{self, IdentifyFailure, IntroduceFailure, Refusal};
use warder_control_plane::service::provider_keys::KeyReader;
use warder_control_plane::store::audit_events::{self, AuditFilter};
use warder_control_plane::store::{
    identity_provider_keys, identity_provider_mappings, identity_providers, teams, users,
};
use warder_shared::egress::EgressRules;
use warder_shared::id::IdentityProviderId;
use warder_shared::identity_provider::{Algorithm, Assertion, IdentifyBy, RequiredClaims};
use warder_shared::snapshot::NotAdmitted;

use crate::planes::scene::{AUDIENCE, Plane};
use crate::support::name;

/// A provider of people, by address within `example.com`.
pub(crate) fn provider(
    plane: &Plane,
    called: &str,
    provisioning: Provisioning,
) -> IdentityProvider {
    let now = plane.scene.time.now();
    let people = People {
        identify_by: IdentifyBy::Email,
        email_claim: "email".parse().unwrap(),
        team_claim: Some("groups".parse().unwrap()),
        provisioning,
        email_domains: BTreeSet::from(["example.com".to_owned()]),
    };
    let configuration = ProviderConfiguration {
        display_name: called.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        jwks_uri: None,
        algorithms: vec![Algorithm::EdDsa],
        token_types: vec![Some("at+jwt".to_owned())],
        required_claims: RequiredClaims::new(),
        resolve_to: ResolveTo::User(people),
        login: None,
    };
    IdentityProvider {
        id: IdentityProviderId::new(&plane.scene.time.clock()),
        name: name(called),
        issuer: format!("https://{called}.example"),
        configuration,
        revision: 1,
        created_at: now,
        updated_at: now,
    }
}

/// The same, knowing people by their subject alone.
fn by_subject(provider: IdentityProvider) -> IdentityProvider {
    let ResolveTo::User(people) = provider.configuration.resolve_to else {
        panic!("of people")
    };
    let people = People {
        identify_by: IdentifyBy::Subject,
        email_domains: BTreeSet::new(),
        ..people
    };
    let configuration = ProviderConfiguration {
        resolve_to: ResolveTo::User(people),
        ..provider.configuration
    };
    IdentityProvider {
        configuration,
        ..provider
    }
}

impl Plane {
    /// Reads keys of providers on loopback.
    pub(crate) fn provider_keys(&self) -> KeyReader {
        let loopback = EgressRules::new(["127.0.0.0/8".parse().unwrap()]);
        KeyReader::new(self.scene.store.clone(), loopback).unwrap()
    }

    /// Stores a provider with the keys of a signer.
    pub(crate) async fn provide(&self, provider: &IdentityProvider, signer: &LocalSigner) {
        let now = self.scene.time.now();
        let keys = ProviderKeys {
            provider: provider.id,
            metadata: None,
            jwks_uri: None,
            jwks: Some(signer.jwks()),
            fetched_at: Some(now),
            checked_at: Some(now),
            error: None,
        };
        let mut tx = self.begin().await;
        identity_providers::insert(&mut tx, provider).await.unwrap();
        identity_provider_keys::put(&mut tx, &keys, now + Duration::hours(1))
            .await
            .unwrap();
        self.commit(tx).await;
    }

    async fn map(&self, provider: &IdentityProvider, value: &str, target: MappingTarget) {
        let mapping = ClaimMapping {
            provider: provider.id,
            value: value.to_owned(),
        };
        let mut tx = self.begin().await;
        identity_provider_mappings::replace(&mut tx, target, &[mapping])
            .await
            .unwrap();
        self.commit(tx).await;
    }

    async fn identify(&self, assertion: &Assertion) -> Result<User, Refusal> {
        match identities::identify(&self.scene.store, assertion).await {
            Ok(user) => Ok(user),
            Err(IdentifyFailure::Refused(refusal)) => Err(refusal),
            Err(other) => panic!("{other}"),
        }
    }

    async fn team_names(&self, user: &User) -> Vec<String> {
        let teams = teams::of_user(&self.scene.store, user.id).await.unwrap();
        teams
            .into_iter()
            .map(|team| team.name.to_string())
            .collect()
    }

    async fn actions(&self) -> Vec<String> {
        let (all, page) = (AuditFilter::default(), PageRequest::first(100));
        let page = audit_events::list(&self.scene.store, &all, &page)
            .await
            .unwrap();
        let actions = page.items.into_iter().map(|event| event.action);
        // The clock stands still, so that nothing says which of them came first.
        let mut actions: Vec<_> = actions.filter(|action| !action.contains("key")).collect();
        actions.sort_unstable();
        actions
    }
}

fn assertion(provider: &IdentityProvider, subject: &str, email: &str) -> Assertion {
    Assertion {
        provider: provider.id,
        provider_name: provider.name.clone(),
        subject: subject.to_owned(),
        account: None,
        email: Some(email.to_owned()),
        email_verified: true,
        groups: Vec::new(),
        name: Some("Ada".to_owned()),
    }
}

#[tokio::test]
async fn t06_an_address_leads_to_somebody_only_when_the_provider_may_and_does_vouch_for_it() {
    let plane = Plane::new().await;
    let okta = provider(&plane, "okta", Provisioning::Jit);
    plane.provide(&okta, &LocalSigner::new()).await;
    plane.user("admin@example.com").await;
    plane.user("karl@example.com").await;
    plane.user("boss@other.example").await;
    let with = |email: Option<&str>, verified| Assertion {
        email: email.map(str::to_owned),
        email_verified: verified,
        ..assertion(&okta, "1", "")
    };
    for (email, verified, refusal) in [
        (None, true, Refusal::NoAddress),
        (Some("admin"), true, Refusal::NoAddress),
        (
            Some("admin@example.com@example.com"),
            true,
            Refusal::NoAddress,
        ),
        (Some(" admin@example.com"), true, Refusal::NoAddress),
        (Some("admin@example.com\n"), true, Refusal::NoAddress),
        (Some("\u{212a}arl@example.com"), true, Refusal::NoAddress),
        (Some("admin@example.com"), false, Refusal::NotVerified),
        (Some("boss@other.example"), true, Refusal::Domain),
        (Some("admin@sub.example.com"), true, Refusal::Domain),
        (Some("admin@notexample.com"), true, Refusal::Domain),
        (Some("a@okta.subject.invalid"), true, Refusal::Domain),
    ] {
        let refused = plane.identify(&with(email, verified)).await;
        assert_eq!(refused.map(|user| user.email), Err(refusal), "{email:?}");
    }
    assert!(plane.actions().await.is_empty(), "nothing has changed");
    let linked = plane
        .identify(&with(Some("ADMIN@Example.com"), true))
        .await
        .unwrap();
    assert_eq!(linked.email.as_str(), "admin@example.com");
    assert_eq!(plane.actions().await, ["user_identity.create"]);
}

#[tokio::test]
async fn t06_an_address_that_changes_at_the_provider_is_not_followed() {
    let plane = Plane::new().await;
    let okta = provider(&plane, "okta", Provisioning::Jit);
    plane.provide(&okta, &LocalSigner::new()).await;
    plane.user("victim@example.com").await;
    let mallory = plane
        .identify(&assertion(&okta, "m", "mallory@example.com"))
        .await
        .unwrap();
    let again = plane
        .identify(&assertion(&okta, "m", "victim@example.com"))
        .await
        .unwrap();
    assert_eq!(
        again, mallory,
        "the subject stays who it was, and nothing is updated"
    );
    // Nor does anybody else of the provider become Mallory.
    let other = plane
        .identify(&assertion(&okta, "n", "mallory@example.com"))
        .await;
    assert_eq!(other.map(|user| user.email), Err(Refusal::AnotherSubject));
}

#[tokio::test]
async fn t05_the_same_subject_of_two_providers_is_two_people() {
    let plane = Plane::new().await;
    let okta = by_subject(provider(&plane, "okta", Provisioning::Jit));
    let corp = by_subject(provider(&plane, "corp", Provisioning::Jit));
    for provider in [&okta, &corp] {
        plane.provide(provider, &LocalSigner::new()).await;
    }
    plane.user("ada@example.com").await;
    let one = plane
        .identify(&assertion(&okta, "1", "ada@example.com"))
        .await
        .unwrap();
    let other = plane
        .identify(&assertion(&corp, "1", "ada@example.com"))
        .await
        .unwrap();
    assert_ne!(one.id, other.id);
    for (user, provider) in [(&one, &okta), (&other, &corp)] {
        assert_eq!(
            user.email.domain(),
            format!("{}.subject.invalid", provider.name)
        );
        assert_eq!((user.name.as_str(), user.is_admin()), ("Ada", false));
    }
    let spaced = plane
        .identify(&assertion(&okta, "1 ", "ada@example.com"))
        .await
        .unwrap();
    assert_ne!(spaced.id, one.id, "byte by byte");
    assert_eq!(
        plane.identify(&assertion(&okta, "1", "x")).await.unwrap(),
        one
    );
    assert_eq!(users::all(&plane.scene.store).await.unwrap().len(), 4);
}

#[tokio::test]
async fn t05_however_many_come_at_once_nobody_becomes_somebody_else() {
    let plane = Plane::new().await;
    let okta = provider(&plane, "okta", Provisioning::Jit);
    plane.provide(&okta, &LocalSigner::new()).await;
    // The same person, from everywhere at once.
    let same = assertion(&okta, "1", "ada@example.com");
    let users = join_all((0..20).map(|_| plane.identify(&same))).await;
    let ids: BTreeSet<_> = users.into_iter().map(|user| user.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    // Different people with one address: the first has it.
    let others: Vec<_> = (0..20)
        .map(|number| assertion(&okta, &format!("s{number}"), "bob@example.com"))
        .collect();
    let found = join_all(others.iter().map(|assertion| plane.identify(assertion))).await;
    let (won, lost): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(
        lost.into_iter()
            .all(|lost| lost.err() == Some(Refusal::AnotherSubject))
    );
    assert_eq!(users::all(&plane.scene.store).await.unwrap().len(), 2);
}

#[tokio::test]
async fn only_those_who_were_invited_come_in_where_nobody_else_may() {
    let plane = Plane::new().await;
    let okta = provider(&plane, "okta", Provisioning::InviteOnly);
    plane.provide(&okta, &LocalSigner::new()).await;
    let ada = assertion(&okta, "1", "ada@example.com");
    assert_eq!(
        plane.identify(&ada).await.map(|user| user.id),
        Err(Refusal::NotInvited)
    );
    plane.user("ada@example.com").await;
    let user = plane.identify(&ada).await.unwrap();

    let disabled = User {
        status: UserStatus::Disabled,
        ..user
    };
    let mut tx = plane.begin().await;
    users::update(&mut tx, &disabled).await.unwrap();
    plane.commit(tx).await;
    assert_eq!(
        plane.identify(&ada).await.map(|user| user.id),
        Err(Refusal::Disabled)
    );
    let other = assertion(&okta, "2", "ada@example.com");
    assert_eq!(
        plane.identify(&other).await.map(|user| user.id),
        Err(Refusal::Disabled)
    );
}

#[tokio::test]
async fn groups_come_and_go_and_take_only_their_own_memberships_along() {
    let plane = Plane::new().await;
    let okta = provider(&plane, "okta", Provisioning::Jit);
    plane.provide(&okta, &LocalSigner::new()).await;
    let (dev, ops) = (plane.scene.team("dev").await, plane.scene.team("ops").await);
    plane
        .map(&okta, "engineering", MappingTarget::Team(dev.id))
        .await;
    let groups = |groups: &[&str]| Assertion {
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..assertion(&okta, "1", "ada@example.com")
    };
    let ada = plane
        .identify(&groups(&["engineering", "nobody"]))
        .await
        .unwrap();
    assert_eq!(plane.team_names(&ada).await, ["dev"]);
    let mut tx = plane.begin().await;
    for team in [dev.id, ops.id] {
        teams::replace_members(&mut tx, team, &[ada.id])
            .await
            .unwrap();
    }
    plane.commit(tx).await;
    plane.identify(&groups(&[])).await.unwrap();
    assert_eq!(
        plane.team_names(&ada).await,
        ["dev", "ops"],
        "somebody put her there"
    );
    let mut tx = plane.begin().await;
    teams::replace_members(&mut tx, dev.id, &[]).await.unwrap();
    plane.commit(tx).await;
    assert_eq!(plane.team_names(&ada).await, ["ops"]);
    let mut expected = plane.actions().await;
    plane.identify(&groups(&["engineering"])).await.unwrap();
    assert_eq!(plane.team_names(&ada).await, ["dev", "ops"]);
    plane.identify(&groups(&["engineering"])).await.unwrap();
    expected.push("user_identity.sync_groups".to_owned());
    expected.sort_unstable();
    assert_eq!(plane.actions().await, expected, "once");
}

#[tokio::test]
async fn t62_a_token_introduces_its_holder_once_it_is_verified_here() {
    let plane = Plane::new().await;
    let okta = provider(&plane, "okta", Provisioning::Jit);
    let signer = LocalSigner::new();
    plane.provide(&okta, &signer).await;
    let at = plane.scene.time.now().timestamp();
    let claims = json!({
        "iss": okta.issuer, "aud": AUDIENCE, "sub": "1", "iat": at, "exp": at + 60,
        "email": "ada@example.com", "email_verified": true,
    });
    let introduce =
        async |token: &str| identities::introduce(&plane.scene.store, &plane.feed, token).await;
    let forged = LocalSigner::new().sign(&claims);
    assert!(matches!(
        introduce(&forged).await,
        Err(IntroduceFailure::Token(_))
    ));
    let own = plane.user("own@example.com").await;
    let (_, own) = plane.token(own).await;
    assert!(
        matches!(introduce(&own).await, Err(IntroduceFailure::Token(_))),
        "a gateway token introduces nobody"
    );
    assert_eq!(users::all(&plane.scene.store).await.unwrap().len(), 1);

    let token = signer.sign(&claims);
    let now = plane.scene.time.now();
    let verified = plane.feed.snapshot().verify(&token, "", now).unwrap();
    let refused = plane.feed.snapshot().admit(&verified.proof);
    assert!(matches!(refused, Err(NotAdmitted::NotMapped(_))));
    let version = introduce(&token).await.unwrap();
    assert_eq!(u64::try_from(plane.feed.version()), Ok(version));
    assert!(plane.feed.snapshot().admit(&verified.proof).is_ok());
    assert_eq!(
        introduce(&token).await.unwrap(),
        version,
        "again changes nothing"
    );
}
