use super::*;
use crate::{
    clock::Clock,
    id::{UserId, VirtualAccountId},
};

fn grant(subject: Subject, tools: Option<&[&str]>, deny: &[&str]) -> Grant {
    let own = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    Grant {
        subject,
        role: Role::User,
        tools: tools.map(own),
        deny_tools: own(deny),
    }
}

fn server(disabled: &[&str], grants: &[Grant]) -> ServerPolicy {
    let disabled = disabled.iter().map(|&name| name.to_owned()).collect();
    ServerPolicy::compile(
        &ToolPolicy {
            disabled,
            ..ToolPolicy::default()
        },
        grants,
    )
}

fn ids() -> (UserId, VirtualAccountId, TeamId) {
    let clock = Clock::system();
    (
        UserId::new(&clock),
        VirtualAccountId::new(&clock),
        TeamId::new(&clock),
    )
}

#[test]
fn only_collaborators_have_access() {
    let (user, account, team) = ids();
    let policy = server(&[], &[grant(Subject::Team(team), None, &[])]);
    assert!(policy.access(Principal::User(user), &[]).is_none());
    assert!(policy.access(Principal::User(user), &[team]).is_some());
    assert!(
        policy
            .access(Principal::VirtualAccount(account), &[team])
            .is_none(),
        "a team has users only"
    );
}

#[test]
fn everyone_means_users_only() {
    let (user, account, _) = ids();
    let policy = server(&[], &[grant(Subject::Everyone, None, &[])]);
    assert!(policy.access(Principal::User(user), &[]).is_some());
    assert!(
        policy
            .access(Principal::VirtualAccount(account), &[])
            .is_none()
    );
}

#[test]
fn entries_add_up_and_deny_wins_over_all_of_them() {
    let (user, _, team) = ids();
    let policy = server(
        &["off"],
        &[
            grant(Subject::User(user), Some(&["read_*", "off"]), &[]),
            grant(
                Subject::Team(team),
                Some(&["write", "read_secret"]),
                &["read_secret"],
            ),
        ],
    );
    let access = policy
        .access(Principal::User(user), &[team])
        .expect("a collaborator");
    let decisions = [
        "read_file",
        "write",
        "read_secret",
        "off",
        "other",
        "read_\u{200b}x",
        "",
    ]
    .map(|tool| access.tool(tool));
    assert_eq!(
        decisions,
        [
            Ok(()),
            Ok(()),
            Err(Refusal::Denied),
            Err(Refusal::ServerDisabled),
            Err(Refusal::NotGranted),
            Err(Refusal::InvalidName),
            Err(Refusal::InvalidName),
        ]
    );
}

#[test]
fn a_server_may_enable_tools_one_by_one() {
    let (user, ..) = ids();
    let policy = ToolPolicy {
        enabled_by_default: false,
        enabled: vec!["a".into(), "b".into()],
        disabled: vec!["b".into()],
    };
    let policy = ServerPolicy::compile(&policy, &[grant(Subject::User(user), None, &[])]);
    let access = policy
        .access(Principal::User(user), &[])
        .expect("a collaborator");
    assert_eq!(
        ["a", "b", "c"].map(|tool| access.tool(tool)),
        [
            Ok(()),
            Err(Refusal::ServerDisabled),
            Err(Refusal::ServerNotEnabled)
        ]
    );
}
