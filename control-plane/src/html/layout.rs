//! The frame of a page.

use crate::authenticate::SignedIn;

/// The frame of a page: field `layout` of every template that extends `layout.html`.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Title of the page.
    pub title: String,
    /// Who is signed in.
    pub person: Option<Person>,
    /// Token for every form on the page, in a field `csrf`.
    pub csrf: String,
    /// Path of the link that this page belongs to.
    pub section: &'static str,
}

/// Who is signed in, as far as the frame shows it.
#[derive(Debug, Clone)]
pub struct Person {
    /// Their address.
    pub email: String,
    /// Whether they see the pages of administrators.
    pub is_admin: bool,
}

/// A link of the navigation.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Where it leads.
    pub path: &'static str,
    /// What it reads.
    pub name: &'static str,
}

/// Pages of everyone.
const EVERYONE: &[Link] = &[
    link("/", "Home"),
    link("/tokens", "Tokens"),
    link("/connections", "Connections"),
    link("/applications", "Applications"),
    link("/account", "Account"),
];

/// Pages of administrators.
const ADMINISTRATORS: &[Link] = &[
    link("/admin/servers", "Servers"),
    link("/admin/users", "Users"),
    link("/admin/teams", "Teams"),
    link("/admin/virtual-accounts", "Virtual accounts"),
    link("/admin/identity-providers", "Identity providers"),
    link("/admin/audit-events", "Audit"),
];

const fn link(path: &'static str, name: &'static str) -> Link {
    Link { path, name }
}

impl Layout {
    /// The frame of a page of somebody who is signed in.
    #[must_use]
    pub fn of(signed_in: &SignedIn, title: impl Into<String>, section: &'static str) -> Self {
        Self {
            title: title.into(),
            person: Some(Person {
                email: signed_in.user().email.to_string(),
                is_admin: signed_in.caller().is_admin(),
            }),
            csrf: signed_in.csrf_token(),
            section,
        }
    }

    /// The frame of a page before sign-in, whose forms carry this token.
    #[must_use]
    pub fn before_sign_in(title: impl Into<String>, csrf: String) -> Self {
        Self {
            title: title.into(),
            person: None,
            csrf,
            section: "",
        }
    }

    /// The address of who is signed in.
    #[must_use]
    pub fn email(&self) -> &str {
        self.person.as_ref().map_or("", |person| &person.email)
    }

    /// Links of the navigation.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let is_admin = self.person.as_ref().is_some_and(|person| person.is_admin);
        let more = if is_admin { ADMINISTRATORS } else { &[] };
        [EVERYONE, more].concat()
    }
}
