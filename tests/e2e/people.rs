//! People in front of a browser: how they sign in to Warder and what they allow.

use e2e::browser::{Browser, Find, Page, Profile};
use e2e::warder::Warder;

/// Somebody with a password.
pub(crate) struct Person {
    pub(crate) email: &'static str,
    pub(crate) password: String,
}

impl Person {
    /// Gives a user a password, as an operator does.
    pub(crate) async fn with_password(warder: &Warder, email: &'static str) -> Self {
        let password = e2e::files::canary("password");
        warder.control_plane.set_password(email, &password).await;
        Self { email, password }
    }

    /// Signs in on the page that asks for it, wherever it leads.
    pub(crate) async fn sign_in_here(&self, page: &Page) {
        page.fill(Find::Label("Email"), self.email).await;
        page.fill(Find::Label("Password"), &self.password).await;
        page.click(Find::Button("Sign in")).await;
    }

    /// A browser profile in which they are signed in.
    pub(crate) async fn signed_in(
        &self,
        browser: &Browser,
        warder: &Warder,
        profile: Profile,
    ) -> Page {
        let page = browser.open(profile).await;
        let home = format!("{}/", warder.control_plane.public_url());
        assert_eq!(page.goto(&home).await, 200);
        self.sign_in_here(&page).await;
        assert_eq!(page.url().await, home, "{}", page.html().await);
        page
    }
}
