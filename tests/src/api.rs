//! The control plane's REST API, as one caller uses it.

use reqwest::Method;
use serde_json::{Value, json};

/// The API with one caller's token.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// A caller of the gateway: whom a token acts as.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As access rules name it: `user:EMAIL` or `virtual-account:NAME`.
    pub subject: String,
    /// What goes into `Authorization: Bearer`.
    pub token: String,
    /// The id under which the token can be revoked.
    pub token_id: String,
}

impl Api {
    /// The API of the control plane at `base` (its public URL).
    #[must_use]
    pub fn new(base: &str, token: &str) -> Self {
        Self {
            http: crate::gateway::http_client(),
            base: format!("{base}/api/v1"),
            token: token.to_owned(),
        }
    }

    /// The same API for another caller.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Sends one request and returns the status and the body; null where there is none.
    ///
    /// # Panics
    /// When no answer comes, or one that is not JSON.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let what = format!("{method} {path}");
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let status = response.status().as_u16();
        let text = response
            .text()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let value = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .unwrap_or_else(|error| panic!("{what}: {status} {error}: {text}")),
        };
        (status, value)
    }

    /// Reads something that is there.
    pub async fn get(&self, path: &str) -> Value {
        self.succeed(Method::GET, path, None).await
    }

    /// Creates something.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        self.succeed(Method::POST, path, Some(body)).await
    }

    /// Creates or replaces something by name.
    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.succeed(Method::PUT, path, Some(body)).await
    }

    /// Changes some fields of something.
    pub async fn patch(&self, path: &str, body: &Value) -> Value {
        self.succeed(Method::PATCH, path, Some(body)).await
    }

    /// Removes something.
    pub async fn delete(&self, path: &str) {
        self.succeed(Method::DELETE, path, None).await;
    }

    /// Registers a remote server with `auth` and the people who may use it.
    pub async fn register(&self, name: &str, url: &str, auth: &Value, users: &[&Caller]) {
        let collaborators: Vec<_> = users
            .iter()
            .map(|caller| json!({"subject": caller.subject, "role": "mcp-server-user"}))
            .collect();
        let server = json!({
            "type": "remote", "display_name": name, "description": "", "url": url, "auth": auth, "collaborators": collaborators,
        });
        self.put(&format!("/mcp-servers/{name}"), &server).await;
    }

    /// Replaces the access rules of a server.
    pub async fn set_collaborators(&self, server: &str, rules: &Value) {
        self.put(&format!("/mcp-servers/{server}/collaborators"), rules)
            .await;
    }

    /// Enters the caller's own values for a server.
    pub async fn set_override(&self, server: &str, caller: &Caller, values: &Value) {
        let body = json!({"subject": caller.subject, "values": values});
        self.put(&format!("/mcp-servers/{server}/auth-overrides"), &body)
            .await;
    }

    /// Makes a user and a personal access token of theirs.
    pub async fn person(&self, email: &str) -> Caller {
        self.post(
            "/users",
            &json!({"email": email, "name": email, "roles": ["member"]}),
        )
        .await;
        self.personal_access_token(email).await
    }

    /// Makes one more personal access token for a user.
    pub async fn personal_access_token(&self, email: &str) -> Caller {
        let body = json!({"name": "test", "expires_in": "1h", "user": email});
        let token = self.post("/personal-access-tokens", &body).await;
        caller(format!("user:{email}"), &token)
    }

    /// Makes a virtual account and a token of it.
    pub async fn virtual_account(&self, name: &str) -> Caller {
        self.put(
            &format!("/virtual-accounts/{name}"),
            &json!({"description": "", "permissions": []}),
        )
        .await;
        self.virtual_account_token(name).await
    }

    /// Makes one more token of a virtual account.
    pub async fn virtual_account_token(&self, name: &str) -> Caller {
        let token = self
            .post(
                &format!("/virtual-accounts/{name}/tokens"),
                &json!({"expires_in": "1h"}),
            )
            .await;
        caller(format!("virtual-account:{name}"), &token)
    }

    /// Revokes the token of a caller.
    pub async fn revoke(&self, caller: &Caller) {
        let path = match caller.subject.strip_prefix("virtual-account:") {
            Some(name) => format!("/virtual-accounts/{name}/tokens/{}", caller.token_id),
            None => format!("/personal-access-tokens/{}", caller.token_id),
        };
        self.delete(&path).await;
    }

    async fn succeed(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.send(method.clone(), path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path} answered {status}: {answer}"
        );
        answer
    }
}

fn caller(subject: String, token: &Value) -> Caller {
    let field = |name: &str| {
        token[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in the token answer"))
            .to_owned()
    };
    Caller {
        subject,
        token: field("token"),
        token_id: field("id"),
    }
}
