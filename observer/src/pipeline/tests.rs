//! Connections that are decrypted: whatever rustls says to itself, the exchanges are those of the plaintext.

mod endpoints;
mod sealed;
mod unread;
