//! Codes become tokens (RFC 6749 section 4.1.3, OpenID Connect Core section 3.1.3).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};
use warder_shared::egress::{Connector, EgressRules};
use zeroize::Zeroizing;

/// How long an exchange may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Our client at somebody's token endpoint.
#[derive(Debug)]
pub struct TokenEndpoint<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// Our client's name there.
    pub client_id: &'a str,
    /// Its secret; none: a public client.
    pub client_secret: Option<&'a SecretString>,
    /// How clients may authenticate there, as its metadata says.
    pub auth_methods: &'a [String],
}

/// A code, and what it was asked for with.
#[derive(Debug)]
pub struct Code<'a> {
    /// The code.
    pub code: &'a str,
    /// Where it was sent.
    pub redirect_uri: &'a str,
    /// PKCE (RFC 7636 section 4.5).
    pub verifier: &'a str,
}

/// Why there are no tokens. Nothing that the server wrote is repeated.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The request could not be made, or no answer came.
    #[error("the token endpoint cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It did not come in time.
    #[error("the token endpoint does not answer in time")]
    Late,
    /// The server did not like the request.
    #[error("the token endpoint answers with status {0}")]
    Refused(StatusCode),
    /// The answer is not one.
    #[error("the token endpoint's answer cannot be read")]
    Unreadable,
    /// There is no ID token in it.
    #[error("the token endpoint's answer has no ID token")]
    NoIdToken,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
}

impl TokenEndpoint<'_> {
    /// The ID token that a code stands for.
    ///
    /// # Errors
    /// See [`ExchangeError`].
    pub async fn id_token(
        &self,
        egress: &EgressRules,
        code: &Code<'_>,
    ) -> Result<SecretString, ExchangeError> {
        let exchange = tokio::time::timeout(DEADLINE, self.exchange(egress, code));
        exchange.await.map_err(|_| ExchangeError::Late)?
    }

    async fn exchange(
        &self,
        egress: &EgressRules,
        code: &Code<'_>,
    ) -> Result<SecretString, ExchangeError> {
        let unreachable =
            |error: Box<dyn std::error::Error + Send + Sync>| ExchangeError::Unreachable(error);
        let connector = Connector::new(egress.clone(), None, DEADLINE)
            .map_err(|error| unreachable(error.into()))?;
        let http = Client::builder(TokioExecutor::new()).build(connector);
        let request = self
            .request(code)
            .map_err(|error| unreachable(error.into()))?;
        let response = http
            .request(request)
            .await
            .map_err(|error| unreachable(error.into()))?;
        // A redirect is an answer like any other: not tokens.
        if !response.status().is_success() {
            return Err(ExchangeError::Refused(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
        let body = body
            .await
            .map_err(|_| ExchangeError::Unreadable)?
            .to_bytes();
        let tokens: Tokens =
            serde_json::from_slice(&body).map_err(|_| ExchangeError::Unreadable)?;
        let token = tokens.id_token.ok_or(ExchangeError::NoIdToken)?;
        Ok(token.into())
    }

    fn request(&self, code: &Code<'_>) -> http::Result<Request<Full<bytes::Bytes>>> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.code)
            .append_pair("redirect_uri", code.redirect_uri)
            .append_pair("code_verifier", code.verifier);
        let mut request = Request::post(self.url.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        match self.client_secret {
            Some(secret) if self.takes_basic() => {
                request = request.header(header::AUTHORIZATION, self.basic(secret)?);
            }
            Some(secret) => {
                form.append_pair("client_id", self.client_id)
                    .append_pair("client_secret", secret.expose_secret());
            }
            None => {
                form.append_pair("client_id", self.client_id);
            }
        }
        request.body(Full::from(form.finish()))
    }

    /// Whether the secret goes into a header (RFC 6749 section 2.3.1), as it does unless only the body is
    /// offered.
    fn takes_basic(&self) -> bool {
        let offers = |method: &str| self.auth_methods.iter().any(|offered| offered == method);
        offers("client_secret_basic") || !offers("client_secret_post")
    }

    fn basic(&self, secret: &SecretString) -> Result<HeaderValue, http::Error> {
        let encoded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Zeroizing::new(format!(
            "{}:{}",
            encoded(self.client_id),
            encoded(secret.expose_secret())
        ));
        let mut value =
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes())))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(secret: Option<&str>, methods: &[&str]) -> (Option<String>, String) {
        let url = Url::parse("https://login.example.com/token").unwrap();
        let secret = secret.map(SecretString::from);
        let methods: Vec<String> = methods.iter().map(|method| (*method).to_owned()).collect();
        let endpoint = TokenEndpoint {
            url: &url,
            client_id: "warder one",
            client_secret: secret.as_ref(),
            auth_methods: &methods,
        };
        let code = Code {
            code: "c&d",
            redirect_uri: "https://w/cb",
            verifier: "v",
        };
        let request = endpoint.request(&code).unwrap();
        let header = request.headers().get(header::AUTHORIZATION);
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        assert!(
            !format!("{request:?}").contains("c2VjcmV0"),
            "a secret is not shown"
        );
        let body = request.into_body().collect().await.unwrap().to_bytes();
        (header, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_secret_goes_where_the_metadata_says() {
        const FORM: &str = "grant_type=authorization_code&code=c%26d&redirect_uri=https%3A%2F%2Fw%2Fcb&code_verifier=v";
        let basic = format!("Basic {}", STANDARD.encode("warder+one:secret%3A+x"));
        for methods in [
            &["client_secret_basic", "client_secret_post"][..],
            &["private_key_jwt"],
            &[],
        ] {
            let (header, body) = sent(Some("secret: x"), methods).await;
            assert_eq!((header.as_deref(), &*body), (Some(&*basic), FORM));
        }
        let (header, body) = sent(Some("secret: x"), &["client_secret_post"]).await;
        assert_eq!(header, None);
        assert_eq!(
            body,
            format!("{FORM}&client_id=warder+one&client_secret=secret%3A+x")
        );
        let (header, body) = sent(None, &["client_secret_basic"]).await;
        assert_eq!(
            (header, body),
            (None, format!("{FORM}&client_id=warder+one"))
        );
    }
}
