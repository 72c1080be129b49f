//! The revisions of MCP.

/// A revision of the specification, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    /// 2024-11-05: only as a name that clients of the later legacy revisions may negotiate.
    V20241105,
    /// 2025-03-26
    V20250326,
    /// 2025-06-18
    V20250618,
    /// 2025-11-25: the last with `initialize`.
    V20251125,
    /// 2026-07-28: the first without sessions.
    V20260728,
}

impl Revision {
    /// Those that a request may name, newest first.
    pub(crate) const ALL: [Self; 5] = [
        Self::V20260728,
        Self::V20251125,
        Self::V20250618,
        Self::V20250326,
        Self::V20241105,
    ];

    /// The revision of this exact name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str() == name)
    }

    /// Its name on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V20241105 => "2024-11-05",
            Self::V20250326 => "2025-03-26",
            Self::V20250618 => "2025-06-18",
            Self::V20251125 => "2025-11-25",
            Self::V20260728 => "2026-07-28",
        }
    }

    /// Whether requests of it stand alone, with `_meta` and mirrored headers.
    pub(crate) const fn is_modern(self) -> bool {
        matches!(self, Self::V20260728)
    }
}
