//! Who the people and services of identity providers are, decided from a snapshot alone.

use super::*;
use crate::{
    clock::Clock,
    id::VirtualAccountId,
    identity_provider::{Assertion, ProviderProof},
    principal::Principal,
};

/// A snapshot with two providers that resolve to users, and one that resolves to virtual accounts.
struct World {
    snapshot: Snapshot,
    now: DateTime<Utc>,
    okta: Provider,
    corp: Provider,
    machines: Provider,
    team: TeamId,
}

const NO_KEYS: &str = r#"{"keys":[]}"#;

fn provider(name: &str, to: v1::identity_provider::ResolveTo) -> Provider {
    let clock = Clock::system();
    let wire = v1::IdentityProvider {
        id: IdentityProviderId::new(&clock).to_string(),
        name: name.into(),
        issuer: format!("https://{name}.example"),
        revision: 1,
        jwks: NO_KEYS.into(),
        resolve_to: Some(to),
        ..Default::default()
    };
    (&wire).try_into().expect("a provider")
}

fn to_user() -> v1::identity_provider::ResolveTo {
    v1::identity_provider::ResolveTo::User(v1::ToUser {
        identify_by: v1::IdentifyBy::Email.into(),
        email_claim: "email".into(),
        team_claim: Some("groups".into()),
    })
}

impl World {
    fn new() -> Self {
        let clock = Clock::system();
        let to_account = v1::identity_provider::ResolveTo::VirtualAccount(v1::ToVirtualAccount {
            claim: "client_id".into(),
        });
        let mut world = Self {
            snapshot: Snapshot::default(),
            now: clock.now(),
            okta: provider("okta", to_user()),
            corp: provider("corp", to_user()),
            machines: provider("machines", to_account),
            team: TeamId::new(&clock),
        };
        for provider in [&world.okta, &world.corp, &world.machines] {
            let change = change(v1::change::Change::IdentityProvider(provider.into()));
            world.snapshot = world
                .snapshot
                .apply(false, &[change], world.now)
                .expect("applies");
        }
        world
    }

    fn apply(&mut self, wire: v1::change::Change) {
        self.snapshot = self
            .snapshot
            .apply(false, &[change(wire)], self.now)
            .expect("applies");
    }

    fn user(&mut self, id: UserId, disabled: bool, identities: &[(&Provider, &str, &[TeamId])]) {
        let identities = identities
            .iter()
            .map(|(provider, subject, teams)| v1::UserIdentity {
                identity_provider_id: provider.id.to_string(),
                subject: (*subject).into(),
                team_ids: teams.iter().map(ToString::to_string).collect(),
            });
        let user = v1::User {
            id: id.to_string(),
            disabled,
            team_ids: vec![self.team.to_string()],
            identities: identities.collect(),
        };
        self.apply(v1::change::Change::User(user));
    }

    fn account(&mut self, id: VirtualAccountId, mapping: Vec<v1::ClaimMapping>) {
        self.apply(v1::change::Change::VirtualAccount(v1::VirtualAccount {
            id: id.to_string(),
            identity_provider_mapping: mapping,
        }));
    }

    fn why(&self, proof: &Proof) -> Option<Unmapped> {
        match self.snapshot.admit(proof) {
            Err(NotAdmitted::NotMapped(refusal)) => Some(refusal.why),
            _ => None,
        }
    }
}

fn change(change: v1::change::Change) -> v1::Change {
    v1::Change {
        change: Some(change),
    }
}

fn mapping(provider: &Provider, value: &str) -> v1::ClaimMapping {
    v1::ClaimMapping {
        identity_provider_id: provider.id.to_string(),
        value: value.into(),
    }
}

fn proof(provider: &Provider, subject: &str) -> ProviderProof {
    ProviderProof {
        assertion: Assertion {
            provider: provider.id,
            provider_name: provider.name.clone(),
            subject: subject.into(),
            account: None,
            email: Some("ada@example.com".into()),
            email_verified: true,
            groups: Vec::new(),
            name: None,
        },
        revision: 1,
        not_before: 0,
        expires: i64::MAX,
    }
}

fn person(provider: &Provider, subject: &str, groups: &[&str]) -> Proof {
    let mut proof = proof(provider, subject);
    proof.assertion.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Proof::IdentityProvider(proof)
}

fn machine(provider: &Provider, value: Option<&str>) -> Proof {
    let mut proof = proof(provider, "m");
    proof.assertion.account = value.map(str::to_owned);
    Proof::IdentityProvider(proof)
}

#[test]
fn t05_a_subject_belongs_to_its_provider_byte_by_byte() {
    let mut world = World::new();
    let clock = Clock::system();
    let (ada, bob) = (UserId::new(&clock), UserId::new(&clock));
    let (okta, corp) = (provider_of(&world.okta), provider_of(&world.corp));
    world.user(ada, false, &[(&okta, "1", &[])]);
    world.user(bob, false, &[(&corp, "1", &[])]);
    let principal = |proof: &Proof| world.snapshot.admit(proof).map(|caller| caller.principal);
    assert_eq!(
        principal(&person(&okta, "1", &[])),
        Ok(Principal::User(ada))
    );
    assert_eq!(
        principal(&person(&corp, "1", &[])),
        Ok(Principal::User(bob))
    );
    for other in ["", " 1", "1 ", "1\0", "01", "１"] {
        assert_eq!(
            world.why(&person(&okta, other, &[])),
            Some(Unmapped::Stranger),
            "{other:?}"
        );
    }
    // The same address and subject, of a provider that resolves to accounts.
    let machines = provider_of(&world.machines);
    assert_eq!(
        world.why(&person(&machines, "1", &[])),
        Some(Unmapped::Missing)
    );
}

/// The same provider, for use beside the world.
fn provider_of(provider: &Provider) -> Provider {
    (&v1::IdentityProvider::from(provider))
        .try_into()
        .expect("a provider")
}

#[test]
fn t10_whoever_is_disabled_removed_or_bound_anew_is_not_let_in_by_an_old_proof() {
    let mut world = World::new();
    let clock = Clock::system();
    let (ada, other) = (UserId::new(&clock), UserId::new(&clock));
    let okta = provider_of(&world.okta);
    let token = person(&okta, "1", &[]);
    world.user(ada, false, &[(&okta, "1", &[])]);
    assert!(world.snapshot.admit(&token).is_ok());
    world.user(ada, true, &[(&okta, "1", &[])]);
    assert_eq!(world.why(&token), Some(Unmapped::Disabled));
    world.user(ada, false, &[]);
    assert_eq!(world.why(&token), Some(Unmapped::Stranger));
    // Bound to somebody else before the end of the first one is heard of.
    world.user(ada, false, &[(&okta, "1", &[])]);
    world.user(other, false, &[(&okta, "1", &[])]);
    world.apply(v1::change::Change::UserRemoved(ada.to_string()));
    let caller = world.snapshot.admit(&token).expect("admitted");
    assert_eq!(caller.principal, Principal::User(other));

    let mut changed = v1::IdentityProvider::from(&okta);
    changed.revision = 2;
    world.apply(v1::change::Change::IdentityProvider(changed));
    assert_eq!(world.snapshot.admit(&token), Err(NotAdmitted::Changed));
    world.apply(v1::change::Change::IdentityProviderRemoved(
        okta.id.to_string(),
    ));
    assert_eq!(world.snapshot.admit(&token), Err(NotAdmitted::Unknown));
}

#[test]
fn a_value_leads_to_the_account_that_has_it_now() {
    let mut world = World::new();
    let clock = Clock::system();
    let (one, two) = (VirtualAccountId::new(&clock), VirtualAccountId::new(&clock));
    let machines = provider_of(&world.machines);
    let okta = provider_of(&world.okta);
    let token = machine(&machines, Some("ci"));
    assert_eq!(world.why(&token), Some(Unmapped::NoAccount));
    assert_eq!(
        world.why(&machine(&machines, None)),
        Some(Unmapped::Missing)
    );
    world.account(one, vec![mapping(&okta, "ci")]);
    assert_eq!(
        world.why(&token),
        Some(Unmapped::NoAccount),
        "of another provider"
    );
    world.account(
        one,
        vec![mapping(&machines, "ci"), mapping(&machines, "cd")],
    );
    let principal =
        |world: &World, proof: &Proof| world.snapshot.admit(proof).map(|caller| caller.principal);
    assert_eq!(
        principal(&world, &token),
        Ok(Principal::VirtualAccount(one))
    );
    // It moves to another account, whichever of the two changes is heard of first.
    world.account(two, vec![mapping(&machines, "ci")]);
    world.account(one, vec![mapping(&machines, "cd")]);
    assert_eq!(
        principal(&world, &token),
        Ok(Principal::VirtualAccount(two))
    );
    assert_eq!(
        principal(&world, &machine(&machines, Some("cd"))),
        Ok(Principal::VirtualAccount(one))
    );
    world.apply(v1::change::Change::VirtualAccountRemoved(two.to_string()));
    assert_eq!(world.why(&token), Some(Unmapped::NoAccount));
}

#[test]
fn t06_groups_of_a_token_count_instead_of_what_its_provider_said_before() {
    let mut world = World::new();
    let clock = Clock::system();
    let ada = UserId::new(&clock);
    let [dev, ops, old, elsewhere] = [(); 4].map(|()| TeamId::new(&clock));
    let (okta, corp) = (provider_of(&world.okta), provider_of(&world.corp));
    for (team, provider, value) in [
        (dev, &okta, "dev"),
        (ops, &okta, "dev"),
        (elsewhere, &corp, "dev"),
    ] {
        world.apply(v1::change::Change::Team(v1::Team {
            id: team.to_string(),
            identity_provider_mapping: vec![mapping(provider, value)],
        }));
    }
    world.user(
        ada,
        false,
        &[(&okta, "1", &[old]), (&corp, "9", &[elsewhere])],
    );
    let teams = |world: &World, proof: &Proof| {
        let mut teams = world
            .snapshot
            .admit(proof)
            .expect("admitted")
            .teams
            .to_vec();
        teams.sort();
        teams
    };
    let sorted = |mut teams: Vec<TeamId>| {
        teams.sort();
        teams
    };
    let own = world.team;
    assert_eq!(
        teams(&world, &person(&okta, "1", &["dev", "Dev", "nobody"])),
        sorted(vec![own, elsewhere, dev, ops])
    );
    assert_eq!(
        teams(&world, &person(&okta, "1", &[])),
        sorted(vec![own, elsewhere])
    );
    assert_eq!(
        teams(&world, &person(&corp, "9", &[])),
        sorted(vec![own, old])
    );
    world.apply(v1::change::Change::TeamRemoved(ops.to_string()));
    assert_eq!(
        teams(&world, &person(&okta, "1", &["dev"])),
        sorted(vec![own, elsewhere, dev])
    );
    // Our own tokens of the same user have all that was said last.
    let user = &world.snapshot.users[&ada];
    assert_eq!(
        sorted(user.teams.to_vec()),
        sorted(vec![own, old, elsewhere])
    );
}

#[test]
fn a_refusal_names_provider_and_claim_and_nothing_else() {
    let world = World::new();
    let okta = provider_of(&world.okta);
    let refused = world
        .snapshot
        .admit(&person(&okta, "secret-subject", &["secret-group"]));
    let message = refused.expect_err("refused").to_string();
    assert!(
        message.contains("`okta`") && message.contains("`email`"),
        "{message}"
    );
    assert!(
        !message.contains("secret") && !message.contains("ada@"),
        "{message}"
    );
}

#[test]
fn t01_a_token_of_nobody_known_is_refused_whoever_signed_it() {
    let world = World::new();
    for token in [
        "",
        "a",
        "a.b.c",
        "e30.e30.",
        "e30.eyJpc3MiOiJodHRwczovL29rdGEuZXhhbXBsZSJ9.",
    ] {
        assert!(
            world.snapshot.verify(token, "demo", world.now).is_err(),
            "{token}"
        );
    }
}
