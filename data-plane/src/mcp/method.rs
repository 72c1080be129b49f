//! The methods that a client may send: a closed set over all revisions (T16).
//!
//! `tasks/…` is not among them: a task's id is a handle that has to be sealed for its caller first (T24).

/// A method of MCP.
///
/// One name per line, with what it is called on the wire and what decides about it. A method that is not
/// here is refused, so a new revision adds nothing before somebody has decided about it.
macro_rules! methods {
    ($($variant:ident $wire:literal $form:ident $rule:ident),+ $(,)?) => {
        /// A method that a client may send.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Method {
            $(#[doc = $wire] $variant),+
        }

        impl Method {
            /// All of them.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// The method of this exact name.
            pub(crate) fn parse(name: &str) -> Option<Self> {
                match name {
                    $($wire => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its name on the wire.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire),+
                }
            }

            /// Whether it asks for an answer.
            pub(crate) const fn form(self) -> Form {
                match self {
                    $(Self::$variant => Form::$form),+
                }
            }

            /// What decides about it, beyond access to the server.
            pub(crate) const fn rule(self) -> Rule {
                match self {
                    $(Self::$variant => Rule::$rule),+
                }
            }
        }
    };
}

/// Whether a message with a method has an `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// It has one, and is answered.
    Request,
    /// It has none.
    Notification,
}

/// What decides about a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Access to the server is enough.
    Server,
    /// The tool named by `params.name` (AC-2).
    Tool,
    /// Prompts must be on (AC-6).
    Prompts,
    /// Resources must be on (AC-6).
    Resources,
    /// Prompts or resources, as `params.ref` says.
    Reference,
}

methods! {
    Initialize "initialize" Request Server,
    Ping "ping" Request Server,
    Discover "server/discover" Request Server,
    Listen "subscriptions/listen" Request Server,
    ToolsList "tools/list" Request Server,
    ToolsCall "tools/call" Request Tool,
    PromptsList "prompts/list" Request Prompts,
    PromptsGet "prompts/get" Request Prompts,
    ResourcesList "resources/list" Request Resources,
    ResourceTemplatesList "resources/templates/list" Request Resources,
    ResourcesRead "resources/read" Request Resources,
    ResourcesSubscribe "resources/subscribe" Request Resources,
    ResourcesUnsubscribe "resources/unsubscribe" Request Resources,
    Complete "completion/complete" Request Reference,
    SetLevel "logging/setLevel" Request Server,
    Initialized "notifications/initialized" Notification Server,
    Cancelled "notifications/cancelled" Notification Server,
    Progress "notifications/progress" Notification Server,
    RootsListChanged "notifications/roots/list_changed" Notification Server,
}

impl Method {
    /// Whether the modern era has it no more (2026-07-28, removed methods).
    pub(crate) const fn is_legacy_only(self) -> bool {
        matches!(
            self,
            Self::Initialize
                | Self::Ping
                | Self::SetLevel
                | Self::ResourcesSubscribe
                | Self::ResourcesUnsubscribe
        )
    }

    /// The member of `params` that a modern request repeats in `Mcp-Name` (2026-07-28, headers).
    pub(crate) const fn named_by(self) -> Option<NamedBy> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some(NamedBy::Name),
            Self::ResourcesRead => Some(NamedBy::Uri),
            _ => None,
        }
    }
}

/// A member of `params` that names what a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t16_methods_are_compared_byte_by_byte() {
        for &method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
            for twin in [
                method.as_str().to_uppercase(),
                format!("{}\0", method.as_str()),
                format!(" {}", method.as_str()),
                format!("{}/", method.as_str()),
            ] {
                assert_eq!(Method::parse(&twin), None, "{twin:?}");
            }
            assert_eq!(
                method.form() == Form::Notification,
                method.as_str().starts_with("notifications/")
            );
        }
    }
}
