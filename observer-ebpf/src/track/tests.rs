//! What tracking makes of conversations, segment by segment.

mod again;
mod bodies;
mod conversation;
mod properties;
mod recognition;
