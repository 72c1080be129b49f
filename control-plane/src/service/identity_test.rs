//! Why a token of an identity provider is accepted or not, and whom it stands for: step by step, as a pod and
//! [`super::identities`] would decide it, without changing anything.
//!
//! For administrators only: the values of the claims that are looked up are shown, the token never is.

use serde::Serialize;
use utoipa::ToSchema;
use warder_shared::identity_provider::{Assertion, Check, Explanation, Provider, ResolveTo};
use warder_shared::name::Name;
use warder_shared::principal::Principal;
use warder_shared::token::TokenError;

use super::identities::{self, IdentifyFailure, Plan};
use super::identity_providers::find;
use super::subjects::PrincipalName;
use super::{Failure, Services};
use crate::authorize::{Permit, Tenant};
use crate::domain::{ClaimMapping, Email, IdentityProvider, MappingTarget};
use crate::store::{Tx, identity_provider_keys, identity_provider_mappings, teams};

/// What becomes of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenTest {
    /// Whether a pod would let its holder in now.
    pub accepted: bool,
    /// Each step, in the order in which it matters.
    pub steps: Vec<TestStep>,
    /// Whom it stands for: `user:<email>` or `virtual-account:<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub subject: Option<PrincipalName>,
    /// The teams that this user would act with.
    #[schema(value_type = Vec<String>)]
    pub teams: Vec<Name>,
    /// What would happen when the token is used for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would_provision: Option<Provision>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TestStep {
    /// What is looked at.
    pub step: Step,
    /// What became of it.
    pub outcome: StepOutcome,
    /// The same in a sentence.
    pub detail: String,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Whether it is a JWT at all.
    Format,
    /// `iss`.
    Issuer,
    /// `alg`, and what else stands in the header.
    Algorithm,
    /// `typ`, and whether it is an access token.
    Type,
    /// Whether the claims that every token needs are there, with their types.
    Claims,
    /// `aud`.
    Audience,
    /// `exp`, `nbf` and `iat`.
    Expiry,
    /// The provider's `required_claims`.
    RequiredClaims,
    /// The key with its `kid`.
    Key,
    /// The signature.
    Signature,
    /// The claim that somebody is looked up by.
    Identity,
    /// Whom its value leads to.
    Mapping,
    /// What the groups lead to.
    Teams,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It is as it must be.
    Ok,
    /// It is why the token is refused.
    Failed,
    /// It was not looked at, because of a step before.
    Skipped,
}

/// What would happen when a token is used for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provision {
    /// The subject would be bound to the user, who is there.
    LinkUser,
    /// The user would be made.
    CreateUser,
}

/// Explains what becomes of a token.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such provider.
pub async fn explain(
    services: &Services,
    _: &Permit<Tenant>,
    name: &str,
    token: &str,
) -> Result<TokenTest, Failure> {
    let mut tx = services.store.begin_read().await?;
    let provider = find(&mut tx, name).await?;
    let keys = identity_provider_keys::find(&mut tx, provider.id).await?;
    let verifier = provider.verifier(keys.as_ref());
    let now = services.clock().now();
    let mut test = Test::default();
    match verifier.explain(token.trim(), now) {
        Err(error) => {
            test.failed(
                Step::Format,
                format!("The text is {error}, or one that two readers could read differently."),
            );
            for check in Check::ALL {
                test.skipped(step(check));
            }
        }
        Ok(explanation) => {
            test.ok(Step::Format, "It is a signed JWT.");
            for (check, outcome) in &explanation.checks {
                test.check(*check, outcome, &verifier, &explanation);
            }
            if let Some(assertion) = &explanation.assertion {
                resolve(&mut tx, &mut test, &provider, assertion).await?;
            }
        }
    }
    for step in [Step::Identity, Step::Mapping, Step::Teams] {
        if test.0.steps.iter().all(|done| done.step != step) {
            test.skipped(step);
        }
    }
    let mut result = test.0;
    result.accepted = result
        .steps
        .iter()
        .all(|step| step.outcome == StepOutcome::Ok);
    Ok(result)
}

async fn resolve(
    tx: &mut Tx,
    test: &mut Test,
    provider: &IdentityProvider,
    assertion: &Assertion,
) -> Result<(), Failure> {
    match provider.verifier(None).resolve_to {
        ResolveTo::VirtualAccount { claim } => {
            let Some(value) = &assertion.account else {
                test.failed(
                    Step::Identity,
                    format!("The claim `{claim}` is missing, or not a text."),
                );
                return Ok(());
            };
            test.ok(Step::Identity, format!("The claim `{claim}` is {value:?}."));
            let mapping = ClaimMapping {
                provider: provider.id,
                value: value.clone(),
            };
            let account = identity_provider_mappings::account_of(&mut *tx, &mapping).await?;
            let name = match account {
                Some(id) => PrincipalName::of(tx, Principal::VirtualAccount(id)).await?,
                None => None,
            };
            match name {
                Some(name) => {
                    test.ok(Step::Mapping, format!("It stands for `{name}`."));
                    test.ok(Step::Teams, "A virtual account is in no team.");
                    test.0.subject = Some(name);
                }
                None => test.failed(
                    Step::Mapping,
                    "No virtual account has it in its `identity_provider_mapping`.",
                ),
            }
        }
        ResolveTo::User { team_claim, .. } => {
            let email = assertion.email.as_deref();
            let email = email.map_or(String::new(), |email| format!(", the address {email:?}"));
            test.ok(
                Step::Identity,
                format!("The subject is {:?}{email}.", assertion.subject),
            );
            let plan = match identities::plan(tx, provider, assertion).await {
                Ok(plan) => plan,
                Err(IdentifyFailure::Refused(refusal)) => {
                    test.failed(Step::Mapping, format!("They are refused: {refusal}."));
                    return Ok(());
                }
                Err(IdentifyFailure::Store(error)) => return Err(error.into()),
            };
            let (subject, user, detail) = match plan {
                Plan::Known(user) => (user.email, Some(user.id), "is who the subject was bound to"),
                Plan::Link(user) => {
                    test.0.would_provision = Some(Provision::LinkUser);
                    (
                        user.email,
                        Some(user.id),
                        "is there, and would be bound to the subject",
                    )
                }
                Plan::Create(email) => {
                    test.0.would_provision = Some(Provision::CreateUser);
                    (email, None, "would be made, with the role `member`")
                }
            };
            test.ok(Step::Mapping, format!("The user {subject} {detail}."));
            test.0.subject = Some(PrincipalName::User(Email::clone(&subject)));
            let mut names = by_groups(tx, provider, &assertion.groups).await?;
            if let Some(user) = user {
                for own in teams::memberships_of_user(&mut *tx, user).await? {
                    names.extend(
                        teams::find(&mut *tx, own.team_id)
                            .await?
                            .map(|team| team.name),
                    );
                }
            }
            names.sort();
            names.dedup();
            let detail = match &team_claim {
                None => "The provider has no `team_claim`.".to_owned(),
                Some(claim) if assertion.groups.is_empty() => {
                    format!("The claim `{claim}` names no group.")
                }
                Some(claim) => format!("The claim `{claim}` names {:?}.", assertion.groups),
            };
            test.ok(Step::Teams, detail);
            test.0.teams = names;
        }
    }
    Ok(())
}

/// The teams that groups are mapped to.
async fn by_groups(
    tx: &mut Tx,
    provider: &IdentityProvider,
    groups: &[String],
) -> Result<Vec<Name>, Failure> {
    let mut names = Vec::new();
    if groups.is_empty() {
        return Ok(names);
    }
    for (target, mapping) in identity_provider_mappings::all(&mut *tx).await? {
        if let MappingTarget::Team(team) = target
            && mapping.provider == provider.id
            && groups.contains(&mapping.value)
            && let Some(team) = teams::find(&mut *tx, team).await?
        {
            names.push(team.name);
        }
    }
    Ok(names)
}

struct Test(TokenTest);

impl Default for Test {
    fn default() -> Self {
        Self(TokenTest {
            accepted: false,
            steps: Vec::new(),
            subject: None,
            teams: Vec::new(),
            would_provision: None,
        })
    }
}

impl Test {
    fn add(&mut self, step: Step, outcome: StepOutcome, detail: impl Into<String>) {
        self.0.steps.push(TestStep {
            step,
            outcome,
            detail: detail.into(),
        });
    }

    fn ok(&mut self, step: Step, detail: impl Into<String>) {
        self.add(step, StepOutcome::Ok, detail);
    }

    fn failed(&mut self, step: Step, detail: impl Into<String>) {
        self.add(step, StepOutcome::Failed, detail);
    }

    fn skipped(&mut self, step: Step) {
        let detail = "It was not looked at: what comes before says nothing that could be trusted.";
        self.add(step, StepOutcome::Skipped, detail);
    }

    fn check(
        &mut self,
        check: Check,
        outcome: &Result<(), TokenError>,
        provider: &Provider,
        token: &Explanation,
    ) {
        let step = step(check);
        let Err(error) = outcome else {
            self.ok(step, passed(check));
            return;
        };
        let no_key =
            |(check, outcome): &(Check, Result<_, _>)| *check == Check::Key && outcome.is_err();
        if check == Check::Signature && token.checks.iter().any(no_key) {
            self.skipped(step);
            return;
        }
        let algorithm = token.algorithm.as_deref().unwrap_or("none");
        let detail = match check {
            Check::Issuer => format!("`iss` is not exactly {:?}.", provider.issuer),
            Check::Algorithm => format!(
                "{algorithm:?} is not one of the provider's `algorithms`, or the header has `crit`, `b64`, `enc` or `zip`."
            ),
            Check::Type => "`typ` is not one of the provider's `token_types`, or the claims are those of an ID token, a refresh token or a logout token.".to_owned(),
            Check::Shape => "`sub` must be a text of 1 to 255 bytes, `exp` a whole number, `nbf` and `iat` whole numbers where they are.".to_owned(),
            Check::Audience => format!("`aud` has none of the provider's audiences, {:?}.", provider.audiences),
            Check::Time => format!("The token is {error}."),
            Check::RequiredClaims => "A claim of the provider's `required_claims` is missing or says something else.".to_owned(),
            Check::Key => match &token.kid {
                Some(kid) => format!("The provider has no key {kid:?} that does {algorithm}; {} are known.", provider.keys.len()),
                None => format!("The token names no key, and not exactly one key of the provider does {algorithm}."),
            },
            Check::Signature => "The signature is not that of the key.".to_owned(),
        };
        self.failed(step, detail);
    }
}

const fn step(check: Check) -> Step {
    match check {
        Check::Issuer => Step::Issuer,
        Check::Algorithm => Step::Algorithm,
        Check::Type => Step::Type,
        Check::Shape => Step::Claims,
        Check::Audience => Step::Audience,
        Check::Time => Step::Expiry,
        Check::RequiredClaims => Step::RequiredClaims,
        Check::Key => Step::Key,
        Check::Signature => Step::Signature,
    }
}

const fn passed(check: Check) -> &'static str {
    match check {
        Check::Issuer => "`iss` is the provider's.",
        Check::Algorithm => "`alg` is one of the provider's.",
        Check::Type => "It is an access token of an accepted `typ`.",
        Check::Shape => "`sub` and the times have their types.",
        Check::Audience => "`aud` has one of the provider's audiences.",
        Check::Time => "It is valid now.",
        Check::RequiredClaims => "Every required claim says what it must.",
        Check::Key => "The provider has the key.",
        Check::Signature => "The signature is that of the key.",
    }
}
