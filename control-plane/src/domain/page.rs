//! Lists in pages.

/// Which part of a list is wanted: `limit` items after `after`, in the order of the list's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// The key of the last item already seen; none: from the start.
    pub after: Option<K>,
    /// Largest number of items, 1 to [`PageRequest::MAX_LIMIT`].
    pub limit: u32,
}

impl<K> PageRequest<K> {
    /// Most items that one page holds.
    pub const MAX_LIMIT: u32 = 500;

    /// The first page.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// How many rows to ask for: one more than wanted tells whether there is a next page.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit.clamp(1, Self::MAX_LIMIT)) + 1
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    /// In the order of the list's key.
    pub items: Vec<T>,
    /// Key to continue after; none: this was the last page.
    pub next: Option<K>,
}

impl<T, K> Page<T, K> {
    /// Cuts the surplus row that [`PageRequest::rows`] asked for.
    pub(crate) fn cut(mut items: Vec<T>, request: &PageRequest<K>, key: impl Fn(&T) -> K) -> Self {
        let limit = request.limit.clamp(1, PageRequest::<K>::MAX_LIMIT) as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next }
    }

    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U, K> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surplus_row_makes_a_next_key_and_is_not_shown() {
        let request = PageRequest::first(2);
        let page = Page::cut(vec![1, 2, 3], &request, |item| *item);
        assert_eq!(
            page,
            Page {
                items: vec![1, 2],
                next: Some(2)
            }
        );
        let page = Page::cut(vec![1, 2], &request, |item| *item);
        assert_eq!(
            page,
            Page {
                items: vec![1, 2],
                next: None
            }
        );
    }

    #[test]
    fn the_limit_is_kept_in_bounds() {
        assert_eq!(PageRequest::<u8>::first(0).rows(), 2);
        assert_eq!(PageRequest::<u8>::first(u32::MAX).rows(), 501);
    }
}
