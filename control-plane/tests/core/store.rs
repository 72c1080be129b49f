//! The store does the same on SQLite and on PostgreSQL: one suite, both databases.
//!
//! On SQLite every case is a test of its own. On PostgreSQL one test runs them all, each in a database of
//! its own on one server, and names those that failed.

mod schema;
mod changes;
mod users;
mod teams;
mod virtual_accounts;
mod identity_providers;
mod tokens;
mod keys;
mod servers;
mod collaborators;
mod auth_overrides;
mod audit_events;
mod oauth;
mod feed;
mod vault;
mod sessions;
mod sign_in;
mod sealing;
mod vault_ledger;

use crate::support::Scene;

macro_rules! conformance {
    ($($module:ident { $($case:ident),+ $(,)? })+) => {
        mod sqlite {$(
            mod $module {$(
                #[tokio::test]
                async fn $case() {
                    let scene = crate::support::Scene::sqlite().await.with_tables().await;
                    crate::store::$module::$case(scene).await;
                }
            )+}
        )+}

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn every_case_on_postgresql() {
            let server = e2e::postgres::Postgres::start().expect("PostgreSQL starts");
            let mut failed = Vec::new();
            $($(
                let scene = Scene::postgres(&server).await.with_tables().await;
                if tokio::spawn(self::$module::$case(scene)).await.is_err() {
                    failed.push(concat!(stringify!($module), "::", stringify!($case)));
                }
            )+)+
            assert!(failed.is_empty(), "failed on PostgreSQL: {failed:?}");
        }
    };
}

#[tokio::test]
async fn replicas_that_start_at_once_migrate_once_on_sqlite() {
    schema::replicas_that_start_at_once_migrate_once(Scene::sqlite().await).await;
}

#[tokio::test]
async fn replicas_that_start_at_once_migrate_once_on_postgresql() {
    let server = e2e::postgres::Postgres::start().expect("PostgreSQL starts");
    schema::replicas_that_start_at_once_migrate_once(Scene::postgres(&server).await).await;
}

conformance! {
    schema { migrating_again_changes_nothing }
    changes {
        a_transaction_with_changes_takes_one_version,
        what_is_undone_leaves_nothing,
        forgotten_changes_are_known_to_be_missing,
        a_limit_that_is_passed_gives_nothing,
        writers_wait_for_one_another,
        readers_see_one_moment,
        texts_with_null_characters_are_kept_alike,
    }
    users {
        a_user_survives_writing_and_reading,
        two_users_cannot_share_an_address,
        users_are_listed_by_address,
        active_administrators_are_counted,
        deleting_a_user_ends_memberships,
    }
    teams {
        a_team_survives_writing_and_reading,
        members_come_and_go,
        only_users_can_be_members,
    }
    virtual_accounts { an_account_survives_writing_and_reading }
    identity_providers {
        a_provider_survives_writing_and_reading,
        two_providers_cannot_share_an_issuer,
        a_client_secret_is_apart,
        keys_are_read_by_one_at_a_time,
        other_keys_are_a_change_and_the_same_are_none,
        t05_a_subject_is_exact_and_belongs_to_its_provider,
        t05_a_provider_has_one_subject_for_a_user,
        values_are_mapped_and_unmapped,
        t06_groups_give_teams_as_long_as_they_are_mapped,
        deleting_a_provider_deletes_what_hangs_on_it,
    }
    tokens {
        a_token_survives_writing_and_reading,
        tokens_are_listed_by_owner_and_kind,
        a_token_is_revoked_once,
        every_token_of_an_owner_is_revoked,
        a_replaced_token_ends_after_its_grace_period,
        expired_tokens_are_forgotten,
    }
    keys {
        signing_keys_are_retired_and_dropped,
        session_keys_are_retired_and_dropped,
        key_terms_count_encryptions,
    }
    servers {
        a_server_survives_writing_and_reading,
        every_auth_survives_writing_and_reading,
        sealed_values_are_apart,
        servers_are_listed_by_name,
        callers_see_the_servers_that_name_them,
        deleting_a_server_deletes_what_hangs_on_it,
    }
    collaborators {
        a_rule_survives_writing_and_reading,
        the_rules_of_a_server_are_replaced,
        the_rules_of_a_subject_are_replaced,
        a_subject_takes_its_rules_along,
        a_rule_needs_a_server,
    }
    auth_overrides {
        an_override_survives_writing_and_reading,
        overrides_are_listed_in_pages,
        the_first_and_the_last_override_change_the_server,
        a_subject_takes_its_overrides_along,
    }
    audit_events {
        an_event_survives_writing_and_reading,
        the_same_event_is_stored_once,
        events_are_listed_newest_first_in_pages,
        events_are_filtered,
        the_oldest_events_are_deleted_first,
    }
    oauth {
        a_client_survives_writing_and_reading,
        t41_clients_are_counted_and_forgotten,
        a_grant_survives_writing_and_reading,
        a_grant_is_revoked_once,
        grants_that_are_over_are_forgotten,
        t39_a_code_is_taken_once,
    }
    feed {
        a_commit_of_another_replica_is_heard_of,
        replicas_agree_on_keys,
        a_follower_that_was_away_gets_what_changed,
    }
    sessions {
        a_session_survives_writing_and_reading,
        the_sessions_of_a_user_end_together,
        t44_sessions_end_with_their_user,
        ended_sessions_are_forgotten,
    }
    vault_ledger {
        t52_a_row_that_was_put_back_whole_does_not_open,
        t52_a_deleted_row_that_was_put_back_does_not_open,
        t52_a_deletion_has_to_be_settled,
        t52_a_row_that_somebody_else_deleted_is_missed,
        t52_a_ledger_that_was_put_back_opens_nothing,
        t52_an_operator_accepts_a_restored_backup,
        t53_a_counter_that_was_put_back_stops_the_key,
        t54_the_root_key_changes_while_control_planes_run,
        t54_every_value_is_sealed_anew_while_control_planes_run,
        a_transaction_opens_what_it_reads_whatever_happens_meanwhile,
    }
    sign_in {
        t44_a_continuation_is_taken_once_by_its_browser,
        a_password_is_replaced,
        t61_attempts_are_counted_by_account_and_client,
        t49_a_state_is_taken_once,
    }
    vault { t52_sealed_columns_that_were_swapped_do_not_open, t53_replicas_that_seal_at_once_do_not_lose_count }
}
