//! What is wrong with a form, on the page that shows it again.

use http::StatusCode;

use crate::api::problem::Problem;

/// What is wrong with a form, if anything is.
#[derive(Debug, Default)]
pub struct Messages {
    lines: Vec<String>,
    status: StatusCode,
}

impl Messages {
    /// Nothing is wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// This is wrong with what was entered.
    #[must_use]
    pub fn one(line: impl Into<String>) -> Self {
        Self {
            lines: vec![line.into()],
            status: StatusCode::BAD_REQUEST,
        }
    }

    /// What a problem says.
    ///
    /// # Errors
    /// The problem itself, when whoever sent the form cannot do anything about it.
    pub fn of(problem: Problem) -> Result<Self, Problem> {
        if problem.is_theirs() {
            Ok(Self {
                lines: problem.messages(),
                status: problem.status(),
            })
        } else {
            Err(problem)
        }
    }

    /// One by one.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The status of the page.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}
