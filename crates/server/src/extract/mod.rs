//! Extractors: who is calling, and what they sent.
