//! `/account`: one's password and sessions.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::{header, request::Parts};
use serde::Deserialize;

use super::{login, logout::signed_out};
use crate::{
    api::problem::Problem,
    authenticate::{SignedIn, cookies},
    authorize,
    domain::SecretHash,
    html::{Form, Html, Layout, Messages, SecretText, Visit, see_other, time},
    service::{
        Services,
        me::{self, MeView},
        sessions::{self, Ending, SessionView},
        sign_in::{self, Refused},
    },
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    layout: Layout,
    messages: Messages,
    me: MeView,
    has_password: bool,
    this: SecretHash,
    sessions: Vec<SessionView>,
}

/// The form for another password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordForm {
    old: SecretText,
    password: SecretText,
}

/// Which sessions to end: one by its name, or all of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndForm {
    session: String,
}

/// Shows one's account.
pub(super) async fn show(visit: Visit) -> Result<Response, Problem> {
    let page = page_of(&visit.services, &visit.signed_in).await?;
    Ok(Html(page).into_response())
}

/// Changes one's password. Every session ends, and this browser gets a new one.
pub(super) async fn change_password(
    parts: Parts,
    form: Form<PasswordForm>,
) -> Result<Response, Problem> {
    let Form {
        services,
        signed_in,
        fields,
    } = form;
    let permit = authorize::oneself(signed_in.caller());
    let passwords = (fields.old.0, fields.password.0);
    let origin = login::origin(&parts);
    let refused = match sign_in::change_password(&services, &permit, passwords, &origin).await {
        Ok(session) => {
            let mut response = see_other("/account");
            let cookie = cookies::set(cookies::SESSION_COOKIE, &session);
            response.headers_mut().append(header::SET_COOKIE, cookie);
            return Ok(response);
        }
        Err(refused) => refused,
    };
    let messages = match refused {
        Refused::Failed(failure) => Messages::of(failure.into())?,
        Refused::Wrong => Messages::one("The old password is not the right one."),
        Refused::TooMany => {
            Messages::one("There were too many attempts: wait for a quarter of an hour.")
        }
    };
    let page = AccountPage {
        messages,
        ..page_of(&services, &signed_in).await?
    };
    Ok((page.messages.status(), Html(page)).into_response())
}

/// Ends one or all of one's sessions.
pub(super) async fn end_sessions(form: Form<EndForm>) -> Result<Response, Problem> {
    let permit = authorize::oneself(form.signed_in.caller());
    let this = form.signed_in.session().id;
    let which = match form.fields.session.as_str() {
        "all" => Ending::All,
        "others" => Ending::Others(this),
        name => match SecretHash::parse(name) {
            Some(id) => Ending::One(id),
            None => return Ok(see_other("/account")),
        },
    };
    sessions::end(&form.services, &permit, which).await?;
    Ok(match which {
        Ending::All => signed_out(""),
        Ending::One(id) if id == this => signed_out(""),
        Ending::One(_) | Ending::Others(_) => see_other("/account"),
    })
}

async fn page_of(services: &Services, signed_in: &SignedIn) -> Result<AccountPage, Problem> {
    let permit = authorize::oneself(signed_in.caller());
    Ok(AccountPage {
        layout: Layout::of(signed_in, "Account", "/account"),
        messages: Messages::none(),
        me: me::describe(services, signed_in.caller()).await?,
        has_password: sign_in::has_password(services, &permit).await?,
        this: signed_in.session().id,
        sessions: sessions::list(services, &permit).await?,
    })
}
