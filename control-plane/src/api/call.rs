//! What every operation begins with: the services, and the caller that was authenticated.

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::{api::problem::Problem, authenticate::Caller, service::Services};

/// One authenticated call of the API.
#[derive(Debug)]
pub struct Call {
    /// What use cases work with.
    pub services: Services,
    /// Who calls.
    pub caller: Caller,
}

impl FromRequestParts<Services> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, services: &Services) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, services).await?;
        Ok(Self {
            services: services.clone(),
            caller,
        })
    }
}
