//! What all HTTP functions share: problems, extractors, callers, pages, middleware.
